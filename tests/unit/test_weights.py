from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

import pytest

from polydub.engines import weights
from polydub.engines.weights import WEIGHTS
from polydub.engines.weights_table import PINNED, Part, PinnedFile, Weight
from polydub.errors import EngineError, ProjectError


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


FIRST, SECOND, CONFIG = b"first half, ", b"second half", b"{}"

SPLIT = Weight(
    name="split-1.0",
    files=(
        PinnedFile(
            "model.bin",
            sha(FIRST + SECOND),
            (Part("fakepack_one", "data/a.part1"), Part("fakepack_two", "a.part2")),
        ),
        PinnedFile("config.json", sha(CONFIG), (Part("fakepack_one", "data/config.json"),)),
    ),
    licence="MIT",
    upstream="https://example.org/split",
    mirror=True,
    pip=("fakepack-one==1.0", "fakepack-two==1.0"),
    hub="example/split",
)
SINGLE = Weight(
    name="single",
    files=(PinnedFile("net.pt", sha(FIRST), (Part("fakepack_one", "data/a.part1"),)),),
    licence="MIT",
    upstream="https://example.org/single",
    mirror=False,
    pip=("fakepack-one==1.0",),
)


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for weight in (SPLIT, SINGLE):
        monkeypatch.setitem(WEIGHTS, weight.name, weight)
    monkeypatch.setenv("POLYDUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "_hub_paths", lambda weight: None)


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two installed packages that must never be imported."""
    site = tmp_path / "site"
    for name, files in {
        "fakepack_one": {"data/a.part1": FIRST, "data/config.json": CONFIG},
        "fakepack_two": {"a.part2": SECOND},
    }.items():
        for path, data in {"__init__.py": b"raise RuntimeError('imported')", **files}.items():
            target = site / name / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
    monkeypatch.syspath_prepend(str(site))
    return site


def test_missing_weight_says_how_to_get_it() -> None:
    with pytest.raises(EngineError) as caught:
        weights.find("split-1.0")
    assert caught.value.code == "DUB-E204"
    assert 'pip install "fakepack-one==1.0" "fakepack-two==1.0"' in caught.value.hint
    assert "polydub engines pull split-1.0" in caught.value.hint
    assert "POLYDUB_WEIGHT_SPLIT_1_0" in caught.value.hint


def test_unknown_weight() -> None:
    with pytest.raises(EngineError, match="no weight named 'nonsense'") as caught:
        weights.find("nonsense")
    assert caught.value.code == "DUB-E204"


def test_parts_are_joined_into_the_cache(packages: Path, tmp_path: Path) -> None:
    found = weights.find("split-1.0")
    assert found.origin == "package"
    assert found.path == tmp_path / "cache" / "weights" / "split-1.0"
    assert (found.path / "model.bin").read_bytes() == FIRST + SECOND
    assert (found.path / "config.json").read_bytes() == CONFIG
    assert not list(found.path.glob(".*"))  # no temporary file is left


def test_a_whole_file_is_used_where_it_lies(packages: Path) -> None:
    assert weights.find("single").path == packages / "fakepack_one" / "data" / "a.part1"


def test_one_absent_part_is_a_missing_weight(packages: Path) -> None:
    (packages / "fakepack_two" / "a.part2").unlink()
    with pytest.raises(EngineError) as caught:
        weights.find("split-1.0")
    assert caught.value.code == "DUB-E204"


def test_damaged_part_gives_both_checksums(packages: Path) -> None:
    (packages / "fakepack_two" / "a.part2").write_bytes(b"something else")
    with pytest.raises(EngineError) as caught:
        weights.find("split-1.0")
    assert caught.value.code == "DUB-E205"
    assert sha(FIRST + b"something else") in caught.value.message
    assert sha(FIRST + SECOND) in caught.value.message


def test_damaged_cache_is_joined_again(packages: Path) -> None:
    joined = weights.find("split-1.0").path / "model.bin"
    joined.write_bytes(b"truncated")
    assert (weights.find("split-1.0").path / "model.bin").read_bytes() == FIRST + SECOND


def test_verified_file_is_hashed_once(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = weights.find("single").path
    monkeypatch.setattr(weights, "_blocks", lambda paths: pytest.fail("hashed again"))
    assert weights.find("single").path == path


def test_changed_file_is_hashed_again(packages: Path) -> None:
    path = weights.find("single").path
    stat = path.stat()
    path.write_bytes(FIRST[::-1])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))
    with pytest.raises(EngineError) as caught:
        weights.find("single")
    assert caught.value.code == "DUB-E205"


def test_explicit_path_comes_first(packages: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.pt"
    mine.write_bytes(FIRST)
    found = weights.find("single", path=mine)
    assert (found.origin, found.path) == ("path", mine)


def test_environment_names_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "model.bin").write_bytes(FIRST + SECOND)
    (folder / "config.json").write_bytes(CONFIG)
    monkeypatch.setenv("POLYDUB_WEIGHT_SPLIT_1_0", str(folder))
    found = weights.find("split-1.0")
    assert (found.origin, found.path) == ("path", folder)


@pytest.mark.parametrize(("data", "code"), [(b"not it", "DUB-E205"), (None, "DUB-E204")])
def test_explicit_path_is_no_blank_cheque(
    packages: Path, tmp_path: Path, data: bytes | None, code: str
) -> None:
    mine = tmp_path / "mine.pt"
    if data is not None:
        mine.write_bytes(data)
    with pytest.raises(EngineError) as caught:
        weights.find("single", path=mine)
    assert caught.value.code == code


def test_hub_cache_comes_before_packages(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = tmp_path / "snapshot"
    cached.mkdir()
    (cached / "model.bin").write_bytes(FIRST + SECOND)
    (cached / "config.json").write_bytes(CONFIG)
    paths = [cached / "model.bin", cached / "config.json"]
    monkeypatch.setattr(weights, "_hub_paths", lambda weight: paths)
    assert weights.find("split-1.0") == weights.WeightFile("split-1.0", cached, "hub")
    (cached / "model.bin").write_bytes(b"another revision")
    assert weights.find("split-1.0").origin == "package"


def test_pull_needs_a_hub() -> None:
    with pytest.raises(EngineError) as caught:
        weights.pull("single")
    assert caught.value.code == "DUB-E204"
    assert "pip install" in caught.value.hint


def test_pull_maps_network_failures(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")

    def offline(*args: object, **kwargs: object) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(hub, "hf_hub_download", offline)
    with pytest.raises(EngineError, match="no route to host") as caught:
        weights.pull("split-1.0")
    assert caught.value.code == "DUB-E207"


def test_pull_verifies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    contents = {"model.bin": FIRST + SECOND, "config.json": CONFIG}

    def download(repo: str, name: str, *, revision: str | None) -> str:
        assert (repo, revision) == ("example/split", None)
        (tmp_path / name).write_bytes(contents[name])
        return str(tmp_path / name)

    monkeypatch.setattr(hub, "hf_hub_download", download)
    assert weights.pull("split-1.0").origin == "hub"
    contents["config.json"] = b"{ }"
    with pytest.raises(EngineError) as caught:
        weights.pull("split-1.0")
    assert caught.value.code == "DUB-E205"


def test_status_hashes_nothing(packages: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(weights, "_blocks", lambda paths: pytest.fail("hashed"))
        before = {entry.weight.name: entry for entry in weights.status()}
    assert before["single"].origin == "package"
    assert not before["single"].verified
    weights.find("single")
    after = {entry.weight.name: entry for entry in weights.status()}
    assert after["single"].verified
    assert list(after) == sorted(after)


def test_status_of_a_wrong_environment_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYDUB_WEIGHT_SINGLE", "/nowhere/net.pt")
    entry = next(entry for entry in weights.status() if entry.weight.name == "single")
    assert entry.origin == ""
    assert "/nowhere/net.pt" in entry.hint


def test_unwritable_cache(packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocker = tmp_path / "file"
    blocker.write_bytes(b"")
    monkeypatch.setenv("POLYDUB_CACHE", str(blocker / "cache"))
    assert weights.find("single").origin == "package"  # works, only without a stamp
    with pytest.raises(ProjectError) as caught:
        weights.find("split-1.0")
    assert caught.value.code == "DUB-E304"


def test_interrupted_write_leaves_nothing(tmp_path: Path) -> None:
    def blocks() -> object:
        yield b"some"
        raise OSError(28, "No space left on device")

    with pytest.raises(ProjectError, match="No space left"):
        weights.write_atomically(tmp_path / "target", blocks())  # type: ignore[arg-type]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("weight", list(WEIGHTS.values()), ids=lambda weight: weight.name)
def test_every_known_weight_is_pinned(weight: Weight) -> None:
    assert weight.files
    assert weight.licence
    assert weight.upstream.startswith("https://")
    by_hand = weights._install_hint(weight) == f"Get it from {weight.upstream}."
    assert weight.pip or weight.hub or by_hand
    for file in weight.files:
        if weight.name in PINNED:
            assert re.fullmatch(r"[0-9a-f]{64}", file.sha256)
            assert file.parts
        else:
            assert (weight.hub or by_hand) and not file.parts
    assert all("==" in requirement for requirement in weight.pip)


@pytest.mark.weights
@pytest.mark.parametrize("name", ["campplus-zh-en", "silero-vad-v6", "deepfilternet3"])
def test_packaged_weights_match_their_checksums(name: str) -> None:
    assert weights.find(name).origin in {"package", "hub", "path"}


ON_HUB = Weight(
    name="on-hub",
    files=(PinnedFile("net/model.bin", ""), PinnedFile("config.json", "")),
    licence="CC-BY-4.0",
    upstream="https://example.org/on-hub",
    mirror=False,
    hub="example/on-hub",
    terms="https://example.org/terms",
)


def test_what_only_the_hub_has_is_taken_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(WEIGHTS, ON_HUB.name, ON_HUB)
    with pytest.raises(EngineError) as caught:
        weights.find("on-hub")
    assert "polydub engines pull on-hub" in caught.value.hint
    assert "Accept the terms at https://example.org/terms" in caught.value.hint
    assert "HF_TOKEN" in caught.value.hint
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "model.bin").write_bytes(b"anything")
    (tmp_path / "config.json").write_bytes(CONFIG)
    found = weights.find("on-hub", path=tmp_path)
    assert (found.path, found.origin) == (tmp_path, "path")


def test_terms_that_were_not_accepted_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = pytest.importorskip("huggingface_hub")
    from huggingface_hub.errors import GatedRepoError

    monkeypatch.setitem(WEIGHTS, ON_HUB.name, ON_HUB)

    def refused(*_: object, **__: object) -> str:
        raise GatedRepoError.__new__(GatedRepoError)

    monkeypatch.setattr(hub, "hf_hub_download", refused)
    with pytest.raises(EngineError) as caught:
        weights.pull("on-hub")
    assert caught.value.code == "DUB-E207"
    assert "https://example.org/terms" in caught.value.hint


def test_inside_offline_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("huggingface_hub")
    from huggingface_hub import constants, hf_hub_download
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    before = constants.HF_HUB_OFFLINE
    with weights.offline():
        assert os.environ["HF_HUB_OFFLINE"] == "1"
        with pytest.raises(LocalEntryNotFoundError) as caught:
            hf_hub_download("example/nowhere", "config.json")
    assert isinstance(caught.value.__cause__, OfflineModeIsEnabled)
    assert before == constants.HF_HUB_OFFLINE and "HF_HUB_OFFLINE" not in os.environ
