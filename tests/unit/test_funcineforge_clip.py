"""What goes beyond the released program, on small random weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("transformers")

from examples.small_funcineforge import SMALL, small_networks
from polydub.engines.dubbing.funcineforge.checkpoint import Networks
from polydub.engines.dubbing.funcineforge.clip import (
    FADE_S,
    SILENT_TOKEN,
    Clip,
    ClipMaker,
    ClipOptions,
    ClipTurn,
    cut_clip,
    gate,
    joined,
    speaker_by_frame,
    spliced,
)
from polydub.engines.dubbing.funcineforge.config import (
    FlowDecoding,
    LmDecoding,
    ModelConfig,
    config_from,
)
from polydub.engines.dubbing.funcineforge.sequence import Faces, TurnTag, timespk_ids
from polydub.engines.dubbing.funcineforge.streaming import stream_sound
from polydub.errors import EngineError

SHORT = LmDecoding(max_length=70)


@pytest.fixture(scope="module")
def networks() -> Networks:
    made = small_networks()
    config = config_from(ModelConfig, SMALL)
    return Networks(made["llm"], made["flow"], made["vocoder"], config)


def encode(text: str, clue: str | None) -> list[int]:
    return list((text if clue is None else f"{clue}|{text}").encode())


def maker(networks: Networks, **options: Any) -> ClipMaker:
    return ClipMaker(networks, encode, ClipOptions(**{"decoding": SHORT, **options}))


def vector(seed: int) -> Any:
    return np.random.default_rng(seed).standard_normal(192).astype(np.float32)


CLIP = Clip(
    scene="dialogue",
    turns=(
        ClipTurn(TurnTag(0.0, 0.9, 1, "male", "adult"), "One."),
        ClipTurn(TurnTag(1.6, 1.0, 2, "female", "adult"), "Two."),
    ),
    frames=75,
    xvectors={1: vector(1), 2: vector(2)},
    clue="Two people talk.",
)


def test_a_clip_is_the_three_networks_in_a_row(networks: Networks) -> None:
    made = maker(networks)
    sound = made.make(CLIP)
    (written,) = networks.lm.tokens([made.prompt(CLIP)], SHORT)
    assert sound.tokens == written.tokens and len(sound.tokens) == 70 and not sound.ended
    kept = [token for token in sound.tokens if token < 6561]
    assert len(sound.samples) == 960 * len(kept)
    assert made.make(CLIP).samples.tolist() == sound.samples.tolist()


def test_the_clue_can_be_left_out(networks: Networks) -> None:
    with_clue, without = maker(networks).prompt(CLIP), maker(networks, clue=False).prompt(CLIP)
    assert with_clue.length - without.length == len("Two people talk.|")


def test_every_turn_has_its_voice(networks: Networks) -> None:
    tokens = list(range(70))
    one, both = maker(networks), maker(networks, speakers="turns")
    first = one.render(CLIP, tokens)
    assert np.array_equal(
        both.render(replace(CLIP, xvectors={1: vector(1), 2: vector(1)}), tokens),
        one.render(replace(CLIP, xvectors={1: vector(1)}), tokens),
    )
    other = both.render(CLIP, tokens)
    assert not np.array_equal(first, other)
    order = speaker_by_frame(CLIP, 140)
    assert order == [1] * 80 + [2] * 60  # the gap still is the first one's
    with pytest.raises(EngineError, match="no reference"):
        both.render(replace(CLIP, xvectors={1: vector(1)}), tokens)
    with pytest.raises(EngineError, match="no reference"):
        one.render(replace(CLIP, xvectors={}), tokens)


def test_the_clip_sounds_like_whoever_speaks_longest(networks: Networks) -> None:
    tokens = list(range(40))
    longest = maker(networks).render(replace(CLIP, xvectors={2: vector(2)}), tokens)
    assert np.array_equal(maker(networks).render(CLIP, tokens), longest)


def test_times_are_kept_inside_the_table() -> None:
    late = TurnTag(59.9, 70.0, 1, "male", "adult")
    with pytest.raises(EngineError, match="60 s"):
        timespk_ids([late])
    assert timespk_ids([late], "clamped") == (1498, 1511, 1504, 1508, 1499)
    assert timespk_ids([TurnTag(-0.5, 0.1, 1)], "clamped")[::4] == (1, 1)
    with pytest.raises(EngineError, match="39"):
        timespk_ids([TurnTag(0, 1, 40)], "clamped")


def test_silence_is_forced_outside_turns(networks: Networks) -> None:
    sound = maker(networks, silence="forced").make(CLIP)
    tokens = np.array(sound.tokens)
    assert len(tokens) == CLIP.frames and len(sound.samples) == 960 * CLIP.frames
    assert (tokens[28:36] == SILENT_TOKEN).all() and (tokens[70:] == SILENT_TOKEN).all()
    assert (tokens[:20] != SILENT_TOKEN).any()


def test_silence_is_gated_outside_turns(networks: Networks) -> None:
    free = maker(networks).render(CLIP, list(range(75)))
    gated = maker(networks, silence="gated").render(CLIP, list(range(75)))
    inside, outside = slice(0, 22000), slice(25500, 34500)
    assert np.array_equal(free[inside], gated[inside])
    assert not gated[outside].any() and free[outside].any()
    ramp = gate([TurnTag(1.0, 1.0, 1)], 72000)
    assert ramp.min() == 0 and ramp.max() == pytest.approx(1)
    assert np.abs(np.diff(ramp)).max() < 2 / (FADE_S * 24000)


def test_of_several_drafts_the_nearest_in_length_is_taken(networks: Networks) -> None:
    class Told:
        def __init__(self, lengths: list[tuple[int, bool]]) -> None:
            self.lengths = lengths

        def tokens(self, prompts: Any, options: Any, *, seeds: Any, plans: Any) -> Any:
            from polydub.engines.dubbing.funcineforge.lm import Written

            assert seeds == [5, 6, 7] and len(prompts) == len(plans) == 3
            return [Written((1,) * n, ended) for n, ended in self.lengths]

    for lengths, best in (
        ([(60, True), (74, True), (75, False)], 74),
        ([(60, True), (90, True), (75, True)], 75),
    ):
        own = ClipMaker(
            replace(networks, lm=Told(lengths)), encode, ClipOptions(seed=5, candidates=3)
        )
        assert len(own.draft(CLIP).tokens) == best


def test_one_turn_is_said_anew_and_the_rest_stays(networks: Networks) -> None:
    own = maker(networks)
    before = own.make(CLIP)
    after = own.redo(CLIP, before, 1, seed=9)
    assert own.redo(CLIP, before, 1, seed=10).tokens != after.tokens
    assert own.redo(CLIP, before, 1, seed=9).tokens == after.tokens
    first, last = 40, 65
    kept = tuple(token for token in before.tokens if token < 6561)
    assert len(kept) < len(before.tokens)  # what the flow leaves out must not move the turn
    assert after.tokens[:first] == kept[:first] and after.tokens[last:] == kept[last:]
    assert after.tokens[first:last] != kept[first:last]
    assert len(before.samples) == len(after.samples) == 960 * len(kept)
    edges = first * 960, last * 960
    assert np.array_equal(after.samples[: edges[0]], before.samples[: edges[0]])
    assert np.array_equal(after.samples[edges[1] :], before.samples[edges[1] :])
    assert not np.array_equal(after.samples, before.samples)


def test_splicing_fades() -> None:
    mixed = spliced(np.zeros(4000, np.float32), np.ones(4000, np.float32), 1000, 3000)
    assert not mixed[:1000].any() and not mixed[3000:].any() and (mixed[1600:2400] == 1).all()
    assert np.abs(np.diff(mixed)).max() < 0.01


def test_long_clips_are_cut_at_the_widest_pauses() -> None:
    turns = tuple(
        ClipTurn(TurnTag(start, 1.0, 1), name)
        for start, name in ((0.0, "a"), (1.2, "b"), (4.0, "c"), (5.4, "d"))
    )
    faces = Faces(np.ones((2, 512), np.float32), np.array([10, 110]))
    clip = Clip("dialogue", turns, 165, {1: vector(1)}, faces)
    parts = cut_clip(clip, 4.0)
    assert [(first, part.text, part.frames) for first, part in parts] == [
        (0, "a b", 78),
        (78, "c d", 87),
    ]
    assert parts[1][1].turns[0].tag.start == pytest.approx(4.0 - 78 / 25)
    assert [part.faces.frames.tolist() for _, part in parts] == [[10], [32]]
    assert cut_clip(clip, 0.0) == [(0, clip)] and cut_clip(clip, 10.0) == [(0, clip)]
    assert len(cut_clip(clip, 0.5)) == 4  # a turn is never cut


def test_parts_are_joined_without_a_seam(networks: Networks) -> None:
    own = maker(networks, window_s=2.0)
    whole = own.make(CLIP)
    (_, left), (at, right) = cut_clip(CLIP, 2.0)
    parts = [own.make(left), own.make(right)]
    assert whole.tokens == parts[0].tokens + parts[1].tokens
    assert np.array_equal(whole.samples[: at * 960], parts[0].samples[: at * 960])
    fade = round(FADE_S * 24000)
    assert np.array_equal(whole.samples[at * 960 + fade :], parts[1].samples[fade:])
    ones = np.ones(3000, np.float32)
    assert np.allclose(joined([(0, ones), (2000, ones)]), 1.0, atol=1e-6)
    assert np.abs(np.diff(joined([(0, ones), (2000, -ones)]))).max() < 0.01  # no step at the joint
    assert joined([(0, ones), (4000, ones)])[3000:4000].tolist() == [0.0] * 1000
    assert len(joined([])) == 0


@pytest.mark.parametrize("mask", [1, 2, 3])
def test_streamed_sound_is_the_whole_runs(networks: Networks, mask: int) -> None:
    import torch

    tokens = [(37 * n) % 6561 for n in range(50)]
    speaker = networks.flow.speaker(torch.from_numpy(vector(3)))
    options = FlowDecoding(mask=mask, steps=3)
    (mel,) = networks.flow.mels([tokens], [speaker], options)
    whole = networks.vocoder.sound(mel).numpy()
    parts = list(stream_sound(networks, iter(tokens), speaker, options))
    assert len(parts) == {1: 44, 2: 4, 3: 2}[mask]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=2e-3)


def test_what_sees_everything_cannot_be_streamed(networks: Networks) -> None:
    with pytest.raises(EngineError, match="cannot be streamed"):
        next(stream_sound(networks, [1], np.zeros(80), FlowDecoding()))


def test_tokens_are_spoken_while_they_are_written(networks: Networks) -> None:
    """From the prompt on: sound comes before the last token, and is that of a whole run."""
    import torch

    prompt = maker(networks).prompt(CLIP)
    speaker = networks.flow.speaker(torch.from_numpy(vector(3)))
    options = FlowDecoding(mask=2, steps=3)
    asked: list[int] = []

    def written() -> Any:
        for token in networks.lm.stream(prompt, SHORT):
            asked.append(token)
            yield token

    sound = stream_sound(networks, written(), speaker, options)
    first = next(sound)
    assert len(first) and len(asked) < 40
    (whole,) = networks.lm.tokens([prompt], SHORT)
    assert list(asked) == list(whole.tokens[: len(asked)])
    kept = sum(token < 6561 for token in whole.tokens)
    assert len(first) + sum(len(part) for part in sound) == 960 * kept
    assert tuple(asked) == whole.tokens


def test_numbers_that_overflow_are_told(networks: Networks) -> None:
    import copy

    broken = replace(networks, lm=copy.deepcopy(networks.lm), flow=copy.deepcopy(networks.flow))
    broken.lm.codec_head.weight.data[7] = float("nan")
    broken.flow.dit_model.proj_out.bias.data[0] = float("nan")
    with pytest.raises(EngineError, match="language model's numbers overflow") as caught:
        maker(broken).draft(CLIP)
    assert "bfloat16" in caught.value.hint
    with pytest.raises(EngineError, match="sound's numbers overflow"):
        maker(broken).render(CLIP, [5, 6, 7])


def test_a_full_gpu_is_told(networks: Networks, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from polydub.engines.dubbing.funcineforge.device import device_of, room_on_device

    full = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB. GPU 0 has 1 GiB.")
    told = pytest.raises(EngineError, match="does not suffice: CUDA out of memory")
    with told as caught, room_on_device("Take less."):
        raise full
    assert caught.value.hint == "Take less." and caught.value.code == "DUB-E206"
    for there, wanted, found in (
        (False, "auto", "cpu"),
        (True, "auto", "cuda"),
        (True, "cpu", "cpu"),
    ):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert device_of(wanted) == found
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for wanted, told in (("cuda", "finds none here"), ("tpu", "no device 'tpu'")):
        with pytest.raises(EngineError, match=told):
            device_of(wanted)
