"""``sysinfo``: what a node knows of itself; keys hold blanks (reference 1.6)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mockdc.commands.options import UsageError, parse

if TYPE_CHECKING:
    from mockdc.commands.call import Call


def sysinfo(call: Call) -> int:
    """The program: JSON, ``-p`` shell lines, ``-u`` nothing; ``-f`` changes nothing in the box."""
    try:
        found = parse(call.argv, "fpuj?")
    except UsageError as why:
        call.err(f"sysinfo: {why}\nUsage: sysinfo [-f] [-p | -u]")
        return 1
    facts = (call.dc.server(call.server) or {}).get("sysinfo", {})
    if "u" in found:
        return 0
    if "p" not in found:
        call.out(json.dumps(facts, indent=2))
        return 0
    for key, value in facts.items():
        if not isinstance(value, (dict, list)):
            name = key.replace(" ", "_").replace("(", "").replace(")", "")
            call.out(f"{name}='{json.dumps(value) if isinstance(value, bool) else value}'")
    return 0
