"""The spec: what the operator wrote (``foo.json``).

Promises that everything wrong with it is a :class:`~sdcupgrade.errors.BadInput` that names the place and the remedy.
Reads no file, and asks no server which image "latest" is; what was answered is kept by :mod:`sdcupgrade.plan.cache`.
"""

from __future__ import annotations

import enum
import json
import re
from dataclasses import dataclass

from sdcupgrade.errors import BadInput
from sdcupgrade.jsonvalue import loads
from sdcupgrade.plan import stack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Union

    from sdcupgrade.jsonvalue import Json

SIZE_LIMIT = 64 * 1024
"""Bytes; a spec naming every service has about 3,000."""

GZBITS = "gzbits"
"""The one word of a spec that is no service: which bits the global zones are to have."""

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_VERSION = re.compile(r"(?=.*[0-9])[A-Za-z0-9][A-Za-z0-9._+-]{0,127}")
_EXAMPLE = '{"imgapi": "4803c1cd-5882-9c48-bc2a-fc81c1429a89", "adminui": "latest"}'
_VALUES = 'write an image uuid, an exact version (as `sdcupgrade avail` shows it), or "latest"'


class Kind(enum.Enum):
    """How the spec names an image."""

    IMAGE = "image"
    VERSION = "version"
    LATEST = "latest"


@dataclass(frozen=True)
class Target:
    """One entry of a spec. *value* is an image uuid in lower case, an exact version, or ``latest``."""

    service: str
    kind: Kind
    value: str


@dataclass(frozen=True)
class Spec:
    """A spec as written; *where* is the name of the file it came from. *gzbits* says which bits the global zone gets:
    ``latest``, the uuid of an image, or the path of a tarball; empty when the spec does not speak of them."""

    targets: tuple[Target, ...]
    where: str
    gzbits: str = ""

    def values(self) -> dict[str, str]:
        """What it says, by service."""
        return {target.service: target.value for target in self.targets}


def parse_spec(text: Union[str, bytes], where: str) -> Spec:
    """The spec in *text*; *where* names it in messages. Raises BadInput for the first thing that is wrong."""
    value = _json(_decode(text, where), where)
    if not isinstance(value, dict):
        raise BadInput(f"{where}: a spec is a JSON object of services and images", f"such as {_EXAMPLE}")
    if not value:
        raise BadInput(f"{where}: names no service", f"write what to upgrade, such as {_EXAMPLE}")
    services = {service: wanted for service, wanted in value.items() if service != GZBITS}
    targets = tuple(_target(service, wanted, where) for service, wanted in services.items())
    return Spec(targets, where, _gzbits(value[GZBITS], where) if GZBITS in value else "")


def _gzbits(wanted: Json, where: str) -> str:
    """The word for the bits of the global zone; that of an image in lower case."""
    hint = 'write "latest", the uuid of a gzbits image, or the path of a tarball, in double quotes'
    if not isinstance(wanted, str) or not wanted.strip() or not wanted.isprintable():
        raise BadInput(f"{where}: {GZBITS}: the value is no word for a tarball", hint)
    if wanted == "latest" or "/" in wanted or wanted.endswith(".tgz"):
        return wanted
    if UUID.fullmatch(wanted.lower()):
        return wanted.lower()
    if _meant_uuid(wanted):
        raise BadInput(f"{where}: {GZBITS}: {wanted!r} is not a uuid: {_uuid_fault(wanted)}", hint)
    raise BadInput(f"{where}: {GZBITS}: {wanted!r} is neither latest nor uuid nor path", hint)


def require_services(spec: Spec) -> None:
    """Raises BadInput for a spec of nothing but gzbits, where services are to be planned."""
    if not spec.targets:
        raise BadInput(
            f"{spec.where}: names no service, only {GZBITS}",
            f"sdcupgrade gzbits apply brings those; or name services, such as {_EXAMPLE}",
        )


def _decode(text: Union[str, bytes], where: str) -> str:
    if len(text) > SIZE_LIMIT:
        raise BadInput(f"{where}: {len(text)} bytes are too many for a spec", f"a spec has at most {SIZE_LIMIT} bytes")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as why:
            raise BadInput(f"{where}: not UTF-8 text (byte {why.start + 1})", "save the spec as UTF-8") from why
    if text.startswith("\ufeff"):
        raise BadInput(f"{where}: begins with a byte order mark", "save the spec as UTF-8 without byte order mark")
    if not text.strip():
        raise BadInput(f"{where}: is empty", f"write what to upgrade, such as {_EXAMPLE}")
    return text


def _json(text: str, where: str) -> Json:
    try:
        return loads(text, where, BadInput, f"a spec looks like {_EXAMPLE}")
    except BadInput as bad:
        cause = bad.__cause__
        if isinstance(cause, json.JSONDecodeError):
            place = f"{where}: line {cause.lineno}, column {cause.colno}"
            raise BadInput(f"{place}: not valid JSON: {cause.msg}", _syntax_hint(text, cause.pos)) from cause
        if str(cause).startswith("duplicate key"):
            raise BadInput(f"{where}: {_second_place(text, str(cause))}", "name each service once") from cause
        raise


def _syntax_hint(text: str, position: int) -> str:
    """The usual mistakes, told from what stands where the parser gave up."""
    rest = text[position:].lstrip()
    before = text[:position].rstrip()
    if rest.startswith(("//", "/*", "#")):
        return "JSON has no comments: take it out"
    if rest.startswith("'"):
        return 'JSON puts text in double quotes: "latest"'
    if re.match(r",\s*}", rest) or (before.endswith(",") and rest.startswith("}")):
        return "take out the comma before the closing brace"
    return f"a spec looks like {_EXAMPLE}"


def _second_place(text: str, complaint: str) -> str:
    """The complaint about a duplicate key, with the line of the second one where it can be found."""
    key = json.dumps(complaint.split(" ", 2)[2].strip("'\""), ensure_ascii=False)
    places = [match.start() for match in re.finditer(re.escape(key) + r"\s*:", text)]
    if len(places) < 2:
        return complaint
    return f"line {text.count(chr(10), 0, places[1]) + 1}: {complaint}"


def _target(service: str, wanted: Json, where: str) -> Target:
    _check_service(service, where)
    if not isinstance(wanted, str):
        raise BadInput(f"{where}: {service}: the value is not text", f"{_VALUES}, in double quotes")
    value = wanted.lower()
    if UUID.fullmatch(value):
        return Target(service, Kind.IMAGE, value)
    if wanted == "latest":
        return Target(service, Kind.LATEST, wanted)
    if _meant_uuid(wanted):
        raise BadInput(
            f"{where}: {service}: {wanted!r} is not a uuid: {_uuid_fault(wanted)}",
            "copy the uuid again, for instance from `sdcupgrade avail`",
        )
    if not _VERSION.fullmatch(wanted):
        meant = stack.nearest(wanted, ("latest",))
        hint = 'did you mean "latest"?' if meant else _VALUES
        raise BadInput(f"{where}: {service}: {wanted!r} is neither image uuid nor version nor latest", hint)
    return Target(service, Kind.VERSION, wanted)


def _check_service(service: str, where: str) -> None:
    if service in stack.RESERVED:
        what = stack.RESERVED[service]
        raise BadInput(f"{where}: {service} ({what}) is not yet supported in a spec", f"take {service!r} out of it")
    if service in stack.AGENTS:
        raise BadInput(
            f"{where}: {service} is an agent, and agents are not zones: they run in the global zone of every server",
            f"take {service!r} out of the spec; `sdcadm experimental update-agents` upgrades agents",
        )
    entry = stack.find(service)
    if entry is None:
        raise BadInput(f"{where}: unknown service {service!r}", _suggestion(service))
    if entry.retired:
        raise BadInput(f"{where}: {service} is not upgraded: {entry.retired}", f"take {service!r} out of the spec")


def _suggestion(service: str) -> str:
    owners = stack.of_image(service)
    near = owners[0] if owners else stack.nearest(service)
    if owners:
        return f"{service} is the name of an image; its service is {near!r}"
    return f"did you mean {near!r}?" if near else f"the services are {', '.join(sorted(stack.upgradable()))}"


def _meant_uuid(value: str) -> bool:
    """Whether somebody wanted to write a uuid: hex digits and dashes only, or five groups of about the lengths."""
    bare = value.strip().strip("{}'\"")
    groups = bare.split("-")
    lengths = [abs(len(group) - wanted) for group, wanted in zip(groups, (8, 4, 4, 4, 12))]
    near = len(groups) == 5 and max(lengths) <= 3 and bare.replace("-", "").isalnum()
    return near or (re.fullmatch(r"[0-9A-Fa-f-]{20,}", bare) is not None)


def _uuid_fault(value: str) -> str:
    wrong = sorted(set(re.sub(r"[0-9A-Fa-f-]", "", value)))
    if wrong:
        return f"{' '.join(map(repr, wrong))} cannot be in one"
    lengths = "-".join(str(len(group)) for group in value.split("-"))
    return f"its groups have {lengths} digits, not 8-4-4-4-12"
