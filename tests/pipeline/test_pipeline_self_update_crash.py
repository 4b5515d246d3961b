"""Whatever instant a self-update is cut off at, and whichever write fails, the link leads to a whole version, old or
new, and the same command typed again ends well.
"""

from __future__ import annotations

import errno
import os
import pathlib
import shutil
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

pytest.importorskip("tuf", reason="python-tuf is the repository side, and needs a newer python")

import trust_repo
from crashes import moments, small_site
from mockdc.faces.crash import Crash, crashing
from trust_repo import Repository
from untouched import told
from versions import LATEST, Headnode, inside, program

from sdcupgrade.doors.files import RootedFiles
from sdcupgrade.errors import StorageError
from sdcupgrade.run import installed
from sdcupgrade.run.journal import Journal
from sdcupgrade.stages.installing import JOURNAL

LINES = ("install", LATEST, "self-update --rollback")
EVERY = 2
"""Each second moment in the usual run, of some 60."""


@pytest.fixture
def ready(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Headnode:
    """Two versions are installed, the newer of them in use, and a third could be."""
    site = small_site(tmp_path)
    monkeypatch.chdir(site.ops)
    monkeypatch.setattr(trust_repo, "NOW", site.dc.clock.now())
    node = Headnode(site, Repository())
    node.metadata()
    node.install("1.0.0", 1)
    node.release("1.1.0", 2)
    node.run(LATEST).ok()
    node.release("1.2.0", 3)
    node.dropped("1.2.0", 3)
    data = program("1.3.0", 4)
    node.publish(data, "1.3.0", 4, node.sign(data, "1.3.0", 4), "staging")
    return node


def file_for(line: str) -> str:
    """What the command is run from."""
    return "/var/tmp/sdcupgrade" if line == "install" else installed.LINK


class Copied:
    """A headnode that is as it was again and again, as far as a self-update may change it."""

    PLACES = ("opt/custom", "var/sdcupgrade", "var/tmp", "metadata")

    def __init__(self, node: Headnode, folder: pathlib.Path) -> None:
        self.node = node
        self.kept = folder / "kept"
        for place in self.PLACES:
            shutil.copytree(node.site.gz / place, self.kept / place, symlinks=True)

    def __call__(self) -> Headnode:
        for place in self.PLACES:
            shutil.rmtree(self.node.site.gz / place)
            shutil.copytree(self.kept / place, self.node.site.gz / place, symlinks=True)
        return self.node

    def cut_off(self, line: str, mode: str, only: str = "") -> Iterator[tuple[str, Headnode]]:
        """Headnodes where the command was cut off, at one door call after the other, and where."""
        node = self()
        doors, crasher = crashing(node.site.doors, 0)
        node.run(line, file_for(line), doors).ok()
        names = crasher.names
        for number in moments(len(names), 1 if only else EVERY):
            if only in ("", names[number - 1]):
                node = self()
                doors, crasher = crashing(node.site.doors, number, mode)
                with pytest.raises(Crash):
                    node.run(line, file_for(line), doors)
                yield crasher.where, node


def whole(node: Headnode, *versions: str) -> str:
    """Look whether what the link leads to is one of these versions, whole; which."""
    version = node.version()
    assert version in versions
    path = installed.current(node.files)
    assert path is not None
    data = node.files.read(path)
    assert (len(data) > 10_000, inside(data)["told"]["ok"]) == (True, True)
    assert os.stat(node.files.real(path)).st_mode & 0o777 == 0o555
    return version


def nothing_left(node: Headnode) -> None:
    """No temporary file, no empty folder, no trial; and a journal that can be read."""
    names = [path.name for path in (node.site.gz / "opt/custom").rglob("*")]
    assert [name for name in names if name.startswith((".", "trial"))] == []
    for folder in node.versions():
        assert node.files.listdir(f"{installed.VERSIONS}/{folder}") == ["sdcupgrade"]
    assert Journal(node.files, JOURNAL, node.site.doors.clock).entries


@pytest.mark.parametrize("mode", ["before", "after"])
@pytest.mark.parametrize("line", LINES, ids=["install", "self-update", "rollback"])
def test_cut_off_at_any_call(ready: Headnode, tmp_path: pathlib.Path, line: str, mode: str) -> None:
    goal = "1.0.0" if "rollback" in line else "1.2.0"
    for where, node in Copied(ready, tmp_path).cut_off(line, mode):
        found = whole(node, "1.1.0", goal)
        node.run("version -j").ok()
        if found == "1.1.0" or line != LINES[2]:  # a rollback that was done would go forth again
            ran = node.run(line, file_for(line))
            assert ran.status == 0, f"{where}: {ran.err}"
        assert whole(node, goal), where
        node.run("version -j").ok()
        node.run(LATEST.replace("dev", "staging")).ok()
        assert whole(node, "1.3.0"), where
        nothing_left(node)


def test_half_a_line_in_the_journal_is_no_line(ready: Headnode, tmp_path: pathlib.Path) -> None:
    for where, node in Copied(ready, tmp_path).cut_off(LATEST, "torn", only="append"):
        whole(node, "1.1.0", "1.2.0")
        node.run(LATEST).ok()
        assert whole(node, "1.2.0"), where


def test_it_comes_to_an_end_however_often_it_is_cut_off(ready: Headnode) -> None:
    for tries in range(1, 40):
        doors, _ = crashing(ready.site.doors, 9 + tries)
        try:
            ready.run(LATEST, None, doors).ok()
            break
        except Crash:
            whole(ready, "1.1.0", "1.2.0")
    assert tries > 3
    assert whole(ready, "1.2.0")


# --- disk full, read-only, no permission ------------------------------------------------------------------------------
WRITING = {"write", "append", "rename", "remove", "mkdir", "link", "chmod", "open_append"}


class Failing:
    """The door to files, of which the *at*-th call that writes fails."""

    def __init__(self, files: RootedFiles, at: int, why: int) -> None:
        self._files = files
        self._at = at
        self._why = why
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        function = getattr(self._files, name)
        if name not in WRITING:
            return function

        def call(path: str, *words: Any, **named: Any) -> Any:
            self.calls += 1
            if self.calls == self._at:
                raise StorageError(f"{path}: cannot be written: {os.strerror(self._why).lower()}", "see it")
            return function(path, *words, **named)

        return call


@pytest.mark.parametrize("line", LINES, ids=["install", "self-update", "rollback"])
def test_a_write_that_fails_at_any_step(ready: Headnode, tmp_path: pathlib.Path, line: str) -> None:
    copies, number, failures = Copied(ready, tmp_path), 0, 0
    goal = "1.0.0" if "rollback" in line else "1.2.0"
    while True:
        number += 1
        node, why = copies(), (errno.ENOSPC, errno.EROFS)[number % 2]
        door = Failing(cast(RootedFiles, node.files), number, why)
        ran = node.run(line, file_for(line), replace(node.site.doors, files=cast(Any, door)))
        if door.calls < number:
            break
        found = whole(node, "1.1.0", goal)
        if ran.status:
            failures += 1
            told(ran, 73, os.strerror(why).lower())
        if found == "1.1.0" or line != LINES[2]:
            node.run(line, file_for(line)).ok()
        assert whole(node, goal)
    assert failures > 5


def test_too_little_space_is_seen_before_anything_is_fetched(ready: Headnode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RootedFiles, "free", lambda self, path: 1 << 20)
    told(ready.run(LATEST), 73, "1 MiB are free, and 16 MiB are needed")
    assert whole(ready, "1.1.0")
