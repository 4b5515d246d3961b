"""What the operator sees and is asked: status, resume, rollback in parts, pauses, and the commands that only look."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from typing import Any

import pytest
from site_in_a_box import CUSTOMERS, Ran, Site
from untouched import changes, everything

from sdcupgrade.doors.run import Completed
from sdcupgrade.plan import recipes

GO = "--yes --pause never"
STATUS_KEYS = ["name", "phase", "running", "holder", "step", "waiting", "since", "services", "next"]
SERVICE_KEYS = ["service", "alias", "current", "target", "standing", "seconds", "message"]


class Tty(io.StringIO):
    """Somebody at a terminal, who types these lines."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def ready(coal: Site) -> Site:
    """The customer's upgrade, ready to begin: imgapi, then adminui."""
    coal.spec()
    coal.ready()
    return coal


def status(site: Site) -> dict[str, Any]:
    """What ``status -j`` says."""
    found: dict[str, Any] = json.loads(site.run("status foo -j").ok().out)
    return found


def standings(site: Site) -> dict[str, str]:
    """Where each service stands."""
    return {row["service"]: row["standing"] for row in status(site)["services"]}


def failing_at_adminui(site: Site) -> Ran:
    """An upgrade whose second reprovision fails once."""
    site.fault("vmadm reprovision fail=1:boom #2")
    return site.run(f"upgrade foo {GO}")


# --- status -----------------------------------------------------------------------------------------------------------
def test_status_has_always_the_same_shape(ready: Site) -> None:
    for line in (f"upgrade foo {GO}", f"rollback foo adminui {GO}"):
        found = status(ready)
        assert list(found) == STATUS_KEYS
        assert [list(row) for row in found["services"]] == [SERVICE_KEYS, SERVICE_KEYS]
        ready.run(line).ok()
    assert standings(ready) == {"imgapi": "upgraded", "adminui": "rolled back"}


@pytest.mark.parametrize(
    ("lines", "phase", "following"),
    [
        (["prepare foo.json"], "prepared", "sdcupgrade download foo"),
        (["prepare foo.json", "download foo"], "downloaded", "sdcupgrade upgrade foo"),
        (["prepare foo.json", "download foo", "upgrade foo"], "downloaded", "sdcupgrade upgrade foo"),
        (["prepare foo.json", "download foo", f"upgrade foo {GO}"], "upgraded", "sdcupgrade rollback foo"),
    ],
)
def test_status_tells_the_phase_and_the_next_command(
    coal: Site, lines: list[str], phase: str, following: str
) -> None:
    coal.spec()
    for line in lines:
        coal.run(line)
    found = status(coal)
    assert found["phase"] == phase and following in found["next"]


def test_status_from_another_terminal_tells_what_is_waited_for(ready: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[dict[str, Any]] = []
    sleep = ready.doors.clock.sleep

    def looking(seconds: float) -> None:
        seen.append(status(ready))
        sleep(seconds)

    monkeypatch.setattr(ready.doors.clock, "sleep", looking)
    ready.upgrade().ok()
    assert {one["phase"] for one in seen} == {"running"}
    assert {one["running"] for one in seen} == {"upgrade"}
    first = seen[0]
    assert first["step"].startswith("imgapi: wait until") and first["waiting"].startswith("waiting for")
    assert first["since"].startswith("2024-06-03T")
    assert (first["holder"]["command"], first["holder"]["name"]) == ("upgrade", "foo")


def test_status_asks_nobody(ready: Site) -> None:
    failing_at_adminui(ready)
    before = len(ready.dc.store.calls())
    assert standings(ready) == {"imgapi": "upgraded", "adminui": "failed"}
    assert "boom" in ready.run("status foo").ok().out
    assert len(ready.dc.store.calls()) == before


def test_a_run_that_stops_at_the_first_failure_says_what_was_and_was_not_touched(coal: Site) -> None:
    coal.spec(imgapi="latest", vmapi="latest", adminui="latest")
    coal.ready()
    ran = failing_at_adminui(coal)
    assert ran.status == 5
    assert "Done in this run: imgapi. Not touched: adminui" in ran.err
    assert "sdcupgrade resume foo" in ran.err and "sdcupgrade rollback foo vmapi" in ran.err
    assert standings(coal) == {"imgapi": "upgraded", "vmapi": "failed", "adminui": "untouched"}


# --- resume -----------------------------------------------------------------------------------------------------------
def test_there_is_nothing_to_resume_after_a_good_end(ready: Site) -> None:
    ready.upgrade().ok()
    before = everything(ready)
    assert "nothing to resume" in ready.run("resume foo --yes").ok().err
    assert changes(before, everything(ready)) == []


def test_resume_goes_on_after_a_failure(ready: Site) -> None:
    assert failing_at_adminui(ready).status == 5
    ready.run(f"resume foo {GO}").ok()
    assert standings(ready) == {"imgapi": "upgraded", "adminui": "upgraded"}
    assert (ready.reprovisions("imgapi"), ready.reprovisions("adminui")) == (1, 1)


def test_resume_goes_on_with_a_rollback(ready: Site) -> None:
    ready.upgrade().ok()
    ready.fault("vmadm reprovision fail=1:boom #2")
    assert ready.run(f"rollback foo {GO}").status == 5
    assert "rollback of imgapi" in ready.run("resume foo", stdin=Tty("n\n")).err
    ready.run(f"resume foo {GO}").ok()
    assert standings(ready) == {"imgapi": "rolled back", "adminui": "rolled back"}
    assert (ready.reprovisions("imgapi"), ready.reprovisions("adminui")) == (2, 2)


def test_resume_keeps_to_the_services_of_a_partial_rollback(ready: Site) -> None:
    ready.upgrade().ok()
    ready.fault("vmadm reprovision fail=1:boom #1")
    assert ready.run(f"rollback foo adminui {GO}").status == 5
    ready.run(f"resume foo {GO}").ok()
    assert standings(ready) == {"imgapi": "upgraded", "adminui": "rolled back"}


def test_an_upgrade_is_not_begun_over_one_that_failed(ready: Site) -> None:
    failing_at_adminui(ready)
    again = ready.upgrade()
    assert again.status == 3 and "sdcupgrade resume foo" in again.err


# --- rollback in parts ------------------------------------------------------------------------------------------------
def test_a_full_rollback_after_a_partial_one_does_the_rest(ready: Site) -> None:
    ready.upgrade().ok()
    ready.run(f"rollback foo imgapi {GO}").ok()
    assert ready.run(f"rollback foo {GO}").ok().out.count("imgapi0") == 0
    assert standings(ready) == {"imgapi": "rolled back", "adminui": "rolled back"}
    assert (ready.reprovisions("imgapi"), ready.reprovisions("adminui")) == (2, 2)


def test_an_upgrade_after_a_partial_rollback_does_what_was_rolled_back(ready: Site) -> None:
    ready.upgrade().ok()
    ready.run(f"rollback foo adminui {GO}").ok()
    ready.upgrade().ok()
    assert standings(ready) == {"imgapi": "upgraded", "adminui": "upgraded"}
    assert (ready.reprovisions("imgapi"), ready.reprovisions("adminui")) == (1, 3)


def test_an_upgrade_goes_on_where_one_failed_although_another_service_was_rolled_back(ready: Site) -> None:
    failing_at_adminui(ready)
    ready.run(f"rollback foo imgapi {GO}").ok()
    ready.upgrade().ok()
    assert standings(ready) == {"imgapi": "upgraded", "adminui": "upgraded"}
    assert (ready.reprovisions("imgapi"), ready.reprovisions("adminui")) == (3, 1)


def test_a_rollback_that_failed_for_one_service_may_go_on_with_another(ready: Site) -> None:
    ready.upgrade().ok()
    ready.fault("vmadm reprovision fail=1:boom #1")
    assert ready.run(f"rollback foo adminui {GO}").status == 5
    ready.run(f"rollback foo imgapi {GO}").ok()
    assert standings(ready) == {"imgapi": "rolled back", "adminui": "failed"}
    ready.run(f"rollback foo {GO}").ok()
    assert standings(ready) == {"imgapi": "rolled back", "adminui": "rolled back"}


def test_there_is_nothing_to_roll_back_before_an_upgrade(ready: Site) -> None:
    assert "nothing to roll back" in ready.run(f"rollback foo {GO}").ok().err
    assert ready.reprovisions("imgapi") == 0


# --- questions and pauses ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("answer", ["n\n", "\n", "", "perhaps\n"])
@pytest.mark.parametrize("command", ["upgrade", "rollback"])
def test_only_a_yes_is_a_yes(ready: Site, command: str, answer: str) -> None:
    if command == "rollback":
        ready.upgrade().ok()
    before = everything(ready)
    ran = ready.run(f"{command} foo", stdin=Tty(answer))
    assert ran.status == 6 and "nothing was changed" in ran.err
    assert changes(before, everything(ready)) == []


def test_what_will_happen_is_shown_before_the_question(ready: Site) -> None:
    ran = ready.run("upgrade foo", stdin=Tty("n\n"))
    shown, question, _ = ran.err.partition("[y/N]")
    assert question and "imgapi, imgapi0 on headnode: master-20240118" in shown and "-> master-20240523" in shown


def test_nobody_at_the_terminal_is_a_no(ready: Site) -> None:
    ran = ready.run("upgrade foo")
    assert ran.status == 6 and "--yes" in ran.err and ready.reprovisions("imgapi") == 0


def test_enter_goes_on_after_each_zone(ready: Site) -> None:
    ran = ready.run("upgrade foo --pause each", stdin=Tty("y\n\n")).ok()
    assert ran.err.count("Enter goes on with adminui") == 1
    assert standings(ready) == {"imgapi": "upgraded", "adminui": "upgraded"}


def test_stopping_between_two_zones_leaves_the_rest_for_resume(ready: Site) -> None:
    ran = ready.run("upgrade foo", stdin=Tty("y\ns\n"))
    assert ran.status == 130 and "Done in this run: imgapi. Not touched: adminui" in ran.err
    assert standings(ready) == {"imgapi": "upgraded", "adminui": "untouched"}
    ready.run("resume foo", stdin=Tty("y\n")).ok()
    assert standings(ready) == {"imgapi": "upgraded", "adminui": "upgraded"}


def test_a_pause_on_failure_offers_another_try(ready: Site) -> None:
    ready.fault("vmadm reprovision fail=1:boom #2")
    ran = ready.run("upgrade foo --yes --pause failure", stdin=Tty("r\n")).ok()
    assert "Enter goes on" not in ran.err and ran.err.count("'r' tries it again") == 1
    assert (ready.reprovisions("imgapi"), ready.reprovisions("adminui")) == (1, 1)


def test_enter_after_a_failure_stops(ready: Site) -> None:
    ready.fault("vmadm reprovision fail=1:boom #2")
    assert ready.run("upgrade foo --yes --pause failure", stdin=Tty("\n")).status == 5
    assert standings(ready) == {"imgapi": "upgraded", "adminui": "failed"}


def test_pause_never_asks_nothing_even_after_a_failure(ready: Site) -> None:
    ready.fault("vmadm reprovision fail=1:boom #2")
    typed = Tty("r\n")
    assert ready.run(f"upgrade foo {GO}", stdin=typed).status == 5
    assert typed.read() == "r\n"


def test_resume_pauses_as_the_run_did_unless_told_otherwise(coal: Site) -> None:
    coal.spec(imgapi="latest", vmapi="latest", adminui="latest")
    coal.ready()
    coal.run("upgrade foo --pause each", stdin=Tty("y\ns\n"))
    assert "Enter goes on with adminui" in coal.run("resume foo", stdin=Tty("y\ns\n")).err
    assert "Enter goes on" not in coal.run(f"resume foo {GO}", stdin=Tty("")).ok().err


@pytest.mark.parametrize("program", ["svcadm", "vmadm reprovision"])
def test_ctrl_c_leaves_every_zone_in_dns(ready: Site, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    run = ready.doors.run.run
    pressed: list[str] = []

    def interrupted(argv: Sequence[str], **named: Any) -> Completed:
        done = run(argv, **named)
        if not pressed and " ".join(argv).startswith(program):
            pressed.append(argv[0])
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(ready.doors.run, "run", interrupted)
    assert ready.upgrade().status == 130
    ready.dc.wait(120)
    assert ready.dc.resolve("imgapi.coal.example.com")
    ready.run(f"resume foo {GO}").ok()
    assert ready.reprovisions("imgapi") == 1


def test_what_was_rolled_back_must_be_as_planned_before_it_is_upgraded_again(ready: Site) -> None:
    ready.upgrade().ok()
    ready.run(f"rollback foo {GO}").ok()
    ready.fault("vmadm reprovision fail=1:boom #1")
    assert ready.upgrade().status == 5
    vm = ready.vm("adminui")
    ready.dc.store.put("vm", vm["uuid"], {**vm, "quota": 99})
    ran = ready.run(f"resume foo {GO}")
    assert ran.status == 7 and "adminui: the quota of its zone" in ran.err


# --- what is kept, what is told ---------------------------------------------------------------------------------------
def test_the_old_root_is_kept_in_a_file_when_asked(ready: Site) -> None:
    old = ready.vm("imgapi")
    ready.run(f"upgrade foo --snapshot {GO}").ok()
    (kept,) = (ready.gz / "var/sdcupgrade/snapshots").rglob(f"imgapi0.{old['image_uuid']}.zfs")
    assert kept.stat().st_size > 0
    assert not [doc for doc in ready.dc.store.all("dataset") if "@sdcupgrade" in doc["name"]]


def test_no_old_root_is_kept_unasked(ready: Site) -> None:
    ready.upgrade().ok()
    assert not (ready.gz / "var/sdcupgrade/snapshots").exists()


def test_kept_logs_are_bounded_and_the_newest_are_kept(coal: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recipes, "LOGS_MAX_BYTES", 100_000)
    coal.spec(imgapi="latest")
    coal.ready()
    logs = coal.gz / "zones" / coal.vm("imgapi")["uuid"] / "root/var/log/sdc/upload"
    for number in range(4):
        (logs / f"big{number}.log").write_bytes(b"x" * 40_000)
    ran = coal.upgrade().ok()
    (kept,) = (coal.gz / "var/sdcupgrade/logs").rglob("imgapi0.*.tar.gz")
    with tarfile.open(kept) as packed:
        size = sum(member.size for member in packed.getmembers())
    assert 40_000 < size <= 100_000
    assert "did not fit" in ran.err


def test_an_ignored_check_is_said_aloud_and_journalled(ready: Site) -> None:
    vm = ready.vm("amon")
    ready.dc.svcadm(vm["uuid"], "disable", "registrar")
    ready.dc.wait(60)
    assert ready.upgrade().status == 4
    argv = ["upgrade", "foo", "--yes", "--pause", "never"]
    ran = ready.run(" ".join([*argv, "--ignore", "dns=known", "--ignore", "zones-smf=known"])).ok()
    assert "ignored (known)" in ran.err
    journal = (ready.gz / "var/tmp/upgrade-foo/journal.jsonl").read_text()
    assert '"check":"dns"' in journal.replace(": ", ":") and '"reason":"known"' in journal.replace(": ", ":")


@pytest.mark.parametrize(("ignore", "code"), [("no-such-check=why", 65), ("dns", 2), ("dns=", 2)])
def test_ignoring_needs_a_check_and_a_reason(ready: Site, ignore: str, code: int) -> None:
    assert ready.run(f"upgrade foo {GO} --ignore {ignore}").status == code
    assert ready.reprovisions("imgapi") == 0


# --- the commands that only look --------------------------------------------------------------------------------------
def test_check_is_content_with_a_good_datacenter(coal: Site) -> None:
    rows = json.loads(coal.run("check -j").ok().out)
    assert {row["result"] for row in rows} == {"ok"}
    assert len({row["check"] for row in rows}) > 12


def test_check_says_what_is_wrong_and_what_to_do(coal: Site) -> None:
    coal.dc.stop(coal.vm("amon")["uuid"])
    ran = coal.run("check -j")
    failed = {row["check"]: row for row in json.loads(ran.out) if row["result"] == "failed"}
    assert ran.status == 4 and "zones-running" in ran.err
    assert failed["zones-running"]["subject"] == "amon0" and failed["zones-running"]["remedy"]


def test_instances_in_the_columns_and_the_order_that_were_asked_for(coal: Site) -> None:
    lines = coal.run("instances -H -o alias,state -s -alias").ok().out.splitlines()
    assert lines[0].split() == ["workflow0", "running"] and lines[-1].split() == ["adminui0", "running"]
    assert coal.run("instances").ok().out.split("\n")[0].split() == [
        "INSTANCE", "SERVICE", "HOSTNAME", "VERSION", "ALIAS",
    ]  # fmt: skip


def test_instances_as_json_and_filtered(coal: Site) -> None:
    (row,) = json.loads(coal.run("instances -j svc=imgapi").ok().out)
    vm = coal.vm("imgapi")
    assert (row["instance"], row["image"], row["state"]) == (vm["uuid"], vm["image_uuid"], "running")
    assert coal.run("instances -H svc=nope").ok().out == ""


@pytest.mark.parametrize("words", ["instances colour=red", "instances imgapi", "instances -o nope", "avail -s nope"])
def test_a_column_that_does_not_exist_is_a_usage_error(coal: Site, words: str) -> None:
    ran = coal.run(words)
    assert ran.status == 2 and "columns: " in ran.err


def test_avail_shows_the_newest_of_the_datacenters_channel(coal: Site) -> None:
    (row,) = json.loads(coal.run("avail -j imgapi").ok().out)
    assert (row["image"], row["channel"]) == (CUSTOMERS["imgapi"], "dev")
    assert row["current"].startswith("master-20240118")


def test_avail_looks_in_another_channel_when_told(coal: Site) -> None:
    (row,) = json.loads(coal.run("avail -j -C release imgapi").ok().out)
    assert row["version"].startswith("release-20240509") and row["channel"] == "release"


def test_avail_shows_every_newer_image_when_asked(coal: Site) -> None:
    coal.spec(imgapi="latest")
    running = coal.vm("imgapi")["image_uuid"]
    old = next(doc for doc in coal.dc.store.all("image", "updates/") if doc["version"].startswith("master-20231012"))
    for store in ("vm", "vmapi_vm"):
        doc = coal.dc.store.get(store, coal.vm("imgapi")["uuid"])
        assert doc is not None
        coal.dc.store.put(store, doc["uuid"], {**doc, "image_uuid": old["uuid"]})
    newest = json.loads(coal.run("avail -j imgapi").ok().out)
    every = json.loads(coal.run("avail -j -a imgapi").ok().out)
    assert [row["image"] for row in newest] == [CUSTOMERS["imgapi"]]
    assert {row["image"] for row in every} >= {running, CUSTOMERS["imgapi"]}


def test_looking_changes_nothing(ready: Site) -> None:
    before = everything(ready)
    for line in ("check", "instances", "avail", "avail -a", "status foo", "status foo -j"):
        ready.run(line).ok()
    assert changes(before, everything(ready)) == []
