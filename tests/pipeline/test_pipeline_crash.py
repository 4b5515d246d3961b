"""Whatever instant an upgrade or a rollback is cut off at, ``resume`` ends it well and no zone is replaced twice.

All in process: the doors are counted and the world ends at one of their calls. With vmadm killed as well, or the power
gone, the zone it worked on may need a second reprovision: a root that was half made cannot be told from a good one, so
it is thrown away, the old one put back, and the work done again. Never more than that, and never data.
"""

from __future__ import annotations

import json
import pathlib

import pytest
from crashes import (
    RESUME,
    ROLLBACK,
    SERVICES,
    UPGRADE,
    Copies,
    Truth,
    cut_off_after,
    finish,
    journal,
    power_cut,
    small_site,
)
from site_in_a_box import Site


@pytest.fixture
def bare(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Copies:
    """Copies of a small site with a spec."""
    site = small_site(tmp_path)
    monkeypatch.chdir(site.ops)
    return Copies(site, tmp_path)


@pytest.fixture
def prepared(bare: Copies) -> Copies:
    """Copies of a small site where only the upgrade itself is left to do."""
    bare.site.ready()
    return bare


@pytest.mark.parametrize(("mode", "every"), [("before", 41), ("after", 41)])
def test_an_upgrade_cut_off_at_any_call_is_resumed(prepared: Copies, mode: str, every: int) -> None:
    truth = Truth(prepared.site)
    for where, site in prepared.cut_off(UPGRADE, mode, every):
        said = finish(site)
        assert (said, truth.upgraded(site)) == ("", []), where


def test_half_a_line_in_the_journal_is_no_line(prepared: Copies) -> None:
    truth = Truth(prepared.site)
    for where, site in prepared.cut_off(UPGRADE, "torn", 17, only="append"):
        said = finish(site)
        assert (said, truth.upgraded(site)) == ("", []), where


@pytest.mark.parametrize(("mode", "every"), [("before", 47), ("after", 47)])
def test_a_rollback_cut_off_at_any_call_is_resumed(prepared: Copies, mode: str, every: int) -> None:
    truth = Truth(prepared.site)
    prepared.site.upgrade().ok()
    for where, site in prepared.cut_off(ROLLBACK, mode, every):
        said = finish(site, ROLLBACK)
        assert (said, truth.rolled_back(site)) == ("", []), where


def test_an_upgrade_cut_off_at_any_call_is_rolled_back(prepared: Copies) -> None:
    truth = Truth(prepared.site)
    for where, site in prepared.cut_off(UPGRADE, "after", 47):
        replaced = {name: site.reprovisions(name) for name in SERVICES}
        site.run(ROLLBACK).ok()
        wrong = [line for line in truth.rolled_back(site) if "reprovisioned" not in line]
        assert wrong == [], where
        assert {name: site.reprovisions(name) for name in SERVICES} == {
            name: 2 * count for name, count in replaced.items()
        }, where


def test_it_comes_to_an_end_however_often_it_is_cut_off(prepared: Copies) -> None:
    truth = Truth(prepared.site)
    site = prepared()
    line, crashes = UPGRADE, 0
    while cut_off_after(site, line, 60):
        line, crashes = RESUME, crashes + 1
        assert crashes < 40
    assert crashes > 3
    assert truth.upgraded(site) == []


@pytest.mark.parametrize("power", [False, True])
def test_killed_together_with_vmadm(prepared: Copies, power: bool) -> None:
    truth = Truth(prepared.site)
    for where, site in prepared.died(UPGRADE, 37):
        begun = {name: site.reprovisions(name) for name in SERVICES}
        whole = {name: site.vm(name)["image_uuid"] == truth.targets[name] for name in SERVICES}
        if power:
            power_cut(site)
        said = finish(site)
        assert (said, truth.upgraded(site, most=2)) == ("", []), where
        for name in SERVICES:
            # only a root that was begun and not finished is made a second time
            assert site.reprovisions(name) == (2 if begun[name] and not whole[name] else 1), where


def test_status_after_a_crash_tells_the_truth(prepared: Copies) -> None:
    for where, site in prepared.cut_off(UPGRADE, "before", 41):
        status = json.loads(site.run("status foo -j").ok().out)
        lines = journal(site)
        begun = [line for line in lines if line["event"] in ("intent", "done")]
        open_step = begun[-1]["says"] if begun and begun[-1]["event"] == "intent" else ""
        assert status["running"] == "", where
        running = any(line["event"] == "run-begin" for line in lines)
        assert status["phase"] == ("interrupted" if running else "downloaded"), where
        assert status["step"].partition(": ")[2] == open_step, where
        for row in status["services"]:
            vm = site.vm(row["service"])
            done = {"upgraded": 1, "untouched": 0}.get(row["standing"], site.reprovisions(row["service"]))
            assert site.reprovisions(vm["tags"]["smartdc_role"]) == done, where


@pytest.mark.parametrize("mode", ["before", "after"])
def test_a_download_cut_off_at_any_call_is_repeated(bare: Copies, mode: str) -> None:
    bare.site.run("prepare foo.json").ok()
    wanted = {one["uuid"] for one in bare.site.plan()["downloads"]}
    for where, site in bare.cut_off("download foo", mode, 13):
        site.run("download foo").ok()
        assert {uuid for uuid in wanted if active(site, uuid)} == wanted, where
        assert list((site.gz / "var/tmp/upgrade-foo/images").iterdir()) == [], where


def active(site: Site, uuid: str) -> bool:
    """Whether IMGAPI serves the image and the headnode's pool has it."""
    image = site.dc.store.get("image", f"imgapi/{uuid}")
    return bool(image and image["state"] == "active" and site.dc.installed(site.dc.headnode, uuid))


@pytest.mark.parametrize("mode", ["before", "after"])
def test_a_prepare_cut_off_at_any_call_leaves_all_of_a_plan_or_none(bare: Copies, mode: str) -> None:
    for where, site in bare.cut_off("prepare foo.json", mode, 7):
        again = site.run("prepare foo.json")
        assert again.status == 0 or "is in use" in again.err, where
        assert site.run("download foo").status == 0, where


