"""imgadm in the box: what is installed, what is fetched, what is refused (reference 4.4)."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from mockdc.core import faults
from mockdc.core.datacenter import Datacenter
from mockdc.core.store import Doc
from small_dc import furnished, run, the_vm

NOBODY = "00000000-0000-4000-8000-000000000001"


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Datacenter:
    return furnished(tmp_path, "sapi", "binder", "manatee", "moray", "ufds", "imgapi", "papi")


def newer(dc: Datacenter) -> Doc:
    """papi's newer image, which is in IMGAPI but not in the pool."""
    return next(image for image in dc.store.all("image", "imgapi/")
                if image["name"] == "papi" and "20240523" in image["version"])


def change(dc: Datacenter, image: Doc, **changes: Any) -> None:
    dc.store.put("image", f"imgapi/{image['uuid']}", {**image, **changes})


def test_get_nests_the_manifest(dc: Datacenter) -> None:
    uuid = the_vm(dc, "papi0")["image_uuid"]
    found = json.loads(run(dc, "imgadm", "get", uuid)[1])
    assert (found["manifest"]["uuid"], found["zpool"]) == (uuid, "zones")


def test_what_is_not_installed_is_status_3(dc: Datacenter) -> None:
    said = f'imgadm get: error (ImageNotInstalled): image "{NOBODY}" was not found on zpool "zones"\n'
    assert run(dc, "imgadm", "get", NOBODY) == (3, "", said)


def test_an_error_as_json(dc: Datacenter) -> None:
    status, _, err = run(dc, "imgadm", "-E", "get", NOBODY)
    assert status == 3
    assert json.loads(err)["err"]["code"] == "ImageNotInstalled"


def test_import_brings_the_image_and_takes_time(dc: Datacenter) -> None:
    image, before = newer(dc), dc.now()
    status, out, _ = run(dc, "imgadm", "import", image["uuid"])
    assert status == 0
    assert f"Imported image {image['uuid']} (papi@{image['version']})" in out
    assert dc.installed(dc.headnode, image["uuid"])
    assert dc.now() > before


def test_import_again_says_so(dc: Datacenter) -> None:
    image = newer(dc)
    run(dc, "imgadm", "import", "-q", image["uuid"])
    said = f"Image {image['uuid']} (papi {image['version']}) is already installed, skipping\n"
    assert run(dc, "imgadm", "import", "-q", image["uuid"]) == (0, said, "")


def test_import_brings_a_missing_origin_first(dc: Datacenter) -> None:
    image, server = newer(dc), next(one["uuid"] for one in dc.store.all("server") if not one["headnode"])
    from mockdc.faces import dispatch

    status, out, _ = dispatch.command(dc, server, "imgadm", ["import", image["uuid"]])
    order = [line.split()[2] for line in out.decode().splitlines() if line.startswith("Imported")]
    assert (status, order) == (0, [image["origin"], image["uuid"]])


@pytest.mark.parametrize("state", ["unactivated", "disabled"])
def test_only_active_images_are_found(dc: Datacenter, state: str) -> None:
    image = newer(dc)
    change(dc, image, state=state)
    status, _, err = run(dc, "imgadm", "import", image["uuid"])
    assert status == 1
    assert "(ActiveImageNotFound)" in err


def test_an_image_for_a_newer_platform_is_refused(dc: Datacenter) -> None:
    image = newer(dc)
    change(dc, image, requirements={"min_platform": {"7.0": "20990101T000000Z"}})
    status, _, err = run(dc, "imgadm", "import", image["uuid"])
    assert status == 1
    assert "requires platform" in err


@pytest.mark.parametrize("damage", ["corrupt", "cut=100"])
def test_damaged_bytes_never_reach_the_pool(dc: Datacenter, damage: str) -> None:
    image = newer(dc)
    faults.add(dc, f"imgapi GET /images/*/file {damage}")
    assert run(dc, "imgadm", "import", image["uuid"])[0] == 1
    assert dc.installed(dc.headnode, image["uuid"]) is None


@pytest.mark.parametrize("alias, word", [("imgapi0", "ECONNREFUSED"), ("binder0", "ENOTFOUND")])
def test_import_needs_imgapi_and_its_name(dc: Datacenter, alias: str, word: str) -> None:
    image = newer(dc)
    run(dc, "vmadm", "stop", the_vm(dc, alias)["uuid"])
    status, _, err = run(dc, "imgadm", "import", image["uuid"])
    assert status == 1
    assert word in err


def test_install_needs_no_imgapi(dc: Datacenter) -> None:
    image = newer(dc)
    run(dc, "vmadm", "stop", the_vm(dc, "imgapi0")["uuid"])
    manifest = dc.folder / "m.json"
    manifest.write_text(json.dumps(image), encoding="utf-8")
    words = ("-m", str(manifest), "-f", str(dc.image_path("imgapi", image["uuid"])))
    assert run(dc, "imgadm", "install", *words)[0] == 0
    assert dc.installed(dc.headnode, image["uuid"])


def test_an_image_in_use_is_not_deleted(dc: Datacenter) -> None:
    uuid = the_vm(dc, "papi0")["image_uuid"]
    status, _, err = run(dc, "imgadm", "delete", uuid)
    assert status == 1
    assert "(ImageHasDependentClones)" in err
    assert dc.installed(dc.headnode, uuid)


def test_vacuum_deletes_what_nothing_uses(dc: Datacenter) -> None:
    image = newer(dc)
    run(dc, "imgadm", "import", image["uuid"])
    assert f"Deleted image {image['uuid']}" in run(dc, "imgadm", "vacuum")[1]
    assert dc.installed(dc.headnode, the_vm(dc, "papi0")["image_uuid"])


def test_list_filters_and_prints_what_it_is_told(dc: Datacenter) -> None:
    vm = the_vm(dc, "papi0")
    assert run(dc, "imgadm", "list", "-H", "-o", "uuid", "name=papi")[1] == f"{vm['image_uuid']}\n"
    uuids = [one["manifest"]["uuid"] for one in json.loads(run(dc, "imgadm", "list", "-j")[1])]
    assert vm["image_uuid"] in uuids


def test_avail_shows_what_imgapi_has(dc: Datacenter) -> None:
    assert newer(dc)["uuid"] in run(dc, "imgadm", "avail", "-H", "-o", "uuid", "name=papi")[1].split()


def test_sources_can_be_added(dc: Datacenter) -> None:
    (dc.folder / "var" / "imgadm").mkdir(parents=True)
    assert run(dc, "imgadm", "sources")[1] == "http://imgapi.coal.example.com\n"
    run(dc, "imgadm", "sources", "-a", "http://updates.example.com")
    assert run(dc, "imgadm", "sources")[1].splitlines()[1] == "http://updates.example.com"


@pytest.mark.parametrize("words", [["nonsense"], ["get"], ["get", "x"], ["list", "-q"], ["install"]])
def test_other_mistakes_are_status_1(dc: Datacenter, words: list[str]) -> None:
    status, _, err = run(dc, "imgadm", *words)
    assert status == 1
    assert "error (" in err
