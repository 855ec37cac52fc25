"""Right of the Script: lines that miss the user's gate are tried in their other wordings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from polydub.errors import EngineError
from polydub.model import Decision, Line, Script
from polydub.model.report import DecisionKind
from polydub.model.terms import spoken_text
from polydub.pipeline.profiles import Profiles
from polydub.pipeline.run import Run
from polydub.pipeline.scoring import take_scores
from polydub.pipeline.takes import Spoken, TakeMaker
from polydub.pipeline.wording import offered, reworded
from polydub.stages.fit import FitOptions, find_slots, fit_lines

Scores = Mapping[str, float]


def meet_gate(
    run: Run,
    script: Script,
    maker: TakeMaker,
    profiles: Profiles,
    language: str,
    spoken: Mapping[str, Spoken],
) -> tuple[Script, dict[str, Spoken]]:
    """The script and its takes with lines said otherwise where only that meets the gate.

    Comes after every line had all its takes. The wordings are those that the translator offered;
    the first one, in its order, with a take that meets the gate is kept, and the script, the
    subtitles and the report have it. Where none will do the line stays as it is, and the report
    says what was tried. What a person wrote has no other wordings and is never changed.
    """
    accepts = run.options.accepts_take()
    if accepts is None:
        return script, dict(spoken)
    trial = _Trial(run, script, maker, profiles, language, accepts, dict(spoken))
    missing = [line for line in script.lines if trial.fails(line)]
    if not missing:
        return script, dict(spoken)
    with run.stage("speak", total=len(missing)) as progress:
        for line in missing:
            trial.reword(line)
            progress.step(line.id)
    return trial.script, trial.spoken


@dataclass
class _Trial:
    """The state of the search: what is said by now, in which words."""

    run: Run
    script: Script
    maker: TakeMaker
    profiles: Profiles
    language: str
    accepts: Callable[[Scores], bool]
    spoken: dict[str, Spoken]
    options: FitOptions = field(init=False)

    def __post_init__(self) -> None:
        self.options = FitOptions(max_speed=self.run.options.max_speed)

    def fails(self, line: Line) -> bool:
        """Whether the line is said, misses the gate, and could be said otherwise."""
        said = self.spoken.get(line.id)
        wordings = offered(line.translations.get(self.language))
        return said is not None and len(wordings) > 1 and not self.accepts(self._scores(line, said))

    def reword(self, line: Line) -> None:
        """Keep the first other wording that meets the gate, if any, and say so."""
        first = spoken_text(line, self.language)
        others = [x for x in offered(line.translations[self.language]) if x != first]
        for text in others:
            other = reworded(line, self.language, text)
            try:
                made = self._said(other)
            except EngineError:  # what cannot be said is no choice
                continue
            if made is not None and self.accepts(self._scores(other, made)):
                self.script = self.script.with_lines(
                    tuple(other if x.id == line.id else x for x in self.script.lines)
                )
                self.spoken[line.id] = made
                self._tell(
                    line, "fallback", f"said in another wording: no take of “{first}” met the gate"
                )
                return
        count = f"{len(others)} other wording{'s' if len(others) > 1 else ''}"
        self._tell(line, "warning", f"no take met the gate, nor did {count}: the wording is kept")

    def _said(self, line: Line) -> Spoken | None:
        """The best take of a line in other words; ``None`` when there is no room for it."""
        lines = [line if x.id == line.id else x for x in self.script.lines if x.id in self.spoken]
        natural = {x.id: self.maker.length(x)[0].seconds for x in lines}
        slots = find_slots(lines, self.script.duration, self.options)
        slot = next((slot for slot in slots if slot.line == line.id), None)
        if slot is None or natural[line.id] <= 0:
            return None
        natural[line.id] = self.maker.tighten(line, slot, natural[line.id], self.options)
        fit = fit_lines(lines, natural, self.script.duration, self.options)[line.id]
        if not fit.fits:
            return None
        made = self.maker.take(line, fit, natural[line.id])
        return made if self._has_room(line, made) else None

    def _has_room(self, line: Line, made: Spoken) -> bool:
        """Whether the speaker's other takes, which stay, leave the room that this one needs."""
        own = [
            self.spoken[x.id].placement.span
            for x in self.script.lines_of(line.speaker)
            if x.id in self.spoken and x.id != line.id
        ]
        return all(not made.placement.span.overlap(span) for span in own)

    def _scores(self, line: Line, said: Spoken) -> Scores:
        return take_scores(self.run, line, said.made, self.profiles, self.language)[0]

    def _tell(self, line: Line, kind: DecisionKind, reason: str) -> None:
        self.run.decide(Decision("speak", line.id, kind, reason, line.span))
