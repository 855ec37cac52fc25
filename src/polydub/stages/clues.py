"""What a scene sounds like, in a sentence: for engines that are told how to act.

Written from measured cues; nothing is said of what was not measured or lies near the usual.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polydub.model.cues import LineCues
from polydub.model.scene import SceneLine

VERSION = "clues-1"


@dataclass(frozen=True, slots=True)
class ClueOptions:
    """From where on a cue is worth a word: set by hand, with no released weights to tune them on.

    ``register`` in semitones above or below the voice's usual pitch, ``level`` in dB, ``lively``
    and ``flat`` the spread of the pitch in semitones, ``fast`` and ``slow`` syllables a second,
    ``halting`` the share of pauses. ``sure`` is the confidence that the pitch needs.
    """

    register: float = 3.0
    level: float = 4.0
    lively: float = 9.0
    flat: float = 3.0
    fast: float = 6.0
    slow: float = 3.2
    halting: float = 0.25
    sure: float = 0.4


def write_clue(
    lines: Sequence[SceneLine],
    cues: Mapping[str, LineCues],
    *,
    language: str = "en",
    options: ClueOptions | None = None,
) -> str:
    """Who speaks in a scene and how, in Chinese for a Chinese scene, else in English.

    Speakers are numbered as they come; ``lines`` are in order.
    """
    options = options or ClueOptions()
    words = _CHINESE if language.split("-")[0] == "zh" else _ENGLISH
    speakers = list(dict.fromkeys(line.speaker for line in lines))
    parts = [words.opening(len(speakers))]
    for number, speaker in enumerate(speakers, start=1):
        own = [line for line in lines if line.speaker == speaker]
        manners = _manners([cues[line.id] for line in own if line.id in cues], options)
        gender = next((line.gender for line in own if line.gender), "")
        parts.append(words.speaker(number, gender or "", own[0].age or "", manners))
    return words.joint.join(part for part in parts if part)


def _manners(cues: Sequence[LineCues], options: ClueOptions) -> list[str]:
    """Keys of what stands out, over all lines of a speaker, weighted by how long they are."""
    weights = [max(cue.voiced_s, 1e-3) for cue in cues]
    if not cues:
        return []

    def mean(values: Sequence[float]) -> float:
        return sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)

    found = []
    efforts = [cue.effort for cue in cues]
    for effort in ("whisper", "shout"):
        if 2 * efforts.count(effort) > len(efforts):  # type: ignore[arg-type]
            found.append(effort)
    level = mean([cue.level_db for cue in cues])
    if not found and abs(level) >= options.level:
        found.append("loud" if level > 0 else "soft")
    if mean([cue.confidence for cue in cues]) >= options.sure:
        register, spread = (
            mean([getattr(cue, name) for cue in cues]) for name in ("register_st", "range_st")
        )
        found += _melody(register, spread, options)
    paces = [cue.syllables_per_s for cue in cues if cue.syllables_per_s]
    pace = sum(paces) / len(paces) if paces else 0.0
    if pace >= options.fast:
        found.append("fast")
    elif 0 < pace <= options.slow:
        found.append("slow")
    if mean([cue.pause_share for cue in cues]) >= options.halting:
        found.append("halting")
    if cues[-1].final == "rise":
        found.append("asking")
    return found


def _melody(register: float, spread: float, options: ClueOptions) -> list[str]:
    found = []
    if abs(register) >= options.register:
        found.append("high" if register > 0 else "low")
    if spread >= options.lively:
        found.append("lively")
    elif 0 < spread <= options.flat:
        found.append("flat")
    return found


@dataclass(frozen=True, slots=True)
class _English:
    joint: str = " "

    def opening(self, speakers: int) -> str:
        """How many talk; nothing when it is one."""
        if speakers == 1:
            return ""
        return {2: "Two people talk."}.get(speakers, f"{speakers} people talk.")

    def speaker(self, number: int, gender: str, age: str, manners: Sequence[str]) -> str:
        """One sentence about a speaker; ``""`` stands for an unknown gender or age."""
        who = " ".join(part for part in (age, gender) if part) or "a"
        article = "An" if who[0] in "aeiou" and who != "a" else "A"
        described = f"{article} {who} speaker" if who != "a" else "A speaker"
        how = [ENGLISH_WORDS[manner] for manner in manners]
        return f"{described} (speaker {number}) speaks {_listed(how) or 'calmly and naturally'}."


@dataclass(frozen=True, slots=True)
class _Chinese:
    joint: str = ""

    def opening(self, speakers: int) -> str:
        """How many talk; nothing when it is one."""
        return "" if speakers == 1 else f"{speakers}位说话人交谈。"

    def speaker(self, number: int, gender: str, age: str, manners: Sequence[str]) -> str:
        """One sentence about a speaker; ``""`` stands for an unknown gender, age is not said."""
        who = {"male": "男性", "female": "女性"}.get(gender, "")
        how = "，".join(CHINESE_WORDS[manner] for manner in manners) or "语气平静自然"
        return f"第{number}位{who}说话人{how}。"


def _listed(words: Sequence[str]) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


ENGLISH_WORDS = {
    "whisper": "in a whisper",
    "shout": "shouting",
    "loud": "with a raised voice",
    "soft": "softly",
    "high": "in a high, tense register",
    "low": "in a low register",
    "lively": "with a lively, emotional melody",
    "flat": "in a flat, reserved tone",
    "fast": "quickly",
    "slow": "slowly",
    "halting": "with hesitant pauses",
    "asking": "ending on a questioning tone",
}
CHINESE_WORDS = {
    "whisper": "低声耳语",
    "shout": "大声喊叫",
    "loud": "提高了音量",
    "soft": "声音轻柔",
    "high": "音调偏高，情绪紧张",
    "low": "音调低沉",
    "lively": "语调起伏，情绪丰富",
    "flat": "语气平淡克制",
    "fast": "语速较快",
    "slow": "语速缓慢",
    "halting": "停顿犹豫",
    "asking": "以疑问语气结尾",
}
_ENGLISH, _CHINESE = _English(), _Chinese()
