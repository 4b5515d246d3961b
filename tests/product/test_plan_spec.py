"""The spec: what is understood, and what each mistake is answered with."""

from __future__ import annotations

import pytest

from sdcupgrade.errors import BadInput
from sdcupgrade.plan.spec import SIZE_LIMIT, Kind, Spec, Target, parse_spec

UUID = "4803c1cd-5882-9c48-bc2a-fc81c1429a89"


def refused(text: str | bytes) -> BadInput:
    with pytest.raises(BadInput) as caught:
        parse_spec(text, "foo.json")
    assert caught.value.message.startswith("foo.json: ")
    assert caught.value.hint
    return caught.value


def test_the_customers_own_spec_is_understood() -> None:
    spec = parse_spec('{\n "imgapi": "4803c1cd-5882-9c48-bc2a-fc81c1429a89",\n "adminui": "latest"\n}\n', "foo.json")
    expected = (Target("imgapi", Kind.IMAGE, UUID), Target("adminui", Kind.LATEST, "latest"))
    assert spec == Spec(expected, "foo.json")


@pytest.mark.parametrize(
    ("value", "kind", "read"),
    [
        (UUID.upper(), Kind.IMAGE, UUID),
        ("latest", Kind.LATEST, "latest"),
        ("master-20240118T143155Z-gabc1234", Kind.VERSION, "master-20240118T143155Z-gabc1234"),
        ("release-20240125-20240125T023344Z-gabc1234", Kind.VERSION, "release-20240125-20240125T023344Z-gabc1234"),
        ("TRITON-123-foo-20240125T023344Z-gabc1234", Kind.VERSION, "TRITON-123-foo-20240125T023344Z-gabc1234"),
        ("1.39.0", Kind.VERSION, "1.39.0"),
    ],
)
def test_a_value_is_a_uuid_a_version_or_latest(value: str, kind: Kind, read: str) -> None:
    assert parse_spec(f'{{"vmapi": "{value}"}}', "foo.json").targets == (Target("vmapi", kind, read),)


def test_bytes_are_read_as_utf8() -> None:
    assert parse_spec(b'{"vmapi": "latest"}', "foo.json").targets[0].service == "vmapi"


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "is empty", "imgapi"),
        (" \n", "is empty", "imgapi"),
        ("{}", "names no service", "imgapi"),
        ("[]", "a spec is a JSON object", "imgapi"),
        ('"latest"', "a spec is a JSON object", "imgapi"),
        ('{"vmapi": "latest"', "line 1, column 19: not valid JSON", "a spec looks like"),
        ('{\n  "vmapi": latest\n}', "line 2, column 12: not valid JSON", "a spec looks like"),
        ('{"vmapi": "latest",}', "not valid JSON", "comma"),
        ('{"vmapi": "latest", // now\n}', "line 1, column 21: not valid JSON", "no comments"),
        ('# now\n{"vmapi": "latest"}', "line 1, column 1: not valid JSON", "no comments"),
        ("{'vmapi': 'latest'}", "not valid JSON", "double quotes"),
        ("\ufeff{}", "byte order mark", "without byte order mark"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8 text (byte 1)", "UTF-8"),
        ('{"vmapi": NaN}', "NaN is not JSON", "a spec looks like"),
        ("[" * 20_000, "not valid JSON", "a spec looks like"),
        ("{" + " " * SIZE_LIMIT + "}", "too many", str(SIZE_LIMIT)),
    ],
)
def test_what_is_no_spec_is_told_with_its_place_and_a_remedy(text: str | bytes, message: str, hint: str) -> None:
    error = refused(text)
    assert message in error.message
    assert hint in error.hint


def test_a_service_named_twice_is_refused_with_the_line_of_the_second() -> None:
    error = refused('{\n "vmapi": "latest",\n "papi": "latest",\n "vmapi": "latest"\n}')
    assert "line 4: duplicate key 'vmapi'" in error.message


def test_a_duplicate_whose_place_cannot_be_found_is_refused_all_the_same() -> None:
    assert "duplicate key 'vmapi'" in refused('{"vmapi": "latest", "vm\\u0061pi": "latest"}').message


@pytest.mark.parametrize("value", ["7", "null", "true", '["latest"]', "{}"])
def test_a_value_that_is_not_text_is_refused(value: str) -> None:
    assert "vmapi: the value is not text" in refused(f'{{"vmapi": {value}}}').message


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (UUID[:-1], "8-4-4-4-11 digits"),
        (UUID + "0", "8-4-4-4-13 digits"),
        (UUID.replace("-", ""), "32 digits"),
        (UUID[:-1] + "g", "'g' cannot be in one"),
        (UUID[1:-2] + "g", "'g' cannot be in one"),
        ("{" + UUID + "}", "'{' '}' cannot be in one"),
        (f" {UUID}", "' ' cannot be in one"),
    ],
)
def test_what_was_meant_as_a_uuid_is_told_apart_from_a_version(value: str, fault: str) -> None:
    error = refused(f'{{"vmapi": "{value}"}}')
    assert "is not a uuid" in error.message
    assert fault in error.message


@pytest.mark.parametrize("value", ["", "newest", "a b 1", "../1", "x" * 130])
def test_a_value_that_cannot_be_anything_is_refused(value: str) -> None:
    assert "neither image uuid nor version nor latest" in refused(f'{{"vmapi": "{value}"}}').message


@pytest.mark.parametrize("value", ["Latest", "lastest"])
def test_a_misspelt_latest_is_recognised(value: str) -> None:
    assert refused(f'{{"vmapi": "{value}"}}').hint == 'did you mean "latest"?'


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("vmpai", "did you mean 'vmapi'?"),
        ("IMGAPI", "did you mean 'imgapi'?"),
        ("cloudapi0", "did you mean 'cloudapi'?"),
        ("sdc-postgres", "its service is 'manatee'"),
        ("zzzzzz", "the services are adminui, amon"),
    ],
)
def test_an_unknown_service_is_answered_with_the_nearest(name: str, hint: str) -> None:
    error = refused(f'{{"{name}": "latest"}}')
    assert f"unknown service '{name}'" in error.message
    assert hint in error.hint


@pytest.mark.parametrize("name", ["vm-agent", "cn-agent", "agents", "config-agent", "heartbeater"])
def test_agents_are_refused_because_they_are_not_zones(name: str) -> None:
    assert f"{name} is an agent, and agents are not zones" in refused(f'{{"{name}": "latest"}}').message


@pytest.mark.parametrize("name", ["platform", "gz-tools", "sdcadm"])
def test_names_reserved_for_later_are_known_but_not_yet_supported(name: str) -> None:
    assert "not yet supported" in refused(f'{{"{name}": "latest"}}').message
