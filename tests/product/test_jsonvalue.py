"""What others wrote as JSON is read with suspicion, and every complaint names the place."""

from __future__ import annotations

import pytest

from sdcupgrade.errors import BadAnswer, BadInput
from sdcupgrade.jsonvalue import Record, loads, records, whole_number


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": 1, "a": 2}', "vmadm get: not valid JSON: duplicate key 'a'"),
        ('{"' + "k" * 5000 + '": 1, "' + "k" * 5000 + '": 2}', f"duplicate key '{'k' * 40}'"),
        ('{"a": NaN}', "vmadm get: not valid JSON: NaN is not JSON"),
        ("[" * 50_000, "vmadm get: not valid JSON: "),
        ("", "vmadm get: not valid JSON: it is empty"),
        (b" \n", "vmadm get: not valid JSON: it is empty"),
        (b"\xff\xfe", "vmadm get: not valid JSON: "),
        ("usage: vmadm\nget UUID", r"it begins 'usage: vmadm\nget UUID'"),
        (b"<html>" + b"x" * 100, "it begins '<html>" + "x" * 34 + "'"),
    ],
)
def test_what_is_no_json_is_told_by_its_beginning(text: str | bytes, told: str) -> None:
    with pytest.raises(BadAnswer) as caught:
        loads(text, "vmadm get")
    assert told in caught.value.message


def test_what_begins_as_json_is_not_repeated() -> None:
    with pytest.raises(BadAnswer) as caught:
        loads('{"ufds_ldap_root_pw": "secret', "config.sh -json")
    assert "secret" not in caught.value.message


def test_a_complaint_names_the_path_and_what_to_do() -> None:
    (outer,) = records([{"params": {"tags": [{"name": 7}]}}], "plan.json", BadInput, "prepare again")
    with pytest.raises(BadInput) as caught:
        outer.record("params").records("tags")[0].text("name")
    assert caught.value.message == "plan.json[0].params.tags[0].name: expected text, got a number"
    assert caught.value.hint == "prepare again"


@pytest.mark.parametrize(("value", "kind"), [(None, "nothing"), ([], "a list"), ("x", "text"), (1.5, "a number")])
def test_what_is_no_object_has_its_kind_told(value: str | float | list[str] | None, kind: str) -> None:
    with pytest.raises(BadInput, match=f"spec: expected an object, got {kind}") as caught:
        Record([*value] if isinstance(value, list) else value, "spec", BadInput, "mend it")
    assert caught.value.hint == "mend it"


@pytest.mark.parametrize("text", ["\xb2", "\u0663", "9" * 19, "9" * 5000, "", "-1", "+1", " 1", "1_0", "1.0", "1e3"])
def test_text_that_is_no_number(text: str) -> None:
    assert whole_number(text) is None
    with pytest.raises(BadAnswer, match=r"vm\.quota: expected a whole number, got text"):
        Record({"quota": text}, "vm").number("quota")


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("007", 7), ("9" * 18, 10**18 - 1)])
def test_text_that_is_a_number(text: str, number: int) -> None:
    assert whole_number(text) == Record({"quota": text}, "vm").number("quota") == number


@pytest.mark.parametrize("text", ["1e999", "-1e999", "2.5", "-0.5", "true"])
def test_numbers_that_are_not_whole(text: str) -> None:
    with pytest.raises(BadAnswer, match="expected a whole number"):
        Record(loads(f'{{"quota": {text}}}', "vm"), "vm").number("quota")


def test_numbers_may_be_text_and_flags_too() -> None:
    record = Record({"quota": "25", "ram": 2.0, "on": "true", "off": "false"}, "vm")
    assert (record.number("quota"), record.number("ram"), record.number("cpu", 4)) == (25, 2, 4)
    assert (record.flag("on"), record.flag("off"), record.flag("absent")) == (True, False, False)
    with pytest.raises(BadAnswer, match=r"vm\.on: expected a whole number, got text"):
        record.number("on")
