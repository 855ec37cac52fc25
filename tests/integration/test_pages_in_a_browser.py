"""The two pages in a real browser, wide and on a phone; skipped where no Chromium is installed."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from polydub import api
from polydub.engines.fakes import register_fakes
from tests.films import write_film

BROWSER = next(
    (path for x in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(x))),
    None,
)
pytestmark = pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")

LOOK = """
const frame = document.getElementById("page");
const inside = frame.contentWindow, page = frame.contentDocument;
const rows = () => Array.from(page.querySelectorAll("table.lines tbody tr"))
  .filter((row) => !row.hidden).map((row) => row.id);
const choose = (id, value) => {
  const control = page.getElementById(id);
  control.value = value;
  control.dispatchEvent(new inside.Event("change"));
};
const found = {
  errors: inside.errors,
  wide: page.documentElement.scrollWidth,
  first: rows(),
  pictures: Array.from(page.images).map((image) => image.naturalWidth),
  players: page.querySelectorAll("audio").length,
  targets: Array.from(page.querySelectorAll("a[href^='#']"))
    .filter((link) => !page.getElementById(link.getAttribute("href").slice(1))).length,
  controls: !page.querySelector(".controls").hidden,
  unreadable: Array.from(page.querySelectorAll("h1,h2,h3,td,dd,dt,p"))
    .filter((x) => x.textContent.trim() && x.getBoundingClientRect().right > inside.innerWidth + 1)
    .filter((x) => !x.closest("table.plain, .scroll")).length,
};
choose("order", "film");
found.film = rows();
choose("order", "worst");
found.worst = rows();
choose("speaker", page.getElementById("speaker").options[1].value);
found.one = rows();
page.getElementById("theme").click();
found.theme = page.documentElement.dataset.theme;
const out = document.createElement("pre");
out.id = "found";
out.textContent = JSON.stringify(found);
document.body.append(out);
"""


def opened(page: Path, width: int, work: Path) -> dict[str, Any]:
    """What a browser shows of a page in a window of ``width`` pixels."""
    listen = "<script>window.errors = []; onerror = (text) => { errors.push(text); };</script>"
    text = page.read_text(encoding="utf-8").replace("<head>", f"<head>{listen}", 1)
    outer = work / f"{page.stem}-{width}.html"
    outer.write_text(
        '<!doctype html><meta charset="utf-8"><body>'
        f'<iframe id="page" width="{width}" height="900" srcdoc="{html.escape(text)}"></iframe>'
        f"<script>document.getElementById('page').addEventListener('load', () => {{{LOOK}}});"
        "</script>",
        encoding="utf-8",
    )
    assert BROWSER is not None
    options = ("--headless=new", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=5000")
    window = f"--window-size={width + 60},1000"
    told = subprocess.run(
        [
            BROWSER,
            *options,
            window,
            f"--user-data-dir={work / 'profile'}",
            "--dump-dom",
            str(outer),
        ],
        capture_output=True,
        text=True,
        timeout=180,
        check=True,
    )
    found = re.search(r'<pre id="found">(.*?)</pre>', told.stdout, re.DOTALL)
    assert found is not None, told.stderr[-2000:]
    values: dict[str, Any] = json.loads(html.unescape(found[1]))
    return values


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    film = write_film(folder / "talk.mp4")
    made = api.dub(film, api.DubOptions(targets=("es",), engines=register_fakes(), takes=2))
    return {
        "report": made.outputs[0].report,
        "evaluation": api.evaluate_dub(made.project).page,
    }


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["report", "evaluation"])
def test_the_page_opens_whole(
    name: str, width: int, pages: dict[str, Path], tmp_path: Path
) -> None:
    found = opened(pages[name], width, tmp_path)
    assert found["errors"] == []
    assert found["wide"] <= width  # nothing sticks out: no scrolling sideways
    assert found["unreadable"] == 0
    assert found["pictures"] and all(found["pictures"])
    assert found["players"] == 6  # three lines, dub and original
    assert found["targets"] == 0  # every link leads to a line
    assert found["controls"] and found["theme"] in ("dark", "light")
    assert found["film"] == ["L001", "L002", "L003"]
    assert sorted(found["worst"]) == found["film"]
    assert found["first"] == (found["worst"] if name == "evaluation" else found["film"])
    assert found["one"] and len(found["one"]) < 3
