from __future__ import annotations

import errno
import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import polydub.api as api
from polydub.engines import registry, weights
from polydub.engines.protocols import Capabilities, WeightFile
from polydub.errors import EngineError, InputError, Interrupted, PolydubError, ProjectError
from polydub.interfaces.cli import doctor, options, tables, texts
from polydub.interfaces.cli.main import as_polydub_error, main
from polydub.pipeline.events import Event

RESULT = api.DubResult(
    Path("film.polydub"),
    (
        api.Output(
            "es",
            Path("film.es.mp4"),
            (Path("film.es.srt"), Path("film.es.vtt")),
            Path("report.html"),
            Path("report.json"),
            7,
            2,
            61.0,
        ),
    ),
)


class Calls(list[tuple[str, tuple[Any, ...], dict[str, Any]]]):
    """What the command line asked of the API."""

    def options(self) -> Any:
        return self[-1][1][1]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Calls:
    made = Calls()

    def fake(name: str, answer: Any) -> None:
        def call(*arguments: Any, **keywords: Any) -> Any:
            made.append((name, arguments, keywords))
            sink = keywords.get("on_event")
            if sink is not None:
                sink(Event("speak", "L001", 0, 2, at=0.0))
                sink(Event("speak", "L001", 2, 2, at=5.0))
            return answer

        monkeypatch.setattr(api, name, call)

    fake("dub", RESULT)
    fake("render", RESULT)
    fake("demo", RESULT)
    steps = (
        api.PlannedStep("shots", "scenedetect", (), True, 0.0),
        api.PlannedStep("speak", "kokoro", ("es", "fr"), False, 90.0),
    )
    fake("plan", steps)
    fake("plan_render", steps)

    class FakeProject:
        root = Path("film.polydub")
        script_path = Path("film.polydub/script.json")

    fake("analyze", FakeProject())
    return made


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    code = ended.value.code
    return code if isinstance(code, int) else 0


def test_dub_passes_every_option(calls: Calls, tmp_path: Path) -> None:
    srt = tmp_path / "a=b.srt"
    srt.write_text("")
    code = run(
        *("dub", "film.mp4", "--to", "es,ja", "--to", "fr", "--from", "en", "-o", "dubs/"),
        *("--project", "work", "--engine", "speak=kokoro", "--engine", "lips = exemplar"),
        *("--translation", f"ja={srt}", "--llm-model", "m.gguf", "--no-lips", "--speakers", "3"),
        *("--no-subtitles", "--max-speed", "1.3", "--overwrite", "--quiet"),
    )
    assert code == 0
    name, arguments, keywords = calls[-1]
    assert name == "dub"
    assert arguments[0] == Path("film.mp4")
    assert keywords == {
        "output": "dubs/",
        "project": Path("work"),
        "overwrite": True,
        "on_event": None,
    }
    assert calls.options() == api.DubOptions(
        targets=("es", "ja", "fr"),
        source_language="en",
        engines={"speak": "kokoro", "lips": "exemplar"},
        translations={"ja": srt},
        llm_model="m.gguf",
        lips=False,
        speakers=3,
        subtitles=False,
        max_speed=1.3,
    )


def test_defaults_are_those_of_the_api(calls: Calls) -> None:
    run("dub", "film.mp4", "--to", "es")
    assert calls.options() == api.DubOptions(targets=("es",))
    run("analyze", "film.mp4")
    assert calls.options() == api.DubOptions()


def test_dub_shows_where_everything_is(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("dub", "film.mp4", "--to", "es") == 0
    shown = capsys.readouterr()
    for words in (
        "Spanish",
        "film.es.mp4",
        "film.es.srt",
        "film.es.vtt",
        "report.html",
        "report.json",
        "7 dubbed",
        "script.json",
    ):
        assert words in shown.out
    assert "polydub render film.polydub" in shown.out
    assert "speaking: done in 5 s" in shown.err


def test_summary_reads_the_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    translations = {"es": {"status": "draft"}, "fr": {"status": "draft"}}
    facts = {
        "cast": [{"person": "P1"}, {"person": None}],
        "decisions": [
            {"kind": "pass-through", "stage": "speak", "unit": "L002"},
            {"kind": "pass-through", "stage": "mix", "unit": "L002"},
            {"kind": "pass-through", "stage": "lips", "unit": "L003"},
            {"kind": "warning", "stage": "fit", "unit": "L001"},
        ],
        "lines": [
            {"language": "es", "line": {"translations": translations, "visibility": seen}}
            for seen in ("on-screen", "off-screen")
        ],
    }
    for decision in facts["decisions"]:
        decision["reason"] = "because"
    page = tmp_path / "report.html"
    page.with_suffix(".json").write_text(json.dumps(facts))
    output = api.Output("es", Path("v.mp4"), (), page, page.with_suffix(".json"), 1, 0, 1.0)
    from rich.console import Console

    tables.show_result(Console(width=200), api.DubResult(tmp_path, (output,)))
    shown = capsys.readouterr().out
    assert "2 (1 seen on screen)" in shown
    assert re.search(r"passed through +1: L002 ", shown)
    assert re.search(r"mouths kept +1: L003 \(some frames or all\)", shown)
    assert "2 lines are drafts" in shown
    assert "1 of 2 lines: heard only" in shown
    film = {"kind": "pass-through", "stage": "transcribe", "unit": "film"}
    facts["decisions"] = [film | {"reason": "no speech was found"}]
    page.with_suffix(".json").write_text(json.dumps(facts))
    tables.show_result(Console(width=200), api.DubResult(tmp_path, (output,)))
    shown = capsys.readouterr().out
    assert "no speech was found" in shown and "passed through" not in shown


def test_commands_to_paste_are_quoted(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    tables.show_result(Console(), api.DubResult(Path("my [film].polydub"), ()))
    assert "polydub render 'my [film].polydub'" in capsys.readouterr().out


def test_json_holds_nothing_but_json(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("dub", "film.mp4", "--to", "es", "--json") == 0
    shown = capsys.readouterr()
    lines = [json.loads(line) for line in shown.out.splitlines()]
    assert [line.get("done") for line in lines] == [0, 2, None]
    assert lines[-1]["result"]["outputs"][0]["video"] == "film.es.mp4"
    assert shown.err == ""


def test_quiet_says_nothing(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("dub", "film.mp4", "--to", "es", "-q") == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("command", "asked"), [(("dub", "film.mp4"), "plan"), (("render", "p.polydub"), "plan_render")]
)
def test_dry_run(
    command: tuple[str, ...], asked: str, calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (*command, "--to", "es,fr", "-o", "out/", "--overwrite", "--dry-run")
    assert run(*arguments) == 0
    ((name, _, keywords),) = calls
    assert name == asked
    assert (keywords["output"], keywords["overwrite"]) == ("out/", True)
    shown = capsys.readouterr().out
    for words in ("kokoro", "es, fr", "the film", "done already", "At most about 1 min 30 s"):
        assert words in shown
    assert run(*arguments, "--json") == 0
    steps = json.loads(capsys.readouterr().out)["plan"]
    assert steps[1]["languages"] == ["es", "fr"] and steps[0]["cached"] is True


def test_analyze(calls: Calls, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("analyze", "film.mp4", "--speakers", "2", "-q") == 0
    assert calls.options().speakers == 2
    assert run("analyze", "film.mp4", "--json") == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert json.loads(last)["result"]["script"] == "film.polydub/script.json"
    assert run("analyze", "film.mp4") == 0
    assert "polydub render film.polydub" in capsys.readouterr().out


def test_render_leaves_the_options_to_the_project(calls: Calls, tmp_path: Path) -> None:
    srt = tmp_path / "a.srt"
    srt.write_text("")
    assert run("render", "film.polydub", "-q") == 0
    assert calls[-1][1] == (Path("film.polydub"), {})
    assert run("render", "film.polydub", "--no-lips", "-q") == 0
    assert calls[-1][1] == (Path("film.polydub"), {"lips": False})
    assert run("render", "film.polydub", "--lips", "-q") == 0
    assert calls[-1][1] == (Path("film.polydub"), {"lips": True})
    assert run("render", "film.polydub", "--to", "fr", "--translation", f"fr={srt}", "-q") == 0
    assert calls[-1][1][1] == {"targets": ("fr",), "translations": {"fr": srt}}


def test_demo(calls: Calls, tmp_path: Path) -> None:
    assert run("demo", str(tmp_path), "--overwrite", "-q") == 0
    assert calls[-1] == ("demo", (tmp_path,), {"on_event": None, "overwrite": True})


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (ProjectError("It exists.", hint="Use x.", code="DUB-E301"), 5, ("DUB-E301: It", "Use x.")),
        (InputError("Odd [bold]file."), 3, ("DUB-E102", "[bold]file")),
        (EngineError("No."), 4, ("DUB-E206",)),
        (OSError(errno.ENOSPC, "No space"), 5, ("DUB-E304", "disk is full")),
        (OSError(errno.EACCES, "Denied"), 1, ("DUB-E000", "POLYDUB_DEBUG=1")),
        (RuntimeError("boom"), 1, ("DUB-E000: RuntimeError: boom", "POLYDUB_DEBUG=1")),
        (KeyboardInterrupt(), 130, ("stopped; run the same command again to resume",)),
        (Interrupted("Stopped."), 130, ("stopped; run the same command again to resume",)),
    ],
)
def test_errors_become_one_line_and_an_exit_code(
    error: BaseException,
    code: int,
    words: tuple[str, ...],
    calls: Calls,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    monkeypatch.delenv("POLYDUB_DEBUG", raising=False)
    monkeypatch.setattr(api, "dub", fail)
    assert run("dub", "film.mp4", "--to", "es") == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err
    assert all(word in shown.err for word in words)
    assert code in texts.EXIT_CODES


def test_debug_keeps_the_traceback(calls: Calls, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("boom")

    monkeypatch.setenv("POLYDUB_DEBUG", "1")
    monkeypatch.setattr(api, "dub", fail)
    with pytest.raises(RuntimeError, match="boom"):
        main(["dub", "film.mp4", "--to", "es"])


def test_known_errors_are_kept() -> None:
    assert as_polydub_error(ValueError()).message == "ValueError"
    assert type(as_polydub_error(ValueError("x"))) is PolydubError


@pytest.mark.parametrize(
    "arguments",
    [
        ("dub",),
        ("dub", "film.mp4"),
        ("nonsense",),
        ("dub", "film.mp4", "--to", "es", "--max-speed", "9"),
        ("dub", "film.mp4", "--to", "es", "--speakers", "0"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], calls: Calls) -> None:
    assert run(*arguments) == 2
    assert calls == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("--engine", "speak"),
        ("--engine", "tongue=kokoro"),
        ("--engine", "speak="),
        ("--translation", "x.srt", "--to", "fr"),
        ("--translation", "es="),
    ],
)
def test_wrong_values(
    arguments: tuple[str, ...], calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("dub", "film.mp4", "--to", "es", *arguments) == 3
    assert "DUB-E108" in capsys.readouterr().err
    assert calls == []


def test_targets_are_split_in_order() -> None:
    assert options.split_targets(["es, ja", "fr", "es,"]) == ("es", "ja", "fr")


def test_one_target_needs_no_language_before_the_file(tmp_path: Path) -> None:
    srt, other = tmp_path / "film.srt", tmp_path / "other.srt"
    srt.write_text("")
    other.write_text("")
    assert options.parse_translations([str(srt)], ("es",)) == {"es": srt}
    with pytest.raises(InputError, match="Which language"):
        options.parse_translations([str(srt)], ("es", "fr"))
    with pytest.raises(InputError, match="two translations"):
        options.parse_translations([str(srt), str(other)], ("es",))


def test_codes_of_translations_may_be_spelled_otherwise(tmp_path: Path) -> None:
    srt = tmp_path / "film.srt"
    srt.write_text("")
    assert options.parse_translations([f"spa={srt}"], ("es",)) == {"es": srt}


def test_a_missing_translation_is_found_before_the_work(
    calls: Calls, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("dub", "film.mp4", "--to", "es", "--translation", "absent.srt") == 3
    assert "DUB-E101" in capsys.readouterr().err
    assert calls == []


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    shown = capsys.readouterr().out
    for words in ("dub", "analyze", "render", "demo", "engines", "doctor", "Exit codes", "130"):
        assert words in shown
    assert run("version") == 0
    assert run("--version") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    assert first.startswith("polydub ")


def capabilities(name: str, kind: Any = "speak", **values: Any) -> registry.Capabilities:
    return registry.Capabilities(
        kind, name, "1", "says things", code_licence="MIT", weights_licence="Apache-2.0", **values
    )


PARROT = replace(
    capabilities("parrot", clones=True, pace="none"), weights_licence="CC-BY-NC-4.0 (codec: MIT)"
)


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> None:
    infos = (
        registry.EngineInfo("recognize", "whisper", capabilities("whisper", "recognize"), ()),
        registry.EngineInfo("speak", "broken", None, (), problem="no module"),
        registry.EngineInfo(
            "speak", "kokoro", capabilities("kokoro", weights=("kokoro-82m-int8",)), ()
        ),
        registry.EngineInfo("speak", "parrot", PARROT, ()),
        registry.EngineInfo(
            "translate",
            "llm-local",
            capabilities("llm-local", "translate", draft=True),
            ("xllama",),
        ),
    )
    monkeypatch.setattr(registry, "all_engines", lambda: infos)
    monkeypatch.setattr(registry, "DEFAULTS", {"speak": "kokoro", "translate": "llm-local"})
    weight = weights.WEIGHTS["kokoro-82m-int8"]
    missing = weights.WeightStatus(weight, "", None, False, "Install it with: pip install x")
    monkeypatch.setattr(weights, "status", lambda: (missing,))


def test_engines_table(engines: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("engines") == 0
    shown = capsys.readouterr().out
    assert "kokoro *" in shown
    assert "speak.broken cannot be loaded: no module" in shown
    assert "speak.kokoro no weights: kokoro-82m-int8" in shown
    assert "translate.llm-local needs xllama" in shown
    assert "clones" in shown and "commercial" in shown


def test_engines_in_a_narrow_terminal_keep_words_whole(
    engines: None, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for columns in (80, 160):
        monkeypatch.setenv("COLUMNS", str(columns))
        assert run("engines") == 0
        shown = capsys.readouterr().out
        assert "Apache-2.0" in shown and max(map(len, shown.splitlines())) <= columns
        assert ("weights Apache-2.0" in shown) is (columns == 80)


def test_an_engine_that_wants_something_of_the_user_names_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    about = registry.describe("translate", "openai")
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    (row,) = tables.engine_rows([about], {})
    assert tables.engine_state(row) == "set OPENAI_API_KEY or OPENAI_BASE_URL" and not row["ready"]
    monkeypatch.setenv("OPENAI_BASE_URL", "http://localhost:9")
    (row,) = tables.engine_rows([about], {})
    assert row["ready"]


def test_engines_json(engines: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("engines", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["whisper"]["ready"] is True
    assert rows["kokoro"]["missing_weights"] == ["kokoro-82m-int8"]
    assert rows["kokoro"]["default"] is True
    assert rows["llm-local"]["draft"] is True
    assert rows["parrot"]["noncommercial"] is True and rows["kokoro"]["noncommercial"] is False
    assert (rows["parrot"]["clones"], rows["parrot"]["pace"]) == (True, "none")
    assert rows["broken"]["problem"] == "no module"


@pytest.mark.parametrize("name", ["kokoro", "speak.kokoro", "kokoro-82m-int8"])
def test_pull(
    name: str, engines: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pulled: list[str] = []

    def pull(weight: str) -> WeightFile:
        pulled.append(weight)
        return WeightFile(weight, Path("/w"), "hub")

    monkeypatch.setattr(weights, "pull", pull)
    assert run("engines", "pull", name) == 0
    assert pulled == ["kokoro-82m-int8"]
    assert "✓" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["whisper", "nobody"])
def test_pull_of_nothing(name: str, engines: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("engines", "pull", name) == 4
    assert "DUB-E201" in capsys.readouterr().err


def test_doctor_names_what_is_missing(
    engines: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("POLYDUB_CACHE", str(tmp_path))
    assert run("doctor", "--json") == 1
    report = json.loads(capsys.readouterr().out)
    checks = {check["name"]: check for check in report["checks"]}
    assert report["ok"] is False
    assert checks["speak.kokoro"]["state"] == "problem"
    assert checks["speak.kokoro"]["hint"] == "Install it with: pip install x"
    assert checks["translate.llm-local"]["state"] == "note"
    assert checks["speak.broken"]["state"] == "note"
    assert checks["recognize.whisper"]["state"] == "ok"
    assert checks["python"]["state"] == "ok"
    assert str(tmp_path) in checks["cache"]["detail"]
    assert run("doctor") == 1
    assert "1 to fix" in capsys.readouterr().out


def test_doctor_tells_of_a_library_that_no_extra_brings() -> None:
    capabilities = Capabilities(
        kind="speak",
        name="far",
        version="1",
        summary="",
        code_licence="MIT",
        weights_licence="MIT",
        requires=("no_such_library",),
        install="clone it from its authors",
    )
    engine = registry.EngineInfo("speak", "far", capabilities, ("no_such_library",))
    row = tables.engine_rows([engine], {})[0]
    assert doctor._engine_check(row, {}).hint == "clone it from its authors"


def test_doctor_is_content_when_nothing_needed_is_missing(
    engines: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("POLYDUB_CACHE", str(tmp_path))
    monkeypatch.setattr(registry, "DEFAULTS", {"recognize": "whisper"})
    assert run("doctor") == 0
    assert "ready to dub" in capsys.readouterr().out


def test_doctor_finds_a_kind_without_engines(
    engines: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYDUB_CACHE", str(tmp_path))
    monkeypatch.setattr(registry, "DEFAULTS", {"lips": "exemplar"})
    check = doctor.engine_checks()[-1]
    assert (check.name, check.state) == ("lips", "problem")


def test_interrupt_in_a_real_process() -> None:
    program = (
        "import polydub.api as api\n"
        "from polydub.interfaces.cli.main import main\n"
        "def stop(*a, **k): raise KeyboardInterrupt\n"
        "api.dub = stop\n"
        "main(['dub', 'film.mp4', '--to', 'es'])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 130
    assert "stopped; run the same command again to resume" in done.stderr
    assert "Traceback" not in done.stderr


def test_files_that_say_who_speaks(calls: Calls, tmp_path: Path) -> None:
    turns, table = tmp_path / "a.rttm", tmp_path / "b=c.csv"
    for path in (turns, table):
        path.write_text("")
    assert run("analyze", "film.mp4", "--turns", str(turns)) == 0
    assert calls.options() == api.DubOptions(turns=turns)
    assert run("dub", "film.mp4", "--to", "es,fr", "--script-from", f"spa={table}") == 0
    assert (calls.options().script_from, calls.options().script_target) == (table, "es")
    assert run("dub", "film.mp4", "--to", "es", "--script-from", str(table)) == 0
    assert (calls.options().script_from, calls.options().script_target) == (table, None)
    done = len(calls)
    for words in (("--turns", "no.rttm"), ("--script-from", "no.csv"), ("--script-from", "es=no")):
        assert run("dub", "film.mp4", "--to", "es", *words) == 3
    assert len(calls) == done
