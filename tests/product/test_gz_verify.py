"""``sdc-gz-verify`` in a bash, with a folder in the place of the global zone and the box's json for the platform's."""

from __future__ import annotations

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from bits_builders import entry, folder, link, manifest

from sdcupgrade.bits.manifest import Entry, Kind, Manifest
from sdcupgrade.jsonvalue import pretty

ROOT = pathlib.Path(__file__).parents[2]
BASH = shutil.which("bash") or "bash"
PROGRAM = ROOT / "gzbits/tools/bin/sdc-gz-verify"
JSON = f"""#!{sys.executable} -sSE
import pathlib, sys
sys.path[:0] = [{str(ROOT / "tools")!r}]
from mockdc.commands.call import Call
from mockdc.commands.json_tool import json_tool
from mockdc.core.datacenter import Datacenter
call = Call(Datacenter.empty(pathlib.Path("/nowhere")), "", "json", sys.argv[1:], stdin=sys.stdin.buffer.read)
status = json_tool(call)
sys.stdout.buffer.write(call.stdout.getvalue())
sys.stderr.buffer.write(call.stderr.getvalue())
sys.exit(status)
"""
SYSINFO = """#!/bin/sh
echo '{"Boot Parameters": {"headnode": "%s"}}'
"""
DATA = {
    "gzbits/default/user-script.common": b"#!/usr/bin/bash\n",
    "gzbits/scripts/README": b"mixed case\n",
    "gzbits/tools/bin/sdc-x": b"#!/usr/bin/sh\n",
    "gzbits/tools/empty": b"",
    "gzbits/tools/lib/of $(touch x)]|*.js": b"// odd name\n",
}
WHOLE: Manifest = manifest(
    entry("gzbits/default/user-script.common", data=DATA["gzbits/default/user-script.common"], mode=0o755),
    entry("gzbits/scripts/README", data=DATA["gzbits/scripts/README"]),
    folder("gzbits/tools/bin"),
    entry("gzbits/tools/bin/sdc-x", data=DATA["gzbits/tools/bin/sdc-x"], mode=0o755),
    link("gzbits/tools/bin/sdc-y", "sdc-x"),
    entry("gzbits/tools/empty"),
    folder("gzbits/tools/lib", on=("hn",)),
    entry("gzbits/tools/lib/of $(touch x)]|*.js", data=DATA["gzbits/tools/lib/of $(touch x)]|*.js"], on=("hn",)),
)
TITLE = "gzbits 1.2.0 main-20261123T101500Z-g0123abc"


@dataclass
class Zone:
    """A global zone in a folder."""

    root: pathlib.Path

    def put(self, one: Manifest, on: str = "hn") -> None:
        """What the manifest says, and the manifest."""
        for item in one.on(on):
            self.put_entry(item)
        place = self.root / "var/sdcupgrade/gzbits/installed.json"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(pretty({**one.to_json(), "image": "8d6b5f5a-0000-4000-8000-000000000001"}))

    def put_entry(self, item: Entry) -> None:
        path = self.path(item.destination)
        path.parent.mkdir(parents=True, exist_ok=True)
        if item.kind is Kind.DIR:
            path.mkdir(exist_ok=True)
        elif item.kind is Kind.LINK:
            path.symlink_to(item.target)
        else:
            path.write_bytes(DATA[item.path])
        if item.kind is not Kind.LINK:
            path.chmod(item.mode)

    def path(self, destination: str) -> pathlib.Path:
        """Where that is on this machine."""
        return self.root / destination[1:]

    def verify(self, *words: str, programs: str = "") -> subprocess.CompletedProcess[str]:
        """Run it."""
        found = programs or f"{self.root}/programs:{os.environ['PATH']}"
        env = {"PATH": found, "SDCUPGRADE_ROOT": str(self.root)}
        return subprocess.run([BASH, PROGRAM, *words], capture_output=True, text=True, check=False, env=env)


@pytest.fixture
def zone(tmp_path: pathlib.Path) -> Zone:
    """A headnode's, with nothing in it."""
    for name, text in (("json", JSON), ("sysinfo", SYSINFO % "true")):
        path = tmp_path / "programs" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    return Zone(tmp_path)


def test_a_zone_that_is_as_it_should_be(zone: Zone) -> None:
    zone.put(WHOLE)
    done = zone.verify()
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{TITLE}: 8 paths: all as in the manifest\n", "")


def test_a_compute_node_has_its_part(zone: Zone) -> None:
    zone.put(WHOLE, "cn")
    (zone.root / "programs/sysinfo").write_text(SYSINFO % "false")
    done = zone.verify()
    assert (done.returncode, done.stdout) == (0, f"{TITLE}: 4 paths: all as in the manifest\n")
    assert zone.verify("-q", "-n", "hn").stdout.startswith(f"{TITLE}: 8 paths: 4 differ; on the headnode,")


def test_everything_that_differs_is_told(zone: Zone) -> None:
    zone.put(WHOLE)
    zone.path("/opt/smartdc/bin/sdc-x").chmod(0o644)
    zone.path("/opt/smartdc/bin/sdc-y").unlink()
    zone.path("/opt/smartdc/bin/sdc-y").symlink_to("/etc/passwd")
    zone.path("/opt/smartdc/empty").unlink()
    zone.path("/opt/smartdc/lib/of $(touch x)]|*.js").write_bytes(b"// odd nama\n")
    zone.path("/usbkey/default/user-script.common").write_bytes(b"longer than it was")
    zone.path("/usbkey/scripts/README").unlink()
    zone.path("/usbkey/scripts/README").mkdir()
    done = zone.verify()
    assert done.returncode == 1
    assert done.stderr == ""
    assert sorted(done.stdout.splitlines()[:-1]) == [
        "content  /opt/smartdc/lib/of $(touch x)]|*.js",
        "content  /usbkey/default/user-script.common (18 bytes, not 16)",
        "kind     /usbkey/scripts/README (a dir, not a file)",
        "link     /opt/smartdc/bin/sdc-y (to /etc/passwd, not sdc-x)",
        "missing  /opt/smartdc/empty",
        "mode     /opt/smartdc/bin/sdc-x (0644, not 0755)",
    ]
    last = f'{TITLE}: 8 paths: 6 differ; on the headnode, "sdcupgrade gzbits apply" puts them right'
    assert done.stdout.splitlines()[-1] == last
    assert zone.verify("-q").stdout == f"{last}\n"


def test_more_files_than_are_named_in_one_call(zone: Zone) -> None:
    data = {f"gzbits/tools/f{number:03}": str(number).encode() for number in range(450)}
    DATA.update(data)
    zone.put(manifest(*(entry(path, data=text) for path, text in data.items())))
    assert zone.verify().stdout == f"{TITLE}: 450 paths: all as in the manifest\n"
    for number in (0, 199, 200, 449):
        zone.path(f"/opt/smartdc/f{number:03}").write_bytes(b"x" * len(str(number)))
    assert sorted(zone.verify().stdout.splitlines())[:4] == [
        f"content  /opt/smartdc/f{number:03}" for number in (0, 199, 200, 449)
    ]


def test_the_boot_key_folds_names(zone: Zone) -> None:
    zone.put(WHOLE)
    key = zone.root / "mnt/usbkey"
    for path in ("default/user-script.common", "scripts/readme"):
        (key / path).parent.mkdir(parents=True)
        (key / path).write_bytes(DATA[f"gzbits/{path.replace('readme', 'README')}"])
    done = zone.verify("-k", f"{key}/")
    assert (done.returncode, done.stdout) == (0, f"{TITLE}: 8 paths, 2 files of the boot key: all as in the manifest\n")
    (key / "scripts/readme").unlink()
    (key / "default/user-script.common").write_bytes(b"old")
    assert sorted(zone.verify("-k", str(key)).stdout.splitlines()[:2]) == [
        "content  /mnt/usbkey/default/user-script.common",
        f"missing  {key}/scripts/README",
    ]


def test_the_digest_is_what_counts(zone: Zone) -> None:
    zone.put(WHOLE)
    path = zone.path("/opt/smartdc/bin/sdc-x")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == WHOLE.entries[3].sha256
    path.write_bytes(b"#!/usr/bin/sH\n")
    assert zone.verify().stdout.startswith("content  /opt/smartdc/bin/sdc-x\n")


TROUBLE: dict[str, tuple[Callable[[Zone], subprocess.CompletedProcess[str]], int, str]] = {
    "nothing installed": (lambda zone: zone.verify(), 66, "no gzbits is installed here"),
    "no json": (lambda zone: zone.verify("-n", "hn", programs="/nowhere"), 69, "there is no json here"),
    "not a manifest": (lambda zone: zone.verify("-m", str(PROGRAM)), 76, "cannot be read as a manifest of gzbits"),
    "no key": (lambda zone: installed(zone).verify("-k", "/nowhere"), 66, "/nowhere: there is no such folder"),
    "option": (lambda zone: zone.verify("-z"), 2, "usage: sdc-gz-verify"),
    "word": (lambda zone: zone.verify("x"), 2, "usage: sdc-gz-verify"),
    "server": (lambda zone: zone.verify("-n", "moon"), 2, "usage: sdc-gz-verify"),
    "another manifest": (lambda zone: zone.verify("-m", other(zone)), 76, "cannot be read as a manifest of gzbits"),
    "no sysinfo": (lambda zone: installed(zone, "exit 1").verify(), 76, "say -n hn or -n cn"),
    "nothing for this kind": (
        lambda zone: only_hn(zone).verify("-n", "cn"),
        76,
        "has no entry for this kind of server",
    ),
}


def installed(zone: Zone, sysinfo: str = "") -> Zone:
    zone.put(WHOLE)
    if sysinfo:
        (zone.root / "programs/sysinfo").write_text(f"#!/bin/sh\n{sysinfo}\n")
    return zone


def only_hn(zone: Zone) -> Zone:
    zone.put(manifest(WHOLE.entries[0]))
    return zone


def other(zone: Zone) -> str:
    path = zone.root / "other.json"
    path.write_text('{"format": "other", "version": "1", "buildstamp": "x"}')
    return str(path)


@pytest.mark.parametrize("name", TROUBLE)
def test_trouble_has_its_status_and_a_line(zone: Zone, name: str) -> None:
    act, status, problem = TROUBLE[name]
    done = act(zone)
    assert (done.returncode, done.stdout) == (status, "")
    assert problem in done.stderr
    assert status == 2 or done.stderr.count("\n") == 1


def test_the_statuses_are_those_of_the_man_page() -> None:
    page = (PROGRAM.parents[1] / "man/man1/sdc-gz-verify.1").read_text()
    told = {int(line[4:]) for line in page.splitlines() if line.startswith(".It ") and line[4:].isdigit()}
    assert told == {0, 1} | {status for _, status, _ in TROUBLE.values()}
