"""``sdc-imgadm`` and ``updates-imgadm``: one program against two servers; and the wrapper ``sdc-imgapi``.

Words, columns and exit statuses are those of version 2.7.0 (recordings, group cli; reference 4.3). Left out: create,
export, the docker and lxd ways of import, progress bars.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import pathlib
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, Callable, Optional

from mockdc.apis.routes import is_uuid
from mockdc.apis.web import FileBody, Request, Response
from mockdc.commands import imgapi_list, table, wrappers
from mockdc.commands.imgapi_client import Client, CliError
from mockdc.commands.options import Options, UsageError, parse
from mockdc.faces import dispatch

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.store import Doc

VERSION = "2.7.0"
POLL_S = 1.0
PIECE = 1 << 20
EXTENSIONS = {".gz": "gzip", ".tgz": "gzip", ".bz2": "bzip2", ".xz": "xz"}
SUFFIXES = {"gzip": ".gz", "bzip2": ".bz2", "xz": ".xz", "none": ""}
LONG = (
    ("channel", "C"), ("help", "h"), ("version", "V"), ("verbose", "v"), ("json", "j"), ("quiet", "q"), ("all", "a"),
    ("latest", "latest"), ("tree", "tree"), ("manifest", "m"), ("file", "f"), ("sha1", "s"), ("compression", "c"),
    ("skip-owner-check", "skip-owner-check"), ("force-all-channels", "force-all-channels"), ("storage", "storage="),
    ("source", "S"), ("output", "o"), ("limit", "l"), ("marker", "m"),
)  # fmt: skip


def sdc_imgadm(call: Call) -> int:
    """Against the IMGAPI of this datacenter."""
    return _run(call, "imgapi", "SDC_IMGADM")


def updates_imgadm(call: Call) -> int:
    """Against the updates server; signs when it has a user and an identity."""
    return _run(call, "updates", "UPDATES_IMGADM")


def sdc_imgapi(call: Call) -> int:
    """The curl wrapper: as the others, but it asks for no version, and gives out a file bare (reference 4.1)."""
    words = [word for word in call.argv if word != "-v"]
    if not words or not words[0].endswith("/file") or len(words) > 1:
        return wrappers.wrapper(replace(call, argv=words, env={**call.env, "SDC_API_VERSION": ""}))
    try:
        host = call.dc.config.get("imgapi_domain", "imgapi")
        call.stdout.write(dispatch.whole(wrappers.curl(call, host, Request.make("GET", words[0]))))
    except wrappers.CurlFailed as why:
        call.err(f"curl: ({why.status}) {why}")
        return why.status
    return 0


def _run(call: Call, api: str, prefix: str) -> int:
    try:
        before = parse(call.argv, "hvV", "C", LONG, mixed=False)
        if "V" in before:
            call.out(f"{call.name} {VERSION}")
            return 0
        if not before.words or "h" in before or before.words[0] == "help":
            call.out(f"Usage: {call.name} [-C CHANNEL] COMMAND [ARGS...]\nCommands: {' '.join(COMMANDS)}")
            return 0
        name, *rest = before.words
        if name not in COMMANDS:
            raise CliError("UnknownCommand", f'unknown command: "{name}"')
        run, flags, values = COMMANDS[name]
        given = parse(rest, flags + "hv", values + "C", LONG)
        env = {key: call.env.get(f"{prefix}_{key}", "") for key in ("URL", "CHANNEL", "USER", "IDENTITY")}
        channel = given.last("C") or before.last("C") or env["CHANNEL"]
        run(call, Client(call, api, env["URL"], channel, env["USER"], env["IDENTITY"]), given)
    except CliError as why:
        for line in why.lines(call.name):
            call.err(line)
        return 1
    except UsageError as why:
        call.err(f"{call.name}: error (Options): unknown option: \"-{why.option}\"")
        return 1
    return 0


# --- reading --------------------------------------------------------------------------------------------------------
def ping(call: Call, client: Client, _given: Options) -> None:
    _print(call, client.get("/ping"))


def channels(call: Call, client: Client, given: Options) -> None:
    found = client.get("/channels")
    if "j" in given:
        _print(call, found)
        return
    names = ("name", "default", "description")
    rows = [[table.shown(each.get(name)) for name in names] for each in found]
    for line in table.lines([name.upper() for name in names], rows):
        call.out(line)


def get(call: Call, client: Client, given: Options) -> None:
    query = {"inclAdminFields": "true"} if "A" in given else {}
    _print(call, client.get(f"/images/{_uuid(given)}", **query))


def get_file(call: Call, client: Client, given: Options) -> None:
    uuid = _uuid(given)
    answer = client.send("GET", f"/images/{uuid}/file", {})
    target = given.last("o")
    if "O" in given:
        compression = client.get(f"/images/{uuid}")["files"][0]["compression"]
        target = f"{uuid}-file{SUFFIXES[compression]}"
    md5 = _save(answer, call.real(target)) if target else _pour(answer, call.stdout)
    wanted = {name.lower(): value for name, value in answer.headers.items()}.get("content-md5", md5)
    if md5 != wanted:
        raise CliError("Download", f"Content-MD5 expected to be {wanted}, but was {md5}")
    if target:
        call.err(f'Saved "{target}".')


def _save(answer: Response, path: str) -> str:
    try:
        with pathlib.Path(path).open("wb") as out:
            return _pour(answer, out)
    except OSError as why:
        raise _errno(why, path) from why


def _pour(answer: Response, out: BinaryIO) -> str:
    """Write the body, in pieces where it is a file; its md5 in base64."""
    md5 = hashlib.md5()
    if isinstance(answer.body, FileBody) and answer.wire is None:
        with pathlib.Path(answer.body.path).open("rb") as source:
            for piece in iter(lambda: source.read(PIECE), b""):
                md5.update(piece)
                out.write(piece)
    else:
        md5.update(body := dispatch.whole(answer))
        out.write(body)
    return base64.b64encode(md5.digest()).decode()


# --- import ---------------------------------------------------------------------------------------------------------
def import_(call: Call, client: Client, given: Options) -> None:
    if "S" in given:
        _import_remote(call, client, given)
        return
    manifest = _json_of(call, given.last("m"))
    skip = {"skip_owner_check": "true"} if "skip-owner-check" in given else {}
    compression = _compression(given) if "f" in given else ""
    uuid = str(manifest.get("uuid"))
    image = client.post(f"/images/{uuid}", manifest, action="import", **skip)
    call.out(f"Imported image {uuid} ({image['name']}, {image['version']}, state={image['state']})")
    if "f" not in given:
        return
    try:
        _put_file(call, client, uuid, given, compression, client.channel)
        client.post(f"/images/{uuid}", action="activate")
    except CliError:
        client.send("DELETE", f"/images/{uuid}", {})
        raise
    call.out(f"Activated image {uuid}")


def _import_remote(call: Call, client: Client, given: Options) -> None:
    uuid = _uuid(given)
    skip = {"skip_owner_check": "true"} if "skip-owner-check" in given else {}
    started = client.post(f"/images/{uuid}", action="import-remote", source=given.last("S"), **skip)
    job = client.get(f"/images/{uuid}/jobs/{started['job_uuid']}")
    while job["execution"] in ("queued", "running"):
        call.dc.wait(POLL_S)
        job = client.get(f"/images/{uuid}/jobs/{started['job_uuid']}")
    failed = [each["error"]["message"] for each in job["chain_results"] if each["error"]]
    if job["execution"] != "succeeded":
        raise CliError("WorkflowJobFailed", f"job {job['uuid']} failed: {'; '.join(failed)}")
    image = client.get(f"/images/{uuid}")
    call.out(f"Imported image {uuid} ({image['name']}, {image['version']}, state={image['state']})")


def add_file(call: Call, client: Client, given: Options) -> None:
    uuid, compression = _uuid(given), _compression(given)
    # whatever -c says is also sent as the channel (recording cli-049)
    _put_file(call, client, uuid, given, compression, given.last("c") or client.channel)


def _put_file(call: Call, client: Client, uuid: str, given: Options, compression: str, channel: str) -> None:
    path = given.last("f")
    query: dict[str, Optional[str]] = {"compression": compression, "channel": channel or None,
                                       "sha1": given.last("s") or None, "storage": given.last("storage") or None}
    try:
        with pathlib.Path(call.real(path)).open("rb") as body:
            client.send("PUT", f"/images/{uuid}/file", query, body, "application/octet-stream")
    except OSError as why:
        raise _errno(why, path) from why
    except CliError as why:
        raise CliError(why.code, str(why)) from why
    call.out(f'Added file "{path}" (compression "{compression}") to image {uuid}')


def _compression(given: Options) -> str:
    found = given.last("c") or EXTENSIONS.get(os.path.splitext(given.last("f"))[1])
    if not found:
        raise CliError("Usage", 'could not determine file compression, use "-c" option')
    return found


# --- an image's life ------------------------------------------------------------------------------------------------
def activate(call: Call, client: Client, given: Options) -> None:
    for uuid in _uuids(given):
        client.post(f"/images/{uuid}", action="activate")
        call.out(f"Activated image {uuid}")


def disable(call: Call, client: Client, given: Options) -> None:
    for uuid in _uuids(given):
        client.post(f"/images/{uuid}", action="disable")
        call.out(f"Disabled image {uuid}")


def enable(call: Call, client: Client, given: Options) -> None:
    for uuid in _uuids(given):
        image = client.post(f"/images/{uuid}", action="enable")
        call.out(f'Enabled image {uuid} (state is now "{image["state"]}")')


def update(call: Call, client: Client, given: Options) -> None:
    uuid, *pairs = _uuids(given, only_first=True)
    data = dict(_pair(word) for word in pairs) if pairs else _json_of(call, given.last("f"))
    image = client.post(f"/images/{uuid}", data, action="update")
    call.out(f"Update image {uuid} ({image['name']}, {image['version']}, state={image['state']})")


def delete(call: Call, client: Client, given: Options) -> None:
    everywhere = "force-all-channels" in given
    for uuid in _uuids(given):
        client.send("DELETE", f"/images/{uuid}", {"force_all_channels": "true"} if everywhere else {})
        where = " from all channels" if everywhere else f' from "{client.channel}" channel' if client.channel else ""
        if not where and client.api == dispatch.OUTSIDE:
            where = " from default channel"
        call.out(f"Deleted image {uuid}{where}")


def channel_add(call: Call, client: Client, given: Options) -> None:
    if len(given.words) < 2:
        raise CliError("Usage", f"incorrect number of args ({len(given.words)}): {' '.join(given.words)}")
    name, *uuids = given.words
    for uuid in uuids:
        try:
            image = client.post(f"/images/{uuid}", {"channel": name}, action="channel-add")
        except CliError:
            call.err(f'Error adding image {uuid} to "{name}" channel')
            raise
        call.out(f'Added image {uuid} ({image["name"]}@{image["version"]}) to "{name}" channel')


# --- words and files ------------------------------------------------------------------------------------------------
def _uuid(given: Options) -> str:
    if len(given.words) != 1:
        raise CliError("Usage", f"incorrect number of args ({len(given.words)}): {' '.join(given.words)}")
    return _uuids(given)[0]


def _uuids(given: Options, only_first: bool = False) -> list[str]:
    if not given.words:
        raise CliError("Usage", "incorrect number of args (0): ")
    if not all(is_uuid(word) for word in given.words[: 1 if only_first else None]):
        raise CliError("", "uuid (uuid) is required")
    return given.words


def _pair(word: str) -> tuple[str, Any]:
    name, equals, value = word.partition("=")
    if not equals:
        raise CliError("Usage", f'invalid key=value: "{word}"')
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


def _json_of(call: Call, path: str) -> Doc:
    try:
        raw = pathlib.Path(call.real(path)).read_bytes() if path and path != "-" else call.stdin()
    except OSError as why:
        raise _errno(why, path) from why
    try:
        found = json.loads(raw)
    except ValueError as why:
        raise CliError("InvalidContent", f"invalid JSON: {why}") from why
    if not isinstance(found, dict):
        raise CliError("InvalidContent", "not a JSON object")
    return found


def _errno(why: OSError, path: str) -> CliError:
    code = "ENOENT" if isinstance(why, FileNotFoundError) else "EIO"
    return CliError(code, f"{code}: {(why.strerror or '').lower()}, open '{path}'")


def _print(call: Call, value: Any) -> None:
    call.out(json.dumps(value, indent=2, ensure_ascii=False))


Command = tuple[Callable[["Call", Client, Options], None], str, str]
COMMANDS: dict[str, Command] = {
    "ping": (ping, "", ""),
    "channels": (channels, "jH", "os"),
    "list": (imgapi_list.list_images, "ajHA", "osml"),
    "get": (get, "A", ""),
    "show": (get, "A", ""),
    "info": (get, "A", ""),
    "get-file": (get_file, "Oq", "o"),
    "import": (import_, "q", "mfcsS"),
    "add-file": (add_file, "q", "fcs"),
    "activate": (activate, "", ""),
    "disable": (disable, "", ""),
    "enable": (enable, "", ""),
    "update": (update, "", "f"),
    "delete": (delete, "", ""),
    "channel-add": (channel_add, "", ""),
}
