"""Every figure of an evaluation: its axis, unit, direction, protocol, and what it cannot see.

Seven axes (who, what, when, voice, lips, picture, mix) and the run. The first metric of an axis is
its *headline*: broken in that way alone, a dub moves this one and no other headline. Two choices
make the axes independent:

- *voice* compares a take with the person whom its voice stands for (see
  :mod:`polydub.evaluate.stand_in`), so that exchanged voices are an error of *who* alone;
- *lips* are judged at the best delay between sound and mouth, as LSE-C is, and the delay itself
  belongs to *when*.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from polydub.evaluate.worst import worst_decile

Axis = Literal["who", "what", "when", "voice", "lips", "picture", "mix", "run"]
Better = Literal["high", "low", "zero", "one"]
"""Which values are good: high ones, low ones, those near 0 or near 1."""

Grade = Literal["good", "fair", "poor", "plain"]

AXES: dict[Axis, str] = {
    "who": "Does every person have a voice of their own, and keep it?",
    "what": "Are the words said, and can they be understood?",
    "when": "Is it said when the original was?",
    "voice": "Does it sound like the person, and natural?",
    "lips": "Does the mouth move with the new words?",
    "picture": "Is the picture unharmed?",
    "mix": "Is all other sound still there, and the old voice gone?",
    "run": "What did it cost to make?",
}


@dataclass(frozen=True, slots=True)
class Metric:
    """One figure. ``good`` and ``fair`` are the last values that earn that grade, as distances.

    For ``"zero"`` and ``"one"`` they are distances from there. ``None``: shown, never graded.
    ``protocol`` ends in a version that is raised when values change; ``form`` is a format.
    """

    name: str
    axis: Axis
    title: str
    unit: str
    better: Better
    good: float | None
    fair: float | None
    form: str
    protocol: str
    meaning: str

    def distance(self, value: float) -> float:
        """How far from perfect, in a sense in which lower is better."""
        if self.better == "zero":
            return abs(value)
        if self.better == "one":
            return abs(value - 1)
        return -value if self.better == "high" else value

    def grade(self, value: float) -> Grade:
        """The grade of ``value``."""
        if self.good is None or self.fair is None:
            return "plain"
        good, fair = (-self.good, -self.fair) if self.better == "high" else (self.good, self.fair)
        measured = self.distance(value)
        return "good" if measured <= good else "fair" if measured <= fair else "poor"

    def worst(self, values: list[float]) -> float | None:
        """Mean of the worst tenth (at least one) of ``values``, by :meth:`distance`."""
        if self.better in ("high", "low"):
            return worst_decile(values, "high" if self.better == "high" else "low")
        count = max(1, len(values) // 10)
        chosen = sorted(values, key=self.distance, reverse=True)[:count]
        return sum(chosen) / len(chosen) if chosen else None

    def show(self, value: float) -> str:
        """``value`` as text with its unit."""
        if self.unit == "%":
            return f"{100 * value:{self.form}} %"
        return f"{value:{self.form}}" + (f" {self.unit}" if self.unit else "")


def _metric(
    name: str,
    axis: Axis,
    title: str,
    unit: str,
    better: Better,
    good: float | None,
    fair: float | None,
    *,
    form: str = ".2f",
    version: int = 1,
    meaning: str = "",
) -> Metric:
    protocol = f"polydub.{axis}.{name}/{version}"
    return Metric(name, axis, title, unit, better, good, fair, form, protocol, meaning)


_ALL = (
    # who
    _metric(
        "wrong_voice", "who", "wrong voice", "%", "low", 0.0, 0.1, form=".0f",
        meaning="Share of the dubbed seconds that are said in a voice that stands for somebody "
        "else. Hides how like the voices are: two strangers told apart well score 0.",
    ),
    _metric(
        "margin", "who", "own-minus-other margin", "", "high", 0.10, 0.0,
        meaning="CAM++ cosine to the own speaker minus that to the nearest other one, taken "
        "literally: exchanged voices make it negative. Hides who the other one is.",
    ),
    _metric(
        "closest_voices", "who", "two closest voices", "", "low", 0.45, 0.60,
        meaning="Largest CAM++ cosine between two people's voices in the dub. Hides manner.",
    ),
    _metric(
        "spk_tl", "who", "speaker timeline error (SPK-TL)", "%", "low", 0.35, 0.6, form=".0f",
        meaning="Our definition: diarization error (no collar, overlap scored) of the dub's "
        "timeline of people against the original's, both as detected speech, each dubbed line "
        "given to the person whom its voice stands for. Late and missing speech counts as well.",
    ),
    _metric(
        "der", "who", "diarization error of the script", "%", "low", 0.15, 0.3, form=".0f",
        meaning="DER of the script's lines against the true turns (no collar, overlap scored); "
        "benchmarks only, where the truth is known. Film-like sound is at 40 % for systems that "
        "only listen.",
    ),
    _metric(
        "jer", "who", "Jaccard error of the script", "%", "low", 0.2, 0.4, form=".0f",
        meaning="JER (DIHARD II) of the same: people who say little count as much.",
    ),
    # what
    _metric(
        "wer", "what", "word errors", "%", "low", 0.10, 0.30, form=".0f",
        meaning="The whole dub is heard once by a recogniser; its words are dealt out to the "
        "lines by the alignment with the fewest errors (mwerSegmenter), then word errors against "
        "the intended text. Holds the recogniser's own errors (5.7 % on film); says nothing "
        "about the translation.",
    ),
    _metric(
        "cer", "what", "character errors", "%", "low", 0.15, 0.30, form=".0f",
        meaning="The same in characters, for Chinese, Japanese, Thai and the like.",
    ),
    _metric(
        "said", "what", "lines said", "%", "high", 1.0, 0.95, form=".0f",
        meaning="Lines of which anything is heard where it should be.",
    ),
    _metric(
        "chrf", "what", "chrF", "", "high", None, None, form=".1f",
        meaning="chrF2 (Popović 2015, sacrebleu) of what is heard against a reference "
        "translation, 0 to 100. One good translation among many may score 50.",
    ),
    _metric(
        "bleu", "what", "BLEU", "", "high", None, None, form=".1f",
        meaning="BLEU (sacrebleu, 13a, or zh/ja-characters) of all lines heard against a "
        "reference translation, 0 to 100. Means little under some hundred lines.",
    ),
    # when
    _metric(
        "overlap", "when", "speech overlap", "", "high", 0.70, 0.50,
        meaning="Seconds in which both speak / seconds in which either does, of the lines that "
        "are said. Human dubs reach about 0.70 (Brannon et al. 2023, timed by alignment).",
    ),
    _metric(
        "onset_ms", "when", "onset error", "ms", "zero", 120.0, 250.0, form="+.0f",
        meaning="First sound of the dubbed line minus that of the original; + is late.",
    ),
    _metric(
        "offset_ms", "when", "offset error", "ms", "zero", 250.0, 500.0, form="+.0f",
        meaning="The same at the end.",
    ),
    _metric(
        "av_delay_ms", "when", "sound after mouth", "ms", "zero", 80.0, 160.0, form="+.0f",
        version=2,
        meaning="The delay of the sound at which it fits the mouths best; + is late. Measured "
        "over all lines together, from lip landmarks; a few seconds of speech are too little.",
    ),
    _metric(
        "speed", "when", "speed", "×", "one", 0.20, 0.35,
        meaning="Rate against natural speech, as the tool says (polydub's own dubs only).",
    ),
    _metric(
        "collisions_s", "when", "collisions", "s", "low", 0.0, 0.5,
        meaning="Seconds with two takes at once where the original has one voice (polydub's own "
        "dubs only: takes cannot be told apart in a mix).",
    ),
    _metric(
        "drift", "when", "drift", "ms/min", "zero", 20.0, 60.0, form="+.0f",
        meaning="Theil-Sen slope of onset errors over the film; only over a minute or more.",
    ),
    # voice
    _metric(
        "similarity", "voice", "voice similarity", "", "high", 0.35, 0.20,
        meaning="CAM++ cosine of the dubbed line and the person whom its voice stands for. "
        "Parts of one recording reach about 0.6, different people about 0.1. A shared room "
        "raises it; CAM++ also chose polydub's voices, which makes it partial.",
    ),
    _metric(
        "similarity_ge2e", "voice", "voice similarity, GE2E", "", "high", 0.65, 0.58,
        meaning="The same by an independent encoder, on its own scale: one person 0.76, "
        "different people 0.56.",
    ),
    _metric(
        "stability", "voice", "stability", "", "high", 0.55, 0.40,
        meaning="CAM++ cosine of a line with the person's other lines in the dub.",
    ),
    _metric(
        "dnsmos", "voice", "DNSMOS", "MOS", "high", 3.0, 2.5,
        meaning="DNSMOS P.835 overall (Reddy et al. 2022) of the separated voice; knows no "
        "wrong word and no wrong accent.",
    ),
    _metric(
        "distillmos", "voice", "DistillMOS", "MOS", "high", 3.8, 3.2,
        meaning="DistillMOS v7 (Stahl and Gamper 2025) of the separated voice; the same blind "
        "spots.",
    ),
    _metric(
        "utmos", "voice", "UTMOS", "MOS", "high", None, None,
        meaning="UTMOS strong learner (Saeki et al. 2022) of the separated voice; needs its "
        "weights. Taught on synthesis of 2008 to 2020: among today's voices it says little.",
    ),
    _metric(
        "emotion", "voice", "emotion similarity", "", "high", None, None,
        meaning="Cosine of the mean hidden states of a model of arousal, dominance and valence "
        "(Wagner et al. 2023), original line against dubbed line; needs its weights (CC BY-NC-SA). "
        "Holds speaker and language too: compare dubs of one film only.",
    ),
    _metric(
        "emotion_shift", "voice", "emotion shift", "", "low", None, None,
        meaning="Mean absolute difference of arousal, dominance and valence (0 to 1) by the same "
        "model. Taught on English; valence is read from words as well.",
    ),
    _metric(
        "contour", "voice", "pitch contour", "", "high", 0.35, 0.10,
        meaning="Correlation of the pitch contours in semitones; another language has another "
        "melody, so 0.3 to 0.6 is usual for good acting.",
    ),
    _metric(
        "mcd_dtw", "voice", "MCD-DTW", "dB", "low", None, None, form=".1f",
        meaning="Mel cepstral distortion along the best alignment, against the original line: "
        "of use where both say the same words (a dub in the same language).",
    ),
    _metric(
        "mcd_dtw_sl", "voice", "MCD-DTW-SL", "dB", "low", None, None, form=".1f",
        meaning="MCD-DTW times the ratio of the longer to the shorter (V2C-Net, Chen 2022).",
    ),
    # lips
    _metric(
        "lip_sync", "lips", "mouth follows the voice", "", "high", None, None, version=2,
        meaning="Correlation of what mouth and sound have in common (a fit on eleven sentences of "
        "GRID, from landmarks), at the film's best delay where there is a clear one (so a constant "
        "delay does not change it). A talker's own voice fits better than another's in 4 of 5 "
        "pairs of film lines, real mouths reach -0.1 to 0.8: read it over many lines, beside the "
        "next figure. Exaggerated mouths score as well as real ones.",
    ),
    _metric(
        "lip_sync_original", "lips", "the original's mouth, its voice", "", "high", None, None,
        version=2,
        meaning="How well the original's mouths follow the original's voice by the same measure: "
        "the scale for the figure above.",
    ),
    _metric(
        "lip_motion", "lips", "mouth motion", "×", "one", 0.5, 0.8,
        meaning="Speed of the mouth while the dub speaks / its speed while the original spoke. "
        "0: the mouth does not move.",
    ),
    _metric(
        "lip_leak", "lips", "mouth moves in silence (LipLeak)", "%", "low", 0.2, 0.4, form=".0f",
        meaning="Our definition: share of the frames in which the speaker is seen and silent in "
        "the dub that have a moving mouth (over 0.25 eye distances per second). Laughing and "
        "chewing count: read it beside the same figure of the original.",
    ),
    _metric(
        "lse_c", "lips", "LSE-C", "", "high", None, None,
        meaning="SyncNet confidence (Chung and Zisserman 2016; Prajwal 2020); needs its weights.",
    ),
    _metric(
        "lse_d", "lips", "LSE-D", "", "low", None, None,
        meaning="SyncNet distance at the best delay; needs its weights.",
    ),
    _metric(
        "lse_offset_ms", "lips", "SyncNet's delay", "ms", "zero", None, None, form="+.0f",
        meaning="The delay at which SyncNet fits best, + is a late sound, in steps of 40 ms; needs "
        "its weights. It says nothing where LSE-C is low.",
    ),
    # picture
    _metric(
        "outside_psnr", "picture", "picture outside faces", "dB", "high", 40.0, 34.0, form=".1f",
        meaning="PSNR of luma against the original outside all faces (80 where identical); "
        "codec noise is 40 to 50. Not measured when the sizes differ.",
    ),
    _metric(
        "identity", "picture", "identity", "", "low", 0.25, 0.40,
        meaning="Distance of the face prints (dlib) of the same frame before and after; over "
        "0.42 it is taken for somebody else.",
    ),
    _metric(
        "sharpness", "picture", "sharpness of the mouth", "×", "one", 0.35, 0.6,
        meaning="Variance of the Laplacian of the lower face, after / before, median of frames.",
    ),
    _metric(
        "flicker", "picture", "flicker", "×", "low", 1.3, 1.8,
        meaning="Change from frame to frame of the skin around the mouth, after / before.",
    ),
    _metric(
        "seam", "picture", "seam", "ΔE", "low", 1.0, 2.3,
        meaning="Step of colour (CIE76) across the border of what was changed, beyond the step "
        "that the original has there; 2.3 is just noticeable.",
    ),
    _metric(
        "touched", "picture", "faces changed", "%", "high", None, None, form=".0f",
        meaning="Share of the frames of on-screen lines in which the face was changed at all.",
    ),
    # mix
    _metric(
        "bed_db", "mix", "background level", "dB", "zero", 1.5, 4.0, form="+.1f",
        meaning="Level of the sound where nobody speaks, dub minus original (-60 at least).",
    ),
    _metric(
        "bed_sdr", "mix", "background fidelity", "dB", "high", 10.0, 5.0, form=".1f",
        meaning="SI-SDR of the sound where nobody speaks against the original's. A lossy codec "
        "leaves 10 to 25 dB; another sample clock leaves nothing.",
    ),
    _metric(
        "bed_true_sdr", "mix", "background, known stem", "dB", "high", None, None, form=".1f",
        meaning="SI-SDR (Le Roux et al. 2019) of the dub's background, separated again, against "
        "the original's true one, under the voices too; benchmarks only, where the stems are "
        "known. Two separations are in it: that of the dub's maker and ours.",
    ),
    _metric(
        "loudness_lu", "mix", "loudness of the voice", "LU", "zero", 2.0, 5.0, form="+.1f",
        meaning="Loudness (BS.1770-4) of the separated voice of the line, dub minus original.",
    ),
    _metric(
        "film_lu", "mix", "loudness of the film", "LU", "zero", 1.5, 4.0, form="+.1f",
        meaning="Integrated loudness of the whole sound, dub minus original.",
    ),
    _metric(
        "true_peak_db", "mix", "true peak", "dBTP", "low", -1.0, 0.0, form=".1f",
        meaning="Highest true peak, as decoded from the video.",
    ),
    _metric(
        "leak_db", "mix", "old voice left", "dB", "low", -20.0, -12.0, form=".1f",
        meaning="How much of the old voice is left under the new one, against how loud it was; "
        "hides tails and musical noise. Stems come from separation.",
    ),
    _metric(
        "length_ms", "mix", "length", "ms", "zero", 50.0, 200.0, form="+.0f",
        meaning="Length of the dubbed sound minus that of the picture's original film.",
    ),
    # run
    _metric(
        "rtf", "run", "work per second of film", "s", "low", None, None, form=".1f",
        meaning="Wall-clock seconds of making the dub, cached stages at what they last took.",
    ),
    _metric(
        "peak_mib", "run", "peak memory", "MiB", "low", None, None, form=".0f",
        meaning="Highest resident memory of any stage.",
    ),
)  # fmt: skip

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
"""Name -> metric, axis by axis, headlines first: the order of display."""

HEADLINES: dict[Axis, tuple[str, ...]] = {
    "who": ("wrong_voice",),
    "what": ("wer", "cer"),
    "when": ("overlap", "onset_ms"),
    "voice": ("similarity",),
    "lips": ("lip_sync", "lip_motion"),
    "picture": ("outside_psnr", "identity"),
    "mix": ("bed_db", "bed_sdr"),
    "run": ("rtf",),
}
"""Axis -> the figures by which a person reads it; those that the axis is proven by in tests."""


def metrics_of(axis: Axis) -> tuple[Metric, ...]:
    """The metrics of one axis, in order."""
    return tuple(metric for metric in METRICS.values() if metric.axis == axis)
