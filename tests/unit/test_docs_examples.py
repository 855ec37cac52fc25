"""The example in docs/write-an-engine.md is code that runs."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

from polydub.engines import registry
from polydub.engines.protocols import LineToTranslate, TranslationRequest, Translator
from polydub.model import Span

PAGE = Path(__file__).parents[2] / "docs" / "write-an-engine.md"


def test_the_example_engine_works_once_registered() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    scope: dict = {}
    exec(compile(code, str(PAGE), "exec"), scope)
    registry.register("translate", "shout", scope["ShoutingTranslator"])
    engine = registry.load("translate", "shout")
    assert isinstance(engine, Translator)
    line = LineToTranslate("L001", "hello", "S1", 1.0, Span(Fraction(0), Fraction(1)))
    assert engine.translate(TranslationRequest("en", "es", (line,))) == {"L001": "HELLO"}
    assert "shout" in registry.names("translate")
