"""The graph: analysis to a script, script to dubs. Runs here, in this process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polydub.errors import ProjectError
from polydub.media.master import AudioTrack, SubtitleTrack, copy_obstacle, write_master
from polydub.model import (
    Decision,
    Report,
    Script,
    Source,
    Span,
    merge,
    without,
)
from polydub.pipeline.analysis import (
    VERSION,
    Analysis,
    Picture,
    Sound,
    chosen_audio,
    see,
    separate_sound,
)
from polydub.pipeline.beside import Beside
from polydub.pipeline.casting import cast_stage
from polydub.pipeline.checks import given_translation, licence_warnings
from polydub.pipeline.cueing import cues_of_lines, nonverbal_sounds
from polydub.pipeline.given import (
    Given,
    given_script,
    given_voices,
    linked,
    named_as_given,
    read_given,
    words_of,
)
from polydub.pipeline.hearing import Heard, find_voices, listen
from polydub.pipeline.mixing import DubTrack, mix_dub
from polydub.pipeline.options import require_other_language
from polydub.pipeline.outputs import is_current, is_untouched, record_output, request_key
from polydub.pipeline.picture import Lips, PieceCache, render_lips, said_takes
from polydub.pipeline.pinning import project_pins
from polydub.pipeline.profiles import Profiles
from polydub.pipeline.reporting import build_report, line_clips, write_report
from polydub.pipeline.rewording import meet_gate
from polydub.pipeline.run import Run
from polydub.pipeline.scenes import scene_profiles, speak_scenes
from polydub.pipeline.scripting import build_script, make_thumbnails, report_problems
from polydub.pipeline.series import keep_series_voices
from polydub.pipeline.settling import (
    keep_script,
    pin_edits,
    recall_script,
    remember_script,
    settle_script,
)
from polydub.pipeline.speaking import speak_lines
from polydub.pipeline.takes import Spoken, TakeMaker
from polydub.pipeline.translating import translate_script
from polydub.pipeline.wording import choose_texts
from polydub.project.cache import digest
from polydub.project.script_file import read_script
from polydub.project.subtitles import cues_of, write_srt, write_vtt
from polydub.stages.diarize import Diarization
from polydub.stages.pins import Pins

ATTRIBUTION = "10"
"""Part of a script's key: raise it when the code that decides who speaks changes what it says."""


DECIDING = ("separate", "recognize", "vad", "segment", "voiceprint", "active-speaker")
"""Engines of whose output the key does not already hold a digest."""


@dataclass(frozen=True, slots=True)
class Finished:
    """What one language produced; ``subtitles`` are all .srt and .vtt files."""

    video: Path
    subtitles: tuple[Path, ...]
    report_page: Path
    report: Report
    script: Script


def analyse(run: Run, source: Source) -> Analysis:
    """Everything left of the Script; the script on disk is the result's ``script``.

    Raises ``InputError`` DUB-E108 as soon as the film turns out to speak a target language.
    """
    video = source.video
    assert video is not None
    later = run.project.script_path.exists() and run.options.targets
    if later and not run.options.dubs_scenes:
        run.engines.prepare("speak")  # a later run comes to it in a moment
    with Beside(run, lambda own: see(own, source, video)) as looking:
        sound = separate_sound(run, source, run.options.source_language)
        run.engines.release("separate")
        heard = listen(run, source, sound, run.options.source_language)
        if not run.project.script_path.exists():  # else the script says which language it is
            require_other_language(heard.transcript.language, run.options.must_differ)
        given = read_given(run.options, source, heard.transcript.language)
        if given:
            voices = given_voices(run, source, sound, given)
        else:
            voices = find_voices(run, source, sound, heard)
        picture = looking.result()
    run.engines.release("shots", "faces", "identify-face")
    parts = (picture.key, heard.transcript, voices.turns, given.lines, given.target)
    pins = project_pins(run, given.turns)
    key = _analysis_key(run, source, parts, pins)
    changed = run.project.state.analysis_key not in ("", key)
    if changed and not given.lines and pin_edits(run, pins):
        pins = project_pins(run, given.turns)
        key = _analysis_key(run, source, parts, pins)
    script = _script(run, source, (sound, picture), (heard, voices), (given, pins), key)
    script = settle_script(run, script, key, speakers_given=bool(given.lines))
    require_other_language(script.language, run.options.must_differ)
    report_problems(run, script)
    return Analysis(source, sound, picture, heard.speech, script, key)


def _analysis_key(run: Run, source: Source, parts: tuple[Any, ...], pins: Pins) -> str:
    return digest(
        VERSION,
        ATTRIBUTION,
        *parts,
        pins,
        source.digest,
        [run.engines.identity(kind) for kind in DECIDING],
        chosen_audio(source, run.options.source_language).index,
    )


def _script(
    run: Run,
    source: Source,
    layers: tuple[Sound, Picture],
    said: tuple[Heard, Diarization],
    told: tuple[Given, Pins],
    key: str,
) -> Script:
    """The script of an earlier run with this ``key``, else a new one."""
    script = recall_script(run, key)
    if script is None:
        before = len(run.decisions)
        script = _new_script(run, source, layers, said, *told)
        remember_script(run, script, key, run.decisions[before:])
        return script
    with run.stage("attribute") as progress:
        progress.step("film", cached=True)
    return replace(script, source=Path(source.path).name)


def _new_script(
    run: Run,
    source: Source,
    layers: tuple[Sound, Picture],
    said: tuple[Heard, Diarization],
    given: Given,
    pins: Pins,
) -> Script:
    """The script as the machine sees it, or as the user's turns or lines have it."""
    heard, voices = said
    if not given:
        return build_script(run, source, layers, heard, voices, pins)
    # given turns say themselves where they overlap
    heard = replace(heard, speech=merge(turn.span for turn in given.turns), mixture=())
    if not given.lines:
        found = build_script(run, source, layers, heard, voices, pins)
        return named_as_given(found, given.turns)
    script = given_script(source, heard.transcript, given)
    heard = replace(heard, transcript=words_of(script, heard.transcript))
    return linked(script, build_script(run, source, layers, heard, voices, pins))


def produce(run: Run, analysis: Analysis, language: str, out: Path, *, overwrite: bool) -> Finished:
    """The dub of one language, from the script to the finished files."""
    analysis, script = translated(run, analysis, language)
    run.decide(*licence_warnings(run, language))
    run.engines.release("translate")
    speak = _by_scene if run.options.dubs_scenes else _by_line
    script, profiles, spoken = speak(run, analysis, script, language)
    dub = mix_dub(run, analysis, script, spoken, _kept(run, analysis, script, spoken))
    said = said_takes(spoken)
    lips = render_lips(run, analysis, script, said, dub.dry) if run.options.lips else None
    subtitles = _write_subtitles(run, script, spoken, language, out, overwrite=overwrite)
    _master(run, analysis, script, (dub, lips), subtitles, language, out)
    scores = _merged(dub.scores, lips.scores if lips else {})
    report = build_report(run, analysis, script, language, spoken, profiles, scores)
    tracks = analysis.picture.tracks()
    pictures = make_thumbnails(run, analysis.source, script.people, tracks, analysis.picture.key)
    clips = line_clips(analysis, script, spoken)
    page = write_report(run.project.folder(language), report, pictures, clips)
    settled = read_script(run.project.script_path)
    run.project.state.finished[language] = request_key(settled, language, run.options.of_dub())
    run.project.save()
    files = tuple(file for _, _, path in subtitles for file in (path, path.with_suffix(".vtt")))
    return Finished(out, files, page, report, script)


def _by_line(
    run: Run, analysis: Analysis, script: Script, language: str
) -> tuple[Script, Profiles, dict[str, Spoken]]:
    """Every line in the voice that was cast for its speaker, in the wording that fits best."""
    profiles, script = cast_stage(run, analysis, script, language)
    keep_series_voices(run, script, profiles.prints)
    choices = {x.id: x.voices[language] for x in script.cast if language in x.voices}
    cues = cues_of_lines(run, analysis, script)
    maker = TakeMaker(run, language, choices, profiles, cues)
    script = choose_texts(run, script, maker, language)
    keep_script(run, script, run.project.state.analysis_key)
    spoken = speak_lines(run, script, maker, language)
    chosen, spoken = meet_gate(run, script, maker, profiles, language, spoken)
    if chosen is not script:
        keep_script(run, chosen, run.project.state.analysis_key)
    return chosen, profiles, spoken


def _by_scene(
    run: Run, analysis: Analysis, script: Script, language: str
) -> tuple[Script, Profiles, dict[str, Spoken]]:
    """Whole scenes at once, in the voices of the original."""
    profiles = scene_profiles(run, analysis, script)
    cues = cues_of_lines(run, analysis, script)
    keep_script(run, script, run.project.state.analysis_key)
    return script, profiles, speak_scenes(run, analysis, script, profiles, cues, language)


SURE_SOUND = 0.5
"""Confidence from which a laugh or breath of the original is kept."""


def _kept(
    run: Run, analysis: Analysis, script: Script, spoken: Mapping[str, Spoken]
) -> tuple[Span, ...]:
    """Laughs, breaths and sighs that stay in the film, where the same speaker's take is silent.

    What is voiced and no laugh may be a word that was not recognised: it goes.
    """
    own = {line.id: line.speaker for line in script.lines}
    found: list[Span] = []
    for sound in nonverbal_sounds(run, analysis, script):
        if sound.kind != "voice" and sound.confidence >= SURE_SOUND:
            takes = [s.placement.span for id_, s in spoken.items() if own[id_] == sound.speaker]
            found += without([sound.span], merge(takes))
    return merge(found)


def _merged(*scores: Mapping[str, Mapping[str, float]]) -> dict[str, dict[str, float]]:
    """By line: the scores of all."""
    lines = sorted({line for one in scores for line in one})
    return {line: {k: v for one in scores for k, v in one.get(line, {}).items()} for line in lines}


def translate_only(run: Run, analysis: Analysis, language: str) -> Analysis:
    """The analysis with its script translated and written, and nothing spoken."""
    analysis, script = translated(run, analysis, language)
    keep_script(run, script, run.project.state.analysis_key)
    return analysis


def translated(run: Run, analysis: Analysis, language: str) -> tuple[Analysis, Script]:
    """The analysis with a translated script, and that script; nothing is written."""
    options: dict[str, Any] = {}
    name = run.options.engine("translate", language)
    if name == "given":
        given = given_translation(run, language, analysis.video.average_rate)
        lines = analysis.script.lines
        options = {"cues": given.cues, "texts": given.texts, "lines": lines}
    elif name == "llm-local" and run.options.llm_model:
        options = {"model": run.options.llm_model}
    script = translate_script(run, analysis.script, language, options)
    return replace(analysis, script=script), script


def _write_subtitles(
    run: Run,
    script: Script,
    spoken: Mapping[str, Spoken],
    language: str,
    out: Path,
    *,
    overwrite: bool,
) -> list[tuple[str, str, Path]]:
    """``(language, title, srt)`` for both languages; a .vtt lies beside each .srt."""
    if not run.options.subtitles:
        return []
    placements = [item.placement for item in spoken.values()]
    written: list[tuple[str, str, Path]] = []
    for tag, title, cues in (
        (language, "Dubbed", cues_of(script, language, placements)),
        (script.language, "Original", cues_of(script)),
    ):
        if not cues:  # a film without speech has no subtitles
            continue
        if written and tag == language:  # the same words twice
            continue
        name = f"{out.stem}.{tag}" if title == "Original" else out.stem
        path = _free_subtitle(run, out.with_name(f"{name}.srt"), overwrite=overwrite)
        write_srt(path, cues)
        write_vtt(path.with_suffix(".vtt"), cues)
        for file in (path, path.with_suffix(".vtt")):
            record_output(run.project, file)
        written.append((tag, title, path))
    return written


def _free_subtitle(run: Run, path: Path, *, overwrite: bool) -> Path:
    """``path``, or ``<name>.dub.srt`` when a file that is not ours lies there.

    The user's own translation often has the very name that the dub's subtitles would get; it is
    never written over, not even with ``overwrite``.
    """
    inputs = {file.resolve() for file in run.options.translations.values()}

    def free(file: Path) -> bool:
        if file.resolve() in inputs:
            return False
        return overwrite or not file.exists() or is_untouched(run.project, file)

    for candidate in (path, path.with_name(f"{path.stem}.dub.srt")):
        if free(candidate) and free(candidate.with_suffix(".vtt")):
            return candidate
    raise ProjectError(
        f"{path} and its .dub.srt exist already.",
        hint="Move them away, use --overwrite, or leave subtitles out with --no-subtitles.",
        code="DUB-E301",
    )


def _master(
    run: Run,
    analysis: Analysis,
    script: Script,
    layers: tuple[DubTrack, Lips | None],
    subtitles: list[tuple[str, str, Path]],
    language: str,
    out: Path,
) -> None:
    dub, lips = layers
    patches = lips.patches if lips is not None and lips.patches.index else None
    texts = [(tag, path.read_text(encoding="utf-8")) for tag, _, path in subtitles]
    key = digest(VERSION, dub.key, lips.key if patches and lips else "", out.name, texts)
    total = analysis.video.n_frames
    with run.stage("master", total=total) as progress:
        mp4 = out.suffix.lower() == ".mp4"
        obstacle = copy_obstacle(analysis.source, mp4=mp4) if patches is None else None
        if obstacle:
            note = f"the picture had to be encoded again: {obstacle}"
            run.decide(Decision("master", "film", "fallback", note))
        if is_current(run.project, out, key):
            return
        write_master(
            analysis.source,
            out,
            audio=[AudioTrack(dub.mix, language, "Dub", default=True)],
            original=chosen_audio(analysis.source, run.options.source_language),
            original_language=script.language,
            subtitles=[SubtitleTrack(path, tag, title) for tag, title, path in subtitles],
            patches=patches.at if patches is not None else None,
            pieces=PieceCache(run.cache, analysis.source.digest, patches) if patches else None,
            progress=lambda done, _total: progress.at(done),
        )
    record_output(run.project, out, key)
