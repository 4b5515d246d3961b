"""sapiadm says what the real one said, call for call, and does in full mode what it promises."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from mockdc.core.datacenter import Datacenter
from replay import HOME, UUID, Names
from small_dc import ask, furnished, newer, run, the_vm

APPLICATION, SERVICE, AGENT = (f"e5000000-0000-4000-8000-00000000000{number}" for number in "123")
OBJECTS = {
    "applications": {"uuid": APPLICATION, "name": "admdemo", "owner_uuid": "930896af-bf8c-48d4-885c-6573a94b1853",
                     "metadata": {"a": 1}},
    "services": {"uuid": SERVICE, "name": "imgapi", "application_uuid": APPLICATION,
                 "params": {"image_uuid": "a1000000-0000-4000-8000-000000000001"}},
}


def recorded() -> list[dict[str, Any]]:
    with (HOME / "sapiadm.jsonl").open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def test_every_call_answers_as_recorded(tmp_path: pathlib.Path) -> None:
    dc, names = furnished(tmp_path, "sapi", "binder"), Names({APPLICATION, SERVICE, AGENT})
    dc.store.set_meta("sapi_mode", "proto")
    for collection, given in OBJECTS.items():
        ask(dc, "sapi", "POST", f"/{collection}", given)
    ask(dc, "sapi", "POST", "/services", {"uuid": AGENT, "name": "cn-agent", "application_uuid": APPLICATION,
                                          "type": "agent"})
    for call in recorded():
        status, out, err = run(dc, "sapiadm", *(names.put(word) for word in call["argv"]), stdin=call["stdin"])
        if call["argv"][0] == "provision" and status == 0:
            names.learn(call["stdout"], out)
        if call["argv"][0] == "showapp":
            out, call["stdout"] = in_order(out), in_order(names.put(call["stdout"]))
        assert (call["call"], status, UUID.sub("U", out), err) == (
            call["call"], call["exit"], UUID.sub("U", call["stdout"]), call["stderr"])


def in_order(text: str) -> str:
    """Uuids are made anew: the order of lines that is theirs does not count."""
    return "\n".join(sorted(text.split("\n")))


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Datacenter:
    return furnished(tmp_path)


def papi(dc: Datacenter) -> str:
    return next(str(each["uuid"]) for each in dc.store.all("sapi_service") if each["name"] == "papi")


def test_key_value_stores_text_and_json_keeps_types(dc: Datacenter) -> None:
    run(dc, "sapiadm", "update", papi(dc), "params.maintain_resolvers=true")
    assert (dc.store.get("sapi_service", papi(dc)) or {})["params"]["maintain_resolvers"] == "true"
    run(dc, "sapiadm", "update", papi(dc), stdin='{"params": {"maintain_resolvers": true}}')
    assert (dc.store.get("sapi_service", papi(dc)) or {})["params"]["maintain_resolvers"] is True


def test_update_from_a_file(dc: Datacenter) -> None:
    (dc.folder / "change.json").write_text('{"metadata": {"k": 5}}')
    assert run(dc, "sapiadm", "update", papi(dc), "-f", "/change.json")[0] == 0
    assert (dc.store.get("sapi_service", papi(dc)) or {})["metadata"]["k"] == 5


def test_reprovision_waits_until_the_zone_runs_the_image(dc: Datacenter) -> None:
    uuid, image = the_vm(dc, "papi0")["uuid"], newer(dc, "papi")
    assert run(dc, "sapiadm", "reprovision", uuid, image)[1] == f"Reprovisioned {uuid} successfully\n"
    assert the_vm(dc, "papi0")["image_uuid"] == image


def test_provision_from_stdin_makes_a_second_zone(dc: Datacenter) -> None:
    wanted = {"service_uuid": papi(dc), "params": {"alias": "papi1", "server_uuid": dc.headnode}}
    assert run(dc, "sapiadm", "provision", stdin=json.dumps(wanted))[0] == 0
    assert the_vm(dc, "papi1")["state"] == "running"


def test_a_sapi_that_is_away_is_an_error(dc: Datacenter) -> None:
    dc.stop(the_vm(dc, "sapi0")["uuid"])
    status, out, err = run(dc, "sapiadm", "get", papi(dc))
    assert (status, out, err) == (1, "", "sapiadm get: error: connect ECONNREFUSED sapi.coal.example.com:80\n")
