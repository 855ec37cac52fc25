"""The options of ``polydub pin`` and ``polydub export``, and their way into a ``PinRequest``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from polydub.errors import InputError
from polydub.interfaces.cli.options import LANGUAGES, MAKING, OUTPUT, SHOWING, WHO

if TYPE_CHECKING:
    from polydub.pipeline.pin_requests import PinRequest

ProjectOrVideo = Annotated[
    Path,
    typer.Argument(
        metavar="PROJECT|VIDEO", help="A project folder, or its video.", show_default=False
    ),
]
Same = Annotated[
    list[str] | None,
    typer.Option(
        "--same",
        metavar="S1=S3",
        help="These two speakers are one; repeat it.",
        rich_help_panel=WHO,
        show_default=False,
    ),
]
LineSpeakers = Annotated[
    list[str] | None,
    typer.Option(
        "--line",
        metavar="L004=S2",
        help="This speaker says this line; all lines given to 'new' are said by one more speaker; "
        "repeat it.",
        rich_help_panel=WHO,
        show_default=False,
    ),
]
Split = Annotated[
    list[str] | None,
    typer.Option(
        "--split",
        metavar="L007",
        help="This line is said by somebody else than the rest of its speaker's; repeat it.",
        rich_help_panel=WHO,
        show_default=False,
    ),
]
SpeakerFaces = Annotated[
    list[str] | None,
    typer.Option(
        "--face",
        metavar="S1=P2|none",
        help="This speaker is this person, or nobody who is seen; repeat it.",
        rich_help_panel=WHO,
        show_default=False,
    ),
]
FromEdits = Annotated[
    bool,
    typer.Option(
        "--from-edits",
        help="Pin the speakers and persons that were changed by hand in script.json.",
        rich_help_panel=WHO,
    ),
]
ListPins = Annotated[
    bool, typer.Option("--list", help="Show what is pinned.", rich_help_panel=SHOWING)
]
Clear = Annotated[
    bool, typer.Option("--clear", help="Forget all earlier pins first.", rich_help_panel=WHO)
]
RunNow = Annotated[
    bool,
    typer.Option(
        "--run/--no-run", help="Attribute the film again at once.", rich_help_panel=MAKING
    ),
]
ExportFormat = Annotated[
    str,
    typer.Option(
        "--format",
        "-f",
        metavar="FORMAT",
        help="rttm, srt (with the speakers' names), csv or funcineforge.",
        rich_help_panel=OUTPUT,
    ),
]
ExportLanguage = Annotated[
    str | None,
    typer.Option(
        "--language",
        metavar="LANG",
        help="Write the translation into this language.",
        rich_help_panel=LANGUAGES,
        show_default=False,
    ),
]
ExportPath = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="FILE",
        help="File to write; beside the video when not given.",
        rich_help_panel=OUTPUT,
        show_default=False,
    ),
]


def build_request(
    same: Sequence[str] | None = None,
    lines: Sequence[str] | None = None,
    split: Sequence[str] | None = None,
    faces: Sequence[str] | None = None,
    *,
    speakers: int | None = None,
    from_edits: bool = False,
    clear: bool = False,
) -> PinRequest:
    """``PinRequest`` from raw option values. Raises ``InputError`` DUB-E108."""
    from polydub.pipeline.pin_requests import PinRequest

    pairs = [_pair(value, "--same", "S1=S3") for value in same or ()]
    persons = dict(_pair(value, "--face", "S1=P2") for value in faces or ())
    return PinRequest(
        same=tuple(pairs),
        lines=_each_once([_pair(value, "--line", "L004=S2") for value in lines or ()]),
        split=tuple(dict.fromkeys(split or ())),
        faces={who: None if face.lower() == "none" else face for who, face in persons.items()},
        speakers=speakers,
        from_edits=from_edits,
        clear=clear,
    )


def _pair(value: str, option: str, example: str) -> tuple[str, str]:
    one, _, other = (part.strip() for part in value.partition("="))
    if not (one and other):
        raise InputError(
            f"Cannot use {option} {value}.",
            hint=f"Write it as {option} {example}",
            code="DUB-E108",
        )
    return one, other


def _each_once(pairs: Sequence[tuple[str, str]]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line, speaker in pairs:
        if found.setdefault(line, speaker) != speaker:
            raise InputError(
                f"{line} is given to {found[line]} and to {speaker}.",
                hint="Give every line to one speaker.",
                code="DUB-E108",
            )
    return found
