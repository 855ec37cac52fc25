"""Every translator, with the same cases: answers by id, one class attribute, mapped errors."""

from __future__ import annotations

import importlib.util
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polydub.engines import weights
from polydub.engines.protocols import (
    Capabilities,
    LineToTranslate,
    TranslationRequest,
    Translator,
    Wordings,
    WordingTranslator,
)
from polydub.engines.registry import engine_class
from polydub.engines.translate import llm_local
from polydub.engines.translate.given import GivenTranslator, match_cues, split_text
from polydub.engines.translate.llm_local import (
    LocalLlmTranslator,
    model_path,
    says_the_same,
    sentences,
)
from polydub.engines.translate.openai import OpenAiTranslator, parse_answer
from polydub.engines.translate.prompts import (
    BRIEF,
    EXAMPLES,
    FORMAL,
    NAMES,
    WORDY,
    can_shorten,
    can_spell,
    chat,
    examples,
    service_prompt,
)
from polydub.errors import EngineError
from polydub.model import Line, Script, Span, Speaker
from polydub.project.subtitles import Cue
from polydub.stages.translate import translate_lines
from polydub.stages.translation_requests import TranslateOptions


def line(name: str, start: float, end: float, text: str = "Hello.") -> LineToTranslate:
    return LineToTranslate(name, text, "Ann", end - start, Span.of(start, end))


def request(*lines: LineToTranslate, **changes: Any) -> TranslationRequest:
    return TranslationRequest(**({"source": "en", "target": "es", "lines": lines} | changes))


def cue(start: float, end: float, text: str) -> Cue:
    return Cue(Span.of(start, end), text)


Reply = Callable[[dict[str, Any]], tuple[int, dict[str, str], bytes]]


class Service:
    """A chat service in a thread of this process."""

    def __init__(self) -> None:
        self.replies: list[Reply] = [translated]
        self.seen: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                service.seen.append((self.path, dict(self.headers), body))
                reply = service.replies[min(len(service.seen), len(service.replies)) - 1]
                status, headers, data = reply(body)
                if status == 0:  # hang up without a word
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def content(text: str) -> bytes:
    return json.dumps({"choices": [{"message": {"content": text}}]}).encode()


def translated(body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    asked = json.loads(body["messages"][1]["content"])
    made = [{"id": entry["id"], "text": f"es: {entry['text']}"} for entry in asked["lines"]]
    return 200, {}, content(json.dumps({"translations": made}))


def status(code: int, data: bytes = b"{}", **headers: str) -> Reply:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda body: (code, named, data)


@pytest.fixture
def service() -> Iterator[Service]:
    made = Service()
    yield made
    made.stop()


def client(service: Service, **options: Any) -> OpenAiTranslator:
    waits: list[float] = options.pop("waits", [])
    return OpenAiTranslator(
        **({"api_key": "key-1", "base_url": service.url, "sleep": waits.append} | options)
    )


# --- the same cases for every engine


@pytest.fixture(params=["given", "openai", pytest.param("llm-local", marks=pytest.mark.weights)])
def translator(request: pytest.FixtureRequest, service: Service) -> Translator:
    if request.param == "given":
        return GivenTranslator(texts={"L001": "Hola.", "L002": "¿Adónde vas?"})
    if request.param == "openai":
        return client(service)
    if importlib.util.find_spec("xllamacpp") is None:
        pytest.skip("xllamacpp is not installed")
    try:
        return LocalLlmTranslator(threads=1)
    except EngineError as error:
        assert error.code in ("DUB-E204", "DUB-E205")
        pytest.skip("the packaged model is not here")


def test_answers_by_id(translator: Translator) -> None:
    assert isinstance(translator, Translator)
    lines = (line("L001", 0, 1), line("L002", 1, 2, "Where are you going?"))
    answer = translator.translate(request(*lines))
    assert set(answer) == {"L001", "L002"}
    assert all(isinstance(text, str) and text.strip() for text in answer.values())
    assert translator.translate(request(*lines)) == answer


@pytest.mark.parametrize("name", ["given", "openai", "llm-local"])
def test_capabilities_are_readable_without_loading(name: str) -> None:
    capabilities: Capabilities = engine_class("translate", name).capabilities
    assert (capabilities.kind, capabilities.name) == ("translate", name)
    assert capabilities.version and capabilities.summary and capabilities.code_licence
    assert capabilities.network is (name == "openai")
    assert capabilities.draft is (name == "llm-local")


# --- given


def test_ids_win_over_cues_and_nothing_is_invented() -> None:
    engine = GivenTranslator(texts={"L001": " Hola. ", "L002": " "}, cues=[cue(0, 1, "No.")])
    answer = engine.translate(request(line("L001", 0, 1), line("L002", 5, 6), line("L003", 7, 8)))
    assert answer == {"L001": "Hola."}


def test_cues_are_matched_over_the_whole_film() -> None:
    lines = [Line(f"L{i}", "S1", Span.of(i * 2, i * 2 + 1), "x") for i in range(4)]
    cues = [cue(0, 3, "Uno. Dos."), cue(4, 5, "Tres."), cue(50, 51, "FIN")]
    engine = GivenTranslator(cues=cues, lines=lines)
    assert [left.text for left in engine.unmatched] == ["FIN"]
    asked = request(line("L1", 2, 3))
    assert engine.translate(asked) == {"L1": "Dos."}
    assert engine.translate(asked) == GivenTranslator(cues=cues).translate(
        request(line("L1", 2, 3), before=(line("L0", 0, 1),), after=(line("L2", 4, 5),))
    )


def test_a_cue_over_several_lines_is_cut_at_sentences() -> None:
    lines = [line("a", 0, 2), line("b", 2, 3), line("c", 3, 6)]
    made = match_cues([cue(0, 6, "¿Adónde vas tú? Al mar. No sin mí, ni hablar de eso.")], lines)
    assert made.texts == {
        "a": "¿Adónde vas tú?",
        "b": "Al mar.",
        "c": "No sin mí, ni hablar de eso.",
    }


def test_a_line_under_several_cues_gets_them_in_order() -> None:
    cues = [cue(2, 4, "y me voy."), cue(0, 2, "Te lo digo")]
    assert match_cues(cues, [line("a", 0, 4)]).texts == {"a": "Te lo digo y me voy."}
    chinese = [cue(0, 2, "我告诉你"), cue(2, 4, "我走了。")]
    assert match_cues(chinese, [line("a", 0, 4)], spaced=False).texts == {"a": "我告诉你我走了。"}


def test_a_cue_that_hangs_over_a_little_stays_whole() -> None:
    lines = [line("a", 0, 2), line("b", 2.1, 5)]
    made = match_cues([cue(0, 2.3, "Una frase. Otra."), cue(2.3, 5, "Fin.")], lines)
    assert made.texts == {"a": "Una frase. Otra.", "b": "Fin."}


def test_a_cue_beside_a_line_goes_to_it_and_a_far_one_to_none() -> None:
    lines = [line("a", 0, 1), line("b", 3, 4)]
    made = match_cues([cue(1.2, 1.6, "Eh."), cue(9, 10, "CARTEL"), cue(5, 5.5, " ")], lines)
    assert made.texts == {"a": "Eh."}
    assert [left.text for left in made.unmatched] == ["CARTEL"]
    assert match_cues([cue(0, 1, "x")], []).unmatched


def test_one_word_over_two_lines_goes_to_the_longer() -> None:
    lines = [line("a", 0, 1), line("b", 1, 4)]
    assert match_cues([cue(0, 4, "Sí.")], lines).texts == {"b": "Sí."}
    lines = [line("a", 0, 3), line("b", 3, 4)]
    assert match_cues([cue(0, 4, "Sí.")], lines).texts == {"a": "Sí."}


moments = st.integers(0, 200)
spans = st.tuples(moments, moments).map(lambda pair: Span.of(min(pair), max(pair)))
phrases = st.lists(st.sampled_from(["Hola.", "¿y tú?", "bien,", "sí", "好。", "no"]), max_size=6)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(spans, phrases), max_size=6), st.lists(spans, max_size=6), st.booleans())
def test_no_text_of_a_cue_is_lost_or_doubled(
    shown: list[tuple[Span, list[str]]], times: list[Span], spaced: bool
) -> None:
    cues = [Cue(span, " ".join(words)) for span, words in shown]
    lines = [Line(f"L{i}", "S", span, "x") for i, span in enumerate(times)]
    made = match_cues(cues, lines, spaced=spaced)

    def letters(texts: list[str]) -> list[str]:
        return sorted("".join("".join(texts).split()))

    left = [item.text for item in made.unmatched]
    assert letters([*made.texts.values(), *left]) == letters([item.text for item in cues])
    assert set(made.texts) <= {item.id for item in lines}


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60), st.lists(st.floats(0, 5), min_size=1, max_size=5))
def test_split_text_keeps_every_character(text: str, shares: list[float]) -> None:
    parts = split_text(text, shares)
    assert len(parts) == len(shares)
    assert "".join("".join(parts).split()) == "".join(text.split())


# --- openai


def test_the_request_carries_context_and_key(service: Service) -> None:
    engine = client(service, model="m-1")
    asked = request(
        line("L2", 2, 3.5, "Go."),
        before=(line("L1", 0, 1),),
        after=(line("L3", 4, 5),),
        glossary={"Go": "Ve"},
    )
    assert engine.translate(asked) == {"L2": "es: Go."}
    path, headers, body = service.seen[0]
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == "Bearer key-1"
    assert body["model"] == "m-1" and body["temperature"] == 0
    sent = json.loads(body["messages"][1]["content"])
    assert sent["lines"] == [
        {"id": "L2", "speaker": "Ann", "seconds": 1.5, "text": "Go.", "letters": 0}
    ]
    assert [entry["id"] for entry in sent["before"] + sent["after"]] == ["L1", "L3"]
    assert sent["glossary"] == {"Go": "Ve"}
    assert "Spanish" in body["messages"][0]["content"]


def test_the_service_is_told_what_is_too_long(service: Service) -> None:
    lines = (replace(line("L1", 0, 2), longest=12), line("L2", 2, 3))
    client(service).translate(request(*lines, shorten={"L1": "Muy buenos días."}, attempt=1))
    body = service.seen[0][2]
    one, two = json.loads(body["messages"][1]["content"])["lines"]
    assert (one["letters"], one["too_long"]) == (12, "Muy buenos días.")
    assert "too_long" not in two
    assert all(word in body["messages"][0]["content"] for word in ('"letters"', '"too_long"'))


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_service_is_asked_again_later(service: Service, code: int) -> None:
    service.replies = [status(code), status(code, Retry_After="7"), translated]
    waits: list[float] = []
    assert client(service, waits=waits).translate(request(line("L1", 0, 1))) == {"L1": "es: Hello."}
    assert waits == [1.0, 7.0]


@pytest.mark.parametrize("reply", [status(503), status(0), status(200, b"not json")])
def test_a_dead_service_is_an_engine_error(service: Service, reply: Reply) -> None:
    service.replies = [reply]
    waits: list[float] = []
    with pytest.raises(EngineError, match="3 attempts") as caught:
        client(service, waits=waits, retries=2).translate(request(line("L1", 0, 1)))
    assert caught.value.code == "DUB-E207"
    assert waits == [1.0, 2.0]
    assert len(service.seen) == 3


@pytest.mark.parametrize(
    ("code", "hint"), [(401, "OPENAI_API_KEY"), (404, "OPENAI_MODEL"), (302, "OPENAI_BASE_URL")]
)
def test_a_refusal_is_not_repeated(service: Service, code: int, hint: str) -> None:
    message = json.dumps({"error": {"message": "no such thing"}}).encode()
    service.replies = [status(code, message, Location="http://127.0.0.1:9/steal")]
    with pytest.raises(EngineError, match="no such thing") as caught:
        client(service).translate(request(line("L1", 0, 1)))
    assert caught.value.code == "DUB-E207" and hint in caught.value.hint
    assert "key-1" not in str(caught.value)
    assert len(service.seen) == 1


@pytest.mark.parametrize("data", [b"[]", b'{"choices": []}', b"3", b'{"choices": [{"text": 1}]}'])
def test_an_answer_of_another_form(service: Service, data: bytes) -> None:
    service.replies = [status(200, data)]
    with pytest.raises(EngineError, match="unknown form"):
        client(service).translate(request(line("L1", 0, 1)))


def test_nobody_listens() -> None:
    engine = OpenAiTranslator(base_url="http://127.0.0.1:9/v1", retries=0)
    with pytest.raises(EngineError, match="no answer") as caught:
        engine.translate(request(line("L1", 0, 1)))
    assert caught.value.code == "DUB-E207"


def test_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch, service: Service) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(EngineError, match="no API key"):
        OpenAiTranslator()
    with pytest.raises(EngineError, match="not a web address"):
        OpenAiTranslator(base_url="file:///etc/passwd")
    monkeypatch.setenv("OPENAI_BASE_URL", service.url + "/")
    monkeypatch.setenv("OPENAI_MODEL", "m-2")
    OpenAiTranslator().translate(request(line("L1", 0, 1)))
    path, headers, body = service.seen[0]
    assert path == "/v1/chat/completions" and body["model"] == "m-2"
    assert "Authorization" not in headers


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ('{"translations": [{"id": "a", "text": "x"}]}', {"a": Wordings("x")}),
        ('```json\n{"a": "x"}\n```', {"a": Wordings("x")}),
        ('Here you are: [{"id": 3, "translation": "x"}] Enjoy!', {"3": Wordings("x")}),
        ('{"translations": {"a": "x", "b": 2}}', {"a": Wordings("x")}),
        (
            '[{"id": "a", "literal": "x", "shorter": "y", "shortest": "z", "longer": "w"}]',
            {"a": Wordings("x", ("y", "z"), "w")},
        ),
        (
            '{"a": {"literal": "x", "shorter": ["y", 3, ""], "longer": null}}',
            {"a": Wordings("x", ("y",))},
        ),
        ('[{"id": "a", "shorter": "y"}, {"id": "b", "literal": ["x"]}]', {}),
        ('[{"id": "a"}, 3, {"text": "y"}, null]', {}),
        ("no json", {}),
        ('{"a": ', {}),
        ("{" * 50_000, {}),
        ("", {}),
        ("3", {}),
    ],
)
def test_parsing_what_models_write(text: str, answer: dict[str, Wordings]) -> None:
    assert parse_answer(text) == answer


def in_lengths(body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    asked = json.loads(body["messages"][1]["content"])
    made = [
        {"id": x["id"], "literal": f"es: {x['text']}", "shorter": "es.", "longer": "Pues, es."}
        for x in asked["lines"]
    ]
    return 200, {}, content(json.dumps({"translations": made}))


def test_all_lengths_of_all_lines_come_with_one_request(service: Service) -> None:
    service.replies = [in_lengths]
    engine = client(service)
    assert isinstance(engine, WordingTranslator)
    answer = engine.wordings(request(line("L1", 0, 1), line("L2", 1, 2, "Bye.")))
    assert answer == {
        "L1": Wordings("es: Hello.", ("es.",), "Pues, es."),
        "L2": Wordings("es: Bye.", ("es.",), "Pues, es."),
    }
    assert len(service.seen) == 1
    instruction = service.seen[0][2]["messages"][0]["content"]
    assert all(f'"{key}"' in instruction for key in ("literal", "shorter", "shortest", "longer"))


@pytest.mark.parametrize(
    "words", ["no json", '{"translations": [{"id": "L1"}]}', "[]", '{"L1": 3}']
)
def test_malformed_lengths_are_no_answer(service: Service, words: str) -> None:
    service.replies = [lambda body: (200, {}, content(words))]
    assert client(service).wordings(request(line("L1", 0, 1))) == {}


def test_a_film_with_a_clumsy_service_loses_no_line(service: Service) -> None:
    """One line in several lengths, one merged away, one invented, one asked again alone."""

    def clumsy(body: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
        asked = json.loads(body["messages"][1]["content"])["lines"]
        made = [
            {"id": x["id"], "literal": f"Frase de {x['id']}.", "shorter": f"De {x['id']}."}
            for x in asked[:1]
        ]
        return 200, {}, content(json.dumps({"translations": [*made, {"id": "L9", "text": "No."}]}))

    service.replies = [clumsy]
    lines = tuple(Line(f"L{n}", "S1", Span.of(n * 2, n * 2 + 1), f"Line {n}.") for n in range(4))
    script = Script("f.mp4", "d", Fraction(9), "en", (Speaker("S1", "Ann"),), lines)
    outcome = translate_lines(client(service), script, "es", options=TranslateOptions(lengthen=0))
    assert [made.text for made in outcome.translations.values()] == [
        f"Frase de L{n}." for n in range(4)
    ]
    assert {made.status for made in outcome.translations.values()} == {"ok"}


def test_the_service_is_told_the_rules(service: Service) -> None:
    asked = request(
        line("L1", 0, 1),
        glossary={"fan": "abanico"},
        lengthen={"L1": "Hola."},
        remarks={"L1": "'fan' must become 'abanico'."},
        formality="formal",
        profanity="soften",
        film="A {court} drama.",
        attempt=1,
    )
    client(service).translate(asked)
    system, user = (part["content"] for part in service.seen[0][2]["messages"])
    assert all(
        word in system for word in ("'usted', never 'tú'", "mild", "About the film: A {court}")
    )
    (sent,) = json.loads(user)["lines"]
    assert sent["too_short"] == "Hola." and "abanico" in sent["remark"]
    plain = service_prompt(request(line("L1", 0, 1)))
    assert "usted" not in plain and "nothing is censored" in plain and "film:" not in plain


# --- llm-local


def test_example_lines_cover_the_same_ground_in_every_language() -> None:
    assert {len(three) for three in EXAMPLES.values()} == {3}
    assert examples("pt-BR", "en-GB")[0] == (EXAMPLES["pt"][0], EXAMPLES["en"][0])
    assert examples("en", "sw") == ()
    assert len(chat("en", "es", "x")) == 8 and len(chat("en", "sw", "x")) == 2
    assert "Swahili" in service_prompt(request(target="sw"))
    assert all(len(two) == 2 for two in FORMAL.values()) and set(FORMAL) <= set(EXAMPLES)
    assert examples("en", "es", "formal")[0][1] == FORMAL["es"][0]
    assert examples("en", "es", "formal")[2] == examples("en", "es")[2]
    assert examples("es", "en", "formal") == examples("es", "en")
    assert set(WORDY) == set(BRIEF) == set(EXAMPLES)
    for language, wordy in WORDY.items():
        pairs = zip(wordy, BRIEF[language], strict=True)
        assert all(len(brief) < 0.8 * len(long) for long, brief in pairs), language
    assert can_spell("en-GB", "zh-Hant") and not can_spell("en", "el")
    assert {len(three) for three in NAMES.values()} == {3}
    assert can_shorten("en-GB", "pt-BR") and not can_shorten("en", "sw")


def test_models_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    for name in ("nowhere.gguf", "owner/repo", "owner/repo:x.gguf", "a/../b", ""):
        with pytest.raises(EngineError) as caught:
            model_path(name)
        assert caught.value.code == "DUB-E204"
    bad = tmp_path / "bad.gguf"
    bad.write_bytes(b"oops")
    with pytest.raises(EngineError, match="not a GGUF"):
        model_path(bad)


def test_a_hub_name_is_found_in_the_local_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    folder = tmp_path / "hub" / "models--owner--repo" / "snapshots" / "abc"
    folder.mkdir(parents=True)
    (folder / "a.gguf").write_bytes(b"GGUF")
    assert model_path("owner/repo") == folder / "a.gguf"
    (folder / "b.gguf").write_bytes(b"GGUF")
    assert model_path("owner/repo:b.gguf") == folder / "b.gguf"
    with pytest.raises(EngineError, match="several"):
        model_path("owner/repo")


@pytest.mark.skipif(importlib.util.find_spec("xllamacpp") is None, reason="needs xllamacpp")
def test_a_damaged_model_is_an_engine_error(tmp_path: Path) -> None:
    path = tmp_path / "damaged.gguf"
    path.write_bytes(b"GGUF" + bytes(200))
    with pytest.raises(EngineError, match="could not be loaded") as caught:
        LocalLlmTranslator(model=path)
    assert caught.value.code == "DUB-E206"


class FakeServer:
    """Stands for llama.cpp: answers in order, remembers what it was asked."""

    def __init__(self, *texts: str) -> None:
        self.texts = list(texts)
        self.asked: list[dict[str, Any]] = []

    def handle_chat_completions(self, body: dict[str, Any]) -> Any:
        self.asked.append(body)
        if not self.texts:
            raise RuntimeError("out of memory")
        return {"choices": [{"message": {"content": self.texts.pop(0)}}]}


def local(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server: FakeServer
) -> LocalLlmTranslator:
    path = tmp_path / "small.gguf"
    path.write_bytes(b"GGUF")
    monkeypatch.setattr(llm_local, "_start", lambda *args: server)
    return LocalLlmTranslator(model=path)


def test_another_model_is_no_draft_and_has_its_own_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine = local(monkeypatch, tmp_path, FakeServer())
    assert engine.draft is False and engine.capabilities.draft is False
    assert "small" in engine.capabilities.version
    assert LocalLlmTranslator.capabilities.draft is True


def test_a_line_is_asked_alone_and_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = FakeServer("Hola.", "Adiós.")
    engine = local(monkeypatch, tmp_path, server)
    asked = request(line("a", 0, 1), line("b", 1, 2, "Bye."), before=(line("z", 0, 0),))
    assert engine.translate(asked) == {"a": "Hola.", "b": "Adiós."}
    assert engine.translate(asked) == {"a": "Hola.", "b": "Adiós."}
    assert [body["messages"][-1]["content"] for body in server.asked] == ["Hello.", "Bye."]
    assert all(body["temperature"] == 0 and not body["cache_prompt"] for body in server.asked)


def test_words_in_another_script_are_asked_again_without_examples(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = FakeServer("Para Lin妹妹.", "Para la hermana Lin.", "扇子.", "扇子!")
    engine = local(monkeypatch, tmp_path, server)
    assert engine.translate(request(line("a", 0, 1))) == {"a": "Para la hermana Lin."}
    assert [len(body["messages"]) for body in server.asked] == [8, 2]
    assert engine.translate(request(line("b", 0, 1, "A fan."))) == {"b": "扇子."}


def asked_of(server: FakeServer) -> list[str]:
    return [body["messages"][-1]["content"] for body in server.asked]


def test_words_that_were_left_are_asked_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = FakeServer(
        *("他把 cello 放进了那个很大的旧 closets 里的 box。", "大提琴。"),
        *("It is a wardrobe", "wardrobe", "衣柜"),  # closets is known in the singular only
        *("a box", "box", "box"),
    )
    asked = replace(request(line("a", 0, 1, "The cello, in the box in the closets.")), target="zh")
    assert local(monkeypatch, tmp_path, server).translate(asked) == {
        "a": "他把大提琴放进了那个很大的旧衣柜里的 box。"
    }
    words = ["cello", "closets", "closets", "closet", "box", "box"]
    assert asked_of(server)[1:] == words


def test_a_name_is_written_as_two_answers_agree_and_stays_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = FakeServer("Cooper 这个人住在 Texas。", "柯普林", "柯普兰", "美国的德州", "德州")
    asked = replace(request(line("a", 0, 1, "Cooper lives in Texas.")), target="zh")
    engine = local(monkeypatch, tmp_path, server)
    assert engine.translate(asked) == {"a": "Cooper 这个人住在德州。"}
    assert asked_of(server)[1:] == ["Cooper", "Cooper", "Texas", "Texas"]
    server.texts = ["从 Texas 来的人叫 Cooper。"]
    other = replace(request(line("b", 0, 1, "A fellow from Texas is Cooper.")), target="zh")
    assert engine.translate(other) == {"b": "从德州来的人叫 Cooper。"}  # no name is asked twice


def test_what_the_user_wants_to_keep_is_not_written_otherwise(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = FakeServer("这是从 Texas 来的 cello，很旧了。")
    asked = request(line("a", 0, 1, "An old cello from Texas."), target="zh")
    asked = replace(asked, glossary={"Texas": "Texas", "cello": "cello"})
    made = local(monkeypatch, tmp_path, server).translate(asked)
    assert made == {"a": "这是从 Texas 来的 cello，很旧了。"}


def test_where_no_names_are_shown_they_stay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = FakeServer("Ο Cooper μένει εδώ κοντά.")
    asked = replace(request(line("a", 0, 1, "Cooper lives here.")), target="el")
    assert local(monkeypatch, tmp_path, server).translate(asked) == {
        "a": "Ο Cooper μένει εδώ κοντά."
    }


def test_a_long_translation_is_made_shorter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = FakeServer("Vete ya.", "Vete.")
    engine = local(monkeypatch, tmp_path, server)
    long = replace(line("a", 0, 1, "You should go away now."), longest=9)
    asked = request(long, line("b", 1, 2), shorten={"a": "Deberías irte ya."}, attempt=1)
    assert engine.translate(asked) == engine.translate(asked) == {"a": "Vete ya."}
    again = request(long, shorten={"a": "Vete ya."}, attempt=2)
    assert engine.translate(again) == {"a": "Vete."}
    first, second = (body["messages"] for body in server.asked)
    assert "9 letters" in first[0]["content"] and first[-1]["content"] == long.text
    assert [part["content"] for part in second[-3:]] == [long.text, "Vete ya.", "Shorter."]
    assert engine.translate(request(long, target="sw", shorten={"a": "Nenda."}, attempt=1)) == {}


def test_of_several_sentences_the_longest_is_made_shorter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = FakeServer("Me baño.", "Vete ya.")
    engine = local(monkeypatch, tmp_path, server)
    two = line("a", 0, 1, "Go away! I am going to have a bath.")
    asked = request(two, shorten={"a": "¡Vete ya! Yo voy a darme un baño."}, attempt=1)
    assert engine.translate(asked) == {"a": "¡Vete ya! Me baño."}
    last = [part["content"] for part in server.asked[0]["messages"][-3:]]
    assert last == ["I am going to have a bath.", "Yo voy a darme un baño.", "Shorter."]
    assert sentences("他来了。“走！”我说") == ["他来了。", "“走！”", "我说"]
    assert sentences("It costs 3.5 euros... Really?!") == ["It costs 3.5 euros...", "Really?!"]


def test_the_packaged_model_has_to_keep_its_words(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = FakeServer("Me gusta esto.", "Te gusta, ¿verdad?")
    engine = local(monkeypatch, tmp_path, server)
    engine.capabilities = LocalLlmTranslator.capabilities  # type: ignore[misc]
    known = {"a": "Te gusta mucho esto, ¿verdad?"}
    assert engine.translate(request(line("a", 0, 1), shorten=known, attempt=1)) == {}
    made = engine.translate(request(line("a", 0, 1), shorten=known, attempt=2))
    assert made == {"a": "Te gusta, ¿verdad?"}


@pytest.mark.parametrize(
    ("text", "known", "language", "same"),
    [
        ("Queremos saber por qué.", "Queremos entender por qué.", "es", True),
        ("La dejó ayer.", "Salió de la casa esta mañana.", "es", False),
        ("Me gusta mucho, ¿no?", "Te gusta mucho, ¿no?", "es", True),
        ("Me gusta, ¿no?", "Te gusta mucho, ¿no?", "es", False),
        ("...", "...", "es", False),
        ("我现在要去那里", "我现在就必须要走到那里", "zh", True),
        ("他现在不来这里", "我现在就必须要走到那里", "zh", False),
    ],
)
def test_words_that_were_not_there_before(text: str, known: str, language: str, same: bool) -> None:
    assert says_the_same(text, known, language) is same


def test_a_term_is_put_into_the_line_before_it_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = FakeServer("Dame el ventilador.", "Dame el abanico.")
    engine = local(monkeypatch, tmp_path, server)
    asked = request(line("a", 0, 1, "Give me the fan."), glossary={"fan": "abanico"})
    assert engine.translate(asked) == {"a": "Dame el ventilador."}
    again = replace(asked, remarks={"a": "'fan' must become 'abanico'."}, attempt=1)
    assert engine.translate(again) == {"a": "Dame el abanico."}
    first, second = (body["messages"] for body in server.asked)
    assert first[-1]["content"] == "Give me the fan."
    assert second[-1]["content"] == "Give me the abanico."
    assert "must become 'abanico'" in second[0]["content"]


def test_the_form_of_address_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server = FakeServer("Vaya usted.", "Ve.")
    engine = local(monkeypatch, tmp_path, server)
    asked = request(line("a", 0, 1, "Go."), formality="formal")
    assert engine.translate(asked) == {"a": "Vaya usted."}
    assert engine.translate(request(line("a", 0, 1, "Go."))) == {"a": "Ve."}
    formal, plain = (body["messages"] for body in server.asked)
    assert "'usted', never 'tú'" in formal[0]["content"] and "usted" not in plain[0]["content"]
    assert formal[2]["content"] == FORMAL["es"][0]


def test_only_a_capable_model_makes_a_line_longer(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server = FakeServer("Pues vete ya de aquí.")
    engine = local(monkeypatch, tmp_path, server)
    asked = request(line("a", 0, 3, "Go."), lengthen={"a": "Vete."}, attempt=1)
    assert engine.translate(asked) == engine.translate(asked) == {"a": "Pues vete ya de aquí."}
    assert server.asked[0]["messages"][-1]["content"] == "Vete."
    assert engine.translate(replace(asked, target="sw")) == {}
    engine.capabilities = LocalLlmTranslator.capabilities  # type: ignore[misc]
    assert engine.translate(asked) == {}


def test_a_failing_model_is_an_engine_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    engine = local(monkeypatch, tmp_path, FakeServer())
    with pytest.raises(EngineError, match="line a: out of memory") as caught:
        engine.translate(request(line("a", 0, 1)))
    assert caught.value.code == "DUB-E206"


def test_the_packaged_model_is_known() -> None:
    assert set(LocalLlmTranslator.capabilities.weights) <= set(weights.WEIGHTS)
