"""Help texts of the command line: they teach by example."""

from __future__ import annotations

EXIT_CODES: dict[int, str] = {
    0: "done (units that were passed through are listed in the report)",
    1: "something unexpected went wrong; `doctor`: something is missing",
    2: "the command line cannot be understood",
    3: "an input cannot be used: file, subtitles, language, option value (DUB-E1xx)",
    4: "an engine is missing, unfit or failed (DUB-E2xx)",
    5: "the project folder, the script or an output on disk cannot be used (DUB-E3xx)",
    6: "a quality gate (--gate) was not passed; everything was made all the same",
    130: "stopped by Ctrl-C; run the same command again to resume",
}
"""Exit code -> meaning; shown in ``--help`` and in ``docs/cli.md``."""

EPILOG = (
    "Exit codes: 0 done, 1 unexpected failure, 2 wrong usage, 3 input, 4 engine, "
    "5 project or disk, 6 a gate was not passed, 130 stopped (run again to resume). "
    "Errors carry a code such as DUB-E301, listed in docs/errors.md. "
    "POLYDUB_DEBUG=1 shows tracebacks."
)

APP = """polydub dubs whole conversations: every speaker, every cut.

A video goes in; out come the same people speaking another language, each in a matching voice,
inside the original moments, with lips that follow, over the untouched music and effects.

Try it: `polydub demo`

Dub a film into Spanish: `polydub dub film.mp4 --to es`

Everything is kept in a project folder (film.polydub). Stop at any moment and run the same command
again: finished work is reused.
"""

DUB = """Dub VIDEO into one or more languages.

Makes the video, subtitles and a report with every score. What cannot be dubbed well is passed
through unchanged and listed in the report, with the reason; so is a film in which nobody speaks.

Spanish, beside the film: `polydub dub film.mp4 --to es`

Two languages into a folder, made when it is not there: `polydub dub film.mp4 --to es,ja -o dubs/`

With your own translation: `polydub dub film.mp4 --to es --translation film.es.srt`

With your own lines and speakers: `polydub dub film.mp4 --to es --script-from lines.csv`

Another engine for one stage: `polydub dub film.mp4 --to es --engine translate=openai`

What would be done, and how long it takes: `polydub dub film.mp4 --to es --dry-run`
"""

LIPS = """Move the lips of VIDEO to a dub that you bring along.

The sound is put into the film, its words are recognised and given to the lines of the script, and
the people on screen say them. Everything else in the picture stays. The sound must keep the film's
time: each line is said about when the original was.

A finished mix: `polydub lips film.mp4 --audio film.es.wav`

Another tool's dubbed video: `polydub lips film.mp4 --audio dubbed.mp4 --language es`

With your own lines and speakers: `polydub lips film.mp4 --audio film.es.wav --script lines.csv`

The original sound is kept as the second track. Lines whose speaker is not seen keep their picture;
the table says which, and why.
"""

ANALYZE = """Analyze VIDEO: who speaks when, what is said, who is seen. Writes the script.

The script (script.json in the project folder) may be edited: names, texts, translations, voices,
who speaks. Then `polydub render PROJECT` makes the dub from it.

Analyze, and draft a Spanish translation: `polydub analyze film.mp4 --to es`

There are exactly three speakers: `polydub analyze film.mp4 --speakers 3`

Who speaks when is known from elsewhere: `polydub analyze film.mp4 --turns film.rttm`
"""

PIN = """Say who speaks, and keep it: pins hold through every new analysis.

PROJECT is the folder of a film that was analyzed; its VIDEO will do as well. Ids are those of
script.json. The film is attributed again at once (all else is reused), and what you wrote into the
script is kept.

Two speakers are one: `polydub pin film.polydub --same S1=S3`

A line is another speaker's: `polydub pin film.polydub --line L004=S2`

A line is said by somebody new: `polydub pin film.polydub --split L007`

A speaker is this face, or is never seen: `polydub pin film.polydub --face S1=P2 --face S2=none`

What is pinned: `polydub pin film.polydub --list`
"""

EXPORT = """Write who speaks when, and what, in another format.

PROJECT is the folder of a film that was analyzed; its VIDEO will do as well. The file goes beside
the video and never replaces another one unasked.

Turns for other programs: `polydub export film.polydub --format rttm`

Subtitles with names, in Spanish: `polydub export film.polydub --format srt --language es`
"""

RENDER = """Make the dub from a project's script, after you have edited it.

Only what changed is made again: the takes of edited lines, their part of the mix and their lips.

The languages and options of the project: `polydub render film.polydub`

Another language, same analysis: `polydub render film.polydub --to fr`

What would be made again: `polydub render film.polydub --dry-run`

Each language goes where it was written the last time, unless -o names another place.
"""

DEMO = """Dub a short made-up conversation into Spanish, to see everything work.

The clip (25 s, three people, eight lines, five cuts) is drawn and spoken by polydub itself, and its
translation comes with it: nothing is downloaded, no account is needed. It takes about five
minutes on two fast and idle CPU cores, three times that on busy ones, and most of it for casting
voices; run again, it reuses what is done.

Into the folder polydub-demo: `polydub demo`

There you find conversation.mp4 (the original), conversation.es.mp4 (the dub: watch the lips),
subtitles of both languages (.srt, .vtt), and the project conversation.polydub with its script.json
and es/report.html.

Then change a line in script.json and hear it: `polydub render polydub-demo/conversation.polydub`
"""

EVALUATE = """Score a dub, ours or any other tool's: who, what, when, voice, lips, picture, mix.

DUB is a dubbed video, or a project (its folder, or its original video) that was dubbed. Everything
is heard and seen anew from the finished video, by the same engines for every tool. You get a page
to open in a browser (charts, the original and the dub of every line to listen to, faces before and
after, the worst lines first) and the same as JSON.

The dub that a project made: `polydub evaluate film.polydub`

Another tool's dub, beside its original: `polydub evaluate theirs.mp4 --reference film.mp4`

With what it should say, to count wrong words:
`polydub evaluate theirs.mp4 --reference film.mp4 --to es --translation film.es.srt`

For scripts: `polydub evaluate film.polydub --gate "wer<=0.1,overlap>=0.6" || echo not good enough`

What each figure means and hides: docs/evaluation.md
"""

BENCH = """Dub and score whole suites of films, keep the figures, compare runs.

polydub's own conversations, made on the spot, the same everywhere: `polydub bench simulated`

Your films, annotated as Fun-CineForge's data: `polydub bench folder clips/`

Was the last run better than the one before, or is it noise? `polydub bench compare -2 -1`
"""

BENCH_SIMULATED = """Dub and score conversations of invented people that polydub makes itself.

Seeded: the same films everywhere, with exact truth about who speaks. The first run also makes them.

Two films, about ten minutes: `polydub bench simulated`

More, with lips, under a name: `polydub bench simulated --count 8 --lips --name main`
"""

BENCH_FOLDER = """Dub and score the films of a folder that says who speaks when in them.

FOLDER holds CLIP.mp4 files and annotations.jsonl (one line per clip: clip, turns with start, end,
speaker), as in Fun-CineForge's data, or NAME.json beside NAME.mp4. English films are dubbed into
Spanish, all others into English, unless --to says otherwise.

All clips: `polydub bench folder clips/`

Some, into French: `polydub bench folder clips/ --only en_dialogue --to fr`

A public corpus that you have (grid, v2c, hdtf, iwslt): `polydub bench folder GRID/ --layout grid`

GRID and V2C-Animation are spoken anew in English, in the words that they come with; HDTF is dubbed
into Spanish, the German of the IWSLT dubbing track into English.
"""

BENCH_COMPARE = """Compare two runs of a suite: what changed, and what is noise.

A and B are names of runs (or how they begin), or -1 for the last one, -2 for the one before it.
Lines are paired by their time; the interval is a bootstrap over them (95 %). A difference whose
interval holds zero is called noise.

`polydub bench compare before after`
"""

BENCH_RUNS = "List the runs in the history."

ENGINES = """List the engines: what they do, whether they run here, and under which licences.

Engines are chosen per stage with `--engine stage=name`; nothing is ever swapped silently.

All engines: `polydub engines`

Download the weights of one, on request: `polydub engines pull recognize.whisper`
"""

PULL = """Download weights from the model hub and verify the checksums that polydub has of them.

NAME is an engine (`whisper`, or `recognize.whisper`) or a weight (`whisper-base`). The licence is
shown first. Weights whose authors ask for consent need a token in HF_TOKEN of somebody who gave it.
"""

DOCTOR = """Check this machine: Python, memory, disk, every engine's packages and weights.

Exit code 0 when the default engines can all run, 1 when something is missing.
"""

DATASET = "Make training data out of films."

DATASET_BUILD = """Write training data for Fun-CineForge from films.

Every film is analysed; its lines become clips with voices, faces, turns and a clue, as far as they
are good enough. Films that are in the dataset already stay: the same command resumes, within a film
too. A datasheet says what is in it and under which licence. You must have the right to use the
films. `--tokens` needs `polydub engines pull speech-tokenizer-v3`, or that file in the checkpoint.
"""

TRAIN = "Teach a model from samples of your own."

TRAIN_FUNCINEFORGE = """Train Fun-CineForge's language model or flow.

SAMPLES is a JSONL file in its format (docs/funcineforge.md). The result is a checkpoint that the
engine `dubbing=funcineforge` loads; the same command goes on with a run that was stopped.
"""

VERSION = "Show the version."
