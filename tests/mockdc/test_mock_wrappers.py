"""The curl wrappers: what they print, and what their exit status hides (reference 4.1)."""

from __future__ import annotations

import json
import pathlib

import pytest
from mockdc.core import faults
from mockdc.core.datacenter import Datacenter
from small_dc import furnished, newer, run, the_vm


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Datacenter:
    return furnished(tmp_path)


def service(dc: Datacenter) -> str:
    return str(json.loads(run(dc, "sdc-sapi", "--no-headers", "/services?name=papi")[1])[0]["uuid"])


def test_headers_an_empty_line_and_a_pretty_body(dc: Datacenter) -> None:
    status, out, _ = run(dc, "sdc-sapi", "/services?name=papi")
    head, _, body = out.partition("\r\n\r\n")
    assert (status, head.split("\r\n")[0]) == (0, "HTTP/1.1 200 OK")
    assert body.startswith('[\n  {\n    "uuid": "')
    assert json.loads(body)[0]["type"] == "vm"                    # they ask for version *


def test_http_errors_exit_0(dc: Datacenter) -> None:
    status, out, err = run(dc, "sdc-vmapi", f"/vms/{dc.headnode}")
    assert (status, err) == (0, "")
    assert out.startswith("HTTP/1.1 404 Not Found")


def test_no_headers_drops_the_content_type_too(dc: Datacenter) -> None:
    target = f"/services/{service(dc)}"
    change = json.dumps({"metadata": {"k": "v"}})
    run(dc, "sdc-sapi", "--no-headers", target, "-X", "PUT", "-d", change)        # read as a form: nothing changes
    assert "k" not in json.loads(run(dc, "sdc-sapi", "--no-headers", target)[1])["metadata"]
    run(dc, "sdc-sapi", target, "-X", "PUT", "-d", change)
    assert json.loads(run(dc, "sdc-sapi", "--no-headers", target)[1])["metadata"]["k"] == "v"


def test_data_from_a_file_and_from_stdin(dc: Datacenter) -> None:
    (dc.folder / "var" / "tmp").mkdir(parents=True, exist_ok=True)
    (dc.folder / "var" / "tmp" / "a.json").write_text('{"metadata": {"a": "1"}}')
    run(dc, "sdc-sapi", f"/services/{service(dc)}", "-XPUT", "-d", "@/var/tmp/a.json")
    run(dc, "sdc-sapi", f"/services/{service(dc)}", "-XPUT", "-d@-", stdin='{"metadata": {"b": "2"}}')
    metadata = json.loads(run(dc, "sdc-sapi", "--no-headers", f"/services/{service(dc)}")[1])["metadata"]
    assert (metadata["a"], metadata["b"]) == ("1", "2")


def test_no_path_is_a_usage_message_on_stdout(dc: Datacenter) -> None:
    status, out, _ = run(dc, "sdc-papi")
    assert (status, out.split()[0]) == (1, "usage:")


def test_a_name_that_binder_cannot_tell_is_curl_6(dc: Datacenter) -> None:
    dc.stop(the_vm(dc, "binder0")["uuid"])
    assert run(dc, "sdc-sapi", "/ping") == (6, "", "curl: (6) Could not resolve host: sapi.coal.example.com\n")


def test_a_service_that_does_not_listen_is_curl_7(dc: Datacenter) -> None:
    dc.stop(the_vm(dc, "vmapi0")["uuid"])
    status, out, err = run(dc, "sdc-vmapi", "/ping")
    assert (status, out) == (7, "")
    assert err.startswith("curl: (7) Failed to connect to vmapi.coal.example.com port 80")


def test_a_service_that_hangs_is_curl_28(dc: Datacenter) -> None:
    faults.add(dc, "vmapi * * hang")
    before = dc.now()
    assert run(dc, "sdc-vmapi", "/vms", "--max-time", "30")[0] == 28
    assert dc.now() == before + 30


def test_a_body_cut_short_is_curl_18(dc: Datacenter) -> None:
    faults.add(dc, "vmapi * * cut=10")
    assert run(dc, "sdc-vmapi", "/vms")[0] == 18


def test_a_body_that_is_no_json_passes_through(dc: Datacenter) -> None:
    faults.add(dc, "papi * * garbage=<html>")
    assert run(dc, "sdc-papi", "--no-headers", "/packages") == (0, "<html>\n", "")


def test_without_the_sdc_zone_there_are_no_wrappers(dc: Datacenter) -> None:
    dc.stop(the_vm(dc, "sdc0")["uuid"])
    wanted = "error: sdc-sapi: unable to find a 'sdc' core zone on this node\n"
    assert run(dc, "sdc-sapi", "/ping") == (1, "", wanted)


@pytest.mark.parametrize(("image", "wanted"), [("newer", 0), ("unknown", 1)])
def test_waitforjob_tells_how_the_job_ended(dc: Datacenter, image: str, wanted: int) -> None:
    uuid = newer(dc, "papi") if image == "newer" else dc.headnode
    answer = run(dc, "sdc-vmapi", f"/vms/{the_vm(dc, 'papi0')['uuid']}?action=reprovision", "-d",
                 json.dumps({"image_uuid": uuid}))[1]
    assert run(dc, "sdc-waitforjob", stdin=answer)[0] == wanted


def test_waitforjob_gives_up_in_time(dc: Datacenter) -> None:
    body = json.dumps({"image_uuid": newer(dc, "papi")})
    answer = run(dc, "sdc-vmapi", f"/vms/{the_vm(dc, 'papi0')['uuid']}?action=reprovision", "-d", body)[1]
    job = json.loads(answer.partition("\r\n\r\n")[2])["job_uuid"]
    status, _, err = run(dc, "sdc-waitforjob", "-t", "3", job)
    assert (status, "timed out" in err) == (1, True)
