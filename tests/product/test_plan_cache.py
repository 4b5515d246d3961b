"""The cache beside the spec: what it remembers, what it forgets, and what is said when it is broken."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plan_builders import image

from sdcupgrade.errors import BadInput
from sdcupgrade.jsonvalue import pretty
from sdcupgrade.plan.cache import SIZE_LIMIT, Cache, cache_json, parse_cache, resolve_from_cache, updated_cache
from sdcupgrade.plan.spec import Spec, parse_spec

VMAPI, PAPI = image(1, "vmapi"), image(2, "papi")


def spec(**entries: str) -> Spec:
    return parse_spec(pretty(entries), "foo.json")


def cached(**entries: str) -> Cache:
    """The cache after vmapi and papi were resolved in channel dev."""
    return updated_cache(spec(**entries), {}, {"vmapi": VMAPI, "papi": PAPI}, "dev")


BOTH = cached(vmapi="latest", papi="latest")


def test_a_cache_comes_back_from_its_file_as_it_was() -> None:
    assert parse_cache(pretty(cache_json(BOTH)), "foo.json.1") == BOTH
    assert [entry.image for entry in BOTH.entries] == [VMAPI.uuid, PAPI.uuid]


def test_what_the_spec_still_says_is_not_resolved_again() -> None:
    resolved, missing = resolve_from_cache(spec(vmapi="latest", papi="latest"), BOTH, "dev")
    assert missing == ()
    assert resolved["vmapi"].image == VMAPI.uuid
    assert resolved["vmapi"].published_at == VMAPI.published_at


def test_an_edited_entry_is_resolved_anew_and_the_others_stay() -> None:
    edited = spec(vmapi="latest", papi="1.2.3")
    resolved, missing = resolve_from_cache(edited, BOTH, "dev")
    assert list(resolved) == ["vmapi"]
    assert [target.value for target in missing] == ["1.2.3"]


def test_an_added_entry_is_missing() -> None:
    _, missing = resolve_from_cache(spec(vmapi="latest", napi="latest"), BOTH, "dev")
    assert [target.service for target in missing] == ["napi"]


def test_latest_in_another_channel_is_resolved_anew() -> None:
    _, missing = resolve_from_cache(spec(vmapi="latest", papi="latest"), BOTH, "release")
    assert len(missing) == 2


def test_a_uuid_is_the_same_in_any_channel() -> None:
    cache = cached(vmapi=VMAPI.uuid)
    resolved, missing = resolve_from_cache(spec(vmapi=VMAPI.uuid), cache, "release")
    assert missing == ()
    assert resolved["vmapi"].image == VMAPI.uuid


def test_an_empty_cache_is_how_refresh_forgets() -> None:
    _, missing = resolve_from_cache(spec(vmapi="latest", papi="latest"), Cache(), "dev")
    assert len(missing) == 2


def test_entries_no_longer_in_the_spec_are_dropped() -> None:
    edited = spec(papi="latest")
    resolved, _ = resolve_from_cache(edited, BOTH, "dev")
    assert [entry.service for entry in updated_cache(edited, resolved, {}, "dev").entries] == ["papi"]


def test_what_was_found_now_replaces_what_stood() -> None:
    both = spec(vmapi="latest", papi="latest")
    resolved, _ = resolve_from_cache(both, BOTH, "dev")
    newer = replace(VMAPI, uuid=PAPI.uuid)
    assert [entry.image for entry in updated_cache(both, resolved, {"vmapi": newer}, "dev").entries] == [PAPI.uuid] * 2


def test_an_entry_that_nobody_resolved_is_not_remembered() -> None:
    assert updated_cache(spec(vmapi="latest"), {}, {}, "dev") == Cache()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "not valid JSON"),
        ("[]", "expected an object"),
        ("{}", "schema: expected 1"),
        ('{"schema": 2, "images": {}}', "schema: expected 1"),
        ('{"schema": 1, "images": {"vmapi": 7}}', "vmapi: expected an object"),
        ('{"schema": 1, "images": {"vmapi": {"image": "x"}}}', "vmapi.image: 'x' is not a uuid"),
        (pretty({"schema": 1, "images": {"vmapi": {"image": VMAPI.uuid}}}), "vmapi.spec: expected text"),
        (" " * (SIZE_LIMIT + 1), "too big"),
    ],
)
def test_a_broken_cache_is_named_with_the_remedy(text: str, problem: str) -> None:
    with pytest.raises(BadInput, match=r"foo\.json\.1") as caught:
        parse_cache(text, "foo.json.1")
    assert problem in caught.value.message
    assert "--refresh" in caught.value.hint
    assert "delete foo.json.1" in caught.value.hint
