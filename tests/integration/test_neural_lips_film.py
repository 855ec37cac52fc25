"""A lip network in the whole: `polydub lips` on a small made film, with tiny weights of its own."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polydub import api
from polydub.engines import registry
from polydub.engines.fakes import FakeFaces, register_fakes
from polydub.errors import EngineError
from polydub.media.frames import FrameSource
from polydub.media.probe import probe
from polydub.model import Image, Landmarks
from polydub.pipeline import lip_check
from tests.films import HEIGHT, WIDTH, Beat, write_film
from tests.lip_models import face_shape
from tests.neural_lip_models import ANYTHING, write_wav2lip

torch = pytest.importorskip("torch", reason="needs the extra `speech`")

SCENE = (Beat(0.4, "A", "-"), Beat(1.6, "A", "A"), Beat(0.4, "A", "-"), Beat(1.2, "B", "B"))
EYES = 36.0
"""Pixels between the eyes of the drawn squares' faces."""


class SquareFaces(FakeFaces):
    """The fake finder, with a mesh that is shaped like a face."""

    def landmarks(self, image: Image, box: tuple[float, float, float, float]) -> Landmarks | None:
        """Eyes, nose and mouth in the square; its bar tells how far the mouth is open."""
        flat = super().landmarks(image, box)
        if flat is None:
            return None
        gap = float(flat[14, 1] - flat[13, 1]) / EYES
        middle = np.array([(box[0] + box[2]) / 2, box[1] + 0.32 * (box[3] - box[1]), 0.0])
        return (face_shape(gap) * EYES + middle).astype(np.float32)


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    from polydub.engines.lips.neural.wav2lip import Wav2Lip

    class Tiny(Wav2Lip):
        """Random weights from the variable, drawn whatever they are."""

        def __init__(self) -> None:
            super().__init__(options=ANYTHING)

    weights = write_wav2lip(tmp_path / "weights" / "wav2lip_gan.pth")
    monkeypatch.setenv("POLYDUB_WEIGHT_WAV2LIP", str(weights))
    chosen = register_fakes()
    monkeypatch.setitem(registry._registered, ("faces", "squares"), SquareFaces)
    monkeypatch.setitem(registry._registered, ("lips", "tiny-wav2lip"), Tiny)
    return {**chosen, "faces": "squares", "lips": "tiny-wav2lip"}


def pictures(path: Path) -> list[np.ndarray]:
    source = probe(path)
    assert source.video is not None
    with FrameSource(path, source.video, source.start) as frames:
        return [image for _, image in frames.read(0, source.video.n_frames)]


@pytest.mark.parametrize("fps", [24, 25, 30])
def test_mouths_of_the_film_follow_another_sound(
    fps: int, tmp_path: Path, engines: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # random weights draw no mouth: the check after rendering would take every span back
    monkeypatch.setattr(lip_check, "fault", lambda found, limits: "")
    film = write_film(tmp_path / "talk.mp4", SCENE, fps=Fraction(fps))
    (tmp_path / "dub").mkdir()
    dubbed = write_film(tmp_path / "dub" / "dub.mp4", SCENE, fps=Fraction(fps))
    result = api.lips(film, dubbed, api.DubOptions(engines=engines), language="es")
    assert [line.line for line in result.lines] == ["L001", "L002"]
    assert all(line.rendered and line.rendered > 0.8 for line in result.lines)
    before, after = pictures(film), pictures(result.video)
    assert len(before) == len(after)
    away = [np.abs(a.astype(int) - b).max(axis=2) for a, b in zip(before, after, strict=True)]
    spoken = [np.percentile(frame[60:100, 55:105], 90) for frame in away[fps // 2 : fps * 2]]
    assert np.median(spoken) > 12
    walls = [frame[:, [2, 20, WIDTH - 20, WIDTH - 3]].max() for frame in away]
    assert max(walls) <= 12  # what the encoder leaves of untouched pixels
    assert max(frame[: HEIGHT // 4, 55:105].max() for frame in away) <= 12


def test_what_random_weights_draw_is_taken_back(tmp_path: Path, engines: dict[str, str]) -> None:
    film = write_film(tmp_path / "talk.mp4", SCENE)
    (tmp_path / "dub").mkdir()
    dubbed = write_film(tmp_path / "dub" / "dub.mp4", SCENE)
    result = api.lips(film, dubbed, api.DubOptions(engines=engines), language="es")
    assert [line.rendered for line in result.lines] == [0.0, 0.0]
    assert all(lip_check.FELL_BACK in line.reason for line in result.lines)
    away = zip(pictures(film), pictures(result.video), strict=True)
    assert max(np.abs(a.astype(int) - b).max() for a, b in away) <= 12


def test_without_weights_nothing_is_begun(
    tmp_path: Path, engines: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POLYDUB_WEIGHT_WAV2LIP")
    film = write_film(tmp_path / "talk.mp4", SCENE)
    with pytest.raises(EngineError) as caught:
        api.lips(film, film, api.DubOptions(engines={**engines, "lips": "wav2lip"}))
    assert caught.value.code == "DUB-E204"
    assert "POLYDUB_WEIGHT_WAV2LIP" in caught.value.hint
    assert not (tmp_path / "talk.polydub" / "cache").exists()


def test_a_network_that_fails_leaves_the_film_as_it_was(
    tmp_path: Path, engines: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from polydub.engines.lips.neural.wav2lip import Wav2LipMouths

    def failing(self: Any, crops: Any, heard: Any) -> Any:
        raise EngineError("Wav2Lip failed: out of memory")

    monkeypatch.setattr(Wav2LipMouths, "redraw", failing)
    film = write_film(tmp_path / "talk.mp4", SCENE)
    result = api.lips(film, film, api.DubOptions(engines=engines))
    assert [line.rendered for line in result.lines] == [0.0, 0.0]
    made, source = probe(result.video), probe(film)
    assert made.video is not None and source.video is not None
    assert made.video.n_frames == source.video.n_frames


def test_the_engines_command_lists_them_with_their_licences(
    engines: dict[str, str],
) -> None:
    from typer.testing import CliRunner

    from polydub.interfaces.cli.app import app

    told = CliRunner().invoke(app, ["engines", "--json"])
    assert told.exit_code == 0, told.output
    rows = {row["name"]: row for row in json.loads(told.stdout) if row["kind"] == "lips"}
    assert {"exemplar", "wav2lip", "musetalk", "latentsync", "latentsync-1.5"} <= set(rows)
    assert "NC" in rows["wav2lip"]["weights_licence"]
    assert "OpenRAIL++" in rows["latentsync"]["weights_licence"]
