"""Translation with NLLB-200 or MADLAD-400 through CTranslate2, from the user's own disk."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from polydub.engines.protocols import Capabilities, TranslationRequest, Wordings
from polydub.engines.translate.flores import flores_code
from polydub.errors import EngineError
from polydub.model.language import count_letters, language_name, primary

MODEL = "POLYDUB_NMT_MODEL"
"""Environment variable that names the model folder."""

_TOKENIZERS = ("sentencepiece.bpe.model", "spiece.model", "sentencepiece.model", "spm.model")
_VOCABULARIES = ("shared_vocabulary.json", "shared_vocabulary.txt", "target_vocabulary.json")


class NmtTranslator:
    """NLLB-200 or MADLAD-400 as converted for CTranslate2; which of them its vocabulary tells.

    ``model`` is the folder that ``ct2-transformers-converter`` has written, with the model's
    SentencePiece file beside ``model.bin``; without it the folder in ``POLYDUB_NMT_MODEL``. These
    models translate sentence by sentence and know no context, register or length: the beam's other
    hypotheses are offered as shorter and longer wordings. Raises ``EngineError`` DUB-E204 when
    there is no such folder, DUB-E206 when it cannot be loaded.
    """

    capabilities = Capabilities(
        kind="translate",
        name="nmt",
        version="1",
        summary="NLLB-200 or MADLAD-400 (CTranslate2), 200 to 400 languages, from your disk",
        code_licence="MIT",
        weights_licence="NLLB-200: CC-BY-NC-4.0; MADLAD-400: Apache-2.0",
        requires=("ctranslate2", "sentencepiece"),
        extra="nmt",
        brings=(MODEL,),
    )

    def __init__(
        self,
        *,
        model: str | Path | None = None,
        device: str = "auto",
        compute: str = "default",
        beam: int = 5,
        threads: int = 0,
    ) -> None:
        folder = _folder(model)
        self._beam = max(1, beam)
        self._tokenizer = _tokenizer(folder)
        count = self._tokenizer.get_piece_size()
        spoken = [n for n in range(count) if not self._tokenizer.is_control(n)]
        self._pieces = frozenset(str(self._tokenizer.id_to_piece(n)) for n in spoken)
        self._tokens = _vocabulary(folder)
        self._nllb = "eng_Latn" in self._tokens
        if not self._nllb and "<2en>" not in self._tokens:
            raise EngineError(
                f"{folder} is neither an NLLB nor a MADLAD model: it has no language tokens.",
                code="DUB-E206",
            )
        self._model = _load(folder, device=device, compute=compute, threads=threads)

    def translate(self, request: TranslationRequest) -> dict[str, str]:
        """The best hypothesis for each line, by id. Raises ``EngineError`` DUB-E203, DUB-E206.

        A line to be shortened gets the longest other hypothesis that is short enough, if any.
        """
        found = self._hypotheses(request)
        if not request.attempt:
            return {name: texts[0] for name, texts in found.items() if texts}
        made: dict[str, str] = {}
        for line in request.lines:
            known = count_letters(request.shorten.get(line.id, ""))
            limit = line.longest or known
            short = [
                x for x in found[line.id] if count_letters(x) < known and count_letters(x) <= limit
            ]
            if short:
                made[line.id] = max(short, key=count_letters)
        return made

    def wordings(self, request: TranslationRequest) -> dict[str, Wordings]:
        """The best hypothesis for each line, with shorter and longer ones of the beam."""
        made = {}
        for name, texts in self._hypotheses(request).items():
            if texts:
                best = count_letters(texts[0])
                shorter = tuple(x for x in texts[1:] if count_letters(x) < 0.95 * best)
                longer = next((x for x in texts[1:] if count_letters(x) > 1.05 * best), "")
                made[name] = Wordings(texts[0], shorter, longer)
        return made

    def _hypotheses(self, request: TranslationRequest) -> dict[str, list[str]]:
        """Different texts of the beam for each line, the likeliest first."""
        source, target = self._codes(request)
        batch = [self._encoded(line.text, source, target) for line in request.lines]
        prefix = [[target]] * len(batch) if self._nllb else None
        try:
            results = self._model.translate_batch(
                batch,
                target_prefix=prefix,
                beam_size=self._beam,
                num_hypotheses=self._beam,
                max_decoding_length=256,
                repetition_penalty=1.1,
            )
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"The translation model failed: {error}", code="DUB-E206") from error
        return {
            line.id: self._texts(result.hypotheses)
            for line, result in zip(request.lines, results, strict=True)
        }

    def _codes(self, request: TranslationRequest) -> tuple[str, str]:
        found = []
        for language in (request.source, request.target):
            names = [flores_code(language)] if self._nllb else _madlad_tokens(language)
            code = next((name for name in names if name in self._tokens), None)
            if code is None:
                raise EngineError(
                    f"The translation model does not know {language_name(language)} ({language}).",
                    code="DUB-E203",
                )
            found.append(code)
        return found[0], found[1]

    def _encoded(self, text: str, source: str, target: str) -> list[str]:
        """NLLB reads the source's code first, MADLAD the target's."""
        pieces = [str(piece) for piece in self._tokenizer.encode(text, out_type=str)]
        return [source if self._nllb else target, *pieces, "</s>"]

    def _texts(self, hypotheses: list[list[str]]) -> list[str]:
        """Language codes and markers are no pieces of the tokenizer: they are left out."""
        texts = [
            str(self._tokenizer.decode([x for x in tokens if x in self._pieces])).strip()
            for tokens in hypotheses
        ]
        return [text for text in dict.fromkeys(texts) if text]


def _madlad_tokens(language: str) -> list[str]:
    """``<2zh_Hant>`` before ``<2zh>``: MADLAD names the script where there are several."""
    import langcodes

    tag = langcodes.Language.get(language)
    scripted = f"<2{primary(language)}_{tag.maximize().script}>"
    return (
        [scripted, f"<2{primary(language)}>"]
        if tag.script or tag.territory
        else [
            f"<2{primary(language)}>",
            scripted,
        ]
    )


def _folder(model: str | Path | None) -> Path:
    named = str(model or os.environ.get(MODEL, ""))
    folder = Path(named).expanduser()
    if named and (folder / "model.bin").is_file():
        return folder
    raise EngineError(
        f"There is no translation model in '{named}'."
        if named
        else "No translation model is named.",
        hint=(
            "Convert one on a machine with the hub: ct2-transformers-converter --model "
            "facebook/nllb-200-distilled-600M --quantization int8 --copy_files "
            f"sentencepiece.bpe.model --output_dir nllb; then set {MODEL}=nllb"
        ),
        code="DUB-E204",
    )


def _tokenizer(folder: Path) -> Any:
    import sentencepiece

    path = next((folder / name for name in _TOKENIZERS if (folder / name).is_file()), None)
    if path is None:
        raise EngineError(
            f"There is no SentencePiece model in {folder}.",
            hint=f"Copy it beside model.bin, with one of these names: {', '.join(_TOKENIZERS)}",
            code="DUB-E204",
        )
    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (RuntimeError, OSError) as error:
        raise EngineError(f"{path} cannot be read: {error}", code="DUB-E206") from error


def _vocabulary(folder: Path) -> frozenset[str]:
    for name in _VOCABULARIES:
        path = folder / name
        if not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
            tokens = json.loads(text) if path.suffix == ".json" else text.splitlines()
        except ValueError as error:
            raise EngineError(f"{path} cannot be read: {error}", code="DUB-E206") from error
        return frozenset(str(token) for token in tokens)
    raise EngineError(f"There is no vocabulary in {folder}.", code="DUB-E206")


def _load(folder: Path, *, device: str, compute: str, threads: int) -> Any:
    import ctranslate2

    try:
        return ctranslate2.Translator(
            str(folder), device=device, compute_type=compute, intra_threads=threads
        )
    except (RuntimeError, ValueError) as error:
        raise EngineError(
            f"The translation model in {folder} cannot be loaded: {error}", code="DUB-E206"
        ) from error
