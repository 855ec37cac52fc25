"""The whole evaluation on deterministic engines and a drawn film: every seam, no weights."""

from __future__ import annotations

import json
import shutil
from fractions import Fraction
from pathlib import Path

import av
import pytest

from polydub import api
from polydub.engines.fakes import register_fakes
from polydub.errors import InputError, ProjectError
from polydub.interfaces.cli.main import main
from polydub.pipeline.events import EVALUATION_STAGES, Event
from tests.films import HEIGHT, WIDTH, Beat, write_film


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, api.DubResult]:
    film = write_film(tmp_path_factory.mktemp("finished") / "talk.mp4")
    options = api.DubOptions(targets=("es",), engines=register_fakes())
    return film, api.dub(film, options)


@pytest.fixture
def dubbed(finished: tuple[Path, api.DubResult]) -> tuple[Path, api.DubResult]:
    register_fakes()  # every test forgets them
    return finished


def test_a_project_is_scored_on_its_axes(dubbed: tuple[Path, api.DubResult]) -> None:
    film, made = dubbed
    events: list[Event] = []
    result = api.evaluate_dub(film, on_event=events.append)
    found = result.evaluation
    assert found.target == "es" and [line.id for line in found.lines] == ["L001", "L002", "L003"]
    assert found.summary["outside_psnr"].mean > 35
    assert "loudness_lu" in found.summary and found.summary["length_ms"].mean == 0
    assert found.summary["rtf"].mean > 0
    missing = {item.metric: item.reason for item in found.not_measured}
    assert "another language" in missing["mcd_dtw"] and set(missing).isdisjoint(found.summary)
    stages = list(dict.fromkeys(e.stage for e in events if e.stage.startswith("dub-")))
    assert stages == list(EVALUATION_STAGES)
    values = json.loads(result.values.read_text(encoding="utf-8"))
    assert values["schema"] == "polydub.evaluation/1" and values["environment"]["engines"]
    assert result.page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert result.page.is_relative_to(made.project)


@pytest.mark.slow
def test_a_second_time_nothing_is_looked_at_again(dubbed: tuple[Path, api.DubResult]) -> None:
    _, made = dubbed
    first = api.evaluate_dub(made.project)
    events: list[Event] = []
    second = api.evaluate_dub(made.project, on_event=events.append)
    assert second.evaluation == first.evaluation
    assert "dub-look" not in {event.stage for event in events}


def test_another_tools_dub_needs_its_original_only(
    dubbed: tuple[Path, api.DubResult], tmp_path: Path
) -> None:
    """No project, no texts: wrong words are not counted, and that is said."""
    film, made = dubbed
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    theirs = shutil.copyfile(made.outputs[0].video, folder / "theirs.mp4")
    original = shutil.copyfile(film, folder / "film.mp4")
    api.analyze(original, api.DubOptions(engines=register_fakes()))  # fakes are named there
    result = api.evaluate_dub(theirs, reference=original, language="es", output=folder / "out")
    assert result.page == folder / "out" / "evaluation.html"
    missing = {item.metric: item.reason for item in result.evaluation.not_measured}
    assert "--translation" in missing["wer"] and "rtf" in missing and "speed" in missing
    assert all(not line.wanted for line in result.evaluation.lines)


@pytest.mark.slow
def test_with_a_project_as_reference_the_texts_are_known(
    dubbed: tuple[Path, api.DubResult], tmp_path: Path
) -> None:
    _, made = dubbed
    theirs = shutil.copyfile(made.outputs[0].video, tmp_path / "theirs.mp4")
    result = api.evaluate_dub(theirs, reference=made.project)
    assert all(line.wanted.startswith("es ") for line in result.evaluation.lines)
    assert "wer" in result.evaluation.summary and "rtf" not in result.evaluation.summary


@pytest.mark.slow
def test_a_dub_in_the_same_language_is_compared_with_the_original(
    dubbed: tuple[Path, api.DubResult], tmp_path: Path
) -> None:
    """The film itself, as its own dub: nothing differs."""
    film, made = dubbed
    same = shutil.copyfile(film, tmp_path / "same.mp4")
    result = api.evaluate_dub(same, reference=made.project, language="en")
    summary = result.evaluation.summary
    assert summary["mcd_dtw"].worst < 0.1 and summary["mcd_dtw_sl"].worst < 0.1
    assert summary["overlap"].mean == 1 and summary["onset_ms"].worst == 0
    assert summary["outside_psnr"].mean == 80 and summary["similarity"].worst > 0.99


@pytest.mark.slow
def test_what_is_heard_is_compared_with_a_reference(
    dubbed: tuple[Path, api.DubResult], tmp_path: Path
) -> None:
    pytest.importorskip("sacrebleu")
    film, _ = dubbed
    lines = api.evaluate_dub(film).evaluation.lines
    srt = tmp_path / "reference.srt"
    cues = [
        f"{n}\n00:00:0{line.start:.3f} --> 00:00:0{line.end:.3f}\n{line.heard or 'x'}\n"
        for n, line in enumerate(lines, 1)
    ]
    srt.write_text("\n".join(cues).replace(".", ","), encoding="utf-8")
    found = api.evaluate_dub(film, reference_translation=srt).evaluation.summary
    assert found["chrf"].mean > 90 and "bleu" in found


@pytest.mark.slow
def test_the_gate_decides_the_exit_code(
    dubbed: tuple[Path, api.DubResult], capsys: pytest.CaptureFixture[str]
) -> None:
    film, made = dubbed

    def code(*arguments: str) -> object:
        with pytest.raises(SystemExit) as ended:
            main(["evaluate", *arguments])
        return ended.value.code

    assert code(str(film), "--gate", "outside_psnr>=30", "--quiet") == 0
    assert code(str(film), "--gate", "outside_psnr>=99", "--quiet") == 6
    assert "outside_psnr>=99: film has" in capsys.readouterr().out
    assert code(str(made.project), "--gate", "outside_psnr>=99", "--json") == 6
    last = json.loads(capsys.readouterr().out.splitlines()[-1])["result"]
    assert last["gate"]["passed"] is False and last["summary"]["outside_psnr"] > 30
    assert code(str(film), "--gate", "nonsense>=1") == 3


def test_what_cannot_be_evaluated_says_why(tmp_path: Path) -> None:
    film = write_film(tmp_path / "talk.mp4")
    with pytest.raises(InputError, match="a dub of") as caught:
        api.evaluate_dub(film)
    assert "--reference" in caught.value.hint
    project = api.analyze(film, api.DubOptions(engines=register_fakes()))
    with pytest.raises(ProjectError, match="holds no dub"):
        api.evaluate_dub(project)
    with pytest.raises(InputError) as gone:
        api.evaluate_dub(tmp_path / "nowhere.mp4", reference=film)
    assert gone.value.code == "DUB-E101"
    assert not (tmp_path / "nowhere.polydub").exists()


@pytest.mark.slow
def test_lines_that_a_gate_stops_are_said_again_and_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    film = write_film(tmp_path / "talk.mp4")
    engines = register_fakes()
    (output,) = api.dub(film, api.DubOptions(targets=("es",), engines=engines)).outputs
    assert output.gate == ()
    project = tmp_path / "talk.polydub"
    (output,) = api.render(project, {"gate": "speed<=0.1"}).outputs
    assert [text[:4] for text in output.gate] == ["L001", "L002", "L003"]
    report = json.loads(output.report_json.read_text())
    assert {len(entry["takes"]) for entry in report["lines"]} == {8}
    with pytest.raises(SystemExit) as ended:
        main(["render", str(project), "--gate", "speed<=0.1", "--quiet"])
    assert ended.value.code == 6 and "L002" in capsys.readouterr().err
    with pytest.raises(InputError, match="not known while"):
        api.render(project, {"gate": "lip_sync>=0.2"})


@pytest.mark.slow
def test_a_line_that_a_gate_stops_may_be_said_in_other_words(tmp_path: Path) -> None:
    """The fake recogniser hears "word1" in every take: a wording of that word has no errors."""
    film = write_film(tmp_path / "talk.mp4")
    project = api.analyze(film, api.DubOptions(targets=("es",), engines=register_fakes()))
    script = json.loads(project.script_path.read_text())
    first = script["lines"][0]["translations"]["es"]
    before, first["alternatives"] = first["text"], ["word1"]
    project.script_path.write_text(json.dumps(script))
    made = api.render(project.root, {"gate": "wer<=0.1"})
    (output,) = made.outputs
    assert {text[:4] for text in output.gate} == {"L002", "L003"}
    report = json.loads(output.report_json.read_text())
    assert report["lines"][0]["line"]["translations"]["es"]["text"] == "word1"
    assert report["lines"][0]["scores"]["wer"] == 0
    (why,) = (x for x in report["decisions"] if x["unit"] == "L001" and x["stage"] == "speak")
    assert before in why["reason"] and why["kind"] == "fallback"
    kept = json.loads(project.script_path.read_text())["lines"][0]["translations"]["es"]
    assert kept["text"] == "word1" and before in kept["alternatives"]
    assert "word1" in output.video.with_suffix(".srt").read_text().splitlines()
    page = output.report.read_text()
    assert "said in another wording" in page
    again = api.render(project.root, {"gate": "wer<=0.1"}).outputs[0]
    assert json.loads(again.report_json.read_text())["lines"] == report["lines"]


def test_a_film_in_which_nobody_speaks_has_an_evaluation_all_the_same(tmp_path: Path) -> None:
    film = write_film(tmp_path / "quiet.mp4", (Beat(2.0, "A", "-"),))
    made = api.dub(film, api.DubOptions(targets=("es",), engines=register_fakes()))
    result = api.evaluate_dub(made.project)
    assert result.evaluation.lines == () and result.evaluation.summary["outside_psnr"].mean > 40
    assert {item.metric for item in result.evaluation.not_measured} >= {"wer", "overlap", "margin"}
    assert "no lines" in result.page.read_text() or "0 lines" in result.page.read_text()


def test_a_dub_of_another_size_and_rate_is_compared_as_far_as_it_can_be(
    dubbed: tuple[Path, api.DubResult], tmp_path: Path
) -> None:
    """Half the size, half the frames: pixels are not compared, all else is."""
    _, made = dubbed
    small = tmp_path / "small.mp4"
    with av.open(str(made.outputs[0].video)) as source, av.open(str(small), "w") as out:
        picture = out.add_stream("libx264", rate=Fraction(25, 2))
        picture.width, picture.height, picture.pix_fmt = WIDTH // 2, HEIGHT // 2, "yuv420p"
        sound = out.add_stream("aac", rate=48000, layout="mono")
        resampler = av.AudioResampler("fltp", "mono", 48000)
        for number, frame in enumerate(source.decode(video=0)):
            if number % 2 == 0:
                new = frame.reformat(WIDTH // 2, HEIGHT // 2, "yuv420p")
                new.pts, new.time_base = number // 2, Fraction(2, 25)
                out.mux(picture.encode(new))
        out.mux(picture.encode())
        source.seek(0)
        for frame in source.decode(audio=0):
            for part in resampler.resample(frame):
                out.mux(sound.encode(part))
        out.mux(sound.encode())
    result = api.evaluate_dub(small, reference=made.project)
    missing = {item.metric: item.reason for item in result.evaluation.not_measured}
    assert missing["outside_psnr"] == "the two pictures differ in size"
    assert abs(result.evaluation.summary["loudness_lu"].mean) < 1.5
