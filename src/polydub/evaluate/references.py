"""What is heard in a dub against a reference translation: chrF and BLEU by sacrebleu.

A reference is one good translation among many, and what is heard holds the recogniser's errors:
the figures rank systems on the same films, and say nothing about one film alone. Published figures
are of texts, not of what is heard in a dub, and not comparable.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from polydub.errors import EngineError
from polydub.model.language import primary

TOKENIZE = {"zh": "zh", "ja": "char", "th": "char", "ko": "char"}
"""sacrebleu's tokeniser by language; ``13a`` for all others. Japanese by characters, for its own
tokeniser needs MeCab."""


class References:
    """Scores texts by sacrebleu. Raises ``EngineError`` DUB-E202 when it is not installed."""

    def __init__(self) -> None:
        try:
            self._sacrebleu: Any = importlib.import_module("sacrebleu")
        except ImportError as error:
            raise EngineError(
                "chrF and BLEU come with the package 'sacrebleu', which is not installed.",
                hint='Install it with: pip install -c constraints.txt -e ".[evaluate]"',
                code="DUB-E202",
            ) from error
        self.version = str(self._sacrebleu.__version__)

    def chrf(self, heard: str, reference: str) -> float:
        """chrF2 of one line, 0..100: character 6-grams, no words, beta 2 (Popović 2015)."""
        return float(self._sacrebleu.sentence_chrf(heard, [reference]).score)

    def bleu(
        self, heard: Mapping[str, str], references: Mapping[str, str], language: str
    ) -> float | None:
        """Corpus BLEU of the lines that have a reference, 0..100; case counts.

        4-grams, exponential smoothing (sacrebleu's default). ``None`` without such lines. A line of
        which nothing was heard counts as empty.
        """
        lines = [line for line in references if references[line] and line in heard]
        if not lines:
            return None
        found = self._sacrebleu.corpus_bleu(
            [heard[line] for line in lines],
            [[references[line] for line in lines]],
            tokenize=TOKENIZE.get(primary(language), "13a"),
        )
        return float(found.score)
