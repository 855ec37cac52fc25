"""What is dubbed in a benchmark: films, what is known of them, and the languages to dub into."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from polydub.bench.cases import Case
from polydub.errors import InputError
from polydub.evaluate.truth import FilmTruth, read_truths
from polydub.model.language import primary

INTO = {"en": "es"}
"""Language of a film -> language that it is dubbed into when nobody says otherwise; else en."""

SIZE = (640, 360)


def is_annotated(folder: Path) -> bool:
    """Whether a folder brings films with annotations of its own."""
    return folder.is_dir() and bool(read_truths(folder))


def folder_cases(
    folder: Path, *, into: Sequence[str] = (), only: Sequence[str] = (), count: int | None = None
) -> list[Case]:
    """Films of a folder in one of the formats of :mod:`polydub.evaluate.truth`.

    Among them that of Fun-CineForge's public data: ``annotations.jsonl`` beside the films.
    Raises ``InputError`` DUB-E101 when there are none.
    """
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.", code="DUB-E101")
    truths = [t for t in read_truths(folder) if not only or t.name.startswith(tuple(only))]
    if not truths:
        raise InputError(
            f"{folder} holds no films with annotations{' of these names' if only else ''}.",
            hint="Wanted are CLIP.mp4 files and annotations.jsonl, as in Fun-CineForge's data, or "
            "NAME.json beside NAME.mp4, or a public corpus; see docs/evaluation.md.",
            code="DUB-E101",
        )
    return [case for truth in truths[:count] for case in _cases(truth, into)]


def simulated_cases(
    folder: Path,
    *,
    count: int = 2,
    seed: int = 1,
    into: Sequence[str] = (),
    only: Sequence[str] = (),
    progress: Callable[[str], None] | None = None,
) -> list[Case]:
    """The first ``count`` conversations of polydub's own suite, made in ``folder`` if not there.

    Seeded: the same numbers give the same films. They are invented people with exact truth.
    """
    from polydub.simulate import kokoro_bank, plan_conversation, standard_suite, write_conversation

    specs = [s for s in standard_suite() if not only or s.name.startswith(tuple(only))][:count]
    if not specs:
        raise InputError(f"No simulated conversation is called {', '.join(only)}.", code="DUB-E108")
    bank = None
    for spec in specs:
        made = folder / f"{spec.name}.json"
        if made.is_file():
            continue
        bank = bank or kokoro_bank()
        if progress:
            progress(f"making {spec.name}")
        picture = replace(spec.picture, size=SIZE) if spec.picture else None
        own = replace(spec, seed=spec.seed + 10_000 * (seed - 1), picture=picture)
        write_conversation(plan_conversation(own, bank), folder)
    return folder_cases(folder, into=into, only=[spec.name for spec in specs])


def _cases(truth: FilmTruth, into: Sequence[str]) -> list[Case]:
    spoken = primary(truth.language)
    wanted = list(into) or [INTO.get(spoken, "en")]
    return [Case(truth, target) for target in wanted if primary(target) != spoken]
