"""Whatever the lines are: scenes share them out."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from polydub.model import Span
from polydub.model.scene import SceneLine
from polydub.stages.scenes import plan_scenes

spans = st.tuples(st.integers(0, 4000), st.integers(1, 900), st.sampled_from(["S1", "S2"]))


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(spans, min_size=1, max_size=12), st.integers(1, 3))
def test_every_line_is_in_just_one_scene(drawn, voices) -> None:
    lines = [
        SceneLine(f"L{n}", who, "x", Span(Fraction(a, 100), Fraction(a + d, 100)))
        for n, (a, d, who) in enumerate(drawn)
    ]
    plans = plan_scenes(lines, Fraction(60), most_voices=voices)
    assert sorted(one.id for plan in plans for one in plan.lines) == sorted(x.id for x in lines)
    for plan in plans:
        assert len({one.speaker for one in plan.lines}) <= voices
        assert all(plan.span.start <= one.span.start for one in plan.lines)
        assert all(one.span.end <= plan.span.end for one in plan.lines)
