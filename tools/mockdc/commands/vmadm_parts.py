"""What the subcommands of vmadm share: the VM they mean, the payload they are given."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from mockdc.commands.options import Options, UsageError
from mockdc.core.datacenter import VmError

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.store import Doc

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class WrongWords(UsageError):
    """A mistake in the words that are no options."""

    def __init__(self, why: str) -> None:
        super().__init__("")
        self.args = (why,)


def uuid_of(found: Options, command: str) -> str:
    """The uuid on the command line. Raises WrongWords."""
    if not found.words or not UUID.fullmatch(found.words[0]):
        raise WrongWords(f"Invalid or missing UUID for {command}")
    return found.words[0]


def vm_here(call: Call, uuid: str, failing: str = "") -> Doc:
    """The VM on this node. Raises VmError in zoneadm's words, after *failing* when given."""
    vm = call.dc.vm(uuid)
    if vm is None or vm["server_uuid"] != call.server or vm["state"] == "destroyed":
        raise VmError(f"{failing}zoneadm: {uuid}: No such zone configured")
    return vm


def public(vm: Doc) -> Doc:
    """The VM as vmadm prints it."""
    return {key: value for key, value in vm.items() if not key.startswith("_")}


def payload(call: Call, path: str) -> Any:
    """The JSON object of ``-f FILE`` or of stdin. Raises VmError."""
    if not path and call.stdin_is_tty:
        raise VmError("Will not read a payload from stdin while it is a tty; use -f <filename>")
    try:
        raw = call.stdin() if path in {"", "-"} else _file(call.real(path))
        found = json.loads(raw)
    except OSError as why:
        raise VmError(f"Unable to load json from {path}: {why}") from why
    except ValueError as why:
        raise VmError(f"Invalid JSON payload: {why}") from why
    if not isinstance(found, dict):
        raise VmError("Invalid JSON payload: not an object")
    return found


def _file(path: str) -> bytes:
    with open(path, "rb") as source:  # noqa: PTH123  (a str)
        return source.read()
