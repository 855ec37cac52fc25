"""The command that makes simulated conversations: what it refuses, and how it says so."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from polydub.simulate.__main__ import simulate

app = typer.Typer()
app.command()(simulate)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--own", "--speakers", "9"], "speakers must be 1 .. 6"),
        (["--own", "--language", "xx"], "language must be one of"),
        (["--size", "x"], "no film of x pixels"),
        (["--rate", "25/0"], "25/0 frames per second"),
        (["--part", "3/2"], "no part '3/2'"),
        (["--part", "one"], "no part 'one'"),
    ],
)
def test_a_bad_option_is_one_line_and_no_traceback(
    options: list[str], told: str, tmp_path: Path
) -> None:
    done = CliRunner().invoke(app, [str(tmp_path / "out"), *options, "--bank", str(tmp_path)])
    assert done.exit_code == 3
    assert "error DUB-E108" in done.output and told in done.output
    assert not (tmp_path / "out").exists()
