"""A zone's life: what a reprovision keeps, loses, refuses, and leaves behind when it is killed (reference 6)."""

from __future__ import annotations

import pathlib
from typing import Any, Callable

import pytest
from core_box import box, only, ready, until, vm, zone
from mockdc.core import datasets, faults, zonefiles
from mockdc.core.clock import Crash, VirtualClock
from mockdc.core.datacenter import Datacenter, VmError
from mockdc.core.scripts import PRE_HEAD_1804


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Datacenter:
    return box(tmp_path)


def set_up(dc: Datacenter, uuid: str) -> Callable[[], bool]:
    """Whether the zone has its marker."""
    return lambda: zonefiles.exists(dc, vm(dc, uuid), "var/svc/setup_complete")


def reach(dc: Datacenter, uuid: str, image: str, share: float) -> None:
    """Kill vmadm when *share* of the reprovision's time is over."""
    assert isinstance(dc.clock, VirtualClock)
    dc.clock.dies_at = dc.now() + share * zone(dc, uuid)["durations"]["reprovision"]
    with pytest.raises(Crash):
        dc.reprovision(uuid, image)


def change(dc: Datacenter, uuid: str, **values: Any) -> None:
    dc.store.put("vm", uuid, {**vm(dc, uuid), **values})


# --- what happens ---------------------------------------------------------------------------------------------------
def test_reprovision_changes_the_image_and_ends_running(dc: Datacenter) -> None:
    uuid, image = ready(dc, "vmapi")
    dc.reprovision(uuid, image)
    assert (vm(dc, uuid)["image_uuid"], vm(dc, uuid)["state"]) == (image, "running")


def test_reprovision_takes_as_long_as_the_zone_says(dc: Datacenter) -> None:
    uuid, image = ready(dc, "vmapi")
    started = dc.now()
    dc.reprovision(uuid, image)
    assert dc.now() - started == pytest.approx(zone(dc, uuid)["durations"]["reprovision"], abs=1.5)


def test_durations_are_between_20_and_90_seconds_about_a_mean_of_40(tmp_path: pathlib.Path) -> None:
    from mockdc.core.life import durations

    found = [durations(f"zone {number}")["reprovision"] for number in range(500)]
    assert min(found) >= 20 and max(found) <= 90 and 36 < sum(found) / len(found) < 44


def test_the_marker_is_gone_at_first_and_comes_back(dc: Datacenter) -> None:
    uuid, image = ready(dc, "vmapi")
    dc.reprovision(uuid, image)
    gone = not set_up(dc, uuid)()
    assert gone and until(dc, set_up(dc, uuid)) == pytest.approx(zone(dc, uuid)["durations"]["setup"], abs=1.5)


def test_logs_files_and_snapshots_of_the_root_are_lost(dc: Datacenter) -> None:
    uuid, image = ready(dc, "vmapi")
    server = vm(dc, uuid)["server_uuid"]
    zonefiles.write(dc, vm(dc, uuid), "root/notes", "by hand")
    datasets.snapshot(dc, server, f"zones/{uuid}@before")
    dc.reprovision(uuid, image)
    log = "var/svc/log/smartdc-site-vmapi:default.log"
    assert not zonefiles.exists(dc, vm(dc, uuid), "root/notes") and not zonefiles.exists(dc, vm(dc, uuid), log)
    assert datasets.get(dc, server, f"zones/{uuid}@before") is None


def test_the_delegated_dataset_is_kept_with_its_snapshots(dc: Datacenter) -> None:
    uuid, image = ready(dc, "imgapi")
    server, data = vm(dc, uuid)["server_uuid"], f"zones/{uuid}/data"
    datasets.snapshot(dc, server, f"{data}@before")
    dc.reprovision(uuid, image)
    assert (datasets.folder(dc, server, data) / "precious").read_text() == "data of imgapi0\n"
    assert datasets.get(dc, server, f"{data}@before") is not None


def test_addresses_metadata_and_tags_are_kept(dc: Datacenter) -> None:
    uuid, image = ready(dc, "vmapi")
    before = vm(dc, uuid)
    dc.reprovision(uuid, image)
    kept = ("alias", "nics", "customer_metadata", "tags", "quota", "owner_uuid", "create_timestamp")
    assert {key: vm(dc, uuid)[key] for key in kept} == {key: before[key] for key in kept}


def test_reprovisions_are_counted_with_from_and_to(dc: Datacenter) -> None:
    uuid, image = ready(dc, "vmapi")
    old = vm(dc, uuid)["image_uuid"]
    dc.reprovision(uuid, image)
    (entry,) = zone(dc, uuid)["history"]
    assert zone(dc, uuid)["reprovisions"] == 1 and (entry["from"], entry["to"]) == (old, image)


def test_smf_is_silent_then_starting_then_online(dc: Datacenter) -> None:
    uuid, image = ready(dc, "vmapi")
    dc.reprovision(uuid, image)

    def state() -> str:
        return "".join(entry["state"] for entry in dc.smf(uuid) if entry["fmri"].endswith("/vmapi:default"))

    first = state()
    until(dc, lambda: state() == "offline*")
    until(dc, lambda: state() == "online")
    assert first == ""


def test_the_service_answers_only_some_time_after_it_is_online(dc: Datacenter) -> None:
    uuid, image = ready(dc, "vmapi")
    dc.reprovision(uuid, image)
    until(dc, lambda: all(entry["state"] == "online" for entry in dc.smf(uuid)) and len(dc.smf(uuid)) > 4)
    assert not dc.zone_answers(uuid) and until(dc, lambda: dc.zone_answers(uuid)) > 0


def test_a_stopped_zone_can_be_reprovisioned(dc: Datacenter) -> None:
    uuid, image = ready(dc, "vmapi")
    dc.stop(uuid)
    dc.reprovision(uuid, image)
    assert vm(dc, uuid)["state"] == "running"


def test_stop_and_start_keep_the_root(dc: Datacenter) -> None:
    uuid = only(dc, "vmapi")["uuid"]
    dc.stop(uuid)
    stopped = vm(dc, uuid)["state"], vm(dc, uuid)["zone_state"], dc.zone_answers(uuid)
    dc.start(uuid)
    until(dc, lambda: dc.zone_answers(uuid))
    assert stopped == ("stopped", "installed", False) and set_up(dc, uuid)()


def test_a_zone_that_was_set_up_starts_without_sapi(dc: Datacenter) -> None:
    uuid = only(dc, "vmapi")["uuid"]
    dc.stop(only(dc, "sapi")["uuid"])
    dc.stop(uuid)
    dc.start(uuid)
    until(dc, lambda: dc.zone_answers(uuid))


def test_svcadm_disable_silences_the_service_and_enable_brings_it_back(dc: Datacenter) -> None:
    uuid = only(dc, "imgapi")["uuid"]
    dc.svcadm(uuid, "disable", "imgapi")
    assert dc.outage("imgapi") == "refused"
    assert dc.svcadm(uuid, "enable", "imgapi") == ["svc:/smartdc/site/imgapi:default"]
    until(dc, lambda: dc.outage("imgapi") is None)


def test_svcadm_of_nothing_matches_nothing(dc: Datacenter) -> None:
    assert dc.svcadm(only(dc, "imgapi")["uuid"], "restart", "no-such") == []


# --- what is refused, what fails ------------------------------------------------------------------------------------
def refused(dc: Datacenter, uuid: str, image: str) -> str:
    before = vm(dc, uuid)["state"]
    with pytest.raises(VmError) as caught:
        dc.reprovision(uuid, image)
    assert vm(dc, uuid)["state"] == before and zone(dc, uuid)["reprovisions"] == 0
    return str(caught.value)


def test_an_image_that_is_not_installed_is_refused(dc: Datacenter) -> None:
    assert "not found on pool" in refused(dc, only(dc, "vmapi")["uuid"], "4803c1cd-5882-9c48-bc2a-fc81c1429a89")


def test_an_image_without_its_snapshot_is_refused(dc: Datacenter) -> None:
    uuid, image = ready(dc, "vmapi")
    datasets.destroy(dc, dc.headnode, f"zones/{image}@final")
    assert "@final" in refused(dc, uuid, image)


@pytest.mark.parametrize(("values", "word"), [
    ({"indestructible_zoneroot": True}, "indestructible_zoneroot"),
    ({"brand": "kvm"}, "brand"),
    ({"datasets": ["zones/a/data", "zones/b/data"]}, "more than one"),
    ({"datasets": ["zones/a/odd"]}, "is not zones/"),
])
def test_odd_zones_are_refused(dc: Datacenter, values: dict[str, Any], word: str) -> None:
    uuid, image = ready(dc, "vmapi")
    change(dc, uuid, **values)
    assert word in refused(dc, uuid, image)


def test_a_zone_that_does_not_exist_is_refused_in_zoneadms_words(dc: Datacenter) -> None:
    with pytest.raises(VmError, match="No such zone configured"):
        dc.reprovision("4803c1cd-0000-0000-0000-000000000000", "x")


def test_quota_zero_breaks_the_clone_and_the_old_root_is_put_back(dc: Datacenter) -> None:
    uuid, image = ready(dc, "imgapi")
    change(dc, uuid, quota=0)
    with pytest.raises(VmError, match="quota"):
        dc.reprovision(uuid, image)
    assert set_up(dc, uuid)() and zone(dc, uuid)["reprovisions"] == 0
    assert datasets.get(dc, dc.headnode, f"zones/{uuid}/data") is not None


def test_a_platform_may_cope_with_quota_zero(dc: Datacenter) -> None:
    uuid, image = ready(dc, "vmapi")
    change(dc, uuid, quota=0)
    dc.store.set_meta("quota_zero_breaks", False)
    dc.reprovision(uuid, image)
    assert vm(dc, uuid)["state"] == "running"


def test_without_sapi_the_first_boot_fails_after_its_thirty_tries(dc: Datacenter) -> None:
    uuid, image = ready(dc, "vmapi")
    dc.stop(only(dc, "sapi")["uuid"])
    started = dc.now()
    with pytest.raises(VmError, match="provision_failure"):
        dc.reprovision(uuid, image)
    assert vm(dc, uuid)["state"] == "failed" and zonefiles.exists(dc, vm(dc, uuid), "var/svc/setup_failed")
    assert dc.now() - started == pytest.approx(zone(dc, uuid)["durations"]["reprovision"] + 58, abs=2)


def test_without_binder_the_first_boot_fails_too(dc: Datacenter) -> None:
    uuid, image = ready(dc, "vmapi")
    dc.stop(only(dc, "binder")["uuid"])
    with pytest.raises(VmError):
        dc.reprovision(uuid, image)


@pytest.mark.parametrize("service", ["sapi", "binder", "moray", "manatee"])
def test_the_bottom_of_the_stack_can_be_reprovisioned_alone(dc: Datacenter, service: str) -> None:
    uuid, image = ready(dc, service)
    dc.reprovision(uuid, image)
    until(dc, lambda: dc.outage("vmapi") is None)
    assert vm(dc, uuid)["state"] == "running"


def test_an_old_user_script_breaks_a_new_image(dc: Datacenter) -> None:
    uuid, image = ready(dc, "vmapi")
    change(dc, uuid, customer_metadata={**vm(dc, uuid)["customer_metadata"], "user-script": PRE_HEAD_1804})
    with pytest.raises(VmError):
        dc.reprovision(uuid, image)


def test_a_failed_zone_is_mended_by_another_reprovision(dc: Datacenter) -> None:
    uuid, image = ready(dc, "vmapi")
    faults.add(dc, "zone=vmapi0 setup-fails")
    with pytest.raises(VmError):
        dc.reprovision(uuid, image)
    dc.reprovision(uuid, image)
    until(dc, set_up(dc, uuid))
    assert zone(dc, uuid)["reprovisions"] == 2


# --- kills ----------------------------------------------------------------------------------------------------------
def test_killed_after_the_renames_the_zone_has_no_root_and_leftovers_remain(dc: Datacenter) -> None:
    uuid, image = ready(dc, "imgapi")
    reach(dc, uuid, image, 0.3)
    names = [doc["name"] for doc in dc.store.all("dataset", f"{dc.headnode}:zones/{uuid}")]
    assert sorted(names) == [f"zones/{uuid}-reprovisioning-data", f"zones/{uuid}-reprovisioning-root"]
    assert vm(dc, uuid)["state"] == "provisioning"


def test_another_reprovision_over_leftovers_is_refused(dc: Datacenter) -> None:
    uuid, image = ready(dc, "imgapi")
    reach(dc, uuid, image, 0.3)
    with pytest.raises(VmError, match="does not exist"):
        dc.reprovision(uuid, image)


def test_both_renames_taken_back_mend_it(dc: Datacenter) -> None:
    uuid, image = ready(dc, "imgapi")
    reach(dc, uuid, image, 0.3)
    datasets.rename(dc, dc.headnode, f"zones/{uuid}-reprovisioning-root", f"zones/{uuid}")
    datasets.rename(dc, dc.headnode, f"zones/{uuid}-reprovisioning-data", f"zones/{uuid}/data")
    assert set_up(dc, uuid)()
    dc.reprovision(uuid, image)
    assert (datasets.folder(dc, dc.headnode, f"zones/{uuid}/data") / "precious").exists()


def test_what_provisions_for_300_seconds_has_failed(dc: Datacenter) -> None:
    uuid, image = ready(dc, "imgapi")
    reach(dc, uuid, image, 0.3)
    assert until(dc, lambda: vm(dc, uuid)["state"] == "failed") < 300


def test_killed_while_it_waits_for_the_boot_the_zone_comes_up_by_itself(dc: Datacenter) -> None:
    uuid, image = ready(dc, "vmapi")
    reach(dc, uuid, image, 0.7)
    assert vm(dc, uuid)["state"] == "provisioning"
    until(dc, set_up(dc, uuid))
    assert vm(dc, uuid)["state"] == "running" and zone(dc, uuid)["reprovisions"] == 1


# --- VMAPI ----------------------------------------------------------------------------------------------------------
def believed(dc: Datacenter, uuid: str) -> str:
    return str((dc.store.get("vmapi_vm", uuid) or {})["image_uuid"])


def test_vmapi_hears_of_a_change_some_seconds_later(dc: Datacenter) -> None:
    uuid = only(dc, "adminui")["uuid"]
    dc.touch_vm({**vm(dc, uuid), "image_uuid": "new"})
    before = believed(dc, uuid)
    dc.wait(6)
    assert before != "new" and believed(dc, uuid) == "new"


def test_vmapi_hears_nothing_while_cnapi_is_away_and_catches_up(dc: Datacenter) -> None:
    uuid, cnapi = only(dc, "adminui")["uuid"], only(dc, "cnapi")["uuid"]
    dc.stop(cnapi)
    dc.touch_vm({**vm(dc, uuid), "image_uuid": "new"})
    dc.wait(60)
    stale = believed(dc, uuid)
    dc.start(cnapi)
    dc.wait(30)
    assert stale != "new" and believed(dc, uuid) == "new"
