"""The process edge of the command line: errors become one line and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Sequence

from polydub.errors import PolydubError, ProjectError


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; always leaves by ``SystemExit`` (codes: ``texts.EXIT_CODES``).

    With the environment variable ``POLYDUB_DEBUG=1`` errors keep their traceback.
    """
    try:
        from polydub.interfaces.cli.app import app

        app(args=arguments, prog_name="polydub")
    except PolydubError as error:
        if _debugging():
            raise
        sys.exit(report(error))
    except KeyboardInterrupt:
        _say("[yellow]stopped[/]; run the same command again to resume")
        sys.exit(130)
    except Exception as error:  # the process edge: nothing may escape as a traceback
        if _debugging():
            raise
        sys.exit(report(as_polydub_error(error)))


def as_polydub_error(error: Exception) -> PolydubError:
    """An unexpected exception as one of ours: a full disk is DUB-E304, the rest is DUB-E000."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return ProjectError(
            "The disk is full.",
            hint="Free some space and run the same command again to resume.",
            code="DUB-E304",
        )
    message = f"{type(error).__name__}: {error}".strip().rstrip(":")
    return PolydubError(message, hint="Set POLYDUB_DEBUG=1 for the traceback.")


def report(error: PolydubError) -> int:
    """Print the error on stderr, one line and its hint; returns the exit code."""
    from rich.markup import escape

    if error.exit_code == 130:
        _say("[yellow]stopped[/]; run the same command again to resume")
        return 130
    line = f"[bold red]error {error.code}[/][red]: {escape(error.message)}[/]"
    _say(f"{line}\n  {escape(error.hint)}" if error.hint else line)
    return error.exit_code


def _say(markup: str) -> None:
    from rich.console import Console

    Console(stderr=True, soft_wrap=True, highlight=False).print(markup)


def _debugging() -> bool:
    return os.environ.get("POLYDUB_DEBUG", "") not in ("", "0")


if __name__ == "__main__":
    main()
