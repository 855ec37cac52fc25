"""Checked reading of JSON values: exact times, and errors that name the place in the document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from polydub.errors import ProjectError
from polydub.model import Span, to_seconds

_RATIO = re.compile(r"-?\d{1,30}/\d{1,30}")
_MAX_SECONDS = 10**9


class Literal(str):
    """The text of a JSON number with a fraction or an exponent, kept exactly as written."""

    __slots__ = ()


def script_error(path: str, what: str) -> ProjectError:
    """A DUB-E303 error that says where in the document and what is wrong there."""
    return ProjectError(
        f"{path}: {what}." if path else f"{what}.",
        hint="Correct that place in the script file and run again.",
        code="DUB-E303",
    )


def parse_json(text: str) -> Any:
    """``text`` as JSON; decimals stay exact. Raises ``ProjectError`` DUB-E303 with the line."""
    try:
        return json.loads(text, parse_float=Literal, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise script_error(where, f"not valid JSON ({error.msg})") from error
    except (ValueError, RecursionError) as error:
        raise script_error("", f"The script is not valid JSON ({error})") from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a number")


def plain(value: Any) -> Any:
    """``value`` with every exact decimal turned into a float: for fields we do not know."""
    if isinstance(value, Literal):
        return float(value)
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [plain(item) for item in value]
    return value


def time_value(time: Fraction) -> float | str:
    """How a time is written: a decimal when it is exact to the microsecond, else ``"n/d"``."""
    scaled = time * 1_000_000
    decimal = float(time)
    if scaled.denominator == 1 and Fraction(repr(decimal)) == time:
        return decimal
    return f"{time.numerator}/{time.denominator}"


def read_time(value: Any, path: str) -> Fraction:
    """Exact seconds from a number or an ``"n/d"`` string."""
    if isinstance(value, Literal):
        time = _decimal_time(value, path)
    elif isinstance(value, str):
        time = _text_time(value, path)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        if value != value or abs(value) > _MAX_SECONDS:
            raise script_error(path, f"{value} is not a time in seconds")
        time = to_seconds(value)
    else:
        raise script_error(path, f"a time in seconds is expected, found {_kind(value)}")
    if abs(time) > _MAX_SECONDS:
        raise script_error(path, "the time is out of range")
    return time


def _text_time(value: str, path: str) -> Fraction:
    if _RATIO.fullmatch(value.strip()) and not value.strip().rstrip("0").endswith("/"):
        return Fraction(value.strip())
    return _decimal_time(value, path)


def _decimal_time(value: str, path: str) -> Fraction:
    """Through ``Decimal``: it holds ``1e999999999`` without computing it."""
    try:
        decimal = Decimal(value.strip())
    except InvalidOperation:
        raise script_error(path, f"'{value}' is not a time in seconds") from None
    if not decimal.is_finite() or len(value) > 60 or not -30 < decimal.adjusted() < 10:
        if decimal == 0:
            return Fraction(0)
        raise script_error(path, f"'{value[:30]}' is not a time in seconds")
    return Fraction(decimal)


def read_span(value: Any, path: str) -> Span:
    """A span from ``[start, end]``."""
    if not isinstance(value, list) or len(value) != 2:
        raise script_error(path, f"[start, end] in seconds is expected, found {_kind(value)}")
    start, end = (read_time(item, f"{path}[{i}]") for i, item in enumerate(value))
    if end < start:
        raise script_error(path, f"end before start ({float(end):g} < {float(start):g})")
    if start < 0:
        raise script_error(path, f"starts before zero ({float(start):g})")
    return Span(start, end)


def span_value(span: Span) -> list[float | str]:
    """How a span is written: ``[start, end]``."""
    return [time_value(span.start), time_value(span.end)]


class Fields:
    """One JSON object being read: each getter takes its field out, ``rest`` is what nobody took."""

    def __init__(self, value: Any, path: str) -> None:
        if not isinstance(value, dict):
            raise script_error(path or "document", f"an object is expected, found {_kind(value)}")
        self.path = path
        self._left = dict(value)

    def at(self, key: str) -> str:
        """The JSON path of a field."""
        return f"{self.path}.{key}" if self.path else key

    def take(self, key: str, default: Any = None) -> Any:
        """The raw value of a field; ``null`` counts as absent."""
        value = self._left.pop(key, None)
        return default if value is None else value

    def text(self, key: str, default: str | None = None) -> str:
        """A string; required when there is no default."""
        value = self.take(key, default)
        if value is None:
            raise script_error(self.at(key), "is missing")
        if not isinstance(value, str) or isinstance(value, Literal):
            raise script_error(self.at(key), f"a text is expected, found {_kind(value)}")
        return value

    def identifier(self, key: str = "id") -> str:
        """A string that is not empty."""
        value = self.text(key)
        if not value.strip():
            raise script_error(self.at(key), "must not be empty")
        return value

    def optional_text(self, key: str) -> str | None:
        """A string or ``None``."""
        return self.text(key, "") or None

    def number(self, key: str, default: float) -> float:
        """A finite number."""
        value = self.optional_number(key)
        return default if value is None else value

    def optional_number(self, key: str) -> float | None:
        """A finite number or ``None``."""
        value = self.take(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, Literal | int | float):
            raise script_error(self.at(key), f"a number is expected, found {_kind(value)}")
        try:
            number = float(value)
        except OverflowError:
            number = float("inf")
        if number - number != 0:
            raise script_error(self.at(key), "the number is out of range")
        return number

    def flag(self, key: str, default: bool) -> bool:
        """``true`` or ``false``."""
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise script_error(self.at(key), f"true or false is expected, found {_kind(value)}")
        return value

    def choice(self, key: str, allowed: tuple[str, ...], default: str) -> str:
        """One of the ``allowed`` words."""
        value = self.text(key, default)
        if value not in allowed:
            words = ", ".join(f"'{word}'" for word in allowed)
            raise script_error(self.at(key), f"'{value}' is none of {words}")
        return value

    def span(self, key: str) -> Span:
        """A required ``[start, end]``."""
        value = self.take(key)
        if value is None:
            raise script_error(self.at(key), "is missing")
        return read_span(value, self.at(key))

    def items(self, key: str) -> Iterator[tuple[Any, str]]:
        """Every item of a list with its path; an absent list is empty."""
        value = self.take(key, [])
        if not isinstance(value, list):
            raise script_error(self.at(key), f"a list is expected, found {_kind(value)}")
        for index, item in enumerate(value):
            yield item, f"{self.at(key)}[{index}]"

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings."""
        found = []
        for item, path in self.items(key):
            if not isinstance(item, str) or isinstance(item, Literal):
                raise script_error(path, f"a text is expected, found {_kind(item)}")
            found.append(item)
        return tuple(found)

    def mapping(self, key: str) -> Iterator[tuple[str, Any, str]]:
        """Key, value and path of every entry of an object; an absent object is empty."""
        value = self.take(key, {})
        if not isinstance(value, dict):
            raise script_error(self.at(key), f"an object is expected, found {_kind(value)}")
        for name, item in value.items():
            yield name, item, f"{self.at(key)}.{name}"

    def rest(self) -> dict[str, Any]:
        """The fields that nobody took: unknown ones, kept for the round trip."""
        return {key: plain(value) for key, value in self._left.items()}


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    if isinstance(value, Literal | int | float):
        return "a number"
    names = {str: "a text", list: "a list", dict: "an object", type(None): "nothing"}
    return names.get(type(value), type(value).__name__)
