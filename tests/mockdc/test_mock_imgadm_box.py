"""sdc-imgadm and sdc-imgapi in a furnished datacenter: what they do as its services come and go."""

from __future__ import annotations

import json
import pathlib

import pytest
from mockdc.core.datacenter import Datacenter
from mockdc.faces import dispatch
from small_dc import SERVICES, furnished


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Datacenter:
    return furnished(tmp_path, *SERVICES, "ufds")


def run(dc: Datacenter, line: str, stdin: bytes = b"") -> tuple[int, str, str]:
    """One command on the headnode."""
    name, *argv = line.split()
    status, out, err = dispatch.command(dc, dc.headnode, name, argv, lambda: stdin)
    return status, out.decode("utf-8", "replace"), err.decode()


def image(dc: Datacenter, name: str, store: str = "updates") -> str:
    """The newest image of that name."""
    return [str(one["uuid"]) for one in dc.store.all("image", f"{store}/") if one["name"] == name][-1]


def stop(dc: Datacenter, service: str) -> None:
    dc.stop(dc.instances_of(service)[0]["uuid"])


def test_an_image_is_carried_from_the_updates_server_into_imgapi(dc: Datacenter, tmp_path: pathlib.Path) -> None:
    uuid = image(dc, "sapi")
    run(dc, f"sdc-imgadm delete {uuid}")
    manifest, file = tmp_path / "m.json", tmp_path / "file.gz"
    manifest.write_text(run(dc, f"updates-imgadm get {uuid}")[1])
    assert run(dc, f"updates-imgadm get-file {uuid} -o {file}") == (0, "", f'Saved "{file}".\n')
    assert run(dc, f"sdc-imgadm import -m {manifest} -f {file}")[0] == 0
    kept = json.loads(run(dc, f"sdc-imgadm get {uuid}")[1])
    assert (kept["state"], kept["owner"], "channels" in kept) == ("active", dc.config["ufds_admin_uuid"], False)


def test_a_remote_import_waits_for_its_job(dc: Datacenter) -> None:
    uuid = image(dc, "sapi")
    run(dc, f"sdc-imgadm delete {uuid}")
    status, out, _ = run(dc, f"sdc-imgadm import {uuid} -S http://updates.example.com")
    assert (status, out.startswith(f"Imported image {uuid}"), "state=active" in out) == (0, True, True)


def test_while_imgapi_is_down_the_connection_is_refused(dc: Datacenter) -> None:
    stop(dc, "imgapi")
    status, out, err = run(dc, "sdc-imgadm list")
    assert (status, out) == (1, "")
    assert err.startswith("sdc-imgadm: error (ClientError): Error: ")


def test_while_binder_is_down_the_name_is_unknown(dc: Datacenter) -> None:
    stop(dc, "binder")
    assert "ENOTFOUND" in run(dc, "sdc-imgadm list")[2]


def test_the_wrapper_shows_headers_and_body_and_exits_0(dc: Datacenter) -> None:
    status, out, _ = run(dc, "sdc-imgapi /images/00000000-0000-4000-8000-000000000009")
    assert (status, out.splitlines()[0]) == (0, "HTTP/1.1 404 Not Found")


def test_the_wrapper_asks_for_no_version(dc: Datacenter) -> None:
    dc.store.set_meta("imgapi:imgapi:channels", [{"name": "dev", "description": "", "default": True}])
    uuid = image(dc, "sapi")
    dc.store.put("image", f"imgapi/{uuid}", {**(dc.store.get("image", f"imgapi/{uuid}") or {}), "channels": ["dev"]})
    assert '"channels"' not in run(dc, f"sdc-imgapi /images/{uuid}")[1]


def test_the_wrapper_gives_a_file_bare(dc: Datacenter) -> None:
    uuid = image(dc, "sapi", "imgapi")
    status, out, err = dispatch.command(dc, dc.headnode, "sdc-imgapi", [f"/images/{uuid}/file"])
    assert (status, out, err) == (0, dc.image_path("imgapi", uuid).read_bytes(), b"")


def test_a_damaged_download_is_noticed(dc: Datacenter, tmp_path: pathlib.Path) -> None:
    from mockdc.core import faults

    faults.add(dc, "updates GET /images/*/file corrupt")
    status, _, err = run(dc, f"updates-imgadm get-file {image(dc, 'sapi')} -o {tmp_path}/f")
    assert (status, "error (Download): Content-MD5 expected" in err) == (1, True)
