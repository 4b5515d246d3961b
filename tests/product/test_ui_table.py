"""Tables as sdcadm prints them."""

from __future__ import annotations

import json

import pytest

from sdcupgrade.errors import UsageError
from sdcupgrade.model import Verdict
from sdcupgrade.ui import words
from sdcupgrade.ui.report import Line, closing
from sdcupgrade.ui.table import Table

TABLE = Table(
    ("service", "alias", "ram", "version"),
    ("service", "alias", "version"),
    (
        {"service": "imgapi", "alias": "imgapi0", "ram": 768, "version": "1.2"},
        {"service": "cloudapi", "alias": "cloudapi10", "ram": 8192, "version": None},
        {"service": "cloudapi", "alias": "cloudapi2", "ram": 8192, "version": "2.0"},
    ),
)


def test_columns_are_aligned_under_capitals() -> None:
    assert TABLE.render() == (
        "SERVICE   ALIAS       VERSION\n"
        "imgapi    imgapi0     1.2\n"
        "cloudapi  cloudapi10  -\n"
        "cloudapi  cloudapi2   2.0\n"
    )


def test_without_header_widths_follow_the_values() -> None:
    assert TABLE.render(header=False, output="alias,service").splitlines()[0] == "imgapi0     imgapi"


def test_other_columns_in_the_order_asked() -> None:
    assert TABLE.render(output=" RAM ,alias").splitlines()[:2] == ["RAM   ALIAS", "768   imgapi0"]


@pytest.mark.parametrize(
    ("sort", "aliases"),
    [
        ("", ["imgapi0", "cloudapi10", "cloudapi2"]),
        ("service,alias", ["cloudapi10", "cloudapi2", "imgapi0"]),
        ("ram,-alias", ["imgapi0", "cloudapi2", "cloudapi10"]),
        ("-ram,alias", ["cloudapi10", "cloudapi2", "imgapi0"]),
        ("version", ["imgapi0", "cloudapi2", "cloudapi10"]),
    ],
)
def test_sorting(sort: str, aliases: list[str]) -> None:
    assert TABLE.render(output="alias", header=False, sort=sort).split() == aliases


@pytest.mark.parametrize("options", [{"output": "alias,nope"}, {"sort": "-nope"}, {"sort": "nope"}])
def test_an_unknown_column_is_answered_with_those_there_are(options: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="no column 'nope'") as caught:
        TABLE.render(**options)  # type: ignore[arg-type]  # only text options are given
    assert caught.value.hint == "columns: service, alias, ram, version"


def test_a_lone_minus_is_no_column() -> None:
    with pytest.raises(UsageError):
        TABLE.render(sort="-")


def test_json_has_every_field_in_order() -> None:
    rows = json.loads(TABLE.render(as_json=True, sort="alias"))
    assert [row["alias"] for row in rows] == ["cloudapi10", "cloudapi2", "imgapi0"]
    assert rows[0] == {"service": "cloudapi", "alias": "cloudapi10", "ram": 8192, "version": None}


def test_no_rows() -> None:
    empty = Table(("a", "b"), ("a", "b"), ())
    assert (empty.render(), empty.render(header=False), empty.render(as_json=True)) == ("A  B\n", "", "[]\n")


def test_what_was_read_cannot_break_a_line_or_the_terminal() -> None:
    table = Table(("a",), ("a",), ({"a": "x\ny\x1b[31m"}, {"a": ["p", "q"]}, {"a": []}, {"a": ""}))
    assert table.render(header=False).splitlines() == ["x?y?[31m", "p,q", "-", "-"]


def test_the_closing_table() -> None:
    lines = (
        Line("imgapi", "imgapi0", "1.2", "1.3", Verdict.DONE, 43.2),
        Line("adminui", "adminui0", "2.0", "2.0", Verdict.ALREADY),
    )
    assert closing(lines, 125).splitlines() == [
        "SERVICE  INSTANCE  FROM  TO   VERDICT  DURATION",
        "imgapi   imgapi0   1.2   1.3  done     43 s",
        "adminui  adminui0  2.0   2.0  already  -",
        "2 services: 1 done, 1 already, in 2 min 05 s",
    ]


def test_closing_nothing() -> None:
    assert closing((), 0.4).splitlines()[-1] == "0 services: nothing to do, in 0.4 s"


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (1048575, "1.0 MiB"), (28625000, "27.3 MiB")]
)
def test_sizes(count: int, text: str) -> None:
    assert words.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599.6, "1 h 00 min")],
)
def test_durations(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


def test_plurals() -> None:
    assert (words.plural(1, "zone"), words.plural(0, "zone")) == ("1 zone", "0 zones")


def test_whatever_was_said_becomes_one_line_that_can_be_shown() -> None:
    assert words.one_line(" a\n\n  b\tc \r\n\x1b[1m\udcff") == "a; b c; ?[1m?"
    assert words.one_line(" \n ") == ""
