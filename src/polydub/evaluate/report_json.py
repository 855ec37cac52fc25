"""The report as JSON, for programs."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from polydub.model import Report

SCHEMA = "polydub.report/1"


def report_json(report: Report) -> str:
    """``report`` as indented JSON with ``"schema": "polydub.report/1"``.

    Exact times become seconds as decimal numbers, rounded to the microsecond.
    """
    values = msgspec.to_builtins(report, enc_hook=_plain)
    text = msgspec.json.encode({"schema": SCHEMA, **values})
    return msgspec.json.format(text, indent=2).decode() + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, Fraction):
        return round(float(value), 6)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Path):
        return str(value)
    raise NotImplementedError(f"a report cannot hold {type(value).__name__}")
