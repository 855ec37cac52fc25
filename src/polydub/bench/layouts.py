"""Public corpora as their owners hand them out: which folder is which, and what is dubbed in it.

Every layout is declared once: how its folder looks, under which terms it comes, between which
languages it is dubbed, and which figures its literature reports. polydub ships none of these films:
bring your copy, and mind its terms. Layouts were looked up in the owners' own descriptions; their
tests run on tiny folders made in the same shape.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from polydub.bench import corpora
from polydub.bench.cases import Case
from polydub.errors import InputError


@dataclass(frozen=True, slots=True)
class Layout:
    """One corpus. ``tree`` shows its folder; ``pair`` what is dubbed when nobody says otherwise.

    ``figures`` are those that its literature reports, by our names, ``protocol`` how they are to be
    understood. ``find`` returns the clips below a folder, none when it is not of this layout.
    """

    name: str
    title: str
    terms: str
    home: str
    pair: tuple[str, str]
    tree: str
    figures: tuple[str, ...]
    protocol: str
    find: Callable[[Path, str], list[Case]]


LAYOUTS: dict[str, Layout] = {
    layout.name: layout
    for layout in (
        Layout(
            "grid",
            "GRID (Cooke et al. 2006)",
            "CC BY 4.0",
            "https://zenodo.org/records/3625687",
            ("en", "en"),
            "s1/bbaf2n.mpg ... s34/*.mpg (or *.mp4), with s1/align/bbaf2n.align, "
            "align/bbaf2n.align or alignments/s1/bbaf2n.align where you have them",
            ("lse_d", "lse_c", "wer", "similarity_ge2e", "mcd_dtw", "mcd_dtw_sl", "utmos"),
            "The same sentence is spoken anew over the same mouth, in the voice of the clip "
            "(setting 1 of the V2C literature, the clip itself as reference). The text is that of "
            "the alignment, or is read off the file name.",
            corpora.grid,
        ),
        Layout(
            "v2c",
            "V2C-Animation (Chen et al. 2022)",
            "films belong to their owners; annotations as the repository says",
            "https://github.com/chenqi008/V2C",
            ("en", "en"),
            "MOVIE/MOVIE_videos/CHARACTER/0034.mp4 with "
            "MOVIE/MOVIE_speeches/CHARACTER/00/CHARACTER-00-0034.normalized.txt",
            (
                *("lse_d", "lse_c", "wer", "similarity_ge2e", "emotion"),
                *("mcd_dtw", "mcd_dtw_sl", "utmos"),
            ),
            "As for GRID: the clip's own words in its own voice (setting 1). A clip is one "
            "subtitle; where in it the voice is, polydub finds out by listening.",
            corpora.v2c,
        ),
        Layout(
            "hdtf",
            "HDTF (Zhang et al. 2021)",
            "videos belong to their owners; annotations CC BY 4.0",
            "https://github.com/MRzzm/HDTF",
            ("en", "es"),
            "RD_annotion_time.txt (or WDA_, WRA_; in the folder or in HDTF_dataset/) and the cut "
            "clips Radio11_0.mp4, Radio11_1.mp4 ... with their sound, anywhere below",
            ("lse_d", "lse_c", "identity", "sharpness", "flicker", "seam", "lip_motion"),
            "Talking heads without texts: dubbed into another language with --lips, and judged by "
            "mouth and picture. Papers drive the same faces with other recordings and compare with "
            "the real picture (FID, SSIM, LMD): not comparable.",
            corpora.hdtf,
        ),
        Layout(
            "iwslt",
            "IWSLT dubbing track (Amazon, 2023)",
            "as the repository says (code Apache-2.0; texts from CoVoST 2, CC0)",
            "https://github.com/amazon-science/iwslt-autodub-task",
            ("de", "en"),
            "data/test/subset1.de and subset1.en, line N for subset1/test_set.N.mov (or .mp4); "
            "subset2 with subset2/test_set_with_pauses.txt.N.mov; unpack subset1.tgz first",
            ("bleu", "chrf", "overlap", "onset_ms", "offset_ms", "speed"),
            "The German text is given, as in the task; when it is spoken, polydub finds out by "
            "listening (the task gives the times of speech and pause). BLEU and chrF are those "
            "of what is heard against the English of CoVoST 2; the task scored the text.",
            corpora.iwslt,
        ),
    )
}
"""Name -> corpus."""


def corpus_cases(
    folder: Path,
    name: str,
    *,
    into: Sequence[str] = (),
    only: Sequence[str] = (),
    count: int | None = None,
) -> list[Case]:
    """The clips of a corpus in ``folder``, each into the corpus' language or those of ``into``.

    Raises ``InputError`` DUB-E108 for a layout that nobody knows, DUB-E101 when the folder is not
    of it.
    """
    layout = named(name)
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}.", code="DUB-E101")
    cases = layout.find(folder, layout.pair[1])
    if not cases:
        raise InputError(
            f"{folder} is no folder of {layout.title}.",
            hint=f"Wanted is: {layout.tree}. Where it comes from: {layout.home}",
            code="DUB-E101",
        )
    chosen = [case for case in cases if not only or case.truth.name.startswith(tuple(only))]
    if not chosen:
        raise InputError(
            f"No clip of {layout.title} is called {', '.join(only)}.",
            hint=f"The first one is {cases[0].truth.name}.",
            code="DUB-E101",
        )
    wanted = list(into) or [layout.pair[1]]
    return [case.into(target) for case in chosen[:count] for target in wanted]


def named(name: str) -> Layout:
    """The layout ``name``. Raises ``InputError`` DUB-E108 when there is none."""
    if name not in LAYOUTS:
        raise InputError(
            f"There is no layout '{name}'.",
            hint=f"Known are {', '.join(LAYOUTS)}.",
            code="DUB-E108",
        )
    return LAYOUTS[name]


def layout_of(folder: Path) -> str | None:
    """Which corpus a folder holds; ``None`` when it is none, or several fit."""
    fitting = [x.name for x in LAYOUTS.values() if folder.is_dir() and x.find(folder, x.pair[1])]
    return fitting[0] if len(fitting) == 1 else None
