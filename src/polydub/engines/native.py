"""Keeps the messages of native libraries off the standard error stream."""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

NATIVE = re.compile(rb"[IWEF]\d{4} |WARNING: All log messages before|INFO: Created TensorFlow")
"""How lines of MediaPipe's log begin."""


def quiet_environment() -> None:
    """Ask MediaPipe and TensorFlow for little; must come before they are imported."""
    os.environ.setdefault("GLOG_minloglevel", "3")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextmanager
def native_stderr_silenced() -> Iterator[None]:
    """Keep the library's messages off standard error meanwhile; what others write comes after."""
    try:
        sys.stderr.flush()
        saved = os.dup(2)
    except (OSError, AttributeError, ValueError):  # no standard error stream: nothing to silence
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(saved, 2)
            held.seek(0)
            kept = b"".join(line for line in held if not NATIVE.match(line))
            with os.fdopen(saved, "wb") as stream:
                stream.write(kept)
