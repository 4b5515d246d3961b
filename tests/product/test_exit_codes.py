"""The documented exit-code table and the error classes say the same."""

from __future__ import annotations

import pathlib
import re

from sdcupgrade import errors

DOCUMENT = pathlib.Path(__file__).parents[2] / "docs" / "exit-codes.md"


def documented() -> set[tuple[int, str]]:
    """(status, reference) of every row but the one for success."""
    rows = re.findall(r"^\| (\d+) \| `([a-z-]+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    return {(int(status), reference) for status, reference in rows if status != "0"}


def raised() -> set[tuple[int, str]]:
    """(status, reference) of every error class."""
    classes = [thing for thing in vars(errors).values() if isinstance(thing, type)]
    return {(thing.status, thing.reference) for thing in classes if issubclass(thing, errors.SdcupgradeError)}


def test_every_error_class_is_in_the_documented_table() -> None:
    assert raised() == documented()


def test_references_are_unique() -> None:
    assert len({reference for _, reference in raised()}) == len(raised())
