"""How ``json`` reads and prints values: jsony (a lone string without quotes), json, inspect."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, Optional


@dataclass
class Style:
    """An output mode: jsony, json or inspect, and the blanks of indentation."""

    mode: str = "jsony"
    indent: int = 2


def style(name: str, indent: int) -> Optional[Style]:
    """The style that ``-o NAME`` means, or None."""
    found = re.fullmatch(r"(jsony|json|inspect|compact)(?:-(\d+))?", name)
    if found is None:
        return None
    return Style("json" if found[1] == "compact" else found[1], int(found[2]) if found[2] else indent)


def loads(text: str) -> Any:
    """Parse one JSON value. Raises ValueError in json's words, with a picture of the place."""
    try:
        return json.loads(text, parse_float=_float, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    except json.JSONDecodeError as why:
        line = (text.split("\n") or [""])[why.lineno - 1]
        dots = "." * (why.colno - 1)
        place = f"line {why.lineno}, column {why.colno}"
        raise ValueError(f"{_reason(text, why)} at {place}:\n        {line}\n        {dots}^") from why


def _reason(text: str, why: json.JSONDecodeError) -> str:
    found = text[why.pos : why.pos + 1]
    if "Extra data" in why.msg:
        return "Syntax error"
    return f"Unexpected '{found.strip()}'"


def _float(digits: str) -> Any:
    number = float(digits)
    return int(number) if number.is_integer() and abs(number) < 1e21 else number


def _refuse(name: str) -> Any:
    raise json.JSONDecodeError("Expecting value", name, 0)


def dumps(value: Any, how: Style) -> str:
    """The value as text."""
    if how.mode == "inspect":
        return inspect(value)
    if how.mode == "jsony" and isinstance(value, str):
        return value
    if how.indent:
        return json.dumps(value, indent=how.indent, ensure_ascii=False)
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


WIDTH = 72
"""node breaks an object over lines when it would be wider."""


def inspect(value: Any, depth: int = 0) -> str:
    """The value as node's util.inspect shows it."""
    if isinstance(value, str):
        quote = "'" if "'" not in value else '"'
        body = value.replace("\\", "\\\\").replace("\n", "\\n")
        return quote + body + quote
    if isinstance(value, list):
        return _group("[", "]", [inspect(item, depth + 1) for item in value], depth, value)
    if isinstance(value, dict):
        pairs = [f"{_key(key)}: {inspect(item, depth + 1)}" for key, item in value.items()]
        return _group("{", "}", pairs, depth, list(value.values()))
    return json.dumps(value)


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z_$][\w$]*", name) else f"'{name}'"


def _levels(items: list[Any]) -> int:
    """How much deeper the object lies that was shown last: node puts at most three levels on a line."""
    below = 0
    for item in items:
        if item and isinstance(item, (list, dict)):
            below = 1 + _levels(item if isinstance(item, list) else list(item.values()))
    return below


def _group(opening: str, closing: str, parts: list[str], depth: int, items: list[Any]) -> str:
    if not parts:
        return opening + closing
    line = f"{opening} {', '.join(parts)} {closing}"
    if len(line) + 2 * depth <= WIDTH and "\n" not in line and _levels(items) < 3:
        return line
    pad = "  " * (depth + 1)
    return f"{opening}\n{pad}" + f",\n{pad}".join(parts) + f"\n{'  ' * depth}{closing}"
