"""The plan as a document: it comes back as it was, and nobody edits it unseen."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Union, cast

import pytest
from plan_builders import inventory, plan_of, targets, with_service, with_zone

from sdcupgrade.errors import BadInput, PlanMoved
from sdcupgrade.jsonvalue import dumps, pretty
from sdcupgrade.plan.document import SCHEMA, Plan, digest, from_json, to_json

if TYPE_CHECKING:
    from sdcupgrade.jsonvalue import Json

Path = tuple[Union[str, int], ...]

NAMES = ("assets", "imgapi", "cloudapi", "sapi")
FOUND = with_zone(inventory(*NAMES), "imgapi", quota_gib=0, user_script=None)
FOUND = dataclasses.replace(FOUND, instances=tuple(one for one in FOUND.instances if one.service != "cloudapi"))
FOUND = with_service(FOUND, "sapi", image_uuid=None)
PLAN = plan_of(FOUND, targets(*NAMES))


def document() -> dict[str, Json]:
    """The file as ``prepare`` writes it and somebody reads it again."""
    return cast("dict[str, Json]", json.loads(pretty(to_json(PLAN))))


def leaves(value: object, path: Path = ()) -> Iterator[Path]:
    """The place of every value in a document that is no container."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path


def edited(value: Json, path: Path) -> Json:
    """The value with what stands at *path* replaced."""
    if not path:
        return "edited"
    head, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {**value, str(head): edited(value[str(head)], rest)}
    assert isinstance(value, list)
    return [edited(item, rest) if index == head else item for index, item in enumerate(value)]


def test_a_plan_comes_back_from_its_file_as_it_was() -> None:
    assert from_json(document()) == PLAN


def test_writing_it_again_gives_the_same_bytes() -> None:
    assert pretty(to_json(from_json(document()))) == pretty(to_json(PLAN))


def test_the_digest_is_over_everything_else() -> None:
    body = document()
    assert body.pop("digest") == digest(PLAN)
    assert set(body) == {one.name for one in dataclasses.fields(Plan)}
    assert digest(PLAN).startswith("sha256:")


def test_an_edit_of_any_value_is_seen() -> None:
    whole = document()
    paths = [path for path in leaves(whole) if path != ("schema",)]
    assert len(paths) > 300
    for path in paths:
        with pytest.raises(PlanMoved):
            from_json(edited(whole, path))


def test_a_plan_without_digest_is_taken_for_edited() -> None:
    body = document()
    del body["digest"]
    with pytest.raises(PlanMoved) as caught:
        from_json(body, "plan.json")
    assert "nothing was changed" in caught.value.message
    assert "prepare again" in caught.value.hint


@pytest.mark.parametrize("schema", [0, SCHEMA + 1, None])
def test_a_plan_of_another_schema_is_not_guessed_at(schema: Json) -> None:
    body = document()
    body["schema"] = schema
    with pytest.raises(BadInput, match="schema") as caught:
        from_json(body)
    assert "nothing was changed" in caught.value.hint


@pytest.mark.parametrize("value", [None, [], "plan", 7])
def test_what_is_no_object_is_no_plan(value: Json) -> None:
    with pytest.raises(BadInput, match=r"plan\.json"):
        from_json(value)


def test_a_document_with_a_fitting_digest_and_a_wrong_shape_is_told_where() -> None:
    body = document()
    services = cast("list[dict[str, Json]]", body["services"])
    services[0]["change"] = "sideways"
    with pytest.raises(BadInput, match=r"services\[0\]\.change"):
        from_json(signed(body))


def signed(body: dict[str, Json]) -> dict[str, Json]:
    """The body with the digest that fits, as no editor would make it."""
    body.pop("digest", None)
    return {**body, "digest": "sha256:" + hashlib.sha256(dumps(body).encode()).hexdigest()}


def test_what_json_cannot_hold_is_a_programming_error() -> None:
    odd = dataclasses.replace(PLAN.services[0].steps[0], params=cast("dict[str, Json]", {"a": {1, 2}}))
    services = (dataclasses.replace(PLAN.services[0], steps=(odd,)),)
    with pytest.raises(TypeError, match="set"):
        to_json(dataclasses.replace(PLAN, services=services))
