"""``json``, the tool of the npm registry that Triton's scripts pipe everything through (reference 4.1).

Its ways are kept: empty input prints nothing and exits 0, input that is no JSON is passed through with exit 1, header
blocks are printed before the body unless ``-H``. Left out: ``--in-place``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from mockdc.commands.js_values import UNDEFINED, JsError
from mockdc.commands.json_format import Style, dumps, loads, style

if TYPE_CHECKING:
    from mockdc.commands.call import Call

FLAGS = {"q": "quiet", "H": "no_headers", "g": "group", "a": "array", "A": "whole", "M": "items", "k": "keys",
         "n": "validate", "i": "inspect", "j": "json"}  # fmt: skip
LONG = {"quiet": "q", "group": "g", "array": "a", "items": "M", "keys": "k", "validate": "n"}
VALUES = {"f": "file", "d": "delimiter", "D": "lookup_delimiter", "e": "edits", "c": "conditions", "o": "output"}


class BadOption(Exception):
    """What json says after ``json: error:``."""


@dataclass
class Wanted:
    """The command line."""

    on: set[str] = field(default_factory=set)
    file: str = ""
    delimiter: str = " "
    lookup_delimiter: str = "."
    code: list[tuple[str, str]] = field(default_factory=list)
    style: Style = field(default_factory=Style)
    lookups: list[str] = field(default_factory=list)


def json_tool(call: Call) -> int:
    """The program."""
    try:
        wanted = options(call.argv)
        paths = [path(lookup, wanted.lookup_delimiter) for lookup in wanted.lookups]
        if wanted.on & {"help", "version"}:
            call.out("Usage: <something generating JSON> | json [OPTIONS] [LOOKUPS...]" if "help" in wanted.on
                     else "json 9.0.6")  # fmt: skip
            return 0
        return process(call, wanted, paths)
    except (BadOption, OSError) as why:
        call.err(f"json: error: {why}")
    except JsError as why:
        call.err(str(why))
    return 1


# --- the command line -------------------------------------------------------------------------------------------------
def options(argv: list[str]) -> Wanted:
    """Parse the command line. Raises BadOption."""
    wanted, rest = Wanted(), list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            wanted.lookups += rest
            break
        if word in {"--help", "--version", "--merge", "--deep-merge"}:
            wanted.on.add(word[2:])
        elif word == "--output":
            value(wanted, "o", rest.pop(0) if rest else None)
        elif word.startswith("--"):
            if word[2:] not in LONG:
                raise BadOption(f'unknown option "{word}"')
            wanted.on.add(FLAGS[LONG[word[2:]]])
        elif word.startswith("-") and len(word) > 1:
            letters(wanted, word[1:], rest)
        else:
            wanted.lookups.append(word)
    return wanted


def letters(wanted: Wanted, word: str, rest: list[str]) -> None:
    """A word of short options."""
    for place, letter in enumerate(word):
        if letter in VALUES:
            value(wanted, letter, word[place + 1 :] or (rest.pop(0) if rest else None))
            return
        if letter.isdigit():
            wanted.style.indent = int(word[place:])
            return
        if letter == "h":
            wanted.on.add("help")
        elif letter in "ji":
            wanted.style.mode = "json" if letter == "j" else "inspect"
        elif letter in FLAGS:
            wanted.on.add(FLAGS[letter])
        else:
            raise BadOption(f'unknown option "-{word}"')


def value(wanted: Wanted, letter: str, given: str | None) -> None:
    """An option with a value."""
    if given is None:
        names = {"o": "-o|--output"}
        raise BadOption(f'no argument given for "{names.get(letter, "-" + letter)}" option')
    if letter in "ec":
        wanted.code.append((letter, given))
    elif letter == "o":
        found = style(given, wanted.style.indent)
        if found is None:
            raise BadOption(f'unknown output mode: "{given}"')
        wanted.style = found
    else:
        setattr(wanted, VALUES[letter], given.replace("\\t", "\t").replace("\\n", "\n") if letter == "d" else given)


def path(lookup: str, delimiter: str) -> list[str]:
    """``a.b["c.d"].0`` in its parts. Raises BadOption."""
    parts: list[str] = []
    pattern = re.compile(rf"\[(?P<inside>[^\]]*)\]|(?P<plain>(?:\\{re.escape(delimiter)}|[^\[{re.escape(delimiter)}])+)"
                         rf"|{re.escape(delimiter)}")  # fmt: skip
    for found in pattern.finditer(lookup):
        inside = found["inside"]
        if inside is None:
            parts += [found["plain"]] if found["plain"] else []
        elif len(inside) > 1 and inside[0] == inside[-1] and inside[0] in "'\"`":
            parts.append(inside[1:-1])
        elif inside.lstrip("-").isdigit():
            parts.append(inside)
        else:
            raise BadOption(f'invalid bracketed lookup string: "[{inside}]"')
    return parts


# --- from input to output ---------------------------------------------------------------------------------------------
def process(call: Call, wanted: Wanted, paths: list[list[str]]) -> int:
    """Read, work, print; the exit status."""
    if wanted.file:
        with open(call.real(wanted.file), "rb") as source:  # noqa: PTH123  (a str)
            text = source.read().decode("utf-8", "surrogateescape")
    else:
        text = call.stdin().decode("utf-8", "surrogateescape")
    headers, body = split_headers(text)
    if wanted.on & {"no_headers", "validate"}:
        headers = ""
    if not body and not (text and text.isspace()):
        raw(call, headers)
        return 0
    try:
        data = read(body, wanted)
    except ValueError as why:
        return not_json(call, wanted, headers, body, why)
    if "validate" in wanted.on:
        return 0
    raw(call, headers)
    show(call, wanted, worked(data, wanted), paths)
    return 0


def raw(call: Call, text: str) -> None:
    """Write text as it is."""
    call.stdout.write(text.encode("utf-8", "surrogateescape"))


def not_json(call: Call, wanted: Wanted, headers: str, body: str, why: ValueError) -> int:
    """Say so, and let the input through."""
    if "quiet" not in wanted.on:
        call.err(f"json: error: input is not JSON: {why}")
    if "validate" not in wanted.on:
        raw(call, headers + body + ("" if body.endswith("\n") else "\n"))
    return 1


def split_headers(text: str) -> tuple[str, str]:
    """The blocks of HTTP headers that curl -i prints, and what follows."""
    at = 0
    while text.startswith("HTTP/", at):
        found = re.compile(r"\r?\n\r?\n").search(text, at)
        if found is None:
            break
        at = found.end()
    return text[:at], text[at:]


def read(body: str, wanted: Wanted) -> Any:
    """The input as one value. Raises ValueError with a place."""
    if not wanted.on & {"group", "merge", "deep-merge"}:
        return loads(body)
    spread = re.sub(r"\}[ \t]*\r?\n?\{", "},{", body.strip())
    spread = re.sub(r"\][ \t]*\r?\n\[", ",", spread)
    found = loads(spread if spread.startswith("[") else f"[{spread}]")
    if wanted.on & {"merge", "deep-merge"}:
        whole: dict[str, Any] = {}
        for one in found:
            merge(whole, one, "deep-merge" in wanted.on)
        return whole
    return found


def merge(into: dict[str, Any], new: Any, deep: bool) -> None:
    """Put the keys of *new* over those of *into*."""
    for key, item in new.items():
        if deep and isinstance(into.get(key), dict) and isinstance(item, dict):
            merge(into[key], item, deep)
        else:
            into[key] = item


def worked(data: Any, wanted: Wanted) -> Any:
    """After ``-M``, the edits and the conditions; UNDEFINED when a condition left nothing. Raises JsError."""
    if "items" in wanted.on and isinstance(data, dict):
        data = [{"key": key, "value": item} for key, item in data.items()]
    if wanted.code:
        from mockdc.commands.js import compiled

        code = [(letter, compiled(text, letter == "c")) for letter, text in wanted.code]
        many = isinstance(data, list) and "whole" not in wanted.on
        items = data if many else [data]
        kept = [item for item in items if all(passes(letter, run, item) for letter, run in code)]
        data = kept if many else (kept[0] if kept else UNDEFINED)
    if "keys" in wanted.on and data is not UNDEFINED:
        return [str(place) for place in range(len(data))] if isinstance(data, list) else list(data)
    return data


def passes(letter: str, run: Any, item: Any) -> bool:
    """Edit the item, or say whether it stays."""
    from mockdc.commands.js_values import truthy

    result = run(item)
    return letter == "e" or truthy(result)


def lookup(datum: Any, parts: list[str]) -> Any:
    """The value at a path, or UNDEFINED."""
    for part in parts:
        if isinstance(datum, dict):
            datum = datum.get(part, UNDEFINED)
        elif isinstance(datum, (list, str)) and part == "length":
            datum = len(datum)
        elif isinstance(datum, (list, str)) and re.fullmatch(r"-?\d+", part):
            datum = datum[int(part)] if -len(datum) <= int(part) < len(datum) else UNDEFINED
        else:
            return UNDEFINED
    return datum


def show(call: Call, wanted: Wanted, data: Any, paths: list[list[str]]) -> None:
    """Print it: as a whole, by look-ups, or a row for each item."""
    if data is UNDEFINED:
        return
    if "array" in wanted.on:
        items = data if isinstance(data, list) else [data]
        rows(call, wanted, items, paths)
    elif not paths:
        call.out(dumps(data, wanted.style))
    else:
        for parts in paths:
            found = lookup(data, parts)
            if found is not UNDEFINED:
                text = dumps(found, wanted.style)
                if text:
                    call.out(text)


def rows(call: Call, wanted: Wanted, items: list[Any], paths: list[list[str]]) -> None:
    """``-a``: with an explicit ``-j`` one array of objects, else a line for each item."""
    if paths and wanted.style.mode == "json":
        names = wanted.lookups
        found = [{name: got for name, parts in zip(names, paths) if (got := lookup(item, parts)) is not UNDEFINED}
                 for item in items]  # fmt: skip
        call.out(dumps(found, wanted.style))
        return
    for item in items:
        cells = [lookup(item, parts) for parts in paths] if paths else [item]
        call.out(wanted.delimiter.join("" if cell is UNDEFINED else dumps(cell, wanted.style) for cell in cells))
