"""Talks to espeak-ng, which is GPL-3.0 and therefore lives in a process of its own."""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import logging
import os
import subprocess
import sys
import threading
from typing import Any

from polydub.errors import EngineError

_log = logging.getLogger(__name__)
_COMMAND = (sys.executable, "-m", "polydub.engines.speak._espeak_worker")


class EspeakProcess:
    """One espeak-ng process: started on first use, restarted once when it dies, closed at exit.

    Safe to share between threads; a forked process starts its own.
    """

    def __init__(self, command: tuple[str, ...] = _COMMAND) -> None:
        self._command = command
        self._process: subprocess.Popen[str] | None = None
        self._owner = 0
        self._lock = threading.Lock()

    def phonemes(self, voice: str, text: str) -> str:
        """IPA of ``text`` in the espeak voice ``voice``; tied letters are joined by ``^``.

        Raises ``EngineError`` DUB-E202 when the extra is absent, DUB-E206 when espeak-ng fails.
        """
        with self._lock:
            try:
                answer = self._ask(voice, text)
            except _Died:
                _log.warning("espeak-ng died; starting it again")
                self._stop()
                try:
                    answer = self._ask(voice, text)
                except _Died as error:
                    self._stop()
                    raise EngineError(f"espeak-ng failed twice on {text!r}.") from error
        if "phonemes" not in answer:
            raise EngineError(f"espeak-ng failed on {text!r}: {answer.get('error', answer)}")
        return str(answer["phonemes"])

    def close(self) -> None:
        """End the process; the next request starts it again."""
        with self._lock:
            self._stop()

    def _ask(self, voice: str, text: str) -> dict[str, Any]:
        process = self._running()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps({"voice": voice, "text": text}) + "\n")
            process.stdin.flush()
        except OSError as error:
            raise _Died from error
        return _read(process)

    def _running(self) -> subprocess.Popen[str]:
        if self._owner != os.getpid():
            self._process = None  # the parent's; its pipes are not ours to use
        if self._process is None or self._process.poll() is not None:
            _require_package()
            self._process = self._start()
            self._owner = os.getpid()
        return self._process

    def _start(self) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            encoding="utf-8",
        )
        atexit.register(self.close)
        greeting = _read(process)
        if not greeting.get("ready"):
            _end(process)
            raise EngineError(f"espeak-ng does not start: {greeting.get('error', greeting)}")
        return process

    def _stop(self) -> None:
        process, self._process = self._process, None
        atexit.unregister(self.close)
        if process is not None and self._owner == os.getpid():
            _end(process)


class _Died(Exception):
    """The process ended or said something that is no answer."""


def _require_package() -> None:
    if importlib.util.find_spec("espeakng_loader") is None:
        raise EngineError(
            "Pronouncing this language needs espeak-ng, which is not installed.",
            hint='Install it (GPL-3.0): pip install -c constraints.txt -e ".[espeak]"',
            code="DUB-E202",
        )


def _read(process: subprocess.Popen[str]) -> dict[str, Any]:
    assert process.stdout is not None
    line = process.stdout.readline()
    try:
        answer = json.loads(line)
    except ValueError as error:
        raise _Died from error
    if not isinstance(answer, dict):
        raise _Died
    return answer


def _end(process: subprocess.Popen[str]) -> None:
    """Close the pipes, give the process a second to leave, and reap it."""
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    try:
        process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
