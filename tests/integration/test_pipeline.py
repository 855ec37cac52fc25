"""The whole pipeline on deterministic engines and a drawn film: every seam, no weights."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from polydub import api
from polydub.engines.fakes import FakeRecognizer, FakeSynthesizer, register_fakes
from polydub.errors import EngineError, InputError, PolydubError, ProjectError
from polydub.media.audio import open_waveform
from polydub.media.frames import FrameSource
from polydub.media.loudness import integrated_loudness
from polydub.media.probe import probe
from polydub.pipeline import graph
from polydub.pipeline.events import STAGES, Event
from polydub.pipeline.plan import CAST_S
from tests.films import Beat, write_film


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_film(tmp_path / "talk.mp4")


def options(**changes) -> api.DubOptions:
    return replace(api.DubOptions(targets=("es",), engines=register_fakes()), **changes)


def script_of(project: Path) -> dict:
    return json.loads((project / "script.json").read_text())


def picture(path: Path, index: int) -> np.ndarray:
    source = probe(path)
    with FrameSource(path, source.video, source.start) as frames:
        return next(iter(frames.read(index, index + 1)))[1]


def test_a_conversation_is_dubbed_line_by_line(film: Path) -> None:
    events: list[Event] = []
    result = api.dub(film, options(), on_event=events.append)
    (output,) = result.outputs
    script = script_of(result.project)
    assert [line["speaker"] for line in script["lines"]] == ["S1", "S2", "S1"]
    assert [line["visibility"] for line in script["lines"]] == [
        "on-screen",
        "on-screen",
        "off-screen",
    ]
    people = {speaker["id"]: speaker["person"] for speaker in script["cast"]}
    assert people["S1"] != people["S2"] and None not in people.values()
    assert all(x["translations"]["es"]["text"].startswith("es ") for x in script["lines"])
    voices = {speaker["voices"]["es"]["style"] for speaker in script["cast"]}
    assert len(voices) == 2
    assert output.lines == 3
    before, after = probe(film), probe(output.video)
    assert after.video.n_frames == before.video.n_frames
    assert [after.video.frame_time(i) for i in range(9)] == [
        before.video.frame_time(i) for i in range(9)
    ]
    assert len(after.audio) == 2 and after.audio[0].language and after.audio[1].language
    assert [path.name for path in output.subtitles] == [
        "talk.es.srt",
        "talk.es.vtt",
        "talk.es.en.srt",
        "talk.es.en.vtt",
    ]
    written = [output.video, *output.subtitles, output.report, output.report_json]
    assert all(path.stat().st_size for path in written)
    assert output.report.read_text().startswith("<!")
    seen = list(dict.fromkeys(event.stage for event in events))
    picture = ("shots", "faces")  # is looked at while the sound is listened to
    one_by_one = [stage for stage in seen if stage not in picture]
    assert one_by_one == [stage for stage in STAGES if stage in seen and stage not in picture]
    assert [stage for stage in seen if stage in (*picture, "attribute")] == [*picture, "attribute"]


def test_only_the_mouths_of_speaking_people_change(film: Path) -> None:
    (output,) = api.dub(film, options()).outputs
    speaking, listening = 25, round(6.0 * 25)
    before, after = picture(film, speaking), picture(output.video, speaking)
    assert np.abs(before.astype(int) - after).max() > 100
    assert np.abs(before[:15].astype(int) - after[:15]).max() < 20
    before, after = picture(film, listening), picture(output.video, listening)
    assert np.abs(before.astype(int) - after).max() < 30


def test_without_lips_the_picture_is_copied_bit_for_bit(film: Path) -> None:
    (output,) = api.dub(film, options(lips=False)).outputs
    for index in (0, 30, 100):
        np.testing.assert_array_equal(picture(film, index), picture(output.video, index))


def test_the_old_voices_are_gone_and_the_new_ones_are_there(film: Path) -> None:
    result = api.dub(film, options(lips=False))
    (mix,) = (result.project / "cache" / "mix").glob("*/dub.wav")
    audio = open_waveform(mix).mono()
    part = audio.samples[round(1.0 * 48000) : round(2.0 * 48000)]
    spectrum = np.abs(np.fft.rfft(part))
    old, new = spectrum[145:156].max(), spectrum[135:145].max()
    assert new > 3 * old
    assert abs(float(audio.duration) - 7.2) < 0.05


@pytest.mark.parametrize("layout", ["mono", "stereo"])
def test_the_dub_is_as_loud_as_the_dialogue(tmp_path: Path, layout: str) -> None:
    film = write_film(tmp_path / "talk.mp4", layout=layout)
    result = api.dub(film, options(lips=False))
    (before,) = (result.project / "cache" / "audio").glob("*/audio.wav")
    (after,) = (result.project / "cache" / "mix").glob("*/dub.wav")
    old, new = (integrated_loudness(open_waveform(path)) for path in (before, after))
    # takes are steady tones where the lines were bursts: the film gates them a little differently
    assert new == pytest.approx(old, abs=1.5)


def test_who_speaks_is_decided_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    film = write_film(tmp_path / "quiet.mp4", (Beat(1.0, "A", "-"), Beat(1.0, "B", "-")))
    api.dub(film, options(lips=False))
    monkeypatch.setattr(graph, "build_script", None)  # not to be called
    result = api.render(film.with_suffix(".polydub"), {"max_speed": 1.1})
    decisions = json.loads(result.outputs[0].report_json.read_text())["decisions"]
    assert "no speech was found" in [decision["reason"] for decision in decisions]


def test_a_second_run_makes_nothing_again(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[Event] = []
    first = api.dub(film, options(), on_event=events.append)
    assert not any(event.cached for event in events)
    stamp = first.outputs[0].video.stat().st_mtime_ns

    def fail(*args, **kwargs):
        raise AssertionError("work was done again")

    monkeypatch.setattr(FakeSynthesizer, "speak", fail)
    monkeypatch.setattr(FakeRecognizer, "recognize", fail)
    events.clear()
    second = api.dub(film, options(), on_event=events.append)
    assert second.outputs[0].video.stat().st_mtime_ns == stamp
    reused = {event.stage for event in events if event.reused}
    assert reused == {event.stage for event in events}
    for stage in reused:
        told = [event.done for event in events if event.stage == stage]
        assert told[0] == 0 and sorted(set(told)) == told  # begins once, ends once


def test_editing_one_line_redoes_that_line_only(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = api.dub(film, options())
    path = result.project / "script.json"
    script = script_of(result.project)
    script["lines"][1]["translations"]["es"]["text"] = "hola amigo"
    path.write_text(json.dumps(script))
    spoken: list[str] = []
    original = FakeSynthesizer.speak

    def speak(self, request):
        spoken.append(request.text)
        return original(self, request)

    monkeypatch.setattr(FakeSynthesizer, "speak", speak)
    takes = set((result.project / "cache" / "take").iterdir())
    again = api.render(result.project)
    assert set(spoken) == {"hola amigo"}
    new = set((result.project / "cache" / "take").iterdir()) - takes
    assert 1 <= len(new) <= 6  # attempts at that one line: tones are never understood as words
    after = script_of(result.project)
    assert after["lines"][1]["translations"]["es"]["status"] == "given"
    assert after["lines"][1]["translations"]["es"]["text"] == "hola amigo"
    assert again.outputs[0].lines == 3


def test_a_changed_source_text_is_translated_again(film: Path) -> None:
    result = api.dub(film, options(lips=False))
    script = script_of(result.project)
    script["lines"][0]["text"] = "something else"
    (result.project / "script.json").write_text(json.dumps(script))
    api.render(result.project)
    line = script_of(result.project)["lines"][0]
    assert line["translations"]["es"]["text"] == "es something else"


def test_killed_in_the_middle_it_resumes(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = FakeSynthesizer.speak
    calls = []

    def dying(self, request):
        calls.append(request.text)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(self, request)

    monkeypatch.setattr(FakeSynthesizer, "speak", dying)
    with pytest.raises(Exception, match="Stopped") as caught:
        api.dub(film, options())
    assert caught.value.exit_code == 130
    monkeypatch.setattr(FakeSynthesizer, "speak", original)
    result = api.dub(film, options())
    assert result.outputs[0].lines == 3


def test_a_given_translation_is_used_by_time(film: Path, tmp_path: Path) -> None:
    srt = tmp_path / "t.srt"
    srt.write_text(
        "1\n00:00:00,400 --> 00:00:02,400\nuno\n\n2\n00:00:02,800 --> 00:00:04,800\ndos\n\n"
        "3\n00:00:05,200 --> 00:00:06,800\ntres\n"
    )
    engines = {k: v for k, v in register_fakes().items() if k != "translate"}
    wanted = options(engines=engines, translations={"es": srt}, lips=False)
    result = api.dub(film, wanted)
    texts = [x["translations"]["es"]["text"] for x in script_of(result.project)["lines"]]
    assert texts == ["uno", "dos", "tres"]


GIVEN = (
    "1\n00:00:00,400 --> 00:00:02,400\nuno\n\n2\n00:00:02,800 --> 00:00:04,800\ndos\n\n"
    "3\n00:00:05,200 --> 00:00:06,800\ntres\n"
)


def given(srt: Path) -> api.DubOptions:
    engines = {k: v for k, v in register_fakes().items() if k != "translate"}
    return options(engines=engines, translations={"es": srt}, lips=False)


def test_an_edited_line_wins_over_the_translation_file(film: Path, tmp_path: Path) -> None:
    srt = tmp_path / "t.srt"
    srt.write_text(GIVEN)
    result = api.dub(film, given(srt))
    script = script_of(result.project)
    script["lines"][1]["translations"]["es"]["text"] = "dos y medio"
    (result.project / "script.json").write_text(json.dumps(script))
    srt.write_text(GIVEN.replace("tres", "cuatro"))
    for _ in range(2):
        api.render(result.project)
        texts = [x["translations"]["es"]["text"] for x in script_of(result.project)["lines"]]
        assert texts == ["uno", "dos y medio", "cuatro"]


def test_a_given_translation_stays_when_an_engine_is_chosen_later(
    film: Path, tmp_path: Path
) -> None:
    srt = tmp_path / "t.srt"
    srt.write_text(GIVEN)
    result = api.dub(film, given(srt))
    api.render(result.project, {"engines": {"translate": "fake"}})
    texts = [x["translations"]["es"]["text"] for x in script_of(result.project)["lines"]]
    assert texts == ["uno", "dos", "tres"]


def test_subtitles_of_others_are_never_written_over(film: Path) -> None:
    own = film.with_name("talk.es.srt")
    own.write_text(GIVEN)
    precious = film.with_name("talk.es.en.srt")
    precious.write_text("precious")
    (output,) = api.dub(film, given(own)).outputs
    assert own.read_text() == GIVEN and precious.read_text() == "precious"
    names = [path.name for path in output.subtitles if path.suffix == ".srt"]
    assert names == ["talk.es.dub.srt", "talk.es.en.dub.srt"]
    api.dub(film, given(own), overwrite=True)
    assert own.read_text() == GIVEN  # the input stays even when overwriting is asked for


def test_an_unknown_voice_in_the_script_is_an_error(film: Path) -> None:
    result = api.dub(film, options(lips=False))
    script = script_of(result.project)
    script["cast"][0]["voices"]["es"]["style"] = "nobody"
    (result.project / "script.json").write_text(json.dumps(script))
    with pytest.raises(ProjectError, match="nobody") as caught:
        api.render(result.project)
    assert caught.value.code == "DUB-E303" and "low" in caught.value.hint


def test_a_line_that_is_not_translated_keeps_its_original_sound(film: Path) -> None:
    engines = register_fakes()
    from polydub.engines import registry
    from polydub.engines.fakes import FakeTranslator

    class Loser(FakeTranslator):
        def translate(self, request):
            answer = super().translate(request)
            return {k: v for k, v in answer.items() if k != "L002"}

    registry.register("translate", "loser", Loser)
    result = api.dub(film, options(engines={**engines, "translate": "loser"}, lips=False))
    line = script_of(result.project)["lines"][1]
    assert line["translations"]["es"]["status"] == "untranslated"
    assert result.outputs[0].lines == 2
    report = json.loads((result.project / "es" / "report.json").read_text())
    assert any(d["unit"] == "L002" and d["kind"] == "pass-through" for d in report["decisions"])
    (mix,) = (result.project / "cache" / "mix").glob("*/dub.wav")
    part = open_waveform(mix).mono().samples[round(3.0 * 48000) : round(4.0 * 48000)]
    assert np.abs(np.fft.rfft(part)).argmax() == pytest.approx(420, abs=3)


def test_outputs_of_others_are_refused_before_any_work(film: Path) -> None:
    film.with_name("talk.es.mp4").write_bytes(b"precious")
    with pytest.raises(ProjectError) as caught:
        api.dub(film, options())
    assert caught.value.code == "DUB-E301"
    assert not film.with_name("talk.polydub").exists()
    assert film.with_name("talk.es.mp4").read_bytes() == b"precious"


def test_bad_input_is_one_clear_error(tmp_path: Path) -> None:
    silent = write_film(tmp_path / "mute.mp4", audio=False)
    with pytest.raises(InputError) as caught:
        api.dub(silent, options())
    assert caught.value.code == "DUB-E103"
    assert not silent.with_name("mute.polydub").exists()
    kept = tmp_path / "kept"
    kept.mkdir()
    for try_ in (lambda: api.dub(silent, options(), project=kept), lambda: api.analyze(silent)):
        with pytest.raises(InputError):
            try_()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept", "mute.mp4"]
    assert not any(kept.iterdir())
    noise = tmp_path / "noise.mp4"
    noise.write_bytes(b"\x00\x01 this is no video " * 99)
    with pytest.raises(InputError) as caught:
        api.dub(noise, options())
    assert caught.value.code == "DUB-E102"
    assert not noise.with_name("noise.polydub").exists()
    film = write_film(tmp_path / "talk.mp4")
    with pytest.raises(InputError) as caught:
        api.dub(film, options(targets=("xx1",)))
    assert caught.value.code == "DUB-E105"
    with pytest.raises(EngineError) as unsupported:
        api.dub(film, options(targets=("de",)))
    assert unsupported.value.code == "DUB-E203"
    with pytest.raises(EngineError) as unknown:
        api.dub(film, options(engines={**register_fakes(), "speak": "nobody"}))
    assert unknown.value.code == "DUB-E201"


def test_a_film_without_speech_passes_through_and_says_so(tmp_path: Path) -> None:
    film = write_film(tmp_path / "quiet.mp4", (Beat(1.0, "A", "-"), Beat(1.0, "B", "-")))
    result = api.dub(film, options())
    assert result.outputs[0].lines == 0
    report = json.loads((result.project / "es" / "report.json").read_text())
    assert [d["unit"] for d in report["decisions"] if "no speech" in d["reason"]] == ["film"]
    assert probe(result.outputs[0].video).video.n_frames == 50


def test_a_film_without_faces_and_a_film_of_one_frame(tmp_path: Path) -> None:
    dark = write_film(tmp_path / "dark.mp4", (Beat(2.0, "-", "A"), Beat(0.6, "-", "-")))
    result = api.dub(dark, options())
    assert result.outputs[0].lines == 1
    assert script_of(result.project)["people"] == []
    one = write_film(tmp_path / "one.mp4", (Beat(0.04, "A", "A"),))
    assert probe(api.dub(one, options()).outputs[0].video).video.n_frames == 1


def test_two_languages_share_one_analysis(film: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    result = api.dub(film, options(targets=("es", "zh"), lips=False), output=folder)
    assert [o.video.name for o in result.outputs] == ["talk.es.mp4", "talk.zh.mp4"]
    line = script_of(result.project)["lines"][0]
    assert set(line["translations"]) == {"es", "zh"}


def test_without_a_translator_every_way_to_get_one_is_told(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from polydub.engines import registry

    class Absent:
        capabilities = replace(FakeSynthesizer.capabilities, requires=("no_such_package_anywhere",))

    registry.register("translate", "absent", Absent)
    with pytest.raises(EngineError) as caught:
        api.dub(film, options(engines={**register_fakes(), "translate": "absent"}))
    assert caught.value.code == "DUB-E202"
    assert all(
        way in caught.value.hint for way in ("--translation", "openai", "--llm-model", "draft")
    )


def files_under(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in sorted(folder.rglob("*"))}


def test_a_dry_run_writes_nothing_and_knows_what_is_done(film: Path) -> None:
    before = files_under(film.parent)
    steps = {step.stage: step for step in api.plan(film, options())}
    assert files_under(film.parent) == before
    assert not any(step.cached for step in steps.values())
    assert steps["shots"].languages == () and steps["speak"].languages == ("es",)
    assert steps["speak"].seconds_estimate > 0
    assert steps["cast"].seconds_estimate == 2 * CAST_S  # whoever they are, however long it is
    result = api.dub(film, options())
    before = files_under(film.parent)
    assert all(step.cached for step in api.plan(film, options()))
    assert all(step.cached for step in api.plan_render(result.project))
    path = result.project / "script.json"
    text = path.read_text()
    path.write_text(text.replace('"es word', '"hola word', 1))
    left = {step.stage for step in api.plan_render(result.project) if not step.cached}
    assert left == {"cues", "speak", "mix", "lips", "master", "report"}  # the voices stay
    path.write_text(text)
    two = api.plan_render(result.project, {"targets": ("es", "zh")})
    assert {step.stage: step.languages for step in two if not step.cached} == dict.fromkeys(
        ("translate", "cast", "cues", "speak", "mix", "lips", "master", "report"), ("zh",)
    )
    (cast,) = [step for step in two if step.stage == "cast"]
    speaking = {line["speaker"] for line in json.loads(text)["lines"]}
    assert cast.seconds_estimate == len(speaking) * CAST_S
    more = api.plan(film, options(speakers=3))
    assert [step.stage for step in more if step.cached] == [
        *("probe", "separate", "shots", "faces", "transcribe")
    ]
    assert files_under(film.parent).keys() == before.keys()


def test_a_given_translation_costs_nothing(film: Path) -> None:
    srt = film.with_name("t.srt")
    srt.write_text(GIVEN)
    (step,) = [step for step in api.plan(film, given(srt)) if step.stage == "translate"]
    assert (step.engine, step.seconds_estimate) == ("given", 0.0)


def test_a_dry_run_refuses_what_the_run_refuses(film: Path, tmp_path: Path) -> None:
    film.with_name("talk.es.mp4").write_bytes(b"precious")
    silent = write_film(tmp_path / "mute.mp4", audio=False)
    for try_, code in (
        (lambda: api.plan(film, options()), "DUB-E301"),
        (lambda: api.plan(film, options(), output=tmp_path / "no" / "x.mp4"), "DUB-E304"),
        (lambda: api.plan(film, options(targets=("de",))), "DUB-E203"),
        (lambda: api.plan(silent, options()), "DUB-E103"),
        (lambda: api.plan(film, options(), overwrite=True, project=silent / "p"), "DUB-E304"),
        (lambda: api.demo(silent), "DUB-E304"),
    ):
        with pytest.raises(PolydubError) as caught:
            try_()
        assert caught.value.code == code
    assert api.plan(film, options(), overwrite=True)
    assert not film.with_name("talk.polydub").exists()


def test_the_language_of_the_film_is_no_target(film: Path) -> None:
    with pytest.raises(InputError, match="English already") as caught:
        api.dub(film, options(source_language="en-GB", targets=("es", "en")))
    assert caught.value.code == "DUB-E108"
    assert not film.with_name("talk.polydub").exists()
    stages: set[str] = set()
    with pytest.raises(InputError, match="English already"):
        api.dub(film, options(targets=("en",)), on_event=lambda event: stages.add(event.stage))
    assert "transcribe" in stages and "diarize" not in stages
    project = api.analyze(film, options(targets=()))
    for try_ in (
        lambda: api.render(project.root, {"targets": ("en",)}, on_event=fail_on_event),
        lambda: api.analyze(film, options(targets=("en",)), on_event=fail_on_event),
        lambda: api.plan(film, options(targets=("en",))),
    ):
        with pytest.raises(InputError, match="English already"):
            try_()


def fail_on_event(event: Event) -> None:
    raise AssertionError(f"{event.stage} began")


def test_a_translation_that_nobody_asked_for_is_told(film: Path) -> None:
    srt = film.with_name("t.srt")
    srt.write_text(GIVEN)
    for try_ in (
        lambda: api.dub(film, options(translations={"zh": srt})),
        lambda: api.analyze(film, options(targets=(), translations={"es": srt})),
    ):
        with pytest.raises(InputError, match="would not be used") as caught:
            try_()
        assert caught.value.code == "DUB-E108"
    project = api.dub(film, options(lips=False)).project
    with pytest.raises(InputError, match="would not be used"):
        api.render(project, {"translations": {"zh": srt}})


def test_a_translation_file_wins_over_the_chosen_engine(film: Path) -> None:
    srt = film.with_name("t.srt")
    srt.write_text(GIVEN)
    project = api.dub(film, options(translations={"es": srt}, lips=False)).project
    texts = [x["translations"]["es"]["text"] for x in script_of(project)["lines"]]
    assert texts == ["uno", "dos", "tres"]


def test_render_writes_where_the_dub_was_written(film: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dubs"
    first = api.dub(film, options(lips=False), output=f"{folder}/")
    assert first.outputs[0].video == folder / "talk.es.mp4"
    again = api.render(first.project)
    assert again.outputs[0].video.resolve() == folder / "talk.es.mp4"
    api.render(first.project, output=tmp_path / "other.mkv")
    assert api.render(first.project).outputs[0].video.name == "other.mkv"
    assert not film.with_name("talk.es.mp4").exists()


def test_a_copied_project_is_rendered_without_being_asked(film: Path, tmp_path: Path) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy"
    home.mkdir()
    film = film.rename(home / "talk.mp4")
    srt = home / "talk.es.srt"
    srt.write_text(GIVEN)
    api.dub(film, given(srt))
    shutil.copytree(home, copy, copy_function=shutil.copyfile)
    for path in copy.glob("talk.*"):
        os.utime(path, (1, 1))
    shutil.rmtree(home)
    (output,) = api.render(copy / "talk.polydub").outputs
    assert output.video == copy / "talk.es.mp4"
    assert output.video.stat().st_mtime == 1  # it still is what it would be
    assert {path.parent for path in output.subtitles} == {copy}


def test_a_line_off_screen_is_no_fall_back(film: Path) -> None:
    (output,) = api.dub(film, options()).outputs
    report = json.loads(output.report_json.read_text())
    assert report["lines"][2]["line"]["visibility"] == "off-screen"
    assert not [d for d in report["decisions"] if d["stage"] == "lips" and d["unit"] == "L003"]


def test_options_of_a_refused_run_are_not_kept(film: Path) -> None:
    project = api.dub(film, options(lips=False)).project
    with pytest.raises(EngineError):
        api.render(project, {"targets": ("de",)})
    assert [output.language for output in api.render(project).outputs] == ["es"]


def test_a_missing_model_file_is_found_before_the_analysis(
    film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("polydub.engines.registry.missing_requirements", lambda *_: ())
    engines = {**register_fakes(), "translate": "llm-local"}
    with pytest.raises(InputError, match=r"no file absent\.gguf") as caught:
        api.dub(film, options(engines=engines, llm_model="absent.gguf"))
    assert caught.value.code == "DUB-E101"


def test_several_takes_are_scored_and_told(film: Path) -> None:
    result = api.dub(film, options(lips=False, takes=7))
    report = json.loads(result.outputs[0].report_json.read_text())
    for line in report["lines"]:
        assert len(line["takes"]) == 7
        assert any(take.items() <= line["scores"].items() for take in line["takes"])
    with pytest.raises(InputError, match="--takes"):
        api.dub(film, options(takes=0))


def test_a_series_keeps_its_voices(film: Path, tmp_path: Path) -> None:
    series = tmp_path / "series.json"
    first = api.dub(film, options(lips=False, cast=series))
    voices = {s["id"]: s["voices"]["es"]["style"] for s in script_of(first.project)["cast"]}
    known = json.loads(series.read_text())
    assert len(known["members"]) == 2
    known["members"][0]["name"] = "Anna"
    series.write_text(json.dumps(known))
    episode = tmp_path / "two" / "talk2.mp4"
    episode.parent.mkdir()
    shutil.copy(film, episode)
    second = api.dub(episode, options(lips=False, cast=series))
    script = script_of(second.project)
    assert {s["id"]: s["voices"]["es"]["style"] for s in script["cast"]} == voices
    assert "Anna" in [s["name"] for s in script["cast"]]
    report = json.loads(second.outputs[0].report_json.read_text())
    assert any("the voice of Anna" in decision["reason"] for decision in report["decisions"])
    assert len(json.loads(series.read_text())["members"]) == 2
    series.write_text("{}")
    with pytest.raises(ProjectError, match="cast file"):
        api.dub(film, options(lips=False, cast=series), output=tmp_path / "again.mp4")
