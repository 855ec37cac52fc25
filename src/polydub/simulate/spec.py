"""What a simulated conversation should be like, and the standard suite of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from polydub.errors import InputError
from polydub.simulate.texts import TEXTS

OVERLAP_TOLERANCE = 0.03
"""How far the share of overlapping speech of a plan may be from the one that is asked for."""


@dataclass(frozen=True, slots=True)
class SoundSpec:
    """How it sounds. Levels are in dB below the speech; ``None`` = without.

    ``room_gain_db``: speakers differ in loudness by up to plus or minus this; ``reverberation``:
    0 (dry) .. 1 (a tiled hall), each speaker at an own distance.
    """

    music_db: float | None = None
    noise_db: float | None = None
    room_gain_db: float = 3.0
    reverberation: float = 0.2


@dataclass(frozen=True, slots=True)
class PictureSpec:
    """How it looks; shares are of the spoken lines.

    ``off_screen``: the camera shows somebody else or an empty room. ``reactions``: the listener is
    shown in the middle of the line. ``two_shots``: both are in the picture. ``cut_jitter_s``: cuts
    fall up to so much before or after the change of turn (0 = in the pause). ``short_shots``: some
    shots last only 0.5 s. ``chewing``: a listener eats or laughs while another speaks.
    ``from_behind``, ``never_seen``: one speaker's face is never shown.
    """

    off_screen: float = 0.1
    reactions: float = 0.1
    two_shots: float = 0.3
    cut_jitter_s: float = 0.4
    short_shots: bool = False
    chewing: bool = False
    from_behind: bool = False
    never_seen: bool = False
    rate: Fraction = Fraction(25)
    size: tuple[int, int] = (640, 360)


@dataclass(frozen=True, slots=True)
class ConversationSpec:
    """A conversation to be made; everything else follows from ``seed``.

    ``speakers`` 1-6 include the ``narrator`` (the last one, never seen). ``seconds`` is about the
    length of the film. ``gaps_s``: pause before each turn, uniform (negative = it starts before the
    other has finished). ``overlap``: share of the spoken time in which two speak, 0 .. 0.3.
    ``backchannels``: of the listeners, per minute, while another speaks; with ``overlap`` 0 there
    are none. ``similar``: voices of one gender that are as alike as the bank has them.
    """

    name: str
    seed: int
    speakers: int = 2
    seconds: float = 25.0
    language: str = "en"
    gaps_s: tuple[float, float] = (-0.5, 2.0)
    overlap: float = 0.0
    backchannels: float = 0.0
    similar: bool = False
    narrator: bool = False
    sound: SoundSpec = SoundSpec()
    picture: PictureSpec | None = PictureSpec()

    def __post_init__(self) -> None:
        least = 2 if self.narrator or self.overlap > 0 else 1
        checks = {
            f"speakers must be {least} .. 6": least <= self.speakers <= 6,
            "seconds must be 2 .. 600": 2 <= self.seconds <= 600,
            "overlap must be 0 .. 0.3": 0 <= self.overlap <= 0.3,
            "gaps must be -0.5 .. 5 s and in order": -0.5 <= self.gaps_s[0] <= self.gaps_s[1] <= 5,
            f"language must be one of {', '.join(TEXTS)}": self.language in TEXTS,
        }
        for rule, holds in checks.items():
            if not holds:
                raise InputError(f"Conversation {self.name!r}: {rule}.", code="DUB-E108")


def standard_suite() -> tuple[ConversationSpec, ...]:
    """The 60 conversations of the attribution benchmark; names tell the group.

    20 ``plain`` (overlap 0 .. 10 %), 15 ``overlap`` (20 %), 15 ``similar`` (voices of one gender,
    nearest in the bank), 10 ``hard`` pictures. 20-32 s each; es and zh now and then.
    """
    return (*_plain(), *_overlapping(), *_similar(), *_hard())


def _sound(k: int) -> SoundSpec:
    """Every third with music, every fourth with noise."""
    music = (None, None, 18.0, None, None, 12.0)[k % 6]
    noise = (None, 25.0, None, None)[k % 4]
    return SoundSpec(music, noise, room_gain_db=(2.0, 4.0)[k % 2], reverberation=0.15 * (k % 3))


def _picture(k: int) -> PictureSpec:
    return PictureSpec(
        off_screen=(0.0, 0.1, 0.2)[k % 3],
        reactions=(0.0, 0.15)[k % 2],
        two_shots=(0.3, 0.6, 0.0)[k % 3],
        cut_jitter_s=(0.0, 0.4, 0.6)[k % 3],
    )


def _plain() -> list[ConversationSpec]:
    languages = {5: "es", 11: "zh", 17: "es"}
    return [
        ConversationSpec(
            name=f"plain-{k:02d}",
            seed=1000 + k,
            speakers=(2, 3, 2, 2, 3, 2, 4, 2, 3, 1)[k % 10],
            seconds=(22.0, 26.0, 20.0, 30.0)[k % 4],
            language=languages.get(k, "en"),
            gaps_s=((-0.5, 2.0), (0.0, 1.0), (-0.5, 0.6))[k % 3],
            overlap=0.0 if (2, 3, 2, 2, 3, 2, 4, 2, 3, 1)[k % 10] == 1 else (0.0, 0.05, 0.1)[k % 3],
            backchannels=(0.0, 4.0)[k % 2],
            sound=_sound(k),
            picture=_picture(k),
        )
        for k in range(20)
    ]


def _overlapping() -> list[ConversationSpec]:
    languages = {4: "es", 9: "zh"}
    return [
        ConversationSpec(
            name=f"overlap-{k:02d}",
            seed=2000 + k,
            speakers=(2, 2, 3, 2, 4)[k % 5],
            seconds=(22.0, 26.0, 30.0)[k % 3],
            language=languages.get(k, "en"),
            gaps_s=(-0.5, 1.0),
            overlap=0.2,
            backchannels=(6.0, 2.0, 10.0)[k % 3],
            sound=_sound(k + 1),
            picture=_picture(k + 1),
        )
        for k in range(15)
    ]


def _similar() -> list[ConversationSpec]:
    languages = {7: "zh"}
    return [
        ConversationSpec(
            name=f"similar-{k:02d}",
            seed=3000 + k,
            speakers=(2, 2, 3)[k % 3],
            seconds=(22.0, 26.0, 30.0, 20.0)[k % 4],
            language=languages.get(k, "en"),
            gaps_s=((-0.5, 1.2), (0.0, 0.8))[k % 2],
            overlap=(0.0, 0.05, 0.1)[k % 3],
            backchannels=(0.0, 4.0)[k % 2],
            similar=True,
            sound=_sound(k + 2),
            picture=_picture(k + 2),
        )
        for k in range(15)
    ]


def _hard() -> list[ConversationSpec]:
    base = PictureSpec(off_screen=0.25, reactions=0.4, two_shots=0.3, cut_jitter_s=0.8)
    pictures = (
        replace(base, short_shots=True),
        replace(base, chewing=True, two_shots=0.6),
        replace(base, off_screen=0.5),
        replace(base, from_behind=True),
        replace(base, never_seen=True),
        replace(base, reactions=0.8, short_shots=True),
        base,
        replace(base, chewing=True, short_shots=True),
        replace(base, never_seen=True, off_screen=0.4),
        replace(base, two_shots=1.0, reactions=0.0, chewing=True),
    )
    return [
        ConversationSpec(
            name=f"hard-{k:02d}",
            seed=4000 + k,
            speakers=(2, 3, 3, 2, 3, 2, 3, 2, 4, 3)[k],
            seconds=26.0,
            overlap=(0.05, 0.1)[k % 2],
            gaps_s=(-0.5, 1.2),
            narrator=k == 6,
            backchannels=3.0,
            sound=_sound(k),
            picture=picture,
        )
        for k, picture in enumerate(pictures)
    ]
