"""One objective for who speaks every atom of a film and which face each voice belongs to.

Voices are Gaussian: a speaker's mean voiceprint is drawn around the average of all speakers, its
windows around that mean, and the mean is integrated out (probabilistic linear discriminant
analysis with spherical covariances, as in Landini et al. 2022, "Bayesian HMM clustering of x-vector
sequences"). So a voice needs no fixed threshold: a second one pays for itself as soon as the sound
is better explained by two, and a voice heard for a second is trusted less than one heard for a
minute. Mouths add their log-odds, changes of speaker have a price, and all of it is in nats.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.optimize import linear_sum_assignment

from polydub.stages.joint_names import Calls

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]

NEVER = 1e9
"""A price in nats that nothing can pay."""
MIXED = 0.5**0.5
"""Share of each of two voices in the print of both: it has unit length, they are nothing alike."""


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Constants of the objective; nats unless said otherwise.

    ``alike``, ``unlike``: mean cosine between two 0.9 s windows of one voice and of two (CAM++ on
    seven film clips: 0.46 and 0.10 inside a clip, 0.06 across clips, deviation 0.10; a film's own
    voices may be more ``alike``, see :mod:`polydub.stages.voice_spread`).
    ``dimensions`` that are worth an independent look: fewer than the print has, for its errors go
    together. ``new_voice``: price of another member of the cast, ``twin``: what it costs besides if
    it sounds like another one (casts have more alike voices than chance would give, so that the
    likelihood alone would never let two mouths have one sound; at 4 and above two of 15 films with
    alike voices lost a speaker, at 2 another film's fourth speaker was put together from parts).
    ``link``: what a face must bring in evidence to be a voice's. ``in_view``: how much likelier,
    per second, the speaker's face is in the picture than not.
    """

    alike: float = 0.5
    unlike: float = 0.08
    dimensions: float = 45.0
    new_voice: float = 3.0
    twin: float = 3.0
    link: float = 1.0
    in_view: float = 0.3

    @property
    def between(self) -> float:
        """Variance of the speakers' means, of 1."""
        return self.alike - self.unlike

    @property
    def within(self) -> float:
        """Variance of one window around its speaker's mean."""
        return 1.0 - self.alike


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """All evidence of a film as arrays over its atoms, and what the user fixed.

    ``sums [atoms, d]``, ``counts [atoms]``: voiceprints; ``talks``, ``seen`` ``[atoms, people]``:
    mouths; ``change``, ``stay`` ``[atoms]``: price of a change of voice, or of none, before each
    atom; ``calls``: the names in the text.
    ``forced [atoms]``: the pinned voice or -1; voices ``0 .. pinned - 1`` are those that pins name,
    ``person_of`` their fixed people (-1 = none). ``speakers``: the fixed number of voices.
    """

    sums: Floats
    counts: Floats
    talks: Floats
    seen: Floats
    change: Floats
    stay: Floats
    forced: Labels
    pinned: int = 0
    person_of: dict[int, int] = field(default_factory=dict)
    speakers: int | None = None
    calls: Calls = field(default_factory=Calls)

    @property
    def n_atoms(self) -> int:
        """How many atoms there are."""
        return len(self.counts)


@dataclass(frozen=True, slots=True, eq=False)
class Voices:
    """What the atoms of each voice add up to: ``sums [voices, d]``, ``counts [voices]``.

    ``people [voices]``: index of the linked person, -1 = none. ``twin [voices]``: the voice that
    sounds the same, -1 = none. ``names``: index of the voice of each name in the text, -1 = none.
    """

    sums: Floats
    counts: Floats
    people: Labels
    twin: Labels
    names: Labels


def gather(scene: Scene, labels: Labels, n_voices: int, options: ModelOptions) -> Voices:
    """Voices from an assignment of all atoms, each linked to the face that suits it best."""
    sums = by_voice(scene.sums, labels, n_voices)
    counts = np.bincount(labels, scene.counts, minlength=n_voices).astype(np.float64)
    people, _ = link_people(scene, face_totals(scene, labels, n_voices), options)
    names = scene.calls.bearers(labels, n_voices)
    return Voices(sums, counts, people, find_twins(sums, counts, options)[0], names)


def by_voice(values: Floats, labels: Labels, n_voices: int) -> Floats:
    """Sums ``[voices, columns]`` of the rows of ``values [atoms, columns]``."""
    own = np.zeros((n_voices, len(labels)))
    own[labels, np.arange(len(labels))] = 1.0
    return np.asarray(own @ values)


def face_totals(scene: Scene, labels: Labels, n_voices: int) -> Floats:
    """Evidence ``[voices, people]`` of all mouths that each voice is that person's."""
    return by_voice(scene.talks, labels, n_voices)


def link_people(scene: Scene, totals: Floats, options: ModelOptions) -> tuple[Labels, float]:
    """The best one-to-one assignment of people to voices, in which a voice may stay unseen.

    Returns the person of each voice (-1 = none) and what the links are worth. Exact (Hungarian
    method). Pinned links hold.
    """
    gain = _link_gains(scene, totals, options)
    n_people = totals.shape[1]
    rows, columns = linear_sum_assignment(gain, maximize=True)
    people = np.full(len(totals), -1, dtype=np.int64)
    keep = (columns < n_people) & (gain[rows, columns] > 0)
    people[rows[keep]] = columns[keep]
    worth = float((totals[rows[keep], columns[keep]] - options.link).sum())
    return people, worth


def _link_gains(scene: Scene, totals: Floats, options: ModelOptions) -> Floats:
    """What each link is worth ``[voices, people + voices]``; the last columns mean "unseen"."""
    n_voices, n_people = totals.shape
    gain = np.concatenate([totals - options.link, np.zeros((n_voices, n_voices))], axis=1)
    for voice, person in scene.person_of.items():
        if voice < n_voices:
            gain[voice, :n_people] = -NEVER
            if person >= 0:
                gain[:, person] = -NEVER
                gain[voice, person] = NEVER + totals[voice, person]
    return np.asarray(gain)


def link_lead(scene: Scene, totals: Floats, voice: int, options: ModelOptions) -> float:
    """How much, in nats, the best links lose when the voice may not have its own.

    Then a linked voice has another person or none, an unseen one some person.
    """
    gain = _link_gains(scene, totals, options)
    rows, columns = linear_sum_assignment(gain, maximize=True)
    best = float(gain[rows, columns].sum())
    own = int(columns[voice])
    if own < totals.shape[1] and gain[voice, own] > 0:
        gain[voice, own] = -NEVER
    else:
        gain[voice, totals.shape[1] :] = -NEVER
    rows, columns = linear_sum_assignment(gain, maximize=True)
    return best - float(gain[rows, columns].sum())


def find_twins(sums: Floats, counts: Floats, options: ModelOptions) -> tuple[Labels, float]:
    """Pairs of voices that are better explained by one sound, and what that is worth in nats.

    The pair with most to win first; a voice has one twin at most.
    """
    twin = np.full(len(counts), -1, dtype=np.int64)
    own = mean_evidence(_squared_length(sums, counts, options), counts, options)
    both = counts[:, None] + counts[None, :]
    inner = sums @ sums.T
    raw = np.diag(inner)[:, None] + np.diag(inner)[None, :] + 2 * inner
    length = np.maximum(0.0, raw - options.unlike * both**2)
    gain = mean_evidence(length, both, options) - own[:, None] - own[None, :] - options.twin
    gain[counts == 0, :] = gain[:, counts == 0] = -np.inf
    np.fill_diagonal(gain, -np.inf)
    worth = 0.0
    while gain.size and gain.max() > 0:
        one, two = divmod(int(np.argmax(gain)), len(counts))
        worth += float(gain[one, two])
        twin[one], twin[two] = two, one
        for voice in (one, two):
            gain[voice, :] = gain[:, voice] = -np.inf
    return twin, worth


def voice_evidence(sums: Floats, counts: Floats, options: ModelOptions) -> Floats:
    """Log marginal likelihood ``[voices]`` of each voice's windows, its mean integrated out.

    Up to a constant that is the same for every assignment.
    """
    return mean_evidence(_squared_length(sums, counts, options), counts, options)


def sound_lead(
    scene: Scene, voices: Voices, atoms: Sequence[int], voice: int, options: ModelOptions
) -> float:
    """How much better, in nats, ``atoms`` of a voice fit to the rest of it than anywhere else.

    Anywhere else is the next best voice or one not heard before. Below zero they sound like
    somebody else. Nothing is known of a voice without any other atoms: 0.
    """
    part, count = scene.sums[list(atoms)].sum(axis=0), scene.counts[list(atoms)].sum()
    sums, counts = voices.sums.copy(), voices.counts.copy()
    sums[voice] -= part
    counts[voice] = max(0.0, counts[voice] - count)
    alone = voice_evidence(part[None], np.array([count]), options)[0]
    fits = voice_evidence(sums + part, counts + count, options)
    fits -= voice_evidence(sums, counts, options) + alone
    others = np.delete(fits, voice)
    return float(fits[voice] - max(0.0, float(others.max(initial=0.0))))


def mean_evidence(length: Floats, counts: Floats, options: ModelOptions) -> Floats:
    """The same from the squared length of a voice's sum: what :func:`voice_evidence` computes."""
    between, within = options.between, options.within
    mean = length / within**2 / (counts / within + 1 / between)
    return np.asarray(0.5 * options.dimensions * (mean - np.log1p(counts * between / within)))


def _squared_length(sums: Floats, counts: Floats, options: ModelOptions) -> Floats:
    """Squared length of summed voiceprints, without what all speakers have in common."""
    raw = np.einsum("kd,kd->k", sums, sums)
    return np.asarray(np.maximum(0.0, raw - options.unlike * counts**2))


def emissions(scene: Scene, voices: Voices, options: ModelOptions) -> Floats:
    """Log-likelihood ``[atoms, voices]`` of what is heard and seen in each atom, by its speaker.

    The expected one under what is known of the voice's mean: an uncertain mean explains less.
    Forbidden by a pin: ``-NEVER``.
    """
    within = options.within
    sums, counts, shrink, common = _compared(scene, voices, options)
    spread = _squared_length(sums, counts, options) * shrink**2 + within * shrink
    heard = (common * shrink - np.outer(scene.counts, spread) / 2) / within
    total = options.dimensions * heard
    linked = voices.people >= 0
    total[:, linked] += scene.talks[:, voices.people[linked]]
    total[:, linked] += options.in_view * _in_view(scene)[:, voices.people[linked]]
    scene.calls.add_to(total, voices.names)
    pinned = np.flatnonzero(scene.forced >= 0)
    total[pinned] -= NEVER
    total[pinned, scene.forced[pinned]] += NEVER
    return np.asarray(total)


def second_emissions(scene: Scene, voices: Voices, labels: Labels, options: ModelOptions) -> Floats:
    """Log-likelihood ``[atoms, voices]`` of what is heard by who speaks besides ``labels [atoms]``.

    The print of two voices lies between them, so the known one is taken away before the others are
    compared: who sounds like him would be taken for the second one otherwise.
    """
    within = options.within
    sums, counts, shrink, common = _compared(scene, voices, options)
    means = sums @ sums.T - options.unlike * np.outer(counts, counts)
    means *= np.outer(shrink, shrink)  # [voices, voices]: inner products
    both = means[labels] + (np.diag(means) + within * shrink) / 2
    heard = MIXED * common * shrink - MIXED**2 * scene.counts[:, None] * both
    return np.asarray(options.dimensions * heard / within)


def _compared(
    scene: Scene, voices: Voices, options: ModelOptions
) -> tuple[Floats, Floats, Floats, Floats]:
    """``sums [voices, d]`` and ``counts [voices]``, those of a voice's twin included, ``shrink``
    ``[voices]`` of a sum to the voice's likely mean, and ``common [atoms, voices]``: inner products
    of what is heard with the sums.
    """
    shared = voices.twin >= 0
    sums = voices.sums + np.where(shared[:, None], voices.sums[voices.twin], 0.0)
    counts = voices.counts + np.where(shared, voices.counts[voices.twin], 0.0)
    shrink = options.between / (options.between * counts + options.within)
    common = scene.sums @ sums.T - options.unlike * np.outer(scene.counts, counts)
    return sums, counts, shrink, common


def _in_view(scene: Scene) -> Floats:
    return np.asarray(scene.seen * np.minimum(1.0, scene.counts)[:, None])


def objective(scene: Scene, labels: Labels, n_voices: int, options: ModelOptions) -> float:
    """The value of an assignment with the best links for it; higher is better."""
    voices = gather(scene, labels, n_voices, options)
    used = voices.counts > 0
    value = float(voice_evidence(voices.sums, voices.counts, options)[used].sum())
    value += find_twins(voices.sums, voices.counts, options)[1]
    value += scene.calls.worth(labels, n_voices, voices.names)
    totals = face_totals(scene, labels, n_voices)
    value += link_people(scene, totals, options)[1]
    linked = voices.people[labels]
    at = np.flatnonzero(linked >= 0)
    value += options.in_view * float(_in_view(scene)[at, linked[at]].sum())
    value -= _change_prices(scene, labels)
    alive = int(np.bincount(labels, minlength=n_voices).astype(bool).sum()) if len(labels) else 0
    value -= options.new_voice * alive
    if scene.speakers is not None:
        value -= NEVER / 1000 * abs(alive - scene.speakers)
    wrong = (scene.forced >= 0) & (scene.forced != labels)
    return value - NEVER * float(wrong.sum())


def _change_prices(scene: Scene, labels: Labels) -> float:
    # to whom it changes is free: in a scene of six, too, two mostly talk to each other
    if len(labels) < 2:
        return 0.0
    changed = labels[1:] != labels[:-1]
    return float(np.where(changed, scene.change[1:], scene.stay[1:]).sum())


def decode(scene: Scene, scores: Floats) -> Labels:
    """The best sequence of voices (Viterbi): ``scores [atoms, voices]`` less the prices of changes.

    Time and memory grow with atoms times voices.
    """
    n_atoms, n_voices = scores.shape
    if n_atoms == 0:
        return np.zeros(0, dtype=np.int64)
    came_from = np.tile(np.arange(n_voices, dtype=np.int32), (n_atoms, 1))
    change, stay = scene.change.tolist(), scene.stay.tolist()
    best = scores[0].copy()
    for at in range(1, n_atoms):
        leader = int(best.argmax())
        top = float(best[leader])
        best[leader] = -np.inf  # nobody changes to himself: the leader's rival is the second best
        second = int(best.argmax())
        rival, moved = float(best[second]) - change[at], top - change[at]
        best -= stay[at]
        came_from[at, best < moved] = leader
        np.maximum(best, moved, out=best)
        best[leader] = max(rival, top - stay[at])
        came_from[at, leader] = second if rival > top - stay[at] else leader
        best += scores[at]
    labels = np.zeros(n_atoms, dtype=np.int64)
    labels[-1] = int(np.argmax(best))
    for at in range(n_atoms - 1, 0, -1):
        labels[at - 1] = came_from[at][labels[at]]
    return labels


def posteriors(scene: Scene, scores: Floats, *, temperature: float = 1.0) -> Floats:
    """Probability ``[atoms, voices]`` of every speaker for every atom (forward-backward).

    ``temperature`` above 1 divides all log-likelihoods and prices: the evidence of neighbouring
    atoms is not as independent as the model takes it to be.
    """
    n_atoms, n_voices = scores.shape
    if n_atoms == 0 or n_voices == 1:
        return np.ones((n_atoms, n_voices))
    scores = scores / temperature
    change = scene.change / temperature
    stay = scene.stay / temperature
    forward, backward = np.zeros_like(scores), np.zeros_like(scores)
    forward[0] = scores[0]
    for at in range(1, n_atoms):
        forward[at] = scores[at] + _step(forward[at - 1], change[at], stay[at])
    for at in range(n_atoms - 2, -1, -1):
        backward[at] = _step(backward[at + 1] + scores[at + 1], change[at + 1], stay[at + 1])
    joint = forward + backward
    joint -= joint.max(axis=1, keepdims=True)
    weights = np.exp(joint)
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def _step(values: Floats, change: float, stay: float) -> Floats:
    """Log-sum over the voices before (or after) each voice, with the prices of a change."""
    top = values.max()
    weights = np.exp(values - top)
    moved = np.maximum(weights.sum() - weights, 0.0) * np.exp(-change)
    return np.asarray(top + np.log(np.maximum(moved + weights * np.exp(-stay), 1e-300)))
