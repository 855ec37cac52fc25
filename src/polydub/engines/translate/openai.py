"""Translation through an OpenAI-compatible web service: many lines per request, JSON by line id."""

from __future__ import annotations

import http.client
import json
import os
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from polydub.engines.protocols import (
    Capabilities,
    LineToTranslate,
    TranslationRequest,
    Wordings,
)
from polydub.engines.translate.prompts import service_prompt
from polydub.errors import EngineError

DEFAULT_URL = "https://api.openai.com/v1"
DEFAULT_MODEL = "gpt-4.1-mini"

_LONGEST_WAIT_S = 30.0
_MOST_BYTES = 8 << 20


class OpenAiTranslator:
    """Chat completions over HTTPS, without any library.

    ``api_key``, ``base_url`` and ``model`` default to ``OPENAI_API_KEY``, ``OPENAI_BASE_URL`` and
    ``OPENAI_MODEL``; a key is required for the default service only. A request that meets a full or
    failing service (429, 5xx, no connection) is repeated ``retries`` times, after ``backoff_s``,
    twice that, and so on, or what ``Retry-After`` says. The text of the lines leaves this machine.
    Raises ``EngineError`` DUB-E207 without a key or with an unusable address.
    """

    capabilities: ClassVar[Capabilities] = Capabilities(
        kind="translate",
        name="openai",
        version="3",
        summary="OpenAI-compatible web service (also a local one: set OPENAI_BASE_URL)",
        code_licence="Apache-2.0",
        weights_licence="terms of the service",
        network=True,
        brings=("OPENAI_API_KEY", "OPENAI_BASE_URL"),
    )

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        model: str | None = None,
        timeout_s: float = 60.0,
        retries: int = 4,
        backoff_s: float = 1.0,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._url = (base_url or os.environ.get("OPENAI_BASE_URL") or DEFAULT_URL).rstrip("/")
        self._key = api_key or os.environ.get("OPENAI_API_KEY") or ""
        self._model = model or os.environ.get("OPENAI_MODEL") or DEFAULT_MODEL
        self._timeout_s = timeout_s
        self._retries = retries
        self._backoff_s = backoff_s
        self._sleep = sleep
        self._opener = urllib.request.build_opener(_NoRedirect)
        parts = urlsplit(self._url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _failed(f"'{self._url}' is not a web address", "Correct OPENAI_BASE_URL.")
        if not self._key and self._url == DEFAULT_URL:
            raise _failed("there is no API key", "Set OPENAI_API_KEY.")

    def translate(self, request: TranslationRequest) -> dict[str, str]:
        """What the service answered, by id; empty when its answer was no JSON of that form.

        Raises ``EngineError`` DUB-E207 when the service cannot be reached or refuses.
        """
        content = self._chat(service_prompt(request), request)
        return {name: wording.literal for name, wording in parse_answer(content).items()}

    def wordings(self, request: TranslationRequest) -> dict[str, Wordings]:
        """As :meth:`translate`, each line in several lengths, all in one request."""
        return parse_answer(self._chat(service_prompt(request, several=True), request))

    def _chat(self, instruction: str, request: TranslationRequest) -> str:
        """The text that the service answered, ``""`` when there is none."""
        body = {
            "model": self._model,
            "temperature": 0,
            "response_format": {"type": "json_object"},
            "messages": [
                {"role": "system", "content": instruction},
                {"role": "user", "content": json.dumps(_document(request), ensure_ascii=False)},
            ],
        }
        answer = self._post(json.dumps(body).encode())
        try:
            content = answer["choices"][0]["message"]["content"]
        except (KeyError, IndexError, TypeError) as error:
            raise _failed("the answer has an unknown form", "Check OPENAI_BASE_URL.") from error
        return content if isinstance(content, str) else ""

    def _post(self, body: bytes) -> Any:
        for attempt in range(self._retries + 1):
            try:
                return self._send(body)
            except _Busy as busy:
                if attempt == self._retries:
                    raise _failed(
                        f"{busy.what} ({attempt + 1} attempts)", "Try again later."
                    ) from busy.__cause__
                wait = self._backoff_s * 2**attempt if busy.wait_s is None else busy.wait_s
                self._sleep(min(wait, _LONGEST_WAIT_S))
        raise AssertionError("unreachable")

    def _send(self, body: bytes) -> Any:
        headers = {"Content-Type": "application/json", "User-Agent": "polydub"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(
            f"{self._url}/chat/completions", data=body, headers=headers, method="POST"
        )
        try:
            with self._opener.open(request, timeout=self._timeout_s) as response:
                data = response.read(_MOST_BYTES)
        except urllib.error.HTTPError as error:
            with error:
                raise _refusal(error) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise _Busy(f"no answer from {urlsplit(self._url).hostname}: {reason}") from error
        try:
            return json.loads(data)
        except ValueError as error:
            raise _Busy("the answer is not JSON") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another host."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


class _Busy(Exception):
    """Something that may pass; ``wait_s`` is what the service asked for."""

    def __init__(self, what: str, wait_s: float | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.wait_s = wait_s


def _refusal(error: urllib.error.HTTPError) -> Exception:
    what = f"HTTP {error.code}: {_message(error)}"
    if error.code == 429 or error.code >= 500:
        header = error.headers.get("Retry-After", "")
        return _Busy(what, float(header) if re.fullmatch(r"\d+(\.\d+)?", header) else None)
    if error.code in (401, 403):
        return _failed(what, "Check OPENAI_API_KEY.")
    return _failed(what, "Check OPENAI_BASE_URL and OPENAI_MODEL.")


def _message(error: urllib.error.HTTPError) -> str:
    """What the service says went wrong, shortened."""
    try:
        text = json.loads(error.read(20_000))["error"]["message"]
    except (OSError, ValueError, KeyError, TypeError, http.client.HTTPException):
        text = error.reason
    return str(text)[:200]


def _failed(what: str, hint: str) -> EngineError:
    return EngineError(f"The translation service failed: {what}.", hint=hint, code="DUB-E207")


def _document(request: TranslationRequest) -> dict[str, Any]:
    def entry(line: LineToTranslate) -> dict[str, Any]:
        return {
            "id": line.id,
            "speaker": line.speaker,
            "seconds": round(line.seconds, 1),
            "text": line.text,
        }

    def asked(line: LineToTranslate) -> dict[str, Any]:
        told = {
            "too_long": request.shorten.get(line.id),
            "too_short": request.lengthen.get(line.id),
            "remark": request.remarks.get(line.id),
        }
        said = {name: text for name, text in told.items() if text}
        return {**entry(line), "letters": line.longest, **said}

    return {
        "lines": [asked(line) for line in request.lines],
        "before": [entry(line) for line in request.before],
        "after": [entry(line) for line in request.after],
        "glossary": request.glossary,
    }


def parse_answer(content: str) -> dict[str, Wordings]:
    """What a model wrote, by line id: fences and talk around the JSON are skipped.

    Understands ``{"translations": [{"id", "text"}]}``, a bare list of such entries, and an object
    of id to text or to such an entry. ``literal`` may stand for ``text``, beside it ``shorter``,
    ``shortest`` and ``longer``. Everything else gives nothing.
    """
    start = min((at for at in (content.find("{"), content.find("[")) if at >= 0), default=-1)
    if start < 0:
        return {}
    try:
        data, _ = json.JSONDecoder().raw_decode(content[start:])
    except (ValueError, RecursionError):
        return {}
    if isinstance(data, dict) and isinstance(data.get("translations"), list | dict):
        data = data["translations"]
    if isinstance(data, list):
        entries = [(entry.get("id"), entry) for entry in data if isinstance(entry, dict)]
    else:
        entries = list(data.items()) if isinstance(data, dict) else []
    return {
        str(name): made
        for name, entry in entries
        if isinstance(name, str | int) and (made := _wordings(entry)) is not None
    }


def _wordings(entry: object) -> Wordings | None:
    if isinstance(entry, str):
        return Wordings(entry)
    if not isinstance(entry, Mapping):
        return None
    literal = next((entry[key] for key in ("literal", "text", "translation") if key in entry), None)
    if not isinstance(literal, str):
        return None
    shorter = [text for key in ("shorter", "shortest") for text in _texts(entry.get(key))]
    return Wordings(literal, tuple(shorter), next(iter(_texts(entry.get("longer"))), ""))


def _texts(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return [text for text in values if isinstance(text, str) and text.strip()]
