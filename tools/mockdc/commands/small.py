"""Small programs of the global zone: add-userscript, digest, uuid, ping-agent (reference 1.7, 4.5, 4.10)."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from mockdc.commands.options import UsageError, parse

if TYPE_CHECKING:
    from mockdc.commands.call import Call


def add_userscript(call: Call) -> int:
    """``add-userscript FILE``: the payload that ``vmadm update`` takes."""
    if len(call.argv) != 1:
        call.err("Usage: add-userscript <file>")
        return 1
    try:
        with open(call.real(call.argv[0]), encoding="utf-8") as source:  # noqa: PTH123  (a str)
            text = source.read()
    except OSError as why:
        call.err(f"add-userscript: {call.argv[0]}: {why.strerror}")
        return 1
    call.out(json.dumps({"set_customer_metadata": {"user-script": text}}, separators=(",", ":")))
    return 0


def digest(call: Call) -> int:
    """``digest -a sha1|sha256|md5 [-v] [FILE...]``."""
    import hashlib

    try:
        found = parse(call.argv, "vl", "a")
    except UsageError as why:
        call.err(f"digest: {why}\nUsage: digest -l | [-v] -a <algorithm> [file ...]")
        return 2
    algorithms = ("sha1", "md5", "sha224", "sha256", "sha384", "sha512")
    if "l" in found:
        for name in algorithms:
            call.out(name)
        return 0
    name = found.last("a")
    if name not in algorithms:
        call.err(f"digest: unknown algorithm -- {name}" if name else "digest: no cryptographic algorithm was specified")
        return 1
    status = 0
    for path in found.words or [""]:
        worker = hashlib.new(name)
        try:
            if path:
                with open(call.real(path), "rb") as source:  # noqa: PTH123  (a str)
                    for piece in iter(lambda: source.read(1 << 20), b""):
                        worker.update(piece)
            else:
                worker.update(call.stdin())
        except OSError as why:
            call.err(f"digest: can not open input file {path}\n{why.strerror}")
            status = 1
            continue
        label = f"{name} ({path}) = " if "v" in found and path else f"({path}) = " if len(found.words) > 1 else ""
        call.out(label + worker.hexdigest())
    return status


def uuid(call: Call) -> int:
    """``uuid [-v 4]``: a new one."""
    import uuid as uuids

    call.out(str(uuids.uuid4()))
    return 0


def ping_agent(call: Call) -> int:
    """``ping-agent SERVER AGENT [timeout=MS]``: over rabbitmq; a ``req_id:`` line when the agent answers."""
    words = [word for word in call.argv if "=" not in word]
    limits = [word.partition("=")[2] for word in call.argv if word.startswith("timeout=")]
    if len(words) != 2:
        call.err("Usage: ping-agent <server-uuid> <agent> [timeout=<ms>]")
        return 2
    limit = float(limits[-1]) / 1000 if limits and limits[-1].isdigit() else 10.0
    if not call.dc.listens("rabbitmq") or not call.dc.alive(words[0]):
        call.dc.wait(limit)
        call.err(f"Timed out waiting for {words[1]} on {words[0]}")
        return 1
    call.out(f"req_id: {call.dc.name_uuid(f'ping/{words[0]}/{words[1]}/{call.dc.now()}')}")
    return 0
