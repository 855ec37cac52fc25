"""Fills the script's translations: what a person wrote stays, what went stale is made again."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from polydub.engines.protocols import Capabilities, TranslationRequest, Translator
from polydub.model import Decision, Line, Script, Translation
from polydub.model.language import same_language
from polydub.pipeline.analysis import VERSION
from polydub.pipeline.run import Run
from polydub.project.artifacts import load, save
from polydub.stages.translate import TranslateOptions, translate_lines


def fingerprint(text: str) -> str:
    """A short digest of a text, to see later whether it changed."""
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def origin_of(source: str, translated: str) -> str:
    """What :attr:`Translation.origin` holds for a machine translation."""
    return f"{fingerprint(source)}:{fingerprint(translated)}"


def is_current(line: Line, language: str, engine: str) -> bool:
    """Whether the line's translation may stay.

    It may when a person wrote or edited it, or when ``engine`` made it from the text that the line
    still has. An untranslated line is always tried again.
    """
    translation = line.translations.get(language)
    if translation is None or translation.status == "untranslated" or not translation.text.strip():
        return False
    source, _, made = translation.origin.partition(":")
    untouched = bool(source) and made == fingerprint(translation.text)
    if untouched and translation.status != "given" and translation.engine != engine:
        return False  # another machine is asked now; what a person gave stays
    return source in ("", fingerprint(line.text)) or made != fingerprint(translation.text)


def mark_edits(line: Line, language: str) -> Line:
    """The line with its translation marked ``given`` when a person edited the machine's text."""
    translation = line.translations.get(language)
    if translation is None or not translation.origin:
        return line
    if translation.origin.partition(":")[2] == fingerprint(translation.text):
        return line
    edited = replace(translation, status="given", engine="", note="edited by hand", origin="")
    return replace(line, translations={**line.translations, language: edited})


def is_edited(line: Line, language: str) -> bool:
    """Whether a person wrote the line's translation into the script: no file replaces it."""
    translation = line.translations.get(language)
    return (
        translation is not None
        and translation.status == "given"
        and not translation.origin
        and bool(translation.text.strip())
    )


class RememberingTranslator:
    """A translator whose answers are cached by request, so that a killed run resumes mid-film."""

    def __init__(self, run: Run, engine: Translator, identity: str) -> None:
        self._run = run
        self._engine = engine
        self._identity = identity
        self.capabilities: Capabilities = engine.capabilities
        self.draft: bool = getattr(engine, "draft", engine.capabilities.draft)

    def translate(self, request: TranslationRequest) -> dict[str, str]:
        """The engine's answer, from the cache when it was asked the same before."""

        def make(work: Path) -> None:
            save(work / "answer.json", self._engine.translate(request))

        folder, _ = self._run.ensure("translate", VERSION, self._identity, request, make=make)
        answer: dict[str, str] = load(folder / "answer.json", dict[str, str])
        return answer


def translate_script(run: Run, script: Script, language: str, options: dict[str, Any]) -> Script:
    """The script with a translation for every line in ``language``.

    ``options`` are the translator's constructor options (cues of a given translation, a model
    path).
    """
    lines = tuple(mark_edits(line, language) for line in script.lines)
    script = script.with_lines(lines)
    name = run.options.engine("translate", language)
    given = name == "given"
    open_lines = [
        line
        for line in lines
        if (given and not is_edited(line, language)) or not is_current(line, language, name)
    ]
    with run.stage("translate", total=max(1, len(open_lines))) as progress:
        if not open_lines:
            return script
        if same_language(script.language, language):
            return _same_text(run, script, language)
        stale = {line.id for line in open_lines}
        pending = script.with_lines(tuple(_without(x, language, stale) for x in lines))
        engine = run.engines.get("translate", language, **options)
        identity = f"{run.engines.identity('translate', language)} {options.get('model', '')}"
        translator = engine if given else RememberingTranslator(run, engine, identity)
        outcome = translate_lines(
            translator,
            pending,
            language,
            options=TranslateOptions(max_speed=run.options.max_speed),
            on_progress=lambda line, done, total: progress.at(done, line),
        )
        run.decide(*outcome.decisions)
        kept = [x.id for x in lines if given and is_edited(x, language)]
        if kept:
            note = f"edited in the script, so the translation file is not used: {', '.join(kept)}"
            run.decide(Decision("translate", "film", "warning", note))
        for cue in getattr(engine, "unmatched", ()):
            note = f"a subtitle lies in no line and is not spoken: {cue.text}"
            run.decide(Decision("translate", "film", "warning", note, cue.span))
    stale_ids = {line.id for line in open_lines}
    return script.with_lines(
        tuple(
            _with(line, language, outcome.translations.get(line.id))
            if line.id in stale_ids
            else line
            for line in lines
        )
    )


def _without(line: Line, language: str, stale: set[str]) -> Line:
    if line.id not in stale or language not in line.translations:
        return line
    rest = {tag: text for tag, text in line.translations.items() if tag != language}
    return replace(line, translations=rest)


def _with(line: Line, language: str, translation: Translation | None) -> Line:
    if translation is None:
        return line
    if not translation.origin and translation.status != "untranslated":
        translation = replace(translation, origin=origin_of(line.text, translation.text))
    return replace(line, translations={**line.translations, language: translation})


def _same_text(run: Run, script: Script, language: str) -> Script:
    note = "source and target language are the same: the text is spoken as it is"
    run.decide(Decision("translate", "film", "warning", note))
    return script.with_lines(
        tuple(
            line
            if language in line.translations
            else _with(line, language, Translation(line.text, engine="same language"))
            for line in script.lines
        )
    )
