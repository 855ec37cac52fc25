"""Translation with a language model on this machine: llama.cpp through ``xllamacpp``, any GGUF."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from polydub.engines import weights
from polydub.engines.protocols import Capabilities, LineToTranslate, TranslationRequest
from polydub.engines.translate.prompts import (
    WORDY,
    brief_chat,
    can_shorten,
    can_spell,
    chat,
    examples,
    longer_chat,
    shorter_chat,
    style_rules,
    word_chat,
)
from polydub.errors import EngineError
from polydub.model.language import foreign_letters, is_spaced, left_names, left_words, primary
from polydub.model.terms import replaced

DEFAULT_WEIGHT = "qwen2.5-coder-1.5b-q4"

_HUB_NAME = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+?)(?::(?P<file>[\w./-]+\.gguf))?")
_SENTENCE = re.compile(r".+?(?:[.!?…]+['\"”’»)]*(?=\s|$)|[。！？…]+[”’」』）]*|$)", re.DOTALL)
_MAGIC = b"GGUF"
_LONGEST_SOCKET = 100  # characters; the system allows 107


class LocalLlmTranslator:
    """One line per request to a chat model: temperature 0, few examples, no network.

    ``model`` is a GGUF file or a hub name (``owner/repo`` or ``owner/repo:file.gguf``) that is in
    the local hub cache already; without it the packaged model is used, whose translations are
    drafts. ``threads`` (default: half of the cores) and ``context`` (tokens) go to llama.cpp: its
    threads wait for each other many times per word, so on 2 cores that other work kept busy one
    thread took 5 to 8 s of processor time per line, two took 30 s. 1.9 GiB with the packaged model.
    Raises ``EngineError`` DUB-E204 when there is no model, DUB-E206 when it cannot be loaded.
    """

    capabilities: ClassVar[Capabilities] = Capabilities(
        kind="translate",
        name="llm-local",
        version="5",
        summary="Language model on this machine (llama.cpp): packaged draft model or any GGUF",
        code_licence="MIT",
        weights_licence="Apache-2.0 (packaged model); others: see their cards",
        draft=True,
        requires=("xllamacpp",),
        weights=(DEFAULT_WEIGHT,),
        extra="draft-translation",
    )

    def __init__(
        self, *, model: str | Path | None = None, threads: int | None = None, context: int = 2048
    ) -> None:
        path = weights.find(DEFAULT_WEIGHT).path if model is None else model_path(model)
        if model is not None:
            # another model than the packaged one: its quality is not ours to judge, and its name
            # belongs into every cache key
            kind = type(self).capabilities
            version = f"{kind.version}+{path.stem}-{path.stat().st_size}"
            self.capabilities = replace(kind, draft=False, weights=(), version=version)  # type: ignore[misc]
        # asking again gives the same answer: a repeated line costs nothing
        self._known: dict[tuple[str, ...], str] = {}
        folder = tempfile.mkdtemp(prefix="polydub-llm-")  # readable by its owner only
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self._server = _start(
            path, Path(folder) / "llm.sock", threads or _half_the_cores(), context
        )

    @property
    def draft(self) -> bool:
        """Whether these translations need a person's check: true for the packaged model."""
        return self.capabilities.draft

    def translate(self, request: TranslationRequest) -> dict[str, str]:
        """One answer per line, by id. Raises ``EngineError`` DUB-E206 when the model fails.

        Neighbours are not shown: a small model copies them into its answer. A line to be shortened
        is translated once more in few words, and the next time is itself made shorter; it is left
        out where the packaged model says it in other words, which often mean something else, and
        when there are no examples for the languages. Of 18 lines from English to Spanish with
        little time nine took too long to say; seven became 10 to 40 % shorter, which was enough for
        four of them. Three of the seven leave out a clause; none adds or changes one. Only another
        model than the packaged one makes a line longer: that one invents what it adds.

        After a remark on a glossary term the line is asked with the term in it already.
        """
        if request.shorten:
            return self._shorter(request)
        if request.lengthen:
            return self._longer(request)
        return {line.id: self._line(line, request) for line in request.lines}

    def _line(self, line: LineToTranslate, request: TranslationRequest) -> str:
        """With examples; without them when words stayed in another script (``Lin妹妹``)."""
        source, target = request.source, request.target
        rules, text = style_rules(request), line.text
        if remark := request.remarks.get(line.id):
            rules = (*rules, remark)
            text = replaced(text, request.glossary, source)
        pairs = examples(source, target, request.formality)
        key = (source, target, text, request.formality, *rules)
        if key not in self._known:
            answer = self._ask(line, chat(source, target, text, rules=rules, pairs=pairs))
            if foreign_letters(answer, target):
                plain = self._ask(line, chat(source, target, text, rules=rules, pairs=()))
                answer = answer if foreign_letters(plain, target) else plain
            self._known[key] = self._completed(answer, line, request)
        return self._known[key]

    def _completed(self, answer: str, line: LineToTranslate, request: TranslationRequest) -> str:
        """``answer`` with the words and names in it that were left as they are, asked for alone.

        Asked for them within the line, the packaged model translates one of three (``estate``, not
        ``closet`` in two other lines); alone, all of these. Asked for the whole line with the word
        in it ("the 中微子 coming from the sun") it said one of three lines worse than before.
        """
        found = self._left(answer, line, request)
        return _with_words(answer, found, "" if is_spaced(request.target) else r"\s*")

    def _left(
        self, answer: str, line: LineToTranslate, request: TranslationRequest
    ) -> dict[str, str]:
        """Word -> how it is written in the target language, where the model knows."""
        source, target = request.source, request.target
        kept = " ".join(request.glossary.values()).casefold()
        found = {
            word: self._word(line, word, source, target)
            for word in _without(left_words(answer, line.text, target), kept)
        }
        found |= {
            name: self._name(line, name, source, target)
            for name in _without(left_names(answer, line.text, target), kept)
        }
        return {word: alone for word, alone in found.items() if alone}

    def _word(self, line: LineToTranslate, word: str, source: str, target: str) -> str:
        """A word in the target language, ``""`` when unknown; one in the plural is then cut."""
        made = self._alone(line, word, chat(source, target, word, pairs=()))
        for form in (word, word.removesuffix("s")) if can_spell(source, target) else ():
            made = made or self._alone(line, form, word_chat(source, target, form))
        return made

    def _name(self, line: LineToTranslate, name: str, source: str, target: str) -> str:
        """A name in the target's letters, ``""`` when two ways of asking do not agree on it.

        Of names that it does not know (Cooper, Sheldon) the packaged model makes another one each
        time; those stay as they are.
        """
        if not can_spell(source, target):
            return ""
        plain = self._alone(line, name, chat(source, target, name, pairs=()))
        shown = self._alone(line, name, word_chat(source, target, name))
        return shown if shown and (shown in plain or plain in shown) and plain else ""

    def _alone(self, line: LineToTranslate, word: str, messages: list[dict[str, str]]) -> str:
        """The answer for a single word, ``""`` when it is no translation of it."""
        key = ("word", *(message["content"] for message in messages))
        if key not in self._known:
            self._known[key] = self._ask(line, messages)
        made = self._known[key].strip(" .。")
        return made if not re.search(r"[A-Za-z\n]", made) and len(made) <= 2 * len(word) else ""

    def _shorter(self, request: TranslationRequest) -> dict[str, str]:
        """What became shorter. The packaged model is held to the words that it has said before."""
        source, target = request.source, request.target
        if not can_shorten(source, target):
            return {}
        made, rules = {}, style_rules(request)
        for line in request.lines:
            known = request.shorten.get(line.id, "")
            if not known:
                continue
            key = (source, target, line.text, known, f"{request.attempt} {line.longest}", *rules)
            if key not in self._known:
                self._known[key] = self._shortened(line, known, request)
            text = self._known[key]
            if not self.draft or says_the_same(text, known, target):
                made[line.id] = text
        return made

    def _shortened(self, line: LineToTranslate, known: str, request: TranslationRequest) -> str:
        """``known`` in fewer words: only its longest sentence where the sentences correspond.

        A small model says a sentence of several shorter without losing it: of two in English, 3.5
        and 2.2 s long, the first came back with 2.3 s, while it left the whole line as it was.
        """
        source, target, rules = request.source, request.target, style_rules(request)
        said, original = sentences(known), sentences(line.text)
        if 1 < len(said) == len(original):
            longest = max(range(len(said)), key=lambda index: len(said[index]))
            messages = shorter_chat(source, target, original[longest], said[longest], rules=rules)
            said[longest] = self._ask(line, messages)
            return (" " if is_spaced(target) else "").join(said)
        if request.attempt > 1:
            return self._ask(line, shorter_chat(source, target, line.text, known, rules=rules))
        most = 0 if self.draft else line.longest
        return self._ask(line, brief_chat(source, target, line.text, longest=most, rules=rules))

    def _longer(self, request: TranslationRequest) -> dict[str, str]:
        target, rules = request.target, style_rules(request)
        if self.draft or primary(target) not in WORDY:
            return {}
        made = {}
        for line in request.lines:
            if known := request.lengthen.get(line.id, ""):
                key = ("longer", target, known, *rules)
                if key not in self._known:
                    self._known[key] = self._ask(line, longer_chat(target, known, rules=rules))
                made[line.id] = self._known[key]
        return made

    def _ask(self, line: LineToTranslate, messages: list[dict[str, str]]) -> str:
        body = {
            "messages": messages,
            "max_tokens": _most_tokens(line.text),
            "temperature": 0.0,
            "seed": 0,
            # a cached prompt is computed in other batch sizes than a fresh one, and the rounding
            # differs: the same line then got two translations (measured)
            "cache_prompt": False,
            "stop": ["\n\n"],
        }
        try:
            answer: Any = self._server.handle_chat_completions(body)
            text = answer["choices"][0]["message"]["content"]
        except (RuntimeError, ValueError, KeyError, IndexError, TypeError) as error:
            raise EngineError(
                f"The language model failed on line {line.id}: {error}", code="DUB-E206"
            ) from error
        return str(text or "").strip()


def _without(words: Sequence[str], kept: str) -> list[str]:
    """``words`` but for those that stand in ``kept``: what the user wants to stay as it is."""
    return [word for word in words if word.casefold() not in kept]


def _with_words(text: str, words: Mapping[str, str], around: str) -> str:
    """``text`` with Latin words replaced, the spaces that match ``around`` them too."""
    for word, made in words.items():
        parts = re.split(rf"{around}(?<![A-Za-z]){word}(?![A-Za-z]){around}", text)
        text = made.join(parts)  # not re.sub: a backslash of the model is no reference
    return text


def sentences(text: str) -> list[str]:
    """``text`` cut behind the marks that end a sentence."""
    return [part.strip() for part in _SENTENCE.findall(text) if part.strip()]


def says_the_same(text: str, known: str, language: str) -> bool:
    """Whether ``text`` is words of ``known`` but for one: at least three quarters of them.

    In a language without spaces, two characters count as a word. A draft model that uses other
    words means something else: "this morning" became "yesterday", "you like" "I like".
    """
    spaced = is_spaced(language)
    pattern = r"\w+" if spaced else r"\w"
    words = re.findall(pattern, text.casefold())
    there = set(re.findall(pattern, known.casefold()))
    new = sum(word not in there for word in words)
    return new <= (1 if spaced else 2) and 4 * new <= len(words) and bool(words)


def _half_the_cores() -> int:
    return max(1, (os.cpu_count() or 2) // 2)


def _most_tokens(text: str) -> int:
    """Room for a translation twice as long, at up to one token per character of it."""
    return 48 + 2 * len(text)


def _start(path: Path, socket: Path, threads: int, context: int) -> Any:
    """A llama.cpp server in this process, reachable only through its owner's private socket."""
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = str(path)
    params.n_ctx = context
    params.n_parallel = 1
    params.cpuparams.n_threads = threads
    params.cpuparams_batch.n_threads = threads
    params.cpuparams.poll = 0  # waiting threads must not take a core from other stages
    params.cpuparams_batch.poll = 0
    params.n_threads_http = 1
    params.warmup = False
    params.fit_params = False
    params.cache_ram_mib = 0
    params.verbosity = -1
    params.ui = False
    params.endpoint_slots = False
    # the library always listens: on a socket (its name must end in .sock) in a private folder, and
    # with a key that nobody knows
    private = os.name == "posix" and len(str(socket)) < _LONGEST_SOCKET
    params.hostnames = [str(socket)] if private else ["127.0.0.1"]
    params.api_keys = [os.urandom(24).hex()]
    try:
        return xllamacpp.Server(params)
    except (RuntimeError, ValueError, OSError) as error:
        raise EngineError(
            f"The language model {path.name} could not be loaded: {error}",
            hint="The file may be damaged, too new for this llama.cpp, or larger than the memory.",
            code="DUB-E206",
        ) from error


def model_path(model: str | Path) -> Path:
    """The GGUF file that ``model`` names: a path, or a hub name in the local hub cache.

    Raises ``EngineError`` DUB-E204 when there is none, DUB-E206 when the file is no GGUF.
    """
    path = Path(model).expanduser()
    if not path.is_file():
        path = _in_hub_cache(str(model))
    try:
        with path.open("rb") as file:
            magic = file.read(4)
    except OSError as error:
        raise _no_model(str(model)) from error
    if magic != _MAGIC:
        raise EngineError(
            f"{path} is not a GGUF model.",
            hint="Give a .gguf file; other formats can be converted with llama.cpp's tools.",
            code="DUB-E206",
        )
    return path


def _in_hub_cache(name: str) -> Path:
    match = _HUB_NAME.fullmatch(name)
    if match is None:
        raise _no_model(name)
    folder = _hub_cache() / f"models--{match['repo'].replace('/', '--')}" / "snapshots"
    wanted = match["file"] or "*.gguf"
    found = sorted(folder.glob(f"*/{wanted}"))
    if not found:
        raise _no_model(name)
    if len({path.name for path in found}) > 1:
        names = ", ".join(sorted({path.name for path in found}))
        raise EngineError(
            f"{match['repo']} has several GGUF files in the hub cache: {names}.",
            hint=f"Name one: {match['repo']}:FILE.gguf",
            code="DUB-E204",
        )
    return found[-1]


def _hub_cache() -> Path:
    if folder := os.environ.get("HF_HUB_CACHE"):
        return Path(folder)
    home = os.environ.get("HF_HOME", "~/.cache/huggingface")
    return Path(home).expanduser() / "hub"


def _no_model(name: str) -> EngineError:
    return EngineError(
        f"There is no language model '{name}' here.",
        hint="Give a GGUF file, or the hub name of a model that is in the local hub cache.",
        code="DUB-E204",
    )
