"""Every line gets a translation, by id: none is lost, merged or invented.

A translator may answer anything. What it answers is cleaned and checked line by line; lines that
fail are asked again in smaller groups, at last alone; a line that still fails keeps its original
text, marked as untranslated, with a recorded decision. A translation that breaks a rule of the user
(a term, the form of address) is asked for once more. One that takes too long to say is asked for
shorter, one that leaves its line half silent longer: every one that passes the checks is kept as an
alternative.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from polydub.engines.protocols import (
    Capabilities,
    LineToTranslate,
    TranslationRequest,
    Translator,
    Wordings,
    WordingTranslator,
)
from polydub.errors import EngineError
from polydub.model import Decision, Line, Script, Translation, TranslationStatus
from polydub.model.language import count_letters, is_spaced, same_language
from polydub.model.terms import without_marks
from polydub.stages.translation_candidates import Candidates
from polydub.stages.translation_check import cleaned, problem
from polydub.stages.translation_clauses import as_sentence_part, clauses
from polydub.stages.translation_length import Predict, SpeakingTime
from polydub.stages.translation_names import in_pinyin
from polydub.stages.translation_requests import Asking, TranslateOptions

STAGE = "translate"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class TranslationOutcome:
    """A translation for every line of the script, by id, and what went wrong.

    ``alternatives`` are sorted, the most faithful first; where the text itself is not the most
    faithful one, it is among them, in its place.
    """

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
    spoken: Predict | None = None,
    on_progress: Progress | None = None,
) -> TranslationOutcome:
    """Translations of all lines of ``script`` into ``target`` (BCP-47); never raises for a line.

    Given translations in the script stay, and so do those that the same engine has made before. A
    translation's ``engine`` is the engine's name; a draft engine's lines have status ``draft``,
    those of the ``given`` engine ``given``. Text from a given translation is not checked or
    cleaned: it is the user's word. ``spoken`` tells how many seconds a text takes to say at rate 1;
    without it letters are counted.
    """
    job = _Job(translator, script, target, options or TranslateOptions(), spoken)
    job.progress = on_progress
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
        spoken: Predict | None,
    ) -> None:
        self.progress: Progress | None = None
        self._translator = translator
        self._capabilities: Capabilities = translator.capabilities
        self._script = script
        self._target = target
        self._options = options
        self._clock = SpeakingTime(target, spoken)
        self._done: dict[str, Translation] = {}
        self._problems: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._failures = 0
        self._asking = Asking(script, target, self._options, self._clock)
        self._fresh: dict[str, Candidates] = {}

    def run(self) -> TranslationOutcome:
        """Translate what is open, then mend rules and lengths, and settle a text for every line.

        A line without a sound answer is asked for again in the next, smaller batches. After
        ``patience`` failed requests in a row the engine is not asked any more. A line that stays
        open keeps its original text, and a decision says why.
        """
        open_lines = [line for line in self._script.lines if not self._settled(line)]
        for size in self._options.batches:
            for batch in _batches(open_lines, size):
                self._ask(batch)
            open_lines = [line for line in open_lines if line.id not in self._done]
            if not open_lines or self._failures >= self._options.patience:
                break
        spelt = [said for line in open_lines if (said := self._spell_names(line))]
        open_lines = [line for line in open_lines if line.id not in self._done]
        broken: list[Decision] = []
        if self._status != "given":
            self._complete()
            broken = self._obey()
            self._shorten()
            self._lengthen()
        self._choose()
        decisions = [self._give_up(line) for line in open_lines]
        ordered = {line.id: self._done[line.id] for line in self._script.lines}
        about = (*self._about_film(), *decisions, *spelt, *broken)
        return TranslationOutcome(ordered, about)

    def _settled(self, line: Line) -> bool:
        """Lines that no engine needs to see."""
        name = self._capabilities.name
        if not needs_translation(line, self._target, name, redo=self._options.redo):
            self._finish(line.id, line.translations[self._target])
        elif not line.text.strip():
            self._finish(line.id, Translation("", note="the line has no text"))
        elif same_language(self._script.language, self._target) and name != "given":
            text = without_marks(line.text)
            self._finish(line.id, Translation(text, note="already in this language"))
        return line.id in self._done

    def _ask(self, batch: Sequence[Line]) -> None:
        request = self._asking.request(batch)
        answers = self._wordings(request)
        if isinstance(answers, EngineError):
            self._problems.update((line.id, answers.message) for line in batch)
            return
        literal = {name: wording.literal for name, wording in answers.items()}
        for line, text, what in self._judged(batch, literal):
            if what:
                self._problems[line.id] = what
                self._refused[line.id] = text or self._refused.get(line.id, "")
                continue
            self._finish(line.id, Translation(text, self._status, self._capabilities.name))
            if self._status == "given":
                continue
            made = self._fresh[line.id] = self._asking.candidates(line, text)
            for add, others in (
                (made.add_shorter, answers[line.id].shorter),
                (made.add_longer, (answers[line.id].longer,)),
            ):
                for other in others:
                    offered = self._text({line.id: other}, line)
                    if self._is_sound(offered, line, text):
                        add(offered)

    def _spell_names(self, line: Line) -> Decision | None:
        """Accept a refused answer whose only fault is a name in Chinese characters: in pinyin."""
        refused, original = self._refused.get(line.id, ""), without_marks(line.text)
        text, names = in_pinyin(refused, original, self._script.language)
        if self._status == "given" or not text or self._check(text, line):
            return None
        self._finish(line.id, Translation(text, self._status, self._capabilities.name))
        self._fresh[line.id] = self._asking.candidates(line, text)
        why = f"left untranslated and written in pinyin, as a name: {', '.join(names)}"
        return Decision(STAGE, line.id, "warning", why, line.span)

    def _wordings(self, request: TranslationRequest) -> dict[str, Wordings] | EngineError:
        """What the engine says for each line of a first request, in one length or in several."""
        answers: object
        if isinstance(self._translator, WordingTranslator):
            answers = self._guarded(self._translator.wordings, request)
        else:
            answers = self._guarded(self._translator.translate, request)
        if isinstance(answers, EngineError):
            return answers
        made = answers if isinstance(answers, dict) else {}
        return {
            line.id: text if isinstance(text, Wordings) else Wordings(text)
            for line in request.lines
            if isinstance(text := made.get(line.id), Wordings | str)
        }

    def _answers(self, request: TranslationRequest) -> Mapping[str, str] | EngineError:
        return self._guarded(self._translator.translate, request)

    def _guarded(
        self, ask: Callable[[TranslationRequest], Mapping[str, T]], request: TranslationRequest
    ) -> Mapping[str, T] | EngineError:
        if self._failures >= self._options.patience:
            return EngineError("the engine was not asked: it failed before")
        try:
            answers = ask(request)
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

    def _again(self, lines: Sequence[Line], **changes: Any) -> Iterator[tuple[Line, str]]:
        """The sound answers to one more request about lines that have a translation.

        ``changes`` go into the request, maps by id for the lines of each batch only.
        """
        for batch in _batches(lines, self._options.batches[0]):
            ids = {line.id for line in batch}
            own = {
                name: {key: text for key, text in value.items() if key in ids}
                if isinstance(value, dict)
                else value
                for name, value in changes.items()
            }
            answers = self._answers(self._asking.request(batch, **own))
            if isinstance(answers, EngineError):
                continue
            for line, text, what in self._judged(batch, answers):
                if not what:
                    yield line, text

    def _obey(self) -> list[Decision]:
        """Ask again for translations that break a rule; warnings for those that still do."""
        broken = {
            made.line.id: " ".join(f"{rule}." for rule in rules)
            for made in self._fresh.values()
            if (rules := self._asking.breaches(made.base, made.line))
        }
        lines = self._by_time(broken)
        for line, text in self._again(lines, remarks=broken, attempt=1):
            made = self._fresh[line.id]
            better = set(self._asking.breaches(text, line)) < set(
                self._asking.breaches(made.base, line)
            )
            if better and made.bounds.least * made.seconds(made.base) <= made.seconds(text):
                self._fresh[line.id] = self._asking.candidates(line, text)
        return [
            Decision(STAGE, line.id, "warning", f"in the translation {rule}", line.span)
            for line in lines
            for rule in self._asking.breaches(self._fresh[line.id].base, line)
        ]

    def _is_sound(self, text: str, line: Line, base: str) -> bool:
        """Whether an alternative to ``base`` passes the checks and breaks no further rule."""
        if self._check(text, line):
            return False
        return set(self._asking.breaches(text, line)) <= set(self._asking.breaches(base, line))

    def _shorten(self) -> None:
        """Shorten fresh translations that take too long: by rule, then by asking again."""
        wanted = self._by_time(self._fresh)
        for line in wanted:
            self._fresh[line.id].trim()
        for attempt in range(1, self._options.shorten + 1):
            reserve = self._options.reserve if attempt == 1 else 0.0
            wanted = [line for line in wanted if self._is_too_long(line, reserve)]
            known = {line.id: self._fresh[line.id].shortest() for line in wanted}
            for line, text in self._again(wanted, shorten=known, attempt=attempt):
                made = self._fresh[line.id]
                if self._is_sound(text, line, made.base) and made.add_shorter(text):
                    made.trim()

    def _is_too_long(self, line: Line, reserve: float) -> bool:
        made = self._fresh[line.id]
        return not made.fits(made.shortest(), reserve)

    def _lengthen(self) -> None:
        """Ask for more words where the line would be half silent."""
        wanted = self._by_time(self._fresh)
        for attempt in range(1, self._options.lengthen + 1):
            wanted = [x for x in wanted if not self._fresh[x.id].fills(self._fresh[x.id].chosen())]
            known = {line.id: self._fresh[line.id].chosen() for line in wanted}
            for line, text in self._again(wanted, lengthen=known, attempt=attempt):
                made = self._fresh[line.id]
                if self._is_sound(text, line, made.base):
                    made.add_longer(text)

    def _by_time(self, ids: Container[str]) -> list[Line]:
        lines = [made.line for made in self._fresh.values() if made.line.id in ids]
        return sorted(lines, key=lambda line: (line.span, line.id))

    def _complete(self) -> None:
        """Ask a draft engine clause by clause for lines of which it seems to have lost a part."""
        if self._status != "draft":
            return
        for made in list(self._fresh.values()):
            line = made.line
            spoken = self._clock.seconds(line, made.base)
            parts = clauses(line.text)
            enough = self._options.covers * float(line.span.duration)
            if len(parts) < 2 or not 0 < spoken < enough:
                continue
            whole = self._by_clauses(line, parts)
            if (
                whole
                and spoken < self._clock.seconds(line, whole)
                and self._can_be_cut(made, whole)
            ):
                self._fresh[line.id] = self._asking.candidates(line, whole)
                self._fresh[line.id].add_shorter(made.base)

    def _can_be_cut(self, made: Candidates, whole: str) -> bool:
        """Whether ``whole`` may become as short as the time wants without losing its meaning."""
        return self._options.least * made.seconds(whole) <= made.bounds.time

    def _by_clauses(self, line: Line, parts: Sequence[str]) -> str:
        """The joined translations of the clauses of a line, ``""`` when one of them is unsound."""
        pieces = [replace(line, id=f"{line.id}#{n}", text=part) for n, part in enumerate(parts)]
        asked = tuple(
            LineToTranslate(piece.id, piece.text, line.speaker, 0.0, line.span) for piece in pieces
        )
        request = replace(self._asking.request([line]), lines=asked, before=(), after=())
        answers = self._answers(request)
        if isinstance(answers, EngineError):
            return ""
        texts = [self._text(answers, piece) for piece in pieces]
        if any(self._check(text, piece) for text, piece in zip(texts, pieces, strict=True)):
            return ""
        joined = [as_sentence_part(t, part) for t, part in zip(texts, parts, strict=True)]
        whole = (" " if is_spaced(self._target) else "").join(joined)
        return "" if self._check(whole, line) else whole

    def _choose(self) -> None:
        """Settle the text of every fresh line and its alternatives."""
        for name, made in self._fresh.items():
            ranked, text = made.ranked(), made.chosen()
            others = ranked if text != ranked[0] else ranked[1:]
            self._done[name] = replace(self._done[name], text=text, alternatives=others)

    def _text(self, answers: Mapping[str, str], line: Line) -> str:
        """The answer for a line, ``""`` when there is none or it is no text."""
        text = answers.get(line.id) if isinstance(answers, dict) else None
        if not isinstance(text, str):
            return ""
        if self._status == "given":
            return text.strip()
        return cleaned(without_marks(text), without_marks(line.text))

    def _check(self, text: str, line: Line) -> str:
        if self._status == "given":
            return "" if text else "the given translation has no text for this line"
        if not text:
            return "no translation came back"
        original = without_marks(line.text)
        return problem(text, original, self._script.language, self._target)

    @property
    def _status(self) -> TranslationStatus:
        if self._capabilities.name == "given":
            return "given"
        return "draft" if self._capabilities.draft else "ok"

    def _finish(self, line_id: str, translation: Translation) -> None:
        self._done[line_id] = translation
        if self.progress is not None:
            self.progress(line_id, len(self._done), len(self._script.lines))

    def _give_up(self, line: Line) -> Decision:
        reason = self._problems.get(line.id, "the engine was not asked: it failed before")
        note = f"not translated: {reason}"
        text = without_marks(line.text)
        self._finish(line.id, Translation(text, "untranslated", self._capabilities.name, note))
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
        and count_letters(texts[line.id]) > 12
    }
