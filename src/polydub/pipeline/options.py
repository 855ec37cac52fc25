"""What a run is asked to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, get_args

from polydub.engines.protocols import KINDS, Formality, Profanity
from polydub.engines.registry import DEFAULTS
from polydub.errors import InputError
from polydub.evaluate.gate import judge_values, parse_gate
from polydub.model.language import language_name, parse_language, primary, same_language
from polydub.project.cache import digest
from polydub.project.folder import Project, file_digest

GIVEN_FILES = ("turns", "script_from")
"""Options that name a file which says who speaks."""
KEPT_FILES = (*GIVEN_FILES, "cast")
"""Options that name a file, kept with the project."""


GATE_FIGURES = ("wer", "cer", "similarity", "margin", "overlap", "speed")
"""Figures that are measured on every take."""

MOST_TAKES = 8
"""How many different takes of one line the synthesiser is asked for at most."""


@dataclass(frozen=True, slots=True)
class DubOptions:
    """Options of one dub.

    ``targets`` and ``source_language`` are language codes (BCP-47, or ISO 639). ``engines`` maps a
    kind (see ``polydub engines``) to an engine name. ``translations`` maps a target language to a
    subtitle, table or script file with the user's own translation, which wins over the translation
    engine. ``llm_model`` is a GGUF path or hub name. ``speakers`` fixes how many people speak.
    ``turns`` is a file that says who speaks when (RTTM, or any file with lines) instead of our
    diarization; ``script_from`` one with whole lines instead of ours (tagged subtitles, dubbing
    table, JSONL, script), whose translations are in ``script_target`` (the only target when not
    given). ``container`` is ``"mp4"`` or ``"mkv"``. ``takes`` are made of every line, and the best
    is kept.

    ``glossary`` maps a target language (``""``: every one) to source terms and what must stand for
    them, see :func:`polydub.project.glossary_file.read_glossary`. ``formality`` is ``"formal"``,
    ``"informal"`` or ``"auto"`` (nothing is asked), ``profanity`` ``"keep"`` or ``"soften"``;
    ``context`` a sentence about the film for translators that can use it. ``cast`` is a file with
    the voices of a series: its speakers get them, new ones are added to it. ``gate`` names figures
    that every line must reach (``"wer<=0.1,overlap>=0.6"``): a line that does not is said up to
    eight times, and reported when no take does. ``redub`` allows a target that the film is in
    already: it is spoken anew, in the words of its script.
    """

    targets: tuple[str, ...] = ()
    source_language: str | None = None
    engines: dict[str, str] = field(default_factory=dict)
    translations: dict[str, Path] = field(default_factory=dict)
    llm_model: str | None = None
    lips: bool = True
    speakers: int | None = None
    subtitles: bool = True
    max_speed: float = 1.2
    takes: int = 1
    container: str | None = None
    turns: Path | None = None
    script_from: Path | None = None
    script_target: str | None = None
    glossary: dict[str, dict[str, str]] = field(default_factory=dict)
    formality: Formality = "auto"
    profanity: Profanity = "keep"
    context: str = ""
    cast: Path | None = None
    gate: str = ""
    redub: bool = False

    def normalised(self) -> DubOptions:
        """The same with canonical language tags. Raises ``InputError`` for values out of range."""
        if self.speakers is not None and self.speakers < 1:
            raise InputError("--speakers must be 1 or more.", code="DUB-E108")
        if not 1.0 <= self.max_speed <= 1.8:
            raise InputError("--max-speed must lie between 1.0 and 1.8.", code="DUB-E108")
        if not 1 <= self.takes <= MOST_TAKES:
            raise InputError(f"--takes must lie between 1 and {MOST_TAKES}.", code="DUB-E108")
        if self.container not in (None, "mp4", "mkv"):
            raise InputError("The container must be mp4 or mkv.", code="DUB-E108")
        for option, value, choices in (
            ("--formality", self.formality, get_args(Formality)),
            ("--profanity", self.profanity, get_args(Profanity)),
        ):
            if value not in choices:
                text = f"{option} must be one of: {', '.join(choices)}."
                raise InputError(text, code="DUB-E108")
        for kind in self.engines:
            if kind not in KINDS:
                known = ", ".join(KINDS)
                raise InputError(
                    f"There is no stage '{kind}' to choose an engine for.",
                    hint=f"Known: {known}.",
                    code="DUB-E108",
                )
        if self.turns is not None and self.script_from is not None:
            raise InputError(
                "--turns and --script-from cannot be used together.",
                hint="The lines of --script-from say who speaks when as well.",
                code="DUB-E108",
            )
        self._check_gate()
        source = parse_language(self.source_language) if self.source_language else None
        targets = tuple(dict.fromkeys(parse_language(code) for code in self.targets))
        if not self.redub:
            require_other_language(source, targets)
        spoken = parse_language(self.script_target) if self.script_target else None
        if self.script_from is not None and spoken is None and len(targets) == 1:
            spoken = targets[0]
        return replace(
            self,
            targets=targets,
            source_language=source,
            engines=dict(self.engines),
            translations={parse_language(k): Path(v) for k, v in self.translations.items()},
            turns=Path(self.turns) if self.turns is not None else None,
            script_from=Path(self.script_from) if self.script_from is not None else None,
            script_target=spoken,
            glossary={
                parse_language(tag) if tag else "": dict(terms)
                for tag, terms in self.glossary.items()
            },
            context=" ".join(self.context.split()),
        )

    def _check_gate(self) -> None:
        for condition in parse_gate(self.gate) if self.gate else ():
            if condition.metric not in GATE_FIGURES:
                raise InputError(
                    f"'{condition.metric}' is not known while a dub is made.",
                    hint=f"Known are {', '.join(GATE_FIGURES)}; set a gate for all other figures "
                    "with: polydub evaluate PROJECT --gate ...",
                    code="DUB-E108",
                )

    def accepts_take(self) -> Callable[[Mapping[str, float]], bool] | None:
        """Whether the scores of a take meet the gate; ``None`` without a gate.

        What was not measured (the margin of a lone speaker) cannot fail here.
        """
        if not self.gate:
            return None
        gate = parse_gate(self.gate)
        return lambda scores: not judge_values({"take": scores}, {}, gate).failures

    @property
    def must_differ(self) -> tuple[str, ...]:
        """The targets that may not be the film's own language."""
        return () if self.redub else self.targets

    def of_dub(self) -> DubOptions:
        """The same without the files whose content the script holds."""
        return replace(self, turns=None, script_from=None, script_target=None, cast=None)

    def terms(self, language: str) -> dict[str, str]:
        """The glossary for one target language: its own terms win over those of every language."""
        same = [
            terms for tag, terms in self.glossary.items() if tag and same_language(tag, language)
        ]
        return {k: v for terms in (self.glossary.get("", {}), *same) for k, v in terms.items()}

    def engine(self, kind: str, language: str | None = None) -> str:
        """Name of the engine of ``kind``; a translation file for ``language`` means ``given``."""
        if kind == "translate" and language in self.translations:
            return "given"
        return self.engines[kind] if kind in self.engines else DEFAULTS[kind]

    @property
    def dubs_scenes(self) -> bool:
        """Whether a dubbing engine speaks whole scenes, instead of a voice engine line by line."""
        return "dubbing" in self.engines

    def require_targets(self, translations: Iterable[str] = ()) -> None:
        """Raise ``InputError`` without a target, or when nobody asks for one of ``translations``.

        A file in a language that is not dubbed would be ignored: a slip to be told, DUB-E108.
        """
        for code in translations:
            if parse_language(code) not in self.targets:
                raise InputError(
                    f"The translation into '{code}' would not be used: that language is not asked "
                    "for.",
                    hint=f"Add --to {code}, or leave the file out.",
                    code="DUB-E108",
                )
        if not self.targets:
            raise InputError("No target language was given.", hint="Add --to es.", code="DUB-E105")


def require_other_language(source: str | None, targets: Iterable[str]) -> None:
    """Raise ``InputError`` DUB-E108 when the film speaks one of ``targets`` already."""
    for target in targets:
        if source in (None, "und") or not same_language(str(source), target):
            continue
        raise InputError(
            f"The film is in {language_name(primary(str(source)))} already: it cannot be dubbed "
            f"into '{target}'.",
            hint="Give another language with --to. If the film speaks something else, say what "
            "with --from.",
            code="DUB-E108",
        )


def store_options(project: Project, options: DubOptions) -> None:
    """Write ``options`` into the project's state; paths survive a move of the folder."""
    values = asdict(options)
    values["translations"] = {
        tag: project.remember(path) for tag, path in options.translations.items()
    }
    for name in KEPT_FILES:
        path = getattr(options, name)
        values[name] = project.remember(path) if path is not None else None
    if options.llm_model and Path(options.llm_model).is_file():
        values["llm_model"] = str(Path(options.llm_model).resolve())
    project.state.options = {**values, "told": told_digest(project, options)}


def told_digest(project: Project, options: DubOptions) -> str:
    """A fingerprint of the files that tell the analysis who speaks: pins, turns, lines."""
    files = [project.root / "pins.json", options.turns, options.script_from]
    return digest([file_digest(x) if x is not None and x.is_file() else "" for x in files])


def stored_options(project: Project) -> DubOptions:
    """The options that the project was last used with."""
    known = {field.name for field in fields(DubOptions)}
    values = {name: value for name, value in project.state.options.items() if name in known}
    values["targets"] = tuple(values.get("targets", ()))
    values["translations"] = {
        tag: project.recall(path) for tag, path in values.get("translations", {}).items()
    }
    for name in KEPT_FILES:
        values[name] = project.recall(values[name]) if values.get(name) else None
    return DubOptions(**values).normalised()


def changed_options(project: Project, changes: Mapping[str, Any]) -> DubOptions:
    """The project's options with ``changes``; engines and translations are added to the known."""
    known, values = stored_options(project), dict(changes)
    for name in ("engines", "translations"):
        if name in values:
            values[name] = {**getattr(known, name), **values[name]}
    return replace(known, **values).normalised()
