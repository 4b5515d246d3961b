"""``sapiadm``: look at, change and provision SAPI objects (reference 4.2, recordings sapiadm-001 to 025).

Quirks on purpose: ``get`` of an unknown object exits 0; ``k=v`` always stores text, and what follows a second ``=`` is
lost.
"""

from __future__ import annotations

import json
import pathlib
from typing import TYPE_CHECKING, Any, NoReturn, Optional

from mockdc.apis.web import Request, Response
from mockdc.commands.wrappers import CurlFailed, curl
from mockdc.faces import dispatch

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.store import Doc

VERSION = "1.0.0"
KINDS = {"services": "service", "applications": "application", "instances": "instance", "manifests": "manifest"}
CHANGEABLE = ("params", "metadata", "manifests")
HELP = """\
Administer SAPI objects

Usage:
    sapiadm [OPTIONS] COMMAND [ARGS...]
    sapiadm help COMMAND

Options:
    -h, --help      Print help and exit.
    --version       Print version and exit.
    -v, --verbose   More verbose logging.

Commands:
    help (?)        Help on a specific sub-command.
    get             Get object details.
    showapp         Show services and instances inside an application.
    update          Update a SAPI object.
    provision       Provision a new instance the given service.
    reprovision     Reprovision an existing instance with a new image.
    edit-manifest   Edit a manifest tied to a service or application and save it back.
"""
USAGE = {
    "get": "Get object details.\n\nUsage:\n     sapiadm get UUID\n",
    "showapp": "Show services and instances inside an application.\n\nUsage:\n     sapiadm showapp [-j] NAME\n",
    "update": "Update a SAPI object.\n\nUsage:\n     sapiadm update UUID KEY=VALUE\n     sapiadm update UUID -f FILE\n"
              "     ... | sapiadm update UUID\n",
    "provision": "Provision a new instance the given service.\n\nUsage:\n     sapiadm provision SERVICE\n"
                 "     sapiadm provision -f FILE\n     ... | sapiadm provision\n",
    "reprovision": "Reprovision an existing instance with a new image.\n\nUsage:\n"
                   "     sapiadm reprovision INSTANCE IMAGE\n",
    "edit-manifest": "Edit a manifest tied to a service or application and save it back.\n\nUsage:\n"
                     "     sapiadm edit-manifest UUID NAME\n",
}


class Failed(Exception):
    """Said as ``sapiadm COMMAND: error: ...``; exit 1."""


def sapiadm(call: Call) -> int:
    """The program."""
    argv = [word for word in call.argv if word not in ("-v", "--verbose")]
    if argv[:1] == ["--version"]:
        call.out(VERSION)
        return 0
    if argv[:1] in (["help"], ["?"]) and argv[1:] and argv[1] in USAGE:
        argv = [argv[1], "-h"]
    if not argv or argv[0] in ("help", "?", "-h", "--help"):
        call.stdout.write(HELP.encode())
        return 0
    command, rest = argv[0], argv[1:]
    if command not in USAGE:
        call.err(f"sapiadm: error: unknown command: '{command}'")
        return 1
    if "-h" in rest or "--help" in rest or (not rest and command != "provision"):
        call.stdout.write(USAGE[command].encode())
        return 0
    try:
        COMMANDS[command](call, rest)
    except Failed as why:
        call.err(f"sapiadm {command}: error: {why}")
        return 1
    return 0


def _ask(call: Call, method: str, path: str, body: Optional[Any] = None) -> Response:
    """One request to SAPI, version 2. Raises Failed when nobody answers or the answer is no JSON."""
    host = call.dc.config.get("sapi_domain", "sapi")
    raw = b"" if body is None else json.dumps(body).encode()
    headers = {"accept": "application/json", "accept-version": "~2", "content-type": "application/json"}
    try:
        answer = curl(call, host, Request.make(method, path, headers, raw))
    except CurlFailed as why:
        raise Failed(f"connect ECONNREFUSED {host}:80" if why.status == 7 else f"getaddrinfo ENOTFOUND {host}") from why
    raw = dispatch.whole(answer)
    try:
        return Response(answer.status, json.loads(raw) if raw else {}, answer.headers)
    except ValueError as why:
        raise Failed(f"Invalid JSON in response: {raw[:80]!r}") from why


def _must(answer: Response) -> Any:
    if answer.status >= 400:
        raise Failed(answer.body.get("message") or f"HTTP {answer.status}")
    return answer.body


def _lookup(call: Call, uuid: str) -> tuple[str, Optional[Doc]]:
    for collection in KINDS:
        answer = _ask(call, "GET", f"/{collection}/{uuid}")
        if answer.status == 200:
            return collection, answer.body
        if answer.status != 404:
            _must(answer)
    call.out(f"no such object: {uuid}")
    return "", None


def get(call: Call, argv: list[str]) -> None:
    """``get UUID``: the object, its ``type`` overwritten with what kind of object it is."""
    collection, found = _lookup(call, argv[0])
    if found is not None:
        call.out(json.dumps({**found, "type": KINDS[collection]}, indent=4, ensure_ascii=False))


def update(call: Call, argv: list[str]) -> None:
    """``update UUID k=v``, ``-f FILE``, or JSON on stdin."""
    uuid, rest = argv[0], argv[1:]
    if rest[:1] == ["-f"] and len(rest) == 2:
        change = _parsed(_read(call, rest[1]))
    elif rest:
        change = _pair(rest[0])
    else:
        change = _parsed(call.stdin())
    collection, found = _lookup(call, uuid)
    if found is not None:
        _must(_ask(call, "PUT", f"/{collection}/{uuid}", change))


def _pair(word: str) -> dict[str, Any]:
    parts = word.split("=")
    folder, dot, key = parts[0].partition(".")
    if len(parts) < 2 or not dot:
        raise Failed("invalid syntax")
    if folder not in CHANGEABLE:
        raise Failed('invalid type (must be one of "params", "metadata", or "manifests")')
    if "." in key:
        raise Failed(f"fields cannot be complex objects ({key} contains a '.'). Please update with the -f option or by "
                     "piping a json object in.")
    return {folder: {key: parts[1]}}


def _read(call: Call, path: str) -> bytes:
    try:
        return pathlib.Path(call.real(path)).read_bytes()
    except OSError as why:
        raise Failed(f"ENOENT: no such file or directory, open '{path}'") from why


def _parsed(raw: bytes) -> dict[str, Any]:
    try:
        found = json.loads(raw)
    except ValueError as why:
        raise Failed("input is invalid JSON") from why
    if not isinstance(found, dict):
        raise Failed("input is invalid JSON")
    return found


def provision(call: Call, argv: list[str]) -> None:
    """``provision SERVICE``, ``-f FILE``, or JSON on stdin; waits."""
    if argv[:1] == ["-f"] and len(argv) == 2:
        wanted = _parsed(_read(call, argv[1]))
    else:
        wanted = {"service_uuid": argv[0]} if argv else _parsed(call.stdin())
    made = _must(_ask(call, "POST", "/instances", wanted))
    call.out(f"Provisioned instance {made['uuid']} successfully")


def reprovision(call: Call, argv: list[str]) -> None:
    """``reprovision INSTANCE IMAGE``; waits."""
    if len(argv) < 2:
        raise Failed("invalid syntax")
    _must(_ask(call, "PUT", f"/instances/{argv[0]}/upgrade", {"image_uuid": argv[1]}))
    call.out(f"Reprovisioned {argv[0]} successfully")


def showapp(call: Call, argv: list[str]) -> None:
    """``showapp [-j] NAME``: services with their instances."""
    names = [word for word in argv if word != "-j"]
    found = _must(_ask(call, "GET", f"/applications?name={names[0]}")) if names else []
    if not found:
        call.out(f"no such application: {names[0] if names else ''}")
        return
    services = _must(_ask(call, "GET", f"/services?application_uuid={found[0]['uuid']}"))
    rows = [(each, [one["uuid"] for one in _must(_ask(call, "GET", f"/instances?service_uuid={each['uuid']}"))])
            for each in services]
    if "-j" in argv:
        for service, instances in sorted(rows, key=lambda row: str(row[0]["name"])):
            line = {"name": service["name"], "uuid": service["uuid"], "instances": instances}
            call.out(json.dumps(line, separators=(",", ":")))
    else:
        _table(call, rows)


def _table(call: Call, rows: list[tuple[Doc, list[str]]]) -> None:
    width = max(8, *(len(service["name"]) for service, _ in rows)) if rows else 8
    call.out(f"{'NAME':{width}}  {'UUID':36}  INSTANCES")
    for service, instances in sorted(rows, key=lambda row: row[0].get("type") != "vm"):
        call.out(f"{service['name']:{width}}  {service['uuid']:36}  {len(instances):<8}")
        if instances:
            call.out("  |")
        for at, instance in enumerate(instances):
            call.out(f"{'' if at else '  --->':{width}}  {instance:36}  {'':8}")


def edit_manifest(call: Call, argv: list[str]) -> NoReturn:
    """There is no editor here."""
    raise Failed("no terminal to edit on; use PUT on the object's manifests")


COMMANDS = {"get": get, "update": update, "provision": provision, "reprovision": reprovision, "showapp": showapp,
            "edit-manifest": edit_manifest}
