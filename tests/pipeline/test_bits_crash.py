"""Whatever instant a gzbits command is cut off at: at every one of them each path is whole, old or new, and what is
typed next leaves the one or the other everywhere."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest
from bits_site import Snapshot, differences, headnode, key_is_mounted, snapshot, staging
from crashes import Copies, cut_off_after
from mockdc.faces.crash import crashing
from site_in_a_box import Site

APPLY = "gzbits apply --headnode-only new.tgz --yes"
ROLLBACK = "gzbits rollback --headnode-only --yes"
RESUME = "gzbits resume"
DEPENDED_ON = ("usbkey/scripts", "usbkey/default", "opt/smartdc/bin", "opt/smartdc/lib", ".mockdc/key/scripts")


class Truth:
    """How everything is before and after an apply; judges what is seen in between."""

    def __init__(self, copies: Copies) -> None:
        self.old = snapshot(copies.site)
        site = copies()
        site.run(APPLY).ok()
        self.new = snapshot(site)
        assert len(differences(self.old, self.new)) > 15

    def instant(self, site: Site) -> None:
        """At any time: each path as it was or as it will be, nothing else there, and the folders that scripts need."""
        now = snapshot(site)
        for path in {*now, *self.old, *self.new}:
            assert now.get(path) in (self.old.get(path), self.new.get(path)), path
        for folder in DEPENDED_ON:
            assert (site.gz / folder).is_dir(), folder

    def settled(self, site: Site, wanted: Snapshot) -> None:
        """In the end: everything as *wanted*, nothing of the work left over, and the manifest agrees."""
        assert differences(snapshot(site), wanted) == []
        assert staging(site) == []
        assert not key_is_mounted(site)
        site.run("gzbits verify --headnode-only").ok()
        kept = {path.name for path in (site.gz / "var/sdcupgrade/gzbits").iterdir()}
        assert kept <= {"installed.json", "previous.json", "journal.jsonl", "kept"}


@pytest.fixture
def copies(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Copies:
    """Copies of a headnode that has the old ones."""
    site = headnode(tmp_path)
    monkeypatch.chdir(site.ops)
    site.run("gzbits apply --headnode-only old.tgz --yes").ok()
    return Copies(site, tmp_path)


def installed(site: Site) -> str:
    """The version that counts as installed."""
    text = (site.gz / "var/sdcupgrade/gzbits/installed.json").read_text(encoding="utf-8")
    return "2.0" if '"version":"2.0"' in text else "1.0"


def upgraded(copies: Copies) -> None:
    """Let the copies be of a headnode that has the new ones."""
    copies.site.run(APPLY).ok()


@pytest.mark.parametrize("line", [APPLY, ROLLBACK])
def test_at_every_step_every_path_is_whole(copies: Copies, line: str) -> None:
    truth = Truth(copies)
    if line == ROLLBACK:
        upgraded(copies)
    site = copies()
    doors, crasher = crashing(site.doors, 0)
    crasher.watch = lambda: truth.instant(site)
    site.run(line, doors).ok()
    assert crasher.names.count("swap_in") > 10
    truth.settled(site, truth.old if line == ROLLBACK else truth.new)


def cuts(copies: Copies, line: str, every: int) -> Iterator[tuple[str, Site]]:
    """Before and after calls, and in the middle of those that write."""
    yield from copies.cut_off(line, "before", every)
    yield from copies.cut_off(line, "after", every)
    yield from copies.cut_off(line, "torn", every, only="put")


@pytest.mark.parametrize("again", [RESUME, APPLY])
def test_an_apply_cut_off_is_completed(copies: Copies, again: str) -> None:
    truth = Truth(copies)
    for where, site in cuts(copies, APPLY, 41):
        truth.instant(site)
        site.run(again).ok()
        if again == RESUME and installed(site) == "1.0":  # it had changed nothing yet
            truth.settled(site, truth.old)
            site.run(APPLY).ok()
        assert installed(site) == "2.0", where
        truth.settled(site, truth.new)


def test_an_apply_cut_off_is_undone(copies: Copies) -> None:
    truth = Truth(copies)
    before = (copies.site.gz / "var/sdcupgrade/gzbits/previous.json").read_bytes()
    for where, site in cuts(copies, APPLY, 41):
        if not begun(site):
            continue  # nothing to undo: a rollback would go one further
        site.run(ROLLBACK).ok()
        assert installed(site) == "1.0", where
        truth.settled(site, truth.old)
        assert not undone_by_cancelling(site) or previous(site) == before, where


def begun(site: Site) -> bool:
    """Whether the apply of the new ones got as far as its journal."""
    return '"name":"gzbits 2.0' in (site.gz / "var/sdcupgrade/gzbits/journal.jsonl").read_text(encoding="utf-8")


def undone_by_cancelling(site: Site) -> bool:
    """Whether it was still in the middle, and so what the apply before had found is still there to go back to."""
    return '"ending":"cancelled"' in (site.gz / "var/sdcupgrade/gzbits/journal.jsonl").read_text(encoding="utf-8")


def previous(site: Site) -> bytes:
    """What a rollback goes back to."""
    return (site.gz / "var/sdcupgrade/gzbits/previous.json").read_bytes()


@pytest.mark.parametrize("again", [RESUME, ROLLBACK])
def test_a_rollback_cut_off_is_completed(copies: Copies, again: str) -> None:
    truth = Truth(copies)
    upgraded(copies)
    for where, site in cuts(copies, ROLLBACK, 41):
        truth.instant(site)
        if again == RESUME or installed(site) == "2.0" or cut_in_the_middle(site):
            site.run(again).ok()
        else:  # it was over, but for the last of the tidying
            assert "nothing to resume" in site.run(RESUME).ok().out, where
        if again == RESUME and installed(site) == "2.0":  # it had changed nothing yet
            truth.settled(site, truth.new)
            site.run(ROLLBACK).ok()
        assert installed(site) == "1.0", where
        truth.settled(site, truth.old)


def cut_in_the_middle(site: Site) -> bool:
    """Whether the journal's last word is not an end."""
    last = (site.gz / "var/sdcupgrade/gzbits/journal.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    return '"event":"done"' not in last


def test_undoing_cut_off_is_undone_or_completed(copies: Copies) -> None:
    """The apply is cut off in its middle, and so is what undoes it."""
    truth = Truth(copies)
    middle = middle_of(copies)
    assert cut_off_after(copies.site, APPLY, middle)
    for where, site in cuts(copies, ROLLBACK, 31):
        truth.instant(site)
        site.run(RESUME).ok()
        assert differences(snapshot(site), truth.new if installed(site) == "2.0" else truth.old) == [], where
        truth.settled(site, truth.new if installed(site) == "2.0" else truth.old)


def middle_of(copies: Copies) -> int:
    """The number of a call of an apply that is in the midst of its renames."""
    site = copies()
    doors, crasher = crashing(site.doors, 0)
    site.run(APPLY, doors).ok()
    renames = [number for number, name in enumerate(crasher.names, 1) if name == "swap_in"]
    return renames[len(renames) * 3 // 4]


def test_it_comes_to_an_end_however_often_it_is_cut_off(copies: Copies) -> None:
    truth = Truth(copies)
    site, line, crashes = copies(), APPLY, 0
    while cut_off_after(site, line, 37 if line == APPLY else 9):
        truth.instant(site)
        if begun(site) and not cut_in_staging(site):
            line = RESUME
        crashes += 1
        assert crashes < 60
        if crashes > 1 and line == APPLY:
            break
    site.run(line).ok()
    truth.settled(site, truth.new)


def cut_in_staging(site: Site) -> bool:
    """Whether the journal's last word is that it began."""
    last = (site.gz / "var/sdcupgrade/gzbits/journal.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    return '"event":"begin"' in last
