"""Real Triton code from the npm registry drives the box as it would drive a datacenter: over HTTP, as processes."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from node_packages import Node, installed
from release.images import Release

from sdcupgrade.doors.real import open_log

MOCKDC = pathlib.Path(__file__).parent.parent.parent / "tools" / "mockdc" / "mockdc"
CONTENT = b"not really a zfs stream\n"
SERVICE = "imgapi"


@pytest.fixture(scope="module")
def node() -> Node:
    return installed()


@pytest.fixture(scope="module")
def box(node: Node, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a running coal."""
    root = tmp_path_factory.mktemp("coal") / "box"
    up = mockdc("up", "--root", str(root), "--scenario", "coal", "--speed", "50")
    try:
        yield {**os.environ, **json.loads(up)["env"]}
    finally:
        mockdc("down", "--root", str(root))


def mockdc(*argv: str) -> str:
    done = subprocess.run([sys.executable, str(MOCKDC), *argv], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def ask(node: Node, box: dict[str, str], api: str, method: str, *args: Any, version: str = "*") -> dict[str, Any]:
    """One call of a real client's method: what it gave."""
    client = "IMGAPI" if api == "UPDATES" else api
    step = {"client": client, "url": box[f"{api}_URL"], "method": method, "args": list(args), "version": version}
    return node.drive([step])[0]


def result(node: Node, box: dict[str, str], api: str, method: str, *args: Any) -> Any:
    """The same, which must have succeeded."""
    answer = ask(node, box, api, method, *args)
    assert answer["error"] is None
    return answer["result"]


def service(node: Node, box: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = result(node, box, "SAPI", "listServices", {"name": SERVICE})[0]
    return found


def instance(node: Node, box: dict[str, str]) -> str:
    return str(result(node, box, "SAPI", "listInstances", {"service_uuid": service(node, box)["uuid"]})[0]["uuid"])


# --- IMGAPI ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("api", ["UPDATES", "IMGAPI"])
def test_every_manifest_served_is_valid(node: Node, box: dict[str, str], api: str) -> None:
    listed = ask(node, box, api, "listImages", {"channel": "*"}, version="~1")["result"]
    whole = [{**image, "activated": image["state"] != "unactivated"} for image in listed]
    found = node.drive(
        [{"client": "imgmanifest", "method": "validateMinimalManifest", "args": [image]} for image in listed]
        + [{"client": "imgmanifest", "method": "validateDcManifest", "args": [image]} for image in whole])
    assert len(listed) > 20
    assert [one for one in found if one != {"error": None, "result": None}] == []


def test_what_is_released_is_valid(node: Node, tmp_path: pathlib.Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(CONTENT)
    digest = hashlib.sha1(CONTENT).hexdigest()
    uuid, stamp = "00000000-0000-4000-8000-000000000011", "main-20261123T101500Z-g0123abc"
    made = [Release(name, "1.4.0", stamp, how, file, uuid, digest, len(CONTENT)).manifest()
            for name, how in (("sdcupgrade", "none"), ("sdcupgrade-trust", "gzip"), ("gzbits", "gzip"))]
    found = node.drive([{"client": "imgmanifest", "method": "validatePrivateManifest", "args": [
        {**one, "published_at": "2026-11-23T10:15:00.000Z", "activated": True}]} for one in made])
    assert [one for one in found if one != {"error": None, "result": None}] == []


def test_the_updates_client_lists_channels(node: Node, box: dict[str, str]) -> None:
    channels = result(node, box, "UPDATES", "listChannels", {})
    assert [one["name"] for one in channels if one.get("default")] == ["dev"]


def test_a_missing_image_is_the_error_that_sdcadm_expects(node: Node, box: dict[str, str]) -> None:
    answer = ask(node, box, "IMGAPI", "getImage", "00000000-0000-4000-8000-000000000009")
    assert (answer["error"]["code"], answer["error"]["status"]) == ("ResourceNotFound", 404)


def test_an_image_goes_in_and_comes_out(node: Node, box: dict[str, str], tmp_path: pathlib.Path) -> None:
    uuid, path, copy = "00000000-0000-4000-8000-000000000010", tmp_path / "file", tmp_path / "copy"
    path.write_bytes(CONTENT)
    manifest = {"v": 2, "uuid": uuid, "owner": "00000000-0000-0000-0000-000000000000", "name": "sapi", "version": "1",
                "type": "zone-dataset", "os": "smartos", "public": False, "disabled": False}
    upload = {"uuid": uuid, "file": str(path), "size": len(CONTENT), "compression": "none",
              "sha1": hashlib.sha1(CONTENT).hexdigest()}
    assert result(node, box, "IMGAPI", "adminImportImage", manifest)["state"] == "unactivated"
    assert result(node, box, "IMGAPI", "addImageFile", upload)["files"][0]["size"] == len(CONTENT)
    assert result(node, box, "IMGAPI", "activateImage", uuid)["state"] == "active"
    result(node, box, "IMGAPI", "getImageFile", uuid, str(copy))
    assert copy.read_bytes() == CONTENT
    result(node, box, "IMGAPI", "deleteImage", uuid)


def test_an_image_is_fetched_from_the_updates_server(node: Node, box: dict[str, str]) -> None:
    newest = result(node, box, "UPDATES", "listImages", {"name": "vmapi"})[-1]["uuid"]
    job = result(node, box, "IMGAPI", "adminImportRemoteImage", newest, box["UPDATES_URL"])
    assert (job["image_uuid"], len(job["job_uuid"])) == (newest, 36)


# --- SAPI, VMAPI, CNAPI ---------------------------------------------------------------------------------------------
def test_sapi_objects_are_found_and_changed(node: Node, box: dict[str, str]) -> None:
    uuid = service(node, box)["uuid"]
    assert result(node, box, "SAPI", "updateService", uuid, {"metadata": {"tried": "1"}})["metadata"]["tried"] == "1"
    assert result(node, box, "SAPI", "getService", uuid)["metadata"]["tried"] == "1"


def test_sapi_knows_its_application(node: Node, box: dict[str, str]) -> None:
    uuid = result(node, box, "SAPI", "listApplications", {"name": "sdc"})[0]["uuid"]
    objects = result(node, box, "SAPI", "getApplicationObjects", uuid)
    assert instance(node, box) in json.dumps(objects["instances"])


def test_vmapi_shows_the_instance(node: Node, box: dict[str, str]) -> None:
    uuid = instance(node, box)
    vm = result(node, box, "VMAPI", "getVm", {"uuid": uuid})
    assert (vm["alias"], vm["state"]) == (f"{SERVICE}0", "running")
    assert uuid in [one["uuid"] for one in result(node, box, "VMAPI", "listVms", {"alias": SERVICE})]


def test_vmapi_lets_a_job_update_a_vm(node: Node, box: dict[str, str]) -> None:
    job = result(node, box, "VMAPI", "updateVm", {"uuid": instance(node, box), "payload": {"quota": 30}})["job_uuid"]
    assert result(node, box, "VMAPI", "getJob", job)["params"]["task"] == "update"


def test_cnapi_shows_the_headnode(node: Node, box: dict[str, str]) -> None:
    server = result(node, box, "CNAPI", "listServers", {"extras": "sysinfo"})[0]
    assert (server["headnode"], server["hostname"]) == (True, "headnode")
    assert result(node, box, "CNAPI", "getServer", server["uuid"])["uuid"] == server["uuid"]
    assert server["current_platform"] in result(node, box, "CNAPI", "listPlatforms")


@pytest.mark.parametrize("api", ["SAPI", "VMAPI", "CNAPI", "IMGAPI", "UPDATES"])
def test_every_service_answers_its_ping(node: Node, box: dict[str, str], api: str) -> None:
    method = ("ping",) if api != "SAPI" else ("getMode",)
    assert ask(node, box, api, *method)["error"] is None


# --- json -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("argv", [
    ["-H"], ["-H", "0.uuid"], ["-Ha", "uuid", "name"], ["-Ha", "-c", 'this.name == "imgapi"', "uuid"],
    ["-Hga", "-d,", "name"], ["-H", "0.params"], ["-Hk"], ["-H", "0.nothing"], ["-H", "length"]], ids=" ".join)
def test_the_boxes_json_does_as_the_real_one(node: Node, box: dict[str, str], argv: list[str]) -> None:
    headers = subprocess.run(["sdc-sapi", "/services"], env=box, capture_output=True, text=True, timeout=60, check=True)
    mine = subprocess.run(["json", *argv], env=box, input=headers.stdout, capture_output=True, text=True, timeout=60,
                          check=False)
    assert (mine.returncode, mine.stdout, mine.stderr) == node.tool("json/lib/json.js", argv, headers.stdout)


# --- bunyan ---------------------------------------------------------------------------------------------------------
def test_the_real_bunyan_reads_the_products_log(node: Node, tmp_path: pathlib.Path) -> None:
    log = open_log({"SDCUPGRADE_ROOT": str(tmp_path)}, "upgrade")
    log.call("command", "vmadm", ["reprovision", "U"], 1.5, "exit 0", stderr='a "quoted"\nline')
    log.error("imgapi0 is in maintenance", vm="U")
    log.close()
    text = (tmp_path / log.path.lstrip("/")).read_text()
    status, out, err = node.tool("bunyan/bin/bunyan", ["-o", "short", "--strict", "--no-color"], text)
    assert (status, err) == (0, "")
    assert [line.split()[1] for line in out.splitlines() if "sdcupgrade" in line] == ["DEBUG", "ERROR"]
