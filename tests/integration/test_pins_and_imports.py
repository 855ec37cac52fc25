"""What a person says about who speaks: pins, hand edits, given turns and lines, exports."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

import polydub
from polydub import api
from polydub.engines import registry
from polydub.engines.fakes import FakeTranslator, register_fakes
from polydub.errors import InputError, ProjectError
from polydub.interfaces.cli.main import main
from polydub.model import Script
from polydub.pipeline.pinning import read_pins
from polydub.project.converters import read_lines, read_turns
from polydub.project.script_file import read_script, write_script
from tests.films import Beat, write_film

PAGE = Path(__file__).parents[2] / "docs" / "who-speaks.md"
PAUSED = (
    Beat(0.4, "A", "-"),
    Beat(2.0, "A", "A"),
    Beat(0.4, "A", "-"),
    Beat(2.0, "B", "B"),
    Beat(2.4, "B", "-"),
    Beat(1.6, "B", "A"),
    Beat(0.4, "B", "-"),
)
RTTM = (
    "SPEAKER talk 1 0.400 2.000 <NA> <NA> Anna <NA> <NA>\n"
    "SPEAKER talk 1 2.800 2.000 <NA> <NA> Bob <NA> <NA>\n"
    "SPEAKER talk 1 5.200 1.600 <NA> <NA> Carl <NA> <NA>\n"
)
TABLE = (
    "speaker,start_time,end_time,transcription,translation\n"
    "Anna,0.4,2.4,Hello there,Hola\n"
    "Bob,2.8,4.8,,Adiós\n"
    "Anna,5.2,6.8,See you,Nos vemos\n"
)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("film") / "talk.mp4")


@pytest.fixture
def film(drawn: Path, tmp_path: Path) -> Path:
    path = tmp_path / "talk.mp4"
    path.write_bytes(drawn.read_bytes())
    return path


def options(**changes) -> api.DubOptions:
    return replace(api.DubOptions(engines=register_fakes(), lips=False), **changes)


def script_of(project: api.Project) -> Script:
    return read_script(project.script_path)


def speakers(script: Script | None) -> list[str]:
    assert script is not None
    return [line.speaker for line in script.lines]


def request(**changes) -> api.PinRequest:
    return api.PinRequest(**changes)


def decisions(project: Path) -> list[str]:
    report = json.loads((project / "es" / "report.json").read_text())
    return [decision["reason"] for decision in report["decisions"]]


def test_pins_change_the_cast_and_are_forgotten_on_request(film: Path) -> None:
    project = api.analyze(film, options())
    assert speakers(script_of(project)) == ["S1", "S2", "S1"]
    split = api.pin(film, request(split=("L003",)))
    assert speakers(split.script) == ["S1", "S2", "S3"]
    assert [(line.id, was) for line, was in split.moved()] == [("L003", "S1")]
    assert split.effects == ("L003 is said by somebody new",) and split.warnings == ()
    joined = api.pin(project.root, request(same=(("S1", "S3"),)))
    assert speakers(joined.script) == ["S1", "S2", "S1"]
    cleared = api.pin(project, request(clear=True, lines={"L003": "new"}))
    assert speakers(cleared.script) == ["S1", "S2", "S3"]
    assert [pin.speaker for pin in cleared.pins.lines] == ["new 1", "S1"]
    api.pin(project, request(clear=True))
    assert not (project.root / "pins.json").exists()
    assert speakers(script_of(project)) == ["S1", "S2", "S1"]


def test_a_line_goes_to_another_speaker_and_stays_there(tmp_path: Path) -> None:
    film = write_film(tmp_path / "paused.mp4", PAUSED)
    project = api.analyze(film, options())
    assert speakers(api.pin(project, request(lines={"L003": "S2"})).script) == ["S1", "S2", "S2"]
    again = api.analyze(film, options(speakers=3), project=project.root)
    assert speakers(script_of(again)) == ["S1", "S2", "S2"]
    back = api.pin(project, request(lines={"L003": "S1"}))
    assert speakers(back.script) == ["S1", "S2", "S1"]
    assert len({pin.speaker for pin in back.pins.lines}) == 2


def test_faces_and_the_number_of_speakers_are_pinned(film: Path) -> None:
    project = api.analyze(film, options())
    cast = {speaker.id: speaker.person for speaker in script_of(project).cast}
    assert None not in cast.values()
    unseen = api.pin(project, request(faces={"S1": None}))
    assert unseen.script is not None and unseen.script.speaker("S1").person is None
    swapped = api.pin(project, request(faces={"S1": cast["S1"]}))
    assert swapped.script is not None and swapped.script.speaker("S1").person == cast["S1"]
    assert len(swapped.pins.people) == 1
    alone = api.pin(project, request(clear=True, speakers=1))
    assert speakers(alone.script) == ["S1"]
    assert speakers(script_of(api.analyze(film, options()))) == ["S1"]


def test_without_a_run_the_pin_counts_at_the_next_one(film: Path) -> None:
    project = api.analyze(film, options(targets=("es",)))
    assert {step.stage: step.cached for step in api.plan_render(project.root)}["attribute"]
    result = api.pin(project, request(split=("L003",)), run=False)
    assert result.script is None and speakers(script_of(project)) == ["S1", "S2", "S1"]
    steps = {step.stage: step.cached for step in api.plan_render(project.root)}
    assert steps["diarize"] and not steps["attribute"]
    api.render(project.root)
    assert speakers(script_of(project)) == ["S1", "S2", "S3"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"same": (("S1", "S9"),)}, "no speaker 'S9'"),
        ({"same": (("S1", "S1"),)}, "same speaker already"),
        ({"lines": {"L099": "S1"}}, "no line 'L099'"),
        ({"lines": {"L001": "S9"}}, "no speaker 'S9'"),
        ({"split": ("L002",)}, "only line of S2"),
        ({"faces": {"S1": "P9"}}, "no person 'P9'"),
        ({"speakers": 0}, "1 or more"),
    ],
)
def test_what_the_script_does_not_have_cannot_be_pinned(
    analysed: api.Project, wrong: dict, message: str
) -> None:
    with pytest.raises(InputError, match=message) as caught:
        api.pin(analysed, request(**wrong))
    assert caught.value.code == "DUB-E108"
    assert not (analysed.root / "pins.json").exists()


@pytest.fixture(scope="module")
def analysed(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> api.Project:
    return api.analyze(drawn, options(), project=tmp_path_factory.mktemp("a") / "talk.polydub")


def test_a_film_must_be_analysed_before_it_is_pinned(film: Path) -> None:
    with pytest.raises(ProjectError, match="not analysed yet") as caught:
        api.pin(film, request(split=("L001",)))
    assert "polydub analyze" in caught.value.hint
    assert not film.with_suffix(".polydub").exists()


def edit(project: api.Project, **changes) -> None:
    """Write texts, names and speakers into script.json as a person would."""
    script = script_of(project)
    lines = [
        replace(
            line,
            text=changes.get("text", {}).get(line.id, line.text),
            speaker=changes.get("speaker", {}).get(line.id, line.speaker),
        )
        for line in script.lines
    ]
    cast = [replace(x, name=changes.get("name", {}).get(x.id, x.name)) for x in script.cast]
    write_script(project.script_path, script.with_lines(tuple(lines)).with_cast(tuple(cast)))


def test_edits_are_carried_over_when_a_pin_changes_the_script(film: Path) -> None:
    project = api.analyze(film, options(targets=("es",)))
    path = project.script_path
    edit(project, text={"L001": "Good morning."}, name={"S2": "Ben"})
    path.write_text(path.read_text().replace('"es word9', '"Buenos días, word9'))
    after = api.pin(project, request(split=("L003",))).script
    assert after is not None and speakers(after) == ["S1", "S2", "S3"]
    assert after.lines[0].text == "Good morning."
    assert [speaker.name for speaker in after.cast] == ["Speaker 1", "Ben", "Speaker 3"]
    kept = after.lines[1].translations["es"]
    assert kept.text.startswith("Buenos días") and kept.status == "given"
    api.render(project.root)
    assert script_of(project).lines[1].translations["es"].text == kept.text
    assert script_of(project).lines[0].translations["es"].text == "es Good morning."


def test_changed_speakers_become_pins(film: Path) -> None:
    project = api.analyze(film, options())
    script = script_of(project)
    added = replace(script.cast[0], id="S3", name="Carla", person=None, references=())
    write_script(project.script_path, script.with_cast((*script.cast, added)))
    edit(project, speaker={"L003": "S3"})
    result = api.pin(project, request(from_edits=True))
    assert speakers(result.script) == ["S1", "S2", "S3"]
    assert result.script is not None and result.script.cast[2].name == "Carla"
    assert len(read_pins(project).lines) == 2
    nothing = api.pin(project, request(from_edits=True))
    assert nothing.effects == ("no speaker was changed in script.json",)


def test_changed_speakers_survive_another_analysis_unasked(film: Path) -> None:
    project = api.analyze(film, options(targets=("es",)))
    script = script_of(project)
    added = replace(script.cast[0], id="S3", name="Carla", person=None, references=())
    write_script(project.script_path, script.with_cast((*script.cast, added)))
    edit(project, speaker={"L003": "S3"})
    result = api.dub(film, options(targets=("es",), speakers=3))
    assert speakers(script_of(project)) == ["S1", "S2", "S3"]
    assert script_of(project).cast[2].name == "Carla"
    assert any("kept as pins" in reason for reason in decisions(result.project))


def test_a_script_whose_lines_were_cut_by_hand_is_kept(film: Path) -> None:
    project = api.analyze(film, options())
    script = script_of(project)
    write_script(project.script_path, script.with_lines(script.lines[:2]))
    result = api.pin(project, request(faces={"S1": None}))
    assert result.script is not None and len(result.script.lines) == 2
    assert any("edited script is kept" in warning for warning in result.warnings)
    assert result.script.cast[0].person == script.cast[0].person


def test_edits_are_known_even_when_the_cache_is_gone(film: Path) -> None:
    project = api.analyze(film, options())
    edit(project, text={"L001": "Good morning."})
    shutil.rmtree(project.root / "cache")
    after = api.pin(project, request(split=("L003",))).script
    assert speakers(after) == ["S1", "S2", "S3"]
    assert after is not None and after.lines[0].text == "Good morning."


def test_an_edit_that_finds_no_place_is_kept_aside(tmp_path: Path) -> None:
    film = write_film(tmp_path / "paused.mp4", PAUSED)
    project = api.analyze(film, options())
    joined = api.pin(project, request(same=(("S1", "S2"),)))
    assert joined.script is not None and len(joined.script.lines) < 3
    edit(project, text={"L001": "All in one."})
    apart = api.pin(project, request(clear=True))
    assert speakers(apart.script) == ["S1", "S2", "S1"]
    assert any("script.before.json" in warning for warning in apart.warnings)
    assert "All in one." in (project.root / "script.before.json").read_text()


def test_given_turns_decide_who_speaks(film: Path) -> None:
    turns = film.with_name("talk.rttm")
    turns.write_text(RTTM)
    project = api.analyze(film, options(), turns=turns)
    script = script_of(project)
    assert speakers(script) == ["S1", "S2", "S3"]
    assert [speaker.name for speaker in script.cast] == ["Anna", "Bob", "Carl"]
    assert None not in [speaker.person for speaker in script.cast[:2]]
    assert project.state.options["turns"] == "../talk.rttm"
    pinned = api.pin(project, request(lines={"L003": "S1"}))
    assert speakers(pinned.script) == ["S1", "S2", "S1"]
    assert {pin.speaker for pin in pinned.pins.lines} == {"Anna"}
    turns.write_text(RTTM.replace("Bob", "Ben"))
    api.render(project.root, {"targets": ("es",)})
    assert [speaker.name for speaker in script_of(project).cast] == ["Anna", "Ben"]


def test_overlapping_turns_lose_nobody(film: Path) -> None:
    turns = film.with_name("talk.rttm")
    inside = "SPEAKER talk 1 3.000 0.700 <NA> <NA> Dora <NA> <NA>\n"
    turns.write_text(RTTM + inside)
    names = [x.name for x in script_of(api.analyze(film, options(), turns=turns)).cast]
    assert sorted(names) == ["Anna", "Bob", "Carl", "Dora"]


def test_given_lines_are_the_script(film: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = film.with_name("lines.csv")
    table.write_text(TABLE)

    def fail(*args, **kwargs):
        raise AssertionError("translated what was given")

    monkeypatch.setattr(FakeTranslator, "translate", fail)
    wanted = options(targets=("es",), script_from=table)
    steps = {step.stage: step for step in api.plan(film, wanted)}
    assert steps["diarize"].engine == "lines.csv, fake" and "lines.csv" in steps["attribute"].engine
    assert (steps["translate"].engine, steps["translate"].seconds_estimate) == ("given", 0.0)
    result = api.dub(film, wanted)
    script = read_script(result.project / "script.json")
    assert [speaker.name for speaker in script.cast] == ["Anna", "Bob"]
    assert [line.text for line in script.lines][::2] == ["Hello there", "See you"]
    assert script.lines[1].text.startswith("word9 ")  # as recognised
    assert all(line.words for line in script.lines)
    texts = [line.translations["es"].text for line in script.lines]
    assert texts == ["Hola", "Adiós", "Nos vemos"]
    assert [line.visibility for line in script.lines] == ["on-screen", "on-screen", "off-screen"]
    assert None not in [speaker.person for speaker in script.cast]
    assert all(step.cached for step in api.plan_render(result.project))
    table.write_text(TABLE.replace("Nos vemos", "Hasta luego"))
    assert not {x.stage: x.cached for x in api.plan_render(result.project)}["attribute"]
    api.render(result.project)
    script = read_script(result.project / "script.json")
    assert script.lines[2].translations["es"].text == "Hasta luego"


def test_a_translator_is_needed_only_for_what_is_not_given(film: Path) -> None:
    class Absent:
        capabilities = replace(FakeTranslator.capabilities, requires=("no_such_package_anywhere",))

    engines = register_fakes() | {"translate": "absent"}
    registry.register("translate", "absent", Absent)
    table = film.with_name("lines.csv")
    table.write_text(TABLE)
    wanted = options(targets=("es",), engines=engines, script_from=table)
    assert api.dub(film, wanted).outputs[0].lines == 3
    with pytest.raises(polydub.PolydubError, match="nothing to translate with"):
        api.dub(film, replace(wanted, targets=("es", "zh"), script_target="es"))
    with pytest.raises(InputError, match="Which language"):
        api.dub(film, replace(wanted, targets=("es", "zh")))


def test_given_lines_are_corrected_in_their_file(film: Path) -> None:
    table = film.with_name("lines.csv")
    table.write_text(TABLE)
    project = api.analyze(film, options(), script_from=table)
    with pytest.raises(InputError, match="told by"):
        api.pin(project, request(same=(("S1", "S2"),)))
    unseen = api.pin(project, request(faces={"S2": None})).script
    assert unseen is not None and unseen.speaker("S2").person is None
    assert unseen.lines[1].visibility != "on-screen"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.rttm", "SPEAKER talk 1 zero 2.0 <NA> <NA> A <NA> <NA>\n", r"t\.rttm, line 1"),
        ("t.rttm", "SPEAKER talk 1 60.0 2.0 <NA> <NA> A <NA> <NA>\n", "before the film ends"),
        ("l.srt", "1\n00:00:01,000 --> 00:00:02,000\nhello\n", r"l\.srt, line 3"),
        ("l.csv", "speaker,start_time,end_time,transcription\nA,5,4,x\n", r"l\.csv, line 2"),
    ],
)
def test_a_bad_file_is_told_before_any_work(film: Path, name: str, text: str, message: str) -> None:
    path = film.with_name(name)
    path.write_text(text)
    key = "turns" if name.endswith("rttm") else "script_from"
    stages: set[str] = set()
    for try_ in (
        lambda: api.analyze(film, options(**{key: path}), on_event=lambda e: stages.add(e.stage)),
        lambda: api.plan(film, options(targets=("es",), **{key: path})),
    ):
        with pytest.raises(InputError, match=message) as caught:
            try_()
        assert caught.value.code == "DUB-E107"
    assert stages <= {"probe"} and not film.with_suffix(".polydub").exists()


def test_turns_and_lines_exclude_each_other(film: Path) -> None:
    with pytest.raises(InputError, match="together"):
        api.analyze(film, options(), turns="a.rttm", script_from="b.csv")


def test_exports_come_back_as_they_went(film: Path) -> None:
    project = api.analyze(film, options(targets=("es",)))
    paths = {name: api.export(project, name) for name in ("rttm", "srt", "csv", "funcineforge")}
    assert [path.name for path in paths.values()] == [
        *("talk.rttm", "talk.speakers.srt", "talk.csv", "talk.jsonl"),
    ]
    script = script_of(project)
    turns = read_turns(paths["rttm"])
    assert [(t.span, t.voice) for t in turns] == [
        (line.span, script.speaker(line.speaker).name.replace(" ", "_")) for line in script.lines
    ]
    for name in ("srt", "csv", "funcineforge"):
        assert [line.text for line in read_lines(paths[name])] == [x.text for x in script.lines]
    spanish = api.export(film, "csv", language="es")
    assert spanish.name == "talk.es.csv"
    assert [x.translation for x in read_lines(spanish)] == [
        line.translations["es"].text for line in script.lines
    ]
    with pytest.raises(ProjectError, match="exists already") as caught:
        api.export(project, "rttm")
    assert caught.value.code == "DUB-E301"
    assert api.export(project, "rttm", overwrite=True) == paths["rttm"]
    with pytest.raises(InputError, match="no translation"):
        api.export(project, "srt", language="fr")
    with pytest.raises(InputError, match="no export format"):
        api.export(project, "docx")
    with pytest.raises(ProjectError, match="would replace"):
        api.export(project, "csv", output=film, overwrite=True)


def test_a_script_goes_round_through_its_own_export(film: Path, tmp_path: Path) -> None:
    project = api.analyze(film, options(targets=("es",)))
    before = script_of(project)
    table = api.export(project, "csv", language="es", output=tmp_path / "own.csv")
    other = api.analyze(
        film, options(targets=("es",)), script_from=table, project=tmp_path / "other"
    )
    after = script_of(other)
    assert [(x.span, x.speaker, x.text, x.visibility) for x in after.lines] == [
        (x.span, x.speaker, x.text, x.visibility) for x in before.lines
    ]
    assert [x.translations["es"].text for x in after.lines] == [
        x.translations["es"].text for x in before.lines
    ]
    assert [x.person for x in after.cast] == [x.person for x in before.cast]


@pytest.fixture
def fakes_by_default(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for kind, name in register_fakes().items():
        monkeypatch.setitem(registry.DEFAULTS, kind, name)
    yield


@pytest.mark.slow
@pytest.mark.usefixtures("fakes_by_default")
def test_every_command_of_the_page_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write_film(tmp_path / "film.mp4", PAUSED)
    (tmp_path / "film.rttm").write_text(RTTM.replace("5.200", "7.200"))
    (tmp_path / "lines.csv").write_text(TABLE.replace("5.2,6.8", "7.2,8.8"))
    page = PAGE.read_text(encoding="utf-8")
    commands = [
        line
        for block in re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
        for line in block.split("\n")
    ]
    for command in filter(None, commands):
        name, *words = shlex.split(command)
        assert name == "polydub"
        with pytest.raises(SystemExit) as end:
            main([*words, *(["--overwrite"] if words[0] == "export" else [])])
        assert not end.value.code, (command, capsys.readouterr())
    assert {path.name for path in tmp_path.glob("film.*")} >= {
        *("film.rttm", "film.es.speakers.srt", "film.csv", "film.jsonl", "film.es.mp4"),
    }
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(compile(code, str(PAGE), "exec"), {})
    assert (tmp_path / "other.polydub" / "script.json").exists()


@pytest.mark.usefixtures("fakes_by_default")
def test_the_command_shows_what_changed(
    film: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(film.parent)
    api.analyze(film)
    for words, code in (
        (("pin", "talk.mp4", "--split", "L003"), None),
        (("pin", "talk.polydub", "--list"), None),
        (("pin", "talk.polydub", "--face", "S1=P2", "--json", "--no-run"), None),
        (("pin", "talk.polydub"), 3),
        (("pin", "talk.polydub", "--same", "S1"), 3),
        (("pin", "talk.polydub", "--line", "L001=S1", "--line", "L001=S2"), 3),
    ):
        with pytest.raises(SystemExit) as end:
            main(words)
        assert (end.value.code or None) == code, words
        shown = capsys.readouterr()
        if "--split" in words:
            assert "L003 is said by somebody new" in shown.out and "not seen" in shown.out
            assert "L003 (0:05.2-0:06.8): was S1, now S3" in shown.out
        if words[2:] == ("--list",):
            assert "somebody of his own: L003 (0:05.2-0:06.8)" in shown.out
            assert "look for them by their time" not in shown.out
        if "--json" in words:
            result = json.loads(shown.out.splitlines()[-1])["result"]
            assert result["effects"] == ["S1 is the face P2"]
            assert [member["lines"] for member in result["cast"]] == [["L001"], ["L002"], ["L003"]]
    assert Fraction(26, 5) == read_pins(api.Project.open(Path("talk.polydub"))).splits[0].span.start
