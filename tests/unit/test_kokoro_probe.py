from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from polydub.engines.diarize.campplus import CamPlusPlus
from polydub.engines.protocols import SpeechRequest
from polydub.engines.registry import missing_requirements
from polydub.engines.speak.kokoro import KokoroSynthesizer
from polydub.engines.speak.kokoro_decoder import Decoder
from polydub.engines.speak.kokoro_graph import TIMBRE_MOVES, expose_timbres, timbre_group
from polydub.engines.speak.kokoro_probe import KokoroProbe
from polydub.engines.speak.kokoro_voices import TIMBRE, StyleBank
from polydub.engines.speak.shaped_style import (
    GROUPS,
    SIZE,
    VOICED,
    ShapedStyle,
    read_style,
    shaped_name,
)
from polydub.errors import EngineError
from polydub.model import Waveform
from polydub.stages.shape import ShapeableSynthesizer, SlopingEmbedder

STEP_SIZE = 0.002
"""Small enough for a straight line to foretell."""

pytestmark = [pytest.mark.weights, pytest.mark.filterwarnings("ignore::UserWarning")]


@pytest.fixture(scope="module")
def kokoro() -> Iterator[KokoroSynthesizer]:
    pytest.importorskip("torch")
    if missing_requirements(KokoroSynthesizer.capabilities):
        pytest.skip("not installed")
    made = KokoroSynthesizer()
    yield made
    made.close()


@pytest.fixture(scope="module")
def probe(kokoro: KokoroSynthesizer) -> KokoroProbe:
    return kokoro.probe(SpeechRequest("Well, yes.", "en", "am_liam"))


@pytest.fixture(scope="module")
def campplus() -> CamPlusPlus:
    if missing_requirements(CamPlusPlus.capabilities):
        pytest.skip("not installed")
    return CamPlusPlus()


def test_they_fit_the_seams(kokoro: KokoroSynthesizer, campplus: CamPlusPlus) -> None:
    assert isinstance(kokoro, ShapeableSynthesizer)
    assert isinstance(campplus, SlopingEmbedder)


@pytest.mark.parametrize("size", [0.0, 0.5])
def test_the_probe_says_what_the_voice_says(
    kokoro: KokoroSynthesizer, probe: KokoroProbe, size: float
) -> None:
    """Also with another timbre in every part of the decoder."""
    shift = size * np.random.default_rng(2).normal(size=probe.size).astype(np.float32)
    made = probe.say(shift).samples
    style = kokoro.shaped("am_liam", shift=shift)
    spoken = kokoro.speak(SpeechRequest("Well, yes.", "en", style)).audio.samples
    part = made[len(made) // 3 : 2 * len(made) // 3]
    found = np.correlate(spoken, part, "valid")
    energy = np.convolve(spoken**2, np.ones(len(part)), "valid")
    alike = found / np.sqrt(energy * np.sum(part**2))
    assert float(alike.max()) > 0.6  # it is normed over the stretch
    same = spoken[alike.argmax() :][: len(part)]
    assert np.sum(part**2) == pytest.approx(np.sum(same**2), rel=0.4)
    assert np.abs(part).max() == pytest.approx(np.abs(same).max(), rel=0.3)


def test_the_same_move_everywhere_moves_the_timbre(kokoro: KokoroSynthesizer) -> None:
    """In every part of the graph, to the bit."""
    shift = 0.5 * np.random.default_rng(1).normal(size=SIZE).astype(np.float32)
    name = shaped_name(ShapedStyle("am_liam", moves=np.tile(shift, (GROUPS, 1))))
    inputs = kokoro._inputs("wˈɛl, jˈɛs.", name, "en", 1.0)
    moves = inputs.pop(TIMBRE_MOVES)
    plain = {**inputs, "style": inputs["style"].copy(), TIMBRE_MOVES: np.zeros_like(moves)}
    plain["style"][0, TIMBRE] += moves[0]
    (one,), (other,) = (
        kokoro._session.run(["audio"], given) for given in ({**inputs, TIMBRE_MOVES: moves}, plain)
    )
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("layer", "group"),
    [
        ("encode/norm1", 0),
        ("/decoder/decoder/decode.1/norm2/fc/Gemm", 1),
        ("decode.2/norm1", 2),
        ("generator/noise_res.0/adain1.2", 3),
        ("generator/resblocks.2/adain1.2", 6),
        ("generator/noise_res.1/adain1.2", 7),
        ("/decoder/decoder/generator/resblocks.5/adain2.0/fc/Gemm_MatMul_quant", 10),
    ],
)
def test_the_parts_of_the_decoder(layer: str, group: int) -> None:
    assert timbre_group(layer) == group
    with pytest.raises(EngineError, match="not known"):
        timbre_group("predictor/norm1")


def test_a_long_text_is_said_in_stretches(kokoro: KokoroSynthesizer) -> None:
    text = "We should leave early tomorrow, because the road is long."
    probe = kokoro.probe(SpeechRequest(text, "en", "am_liam"), stretch=1.3)
    shift = np.zeros(probe.size, np.float32)
    said = [probe.say(shift).samples for _ in range(4)]
    assert all(0.9 < len(samples) / 24_000 < 2.0 for samples in said)
    assert not np.allclose(said[0][:9000], said[1][:9000], atol=0.05)


def test_the_slope_foretells_the_change(probe: KokoroProbe) -> None:
    start = np.zeros(probe.size, np.float32)
    before = probe.say(start).samples
    envelope = np.convolve(np.abs(before), np.ones(240) / 240, "same")
    weights = (before * envelope).astype(np.float32)  # loudness: smooth in the shift
    slope = probe.slope(weights)
    way = (slope / np.linalg.norm(slope)).astype(np.float32) * 0.02
    after = probe.say(start + way).samples
    assert float(weights @ (after - before)) == pytest.approx(float(slope @ way), rel=0.3)
    assert np.isfinite(slope).all()


def test_a_slope_is_for_one_saying(probe: KokoroProbe) -> None:
    said = probe.say(np.zeros(probe.size, np.float32))
    probe.slope(said.samples)
    with pytest.raises(ValueError, match="nothing was said"):
        probe.slope(said.samples)


def test_a_shaped_style_is_spoken(kokoro: KokoroSynthesizer) -> None:
    shift = np.full(KokoroProbe.size, 0.3, np.float32)
    name = kokoro.shaped("am_liam", pitch=1.2, shift=shift)
    plain, moved = (
        kokoro.speak(SpeechRequest("Well, yes.", "en", style)).audio.samples
        for style in ("am_liam", name)
    )
    n = min(len(plain), len(moved))
    assert not np.allclose(plain[:n], moved[:n], atol=0.01)
    assert kokoro.shaped(name, pitch=1.0) == name
    assert kokoro.shaped(name, shift=-shift).startswith("am_liam:pitch=1.2")
    half = read_style(kokoro.less_shaped(name, 0.5))
    assert (half.voice, half.pitch) == ("am_liam", 1.2)
    np.testing.assert_allclose(half.moves, read_style(name).moves / 2, atol=0.0101)
    assert kokoro.less_shaped(name, 0.0) == kokoro.shaped("am_liam", pitch=1.2)
    assert kokoro.less_shaped("am_liam", 0.5) == "am_liam"
    with pytest.raises(EngineError, match="no voice"):
        kokoro.speak(SpeechRequest("Well.", "en", "nobody:pitch=1.2"))


@pytest.mark.parametrize(("language", "lender"), [("fr", "ff_siwis"), ("en", "am_fenrir")])
def test_a_foreign_voice_articulates_as_a_native_one(
    kokoro: KokoroSynthesizer, language: str, lender: str
) -> None:
    """Its generator keeps what it had; in a language where that brings nothing all parts do."""
    native = StyleBank().style(lender, lender, 3)[0, TIMBRE]
    inputs = kokoro._inputs("abc", "zm_yunxi", language, 1.0)
    parts = inputs["style"][0, TIMBRE] + inputs[TIMBRE_MOVES]
    np.testing.assert_allclose(parts[:-VOICED], np.tile(native, (GROUPS - VOICED, 1)), atol=1e-6)
    assert not inputs[TIMBRE_MOVES][-VOICED:].any()
    for voice, spoken in (("am_adam", "es"), ("ff_siwis", "fr"), ("am_adam", "en")):
        assert not kokoro._inputs("abc", voice, spoken, 1.0)[TIMBRE_MOVES].any()


def test_another_graph_is_refused(tmp_path: Path) -> None:
    onnx = pytest.importorskip("onnx")
    pytest.importorskip("torch")
    value = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [1])
    node = onnx.helper.make_node("Identity", ["x"], ["y"])
    out = onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [1])
    path = tmp_path / "other.onnx"
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([node], "g", [value], [out])), path)
    with pytest.raises(EngineError, match="no decoder"):
        Decoder(path)


def test_a_graph_of_floats_is_given_timbres_as_well() -> None:
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    shared = "/decoder/Slice_output_0"
    layers = ("encode/norm1", "generator/resblocks.4/adain1.0")
    weight = helper.make_tensor("w", kind, [SIZE, 1], [0.5] * SIZE)
    nodes = [helper.make_node("Identity", ["style"], [shared])]
    nodes += [
        helper.make_node("Gemm", [shared, "w"], [layer], name=f"/decoder/decoder/{layer}/fc/Gemm")
        for layer in layers
    ]
    given = [helper.make_tensor_value_info("style", kind, [1, SIZE])]
    made = [helper.make_tensor_value_info(layer, kind, [1, 1]) for layer in layers]
    graph = helper.make_graph(nodes, "g", given, made, [weight])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    expose_timbres(model.graph, onnx)
    session = runtime.InferenceSession(
        model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    moves = np.zeros((GROUPS, SIZE), np.float32)
    moves[timbre_group(layers[1])] = 1.0
    style = np.zeros((1, SIZE), np.float32)
    first, last = session.run(None, {"style": style, TIMBRE_MOVES: moves})
    assert first.item() == 0.0 and last.item() == pytest.approx(SIZE / 2)
    with pytest.raises(EngineError, match="no timbre"):
        expose_timbres(helper.make_graph([], "g", [], []), onnx)


def test_the_slope_of_a_voiceprint(campplus: CamPlusPlus) -> None:
    rng = np.random.default_rng(5)
    time = np.arange(16_000) / 16_000
    sound = sum(np.sin(2 * np.pi * 140 * k * time) / k for k in range(1, 12)) * 0.05
    audio = Waveform((sound + rng.normal(0, 1e-3, 16_000)).astype(np.float32), 16_000)
    towards = rng.normal(size=192).astype(np.float32)
    towards /= np.linalg.norm(towards)
    heard, slope = campplus.slope(audio, towards)
    np.testing.assert_allclose(heard, campplus.embed(audio), atol=0.01)
    way = slope / np.linalg.norm(slope) * STEP_SIZE
    nearer = campplus.embed(Waveform((audio.samples + way).astype(np.float32), 16_000))
    expected = float(np.linalg.norm(slope)) * STEP_SIZE
    assert slope.shape == audio.samples.shape
    assert float((nearer - heard) @ towards) == pytest.approx(expected, rel=0.5)
