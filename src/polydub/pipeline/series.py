"""The voices of a series: a cast file that several films share."""

from __future__ import annotations

from collections.abc import Mapping

from polydub.model import Decision, Script, Voiceprint
from polydub.pipeline.run import Run
from polydub.project.cast_file import cast_of, merged, read_cast, reuse_cast, write_cast


def with_series_voices(run: Run, script: Script, prints: Mapping[str, Voiceprint]) -> Script:
    """The script with the voices of the series for the speakers who are in it.

    ``prints`` are voiceprints by speaker id.

    Every speaker who is recognised is told in the report: whether it is him is for a person to say.
    """
    path = run.options.cast
    if path is None or not path.exists():
        return script
    cast, embedder = read_cast(path), run.engines.identity("voiceprint")
    script, found = reuse_cast(script, cast, prints, embedder)
    for one in found:
        note = f"has the voice of {one.member} in {path.name} (similarity {one.similarity:.2f})"
        run.decide(Decision("cast", one.speaker, "warning", note))
    return script


def keep_series_voices(run: Run, script: Script, prints: Mapping[str, Voiceprint]) -> None:
    """Add this film's speakers, and languages that were missing, to the file of the series."""
    path = run.options.cast
    if path is None:
        return
    own = cast_of(script, prints, run.engines.identity("voiceprint"))
    known = read_cast(path) if path.exists() else None
    cast = own if known is None else merged(known, own)
    if cast != known:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_cast(path, cast)
