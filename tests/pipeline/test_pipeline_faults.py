"""What goes wrong around sdcupgrade: programs that fail or print garbage, services that are away, wires that cut, disks
that are full. Each time: the documented status, one clear line, nothing changed and nothing lost; and once the cause is
mended, the same command ends well."""

from __future__ import annotations

import json
from typing import Callable

import pytest
from mockdc.core import faults
from site_in_a_box import CUSTOMERS, Ran, Site
from untouched import changes, ending, everything, hint, refused, told

CACHE = ("ops/foo.json.1",)
BROUGHT = ("gz/var/tmp/upgrade-foo/images", "image/imgapi/", "installed/", "dataset/")
"""What a download may have brought in before it failed."""
ROLLBACK = "rollback foo --yes --pause never"
RESUME = "resume foo --yes --pause never"


@pytest.fixture
def site(coal: Site) -> Site:
    """coal, with the customer's spec written."""
    coal.spec()
    return coal


# --- while planning ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rule", "status", "words"),
    [
        ("updates * * refuse", 69, ("https://updates.tritondatacenter.com/channels: connection refused",)),
        ("updates * * status=500", 69, ("GET /channels: the service answered 500",)),
        ("updates GET /images status=503", 69, ("the service answered 503",)),
        ("updates GET /images cut=20", 69, ("the answer was cut off after 20 bytes",)),
        ("updates GET /images garbage", 76, ("GET /images/", "not valid JSON")),
        ("updates GET /images corrupt", 76, ("GET /images/", "not valid JSON")),
        ("updates GET /images garbage=[]", 76, ("expected an object, got a list",)),
        ("updates * * hang", 69, ("/channels: timed out after 30 s",)),
        ("sysinfo garbage", 76, ("sysinfo: not valid JSON", "it begins ']]> not what", "run `sysinfo` by hand")),
        ("sysinfo cut=10", 76, ("sysinfo: not valid JSON", "run `sysinfo` by hand")),
        ("sysinfo cut=0", 76, ("sysinfo: not valid JSON: it is empty",)),
        ("sysinfo fail", 77, ("not the global zone of a headnode: sysinfo exited 1", "as root")),
        ("bash fail=3:no-such-file", 71, ("/lib/sdc/config.sh -json exited 3: no-such-file", "the log has the whole")),
        ("bash garbage", 76, ("/lib/sdc/config.sh -json: not valid JSON", "by hand")),
        ("bash garbage={}", 76, ("config.sh -json",)),
        ("vmadm lookup garbage", 76, ("vmadm lookup on headnode: not valid JSON", "it begins ']]>")),
        ("vmadm lookup garbage=[1]", 76, ("vmadm lookup on headnode[0]: expected an object, got a number",)),
        ("vmadm lookup cut=100", 76, ("vmadm lookup on headnode: not valid JSON",)),
        ("vmadm lookup fail", 71, ("vmadm lookup -j -o on headnode exited 1: injected failure",)),
        ("vmadm lookup hang", 71, ("vmadm did not end within 120 s and was stopped",)),
        ("imgadm list garbage", 76, ("imgadm list -j: not valid JSON",)),
        ("imgadm list fail", 71, ("imgadm list -j exited 1",)),
        ("zfs list garbage", 76, ("zfs list tells nothing of the pool zones; it begins ']]>",)),
        ("zfs list fail", 71, ("zfs list", "exited 1: injected failure")),
        ("sapi * * status=500", 69, ("sapi: GET /applications?name=sdc: the service answered 500",)),
        ("sapi * * refuse", 69, ("http://sapi.coal.example.com/applications?name=sdc: connection refused",)),
        ("sapi GET /services garbage", 76, ("sapi: GET /services: not valid JSON",)),
        ("sapi GET /services garbage={}", 76, ("sapi: GET /services: expected a list, got an object",)),
        ("sapi GET /applications garbage=[]", 76, ("sapi has 0 applications named 'sdc'; there must be one",)),
        ("vmapi * * status=503", 69, ("vmapi: GET /vms", "the service answered 503")),
        ("vmapi * * refuse", 69, ("http://vmapi.coal.example.com/vms", "connection refused")),
        ("vmapi * * garbage", 76, ("vmapi: GET /vms: not valid JSON",)),
        ("cnapi * * status=500", 69, ("cnapi: GET /servers", "the service answered 500")),
        ("cnapi * * refuse", 69, ("http://cnapi.coal.example.com/servers", "connection refused")),
        ("cnapi * * garbage", 76, ("cnapi: GET /servers: not valid JSON",)),
        ("imgapi * * status=503", 69, ("imgapi: GET /images", "the service answered 503")),
        ("imgapi * * refuse", 69, ("http://imgapi.coal.example.com/images", "connection refused")),
        ("imgapi * * garbage", 76, ("imgapi: GET /images: not valid JSON",)),
        ("disk-full=foo.json.1", 73, ("foo.json.1: cannot be written: no space left on device", "free space on that")),
        ("disk-full=/var/tmp/*", 73, ("/var/tmp/", "no space left on device", "type the same command again")),
        ("disk-full=/var/tmp/*/plan.json", 73, ("plan.json: cannot be written: no space left on device",)),
        ("disk-full=/var/tmp/*/user-scripts/*", 73, ("user-script: cannot be written: no space left",)),
    ],
)  # fmt: skip
def test_a_plan_that_cannot_be_made(site: Site, rule: str, status: int, words: tuple[str, ...]) -> None:
    site.fault(rule)
    refused(site, "prepare foo.json", status, *words, but=(*CACHE, "gz/var/tmp/.upgrade-foo.new"))
    assert not (site.gz / "var/tmp/upgrade-foo").exists()
    faults.reset(site.dc)
    site.run("prepare foo.json").ok()


def test_the_updates_servers_name_does_not_resolve(site: Site) -> None:
    words = ("https://images.example.com/channels: the name does not resolve",)
    refused(site, "prepare foo.json --source https://images.example.com", 69, *words)


def test_a_disk_that_fills_up_while_a_plan_is_made_anew_keeps_the_old_one(site: Site) -> None:
    site.ready()
    site.fault("disk-full=/var/tmp/*/plan.json")
    refused(site, "prepare foo.json --fresh", 73, "no space left", but=("gz/var/tmp/.upgrade-foo.new",))
    faults.reset(site.dc)
    site.upgrade().ok()


# --- while downloading ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rule", "status", "words"),
    [
        ("updates * * refuse", 69, ("gave up after 7 tries at 0 of", "connection refused", "what was fetched is kept")),
        ("updates GET /images/*/file status=500", 69, ("gave up after 7 tries", "the service answered 500")),
        ("updates GET /images/*/file status=404", 76, ("/file?channel=dev: refused with 404",)),
        ("updates GET /images/*/file cut=1000", 69, ("gave up after 7 tries at 1000 of", "the connection ended early")),
        ("updates GET /images/*/file rate=100", 69, ("gave up after 7 tries", "timed out after 30 s")),
        ("updates GET /images/*/file corrupt", 79, ("the bytes have sha1", "promised was", "nothing was imported")),
        ("updates GET /images/*/file garbage", 79, ("the server's file has 25 bytes, the manifest promises",)),
        ("imgapi POST * status=500", 69, ("imgapi: POST /images/", "action=import", "the service answered 500")),
        ("imgapi PUT * status=507", 69, ("imgapi: PUT /images/", "the service answered 507")),
        ("imgapi PUT * status=422", 76, ("imgapi: PUT /images/", "refused with 422")),
        ("imgapi PUT * garbage", 76, ("imgapi: PUT /images/", "not valid JSON")),
        ("imgapi * * refuse", 69, ("http://imgapi.coal.example.com/images/", "connection refused")),
        ("imgadm import fail", 71, ("imgadm import -q", "on headnode exited 1: injected failure")),
        ("imgadm import hang", 71, ("imgadm did not end within 1800 s and was stopped",)),
        ("imgadm list garbage", 76, ("imgadm list -j: not valid JSON",)),
        ("disk-full=/var/tmp/upgrade-foo/images*", 73, ("/var/tmp/upgrade-foo/images/", "no space left on device")),
        ("sysinfo fail", 77, ("not the global zone of a headnode",)),
    ],
)
def test_a_download_that_fails_touches_no_service(site: Site, rule: str, status: int, words: tuple[str, ...]) -> None:
    site.run("prepare foo.json").ok()
    site.fault(rule)
    refused(site, "download foo", status, *words, but=BROUGHT)
    faults.reset(site.dc)
    site.run("download foo").ok()
    assert "Every image is where it will be needed already" in site.run("download foo").ok().out


def served(site: Site) -> list[str]:
    """The ranges, empty for none, in which the files of images were asked for and served."""
    calls = [call for call in site.dc.store.calls() if call["name"] == "updates" and "/file" in call["detail"]]
    return [str(call["result"]) for call in calls]


def test_a_cut_is_taken_up_where_it_was_with_ranges(site: Site) -> None:
    site.run("prepare foo.json").ok()
    site.dc.store.set_meta("imgapi:updates:ranges", True)
    site.fault("updates GET /images/*/file cut=50000 times=3")
    site.run("download foo --parallel 1").ok()
    assert served(site).count("206") >= 1
    site.upgrade().ok()


def test_a_cut_begins_anew_without_ranges(site: Site) -> None:
    site.run("prepare foo.json").ok()
    site.fault("updates GET /images/*/file cut=50000 times=1")
    site.run("download foo --parallel 1").ok()
    assert served(site) == ["200 (damaged)", "200", "200", "200"]
    site.upgrade().ok()


def test_a_later_run_goes_on_where_the_first_gave_up(site: Site) -> None:
    site.run("prepare foo.json").ok()
    site.dc.store.set_meta("imgapi:updates:ranges", True)
    site.fault("updates GET /images/*/file cut=50000 #1")
    site.fault("updates GET /images/*/file refuse #2 times=50")
    told(site.run("download foo --parallel 1"), 69, "at 50000 of", "connection refused")
    faults.reset(site.dc)
    before = len(served(site))
    site.run("download foo --parallel 1").ok()
    assert served(site)[before:] == ["206", "200", "200"]


def test_wrong_bytes_are_fetched_once_more(site: Site) -> None:
    site.run("prepare foo.json").ok()
    site.fault("updates GET /images/*/file corrupt times=1")
    assert "fetching it once more" in site.run("download foo").ok().err
    site.upgrade().ok()


def leave(site: Site, **fields: object) -> str:
    """imgapi holds an image of the plan unactivated, as a failed import leaves it; its uuid."""
    image = site.plan()["downloads"][-1]["manifest"]
    left = {**image, "state": "unactivated", "files": [], "owner": site.dc.config["ufds_admin_uuid"], **fields}
    left.pop("channels", None)
    site.dc.store.put("image", f"imgapi/{image['uuid']}", left)
    return str(image["uuid"])


@pytest.mark.parametrize("files", [[], [{"sha1": "0" * 40, "size": 1, "compression": "gzip"}]])
def test_a_leftover_of_a_failed_import_is_repaired(site: Site, files: list[object]) -> None:
    site.run("prepare foo.json").ok()
    uuid = leave(site, files=files)
    site.run("download foo").ok()
    image = site.dc.store.get("image", f"imgapi/{uuid}")
    assert image is not None and image["state"] == "active"
    site.upgrade().ok()


def test_an_image_that_was_disabled_is_not_enabled_behind_anybodys_back(site: Site) -> None:
    site.run("prepare foo.json").ok()
    uuid = leave(site, state="disabled", disabled=True)
    words = (f"image {uuid}", "is disabled in IMGAPI", f"sdc-imgadm enable {uuid}")
    refused(site, "download foo", 76, *words, but=BROUGHT)


def test_other_bytes_under_the_same_uuid_are_not_used(site: Site) -> None:
    site.run("prepare foo.json").ok()
    uuid = leave(site, state="active", files=[{"sha1": "0" * 40, "size": 1, "compression": "gzip"}])
    refused(site, "download foo", 79, "IMGAPI has other bytes", f"sdc-imgadm get {uuid}", but=BROUGHT)


def test_an_old_imgapi_is_given_what_it_takes(site: Site) -> None:
    site.dc.store.set_meta("imgapi:imgapi:old", True)
    site.run("prepare foo.json").ok()
    site.run("download foo").ok()
    image = site.dc.store.get("image", f"imgapi/{CUSTOMERS['imgapi']}")
    assert image is not None and image["state"] == "active" and "channels" not in image
    site.upgrade().ok()


# --- at the gate of an upgrade ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("rule", "status", "words"),
    [
        ("sapi * * refuse", 69, ("http://sapi.coal.example.com/applications", "connection refused")),
        ("cnapi * * status=500", 69, ("cnapi: GET /servers",)),
        ("vmadm lookup garbage", 76, ("vmadm lookup on headnode: not valid JSON",)),
        ("zfs list garbage", 76, ("zfs list tells nothing of the pool zones",)),
        ("imgapi GET /ping status=500", 4, ("(imgapi-up)",)),
        ("workflow * * refuse", 4, ("1 health check failed (workflow-up)",)),
        ("svcs garbage", 4, ("(zones-smf)",)),
        ("svcs fail", 4, ("(zones-smf)",)),
        ("dig garbage", 4, ("1 health check failed (dns)",)),
        ("dig fail=9", 4, ("1 health check failed (dns)",)),
        ("dig hang", 4, ("1 health check failed (dns)",)),
        ("disk-full=/var/tmp/upgrade-foo/journal.jsonl", 73, ("journal.jsonl: cannot be written: no space left",)),
    ],
)
def test_an_upgrade_that_does_not_begin(site: Site, rule: str, status: int, words: tuple[str, ...]) -> None:
    site.ready()
    site.fault(rule)
    refused(site, "upgrade foo --yes --pause never", status, *words)
    faults.reset(site.dc)
    site.upgrade().ok()
    assert (site.reprovisions("imgapi"), site.reprovisions("adminui")) == (1, 1)


# --- in the middle of an upgrade --------------------------------------------------------------------------------------
QUIET = "Nothing disruptive was begun at imgapi."
STEPS: list[tuple[str, tuple[str, ...], int]] = [
    ("disk-full=/var/sdcupgrade/logs*", ("save the logs of imgapi0: /var/sdcupgrade/logs/", QUIET), 0),
    ("disk-full=/var/tmp/upgrade-foo/journal.jsonl #2", ("not begun: /var/tmp/upgrade-foo/journal.jsonl", QUIET), 0),
    ("disk-full=/var/tmp/upgrade-foo/journal.jsonl #10", ("reprovision imgapi0", "not begun: ", QUIET), 0),
    ("vmadm get garbage", ("refresh the user-script of imgapi0: vmadm get", "not valid JSON", QUIET), 0),
    ("vmadm get fail", ("refresh the user-script of imgapi0: vmadm get", "exited 1: injected failure", QUIET), 0),
    ("vmadm update fail", ("vmadm update", "on headnode exited 1: injected failure", QUIET), 0),
    ("vmadm update fail=0", ("the user-script read back is not the one that was written", QUIET), 0),
    ("sapi PUT * status=500", ("refresh the user-script of imgapi in SAPI", "the service answered 500", QUIET), 0),
    ("sapi PUT * refuse", ("refresh the user-script of imgapi in SAPI", "connection refused", QUIET), 0),
    ("sapi PUT * status=409 #2", ("set the image of imgapi in SAPI", "refused with 409", QUIET), 0),
    ("svcadm fail", ("reprovision imgapi0 to image", "svcadm -z", "exited 1"), 0),
    ("vmadm reprovision fail=1:out\\ of\\ luck", ("exited 1: out of luck; imgapi0 runs its old image, and",), 0),
    ("vmadm reprovision fail=0", ("said it succeeded, but the zone is running on image",), 0),
    ("vmadm reprovision hang", ("vmadm did not end within 420 s and was stopped",), 0),
    ("vmadm reprovision fails-after", ("exited 1: Successfully reprovisioned VM", "; injected failure"), 1),
    ("zone=imgapi0 setup-fails", ("Failed to reprovision VM", "provision_failure"), 1),
    ("zone=imgapi0 provision-hangs", ("Failed to reprovision VM", "timed out waiting for /var/svc/provisioning"), 1),
]  # fmt: skip
RULES = [rule for rule, _, _ in STEPS]


def stopped(site: Site, rule: str) -> Ran:
    """An upgrade that meets *rule* and stops at imgapi; the rule is gone afterwards."""
    site.ready()
    site.fault(rule)
    ran = told(site.upgrade(), 5)
    faults.reset(site.dc)
    return ran


@pytest.mark.parametrize(("rule", "words", "count"), STEPS, ids=RULES)
def test_a_step_that_fails_stops_the_run_and_says_everything(
    site: Site, rule: str, words: tuple[str, ...], count: int
) -> None:
    ran = stopped(site, rule)
    told(ran, 5, *words, "Done in this run: none. Not touched: adminui.", "  log: /var/log/sdcupgrade/")
    for command in ("sdcupgrade resume foo", "sdcupgrade rollback foo imgapi", "sdcupgrade status foo"):
        assert command in hint(ran)
    assert (site.reprovisions("imgapi"), site.reprovisions("adminui")) == (count, 0)
    assert (QUIET in ran.err) == (QUIET in words)


@pytest.mark.parametrize(("rule", "words", "count"), STEPS, ids=RULES)
def test_resume_ends_well_once_the_cause_is_mended(site: Site, rule: str, words: tuple[str, ...], count: int) -> None:
    stopped(site, rule)
    assert site.upgrade().status in (0, 3)
    site.run(RESUME).ok()
    for service in site.plan()["services"]:
        assert site.vm(service["service"])["image_uuid"] == service["target"]["uuid"]
    failed_after = count and not rule.startswith("vmadm")
    assert (site.reprovisions("imgapi"), site.reprovisions("adminui")) == (2 if failed_after else 1, 1)


def records(site: Site) -> dict[str, object]:
    """What a rollback has to bring back, byte for byte."""
    found: dict[str, object] = {}
    for name in CUSTOMERS:
        vm = site.vm(name)
        found[name] = [site.sapi(name), *(vm[key] for key in ("image_uuid", "customer_metadata", "quota", "state"))]
    return found


TROUBLES = ("late-setup-fails", "setup-hangs", "maintenance", "never-in-dns")


@pytest.mark.parametrize("rule", [*RULES, *(f"zone=imgapi0 {trouble}" for trouble in TROUBLES)])
def test_rollback_ends_well_after_a_failure(site: Site, rule: str) -> None:
    before = records(site)
    stopped(site, rule)
    site.run(ROLLBACK).ok()
    assert records(site) == before
    assert site.dc.zone_answers(site.vm("imgapi")["uuid"])
    assert site.reprovisions("adminui") == 0


# --- a zone that does not come up -------------------------------------------------------------------------------------
def by_hand(site: Site) -> None:
    """Somebody reprovisions the zone by hand."""
    site.dc.reprovision(site.vm("imgapi")["uuid"], CUSTOMERS["imgapi"])


def cleared(site: Site) -> None:
    """Somebody mends what keeps the service from starting."""
    site.dc.svcadm(site.vm("imgapi")["uuid"], "clear", "imgapi")


def registered(site: Site) -> None:
    """Somebody mends registrar."""
    zone = site.dc.store.get("zone", site.vm("imgapi")["uuid"])
    assert zone is not None
    site.dc.store.put("zone", zone["uuid"], {**zone, "never_in_dns": False})
    site.dc.svcadm(zone["uuid"], "restart", "registrar")


ILL: list[tuple[str, Callable[[Site], None], str, tuple[str, ...]]] = [
    ("late-setup-fails", by_hand, "step-failed", ("imgapi0 failed its first-boot set-up", "root/var/svc/setup.log")),
    ("setup-hangs", by_hand, "timed-out", ("waited 180 s for setup_complete in imgapi0; last seen:",)),
    ("maintenance", cleared, "step-failed", ("svc:/smartdc/site/imgapi:default went into maintenance", "svcs -xvz")),
    ("never-in-dns", registered, "timed-out", ("waited 300 s for imgapi.coal.example.com in DNS", "gives nothing")),
]


@pytest.mark.parametrize(("trouble", "mend", "reference", "words"), ILL, ids=TROUBLES)
def test_a_zone_that_does_not_come_up(
    site: Site, trouble: str, mend: Callable[[Site], None], reference: str, words: tuple[str, ...]
) -> None:
    told(stopped(site, f"zone=imgapi0 {trouble}"), 5, *words, "Not touched: adminui")
    assert f'"reference":"{reference}"' in (site.gz / "var/tmp/upgrade-foo/journal.jsonl").read_text()
    shown = site.run("status foo").ok().out
    assert "Upgrade foo: failed" in shown and words[0] in shown
    mend(site)
    site.run(RESUME).ok()
    assert site.dc.zone_answers(site.vm("imgapi")["uuid"]) and site.reprovisions("adminui") == 1


def test_a_failure_at_the_second_service_leaves_the_first_as_it_is(site: Site) -> None:
    site.ready()
    site.fault("zone=adminui0 setup-hangs")
    ran = told(site.upgrade(), 5, "Done in this run: imgapi. Not touched: none.", "rollback foo adminui")
    assert "setup_complete in adminui0" in ending(ran)[0]
    site.run("rollback foo adminui --yes --pause never").ok()
    assert site.vm("imgapi")["image_uuid"] == CUSTOMERS["imgapi"] and site.reprovisions("imgapi") == 1
    site.upgrade().ok()
    assert site.reprovisions("imgapi") == 1


def test_a_rollback_that_fails_is_resumed(site: Site) -> None:
    before = records(site)
    site.ready()
    site.upgrade().ok()
    site.fault("vmadm reprovision fail #2")
    ran = told(site.run(ROLLBACK), 5, "Done in this run: adminui. Not touched: none.", "sdcupgrade resume foo")
    assert "rollback foo" not in hint(ran)
    faults.reset(site.dc)
    told(site.upgrade(), 3, "the rollback of foo", "did not end well", "sdcupgrade resume foo")
    site.run(RESUME).ok()
    assert records(site) == before


def test_a_run_that_changed_nothing_can_be_given_up(site: Site) -> None:
    stopped(site, "disk-full=/var/sdcupgrade/logs*")
    told(site.upgrade(), 3, "did not end well", "sdcupgrade resume foo; or go back: sdcupgrade rollback foo")
    before = everything(site)
    assert "nothing to roll back" in site.run(ROLLBACK).ok().err
    assert changes(before, everything(site)) == ["gz/var/tmp/upgrade-foo/journal.jsonl"]
    site.upgrade().ok()


@pytest.mark.parametrize("number", [3, 9, 13, 14, 16, 18, 20])
def test_a_journal_that_cannot_be_written_stops_the_run_and_loses_nothing(site: Site, number: int) -> None:
    site.ready()
    site.fault(f"disk-full=/var/tmp/upgrade-foo/journal.jsonl #{number} times=100")
    ran = told(site.upgrade(), 5, "/var/tmp/upgrade-foo/journal.jsonl: cannot be written: no space left on device")
    told(ran, 5, "Not touched: adminui")
    faults.reset(site.dc)
    site.run(RESUME).ok()
    assert (site.reprovisions("imgapi"), site.reprovisions("adminui")) == (1, 1)


# --- another server ---------------------------------------------------------------------------------------------------
@pytest.fixture
def luna(make_site: Callable[[str], Site]) -> Site:
    """A headnode and eight other servers, with a spec of two services that live on those."""
    made = make_site("dc")
    made.spec(mahi="latest", adminui="latest")
    return made


@pytest.mark.parametrize(
    ("rule", "status", "words"),
    [
        ("sdc-oneachnode fail", 69, ("cannot be looked into", "injected failure", "sdc-oneachnode needs the sdc zone")),
        ("sdc-oneachnode hang", 69, ("sdc-oneachnode did not end within 150 s", "rabbitmq and the server's ur agent")),
        ("sdc-oneachnode garbage", 76, ("sdc-oneachnode -J: not valid JSON", "it begins ']]>")),
        ("sdc-oneachnode cut=50", 76, ("sdc-oneachnode -J: not valid JSON",)),
    ],
)
def test_no_way_to_another_server(luna: Site, rule: str, status: int, words: tuple[str, ...]) -> None:
    luna.fault(rule)
    refused(luna, "prepare foo.json", status, *words)
    faults.reset(luna.dc)
    luna.ready()
    luna.fault(rule)
    refused(luna, "upgrade foo --yes", status, *words)


@pytest.mark.parametrize("number", range(6, 30, 4))
def test_the_way_to_another_server_is_lost_in_the_middle(luna: Site, number: int) -> None:
    luna.ready()
    luna.fault(f"sdc-oneachnode fail #{number} times=1000")
    told(luna.upgrade(), 5, "sdc-oneachnode", "injected failure", "sdcupgrade resume foo")
    faults.reset(luna.dc)
    luna.run(RESUME).ok()
    assert (luna.reprovisions("mahi"), luna.reprovisions("adminui")) == (1, 1)


# --- words that programs say ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("said", "told_as"),
    [
        ("first line\\nsecond line\\n", "exited 1: first line; second line; imgapi0 runs"),
        ("tab\\there, bell\\u0007, \\u001b[31mred\\u001b[0m", "exited 1: tab here, bell?, ?[31mred?[0m; imgapi0 runs"),
        ("na\\u00efve caf\\u00e9", "exited 1: na\u00efve caf\u00e9; imgapi0 runs"),
        ("  \\n\\n  ", "exited 1: it said nothing; imgapi0 runs"),
        ("x" * 5000, "exited 1: " + "x" * 1000 + "; imgapi0 runs"),
    ],
)
def test_whatever_a_program_says_is_one_line(site: Site, said: str, told_as: str) -> None:
    site.ready()
    site.fault(f'{{"target": "vmadm reprovision", "kind": "fail", "value": "1:{said}"}}')
    ran = told(site.upgrade(), 5)
    assert told_as in ending(ran)[0]
    assert not any(char in ran.err for char in "\x07\x1b\t")
    shown = [line for line in site.run("status foo").ok().out.splitlines() if line.startswith("Failed: ")]
    assert len(shown) == 1 and told_as in shown[0]
    journal = (site.gz / "var/tmp/upgrade-foo/journal.jsonl").read_text().splitlines()
    assert any(told_as in json.loads(line).get("message", "") for line in journal)


def test_so_is_what_the_headnodes_own_programs_say(site: Site) -> None:
    site.fault('{"target": "bash", "kind": "fail", "value": "3:first line\\nsecond line"}')
    refused(site, "prepare foo.json", 71, "config.sh -json exited 3: first line; second line")


def test_so_is_what_comes_from_another_server(luna: Site) -> None:
    luna.ready()
    luna.fault('{"target": "sdc-oneachnode", "kind": "fail", "value": "1:first line\\nsecond line", "nth": 6}')
    told(luna.upgrade(), 5, "first line; second line")
    shown = [line for line in luna.run("status foo").ok().out.splitlines() if line.startswith("Failed: ")]
    assert len(shown) == 1 and "first line; second line" in shown[0]


def test_a_log_that_cannot_be_written_is_said_and_stops_nothing(site: Site) -> None:
    (site.gz / "var/log/sdcupgrade").mkdir(parents=True, exist_ok=True)
    (site.gz / "var/log/sdcupgrade").rmdir()
    (site.gz / "var/log/sdcupgrade").write_text("in the way")
    ran = site.run("prepare foo.json").ok()
    assert "sdcupgrade: warning: the log /var/log/sdcupgrade/" in ran.err and "cannot be written" in ran.err
