"""Every line gets a translation, by id: none is lost, merged or invented.

A translator may answer anything. What it answers is cleaned and checked line by line; lines that
fail are asked again in smaller groups, at last alone; a line that still fails keeps its original
text, marked as untranslated, with a recorded decision. A translation that takes too long to say is
asked for once more, shorter; the shortest that still passes the checks is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from polydub.engines.protocols import Capabilities, LineToTranslate, TranslationRequest, Translator
from polydub.errors import EngineError
from polydub.model import Decision, Line, Script, Translation, TranslationStatus
from polydub.model.language import is_spaced, same_language
from polydub.stages.translation_check import cleaned, problem
from polydub.stages.translation_clauses import as_sentence_part, clauses
from polydub.stages.translation_length import (
    fitting_letters,
    keeps_facts,
    most_letters,
    spoken_seconds,
    times_to_speak,
)

STAGE = "translate"


@dataclass(frozen=True, slots=True)
class TranslateOptions:
    """Settings of :func:`translate_lines`.

    ``batches`` are the lines per request in the first and the following attempts; ``context`` the
    neighbours shown on each side. ``glossary`` maps a source term to its translation. ``redo``
    translates again what an engine has translated before; a given translation always stays. After
    ``patience`` failed requests in a row the engine is not asked any more.

    A translation whose estimated speech is more than ``spare`` over the line's time at
    ``max_speed`` is asked for ``shorten`` times more; what is shorter than ``least`` of the first
    one has lost its meaning. A draft that would fill less than ``covers`` of its line has probably
    lost a clause (a film line of two sentences came back as one of them): its clauses are then
    translated one by one.
    """

    batches: tuple[int, ...] = (8, 3, 1)
    context: int = 3
    glossary: dict[str, str] = field(default_factory=dict)
    redo: bool = False
    patience: int = 4
    shorten: int = 2
    max_speed: float = 1.2
    spare: float = 0.05
    least: float = 0.45
    covers: float = 0.65


@dataclass(frozen=True, slots=True)
class TranslationOutcome:
    """A translation for every line of the script, by id, and what went wrong."""

    translations: dict[str, Translation]
    decisions: tuple[Decision, ...]


Progress = Callable[[str, int, int], None]
"""``progress(line_id, done, total)`` after each line that is settled."""


def translate_lines(
    translator: Translator,
    script: Script,
    target: str,
    *,
    options: TranslateOptions | None = None,
    on_progress: Progress | None = None,
) -> TranslationOutcome:
    """Translations of all lines of ``script`` into ``target`` (BCP-47); never raises for a line.

    Given translations in the script stay, and so do those that the same engine has made before. A
    translation's ``engine`` is the engine's name; a draft engine's lines have status ``draft``,
    those of the ``given`` engine ``given``. Text from a given translation is not checked or
    cleaned: it is the user's word.
    """
    job = _Job(translator, script, target, options or TranslateOptions(), on_progress)
    return job.run()


def needs_translation(line: Line, target: str, engine: str, *, redo: bool = False) -> bool:
    """Whether an engine has to translate ``line``: no usable translation by a user or by itself."""
    made = line.translations.get(target)
    if made is None or made.status == "untranslated":
        return True
    if made.status == "given":
        return False
    return redo or made.engine != engine


class _Job:
    def __init__(
        self,
        translator: Translator,
        script: Script,
        target: str,
        options: TranslateOptions,
        progress: Progress | None,
    ) -> None:
        self._translator = translator
        self._capabilities: Capabilities = translator.capabilities
        self._script = script
        self._target = target
        self._options = options
        self._progress = progress
        self._done: dict[str, Translation] = {}
        self._problems: dict[str, str] = {}
        self._failures = 0
        self._times = times_to_speak(script.lines, script.duration)
        self._fresh: list[Line] = []

    def run(self) -> TranslationOutcome:
        open_lines = [line for line in self._script.lines if not self._settled(line)]
        for size in self._options.batches:
            for batch in _batches(open_lines, size):
                self._ask(batch)
            open_lines = [line for line in open_lines if line.id not in self._done]
            if not open_lines or self._failures >= self._options.patience:
                break
        self._shorten()
        self._complete()
        decisions = [self._give_up(line) for line in open_lines]
        ordered = {line.id: self._done[line.id] for line in self._script.lines}
        return TranslationOutcome(ordered, (*self._about_film(), *decisions))

    def _settled(self, line: Line) -> bool:
        """Lines that no engine needs to see."""
        name = self._capabilities.name
        if not needs_translation(line, self._target, name, redo=self._options.redo):
            self._finish(line.id, line.translations[self._target])
        elif not line.text.strip():
            self._finish(line.id, Translation("", note="the line has no text"))
        elif same_language(self._script.language, self._target) and name != "given":
            self._finish(line.id, Translation(line.text, note="already in this language"))
        return line.id in self._done

    def _ask(self, batch: Sequence[Line]) -> None:
        answers = self._answers(self._request(batch))
        if isinstance(answers, EngineError):
            self._problems.update((line.id, answers.message) for line in batch)
            return
        for line, text, what in self._judged(batch, answers):
            if what:
                self._problems[line.id] = what
            else:
                self._finish(line.id, Translation(text, self._status, self._capabilities.name))
                self._fresh.append(line)

    def _answers(self, request: TranslationRequest) -> Mapping[str, str] | EngineError:
        if self._failures >= self._options.patience:
            return EngineError("the engine was not asked: it failed before")
        try:
            answers = self._translator.translate(request)
        except EngineError as error:
            self._failures += 1
            return error
        self._failures = 0
        return answers

    def _judged(
        self, batch: Sequence[Line], answers: Mapping[str, str]
    ) -> Iterator[tuple[Line, str, str]]:
        """Each line with its cleaned answer and what is wrong with it."""
        texts = {line.id: self._text(answers, line) for line in batch}
        merged = _merged(batch, texts)
        for line in batch:
            text = texts[line.id]
            yield line, text, merged.get(line.id) or self._check(text, line)

    def _shorten(self) -> None:
        """Ask again for fresh translations that take too long; keep the shortest sound one."""
        if self._status == "given":
            return
        first = {line.id: self._done[line.id].text for line in self._fresh}
        wanted = sorted(self._fresh, key=lambda line: (line.span, line.id))
        for attempt in range(1, self._options.shorten + 1):
            wanted = [line for line in wanted if self._too_long(line)]
            for batch in _batches(wanted, self._options.batches[0]):
                answers = self._answers(self._request(batch, attempt))
                if isinstance(answers, EngineError):
                    continue
                for line, text, what in self._judged(batch, answers):
                    if not what and self._is_better(line, text, first[line.id]):
                        self._done[line.id] = replace(self._done[line.id], text=text)

    def _complete(self) -> None:
        """Ask a draft engine clause by clause for lines of which it seems to have lost a part."""
        if self._status != "draft":
            return
        for line in self._fresh:
            spoken = spoken_seconds(line, self._done[line.id].text, self._target)
            parts = clauses(line.text)
            enough = self._options.covers * float(line.span.duration)
            if len(parts) < 2 or not 0 < spoken < enough:
                continue
            whole = self._by_clauses(line, parts)
            now = spoken_seconds(line, whole, self._target) if whole else 0.0
            if spoken < now <= self._time(line) * (1 + self._options.spare):
                self._done[line.id] = replace(self._done[line.id], text=whole)

    def _by_clauses(self, line: Line, parts: Sequence[str]) -> str:
        """The joined translations of the clauses of a line, ``""`` when one of them is unsound."""
        pieces = [replace(line, id=f"{line.id}#{n}", text=part) for n, part in enumerate(parts)]
        asked = tuple(
            LineToTranslate(piece.id, piece.text, line.speaker, 0.0, line.span) for piece in pieces
        )
        answers = self._answers(
            TranslationRequest(
                self._script.language, self._target, asked, glossary=self._options.glossary
            )
        )
        if isinstance(answers, EngineError):
            return ""
        texts = [self._text(answers, piece) for piece in pieces]
        if any(self._check(text, piece) for text, piece in zip(texts, pieces, strict=True)):
            return ""
        joined = [as_sentence_part(t, part) for t, part in zip(texts, parts, strict=True)]
        whole = (" " if is_spaced(self._target) else "").join(joined)
        return "" if self._check(whole, line) else whole

    def _too_long(self, line: Line) -> bool:
        limit = self._time(line) * (1 + self._options.spare)
        return spoken_seconds(line, self._done[line.id].text, self._target) > limit

    def _is_better(self, line: Line, text: str, first: str) -> bool:
        """Whether ``text`` is shorter than what the line has, and sound."""
        now, best, least = (
            spoken_seconds(line, said, self._target)
            for said in (text, self._done[line.id].text, first)
        )
        terms = tuple(self._options.glossary.values())
        sound = keeps_facts(text, first, line.text, terms)
        return sound and least * self._options.least <= now < best

    def _time(self, line: Line) -> float:
        """Seconds at rate 1 that fit the line's time at the highest comfortable rate."""
        return self._times[line.id] * self._options.max_speed

    def _request(self, batch: Sequence[Line], attempt: int = 0) -> TranslationRequest:
        lines = self._script.lines
        position = {line.id: index for index, line in enumerate(lines)}
        places = [position[line.id] for line in batch]
        first, last = min(places), max(places)
        wanted = {line.id for line in batch}
        around = self._options.context
        near = {place + step for place in places for step in range(-around, around + 1)}
        # lines between the first and the last that are settled already are context as well
        before = [
            lines[index]
            for index in range(max(0, first - around), last)
            if index in near and lines[index].id not in wanted
        ]
        return TranslationRequest(
            source=self._script.language,
            target=self._target,
            lines=tuple(self._asked(line, self._longest(line, attempt)) for line in batch),
            before=tuple(self._asked(line) for line in before),
            after=tuple(self._asked(line) for line in lines[last + 1 : last + 1 + around]),
            glossary=self._options.glossary,
            shorten={line.id: self._done[line.id].text for line in batch} if attempt else {},
            attempt=attempt,
        )

    def _longest(self, line: Line, attempt: int) -> int:
        if attempt:
            return fitting_letters(line, self._done[line.id].text, self._target, self._time(line))
        return most_letters(self._time(line), self._target)

    def _asked(self, line: Line, longest: int = 0) -> LineToTranslate:
        speaker = self._script.speaker(line.speaker).name
        seconds = self._times[line.id]
        return LineToTranslate(line.id, line.text, speaker, seconds, line.span, longest)

    def _text(self, answers: Mapping[str, str], line: Line) -> str:
        """The answer for a line, ``""`` when there is none or it is no text."""
        text = answers.get(line.id) if isinstance(answers, dict) else None
        if not isinstance(text, str):
            return ""
        return text.strip() if self._status == "given" else cleaned(text, line.text)

    def _check(self, text: str, line: Line) -> str:
        if self._status == "given":
            return "" if text else "the given translation has no text for this line"
        if not text:
            return "no translation came back"
        return problem(text, line.text, self._script.language, self._target)

    @property
    def _status(self) -> TranslationStatus:
        if self._capabilities.name == "given":
            return "given"
        return "draft" if self._capabilities.draft else "ok"

    def _finish(self, line_id: str, translation: Translation) -> None:
        self._done[line_id] = translation
        if self._progress is not None:
            self._progress(line_id, len(self._done), len(self._script.lines))

    def _give_up(self, line: Line) -> Decision:
        reason = self._problems.get(line.id, "the engine was not asked: it failed before")
        note = f"not translated: {reason}"
        self._finish(line.id, Translation(line.text, "untranslated", self._capabilities.name, note))
        return Decision(STAGE, line.id, "pass-through", note, line.span)

    def _about_film(self) -> Iterator[Decision]:
        name = self._capabilities.name
        if any(made.status == "draft" for made in self._done.values()):
            reason = f"'{name}' translates roughly: have the translation checked by a person"
            yield Decision(STAGE, "film", "draft", reason)
        if self._failures >= self._options.patience:
            reason = f"'{name}' failed {self._failures} times in a row and was not asked any more"
            yield Decision(STAGE, "film", "warning", reason)


def _batches(lines: Sequence[Line], size: int) -> Iterator[Sequence[Line]]:
    for start in range(0, len(lines), max(1, size)):
        yield lines[start : start + max(1, size)]


def _merged(batch: Sequence[Line], texts: Mapping[str, str]) -> dict[str, str]:
    """Lines whose longer answer is also another line's, although the originals differ."""
    originals: dict[str, set[str]] = {}
    for line in batch:
        originals.setdefault(texts[line.id], set()).add(line.text.strip().casefold())
    counts = Counter(texts[line.id] for line in batch)
    return {
        line.id: "the same translation came back for different lines"
        for line in batch
        if counts[texts[line.id]] > 1
        and len(originals[texts[line.id]]) > 1
        and sum(char.isalnum() for char in texts[line.id]) > 12
    }
