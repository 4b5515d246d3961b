"""How sdc-oneachnode shows what the nodes said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mockdc.commands import table

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.commands.options import Options
    from mockdc.core.store import Doc


def listing(call: Call, found: Options, nodes: list[Doc]) -> None:
    """``-l``: who would be asked."""
    rows = [{"uuid": node["uuid"], "hostname": node["hostname"]} for node in nodes]
    if "j" in found:
        call.out(json.dumps(rows, indent=2))
    elif "J" in found:
        for row in rows:
            call.out(json.dumps(row))
    else:
        for line in table.lines(["SERVER UUID", "HOSTNAME"], [[row["uuid"], row["hostname"]] for row in rows]):
            call.out(line)


def show(call: Call, found: Options, results: list[Doc], files: bool) -> None:
    """The answers, in the form that was asked for."""
    if "q" in found:
        return
    if "j" in found:
        call.out(json.dumps(results, indent=2))
    elif "J" in found:
        for result in results:
            call.out(json.dumps(result, separators=(",", ":")))
    elif "N" in found or files:
        rows = [[result["hostname"], line(result, files)] for result in results]
        for text in table.lines(["HOSTNAME", "STATUS"], rows, gap="            "):
            call.out(text)
    else:
        for result in results:
            block(call, result)


def line(result: Doc, files: bool) -> str:
    """One node on one line."""
    if "error" in result:
        return f"ERROR: {result['error']['message']}"
    return "ok" if files else str(result["result"]["stdout"] or result["result"]["stderr"]).strip()


def block(call: Call, result: Doc) -> None:
    """One node under a heading."""
    call.out(f"=== Output from {result['uuid']} ({result['hostname']}):")
    if "error" in result:
        call.out(f"ERROR: {result['error']['message']}")
    else:
        for name in ("stdout", "stderr"):
            text = result["result"][name]
            if text:
                call.out(text.rstrip("\n"))
        if result["result"]["exit_status"]:
            call.out(f"(exit status {result['result']['exit_status']})")
    call.out("")
