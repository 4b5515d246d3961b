"""vmadm in the box: its words, its exit statuses, what it changes (reference 4.5)."""

from __future__ import annotations

import json
import pathlib

import pytest
from mockdc.core import datasets
from mockdc.core.datacenter import Datacenter
from small_dc import furnished, run, the_vm

NOBODY = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Datacenter:
    return furnished(tmp_path, "sapi", "binder", "manatee", "moray", "imgapi", "papi")


def test_list_has_its_five_columns(dc: Datacenter) -> None:
    status, out, err = run(dc, "vmadm", "list")
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == "UUID                                  TYPE  RAM      STATE             ALIAS"
    assert len(out.splitlines()) == 7


def test_parsable_list_is_colons_without_a_header(dc: Datacenter) -> None:
    uuid = the_vm(dc, "papi0")["uuid"]
    assert f"{uuid}:papi0:running" in run(dc, "vmadm", "list", "-Hpo", "uuid,alias,state")[1].splitlines()


def test_list_sorts_by_what_it_is_told(dc: Datacenter) -> None:
    out = run(dc, "vmadm", "list", "-H", "-o", "alias", "-s", "-alias")[1].split()
    assert out == sorted(out, reverse=True)


def test_a_tag_is_a_column(dc: Datacenter) -> None:
    assert run(dc, "vmadm", "list", "-Hpo", "tags.smartdc_role", "alias=papi0")[1] == "papi\n"


@pytest.mark.parametrize(
    "conditions, aliases",
    [
        (["alias=papi0"], ["papi0"]),
        (["alias=~^m"], ["manatee0", "moray0"]),
        (["tags.smartdc_role=imgapi"], ["imgapi0"]),
        (["nics.*.ip=10.99.99.8"], ["sapi0"]),
        (["nics.0.ip=10.99.99.8", "alias=papi0"], []),
        (["firewall_enabled=true", "alias=sapi0"], ["sapi0"]),
    ],
)
def test_lookup_finds_by_conditions(dc: Datacenter, conditions: list[str], aliases: list[str]) -> None:
    status, out, _ = run(dc, "vmadm", "lookup", "-j", "-o", "alias", *conditions)
    assert status == 0
    assert sorted(vm["alias"] for vm in json.loads(out)) == aliases


def test_lookup_without_a_match_says_nothing(dc: Datacenter) -> None:
    assert run(dc, "vmadm", "lookup", "alias=nope") == (0, "", "")


@pytest.mark.parametrize("condition, count", [("alias=nope", 0), ("alias=~^m", 2)])
def test_a_unique_lookup_fails_with_none_or_many(dc: Datacenter, condition: str, count: int) -> None:
    said = f"Requested unique lookup but found {count} results.\n"
    assert run(dc, "vmadm", "lookup", "-1", condition) == (1, "", said)


def test_get_prints_the_object_with_two_blanks(dc: Datacenter) -> None:
    vm = the_vm(dc, "papi0")
    out = run(dc, "vmadm", "get", vm["uuid"])[1]
    assert json.loads(out) == vm
    assert out.startswith('{\n  "')


@pytest.mark.parametrize("command", ["get", "json"])
def test_a_missing_vm_is_told_in_zoneadms_words(dc: Datacenter, command: str) -> None:
    assert run(dc, "vmadm", command, NOBODY) == (1, "", f"zoneadm: {NOBODY}: No such zone configured\n")


def test_a_vm_of_another_node_is_not_here(dc: Datacenter) -> None:
    vm = the_vm(dc, "papi0")
    vm["server_uuid"] = "elsewhere"
    dc.store.put("vm", vm["uuid"], vm)
    assert run(dc, "vmadm", "get", vm["uuid"])[0] == 1


def test_update_takes_json_on_stdin_and_speaks_on_stderr(dc: Datacenter) -> None:
    uuid = the_vm(dc, "papi0")["uuid"]
    body = {"set_customer_metadata": {"user-script": "new"}, "remove_customer_metadata": ["assets-ip"],
            "set_tags": {"colour": "blue"}}
    said = run(dc, "vmadm", "update", uuid, stdin=json.dumps(body))
    vm = the_vm(dc, "papi0")
    assert said == (0, "", f"Successfully updated VM {uuid}\n")
    assert vm["customer_metadata"] == {"sapi-url": "http://sapi.coal.example.com", "user-script": "new"}
    assert vm["tags"]["colour"] == "blue"


def test_update_from_words_changes_the_dataset_too(dc: Datacenter) -> None:
    uuid = the_vm(dc, "papi0")["uuid"]
    assert run(dc, "vmadm", "update", uuid, "quota=30")[0] == 0
    assert the_vm(dc, "papi0")["quota"] == 30
    assert (datasets.get(dc, dc.headnode, f"zones/{uuid}") or {})["quota"] == 30 << 30


def test_update_writes_the_zones_own_metadata_file(dc: Datacenter) -> None:
    uuid = the_vm(dc, "papi0")["uuid"]
    run(dc, "vmadm", "update", uuid, stdin='{"set_customer_metadata": {"k": "v"}}')
    text = (dc.folder / "zones" / uuid / "config" / "metadata.json").read_text(encoding="utf-8")
    assert json.loads(text)["customer_metadata"]["k"] == "v"


def test_update_takes_a_file_of_the_global_zone(dc: Datacenter) -> None:
    (dc.folder / "var" / "tmp").mkdir(parents=True, exist_ok=True)
    (dc.folder / "var" / "tmp" / "change.json").write_text('{"alias": "papi9"}', encoding="utf-8")
    assert run(dc, "vmadm", "update", the_vm(dc, "papi0")["uuid"], "-f", "/var/tmp/change.json")[0] == 0
    assert the_vm(dc, "papi9")


@pytest.mark.parametrize("body", ["", "not json", "[1]", '{"nonsense": 1}', '{"quota": "25"}'])
def test_a_bad_payload_changes_nothing(dc: Datacenter, body: str) -> None:
    before = the_vm(dc, "papi0")
    status, out, err = run(dc, "vmadm", "update", before["uuid"], stdin=body)
    assert (status, out) == (1, "")
    assert "nvalid" in err
    assert the_vm(dc, "papi0") == before


def test_reprovision_takes_the_image_from_stdin(dc: Datacenter) -> None:
    vm = the_vm(dc, "papi0")
    said = run(dc, "vmadm", "reprovision", vm["uuid"], stdin=json.dumps({"image_uuid": vm["image_uuid"]}))
    assert said == (0, "", f"Successfully reprovisioned VM {vm['uuid']}\n")
    assert (dc.store.get("zone", vm["uuid"]) or {})["reprovisions"] == 1


@pytest.mark.parametrize(
    "body, reason", [({}, "payload is missing image_uuid"), ({"image_uuid": NOBODY}, f"image {NOBODY} not found")]
)
def test_reprovision_says_why_it_failed(dc: Datacenter, body: dict[str, str], reason: str) -> None:
    uuid = the_vm(dc, "papi0")["uuid"]
    status, _, err = run(dc, "vmadm", "reprovision", uuid, stdin=json.dumps(body))
    assert status == 1
    assert err.startswith(f"Failed to reprovision VM {uuid}: {reason}")


def test_stop_and_start_in_their_words(dc: Datacenter) -> None:
    uuid = the_vm(dc, "papi0")["uuid"]
    assert run(dc, "vmadm", "stop", uuid)[2] == f"Successfully completed stop for VM {uuid}\n"
    assert run(dc, "vmadm", "stop", uuid) == (1, "", f"Failed to stop VM {uuid}: VM is not running\n")
    assert run(dc, "vmadm", "start", uuid)[2] == f"Successfully started VM {uuid}\n"
    assert the_vm(dc, "papi0")["state"] == "running"


def test_delete_takes_root_and_data(dc: Datacenter) -> None:
    uuid = the_vm(dc, "imgapi0")["uuid"]
    assert run(dc, "vmadm", "delete", uuid)[0] == 0
    assert run(dc, "vmadm", "get", uuid)[0] == 1
    assert datasets.tree(dc, dc.headnode, f"zones/{uuid}") == []


def test_a_snapshot_is_refused_where_there_is_a_delegated_dataset(dc: Datacenter) -> None:
    uuid = the_vm(dc, "imgapi0")["uuid"]
    status, _, err = run(dc, "vmadm", "create-snapshot", uuid, "s1")
    assert status == 1
    assert "datasets" in err


def test_a_snapshot_is_made_and_deleted(dc: Datacenter) -> None:
    uuid = the_vm(dc, "papi0")["uuid"]
    assert run(dc, "vmadm", "create-snapshot", uuid, "s1")[2] == f"Created snapshot s1 for VM {uuid}\n"
    assert datasets.get(dc, dc.headnode, f"zones/{uuid}@vmsnap-s1")
    assert run(dc, "vmadm", "delete-snapshot", uuid, "s1")[0] == 0
    assert the_vm(dc, "papi0")["snapshots"] == []


@pytest.mark.parametrize(
    "words",
    [[], ["nonsense"], ["list", "-q"], ["get"], ["get", "papi0"], ["lookup", "-o", "uuid"], ["lookup", "papi0"],
     ["lookup", "alias=~("], ["update", NOBODY[:8]]],
)
def test_wrong_usage_is_status_2(dc: Datacenter, words: list[str]) -> None:
    status, out, err = run(dc, "vmadm", *words)
    assert (status, out) == (2, "")
    assert "Usage: vmadm" in err
