"""Self-update as real processes, between built files that are signed, and published in a box: the whole way there and
back, a new version that breaks on its first command, two at once, and kill -9 at random moments.

``KILLS=50`` kills fifty times; the usual run fewer. The exhaustive proof, at every call, is made in process.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import uuid
import zipfile
from collections.abc import Iterator
from typing import Any, cast

import pytest

pytest.importorskip("tuf", reason="python-tuf is the repository side")

import trust_repo
from conftest import Box

from build.finish import write

KILLS = int(os.environ.get("KILLS", "6"))
OLD, NEW, BROKEN = ("1.0.0", 1), ("1.1.0", 2), ("1.2.0", 3)
BREAKS = "if sys.argv[1:2] != ['selftest']:\n    raise ImportError('broken on purpose')\n"
Done = subprocess.CompletedProcess[str]


def stamp(day: int) -> str:
    """The buildstamp of a day."""
    return f"main-202611{day:02d}T101500Z-g0123abc"


def said(version: str, day: int) -> str:
    """What that version answers to --version."""
    return f"sdcupgrade {version} ({stamp(day)})\n"


def variant(one_file: pathlib.Path, place: pathlib.Path, version: str, day: int, more: str = "") -> pathlib.Path:
    """The one file as another version, for this Python alone; *more* is code at the start of ``__main__``."""
    data = one_file.read_bytes()
    with zipfile.ZipFile(one_file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    tag = sys.implementation.cache_tag
    members = {name: text for name, text in members.items() if not name.startswith("cpython-") or name.startswith(tag)}
    changes = {
        "__init__": (r'(__version__ = )"[^"]*"', rf'\1"{version}"'),
        "_build": (r"(STAMP = )'[^']*'", rf"\1'{stamp(day)}'"),
        "__main__": (r"(?m)^(import sys\n)", rf"\1{more}"),
    }
    for name, (before, after) in changes.items():
        text = members[f"site-packages/sdcupgrade/{name}.py"].decode()
        changed = re.sub(before, after, text).encode()
        members[f"site-packages/sdcupgrade/{name}.py"] = members[f"{tag}/sdcupgrade/{name}.py"] = changed
        members.pop(f"{tag}/sdcupgrade/{name}.pyc", None)
    write(place, data[: data.index(b"PK\3\4")], members)
    return place


class Headnode:
    """A box with versions on its updates server; OLD is installed."""

    def __init__(self, box: Box, folder: pathlib.Path, one_file: pathlib.Path) -> None:
        self.box = box
        self.link = box.root / "opt/custom/bin/sdcupgrade"
        self.env = {**os.environ, **box.env, "SDCUPGRADE_PYTHON": sys.executable}
        self.files: dict[tuple[str, int], pathlib.Path] = {}
        self.images: dict[tuple[str, int], str] = {}
        self.repository = trust_repo.Repository()
        for (version, day), more in ((OLD, ""), (NEW, ""), (BROKEN, BREAKS)):
            self.files[version, day] = variant(one_file, folder / f"sdcupgrade-{version}", version, day, more)
        for version, day in (NEW, BROKEN):
            self.publish(version, day)
        self.publish_metadata(folder / "trust.tgz")
        root = box.root / "var/sdcupgrade/trust-root.json"
        root.parent.mkdir(parents=True, exist_ok=True)
        root.write_bytes(self.repository.first_root)
        dropped = shutil.copy(self.files[OLD], box.root / "var/tmp/sdcupgrade")
        self.must("install", file=dropped)
        self.kept = folder / "kept"
        shutil.copytree(box.root / "opt/custom", self.kept, symlinks=True)

    def publish(self, version: str, day: int) -> None:
        """Sign an image of it and publish that."""
        number, file = str(uuid.uuid4()), self.files[version, day]
        path = f"sdcupgrade/{number}"
        self.repository.add_target("targets", path, file.read_bytes())
        told = {"name": "sdcupgrade", "uuid": number, "version": version, "buildstamp": stamp(day)}
        cast(Any, self.repository.targets).targets[path].unrecognized_fields["custom"] = told
        channel = "dev" if (version, day) == NEW else "staging"
        self.box.must("publish", "--name", "sdcupgrade", "--version", version, "--uuid", number, "--file", str(file),
                      "--tag", f"buildstamp={stamp(day)}", "--channel", channel)  # fmt: skip
        self.images[version, day] = number

    def publish_metadata(self, archive: pathlib.Path) -> None:
        """As an image in both channels."""
        self.repository.publish("targets", "snapshot", "timestamp")
        with tarfile.open(archive, "w:gz") as tar:
            for name, data in self.repository.files.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(data)
                tar.addfile(entry, io.BytesIO(data))
        for channel in ("dev", "staging"):
            self.box.must("publish", "--name", "sdcupgrade-trust", "--file", str(archive), "--channel", channel)

    def restore(self) -> None:
        """OLD is in use, and nothing else there."""
        for place in ("opt/custom", "var/sdcupgrade/trust"):
            shutil.rmtree(self.box.root / place, ignore_errors=True)
        (self.box.root / "var/sdcupgrade/self-update.jsonl").unlink(missing_ok=True)
        shutil.copytree(self.kept, self.box.root / "opt/custom", symlinks=True)

    def start(self, *words: str, file: str | pathlib.Path = "") -> subprocess.Popen[str]:
        """A command of the version in use, or of *file*."""
        return subprocess.Popen([str(file or self.link), *words], env=self.env, text=True, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)  # fmt: skip

    def run(self, *words: str, file: str | pathlib.Path = "") -> Done:
        """The same, to its end."""
        process = self.start(*words, file=file)
        out, err = process.communicate()
        return subprocess.CompletedProcess(words, process.returncode, out, err)

    def must(self, *words: str, file: str | pathlib.Path = "") -> str:
        """What it says; it must end well."""
        done = self.run(*words, file=file)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def state(self) -> dict[str, Any]:
        """What ``version -j`` tells."""
        found: dict[str, Any] = json.loads(self.must("version", "-j"))
        return found


@pytest.fixture(scope="module")
def headnode(one_file: pathlib.Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Headnode]:
    folder = tmp_path_factory.mktemp("selfupdate")
    box = Box(folder / "headnode")
    box.up("--scenario", "coal", "--speed", "1000")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trust_repo, "NOW", time.time())
        yield Headnode(box, folder, one_file)
    box.mockdc("down")


@pytest.fixture
def node(headnode: Headnode) -> Headnode:
    headnode.restore()
    return headnode


def test_there_and_back(node: Headnode) -> None:
    assert node.must("--version") == said(*OLD)
    assert f"Would update to {said(*NEW).strip()}" in node.must("self-update", "--latest", "-C", "dev", "-n")
    told = node.must("self-update", "--latest", "-C", "dev")
    assert told == f"Updated to {said(*NEW).strip()}. To go back: sdcupgrade self-update --rollback\n"
    assert node.must("--version") == said(*NEW)
    state = node.state()
    paths = [f"/opt/custom/sdcupgrade/{version}/sdcupgrade" for version in ("1.1.0", "1.0.0")]
    assert [state[key] for key in ("installed", "good", "previous", "trial")] == [paths[0], *paths, None]
    assert os.stat(node.link).st_mode & 0o777 == 0o555
    assert "is up to date" in node.must("self-update", "--latest", "-C", "dev")
    assert "Went back to" in node.must("self-update", "--rollback")
    assert node.must("--version") == said(*OLD)


def test_a_version_that_breaks_after_its_proof_goes_back_by_itself(node: Headnode) -> None:
    done = node.run("self-update", "--latest", "-C", "staging")
    assert done.returncode == 70
    assert "cannot be started: ImportError: broken on purpose" in done.stderr
    last = done.stderr.splitlines()[-1]
    assert "1.2.0/sdcupgrade failed in its first command (exit status 70): went back to" in last
    assert "Traceback" not in done.stderr
    assert node.must("--version") == said(*OLD)
    again = node.run("self-update", "--latest", "-C", "staging")
    assert (again.returncode, "it was tried and gone back from" in again.stderr) == (0, True)


def test_two_at_once(node: Headnode) -> None:
    both = [node.start("self-update", "--latest", "-C", "dev") for _ in range(2)]
    ended = [(process.communicate()[1], process.returncode)[::-1] for process in both]
    assert 0 in [status for status, _ in ended], ended
    for status, text in ended:
        assert status in (0, 3, 75), text
        assert text.count("sdcupgrade: ") == (1 if status else 0), text
    assert node.must("--version") == said(*NEW)


def test_a_selftest_tells_of_every_module(node: Headnode, tmp_path: pathlib.Path) -> None:
    told = json.loads(node.must("selftest", "-j"))
    assert (told["ok"], told["version"], told["buildstamp"], told["problems"]) == (True, "1.0.0", stamp(1), [])
    assert told["modules"] > 80
    broken = variant(node.files[OLD], tmp_path / "broken", *OLD, "sys.modules['sdcupgrade.plan.recipes'] = None\n")
    done = node.run("selftest", "-j", file=broken)
    told = json.loads(done.stdout)
    assert (done.returncode, told["ok"]) == (4, False)
    assert any("sdcupgrade.plan.recipes cannot be imported" in problem for problem in told["problems"])


@pytest.mark.parametrize("number", range(KILLS))
def test_killed_at_a_random_moment_it_still_runs(node: Headnode, number: int) -> None:
    chance = random.Random(f"{number} {os.getpid()}")
    process = node.start("self-update", node.images[NEW], "-C", "dev")
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(chance.uniform(0.0, 1.1))
    with contextlib.suppress(ProcessLookupError):
        (os.killpg if number % 2 else os.kill)(process.pid, signal.SIGKILL)
    process.communicate()  # to the end of whatever it had started
    assert node.must("--version") in (said(*OLD), said(*NEW))
    if number % 5 == 0:
        done = node.run("self-update", node.images[NEW], "-C", "dev")
        assert done.returncode == 0, done.stderr
        assert node.must("--version") == said(*NEW)
        names = [path.name for path in (node.box.root / "opt/custom").rglob("*")]
        assert [name for name in names if name.startswith((".", "trial"))] == []
