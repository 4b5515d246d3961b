"""JavaScript's values and what they can do, as far as :mod:`mockdc.commands.js` needs them.

null is None, undefined is UNDEFINED; objects are dicts, arrays are lists.
"""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Callable
from typing import Any


class JsError(Exception):
    """What node would print of an exception."""


class Undefined:
    """The one value that is not even null."""

    def __repr__(self) -> str:
        return "undefined"


UNDEFINED = Undefined()


class Namespace(dict[str, Any]):
    """``JSON``, ``Object`` and their like."""


def truthy(value: Any) -> bool:
    """What counts as true."""
    if isinstance(value, (list, dict)):
        return True
    return value is not UNDEFINED and bool(value) and value == value


def literal(kind: str, text: str) -> Any:
    """A number, string or regular expression as it was written."""
    if kind == "number":
        return float(text) if "." in text else int(text)
    if kind == "regex":
        body, _, letters = text[1:].rpartition("/")
        pattern = re.compile(body.replace(r"\/", "/"), re.IGNORECASE if "i" in letters else 0)
        return ("g" in letters, pattern)
    escapes = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "0": "\0"}
    return re.sub(r"\\(?:u([0-9a-fA-F]{4})|(.))",
                  lambda m: chr(int(m[1], 16)) if m[1] else escapes.get(m[2], m[2]), text[1:-1])  # fmt: skip


def is_regex(value: Any) -> bool:
    """Whether the value is a regular expression."""
    return isinstance(value, tuple)


def number(value: Any) -> Any:
    """The value as a number."""
    if isinstance(value, str):
        try:
            return literal("number", value.strip()) if value.strip() else 0
        except ValueError:
            return math.nan
    if value is None or isinstance(value, bool):
        return int(bool(value))
    return value if isinstance(value, (int, float)) else math.nan


def text(value: Any) -> str:
    """The value as a string."""
    if value is None or value is UNDEFINED:
        return "null" if value is None else "undefined"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return ",".join("" if item is None or item is UNDEFINED else text(item) for item in value)
    if isinstance(value, dict):
        return "[object Object]"
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def same(left: Any, right: Any) -> bool:
    """``===``."""
    if isinstance(left, bool) != isinstance(right, bool):
        return False
    if isinstance(left, (list, dict)) or isinstance(right, (list, dict)):
        return left is right
    return bool(left == right)


def alike(left: Any, right: Any) -> bool:
    """``==``."""
    nothing = (None, UNDEFINED)
    if left in nothing or right in nothing:
        return left in nothing and right in nothing
    objects = [isinstance(side, (list, dict)) for side in (left, right)]
    if type(left) is type(right) or all(objects):
        return same(left, right)
    if any(objects):
        return text(left) == text(right)
    return bool(number(left) == number(right))


def _order(compare: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def ordered(left: Any, right: Any) -> bool:
        if isinstance(left, str) and isinstance(right, str):
            return compare(left, right)
        return compare(number(left), number(right))

    return ordered


def _plus(left: Any, right: Any) -> Any:
    if any(isinstance(side, (str, list, dict)) for side in (left, right)):
        return text(left) + text(right)
    return number(left) + number(right)


def _divide(left: Any, right: Any) -> Any:
    below = number(right)
    return _whole_if_can(number(left) / below) if below else math.nan


def _whole_if_can(value: float) -> Any:
    return int(value) if value == value and float(value).is_integer() else value


OPERATORS: dict[str, Callable[[Any, Any], Any]] = {
    "===": same, "!==": lambda a, b: not same(a, b), "==": alike, "!=": lambda a, b: not alike(a, b),
    "<": _order(lambda a, b: bool(a < b)), ">": _order(lambda a, b: bool(a > b)),
    "<=": _order(lambda a, b: bool(a <= b)), ">=": _order(lambda a, b: bool(a >= b)),
    "+": _plus, "-": lambda a, b: number(a) - number(b), "*": lambda a, b: number(a) * number(b), "/": _divide,
    "%": lambda a, b: _whole_if_can(math.fmod(number(a), number(b))) if number(b) else math.nan,
    "in": lambda a, b: member(b, a) is not UNDEFINED, "instanceof": lambda a, b: isinstance(a, list),
}  # fmt: skip


def kind(value: Any) -> str:
    """``typeof``."""
    if value is UNDEFINED:
        return "undefined"
    for types, name in ((bool, "boolean"), (str, "string"), ((int, float), "number")):
        if isinstance(value, types):
            return name
    return "function" if callable(value) else "object"


UNARY: dict[str, Callable[[Any], Any]] = {
    "!": lambda value: not truthy(value), "-": lambda value: -number(value), "+": number, "typeof": kind,
}  # fmt: skip


# --- members and methods ----------------------------------------------------------------------------------------------
def member(base: Any, key: Any) -> Any:
    """``base[key]``. Raises JsError where node throws a TypeError."""
    if base is None or base is UNDEFINED:
        raise JsError(f"TypeError: Cannot read properties of {text(base)} (reading '{text(key)}')")
    if isinstance(base, dict):
        return base.get(text(key), UNDEFINED)
    if isinstance(base, (list, str)):
        if key == "length":
            return len(base)
        name = text(key)
        return base[int(name)] if name.isdigit() and int(name) < len(base) else UNDEFINED
    return UNDEFINED


def assign(base: Any, key: Any, value: Any) -> None:
    """``base[key] = value``. Raises JsError."""
    if base is None or base is UNDEFINED:
        raise JsError(f"TypeError: Cannot set properties of {text(base)} (setting '{text(key)}')")
    if isinstance(base, dict):
        base[text(key)] = value
    elif isinstance(base, list) and text(key).isdigit():
        base.extend([None] * (int(text(key)) + 1 - len(base)))
        base[int(text(key))] = value


def remove(base: Any, key: Any) -> None:
    """``delete base[key]``."""
    if isinstance(base, dict):
        base.pop(text(key), None)


def call(base: Any, name: Any, arguments: list[Any]) -> Any:
    """``base.name(arguments)``. Raises JsError where there is no such method."""
    found = member(base, name)
    if callable(found):
        return found(*arguments)
    tables: tuple[tuple[Any, dict[str, Callable[..., Any]]], ...] = ((str, STRINGS), (list, ARRAYS), (tuple, REGEXES))
    for types, methods in tables:
        if isinstance(base, types) and name in methods:
            return methods[name](base, *arguments)
    if name == "toString":
        return text(base)
    if name == "hasOwnProperty":
        return member(base, arguments[0]) is not UNDEFINED
    raise JsError(f"TypeError: {text(name)} is not a function")


def _find(base: Any, pattern: Any) -> Any:
    every, regex = pattern if is_regex(pattern) else (False, re.compile(text(pattern)))
    if every:
        return [found.group() for found in regex.finditer(base)] or None
    found = regex.search(base)
    return [found.group(), *found.groups()] if found else None


def _replace(base: str, pattern: Any, new: Any) -> str:
    if not is_regex(pattern):
        return base.replace(text(pattern), text(new), 1)
    every, regex = pattern
    put = re.sub(r"\$(\d)", r"\\\1", text(new).replace("\\", r"\\"))
    return str(regex.sub(put, base, count=0 if every else 1))


def _slice(base: Any, start: Any = 0, end: Any = None) -> Any:
    return base[slice(int(start), None if end is None else int(end))]


def _split(base: str, by: Any = UNDEFINED) -> list[str]:
    if by is UNDEFINED:
        return [base]
    if is_regex(by):
        return list(by[1].split(base))
    return base.split(by) if by else list(base)


def _index(base: Any, value: Any) -> int:
    if isinstance(base, str):
        return base.find(text(value))
    return next((place for place, item in enumerate(base) if same(item, value)), -1)


STRINGS: dict[str, Callable[..., Any]] = {
    "match": _find, "replace": _replace, "slice": _slice, "split": _split, "indexOf": _index,
    "search": lambda base, pattern: found.start() if (found := pattern[1].search(base)) else -1,
    "substr": lambda base, start, size=None: base[int(start):][:size], "trim": str.strip,
    "substring": lambda base, start, end=None: base[int(start):end], "lastIndexOf": str.rfind,
    "toLowerCase": str.lower, "toUpperCase": str.upper, "startsWith": str.startswith, "endsWith": str.endswith,
    "includes": lambda base, part: part in base, "charAt": lambda base, at: base[int(at):int(at) + 1],
    "concat": lambda base, *more: base + "".join(text(part) for part in more),
    "localeCompare": lambda base, other: (base > other) - (base < other),
}  # fmt: skip
ARRAYS: dict[str, Callable[..., Any]] = {
    "indexOf": _index, "slice": _slice, "includes": lambda base, value: _index(base, value) >= 0,
    "join": lambda base, by=",": by.join(text(item) for item in base), "pop": list.pop,
    "push": lambda base, *items: (base.extend(items), len(base))[1], "concat": lambda base, more: base + more,
    "reverse": lambda base: base[::-1], "sort": lambda base: sorted(base, key=text),
}  # fmt: skip
REGEXES: dict[str, Callable[..., Any]] = {
    "test": lambda base, value: bool(base[1].search(text(value))), "exec": lambda base, value: _find(text(value), base),
}


def _seconds(value: Any) -> float:
    moment = datetime.datetime.fromisoformat(text(value).replace("Z", "+00:00"))
    return moment.timestamp() * 1000


def _whole(value: Any, base: int = 10) -> Any:
    found = re.match(r"\s*[-+]?[0-9a-zA-Z]+", text(value))
    try:
        digits = re.match(r"\s*[-+]?\d+", text(value)) if base == 10 else found
        return int(digits.group(), base) if digits else math.nan
    except ValueError:
        return math.nan


GLOBALS: dict[str, Any] = {
    "true": True, "false": False, "null": None, "undefined": UNDEFINED,
    "JSON": Namespace(parse=json.loads, stringify=lambda value, *_: json.dumps(value, separators=(",", ":"))),
    "Object": Namespace(keys=lambda value: list(value)), "Array": Namespace(isArray=lambda v: isinstance(v, list)),
    "Math": Namespace(floor=math.floor, ceil=math.ceil, round=lambda value: math.floor(value + 0.5), max=max, min=min),
    "Date": Namespace(parse=_seconds), "String": text, "Number": number, "Boolean": truthy,
    "parseInt": _whole, "parseFloat": number,
}  # fmt: skip
