"""Tables in sdcadm's style: capital headings, columns two spaces apart, ``-o``, ``-s``, ``-H`` and ``-j``."""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.errors import UsageError
from sdcupgrade.jsonvalue import pretty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sdcupgrade.jsonvalue import Json


@dataclass(frozen=True)
class Table:
    """*columns* are all there are, *shown* those shown unless ``-o`` asks for others; a row has a value for each."""

    columns: tuple[str, ...]
    shown: tuple[str, ...]
    rows: Sequence[Mapping[str, Json]]

    def render(self, output: str = "", sort: str = "", header: bool = True, as_json: bool = False) -> str:
        """The text, each line with its end. *output* and *sort* are names with commas between; ``-name`` sorts
        backwards. Raises UsageError for a name that is no column."""
        rows = self._sorted(sort)
        names = self._names(output) or list(self.shown)
        if as_json:
            return pretty([dict(row) for row in rows])
        cells = [[_cell(row.get(name)) for name in names] for row in rows]
        if header:
            cells.insert(0, [name.upper() for name in names])
        widths = [max((len(line[at]) for line in cells), default=0) for at in range(len(names))]
        return "".join(_line(line, widths) for line in cells)

    def _names(self, text: str) -> list[str]:
        names = [name.strip().lower() for name in text.split(",") if name.strip()]
        for name in names:
            if name not in self.columns:
                raise UsageError(f"there is no column {name!r}", f"columns: {', '.join(self.columns)}")
        return names

    def _sorted(self, sort: str) -> list[Mapping[str, Json]]:
        rows = list(self.rows)
        for key in reversed([key.strip() for key in sort.split(",") if key.strip()]):
            (name,) = self._names(key.lstrip("-") or key)
            rows.sort(key=lambda row: _order(row.get(name)), reverse=key.startswith("-"))
        return rows


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths)).rstrip() + "\n"


def _cell(value: Json) -> str:
    """As sdcadm: a dash for what is not known; never a line break, whatever was read."""
    if isinstance(value, list):
        return ",".join(_cell(item) for item in value) or "-"
    text = "-" if value is None or value == "" else str(value)
    return "".join(char if char.isprintable() else "?" for char in text)


def _order(value: Json) -> tuple[int, float, str]:
    """Numbers by size, then text, then what is not known."""
    if isinstance(value, (int, float)):
        return 0, float(value), ""
    return (2, 0.0, "") if value is None else (1, 0.0, str(value))
