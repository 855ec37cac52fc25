"""Right of the Script: every line is given its room, and said in it."""

from __future__ import annotations

from fractions import Fraction

from polydub.errors import EngineError
from polydub.model import Decision, Line, Script
from polydub.model.terms import spoken_text
from polydub.pipeline.run import Run, StageProgress
from polydub.pipeline.takes import Spoken, TakeMaker
from polydub.stages.fit import (
    Fit,
    FitOptions,
    find_slots,
    fit_decisions,
    fit_lines,
    talked_over,
)


def speak_lines(run: Run, script: Script, maker: TakeMaker, language: str) -> dict[str, Spoken]:
    """A take for every line that has a usable translation; the others keep their original sound."""
    lines = [x for x in script.lines if spoken_text(x, language) and x.span.duration > 0]
    natural: dict[str, Fraction] = {}
    with run.stage("speak", total=2 * len(lines)) as progress:
        for line in lines:
            _natural_length(run, maker, line, natural, progress)
        options = FitOptions(max_speed=run.options.max_speed)
        by_id = {line.id: line for line in lines}
        for slot in find_slots([by_id[name] for name in natural], script.duration, options):
            length = maker.tighten(by_id[slot.line], slot, natural[slot.line], options)
            natural[slot.line] = length
        fits = fit_lines(lines, natural, script.duration, options)
        run.decide(*fit_decisions(fits, {line.id: line.span for line in lines}))
        spoken: dict[str, Spoken] = {}
        for line in lines:
            fit = fits.get(line.id)
            if fit is not None and fit.fits:
                _finish(run, maker, line, (fit, natural[line.id]), spoken)
            progress.step(line.id)
        run.decide(*talked_over(lines, {name: item.placement for name, item in spoken.items()}))
    return spoken


def _natural_length(
    run: Run, maker: TakeMaker, line: Line, natural: dict[str, Fraction], progress: StageProgress
) -> None:
    try:
        length, cached = maker.length(line)
    except EngineError as error:
        _pass_through(run, line, error.message)
        progress.step(line.id)
        return
    if length.seconds > 0:
        natural[line.id] = length.seconds
    else:
        _pass_through(run, line, "the voice engine returned silence")
    progress.step(line.id, cached=cached)


def _finish(
    run: Run,
    maker: TakeMaker,
    line: Line,
    fitting: tuple[Fit, Fraction],
    spoken: dict[str, Spoken],
) -> None:
    try:
        spoken[line.id] = maker.take(line, *fitting)
    except EngineError as error:
        _pass_through(run, line, error.message)


def _pass_through(run: Run, line: Line, reason: str) -> None:
    run.decide(Decision("speak", line.id, "pass-through", reason, line.span))
