"""The rules of the house, held by a test: imports run one way, files stay small, names explain."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCE = ROOT / "src" / "polydub"
GOLDEN = ROOT / "tests" / "golden" / "registry.json"
FILES = sorted(SOURCE.rglob("*.py"))

FUNCTION_LINES = 80
FILE_LINES = 600
OVERSIZED: frozenset[str] = frozenset()
"""Files or ``file:function`` that may exceed the budget. May only shrink."""

HEAVY = (
    *("torch", "transformers", "mediapipe", "onnxruntime", "faster_whisper", "dlib", "scipy"),
    *("av", "cv2"),
)
"""Nothing of this may load with ``import polydub`` or ``polydub --help``."""

MAY_IMPORT: dict[str, tuple[str, ...]] = {
    "errors": (),
    "model": ("model", "errors"),
    "media": ("model", "media", "errors"),
    "project": ("model", "project", "errors"),
    "engines": ("model", "media", "errors", "engines"),
    "stages": ("model", "errors", "stages", "engines.protocols"),
    "evaluate": ("model", "errors", "evaluate", "engines.protocols"),
    "simulate": ("model", "media", "errors", "engines", "stages", "simulate"),
    "pipeline": (
        *("model", "media", "project", "engines", "stages", "evaluate", "errors", "pipeline"),
    ),
    "api": ("model", "project", "errors", "pipeline", "evaluate"),
    "bench": (*("api", "model", "project", "errors", "pipeline", "evaluate", "simulate", "bench"),),
    "__main__": ("interfaces",),
    "interfaces": (
        *("api", "model", "project", "errors", "pipeline", "engines", "interfaces"),
        *("evaluate", "bench"),
    ),
}
"""Package -> what of polydub it may import: one way only."""

SHARED_ENGINE_MODULES = (
    *("protocols", "weights", "weights_table", "weights_hub", "registry", "native"),
)


def module_of(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[str]:
    """Modules of polydub that a file imports, without the leading ``polydub.``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names = [node.module]
            if node.module == "polydub" or (SOURCE / _folder(node.module)).is_dir():
                names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name == "polydub" or name.startswith("polydub."):
                yield name.removeprefix("polydub").removeprefix(".")


def _folder(module: str) -> str:
    return module.removeprefix("polydub").removeprefix(".").replace(".", "/")


def allowed(importer: str, imported: str) -> bool:
    package = importer.partition(".")[0]
    return any(imported == name or imported.startswith(f"{name}.") for name in MAY_IMPORT[package])


def test_the_rule_itself() -> None:
    assert allowed("stages.fit", "engines.protocols")
    assert not allowed("stages.fit", "engines.speak.kokoro")
    assert not allowed("stages.fit", "media.audio")
    assert not allowed("model.time", "stages.fit")
    assert not allowed("engines.speak.kokoro", "pipeline.run")
    assert allowed("interfaces.cli.app", "api")


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_imports_run_one_way(path: Path) -> None:
    importer = module_of(path)
    if not importer:
        pytest.skip("the package itself only exports the public API")
    wrong = sorted({name for name in imports_of(path) if not allowed(importer, name)})
    assert wrong == [], f"{importer} may not import {wrong}"


def test_no_relative_imports() -> None:
    relative = [
        f"{module_of(path)}:{node.lineno}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


def test_engines_do_not_know_other_kinds() -> None:
    """An engine imports the shared modules and its own folder."""
    wrong = []
    for path in sorted((SOURCE / "engines").rglob("*.py")):
        parts = module_of(path).split(".")
        if len(parts) < 3:
            continue
        for name in imports_of(path):
            other = name.split(".")
            if other[0] != "engines" or len(other) < 2 or other[1] in SHARED_ENGINE_MODULES:
                continue
            if other[1] != parts[1]:
                wrong.append(f"{'.'.join(parts)} -> {name}")
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_size_budget(path: Path) -> None:
    name = path.relative_to(SOURCE).as_posix()
    text = path.read_text(encoding="utf-8")
    lines = len(text.splitlines())
    assert lines <= FILE_LINES or name in OVERSIZED, f"{name} has {lines} lines"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            fits = length <= FUNCTION_LINES or f"{name}:{node.name}" in OVERSIZED
            assert fits, f"{name}:{node.name} has {length} lines"


def test_the_allow_list_holds_nothing_superfluous() -> None:
    files = {path.relative_to(SOURCE).as_posix() for path in FILES}
    assert {name.partition(":")[0] for name in OVERSIZED} <= files


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_every_public_name_has_a_docstring(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    bare = [] if ast.get_docstring(tree) else ["the module"]
    documented = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in tree.body:
        if not isinstance(node, documented) or node.name.startswith("_"):
            continue
        members = node.body if isinstance(node, ast.ClassDef) else []
        public = [m for m in members if isinstance(m, documented) and m.name[0] != "_"]
        bare += [item.name for item in (node, *public) if not ast.get_docstring(item)]
    assert bare == []


def test_nothing_catches_everything_but_at_the_process_edge() -> None:
    """``except Exception`` and bare ``except`` hide bugs, unless they clean up and raise again."""
    broad = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ExceptHandler):
                continue
            caught = ast.unparse(node.type) if node.type else ""
            raises_again = isinstance(node.body[-1], ast.Raise) and node.body[-1].exc is None
            if caught in ("", "Exception", "BaseException") and not raises_again:
                broad.append(module_of(path))
    assert broad == ["interfaces.cli.main"]


def test_the_library_does_not_print() -> None:
    printing = {
        module_of(path)
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "print"
    }
    assert all(name.startswith("interfaces.") for name in printing), printing


def test_there_is_no_drawer_for_odds_and_ends() -> None:
    names = {path.stem for path in FILES}
    assert names.isdisjoint({"utils", "util", "helpers", "misc", "common"})


@pytest.mark.parametrize(
    ("program", "most"),
    [
        ("import polydub", 100),
        (
            "from polydub.interfaces.cli.main import main\n"
            "try: main(['--help'])\n"
            "except SystemExit as end: assert not end.code, end.code",
            450,
        ),
    ],
    ids=["import", "help"],
)
def test_start_is_light(program: str, most: int) -> None:
    """Nothing heavy is loaded, and few modules: 61 and 353 when this was written.

    Time itself is no measure: on busy cores the same start takes twice the processor time.
    """
    code = (
        "import sys\n"
        f"{program}\n"
        f"print('LOADED', [name for name in {HEAVY!r} if name in sys.modules], len(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    last = done.stdout.splitlines()[-1]
    assert last.startswith("LOADED [] "), last
    assert int(last.split()[-1]) < most


def registered() -> dict[str, str]:
    ours = (e for e in entry_points(group="polydub.engines") if e.value.startswith("polydub."))
    return {entry.name: entry.value for entry in sorted(ours, key=lambda e: e.name)}


def test_registry_golden() -> None:
    """Names of engines are public: they stand in projects and commands."""
    assert registered() == json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", sorted(json.loads(GOLDEN.read_text(encoding="utf-8"))))
def test_every_engine_declares_itself_without_loading(name: str) -> None:
    from polydub.engines.protocols import Capabilities

    module, _, attribute = json.loads(GOLDEN.read_text(encoding="utf-8"))[name].partition(":")
    engine = getattr(importlib.import_module(module), attribute)
    declared = engine.__dict__.get("capabilities")
    assert isinstance(declared, Capabilities)
    assert f"{declared.kind}.{declared.name}" == name
    assert declared.version and declared.summary and declared.code_licence
