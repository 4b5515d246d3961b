"""gzbits on the compute nodes of a datacenter in a box: waves, budget, ledger, catch-up, rollback, and bad nodes."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import pytest
from gznodes_site import ONE, TWO, UP, Nodes, fates, few, of_up, shown
from mockdc.commands import remote
from mockdc.faces.crash import Crash, crashing

from sdcupgrade.errors import BadInput, NoInput, PlanMoved, StepFailed, Unreachable
from sdcupgrade.stages.gznodes import Fate, refuse_failed


@pytest.fixture
def nodes(make_site: Callable[[Any], Any]) -> Nodes:
    """One headnode, three compute nodes, one more of Linux, one not set up."""
    return Nodes(make_site(few()))


def test_every_node_that_can_have_them_gets_them_in_waves(nodes: Nodes) -> None:
    fanned = nodes.apply(ONE)
    assert fates(fanned) == {**dict.fromkeys(UP, "done"), "penguin-1": "skipped", "moon-08": "skipped"}
    whys = {one.hostname: one.why for one in fanned.those(Fate.SKIPPED)}
    assert "Linux" in whys["penguin-1"] and "not set up" in whys["moon-08"]
    assert all(nodes.tree(name) == shown(ONE) for name in UP)
    waves = [text for text in nodes.heard.texts("note") if text.startswith("wave")]
    assert waves == [f"wave {number}: {name}" for number, name in enumerate(UP, 1)]
    assert not nodes.tree("penguin-1")
    refuse_failed(fanned)


def test_the_ledger_says_what_every_node_has(nodes: Nodes) -> None:
    nodes.apply(ONE, image="the-image")
    lines = nodes.ledger()
    assert sorted(lines) == sorted(UP)
    assert {(line["outcome"], line["version"], line["image"]) for line in lines.values()} == {
        ("done", "1.2.0", "the-image")
    }
    assert len({line["digest"] for line in lines.values()}) == 1
    assert not (nodes.box.gz / "var/sdcupgrade/gzbits/nodes.jsonl").exists()


def test_nothing_is_sent_to_a_node_that_has_it(nodes: Nodes) -> None:
    nodes.apply(ONE)
    before = nodes.asked()
    assert set(fates(nodes.apply(ONE)).values()) == {"already", "skipped"}
    assert nodes.asked() == before


def test_only_what_is_for_compute_nodes_is_published_and_can_be_read_there(nodes: Nodes) -> None:
    import tarfile

    nodes.apply(ONE)
    nodes.apply(TWO)
    (place,) = (nodes.box.gz / "usbkey/extra/gzbits").iterdir()
    assert place.stat().st_mode & 0o777 == 0o644
    with tarfile.open(place) as tar:
        text = tar.extractfile("list").read().decode()  # type: ignore[union-attr]
        assert sorted(name for name in tar.getnames() if "/" not in name) == ["list", "manifest"]
        assert len(tar.getnames()) == 2 + 3
    assert "hn-only" not in text and "/opt/smartdc/bin/sdc-new" in text


def test_a_node_that_was_down_is_named_and_caught_up(nodes: Nodes) -> None:
    nodes.power("moon-03", "down")
    fanned = nodes.apply(ONE)
    assert fates(fanned)["moon-03"] == "down"
    assert any("moon-03" in text and "--catch-up" in text for text in nodes.heard.texts("warning"))
    assert nodes.ledger()["moon-03"]["outcome"] == "down"
    refuse_failed(fanned)
    nodes.power("moon-03", "up")
    before = nodes.asked()
    caught = nodes.catch_up()
    assert fates(caught)["moon-03"] == "done"
    assert nodes.asked() == before + 2  # that node alone: once to apply, once to prove
    assert nodes.tree("moon-03") == shown(ONE)


def test_a_node_that_only_cnapi_believes_in_does_not_keep_the_others(nodes: Nodes) -> None:
    uuid = nodes.uuids["moon-03"]
    server = nodes.dc.store.get("server", uuid)
    assert server is not None
    nodes.dc.store.put("server", uuid, {**server, "_alive": False})
    fanned = nodes.apply(ONE)
    assert fates(fanned)["moon-03"] == "down"
    assert all(nodes.tree(name) == shown(ONE) for name in UP if name != "moon-03")


def spoil(nodes: Nodes, *names: str) -> None:
    """Something in the way, of which nobody knows whose it is."""
    for name in names:
        (nodes.root(name) / "opt/smartdc/bin/sdc-x/mine").mkdir(parents=True)


def test_a_failing_node_within_the_budget(nodes: Nodes) -> None:
    spoil(nodes, "moon-01")
    fanned = nodes.apply(ONE)
    assert fates(fanned)["moon-01"] == "failed"
    assert len(fanned.those(Fate.DONE)) == 2
    with pytest.raises(StepFailed, match="moon-01: /opt/smartdc/bin/sdc-x is a dir there") as error:
        refuse_failed(fanned)
    assert "--catch-up" in error.value.hint
    assert nodes.ledger()["moon-01"]["outcome"] == "failed"
    (nodes.root("moon-01") / "opt/smartdc/bin/sdc-x/mine").rmdir()
    (nodes.root("moon-01") / "opt/smartdc/bin/sdc-x").rmdir()
    assert fates(nodes.catch_up())["moon-01"] == "done"


def test_too_many_failures_stop_before_the_next_wave(nodes: Nodes) -> None:
    spoil(nodes, UP[0], UP[1])
    fanned = nodes.apply(ONE, max_fail="1")
    assert of_up(fanned) == ["failed", "failed", "left"]
    assert not nodes.tree(UP[2])
    with pytest.raises(StepFailed, match="1 node left as they were"):
        refuse_failed(fanned)


def test_a_budget_of_none_stops_at_the_first_failure_and_within_a_wave(nodes: Nodes) -> None:
    spoil(nodes, UP[1])
    assert of_up(nodes.apply(ONE, waves="100%", max_fail="0", at_once=1)) == ["done", "failed", "left"]


def test_a_slow_node_is_a_failure_and_caught_up_later(nodes: Nodes) -> None:
    nodes.box.fault("assets GET /extra/gzbits/* slow=900 #3")  # the headnode looks first, then the nodes in order
    fanned = nodes.apply(ONE)
    failed = fanned.those(Fate.FAILED)
    assert [one.hostname for one in failed] == [UP[1]]
    assert "no answer: timed out" in failed[0].why
    assert nodes.ledger()[UP[1]]["outcome"] == "failed"
    assert fates(nodes.catch_up())[UP[1]] == "already"  # it went on by itself
    assert nodes.ledger()[UP[1]]["outcome"] == "done"


def test_a_node_without_room_says_so_and_stays_as_it_was(nodes: Nodes) -> None:
    nodes.apply(ONE)
    nodes.box.fault("disk-full=moon-01:/opt/*")
    fanned = nodes.apply(TWO)
    (failed,) = fanned.those(Fate.FAILED)
    assert failed.hostname == "moon-01" and "no room: 0 KiB are free" in failed.why
    assert nodes.tree("moon-01") == shown(ONE)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("assets GET /extra/gzbits/* cut=100 #3", "did not arrive: curl: (18)"),
        ("assets GET /extra/gzbits/* corrupt #3", "what arrived is not what was sent"),
        ("assets GET /extra/gzbits/* status=404 #3", "did not arrive: curl: (22)"),
        ("sdc-usbkey update fail=1:no-key-for-you #2", "its boot key was not updated: no-key-for-you"),
    ],
)
def test_one_node_in_trouble(nodes: Nodes, fault: str, words: str) -> None:
    nodes.box.fault(fault)
    fanned = nodes.apply(ONE)
    (failed,) = fanned.those(Fate.FAILED)
    assert failed.hostname == UP[1] and words in failed.why
    assert fates(nodes.catch_up())[UP[1]] in ("done", "already")


def test_a_node_that_lies_about_success_is_found_out(nodes: Nodes) -> None:
    def lie(what: str) -> None:
        if what == "apply":
            for name in ("moon-01", "moon-03"):
                place = nodes.root(name) / "opt/smartdc/bin/sdc-x"
                if place.exists():
                    place.write_text("another\n")

    nodes.after = lie
    fanned = nodes.apply(ONE)
    assert {one.hostname for one in fanned.those(Fate.FAILED)} == {"moon-01", "moon-03"}
    assert "said that it was done, and is not: /opt/smartdc/bin/sdc-x" in fanned.those(Fate.FAILED)[0].why
    nodes.after = lambda what: None
    assert of_up(nodes.catch_up()) == ["already", "done", "done"]
    assert nodes.tree("moon-01") == shown(ONE)


def test_a_rollback_is_exact_on_every_node(nodes: Nodes) -> None:
    nodes.apply(ONE)
    (nodes.root("moon-03") / "opt/smartdc/bin/foreign").write_text("by hand\n")
    before = nodes.tree("moon-03")
    nodes.apply(TWO)
    fanned = nodes.rollback()
    assert set(of_up(fanned)) == {"done"}
    assert all(nodes.tree(name) == shown(ONE) for name in UP[:2])
    assert nodes.tree("moon-03") == before
    assert {line["version"] for line in nodes.ledger().values()} == {"1.2.0"}
    assert nodes.rollback().results == ()


def test_a_node_that_was_down_at_the_rollback_is_rolled_back_by_catch_up(nodes: Nodes) -> None:
    nodes.apply(ONE)
    nodes.apply(TWO)
    nodes.power("moon-03", "down")
    assert fates(nodes.rollback())["moon-03"] == "down"
    nodes.power("moon-03", "up")
    assert nodes.tree("moon-03") == shown(TWO)
    assert fates(nodes.catch_up()) == {"moon-03": "done"}
    assert nodes.tree("moon-03") == shown(ONE)


def test_nodes_that_were_begun_when_the_headnode_died_are_rolled_back_too(nodes: Nodes) -> None:
    def die(what: str) -> None:
        raise Crash

    nodes.after = die
    with pytest.raises(Crash):
        nodes.apply(ONE, waves="100%")
    assert nodes.tree(UP[0]) == shown(ONE)
    nodes.after = lambda what: None
    assert set(of_up(nodes.rollback())) == {"done"}
    assert not any(nodes.tree(name) for name in UP)


def test_the_first_gzbits_of_all_are_taken_back_to_nothing(nodes: Nodes) -> None:
    nodes.apply(ONE)
    nodes.rollback()
    assert not any(nodes.tree(name) for name in UP)
    assert {line.get("digest", "") for line in nodes.ledger().values()} == {""}
    assert set(of_up(nodes.apply(ONE))) == {"done"}


def test_verify_asks_every_node_and_changes_nothing(nodes: Nodes) -> None:
    nodes.apply(ONE)
    assert set(of_up(nodes.verify())) == {"done"}
    place = nodes.root("MOON-02") / "opt/smartdc/bin/sdc-x"
    place.chmod(0o700)
    fanned = nodes.verify()
    (failed,) = fanned.those(Fate.FAILED)
    assert failed.hostname == "MOON-02" and "/opt/smartdc/bin/sdc-x" in failed.why
    assert place.stat().st_mode & 0o777 == 0o700
    with pytest.raises(StepFailed, match="gzbits not verified on MOON-02"):
        refuse_failed(fanned)
    assert fates(nodes.catch_up())["MOON-02"] == "done"
    assert set(of_up(nodes.verify())) == {"done"}


def test_a_node_that_was_installed_anew_is_found_by_verify(nodes: Nodes) -> None:
    import shutil

    nodes.apply(ONE)
    shutil.rmtree(nodes.root("moon-01") / "opt")
    (failed,) = nodes.verify().those(Fate.FAILED)
    assert (failed.hostname, failed.why) == ("moon-01", "it has no gzbits")
    assert fates(nodes.catch_up())["moon-01"] == "done"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("cnapi GET /servers status=503", "compute nodes cannot be listed"),
        ("assets GET /extra/* refuse", "compute nodes could not fetch gzbits"),
        ("assets GET /extra/* status=404", "answers 404"),
        ("sdc-oneachnode fail=1:failed-to-connect", "failed-to-connect"),
    ],
)
def test_with_the_stack_down_it_says_what_it_needs_and_touches_no_node(nodes: Nodes, fault: str, words: str) -> None:
    nodes.box.fault(fault)
    with pytest.raises(Unreachable, match=words) as error:
        nodes.apply(ONE)
    assert "gzbits apply --catch-up" in error.value.hint
    assert not any(nodes.tree(name) for name in UP)


def test_when_the_stack_is_up_again_catch_up_does_it(nodes: Nodes) -> None:
    nodes.box.fault("sdc-oneachnode fail=1:failed-to-connect #1")
    with pytest.raises(Unreachable):
        nodes.apply(ONE)
    assert set(of_up(nodes.catch_up())) == {"done"}


def test_a_node_can_be_looked_at_with_what_its_platform_has(nodes: Nodes) -> None:
    script = (pathlib.Path(__file__).parents[2] / "gzbits/tools/bin/sdc-gz-verify").read_text()
    nodes.apply(ONE, waves="100%")
    uuid = nodes.uuids["moon-01"]
    status, out, err = remote.run_script(nodes.dc, uuid, script)
    assert (status, err) == (0, b""), out
    (nodes.root("moon-01") / "opt/smartdc/bin/sdc-x").write_text("edited\n")
    status, out, _ = remote.run_script(nodes.dc, uuid, script)
    assert status == 1 and b"/opt/smartdc/bin/sdc-x" in out


def test_nothing_was_published_yet(nodes: Nodes) -> None:
    for command in (nodes.catch_up, nodes.rollback, nodes.verify):
        with pytest.raises(NoInput, match="no gzbits were published"):
            command()


def test_a_package_that_is_gone_is_missed_before_any_node_is_asked(nodes: Nodes) -> None:
    nodes.apply(ONE)
    (place,) = (nodes.box.gz / "usbkey/extra/gzbits").iterdir()
    place.unlink()
    before = nodes.asked()
    with pytest.raises(NoInput, match="is gone"):
        nodes.catch_up()
    assert nodes.asked() == before


def test_another_tarball_than_the_one_that_was_looked_at(nodes: Nodes) -> None:
    from gznodes_site import manifest_of, options, tarball

    from sdcupgrade.stages.gznodes import apply_nodes

    tarball(manifest_of(TWO), TWO, nodes.box.gz / "var/tmp/gzbits.tgz")
    with pytest.raises(PlanMoved, match="another tarball"):
        apply_nodes(nodes.site, manifest_of(ONE), "/var/tmp/gzbits.tgz", options())
    assert not list((nodes.box.gz / "usbkey/extra/gzbits").iterdir())


@pytest.mark.parametrize("name", ["ledger.json", "nodes.json"])
def test_damaged_records_are_named(nodes: Nodes, name: str) -> None:
    nodes.apply(ONE)
    (nodes.box.gz / "var/sdcupgrade/gzbits" / name).write_text("{")
    with pytest.raises(BadInput, match=name) as error:
        nodes.catch_up()
    assert "move that file away" in error.value.hint


@pytest.mark.parametrize("mode", ["after", "torn"])
def test_cut_off_anywhere_catch_up_ends_it(nodes: Nodes, mode: str) -> None:
    """Few moments are tried: the nodes' own part is cut off elsewhere, call by call."""
    number, tried = 2, 0
    while True:
        files = (ONE, TWO)[tried % 2]
        doors, _ = crashing(nodes.doors(), number, mode)
        try:
            nodes.apply(files, doors)
            break
        except Crash:
            tried += 1
        files = (ONE, TWO)[(tried - 1) % 2]
        assert set(of_up(nodes.apply(files))) <= {"done", "already"}, number
        assert all(nodes.tree(name) == shown(files) for name in UP), number
        number += 9
    assert tried > 1
