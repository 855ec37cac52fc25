"""Speech recognition with Whisper through faster-whisper (CTranslate2)."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import langcodes
import numpy as np
from langcodes.tag_parser import LanguageTagError

from polydub.engines.protocols import Capabilities
from polydub.errors import EngineError, InputError
from polydub.model import Samples, Span, Transcript, Waveform, Word, to_seconds
from polydub.model.chinese import in_script_of

RATE = 16000
PACKAGED = "whisper-base"
LARGE = "whisper-large-v3"
TURBO = "whisper-turbo"
PIECE_S = 300  # audio is handed over in pieces: features of a whole film would not fit in memory
SEARCH_S = 30  # a piece ends at the quietest moment of its last 30 s
WINDOW_S = 30  # Whisper's own window
LISTEN = 4  # windows that vote on the language
SURE, POSSIBLE, TRIED = 0.8, 0.05, 3
"""Below the first share of the votes, the languages of the second share or more, the third number
of them at most, are tried: six seconds of English had 0.32 to 0.67 for Welsh, but their words a
mean log probability of -0.2 in English and of -1.4 to -3.1 in Welsh."""
CERTAIN = 0.95
"""From this vote of the loudest window on no other is listened to: each costs as much as half a
minute of film, and the three others together have at most 0.75 of the votes, less than ``SURE``."""

LOOP_WORDS, LOOP_REPEATS = 12, 2
NO_TIME_S, SQUEEZED_S = 0.03, 0.1
"""Words in five loops behind Mandarin takes: 0 to 0.02 s each, 0.05 to 0.08 s in the first round;
words that were said 0.06 s and longer. A round had nine words: a sentence like the prompt."""

PROMPTS = {"zh": "以下是普通话的句子。"}
"""With it Whisper base writes most Mandarin in Simplified characters; the rest is converted."""

_WHISPER_CODES = {"cmn": "zh", "nb": "no", "fil": "tl", "jv": "jw"}
_LANGUAGES = (
    "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he "
    "hi hr ht hu hy id is it ja jv ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne "
    "nl nn no oc pa pl ps pt ro ru sa sd si sk sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk "
    "ur uz vi yi yo yue zh"
)


@dataclass(frozen=True, slots=True)
class WhisperOptions:
    """How Whisper decodes, and when its text is not believed.

    ``beam`` 5 against 1 lowers the Mandarin CER of base from 20.0 to 16.2 % (measured). A segment
    is dropped when it probably holds no speech (``no_speech``) and its words are unlikely
    (``log_probability``), or when it repeats the two before it word for word or compresses better
    than ``compression`` at an unlikely reading: both are how Whisper runs into a loop.
    """

    beam: int = 5
    no_speech: float = 0.6
    log_probability: float = -1.0
    compression: float = 2.4


class FasterWhisper:
    """Any CTranslate2 Whisper model: a weight of ours, a folder, or one in the hub's cache.

    ``model`` is ``None`` for the first of the engine's own weights. Raises ``EngineError`` DUB-E204
    when it is not here, DUB-E205 when it cannot be read.
    """

    capabilities = Capabilities(
        kind="recognize",
        name="whisper",
        version="7",
        summary="Whisper (base, int8) through faster-whisper, words with times",
        code_licence="MIT",
        weights_licence="MIT",
        languages=tuple(_LANGUAGES.split()),
        rate=RATE,
        requires=("faster_whisper",),
        weights=(PACKAGED,),
        extra="speech",
    )

    def __init__(
        self,
        *,
        model: str | Path | None = None,
        device: str = "cpu",
        compute: str = "int8",
        threads: int = 0,
        options: WhisperOptions | None = None,
    ) -> None:
        model = model or self.capabilities.weights[0]
        self._model = _load(str(model), device=device, compute=compute, threads=threads)
        self._options = options or WhisperOptions()

    def recognize(
        self,
        audio: Waveform,
        *,
        language: str | None = None,
        progress: Callable[[float], None] | None = None,
    ) -> Transcript:
        """Words with times for mono 16 kHz ``audio``; detects the language when ``None``.

        Mandarin is in the script of its tag, Simplified if that says none. ``progress`` receives
        the seconds done. Raises ``EngineError`` DUB-E203 for a language that
        Whisper does not know, DUB-E206 for other audio formats and failures of the decoder.
        """
        if audio.rate != RATE or audio.channels != 1:
            raise EngineError(f"Whisper needs mono audio at {RATE} Hz, not {audio.rate} Hz.")
        samples = audio.samples.reshape(-1)
        if language is None:
            code, sure = self._identify(samples)
        else:
            code, sure = whisper_code(language, self._model.supported_languages), 1.0
        words: list[Word] = []
        tag = language or bcp47(code)
        for start, end in pieces(samples):
            offset = Fraction(start, RATE)
            tick = _ticker(progress, float(offset), (end - start) / RATE)
            for segment in self._piece(samples[start:end], code, tick):
                words.extend(_words(segment, offset, tag))
            tick((end - start) / RATE)
        return Transcript(bcp47(code), sure, tuple(without_loops(words)))

    def _piece(self, part: Samples, code: str, tick: Callable[[float], None]) -> list[Any]:
        """Believable segments of one piece; decoded again without the prompt if it is echoed."""
        prompt = PROMPTS.get(code)
        segments = self._decode(part, code, prompt, tick)
        if prompt and any(echoes(segment.text, prompt) for segment in segments):
            segments = self._decode(part, code, None, tick)
        return believed(segments, self._options)

    def _decode(
        self, part: Samples, code: str, prompt: str | None, tick: Callable[[float], None]
    ) -> list[Any]:
        import ctranslate2

        ctranslate2.set_random_seed(0)  # the fallback temperatures draw samples
        segments, _ = self._model.transcribe(
            np.asarray(part, dtype=np.float32),
            language=code,
            beam_size=self._options.beam,
            temperature=[0.0, 0.4, 0.8],
            word_timestamps=True,
            vad_filter=False,  # it moves words beside removed silence to the wrong side
            condition_on_previous_text=False,  # an error must not spread to the next window
            hotwords=prompt,  # unlike `initial_prompt` it holds for every window, not the first
            log_prob_threshold=self._options.log_probability,
            no_speech_threshold=self._options.no_speech,
            compression_ratio_threshold=self._options.compression,
        )
        found: list[Any] = []
        try:
            for segment in segments:
                found.append(segment)
                tick(segment.end)
        except RuntimeError as error:
            raise EngineError(f"Whisper failed: {error}") from error
        return found

    def _identify(self, samples: Samples) -> tuple[str, float]:
        """Whisper's language code and its probability.

        That of the loudest window where it leaves no doubt: others could not outvote it, and where
        they differ it decides. Else averaged over the loudest windows; where that is no clear
        answer, the language in which the loudest one makes most sense.
        """
        if not self._model.model.is_multilingual:
            return "en", 1.0
        (start,) = loudest(samples, WINDOW_S * RATE, 1)
        clearest = samples[start : start + WINDOW_S * RATE]
        votes = self._votes(clearest)
        best = max(sorted(votes), key=lambda code: votes[code])
        if votes[best] >= CERTAIN:
            return best, votes[best]
        windows = loudest(samples, WINDOW_S * RATE, LISTEN)
        votes = {code: vote / len(windows) for code, vote in votes.items()}
        for other in windows:
            if other == start:
                continue
            for code, vote in self._votes(samples[other : other + WINDOW_S * RATE]).items():
                votes[code] = votes.get(code, 0.0) + vote / len(windows)
        ranked = sorted(votes, key=lambda code: (-votes[code], code))
        possible = [code for code in ranked if votes[code] >= POSSIBLE][:TRIED]
        if votes[ranked[0]] >= SURE or len(possible) < 2:
            return ranked[0], votes[ranked[0]]
        best = max(possible, key=lambda code: self._sense(clearest, code))
        return best, votes[best]

    def _votes(self, part: Samples) -> dict[str, float]:
        """The probability of every language in one window."""
        _, _, everything = self._model.detect_language(np.asarray(part, dtype=np.float32))
        return dict(everything)

    def _sense(self, part: Samples, code: str) -> float:
        """Mean log probability of the words of ``part`` in a language, by their time."""
        segments = self._decode(part, code, None, lambda _: None)
        seconds = sum(segment.end - segment.start for segment in segments)
        if seconds <= 0.0:
            return -math.inf
        likely = sum((one.end - one.start) * one.avg_logprob for one in segments)
        return float(likely / seconds)


class WhisperLargeV3(FasterWhisper):
    """Whisper large-v3: 1.5 billion parameters, 3 GB of memory as 8 bits."""

    capabilities = replace(
        FasterWhisper.capabilities,
        name=LARGE,
        summary="Whisper large-v3 through faster-whisper, words with times",
        weights=(LARGE,),
        gpu=True,
    )

    def __init__(self, *, device: str = "auto", compute: str = "auto", **options: Any) -> None:
        device, compute = _where(device, compute)
        super().__init__(device=device, compute=compute, **options)


class WhisperTurbo(FasterWhisper):
    """Whisper large-v3-turbo: the same ears with 4 instead of 32 decoder layers."""

    capabilities = replace(
        FasterWhisper.capabilities,
        name=TURBO,
        summary="Whisper large-v3-turbo through faster-whisper, words with times",
        weights=(TURBO,),
        gpu=True,
    )

    def __init__(self, *, device: str = "auto", compute: str = "auto", **options: Any) -> None:
        device, compute = _where(device, compute)
        super().__init__(device=device, compute=compute, **options)


def _where(device: str, compute: str) -> tuple[str, str]:
    """``(device, compute)``: on a GPU in 16 bits where there is one, else on the CPU in 8 bits."""
    import ctranslate2

    if device == "auto":
        device = "cuda" if ctranslate2.get_cuda_device_count() else "cpu"
    if compute == "auto":
        compute = "int8" if device == "cpu" else "float16"
    return device, compute


def whisper_code(language: str, known: Sequence[str]) -> str:
    """Whisper's code for a BCP-47 tag. Raises ``InputError`` DUB-E105, ``EngineError`` DUB-E203."""
    try:
        base = langcodes.Language.get(language).language or language
    except LanguageTagError as error:
        raise InputError(
            f"'{language}' is not a language tag.",
            hint="Use BCP-47, for example en, zh or pt-BR.",
            code="DUB-E105",
        ) from error
    code = _WHISPER_CODES.get(base, base)
    if code not in known:
        raise EngineError(f"Whisper does not know the language '{language}'.", code="DUB-E203")
    return code


def bcp47(code: str) -> str:
    """The BCP-47 tag of a Whisper language code (``jw`` is Javanese, ``jv``)."""
    return langcodes.standardize_tag(code)


def loudest(samples: Samples, size: int, count: int) -> list[int]:
    """Starts of the ``count`` loudest of the windows of ``size``, in time order; at least one."""
    starts = range(0, max(1, len(samples) - size // 2), size)
    power = {start: float(np.mean(samples[start : start + size] ** 2)) for start in starts[:-1]}
    power[starts[-1]] = float(np.mean(samples[starts[-1] :] ** 2)) if len(samples) else 0.0
    return sorted(sorted(power, key=lambda start: (-power[start], start))[:count])


def pieces(samples: Samples) -> Iterator[tuple[int, int]]:
    """``(start, end)`` of consecutive pieces of at most :data:`PIECE_S`, cut where it is quiet."""
    start, hop = 0, RATE // 10
    while len(samples) - start > PIECE_S * RATE:
        last = start + PIECE_S * RATE
        first = last - SEARCH_S * RATE
        tail = np.asarray(samples[first:last], dtype=np.float32)
        power = (tail**2).reshape(-1, hop).mean(axis=1)
        power = np.convolve(power, np.ones(3) / 3, mode="valid")
        cut = first + (int(np.argmin(power)) + 1) * hop + hop // 2
        yield start, cut
        start = cut
    if start < len(samples):
        yield start, len(samples)


def letters(text: str) -> str:
    """``text`` without spaces, punctuation and case, for comparison."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(mark for mark in plain if mark.isalnum())


def echoes(text: str, prompt: str) -> bool:
    """Whether the recogniser gave its prompt back, or the beginning of it (behind short takes)."""
    return letters(prompt)[:6] in letters(text)


_LOOP = re.compile(r"(.{1,8}?)\1{2,}.{0,7}")
"""One to eight letters three times and more, the last round perhaps cut off."""


def believed(segments: Sequence[Any], options: WhisperOptions) -> list[Any]:
    """``segments`` without those that are no speech, repeat two equal ones, or loop in themselves.

    A loop is believed less than other text: it is dropped where there is probably no speech,
    however likely its words seem (behind short Mandarin takes 证证证证证 at 0.5 a token). A segment
    has ``text``, ``no_speech_prob``, ``avg_logprob`` and ``compression_ratio``.
    """
    kept: list[Any] = []
    for segment in segments:
        text = letters(segment.text)
        unlikely = segment.avg_logprob < options.log_probability
        silent = segment.no_speech_prob > options.no_speech
        empty = silent and (unlikely or bool(_LOOP.fullmatch(text)))
        looping = unlikely and segment.compression_ratio > options.compression
        before = [letters(one.text) for one in kept[-2:]]
        if text and not empty and not looping and before != [text, text]:
            kept.append(segment)
    return kept


def without_loops(words: Sequence[Word]) -> list[Word]:
    """``words`` without what Whisper goes on repeating at the end of a sound, in no time at all.

    One to twelve words that come three times and more are speech only if they take time ("no, no,
    no"): the repeats of a loop all lie on one moment. Where its first round is squeezed as well,
    it was not said either.
    """
    kept: list[Word] = []
    at = 0
    while at < len(words):
        length, end = _loop(words, at)
        if not length:
            kept.append(words[at])
            at += 1
            continue
        first = words[at : at + length]
        if _mean_length(first) >= SQUEEZED_S:
            kept.extend(first)
        at = end
    return kept


def _loop(words: Sequence[Word], at: int) -> tuple[int, int]:
    """``(words of a round, end)`` of the loop that begins ``at``, else ``(0, at)``."""
    for length in range(1, LOOP_WORDS + 1):
        end = at + length
        while end < len(words) and letters(words[end].text) == letters(words[end - length].text):
            end += 1
        repeats = words[at + length : end]
        if len(repeats) >= LOOP_REPEATS * length and _mean_length(repeats) < NO_TIME_S:
            return length, end
    return 0, at


def _mean_length(words: Sequence[Word]) -> float:
    return float(sum(word.span.duration for word in words)) / len(words)


def _words(segment: Any, offset: Fraction, language: str) -> Iterator[Word]:
    for word in segment.words or ():
        text = in_script_of(word.word.strip(), language)
        if not text:
            continue
        start = to_seconds(float(word.start)) + offset
        end = max(start, to_seconds(float(word.end)) + offset)
        yield Word(text, Span(start, end), float(word.probability), word.word.startswith(" "))


def _ticker(
    progress: Callable[[float], None] | None, offset: float, length: float
) -> Callable[[float], None]:
    """Reports ``offset`` plus the seconds done inside one piece of ``length`` seconds."""

    def tick(done: float) -> None:
        if progress:
            progress(offset + min(done, length))

    return tick


def _model_folder(model: str) -> str:
    """A folder with the model, or the name to look up in the hub's cache."""
    from polydub.engines import weights

    return str(weights.find(model).path) if model in weights.WEIGHTS else model


def _load(model: str, *, device: str, compute: str, threads: int) -> Any:
    from faster_whisper import WhisperModel
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return WhisperModel(
            _model_folder(model),
            device=device,
            compute_type=compute,
            cpu_threads=threads,
            local_files_only=True,
        )
    except (LocalEntryNotFoundError, HFValidationError, ValueError) as error:
        raise EngineError(
            f"The Whisper model '{model}' is neither a folder nor in the hub's cache.",
            hint="Give a folder that holds model.bin, or use one of the engines whisper, "
            f"{TURBO} and {LARGE} (polydub engines pull {TURBO}).",
            code="DUB-E204",
        ) from error
    except RuntimeError as error:
        raise EngineError(
            f"The Whisper model '{model}' cannot be loaded: {error}", code="DUB-E205"
        ) from error
