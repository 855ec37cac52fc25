"""One film to dub into one language, with what is told to the tool beforehand."""

from __future__ import annotations

from dataclasses import dataclass, replace

from polydub.evaluate.truth import FilmTruth
from polydub.model import Span
from polydub.model.language import primary, same_language


@dataclass(frozen=True)
class Told:
    """One line that a corpus gives with its film; ``span`` is ``None`` where it does not say when.

    ``reference`` is a translation to compare with, never shown to the translator.
    """

    text: str
    speaker: str
    span: Span | None = None
    reference: str = ""


@dataclass(frozen=True)
class Case:
    """One film to dub into one language; ``told`` are its lines where the corpus gives them."""

    truth: FilmTruth
    target: str
    told: tuple[Told, ...] = ()

    @property
    def name(self) -> str:
        """``film:en-es``: how the film is called in the history."""
        return f"{self.truth.name}:{primary(self.truth.language)}-{self.target}"

    @property
    def redub(self) -> bool:
        """Whether the film is spoken anew in its own language."""
        return same_language(self.truth.language, self.target)

    def into(self, target: str) -> Case:
        """The same film into another language; references in this one are left out."""
        if same_language(target, self.target):
            return self
        return replace(self, target=target, told=tuple(replace(x, reference="") for x in self.told))
