"""Whatever is asked for, a plan keeps its promises; nothing is rendered here."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from polydub.model import Span, Waveform, total
from polydub.simulate import (
    BankVoice,
    Conversation,
    ConversationSpec,
    PictureSpec,
    SoundSpec,
    Utterance,
    overlap_share,
    overlaps,
    plan_conversation,
    truth_of,
)
from polydub.simulate.planning import OWN_PAUSE_S
from polydub.simulate.spec import OVERLAP_TOLERANCE
from polydub.simulate.texts import TEXTS


class PaperBank:
    """Twelve voices that take as long as their text; nothing sounds."""

    def voices(self, language: str) -> list[BankVoice]:
        prints = np.eye(12, dtype=np.float32)
        return [
            BankVoice(f"v{k}", language, ("female", "male")[k % 2], prints[k]) for k in range(12)
        ]

    def texts(self, voice: str, language: str) -> None:
        return None

    def utterance(self, voice: str, text: str, language: str) -> Utterance:
        length = Fraction(round(1000 * TEXTS[language].seconds(text)), 1000)
        samples = np.zeros(round(length * 1000), np.float32)
        return Utterance(voice, text, Waveform(samples, 1000), speech=(Span(Fraction(0), length),))


BANK = PaperBank()


@st.composite
def specs(draw: st.DrawFn) -> ConversationSpec:
    overlap = draw(st.sampled_from([0.0, 0.05, 0.1, 0.2]))
    narrator = draw(st.booleans())
    speakers = draw(st.integers(2 if overlap or narrator else 1, 6))
    low = draw(st.sampled_from([-0.5, -0.2, 0.0]))
    picture = PictureSpec(
        off_screen=draw(st.sampled_from([0.0, 0.2, 1.0])),
        reactions=draw(st.sampled_from([0.0, 0.5, 1.0])),
        two_shots=draw(st.sampled_from([0.0, 0.5, 1.0])),
        cut_jitter_s=draw(st.sampled_from([0.0, 0.4, 0.8])),
        short_shots=draw(st.booleans()),
        chewing=draw(st.booleans()),
        from_behind=draw(st.booleans()),
        never_seen=draw(st.booleans()),
        rate=draw(st.sampled_from([Fraction(25), Fraction(24000, 1001), Fraction(30)])),
    )
    return ConversationSpec(
        name="drawn",
        seed=draw(st.integers(0, 10**6)),
        speakers=speakers,
        seconds=draw(st.sampled_from([15.0, 25.0, 40.0])),
        language=draw(st.sampled_from(sorted(TEXTS))),
        gaps_s=(low, draw(st.sampled_from([0.3, 1.0, 2.0]))),
        overlap=overlap,
        backchannels=draw(st.sampled_from([0.0, 5.0])),
        similar=draw(st.booleans()),
        narrator=narrator,
        sound=SoundSpec(),
        picture=draw(st.sampled_from([picture, None])),
    )


@settings(max_examples=150, deadline=None)
@given(specs())
def test_turns_are_one_speakers_each_and_never_three_at_once(spec: ConversationSpec) -> None:
    plan = plan_conversation(spec, BANK)
    ids = {member.id for member in plan.cast}
    assert len({member.voice for member in plan.cast}) == spec.speakers
    assert {turn.speaker for turn in plan.turns} == ids
    assert len({turn.id for turn in plan.turns}) == len(plan.turns)
    for name in ids:
        own = [turn.span for turn in plan.turns if turn.speaker == name]
        assert all(b.start - a.end >= OWN_PAUSE_S for a, b in pairwise(own))
    for turn in plan.turns:
        assert turn.span.duration == turn.utterance.audio.duration > 0
        assert turn.span.start > 0 and turn.span.end < plan.duration
        others = sum(o is not turn and turn.span.start in o.span for o in plan.turns)
        assert others <= 1


@settings(max_examples=150, deadline=None)
@given(specs())
def test_the_overlap_is_what_was_asked_for(spec: ConversationSpec) -> None:
    plan = plan_conversation(spec, BANK)
    share = overlap_share(plan.turns)
    if spec.overlap == 0:
        assert share == 0
    assert share <= spec.overlap + OVERLAP_TOLERANCE
    # two lines after another of one speaker give no room; with two speakers there is always some
    if spec.speakers == 2 and not spec.narrator:
        assert share >= spec.overlap - OVERLAP_TOLERANCE
    assert total(overlaps(plan.turns)) <= total(turn.span for turn in plan.turns)


@settings(max_examples=150, deadline=None)
@given(specs())
def test_gaps_lie_in_the_range(spec: ConversationSpec) -> None:
    plan = plan_conversation(spec, BANK)
    lines = [turn for turn in plan.turns if turn.kind != "backchannel"]
    for before, turn in pairwise(lines):
        gap = float(turn.span.start - before.span.end)
        if turn.kind == "line":
            assert spec.gaps_s[0] - 1e-3 <= gap
        # waiting for one's own line before last to end may add to the pause, never the draw
        assert float(turn.gap) <= max(spec.gaps_s[1], float(OWN_PAUSE_S)) + 1e-3


@settings(max_examples=150, deadline=None)
@given(specs())
def test_shots_tile_the_film_and_show_who_they_say(spec: ConversationSpec) -> None:
    plan = plan_conversation(spec, BANK)
    if spec.picture is None:
        assert plan.shots == ()
        return
    rate = spec.picture.rate
    assert plan.shots[0].first == 0
    assert plan.shots[-1].last == plan.duration * rate
    assert all(a.last == b.first and a.span.end == b.span.start for a, b in pairwise(plan.shots))
    assert all(shot.last - shot.first >= rate / 2 for shot in plan.shots)
    hidden = {m.id for m in plan.cast if m.role != "seen"}
    for shot in plan.shots:
        assert hidden.isdisjoint(shot.faces())
        assert len({place.speaker for place in shot.places}) == len(shot.places)
        width = spec.picture.size[0] / spec.picture.size[1]
        assert all(0 < place.x < width and 0 < place.y < 1 for place in shot.places)
    narrators = {m.id for m in plan.cast if m.role == "narrator"}
    assert narrators.isdisjoint({p.speaker for shot in plan.shots for p in shot.places})
    assert bool(narrators) == spec.narrator
    for gesture in plan.gestures:
        assert spec.picture.chewing
        busy = [t for t in plan.turns if t.speaker == gesture.speaker]
        assert all(t.span.overlap(gesture.span) == 0 for t in busy)


@settings(max_examples=40, deadline=None)
@given(specs())
def test_the_same_spec_gives_the_same_plan(spec: ConversationSpec) -> None:
    def facts(plan: Conversation) -> object:
        return truth_of(plan), plan.cast, plan.shots

    assert facts(plan_conversation(spec, BANK)) == facts(plan_conversation(spec, BANK))


@settings(max_examples=60, deadline=None)
@given(specs())
def test_what_is_visible_adds_up(spec: ConversationSpec) -> None:
    plan = plan_conversation(spec, BANK)
    truth = truth_of(plan)
    for turn, told in zip(plan.turns, truth["turns"], strict=True):
        seen = plan.visible(turn)
        assert 0 <= seen <= turn.span.duration
        assert told["on_screen"] == (bool(plan.shots) and 2 * seen >= turn.span.duration)
    talking = [
        (face["speaker"], a, b)
        for shot in truth["shots"]
        for face in shot["faces"]
        for a, b in face["talking"]
    ]
    told_seconds = sum(b - a for _, a, b in talking)
    assert abs(told_seconds - float(sum(plan.visible(t) for t in plan.turns))) < 1e-2 + 1e-3 * len(
        talking
    )
