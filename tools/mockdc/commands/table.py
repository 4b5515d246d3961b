"""Rows under headings, as Triton's tools print them."""

from __future__ import annotations

from collections.abc import Sequence


def lines(headings: Sequence[str], rows: Sequence[Sequence[str]], header: bool = True, gap: str = "  ") -> list[str]:
    """Left-aligned columns, each as wide as its widest cell; no blanks at the end of a line."""
    every = [list(headings), *(list(row) for row in rows)] if header else [list(row) for row in rows]
    if not every:
        return []
    widths = [max(len(row[column]) for row in every) for column in range(len(headings))]
    return [gap.join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in every]


def dotted(record: object, name: str) -> object:
    """The value under ``a.b.0.c``, or None. A key that itself holds a dot is found too."""
    if isinstance(record, dict) and name in record:
        return record[name]
    head, _, tail = name.partition(".")
    if isinstance(record, dict) and head in record:
        return dotted(record[head], tail) if tail else record[head]
    if isinstance(record, list) and head.isdigit() and int(head) < len(record):
        return dotted(record[int(head)], tail) if tail else record[int(head)]
    return None


def shown(value: object) -> str:
    """A value in a cell."""
    import json

    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return json.dumps(value, separators=(",", ":")) if isinstance(value, (dict, list)) else str(value)
