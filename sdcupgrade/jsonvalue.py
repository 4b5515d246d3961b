"""Strict JSON: reading what others wrote, with complaints that name the place.

``json.loads`` lets the last duplicate key win, accepts NaN, and may raise RecursionError on nested garbage; here all of
that is a :class:`~sdcupgrade.errors.BadAnswer` (or whatever error class the caller asks for). Unknown keys are ignored.
"""

from __future__ import annotations

import json

from sdcupgrade.errors import BadAnswer, SdcupgradeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional, Union

    Json = Union[None, bool, int, float, str, list["Json"], dict[str, "Json"]]

MOST_DIGITS = 18
"""What fits into 64 bits anywhere."""

SHOWN = 40
"""Characters of what others wrote that a complaint shows."""


def _no_duplicates(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    result: dict[str, Json] = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"duplicate key {key[:SHOWN]!r}")
        result[key] = value
    return result


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is not JSON")


def _small_number(text: str) -> Json:
    if len(text) > MOST_DIGITS:
        raise ValueError(f"a number of {len(text)} digits")
    return int(text)


def _no_fraction(text: str) -> Json:
    raise ValueError(f"{text[:MOST_DIGITS]} is not a whole number")


def whole_number(text: str) -> Optional[int]:
    """The number that *text* is, None when it is anything but 1 to :data:`MOST_DIGITS` of the digits 0 to 9.

    ``str.isdigit`` would not do: it is content with ``\u00b2``, which ``int`` is not, nor with thousands of digits.
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else None


def loads(
    text: str | bytes, where: str, error: type[SdcupgradeError] = BadAnswer, hint: str = "", whole: bool = False
) -> Json:
    """Parse *text*; *where* names the file or program for the message. *whole*: numbers are whole and of at most
    :data:`MOST_DIGITS` digits, as canonical JSON has them. Raises *error*."""
    try:
        value: Json = json.loads(
            text,
            object_pairs_hook=_no_duplicates,
            parse_constant=_no_constant,
            parse_int=_small_number if whole else None,
            parse_float=_no_fraction if whole else None,
        )
        return value
    except (ValueError, RecursionError) as why:
        raise error(f"{where}: not valid JSON: {_reason(why, text)}", hint) from why


def _reason(why: Exception, text: str | bytes) -> str:
    """The parser's words; what is no JSON from its first character on is shown by its beginning."""
    if not text.strip():
        return "it is empty"
    if getattr(why, "pos", None) != 0:
        return str(why)
    head = text[:SHOWN] if isinstance(text, str) else text[:SHOWN].decode("utf-8", "replace")
    return f"{why}: it begins {head!r}"


def dumps(value: object) -> str:
    """Canonical text: sorted keys, no spaces; the form that digests are taken of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def pretty(value: object) -> str:
    """The form written to files that people read: two spaces, order kept, newline at the end."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


class Record:
    """A JSON object being read. Every complaint names the path, such as ``sapi: [2].params.image_uuid``, and has the
    *hint*."""

    def __init__(self, value: Json, where: str, error: type[SdcupgradeError] = BadAnswer, hint: str = "") -> None:
        if not isinstance(value, dict):
            raise error(f"{where}: expected an object, got {_kind(value)}", hint)
        self.value: Mapping[str, Json] = value
        self.where = where
        self.error = error
        self.hint = hint

    def _path(self, key: str) -> str:
        return f"{self.where}.{key}"

    def fail(self, key: str, problem: str) -> SdcupgradeError:
        """The error to raise about *key*."""
        return self.error(f"{self._path(key)}: {problem}", self.hint)

    def text(self, key: str) -> str:
        """A string that must be there."""
        value = self.value.get(key)
        if not isinstance(value, str):
            raise self.fail(key, f"expected text, got {_kind(value)}")
        return value

    def text_or(self, key: str, default: Optional[str]) -> Optional[str]:
        """A string, or *default* when absent or null."""
        return default if self.value.get(key) is None else self.text(key)

    def number(self, key: str, default: Optional[int] = None) -> int:
        """A whole number; real datacenters hold some as text (``"25"``), which counts too."""
        value = self.value.get(key, default)
        if value is None:
            value = default
        found = whole_number(value) if isinstance(value, str) else value
        # 1e999 is read as infinity, of which there is no whole part
        if isinstance(found, bool) or not isinstance(found, (int, float)) or found % 1:
            raise self.fail(key, f"expected a whole number, got {_kind(value)}")
        return int(found)

    def flag(self, key: str, default: bool = False) -> bool:
        """A boolean; the text ``"true"`` counts (sapiadm stores it so)."""
        value = self.value.get(key, default)
        if isinstance(value, str):
            return value == "true"
        return default if value is None else bool(value)

    def record(self, key: str) -> Record:
        """A nested object; an absent one reads as empty."""
        value = self.value.get(key)
        return Record({} if value is None else value, self._path(key), self.error, self.hint)

    def records(self, key: str) -> list[Record]:
        """A list of objects; an absent one reads as empty."""
        return records(self.value.get(key) or [], self._path(key), self.error, self.hint)

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of strings; an absent one reads as empty."""
        value = self.value.get(key) or []
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.fail(key, "expected a list of text")
        return tuple(str(item) for item in value)


def records(value: Json, where: str, error: type[SdcupgradeError] = BadAnswer, hint: str = "") -> list[Record]:
    """A JSON array of objects as records."""
    if not isinstance(value, list):
        raise error(f"{where}: expected a list, got {_kind(value)}", hint)
    return [Record(item, f"{where}[{index}]", error, hint) for index, item in enumerate(value)]


def _kind(value: object) -> str:
    if value is None:
        return "nothing"
    names = {bool: "a boolean", int: "a number", float: "a number", str: "text", list: "a list", dict: "an object"}
    return names.get(type(value), type(value).__name__)
