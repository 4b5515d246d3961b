"""``sdc-usbkey``: the boot key, not mounted unless somebody mounts it (reference 1.3).

The key's content lies aside in ``.mockdc/key``; mounted, ``/mnt/usbkey`` leads there. As pcfs with foldcase does, names
come out in lower case, links are not kept, and every file has the same mode: that is seen to at every mount and unmount
(and at once by the in-process face). Only the headnode of the box has a key.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from mockdc.commands.options import Options, UsageError, parse

if TYPE_CHECKING:
    from mockdc.commands.call import Call

MOUNTPOINT = "/mnt/usbkey"
MODE = 0o777
"""Of everything on it: FAT knows no modes."""

DEVICE = "/dev/dsk/c0t0d0p1"
FOLD = "foldcase,noatime,hidden,clamptime"
MOUNT_S = 2.0
USAGE = """usage: sdc-usbkey [-u] [-v] mount [--nofoldcase] | unmount | status [-j] [-m] | update [-n] [-i]
                  | get-variable NAME | set-variable NAME VALUE"""
LONG = (("nofoldcase", "F"), ("json", "j"), ("mountpoint", "m"), ("dryrun", "n"), ("dry-run", "n"),
        ("ignore-missing", "i"), ("help", "u"))  # fmt: skip


class NoKey(Exception):
    """What sdc-usbkey says before it exits 1."""


class Key:
    """The key of a node."""

    def __init__(self, call: Call) -> None:
        self.content = call.dc.folder / ".mockdc" / "key"
        self.place = call.dc.root(call.server) / MOUNTPOINT.lstrip("/")
        self.under = call.dc.folder / ".mockdc" / "under-usbkey"
        self.present = call.server == call.dc.headnode

    @property
    def mounted(self) -> bool:
        """Whether the mountpoint leads to the key."""
        return self.place.is_symlink()

    def must(self) -> None:
        """Raises NoKey when the node has no key."""
        if not self.present:
            raise NoKey("no USB key was found on this system")
        self.content.mkdir(parents=True, exist_ok=True)

    def mount(self) -> None:
        """Let the mountpoint lead to the key; what lies under it stays there, hidden."""
        fold(self.content)
        self.place.parent.mkdir(parents=True, exist_ok=True)
        if self.place.is_dir():
            self.place.rename(self.under)
        self.place.symlink_to(self.content)

    def unmount(self) -> None:
        """Take it away again."""
        fold(self.content)
        self.place.unlink()
        if self.under.is_dir():
            self.under.rename(self.place)
        else:
            self.place.mkdir()


def fold(folder: pathlib.Path) -> None:
    """Lower every name; of two that become the same the later wins, as writing over it would. Links and modes, which
    FAT cannot hold, go."""
    for place in sorted(folder.rglob("*"), key=lambda path: -len(path.parts)):
        if place.is_symlink():
            place.unlink()
            continue
        place.chmod(MODE)
        if place.name != place.name.lower():
            target = place.with_name(place.name.lower())
            if not (place.is_dir() and target.is_dir()):
                place.replace(target)
                continue
            for child in place.iterdir():
                child.replace(target / child.name)
            place.rmdir()


def sdc_usbkey(call: Call) -> int:
    """The program."""
    commands: dict[str, Callable[[Call, Key, Options], None]] = {
        "mount": mount, "unmount": unmount, "status": status, "update": update, "get-variable": get_variable,
        "set-variable": set_variable,
    }  # fmt: skip
    try:
        found = parse(call.argv, "uvjmniF", "", LONG)
        if "u" in found or not found.words or found.words[0] not in commands:
            (call.out if "u" in found else call.err)(USAGE)
            return 0 if "u" in found else 2
        commands[found.words[0]](call, Key(call), found)
    except UsageError as why:
        call.err(f"sdc-usbkey: {why}\n{USAGE}")
        return 2
    except NoKey as why:
        call.err(f"sdc-usbkey: error: {why}")
        return 1
    return 0


def mount(call: Call, key: Key, found: Options) -> None:
    """``mount``: prints the mountpoint, also when it was mounted."""
    key.must()
    if not key.mounted:
        call.dc.wait(MOUNT_S)
        key.mount()
    call.out(MOUNTPOINT)


def unmount(call: Call, key: Key, found: Options) -> None:
    """``unmount``: says nothing."""
    key.must()
    if key.mounted:
        call.dc.wait(MOUNT_S / 2)
        key.unmount()


def status(call: Call, key: Key, found: Options) -> None:
    """``status [-j] [-m]``."""
    key.must()
    on = key.mounted
    if "j" in found:
        steps = {"mounted": on, "options_ok": on, "marker_file": on and (key.content / ".joyliveusb").exists()}
        call.out(json.dumps({
            "mountpoint": MOUNTPOINT if on else None, "device": DEVICE, "version": 2, "options": FOLD if on else None,
            "steps": steps, "ok": all(steps.values()), "message": "mounted" if on else "not mounted",
        }, indent=2))  # fmt: skip
    elif "m" in found:
        if on:
            call.out(MOUNTPOINT)
    else:
        call.out("mounted" if on else "unmounted")


def update(call: Call, key: Key, found: Options) -> None:
    """``update [-n] [-i]``: names the helpers that the tools brought; they have nothing to do in the box."""
    if not key.present and "i" in found:
        return
    key.must()
    helpers = call.dc.root(call.server) / "opt/smartdc/share/usbkey"
    for helper in sorted(helpers.glob("update-usbkey.*")):
        call.out(f"{'would run' if 'n' in found else 'running'} {helper.name}")


# --- variables of the loader ------------------------------------------------------------------------------------------
def _loader(key: Key) -> dict[str, str]:
    place = key.content / "boot" / "loader.conf"
    lines = place.read_text(encoding="utf-8").splitlines() if place.exists() else []
    pairs = [line.partition("=") for line in lines if "=" in line and not line.startswith("#")]
    return {name.strip(): value.strip().strip('"') for name, _, value in pairs}


def get_variable(call: Call, key: Key, found: Options) -> None:
    """``get-variable NAME``: nothing when it is not set."""
    key.must()
    if len(found.words) != 2:
        raise UsageError("name")
    value = _loader(key).get(found.words[1])
    if value is not None:
        call.out(value)


def set_variable(call: Call, key: Key, found: Options) -> None:
    """``set-variable NAME VALUE``."""
    key.must()
    if len(found.words) != 3:
        raise UsageError("name value")
    values = {**_loader(key), found.words[1]: found.words[2]}
    place = key.content / "boot" / "loader.conf"
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name("loader.conf.new")
    part.write_text("".join(f'{name}="{value}"\n' for name, value in values.items()), encoding="utf-8")
    part.replace(place)
