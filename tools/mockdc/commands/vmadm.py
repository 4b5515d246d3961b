"""``vmadm``: data on stdout, everything else on stderr; 0 done, 1 failed, 2 wrong usage (reference 4.5).

The subcommands that look are in ``vmadm_look.py``, those that change a VM's record in ``vmadm_update.py``, those that
act on the zone in ``vmadm_act.py``. Left out: create, send, receive, and what concerns hardware virtual machines.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import TYPE_CHECKING

from mockdc.commands.options import UsageError
from mockdc.core.datacenter import VmError

if TYPE_CHECKING:
    from mockdc.commands.call import Call

COMMANDS = {
    "list": "vmadm_look:list_vms",
    "lookup": "vmadm_look:lookup",
    "get": "vmadm_look:get",
    "json": "vmadm_look:get",
    "info": "vmadm_look:info",
    "validate": "vmadm_update:validate",
    "update": "vmadm_update:update",
    "reprovision": "vmadm_act:reprovision",
    "stop": "vmadm_act:stop",
    "halt": "vmadm_act:stop",
    "start": "vmadm_act:start",
    "boot": "vmadm_act:start",
    "reboot": "vmadm_act:reboot",
    "kill": "vmadm_act:kill",
    "delete": "vmadm_act:delete",
    "destroy": "vmadm_act:delete",
    "create-snapshot": "vmadm_act:create_snapshot",
    "snapshot": "vmadm_act:create_snapshot",
    "delete-snapshot": "vmadm_act:delete_snapshot",
    "rollback-snapshot": "vmadm_act:rollback_snapshot",
}
LEFT_OUT = {"create", "send", "receive", "console", "sysrq", "install"}
USAGE = "\nUsage: vmadm <command> [options]\n\n" + "".join(f"  {name}\n" for name in sorted({*COMMANDS, *LEFT_OUT}))


def vmadm(call: Call) -> int:
    """The program."""
    if not call.argv or call.argv[0] in {"help", "-h", "-?", "--help"}:
        call.stderr.write(USAGE.encode())
        return 0 if call.argv else 2
    name, argv = call.argv[0], call.argv[1:]
    if name in LEFT_OUT:
        call.err(f"vmadm {name}: not simulated by the datacenter in a box")
        return 1
    if name not in COMMANDS:
        return usage(call, f"Invalid command: '{name}'.")
    module, _, function = COMMANDS[name].partition(":")
    run: Callable[[Call, list[str]], None] = getattr(importlib.import_module(f"mockdc.commands.{module}"), function)
    try:
        run(call, argv)
    except UsageError as why:
        return usage(call, f"Invalid options: {why}" if why.option else str(why.args[0]))
    except VmError as why:
        call.err(str(why))
        return 1
    return 0


def usage(call: Call, why: str) -> int:
    """Say what is wrong and how it is used."""
    call.err(why)
    call.stderr.write(USAGE.encode())
    return 2
