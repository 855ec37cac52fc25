"""Opens Kokoro's ONNX graph: durations become an output, pitch and timbres become inputs.

The model predicts how many 25 ms frames each token lasts and then hides it. The prepared copy has
the extra outputs ``durations`` ``[1, n_tokens]`` (frames, float) and ``f0`` (Hz, a point per
:data:`F0_STEP` samples, below about 20 where unvoiced), and the extra inputs ``pitch``: a factor on
that curve, ``[1]`` or one per point, and ``timbre_moves`` ``[11, 128]``: what is added to the
timbre half of the style in each part of the decoder. The input ``speed`` may hold one rate per
token. All are found by structure, so other exports
of Kokoro work too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from polydub.engines.protocols import WeightFile
from polydub.engines.speak.shaped_style import GROUPS, SIZE
from polydub.engines.weights import cache_dir, write_atomically
from polydub.errors import EngineError

DURATIONS = "durations"
PITCH = "pitch"
NATURAL = "f0"
TIMBRE_MOVES = "timbre_moves"
SPEED = "speed"
F0_STEP = 300
"""Samples per point of the F0 curve: half a frame of the duration predictor."""
_REVISION = 5  # raise when the preparation changes: the prepared copy is cached under it


_PARTS = tuple(
    re.compile(rf"(?:^|/)(?:{part})/")
    for part in (
        r"encode",
        r"decode\.[01]",
        r"decode\.[23]",
        *(r"noise_res\.0", r"resblocks\.0", r"resblocks\.1", r"resblocks\.2"),
        *(r"noise_res\.1", r"resblocks\.3", r"resblocks\.4", r"resblocks\.5"),
    )
)
"""The layers of the decoder that share a timbre, from the text to the sound."""


def timbre_group(layer: str) -> int:
    """Which part of the decoder the adaptive norm ``layer`` belongs to.

    Raises ``EngineError`` DUB-E206 for a name that is not of Kokoro's decoder.
    """
    for group, part in enumerate(_PARTS):
        if part.search(layer):
            return group
    raise EngineError(f"This ONNX graph is not Kokoro's: '{layer}' is not known in its decoder.")


def prepared(weight: WeightFile, sha256: str) -> Path:
    """Path of the prepared copy of ``weight`` in polydub's cache, made on first use.

    Raises ``EngineError`` DUB-E206 when the graph is not Kokoro's.
    """
    target = cache_dir("kokoro") / f"{sha256[:16]}.{_REVISION}.onnx"
    if not target.is_file():
        import onnx

        model = onnx.load(str(weight.path))
        _expose_durations(model.graph, onnx)
        _expose_pitch(model.graph, onnx)
        _free_rates(model.graph)
        expose_timbres(model.graph, onnx)
        write_atomically(target, [model.SerializeToString()])
    return target


def duration_graph(whole: Path) -> Path:
    """Path of the part of a :func:`prepared` graph that leads to the durations: a sixth of it.

    It answers in 0.01-0.03 s how long a sentence will be, where saying it takes 0.3-1.8 s.
    """
    target = whole.with_suffix(".durations.onnx")
    if not target.is_file():
        import onnx

        extractor = onnx.utils.Extractor(onnx.load(str(whole)))
        part = extractor.extract_model(["tokens", "style", SPEED], [DURATIONS])
        write_atomically(target, [part.SerializeToString()])
    return target


def melody_graph(whole: Path) -> Path:
    """Path of the part of a :func:`prepared` graph that leads to durations and F0: no sound.

    It answers in about a tenth of the time that saying the sentence takes.
    """
    target = whole.with_suffix(".melody.onnx")
    if not target.is_file():
        import onnx

        extractor = onnx.utils.Extractor(onnx.load(str(whole)))
        part = extractor.extract_model(["tokens", "style", SPEED], [DURATIONS, NATURAL])
        write_atomically(target, [part.SerializeToString()])
    return target


def decoder_inputs_graph(whole: Path, outputs: Sequence[str]) -> Path:
    """Path of the part of a :func:`prepared` graph that leads to the decoder's inputs ``outputs``.

    Raises ``EngineError`` DUB-E206 when the graph has no such tensors.
    """
    target = whole.with_suffix(".inputs.onnx")
    if not target.is_file():
        import onnx

        model = onnx.load(str(whole))
        made = {name for node in model.graph.node for name in node.output}
        if not made.issuperset(outputs):
            raise EngineError("This ONNX graph is not Kokoro's: no decoder was found.")
        kind = onnx.TensorProto.FLOAT
        for name in outputs:
            model.graph.output.append(onnx.helper.make_tensor_value_info(name, kind, None))
        extractor = onnx.utils.Extractor(model)
        part = extractor.extract_model(["tokens", "style", SPEED, PITCH], list(outputs))
        write_atomically(target, [part.SerializeToString()])
    return target


def _expose_durations(graph: Any, onnx: Any) -> None:
    """Name the clipped, rounded frame counts ``durations`` and make them an output."""
    rounded = {name for node in graph.node if node.op_type == "Round" for name in node.output}
    clips = [node for node in graph.node if node.op_type == "Clip" and node.input[0] in rounded]
    if len(clips) != 1:
        raise EngineError("This ONNX graph is not Kokoro's: no duration predictor was found.")
    graph.node.append(onnx.helper.make_node("Identity", [clips[0].output[0]], [DURATIONS]))
    kind = onnx.TensorProto.FLOAT
    graph.output.append(onnx.helper.make_tensor_value_info(DURATIONS, kind, None))


def _expose_pitch(graph: Any, onnx: Any) -> None:
    """Multiply the predicted F0 curve by the new input ``pitch``."""
    found = [
        (position, name)
        for position, node in enumerate(graph.node)
        for name in node.output
        if name.endswith("/F0_proj/Conv_output_0")
    ]
    if len(found) != 1:
        raise EngineError("This ONNX graph is not Kokoro's: no F0 predictor was found.")
    position, scaled = found[0]
    outputs = graph.node[position].output
    natural = f"{scaled}_natural"
    outputs[list(outputs).index(scaled)] = natural
    scale = onnx.helper.make_node("Mul", [natural, PITCH], [scaled], name="polydub/pitch")
    graph.node.insert(position + 1, scale)
    graph.node.append(onnx.helper.make_node("Identity", [natural], [NATURAL]))
    kind = onnx.TensorProto.FLOAT
    graph.input.append(onnx.helper.make_tensor_value_info(PITCH, kind, ["pitch_points"]))
    graph.output.append(onnx.helper.make_tensor_value_info(NATURAL, kind, None))


def _free_rates(graph: Any) -> None:
    """Let the input ``speed``, by which durations are divided, hold one value per token."""
    speeds = [entry for entry in graph.input if entry.name == SPEED]
    users = [node for node in graph.node if SPEED in node.input]
    if len(speeds) != 1 or [node.op_type for node in users] != ["Div"]:
        raise EngineError("This ONNX graph is not Kokoro's: no rate was found.")
    speeds[0].type.tensor_type.shape.dim[0].dim_param = "rates"


def expose_timbres(graph: Any, onnx: Any) -> None:
    """Give every part of the decoder the timbre plus its row of the new input ``timbre_moves``."""
    norms = [x for x in graph.node if x.name.startswith("/decoder/") and "/fc/" in x.name]
    source, shared = _timbre_source(graph, norms)
    quantised = source.op_type == "DynamicQuantizeLinear"
    timbre = source.input[0] if quantised else shared[0]
    helper, added = onnx.helper, []
    for group in range(GROUPS):
        index, row, moved = (f"polydub/timbre_{what}.{group}" for what in ("index", "row", "moved"))
        graph.initializer.append(helper.make_tensor(index, onnx.TensorProto.INT64, [1], [group]))
        added.append(helper.make_node("Gather", [TIMBRE_MOVES, index], [row], axis=0))
        added.append(helper.make_node("Add", [timbre, row], [moved]))
        if quantised:
            outputs = [f"{name}.{group}" for name in source.output]
            added.append(helper.make_node("DynamicQuantizeLinear", [moved], outputs))
    for node in norms:
        group = timbre_group(node.name)
        for at, name in enumerate(node.input):
            if name in shared:
                own = f"{name}.{group}" if quantised else f"polydub/timbre_moved.{group}"
                node.input[at] = own
    place = list(graph.node).index(source) + 1
    for node in reversed(added):
        graph.node.insert(place, node)
    kind = onnx.TensorProto.FLOAT
    graph.input.append(helper.make_tensor_value_info(TIMBRE_MOVES, kind, [GROUPS, SIZE]))


def _timbre_source(graph: Any, norms: Sequence[Any]) -> tuple[Any, list[str]]:
    """The node from which all adaptive norms have the timbre, and what they take from it."""
    made_inside = {name for node in norms for name in node.output}
    wanted = {name for node in norms for name in node.input} - made_inside
    sources = [node for node in graph.node if wanted.intersection(node.output)]
    if len(sources) != 1:
        raise EngineError("This ONNX graph is not Kokoro's: no timbre was found.")
    return sources[0], [name for name in sources[0].output if name in wanted]
