"""Right of the Script: of each line's wordings, the one that the voice can say in its moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from polydub.errors import EngineError
from polydub.model import Decision, Line, Script, Translation
from polydub.pipeline.run import Run
from polydub.pipeline.takes import TakeMaker
from polydub.pipeline.translating import origin_with
from polydub.stages.fit import FitOptions
from polydub.stages.wording import Wording, choose_wordings


def choose_texts(run: Run, script: Script, maker: TakeMaker, language: str) -> Script:
    """The script with the wording of every line that fits best, by the voice's own seconds.

    A translation that a person wrote or changed has no other wordings and stays.
    """
    wordings = {
        line.id: _measured(maker, line, language)
        for line in script.lines
        if len(offered(line.translations.get(language))) > 1 and line.span.duration > 0
    }
    # every line is in the way of its neighbours, but only these have a choice
    chosen = choose_wordings(
        script.lines,
        wordings,
        script.duration,
        fit=FitOptions(max_speed=run.options.max_speed),
    )
    for line in script.lines:
        if chosen.get(line.id, 0):
            run.decide(_told(line, wordings[line.id], chosen[line.id]))
    return script.with_lines(
        tuple(
            reworded(line, language, wordings[line.id][chosen[line.id]].text)
            if line.id in chosen
            else line
            for line in script.lines
        )
    )


def _told(line: Line, wordings: Sequence[Wording], number: int) -> Decision:
    """What the report says of a line that is not spoken in its most faithful wording."""
    full, said = wordings[0], wordings[number]
    how = "fewer words, to fit its moment" if said.seconds < full.seconds else "more words"
    return Decision("fit", line.id, "fallback", f"said in {how}; in full: {full.text}", line.span)


def offered(translation: Translation | None) -> tuple[str, ...]:
    """The wordings of a translation, the most faithful first; none when a person has written it."""
    if translation is None or translation.status in ("given", "untranslated"):
        return ()
    known = translation.alternatives
    return known if translation.text in known else (translation.text, *known)


def _measured(maker: TakeMaker, line: Line, language: str) -> list[Wording]:
    found = []
    for text in offered(line.translations[language]):
        try:
            seconds = maker.length(reworded(line, language, text))[0].seconds
        except EngineError:  # what cannot be said is no choice
            continue
        found.append(Wording(text, seconds))
    return found


def reworded(line: Line, language: str, text: str) -> Line:
    """The line with another of the machine's wordings, which stays the machine's."""
    made = line.translations[language]
    if text == made.text:
        return line
    made = replace(
        made, text=text, origin=origin_with(made.origin, text), alternatives=offered(made)
    )
    return replace(line, translations={**line.translations, language: made})
