"""The product at work, from nothing: ``make demo``.

Holds a small key ceremony and builds the one file twice: an older version, which is dropped onto a datacenter in a box
and installs itself, and this one, which is signed and published there. The old one then runs the customer's own spec,
and updates itself first. Everything else follows as an operator would type it, each command a process of its own over
real commands and HTTP: every service that needs no special procedure, and one of them rolled back; the bits of the
global zones of nine servers, one of which is down and caught up with, and back; and a site without network, which gets
one bundle, made elsewhere, and no updates server. Everything happens below a temporary folder;
nothing is installed. Ended early (Ctrl-C, SIGTERM, SIGHUP) it takes the boxes down and removes the folder, too.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import pathlib
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

ROOT = pathlib.Path(__file__).resolve().parent.parent
MOCKDC = str(ROOT / "tools" / "mockdc" / "mockdc")
CUSTOMERS_SPEC = {"imgapi": "4803c1cd-5882-9c48-bc2a-fc81c1429a89", "adminui": "latest"}
ROLLED_BACK = "vmapi"
AIR_GAPPED_SPEC = {"imgapi": "latest", "vmapi": "latest", "adminui": "latest"}
OLDER = "0.0.9"
BITS = ("1.0.0", "1.1.0")
DOWN = "moon-03"
OLD_STAMP, NEW_STAMP = "20260101T000000Z", "20261101T000000Z"
SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
PATIENCE_S = 5.0


class Failed(Exception):
    """A command of the demonstration ended badly."""


class Stopped(BaseException):
    """Somebody wants the demonstration to end: the number of the signal. No ``Exception``, so that all gives way."""


class Ending:
    """Turns the first of the signals that end the demonstration into Stopped; those that follow, while things are put
    away, are not heard. While a process is being started it waits: that process would be forgotten."""

    def __init__(self) -> None:
        self.held = False
        self.late = 0

    def listen(self) -> None:
        """From now on."""
        for each in SIGNALS:
            signal.signal(each, self.heard)

    def heard(self, number: int, frame: object) -> None:
        """The handler."""
        for each in SIGNALS:
            signal.signal(each, signal.SIG_IGN)
        if not self.held:
            raise Stopped(number)
        self.late = number

    def run(self, words: list[str], **how: Any) -> tuple[int, str, str]:
        """Run a program to its end: exit status, stdout and stderr where *how* asks for them. It dies with us."""
        self.held = True
        with subprocess.Popen(words, text=True, start_new_session=True, **how) as child:
            try:
                self.held = False
                if self.late:
                    raise Stopped(self.late)
                out, err = child.communicate()
            except Stopped:
                self.late = 0
                os.killpg(child.pid, signal.SIGKILL)  # a version on trial is watched by its shell
                raise
        return child.returncode, out, err


ENDING = Ending()


def mockdc(*words: str) -> str:
    """Run the box's own command and give what it printed."""
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    status, out, err = ENDING.run([sys.executable, MOCKDC, *words], **pipes)
    if status:
        raise Failed(f"mockdc {words[0]}: {err.strip()}")
    return out


@dataclasses.dataclass(frozen=True)
class Desk:
    """An operator's place: the datacenter in the folder *box*, the environment in which it is found, and files."""

    folder: pathlib.Path
    box: pathlib.Path
    env: dict[str, str]

    def type(self, line: str) -> None:
        """Show the command, then run it as the operator's shell would. Raises Failed."""
        show(line)
        words = shlex.split(line)
        if words[0] == "sdcupgrade":
            words[0] = str(self.box / "opt/custom/bin/sdcupgrade")
        status, _, _ = ENDING.run(words, cwd=self.folder, env=self.env)
        if status:
            raise Failed(f"{line}: exit status {status}")

    def spec(self, name: str, spec: dict[str, str]) -> None:
        """Write it, and show it."""
        text = json.dumps(spec, indent=4)
        (self.folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")
        print(f"\n$ cat {name}.json\n{text}", flush=True)


def show(line: str) -> None:
    """A command as it is typed."""
    print(f"\n\033[1m$ {line}\033[0m" if sys.stdout.isatty() else f"\n$ {line}", flush=True)


def tell(text: str) -> None:
    """What happens next, to whom watches."""
    print(f"\n# {text}", flush=True)


def whole_spec(state: dict[str, list[dict[str, str]]]) -> dict[str, str]:
    """Every service of the datacenter that the product upgrades by the ordinary procedure, at its latest image."""
    sys.path.insert(0, str(ROOT))
    from sdcupgrade.plan.stack import STACK

    present = {service["name"] for service in state["services"]} | {zone["service"] for zone in state["instances"]}
    ordinary = (entry for entry in STACK if not entry.special and not entry.retired)
    return {entry.name: "latest" for entry in ordinary if entry.name in present}


class Releases:
    """The keeper of releases: keys and metadata of this demonstration's own, and two versions of the one file."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self.old, self.new = folder / "sdcupgrade-old", folder / "sdcupgrade"

    def make(self) -> None:
        """Keys first: the root of trust is built into both files."""
        self.release("keys", "--metadata", "metadata", "--keys", "offline", "--online-keys", "online")
        older = self.folder / "older"
        for name in ("sdcupgrade", "build", "tools"):
            shutil.copytree(ROOT / name, older / name, ignore=shutil.ignore_patterns("__pycache__"))
        version = older / "sdcupgrade" / "__init__.py"
        text = re.sub(r'__version__ = "[^"]+"', f'__version__ = "{OLDER}"', version.read_text(encoding="utf-8"))
        version.write_text(text, encoding="utf-8")
        self.build(older, self.old, f"demo-{OLD_STAMP}-g0000000")
        self.build(ROOT, self.new, f"demo-{NEW_STAMP}-g1111111")

    def build(self, source: pathlib.Path, target: pathlib.Path, stamp: str) -> None:
        """The one file of the sources there, with the root of trust inside; byte code for this Python only."""
        minor = ".".join(map(str, sys.version_info[:2]))
        root = self.folder / "metadata" / "1.root.json"
        words = ["build/pyz.py", "-o", str(target), "--stamp", stamp, "--pythons", minor, "--root", str(root)]
        quietly([sys.executable, *words], cwd=source)

    def gzbits(self) -> None:
        """Two tarballs of our own bits, with their image manifests; the second has one tool more, and two changed."""
        tree = self.folder / "gzbits"
        shutil.copytree(ROOT / "gzbits", tree)
        for version, stamp in zip(BITS, (OLD_STAMP, NEW_STAMP)):
            words = ["build/gzbits.py", str(tree), "-o", str(self.folder), "--version", version]
            words += ["--stamp", f"demo-{stamp}-g1111111"]
            print(quietly([sys.executable, *words], cwd=ROOT), end="", flush=True)
            shutil.copy(tree / "tools/bin/sdc-gz-verify", tree / "tools/bin/sdc-gz-check")
            for name in ("default/user-script.common", "tools/bin/sdc-gz-verify"):
                with (tree / name).open("a", encoding="utf-8") as script:
                    script.write("# changed for the demonstration\n")

    def publish(self, url: str, file: str = "sdcupgrade") -> None:
        """Sign a file, and bring it with the metadata to the updates server."""
        keys = ["--metadata", "metadata", "--keys", "offline", "--keys", "online"]
        self.release("sign", *keys, file)
        self.release("publish", "--url", url, "--channel", "dev", "--metadata", "metadata", file)

    def release(self, *words: str) -> None:
        """A command of the tools for releases, shown."""
        show(f"release {shlex.join(words)}")
        print(quietly([sys.executable, str(ROOT / "tools" / "release"), *words], cwd=self.folder), end="", flush=True)


def quietly(words: list[str], cwd: pathlib.Path) -> str:
    """Run a program and give what it printed. Raises Failed with its last words."""
    status, out, err = ENDING.run(words, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    if status:
        raise Failed(f"{' '.join(words[1:4])}: {(err or out).strip()[-2000:]}")
    return out


def session(folder: pathlib.Path, speed: str) -> None:
    """The whole demonstration below *folder*."""
    tell(f"The keeper of releases makes keys, and builds an older sdcupgrade ({OLDER}) and this one.")
    releases = Releases(folder / "releases")
    releases.folder.mkdir()
    releases.make()
    connected(folder, speed, releases)
    global_zones(folder, speed, releases)
    without_network(folder, speed, releases)


def connected(folder: pathlib.Path, speed: str, releases: Releases) -> None:
    """A site with an updates server: self-update, two upgrades, a rollback."""
    tell("A datacenter; the old sdcupgrade is dropped onto its headnode, the new one is signed and published.")
    with datacenter(folder / "connected", speed) as desk:
        releases.publish(desk.env["SDCUPGRADE_UPDATES_URL"])
        dropped = desk.box / "var/tmp/sdcupgrade"
        shutil.copy(releases.old, dropped)
        desk.type(f"sh {dropped} install")
        desk.type("sdcupgrade --version")
        desk.spec("foo", CUSTOMERS_SPEC)
        desk.type("sdcupgrade run foo.json --yes --pause never")
        desk.type("sdcupgrade --version")
        desk.spec("everything", whole_spec(json.loads(mockdc("state", "--root", str(desk.box)))))
        for line in ("prepare everything.json", "download everything", "upgrade everything --yes --pause never"):
            desk.type(f"sdcupgrade {line}")
        desk.type(f"sdcupgrade rollback everything {ROLLED_BACK} --yes --pause never")
        desk.type("sdcupgrade status everything")
        desk.type("sdcupgrade instances")


def global_zones(folder: pathlib.Path, speed: str, releases: Releases) -> None:
    """A site with compute nodes: the bits of the global zones, with one node down, and back."""
    tell("A datacenter of nine servers; the bits of its global zones are signed and published.")
    with datacenter(folder / "nodes", speed, "dc") as desk:
        releases.gzbits()
        shutil.copy(releases.new, desk.box / "var/tmp/sdcupgrade")
        desk.type(f"sh {desk.box}/var/tmp/sdcupgrade install")
        releases.publish(desk.env["SDCUPGRADE_UPDATES_URL"], f"gzbits-{BITS[0]}.tgz")
        desk.type("sdcupgrade gzbits apply latest --yes")
        tell(f"Newer bits; {DOWN} is down meanwhile.")
        releases.publish(desk.env["SDCUPGRADE_UPDATES_URL"], f"gzbits-{BITS[1]}.tgz")
        mockdc("fault", "--root", str(desk.box), f"server={DOWN} down")
        desk.type("sdcupgrade gzbits diff latest")
        desk.type("sdcupgrade gzbits apply latest --yes")
        mockdc("fault", "--root", str(desk.box), f"server={DOWN} up")
        desk.type("sdcupgrade gzbits apply --catch-up")
        desk.type("sdcupgrade gzbits verify")
        desk.type("sdcupgrade gzbits rollback --yes")
        desk.type("sdcupgrade gzbits verify")


def without_network(folder: pathlib.Path, speed: str, releases: Releases) -> None:
    """A site without: a bundle is made where there is network, and is all that the site gets."""
    with datacenter(folder / "island", speed) as desk:
        tell("Somewhere with network, and without a datacenter: everything for the upgrade into one file.")
        releases.publish(desk.env["SDCUPGRADE_UPDATES_URL"])
        desk.spec("bar", AIR_GAPPED_SPEC)
        source = desk.env["SDCUPGRADE_UPDATES_URL"]
        elsewhere = dataclasses.replace(desk, env=outside(desk.env))
        elsewhere.type(f"sh {releases.new} bundle create bar.json -o bar.sdcupgrade --source {source} -C dev")
        tell("At the site: no updates server from here on, and sdcupgrade was never installed.")
        mockdc("fault", "--root", str(desk.box), "updates * * refuse")
        carried = desk.box / "var/tmp/bar.sdcupgrade"
        shutil.move(desk.folder / "bar.sdcupgrade", carried)
        desk.type(f"sh {carried} verify")
        desk.type(f"sh {carried} list")
        desk.type(f"sh {carried} run --yes --pause never")
        desk.type("sdcupgrade status bar")
        desk.type("sdcupgrade rollback bar --yes --pause never")


def outside(environment: dict[str, str]) -> dict[str, str]:
    """The environment of a machine that has nothing to do with the box."""
    return {name: value for name, value in environment.items() if name in os.environ and "SDCUPGRADE" not in name}


@contextlib.contextmanager
def datacenter(folder: pathlib.Path, speed: str, scenario: str = "coal") -> Iterator[Desk]:
    """A new datacenter in a box, and an operator's desk at its headnode; taken down at the end."""
    box = folder / "headnode"
    (folder / "operator").mkdir(parents=True)
    print(f"$ tools/mockdc/mockdc up --root {box} --scenario {scenario} --speed {speed}", flush=True)
    try:
        up = json.loads(mockdc("up", "--root", str(box), "--scenario", scenario, "--speed", speed))
        yield Desk(folder / "operator", box, {**os.environ, **up["env"]})
    finally:
        put_away(box)


def put_away(box: pathlib.Path) -> None:
    """Take the box down when the programs in it have ended: they go on when the one who called them is killed."""
    deadline = time.monotonic() + PATIENCE_S
    with contextlib.suppress(Failed):  # there may be no box yet
        while time.monotonic() < deadline and any(
                call["result"] == "..." for call in json.loads(mockdc("state", "--root", str(box)))["calls"]):
            time.sleep(0.1)
    mockdc("down", "--root", str(box))


@contextlib.contextmanager
def scratch() -> Iterator[pathlib.Path]:
    """A temporary folder, removed at the end even when somebody still writes there for a moment."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sdcupgrade-demo-"))
    try:
        yield folder
    finally:
        deadline = time.monotonic() + PATIENCE_S
        while folder.exists() and time.monotonic() < deadline:
            shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Exit status 0 when every command of the session ended well, 128 and a signal's number when that ended it."""
    parser = argparse.ArgumentParser(description="Show sdcupgrade at work on a datacenter in a box.")
    parser.add_argument("--speed", default="150", help="how much faster than life the datacenter runs")
    options = parser.parse_args()
    began = time.monotonic()
    ENDING.listen()
    try:
        with scratch() as folder:
            session(folder, options.speed)
    except Failed as why:
        print(f"demo: {why}", file=sys.stderr)
        return 1
    except Stopped as why:
        return 128 + int(why.args[0])
    print(f"\nAll of it in {time.monotonic() - began:.0f} s. Your machine is as it was: the boxes are gone again.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
