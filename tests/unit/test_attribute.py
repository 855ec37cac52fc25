from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from polydub.model import FaceTrack, Person, Shot, Span, Transcript, Turn, Word
from polydub.stages.attribute import Attribution, attribute
from polydub.stages.face_evidence import Faces

RATE = 25


def frame_time(index: int) -> Fraction:
    return Fraction(index, RATE)


def shot(index: int, start: float, end: float) -> Shot:
    return Shot(index, round(start * RATE), round(end * RATE), Span.of(start, end))


def track(
    name: str,
    shot_index: int,
    start: float,
    end: float,
    *speaking: tuple[float, float],
    speed: float = 0.6,
    yaw: float = 0.0,
) -> FaceTrack:
    """A face whose mouth moves at ``speed`` IOD/s inside the ``speaking`` times, else is still."""
    first, n = round(start * RATE), round((end - start) * RATE)
    times = (np.arange(n) + first) / RATE
    moves = np.zeros(n, dtype=bool)
    for one, two in speaking:
        moves |= (times >= one) & (times < two)
    aperture = np.where(moves & (np.arange(n) % 2 == 0), speed / RATE, 0.0)
    return FaceTrack(
        id=name,
        shot=shot_index,
        first=first,
        boxes=np.zeros((n, 4), np.float32),
        landmarks=np.zeros((n, 478, 3), np.float32),
        accepted=np.ones(n, np.bool_),
        pose=np.full((n, 3), yaw, np.float32),
        iod=np.full(n, 60, np.float32),
        aperture=aperture.astype(np.float32),
        score=0.9,
    )


def turn(voice: str, start: float, end: float) -> Turn:
    return Turn(Span.of(start, end), voice)


def said(*spans: tuple[float, float]) -> Transcript:
    """One short sentence of two words in each span."""
    made = []
    for start, end in spans:
        half = (start + end) / 2
        made += [Word("Yes", Span.of(start, half)), Word("sir.", Span.of(half, end))]
    return Transcript("en", 1.0, tuple(made))


def prints(**vectors: Sequence[float]) -> dict[str, npt.NDArray[np.float32]]:
    made = {}
    for voice, vector in vectors.items():
        array = np.array(vector, np.float32)
        made[voice] = (array / np.linalg.norm(array)).astype(np.float32)
    return made


def run(
    transcript: Transcript,
    turns: Sequence[Turn],
    tracks: Sequence[FaceTrack] = (),
    people: Sequence[Person] = (),
    shots: Sequence[Shot] = (),
    voiceprints: dict[str, npt.NDArray[np.float32]] | None = None,
) -> Attribution:
    voices = sorted({turn.voice for turn in turns})
    basis = np.eye(max(1, len(voices)), dtype=np.float32)
    return attribute(
        transcript,
        turns,
        voiceprints or {voice: basis[i] for i, voice in enumerate(voices)},
        tracks,
        people,
        shots,
        frame_time=frame_time,
        rate=RATE,
    )


def test_two_people_in_one_shot() -> None:
    turns = [turn("V2", 0, 2), turn("V1", 2.2, 4)]
    tracks = [track("a", 0, 0, 4, (0, 2)), track("b", 0, 0, 4, (2.2, 4))]
    people = [Person("P1", ("a",)), Person("P2", ("b",))]
    made = run(said((0, 2), (2.2, 4)), turns, tracks, people, [shot(0, 0, 4)])
    assert [(s.id, s.name, s.person) for s in made.cast] == [
        ("S1", "Speaker 1", "P1"),
        ("S2", "Speaker 2", "P2"),
    ]
    assert made.voice_of == {"S1": "V2", "S2": "V1"}
    assert [(line.id, line.speaker, line.visibility) for line in made.lines] == [
        ("L001", "S1", "on-screen"),
        ("L002", "S2", "on-screen"),
    ]
    assert all(speaker.confidence > 0.8 for speaker in made.cast)
    assert all(line.confidence > 0.8 for line in made.lines)
    assert made.decisions == ()


def test_the_link_holds_across_cuts_and_decides_where_the_face_is_unclear() -> None:
    # in the second shot the speaker stands in profile and the listener is still
    turns = [turn("V1", 0, 2), turn("V2", 2, 4), turn("V1", 4, 6)]
    tracks = [
        track("a1", 0, 0, 2, (0, 2)),
        track("b1", 0, 0, 2),
        track("b2", 1, 2, 4, (2, 4)),
        track("a3", 2, 4, 6, (4, 6), yaw=60),
        track("b3", 2, 4, 6),
    ]
    people = [Person("P1", ("a1", "a3")), Person("P2", ("b1", "b2", "b3"))]
    shots = [shot(0, 0, 2), shot(1, 2, 4), shot(2, 4, 6)]
    made = run(said((0, 2), (2, 4), (4, 6)), turns, tracks, people, shots)
    assert [s.person for s in made.cast] == ["P1", "P2"]
    assert [line.visibility for line in made.lines] == ["on-screen"] * 3


def test_a_reaction_shot_is_off_screen() -> None:
    turns = [turn("V1", 0, 2), turn("V1", 2, 4), turn("V2", 4, 6)]
    tracks = [track("a", 0, 0, 2, (0, 2)), track("b", 1, 2, 6, (4, 6))]
    people = [Person("P1", ("a",)), Person("P2", ("b",))]
    shots = [shot(0, 0, 2), shot(1, 2, 6)]
    transcript = said((0, 1), (3, 4), (4, 6))
    made = run(transcript, turns, tracks, people, shots)
    assert [(line.speaker, line.visibility) for line in made.lines] == [
        ("S1", "on-screen"),
        ("S1", "off-screen"),
        ("S2", "on-screen"),
    ]


def test_a_fifth_of_a_line_decides_about_on_screen() -> None:
    turns = [turn("V1", 0, 10)]
    person = [Person("P1", ("a",))]
    for end, visibility in ((2.0, "on-screen"), (1.9, "off-screen")):
        tracks = [track("a", 0, 0, end, (0, end))]
        made = run(said((0, 10)), turns, tracks, person, [shot(0, 0, 10)])
        assert made.lines[0].visibility == visibility


def test_a_narrator_is_not_the_man_who_laughs() -> None:
    # the laughing man speaks later: the whole film decides, not the first turn
    turns = [turn("N", 0, 4), turn("V", 6, 9)]
    tracks = [track("a", 0, 0, 9, (1, 3), (6, 9), speed=0.5)]
    made = run(said((0, 4), (6, 9)), turns, tracks, [Person("P1", ("a",))], [shot(0, 0, 9)])
    assert [s.person for s in made.cast] == [None, "P1"]
    assert [line.visibility for line in made.lines] == ["off-screen", "on-screen"]


def test_narration_over_still_faces_and_over_none() -> None:
    turns = [turn("N", 0, 4), turn("V", 8, 9), turn("N", 12, 14)]
    tracks = [track("a", 0, 0, 9, (8, 9))]
    shots = [shot(0, 0, 9), shot(1, 9, 15)]
    made = run(said((0, 4), (8, 9), (12, 14)), turns, tracks, [Person("P1", ("a",))], shots)
    assert [line.visibility for line in made.lines] == ["narration", "on-screen", "narration"]
    assert made.cast[0].confidence > 0.9  # the still face speaks clearly against it


def test_an_unseen_voice_in_a_conversation_is_off_screen() -> None:
    turns = [turn("W", 0, 3), turn("M", 3.2, 6), turn("W", 6.3, 8)]
    tracks = [track("m", 0, 0, 8, (3.2, 6))]
    made = run(
        said((0, 3), (3.2, 6), (6.3, 8)), turns, tracks, [Person("P1", ("m",))], [shot(0, 0, 8)]
    )
    assert [s.person for s in made.cast] == [None, "P1"]
    assert [line.visibility for line in made.lines] == ["off-screen", "on-screen", "off-screen"]


def test_no_faces_at_all() -> None:
    made = run(said((0, 2), (2.1, 4)), [turn("A", 0, 2), turn("B", 2.05, 4)])
    assert [s.person for s in made.cast] == [None, None]
    assert [s.confidence for s in made.cast] == [0.5, 0.5]
    assert [line.visibility for line in made.lines] == ["off-screen", "off-screen"]
    alone = run(said((0, 2)), [turn("A", 0, 2)])
    assert alone.lines[0].visibility == "narration"


def test_two_voices_never_share_a_person() -> None:
    turns = [turn("A", 0, 3), turn("B", 4, 5)]
    tracks = [track("a", 0, 0, 6, (0, 3), (4, 5))]
    made = run(said((0, 3), (4, 5)), turns, tracks, [Person("P1", ("a",))], [shot(0, 0, 6)])
    assert [s.person for s in made.cast] == ["P1", None]


def test_a_voice_that_was_split_is_joined_again() -> None:
    turns = [turn("A", 0, 3), turn("B", 4, 5), turn("C", 6, 8)]
    tracks = [track("a", 0, 0, 6, (0, 3), (4, 5)), track("c", 1, 6, 8, (6, 8))]
    people = [Person("P1", ("a",)), Person("P2", ("c",))]
    shots = [shot(0, 0, 6), shot(1, 6, 8)]
    voices = prints(A=[1, 0.5, 0], B=[0.6, 1, 0], C=[0, 0, 1])
    transcript = said((0, 3), (4, 5), (6, 8))
    made = run(transcript, turns, tracks, people, shots, voices)
    assert [line.speaker for line in made.lines] == ["S1", "S1", "S2"]
    assert made.voices_of == {"S1": ("A", "B"), "S2": ("C",)}
    assert [(d.unit, d.kind) for d in made.decisions] == [("B", "warning")]
    assert "P1" in made.decisions[0].reason
    voices = prints(A=[1, 0, 0], B=[0, 1, 0], C=[0, 0, 1])  # too different to be one speaker
    assert len(run(transcript, turns, tracks, people, shots, voices).cast) == 3


def test_alike_voices_with_different_mouths_stay_apart() -> None:
    times = [(4.0 * i, 4.0 * i + 3) for i in range(4)]
    turns = [turn("AB"[i % 2], *span) for i, span in enumerate(times)]
    tracks = [track("a", 0, 0, 16, *times[::2]), track("b", 0, 0, 16, *times[1::2])]
    people = [Person("P1", ("a",)), Person("P2", ("b",))]
    alike = prints(A=[1, 0.1], B=[1, 0.2])
    made = run(said(*times), turns, tracks, people, [shot(0, 0, 16)], alike)
    assert [s.person for s in made.cast] == ["P1", "P2"]
    assert [line.speaker for line in made.lines] == ["S1", "S2", "S1", "S2"]
    assert made.decisions == ()
    one_voice = [Turn(turn.span, "A") for turn in turns]  # diarization heard only one
    made = run(said(*times), one_voice, tracks, people, [shot(0, 0, 16)], alike)
    assert [line.speaker for line in made.lines] == ["S1", "S2", "S1", "S2"]
    assert [d.unit for d in made.decisions] == ["A"]


def test_a_voice_without_words_is_recorded() -> None:
    turns = [turn("A", 0, 2), turn("X", 3, 5), turn("Y", 6, 6.5)]
    made = run(said((0, 2)), turns)
    assert [(d.unit, d.kind) for d in made.decisions] == [("U1", "pass-through")]
    assert made.decisions[0].span == Span.of(3, 5)


def test_a_still_visible_mouth_lowers_the_confidence_of_a_line() -> None:
    turns = [turn("A", 0, 3), turn("A", 4, 5.2)]
    tracks = [track("a", 0, 0, 6, (0, 3))]
    made = run(said((0, 3), (4, 5.2)), turns, tracks, [Person("P1", ("a",))], [shot(0, 0, 6)])
    sure, doubtful = (line.confidence for line in made.lines)
    assert sure > 0.9 and doubtful < sure - 0.05


def test_a_line_inside_two_voices_is_less_certain() -> None:
    made = run(said((0, 2)), [turn("A", 0, 2), turn("B", 0, 2)])
    assert 0.4 < made.lines[0].confidence < 0.7


def test_nothing_at_all() -> None:
    made = run(Transcript("en", 1.0, ()), [])
    assert made == Attribution((), (), (), {}, {})


def test_frames_follow_the_given_times() -> None:
    def slow_start(index: int) -> Fraction:  # 10 frames per second, then 25
        return Fraction(index, 10) if index < 10 else 1 + Fraction(index - 10, 25)

    one = track("a", 0, 0, 4)
    faces = Faces([one], [Person("A", ("a",))], [shot(0, 0, 4)], slow_start, RATE)
    assert faces.frames(one, Span.of(0.5, 1.2)) == range(5, 15)
    assert faces.seen("A", Span.of(0, 1)) == 1
