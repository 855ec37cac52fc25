"""``python -m polydub.simulate OUT``: makes simulated conversations with their truth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from polydub.errors import InputError, PolydubError
from polydub.simulate.conversation import Conversation
from polydub.simulate.files import write_annotations, write_conversation
from polydub.simulate.planning import plan_conversation
from polydub.simulate.spec import ConversationSpec, PictureSpec, SoundSpec, standard_suite
from polydub.simulate.voices import Bank, FolderBank, kokoro_bank

Out = Annotated[Path, typer.Argument(help="Folder for the conversations.")]
Count = Annotated[
    int, typer.Option(help="How many; without --own, the first ones of the standard suite.")
]
Seed = Annotated[int, typer.Option(help="Changes every conversation.")]
Only = Annotated[
    str, typer.Option(help="Names of the standard suite, or their beginnings, with commas.")
]
Own = Annotated[
    bool, typer.Option("--own", help="Not the standard suite: follow the options below.")
]
Overlap = Annotated[float, typer.Option(help="Share of the speech in which two speak.")]
Similar = Annotated[bool, typer.Option("--similar", help="Voices that are alike.")]
Speakers = Annotated[int, typer.Option(help="1-6.")]
Seconds = Annotated[float, typer.Option(help="About how long each one is.")]
Language = Annotated[str, typer.Option(help="en, es, fr or zh.")]
Music = Annotated[float | None, typer.Option(help="Music, dB below the speech.")]
Noise = Annotated[float | None, typer.Option(help="Noise, dB below the speech.")]
WithPicture = Annotated[bool, typer.Option(help="With a film.")]
Size = Annotated[str, typer.Option(help="Width x height of the film.")]
Rate = Annotated[str, typer.Option(help="Frames per second, such as 25 or 24000/1001.")]
BankFolder = Annotated[
    Path | None, typer.Option(help="Recorded sentences: speaker/sentence.wav with .txt.")
]
Cache = Annotated[Path | None, typer.Option(help="Where synthesised sentences are kept.")]
Stems = Annotated[bool, typer.Option("--stems", help="Also write a file per speaker.")]
Part = Annotated[str, typer.Option(help="K/N: every N-th, for N processes.")]


def simulate(
    out: Out,
    count: Count = 60,
    seed: Seed = 1,
    only: Only = "",
    own: Own = False,
    overlap: Overlap = 0.0,
    similar: Similar = False,
    speakers: Speakers = 2,
    seconds: Seconds = 25.0,
    language: Language = "en",
    music_db: Music = None,
    noise_db: Noise = None,
    picture: WithPicture = True,
    size: Size = "640x360",
    rate: Rate = "25",
    bank: BankFolder = None,
    cache: Cache = None,
    stems: Stems = False,
    part: Part = "1/1",
) -> None:
    """Make conversations of invented people, and write down who says what, when, seen or not.

    The same options give the same conversations. Finished ones are kept.
    """
    with _errors_told():
        film = _film(size, rate) if picture else None
        if own:
            sound = SoundSpec(music_db=music_db, noise_db=noise_db)
            talk = partial(ConversationSpec, speakers=speakers, seconds=seconds, language=language)
            mix = partial(talk, overlap=overlap, backchannels=4 * bool(overlap), similar=similar)
            specs = [
                mix(name=f"own-{seed}-{k:03d}", seed=seed * 100_000 + k, sound=sound, picture=film)
                for k in range(count)
            ]
        else:
            specs = _suite(count, seed, only, film)
        mine = _part(specs, part)
        voices = FolderBank(bank, language=language) if bank else kokoro_bank(cache)
        _make(mine, specs, voices, out, stems=stems)


def _film(size: str, rate: str) -> PictureSpec:
    """A film of ``WIDTHxHEIGHT`` pixels and so many frames per second."""
    width, _, height = size.partition("x")
    try:
        return PictureSpec(rate=Fraction(rate), size=(int(width), int(height)))
    except (ValueError, ZeroDivisionError) as error:
        raise InputError(
            f"There is no film of {size} pixels and {rate} frames per second.",
            hint="Such as --size 640x360 --rate 24000/1001.",
            code="DUB-E108",
        ) from error


def _suite(count: int, seed: int, only: str, film: PictureSpec | None) -> list[ConversationSpec]:
    """The first ``count`` of the standard suite; another ``seed`` makes other conversations.

    They are filmed in the size and rate of ``film``, or not at all without one.
    """
    wanted = tuple(name for name in only.split(",") if name)
    specs = [spec for spec in standard_suite() if not wanted or spec.name.startswith(wanted)]
    return [
        replace(
            spec,
            seed=spec.seed + 10_000 * (seed - 1),
            picture=film and replace(spec.picture or film, rate=film.rate, size=film.size),
        )
        for spec in specs[:count]
    ]


@contextmanager
def _errors_told() -> Iterator[None]:
    """Tells an error of polydub in one line and ends the program with its exit code."""
    try:
        yield
    except PolydubError as error:
        typer.echo(f"error {error.code}: {error}", err=True)
        raise typer.Exit(error.exit_code) from error


def _part(specs: list[ConversationSpec], part: str) -> list[ConversationSpec]:
    """Of ``specs`` those whose turn it is: ``K/N`` is every N-th from the K-th on."""
    first, _, every = part.partition("/")
    if not (first.isdecimal() and every.isdecimal() and 1 <= int(first) <= int(every)):
        raise InputError(f"There is no part {part!r}.", hint="Such as --part 1/2.", code="DUB-E108")
    return specs[int(first) - 1 :: int(every)]


def _make(
    mine: list[ConversationSpec],
    specs: list[ConversationSpec],
    bank: Bank,
    out: Path,
    *,
    stems: bool,
) -> None:
    """Plan and render ``mine`` with a line of progress; finished ones are left alone.

    The annotations are those of all ``specs`` that there are by now.
    """
    for number, spec in enumerate(mine, start=1):
        plan = plan_conversation(spec, bank)
        if _finished(out / f"{spec.name}.json", spec):
            typer.echo(f"{number}/{len(mine)} {spec.name}: there already", err=True)
            continue
        write_conversation(plan, out, stems=stems, progress=_line(number, len(mine), plan))
        typer.echo(err=True)
    done = [plan_conversation(s, bank) for s in specs if (out / f"{s.name}.json").is_file()]
    write_annotations(out / "annotations.jsonl", done)


def _finished(truth: Path, spec: ConversationSpec) -> bool:
    if not truth.is_file():
        return False
    return bool(json.loads(truth.read_text("utf-8"))["spec"]["seed"] == spec.seed)


class _line:
    """Prints the state of one conversation over itself, ten times per conversation."""

    def __init__(self, number: int, of: int, plan: Conversation) -> None:
        self._head = f"{number}/{of} {plan.spec.name} {float(plan.duration):.0f} s"
        self._shown = -1

    def __call__(self, done: float) -> None:
        tenth = int(10 * done)
        if tenth != self._shown:
            self._shown = tenth
            typer.echo(f"\r{self._head} {10 * tenth:3d} %", nl=False, err=True)


if __name__ == "__main__":
    typer.run(simulate)
