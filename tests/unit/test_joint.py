"""The parts of the joint decision, one by one, on scenes made by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from polydub.engines.protocols import LocalActivity
from polydub.model import FaceTrack, Line, Person, Shot, Span, Transcript, Turn, Word, total
from polydub.stages.attribute import Attribution, attribute
from polydub.stages.face_evidence import talking_from_motion
from polydub.stages.joint_confidence import (
    Confidence,
    LineEvidence,
    line_confidence,
    link_confidence,
)
from polydub.stages.joint_evidence import (
    Atom,
    AtomOptions,
    VoiceEvidence,
    change_odds,
    make_atoms,
    shared_spans,
    voice_sums,
)
from polydub.stages.joint_model import (
    ModelOptions,
    Scene,
    emissions,
    find_twins,
    gather,
    second_emissions,
    voice_evidence,
)
from polydub.stages.joint_overlap import (
    PairOptions,
    Spoken,
    pair_spans,
    pair_voices,
    with_overlap,
)
from polydub.stages.joint_people import PeopleOptions, join_people
from polydub.stages.joint_text import TextOptions, change_prices
from polydub.stages.joint_turns import turns_of, wordless_turns

Floats = npt.NDArray[np.float64]
MODEL = ModelOptions()


def unit(*values: float) -> Floats:
    vector = np.array(values, dtype=np.float64)
    return vector / np.linalg.norm(vector)


def windows_of(rng: np.random.Generator, voice: Floats, n: int) -> Floats:
    """``n`` windows of a voice: unit vectors with a mean cosine of about 0.5 to each other."""
    noise = rng.normal(size=(n, len(voice))) / np.sqrt(len(voice))
    made = np.sqrt(0.5) * voice + np.sqrt(0.5) * noise
    return made / np.linalg.norm(made, axis=1, keepdims=True)


def voices_apart(cosine: float, dimensions: int = 192) -> tuple[Floats, Floats]:
    one, two = np.zeros(dimensions), np.zeros(dimensions)
    one[0] = 1.0
    two[:2] = cosine, np.sqrt(1 - cosine**2)
    return one, two


def gain_of_two(cosine: float, n: int) -> float:
    """What two voices explain better than one, before any price."""
    rng = np.random.default_rng(7)
    one, two = (windows_of(rng, voice, n).sum(axis=0) for voice in voices_apart(cosine))
    apart = voice_evidence(np.stack([one, two]), np.array([n, n], float), MODEL).sum()
    return float(apart - voice_evidence((one + two)[None], np.array([2.0 * n]), MODEL)[0])


def test_two_voices_pay_when_they_differ_and_not_when_they_do_not() -> None:
    assert gain_of_two(0.1, 2) > MODEL.new_voice  # 2 s of each are enough
    assert gain_of_two(1.0, 2) < 0
    assert gain_of_two(1.0, 30) < 0  # and more of the same voice does not make two
    assert gain_of_two(0.1, 10) > gain_of_two(0.1, 3) > gain_of_two(0.1, 1)


def test_twins_share_their_sound_at_a_fixed_price() -> None:
    rng = np.random.default_rng(3)
    voice, other = voices_apart(0.0)
    sums = np.stack([windows_of(rng, v, 8).sum(axis=0) for v in (voice, other, voice)])
    twin, worth = find_twins(sums, np.full(3, 8.0), MODEL)
    assert twin.tolist() == [2, -1, 0] and worth > 0
    cost = -gain_of_two(1.0, 8) - worth
    assert cost < MODEL.twin + 1e-6 or twin[0] < 0
    assert find_twins(sums[:0], np.zeros(0), MODEL)[1] == 0.0


def words(text: str, gap: float = 0.05) -> list[Word]:
    found, at = [], 0.0
    for part in text.split():
        found.append(Word(part, Span.of(at, at + 0.3)))
        at += 0.3 + gap
    return found


def prices(text: str, gap: float = 0.05) -> Floats:
    said = words(text, gap)
    atoms = make_atoms(said, [], [], AtomOptions())
    change, stay = change_prices(atoms, said, np.zeros(len(atoms)), [], TextOptions())
    return change - stay


def test_a_change_is_cheaper_after_a_question_than_inside_a_phrase() -> None:
    inside, clause, sentence, question = (prices(f"so{end} then")[1] for end in ("", ",", ".", "?"))
    assert inside > clause > sentence > question
    assert prices("so then", 0.8)[1] < inside
    assert prices("so. Then")[1] < sentence


def test_a_cut_and_the_segmenter_make_a_change_cheaper() -> None:
    said = words("so then")
    atoms = make_atoms(said, [], [], AtomOptions())
    start = atoms[1].span.start

    def price(heard: float, cuts: list[Fraction]) -> float:
        change, stay = change_prices(atoms, said, np.array([0.0, heard]), cuts, TextOptions())
        return float(change[1] - stay[1])

    assert price(0.0, [start]) < price(0.0, [])
    assert price(1.0, []) < price(0.0, []) < price(-3.0, [])


def test_a_change_is_cheaper_where_two_speak_at_once() -> None:
    said = words("so then now here")  # from 0, 0.35, 0.7, 1.05 s
    atoms = make_atoms(said, [], [], AtomOptions())

    def price(*overlap: tuple[float, float], sure: float = 1.0) -> Floats:
        spans = [(Span.of(*span), sure) for span in overlap]
        nothing = np.zeros(len(atoms))
        change, stay = change_prices(atoms, said, nothing, [], TextOptions(), overlap=spans)
        return change - stay

    saved = price() - price((0.5, 0.62))  # the beginning of "now" is 0.08 s behind it
    assert saved[0] == saved[1] == 0 and saved[3] == 0
    assert saved[2] > TextOptions().beside
    around = price() - price((0.6, 0.75))
    assert around[2] > TextOptions().beside + TextOptions().amid > saved[2]
    assert around[3] > 0  # the atom before it is shared in part
    unsure = price() - price((0.6, 0.75), sure=0.5)
    assert unsure == pytest.approx(around / 2)


def activity(*speakers: tuple[float, float], end: float = 4.0) -> LocalActivity:
    """Local speakers by the span in which each talks."""
    times = (np.arange(round(end * 50)) + 0.5) / 50
    columns = [((times >= a) & (times < b)).astype(np.float32) for a, b in speakers]
    return LocalActivity(Span.of(0, end), Fraction(1, 50), np.stack(columns, axis=1))


def test_the_segmenter_hears_a_change() -> None:
    atoms = [Atom(Span.of(i, i + 1)) for i in range(4)]
    odds = change_odds(atoms, [activity((0, 2), (2, 4))])
    assert odds[2] > 1 and odds[1] < -1 and odds[3] < -1
    assert not change_odds(atoms, []).any()


def test_a_stretched_word_counts_with_its_end() -> None:
    stretched = [Word("see", Span.of(3, 9))]
    atoms = make_atoms(stretched, [Span.of(3, 9)], [], AtomOptions())
    (own,) = [atom for atom in atoms if atom.word == 0]
    assert own.span == Span.of(8, 9) and len(atoms) > 5


def test_windows_tell_about_their_middle() -> None:
    spans = tuple(Span.of(at, at + 0.9) for at in (0.0, 0.9))
    voices = VoiceEvidence(spans, np.eye(2, dtype=np.float32))
    sums, counts = voice_sums([Atom(Span.of(0.3, 0.6))], voices, AtomOptions())
    assert counts[0] == pytest.approx(1 / 3) and sums[0, 1] == 0
    half = replace(voices, clean=np.array([0.5, 1], np.float32))
    assert voice_sums([Atom(Span.of(0.3, 0.6))], half, AtomOptions())[1][0] == pytest.approx(1 / 6)
    assert voice_sums([Atom(Span.of(5, 6))], voices, AtomOptions())[1][0] == 0


def test_overlap_of_turns() -> None:
    turns = [Turn(Span.of(*span), "A") for span in ((0, 4), (3, 5), (3.5, 3.7), (8, 9))]
    assert shared_spans(turns) == (Span.of(3, 4),)


def spoken(labels: str, voices: VoiceEvidence, n_voices: int) -> Spoken:
    spans = [Span.of(at / 2, at / 2 + 0.5) for at in range(len(labels))]
    numbers = np.array(["ABC".index(label) for label in labels])
    nothing = np.zeros((len(labels), n_voices))
    return Spoken(spans, numbers, nothing, nothing, voices)


def test_the_second_voice_is_the_one_that_the_segmenter_knows() -> None:
    # A speaks all along, C says "mm-hm" from 1.05 to 1.5 and speaks from 3; B is nearer
    window = activity((0, 2), (2, 3), end=4)
    column = np.zeros((200, 1), np.float32)
    column[50:75] = column[150:] = 1
    window = replace(window, activity=np.concatenate([window.activity, column], axis=1))
    voices = VoiceEvidence((), np.zeros((0, 1), np.float32), activity=(window,))
    shared = pair_spans(voices, PairOptions())
    assert len(shared) == 1 and shared[0][0].overlap(Span.of(1.05, 1.5)) > Fraction(44, 100)
    found = pair_voices(shared, spoken("AAAABBCC", voices, 3), PairOptions())
    assert {voice for _, voice in found} == {2}
    assert total(span for span, _ in found) == shared[0][0].duration < Fraction(1, 2)


def test_without_a_segmenter_the_neighbour_speaks_on() -> None:
    given = VoiceEvidence(
        (), np.zeros((0, 1), np.float32), overlap=((Span.of(1, 1.4), 0.9), (Span.of(3, 3.4), 0.1))
    )
    shared = pair_spans(given, PairOptions())
    assert [span for span, _ in shared] == [Span.of(1, 1.4)]
    found = pair_voices(shared, spoken("AABBBB", given, 2), PairOptions())
    assert found == [(Span.of(1, 1.4), 0)]
    alone = pair_voices(shared, spoken("AAAAAA", given, 2), PairOptions())
    assert alone == []


def test_where_nothing_else_tells_the_mixture_names_the_second_voice() -> None:
    given = VoiceEvidence((), np.zeros((0, 1), np.float32), overlap=((Span.of(1, 1.4), 0.9),))
    shared = pair_spans(given, PairOptions())
    known = spoken("BBAAACC", given, 3)
    sounds = np.zeros((7, 3))
    sounds[2] = (9.0, -2.0, 2.0)  # most like the first voice itself, which says nothing
    assert pair_voices(shared, known, PairOptions()) == [(Span.of(1, 1.4), 1)]  # was just heard
    heard = replace(known, second=sounds)
    assert pair_voices(shared, heard, PairOptions()) == [(Span.of(1, 1.4), 2)]
    alone = replace(spoken("BBAAAAA", given, 2), second=sounds[:, :2])
    assert pair_voices(shared, alone, PairOptions()) == [(Span.of(1, 1.4), 1)]  # only one may be it


def test_who_sounds_like_the_first_voice_is_not_taken_for_the_second() -> None:
    first, other = np.eye(3)[0], np.eye(3)[1]
    alike = 0.9 * first + np.sqrt(1 - 0.9**2) * np.eye(3)[2]
    mixture = 0.8 * first + 0.6 * other  # the first is louder
    known = np.repeat([first, alike, other], 10, axis=0)
    n = len(known) + 1
    scene = Scene(
        sums=np.concatenate([known, mixture[None]]),
        counts=np.ones(n),
        talks=np.zeros((n, 0)),
        seen=np.zeros((n, 0)),
        change=np.zeros(n),
        stay=np.zeros(n),
        forced=np.full(n, -1, dtype=np.int64),
    )
    labels = np.array([*np.repeat([0, 1, 2], 10), 0])
    voices = gather(scene, labels, 3, ModelOptions(twin=1e9))
    alone = emissions(scene, voices, ModelOptions())[-1]
    assert alone[1] > alone[2]
    besides = second_emissions(scene, voices, labels, ModelOptions())[-1]
    assert besides[2] > max(besides[:2])


def test_windows_are_as_clean_as_the_overlap_in_them_is_unlikely() -> None:
    windows = (Span.of(0, 1), Span.of(0.5, 1.5), Span.of(1, 2), Span.of(1.1, 1.3), Span.of(3, 4))
    shared = ((Span.of(1, 1.5), 0.8), (Span.of(3.5, 5), 1.0))
    given = VoiceEvidence(windows, np.zeros((5, 1), np.float32), overlap=shared)
    found = with_overlap(given, PairOptions())
    assert found.clean == pytest.approx([1.0, 0.6, 0.6, 0.2, 0.5])
    assert found.overlap == shared
    known = replace(given, clean=np.full(5, 0.9, np.float32))
    assert with_overlap(known, PairOptions()).clean == pytest.approx([0.9] * 5)
    alone = with_overlap(replace(given, overlap=()), PairOptions())
    assert alone.clean == pytest.approx([1.0] * 5)
    nothing = VoiceEvidence((), np.zeros((0, 1), np.float32))
    assert with_overlap(nothing, PairOptions()).clean is None


def test_turns_join_over_short_pauses_only() -> None:
    pieces = [(Span.of(0, 1), "A"), (Span.of(1.2, 2), "A"), (Span.of(3, 4), "A")]
    assert [t.span for t in turns_of(pieces)] == [Span.of(0, 2), Span.of(3, 4)]
    between = [*pieces, (Span.of(1.05, 1.15), "B")]
    assert len([t for t in turns_of(between) if t.voice == "A"]) == 3


def face(name: str, first: int, n: int, identity: float | None = None) -> FaceTrack:
    return FaceTrack(
        id=name,
        shot=0,
        first=first,
        boxes=np.zeros((n, 4), np.float32),
        landmarks=np.zeros((n, 1, 3), np.float32),
        accepted=np.ones(n, np.bool_),
        pose=np.zeros((n, 3), np.float32),
        iod=np.full(n, 60, np.float32),
        aperture=np.zeros(n, np.float32),
        score=0.9,
        print=None if identity is None else np.full(128, identity, np.float32),
    )


@pytest.mark.parametrize(
    ("evidence", "first", "identity", "joined"),
    [(6.0, 50, 0.02, True), (2.0, 50, 0.02, False), (6.0, 10, 0.02, False), (6.0, 50, 0.2, False)],
)
def test_a_voice_joins_two_faces_of_one_person(
    evidence: float, first: int, identity: float, joined: bool
) -> None:
    tracks = [face("a", 0, 40, 0.0), face("b", first, 40, identity)]
    people = [Person("P1", ("a",)), Person("P2", ("b",))]
    totals = np.array([[9.0, evidence]])
    made, decisions = join_people(
        totals, np.array([0]), ("P1", "P2"), tracks, people, PeopleOptions()
    )
    assert bool(decisions) is joined
    assert [p.tracks for p in made] == ([("a", "b")] if joined else [("a",), ("b",)])


def test_mouth_motion_as_log_odds() -> None:
    still, moving, turned = face("s", 0, 50), face("m", 0, 50), face("t", 0, 50)
    moving = replace(moving, aperture=np.where(np.arange(50) % 2, 0.02, 0.0).astype(np.float32))
    turned = replace(turned, pose=np.full((50, 3), 60, np.float32))
    odds = talking_from_motion([still, moving, turned], 25.0)
    assert (odds["s"] < -2).all() and (odds["m"] > 2).all() and np.isnan(odds["t"]).all()


def test_confidence_follows_its_evidence() -> None:
    options = Confidence()
    sure = line_confidence(LineEvidence(0.99, 10, 4), options)
    assert sure > 0.9
    assert line_confidence(LineEvidence(0.99, -8, 4), options) < sure
    assert line_confidence(LineEvidence(0.99, 10, -8), options) < sure
    assert link_confidence(8, True, options) > link_confidence(1, True, options) > 0.5
    assert link_confidence(8, False, options) == 0.5
    assert link_confidence(1e12, True, options) <= options.most


RATE = 25


def film(
    lines: list[tuple[str, float, float]],
    faces: dict[str, list[tuple[float, float, float]]],
    *,
    alike: float = 0.0,
    cuts: tuple[float, ...] = (),
) -> Attribution:
    """A film from lines (voice, start, end) and faces (shown from, to, log-odds) by person.

    Voices ``A`` and ``B`` have the cosine ``alike``, others none with them.
    """
    rng = np.random.default_rng(11)
    one, two = voices_apart(alike)
    third = np.zeros(192)
    third[5] = 1.0
    sound = {"A": one, "B": two, "C": third}
    spans, prints, said = [], [], []
    for voice, start, end in lines:
        at = start
        while at < end - 0.2:
            spans.append(Span.of(at, min(at + 0.9, end)))
            prints.append(windows_of(rng, sound[voice], 1)[0])
            at += 0.3
        half = (start + end) / 2
        said += [Word("Yes", Span.of(start, half)), Word("sir.", Span.of(half, end))]
    tracks, talking, people = [], {}, []
    for person, shown in sorted(faces.items()):
        names = []
        for number, (start, end, odds) in enumerate(shown):
            name = f"{person}.{number}"
            first, n = round(start * RATE), round((end - start) * RATE)
            tracks.append(face(name, first, n))
            talking[name] = np.full(n, odds, np.float32)
            names.append(name)
        people.append(Person(person, tuple(names)))
    end = max(end for _, _, end in lines)
    edges = [0.0, *cuts, end]
    shots = [
        Shot(i, round(a * RATE), round(b * RATE), Span.of(a, b))
        for i, (a, b) in enumerate(pairwise(edges))
    ]
    order = sorted(range(len(spans)), key=lambda i: spans[i])
    heard = VoiceEvidence(
        tuple(spans[i] for i in order),
        np.stack([prints[i] for i in order]).astype(np.float32),
        overlap=(),
        speech=tuple(Span.of(a, b) for _, a, b in sorted(lines, key=lambda x: x[1])),
    )
    return attribute(
        Transcript("en", 1.0, tuple(said)),
        (),
        {},
        tracks,
        people,
        shots,
        frame_time=lambda i: Fraction(i, RATE),
        rate=RATE,
        evidence=heard,
        talking=talking,
    )


def who(made: Attribution) -> str:
    return "".join(line.speaker[1:] for line in made.lines)


ALTERNATE = [("AB"[i % 2], 2.5 * i, 2.5 * i + 2) for i in range(6)]


def test_similar_voices_are_told_apart_by_their_faces() -> None:
    faces = {"P1": [], "P2": []}
    for voice, start, end in ALTERNATE:
        faces["P1" if voice == "A" else "P2"].append((start, end, 2.5))
    made = film(ALTERNATE, faces, alike=0.85)
    assert who(made) == "121212"
    assert [s.person for s in made.cast] == ["P1", "P2"]
    assert {line.visibility for line in made.lines} == {"on-screen"}
    assert len(film(ALTERNATE, {}, alike=1.0).cast) == 1  # one sound and no face: one speaker


def test_a_laughing_listener_does_not_speak() -> None:
    faces = {"P1": [(0, 15, 0.0)], "P2": [(0, 15, 0.0)]}
    faces["P1"] = [(2.5 * i, 2.5 * i + 2, -2.0 if i % 2 else 2.0) for i in range(6)]
    faces["P2"] = [(2.5 * i, 2.5 * i + 2, 2.0 if i % 2 or i == 0 else -2.0) for i in range(6)]
    made = film(ALTERNATE, faces)  # P2 laughs in the first line
    assert who(made) == "121212" and [s.person for s in made.cast] == ["P1", "P2"]


def test_a_reaction_shot_and_a_speaker_who_is_never_seen() -> None:
    made = film(ALTERNATE, {"P1": [(2.5 * i, 2.5 * i + 2, 2.0 - 4.0 * (i % 2)) for i in range(6)]})
    assert [s.person for s in made.cast] == ["P1", None]
    assert [line.visibility for line in made.lines] == ["on-screen", "off-screen"] * 3


def test_half_second_shots() -> None:
    shown: dict[str, list[tuple[float, float, float]]] = {"P1": [], "P2": []}
    cuts = tuple(i / 2 for i in range(1, 29))
    for i, start in enumerate((0.0, *cuts)):
        speaking = ALTERNATE[min(5, int(start // 2.5))][0]
        person = "P1" if i % 2 else "P2"
        shown[person].append(
            (start, start + 0.5, 1.5 if (person == "P1") == (speaking == "A") else -1.5)
        )
    made = film(ALTERNATE, shown, cuts=cuts, alike=0.3)
    assert who(made) == "121212" and [s.person for s in made.cast] == ["P1", "P2"]


def test_a_short_clip_with_two_speakers() -> None:
    made = film([("A", 0, 1.9), ("B", 2.0, 4.4)], {}, alike=0.15)
    assert who(made) == "12"
    assert len(film([("A", 0, 1.9), ("A", 2.0, 4.4)], {}).cast) == 1


def test_one_mouth_with_two_alike_voices_is_one_speaker() -> None:
    shown = [(start, end, 2.5) for _, start, end in ALTERNATE]
    made = film(ALTERNATE, {"P1": shown}, alike=0.8)
    assert [s.person for s in made.cast] == ["P1"]


def test_what_no_line_of_a_speaker_covers_stays_a_turn_without_words() -> None:
    turns = [Turn(Span.of(0, 3), "S1"), Turn(Span.of(2, "2.2"), "S2"), Turn(Span.of(5, 6), "U1")]
    lines = [
        Line("L001", "S1", Span.of(0, "2.9"), "all of it"),
        Line("L002", "S2", Span.of(8, 9), "later"),
    ]
    assert wordless_turns(turns, lines) == (Turn(Span.of(2, "2.2"), "S2"),)


def test_what_begins_under_the_words_of_another_counts_however_short() -> None:
    lines = [Line("L1", "S1", Span.of(0, 2), "a"), Line("L2", "S2", Span.of("1.9", 3), "b")]

    def wordless(start: str, end: str) -> tuple[Turn, ...]:
        turns = [Turn(Span.of(0, 2), "S1"), Turn(Span.of("1.9", 3), "S2")]
        return wordless_turns([*turns, Turn(Span.of(start, end), "S2")], lines)

    assert wordless("1.8", "1.9") == (Turn(Span.of("1.8", "1.9"), "S2"),)
    assert wordless("1.5", "1.6") == ()  # short, and no part of what he says
    assert wordless("3", "3.1") == ()  # half a pause behind a word
