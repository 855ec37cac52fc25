"""The examples in docs/write-an-engine.md are code that runs."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import numpy as np

from polydub.engines import registry
from polydub.engines.protocols import LineToTranslate, LipSpan, TranslationRequest, Translator
from polydub.model import Span
from tests.lip_models import Head, frame_time, voice

PAGE = Path(__file__).parents[2] / "docs" / "write-an-engine.md"


def example(number: int) -> dict:
    """What the names of a code block of the page stand for."""
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(code) == 2
    scope: dict = {}
    exec(compile(code[number], str(PAGE), "exec"), scope)
    return scope


def test_the_example_engine_works_once_registered() -> None:
    scope = example(0)
    registry.register("translate", "shout", scope["ShoutingTranslator"])
    engine = registry.load("translate", "shout")
    assert isinstance(engine, Translator)
    line = LineToTranslate("L001", "hello", "S1", 1.0, Span(Fraction(0), Fraction(1)))
    assert engine.translate(TranslationRequest("en", "es", (line,))) == {"L001": "HELLO"}
    assert "shout" in registry.names("translate")


def test_the_example_network_paints_lips() -> None:
    head = Head(6)
    span = LipSpan("F000.1", "L001", (0, 6), Span(frame_time(0), frame_time(6)), ())
    given = ([span], [head.track()], [head.shot()], head.read, frame_time, voice((), 1.0))
    (outcome,) = example(1)["outcomes"](*given)
    assert [patch.frame for patch in outcome.patches] == list(range(6))
    for patch in outcome.patches:
        height, width = patch.pixels.shape[:2]
        own = head.image(patch.frame)[patch.top : patch.top + height, patch.left :][:, :width]
        assert np.abs(patch.pixels.astype(int) - own).max() > 0
