"""Lines that miss the user's gate are said in other words, if those meet it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from polydub.engines.fakes import register_fakes
from polydub.model import Line, Script, Span, Speaker, Translation, VoiceChoice
from polydub.pipeline.options import DubOptions
from polydub.pipeline.profiles import Profiles
from polydub.pipeline.rewording import meet_gate
from polydub.pipeline.run import Engines, Run
from polydub.pipeline.speaking import speak_lines
from polydub.pipeline.takes import Spoken, TakeMaker
from polydub.pipeline.translating import origin_of
from polydub.project.folder import Project

HEARD = "word1"  # what the fake recogniser hears in every fake take


def line(name: str, start: float, translation: Translation) -> Line:
    span = Span.of(start, start + 2)
    return Line(name, "S1", span, "Yes, of course.", translations={"es": translation})


def machine(text: str, *others: str) -> Translation:
    origin = origin_of("Yes, of course.", text)
    return Translation(text, "ok", "fake", origin=origin, alternatives=others)


@pytest.fixture
def gated(tmp_path: Path):  # type: ignore[no-untyped-def]
    """Speaks lines and holds them to a gate: ``(script, spoken, run)`` afterwards."""

    def go(gate: str, *lines: Line) -> tuple[Script, dict[str, Spoken], Run]:
        video = tmp_path / "film.mp4"
        video.write_bytes(b"x")
        options = DubOptions(targets=("es",), engines=register_fakes(), gate=gate)
        run = Run(Project.for_source(video), options, Engines(options))
        profiles = Profiles({}, {}, "k")
        maker = TakeMaker(run, "es", {"S1": VoiceChoice("fake", "low")}, profiles)
        script = Script("film.mp4", "d", Fraction(12), "en", (Speaker("S1", "A"),), lines)
        spoken = speak_lines(run, script, maker, "es")
        return *meet_gate(run, script, maker, profiles, "es", spoken), run

    return go


def test_another_wording_is_kept_when_only_that_meets_the_gate(gated) -> None:  # type: ignore[no-untyped-def]
    first = line("L1", 1, machine("claro", "por supuesto", HEARD, "sí"))
    good = line("L2", 6, machine(HEARD, "claro"))
    script, spoken, run = gated("wer<=0.1", first, good)
    kept = script.lines[0].translations["es"]
    assert kept.text == HEARD and kept.alternatives == ("claro", "por supuesto", HEARD, "sí")
    assert kept.origin == origin_of("Yes, of course.", HEARD)  # still the machine's
    assert script.lines[1] == good
    assert all(scores["wer"] == 0 for scores in spoken["L1"].takes)
    (told,) = (x for x in run.decisions if "wording" in x.reason)
    assert (told.unit, told.kind) == ("L1", "fallback") and "“claro”" in told.reason


def test_the_wording_stays_when_none_will_do(gated) -> None:  # type: ignore[no-untyped-def]
    first = line("L1", 1, machine("claro", "por supuesto", "sí"))
    script, spoken, run = gated("wer<=0.1", first)
    assert script.lines == (first,) and spoken["L1"].takes
    (told,) = (x for x in run.decisions if "wording" in x.reason)
    assert told.kind == "warning" and "2 other wordings" in told.reason


@pytest.mark.parametrize("gate", ["wer<=0.1", ""])
def test_what_a_person_wrote_and_what_nobody_demands_stays(gate: str, gated) -> None:  # type: ignore[no-untyped-def]
    given = replace(machine("claro", HEARD), status="given")
    first = line("L1", 1, given if gate else machine("claro", HEARD))
    script, _, run = gated(gate, first)
    assert script.lines == (first,)
    assert not [x for x in run.decisions if "wording" in x.reason]


def test_a_wording_that_would_run_into_the_next_line_is_no_choice(gated) -> None:  # type: ignore[no-untyped-def]
    """The other wording lasts 12 s; the speaker goes on after 2 s."""
    first = line("L1", 1, machine("claro", "palabra " * 25))
    script, _, run = gated("speed<=0.5", first, line("L2", 3.1, machine(HEARD)))
    assert script.lines[0] == first
    assert [x.kind for x in run.decisions if "wording" in x.reason] == ["warning"]
