"""``doctor``: what this machine lacks, told before anyone depends on it. It looks, and changes nothing.

Some things sdcupgrade needs wherever it runs, some only on a headnode, some only for one of its ways (signed images,
an updates server). On a workstation, where bundles are made, what only a headnode needs is shown and does not count.
How the datacenter itself is, ``check`` tells.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from functools import cached_property

from sdcupgrade.errors import NotHere, SdcupgradeError
from sdcupgrade.ui import words

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Union

    from sdcupgrade.dc.access import Datacenter
    from sdcupgrade.doors.machine import Machine
    from sdcupgrade.stages.site import Site

MIB, GIB = 1 << 20, 1 << 30

MODULES = ("binascii", "fcntl", "hashlib", "json", "select", "socket", "ssl", "struct", "tarfile", "zipfile", "zlib")
"""Of the standard library, those that a Python put together in parts may come without."""

PROGRAMS = ("bash", "dig", "imgadm", "sdc-oneachnode", "svcadm", "svcs", "sysinfo", "vmadm", "zfs")
"""What an upgrade runs in the global zone."""

NICE = {"ssh-keygen": "bundles are signed, and their signatures verified, with it"}
"""Programs that one way of working needs."""

PLACES = {
    "/var/tmp": (2 * GIB, "images on their way into IMGAPI"),
    "/var/sdcupgrade": (GIB, "saved logs of zones, trusted metadata"),
    "/opt/custom": (64 * MIB, "sdcupgrade itself, in three versions"),
}
"""Folders that are written to, with the free bytes that an upgrade of the whole stack likes to find, and for what."""

POOL_BYTES = 10 * GIB
"""22 images of 1.1 GiB together unpack to less."""

EXACT = "sdcupgrade prepare tells what an upgrade needs exactly"
PYTHON = "install a whole Python: pkgin install python311 (Debian: python3)"
SEARCHED = "run sdcupgrade in the global zone of a headnode; if this is one, its platform is not whole"


class Need(enum.Enum):
    """Who cannot do without."""

    YES = "yes"
    HEADNODE = "headnode"
    OPTIONAL = "optional"


@dataclass(frozen=True)
class Answer:
    """One thing that was looked at. *remedy* is empty when it is well."""

    check: str
    need: Need
    ok: bool
    subject: str
    evidence: str
    remedy: str = ""


@dataclass
class Patient:
    """What is examined. *offline*: no updates server is asked, and none is needed."""

    site: Site
    machine: Machine
    offline: bool

    @cached_property
    def headnode(self) -> Union[Datacenter, SdcupgradeError]:
        """The datacenter of the headnode that this is; why not, where it is none or does not know itself."""
        try:
            return self.site.datacenter
        except SdcupgradeError as why:
            return why

    @property
    def needs_web(self) -> Need:
        """Whether it must do without updates servers."""
        return Need.OPTIONAL if self.offline else Need.YES

    @property
    def needs_signed(self) -> Need:
        """Whether unsigned images are refused here."""
        return Need.YES if self.site.wanted.strict else Need.OPTIONAL

    def lacks(self, answer: Answer) -> bool:
        """Whether that is something this machine cannot do without."""
        if answer.need is Need.HEADNODE:
            return not answer.ok and not isinstance(self.headnode, NotHere)
        return not answer.ok and answer.need is Need.YES


def examine(patient: Patient) -> tuple[Answer, ...]:
    """Everything, in the order of the table. A look that fails is an answer too."""
    from sdcupgrade.stages import doctor_trust

    looks: tuple[tuple[str, Callable[[Patient], Iterable[Answer]], Need], ...] = (
        ("program", _program, Need.YES),
        ("python", _python, Need.YES),
        ("authorities", _authorities, patient.needs_web),
        ("headnode", _headnode, Need.HEADNODE),
        ("programs", _programs, Need.HEADNODE),
        ("folders", _folders, Need.HEADNODE),
        ("pool", _pool, Need.HEADNODE),
        ("clock", doctor_trust.clock, Need.YES),
        ("trust-root", doctor_trust.root, patient.needs_signed),
        ("metadata", doctor_trust.metadata, Need.OPTIONAL),
        ("source", doctor_trust.source, patient.needs_web),
    )
    return tuple(answer for check, look, need in looks for answer in _asked(patient, check, look, need))


def _asked(
    patient: Patient, check: str, look: Callable[[Patient], Iterable[Answer]], need: Need
) -> Iterator[Answer]:
    try:
        yield from look(patient)
    except SdcupgradeError as why:
        yield Answer(check, need, False, "", why.message, why.hint or why.advice)


def _program(patient: Patient) -> Iterator[Answer]:
    from sdcupgrade import version

    place = version.archive()
    yield Answer("program", Need.YES, True, "sdcupgrade", version.identity() + (f", {place}" if place else ""))


def _python(patient: Patient) -> Iterator[Answer]:
    yield Answer("python", Need.YES, True, "version", patient.machine.python())
    lacking = patient.machine.lacking(MODULES)
    evidence = f"lacks {', '.join(lacking)}" if lacking else f"has {', '.join(MODULES)}"
    yield Answer("python", Need.YES, not lacking, "modules", evidence, PYTHON if lacking else "")


def _authorities(patient: Patient) -> Iterator[Answer]:
    try:
        found = patient.machine.authorities()
    except ImportError:
        yield Answer("authorities", patient.needs_web, False, "", "this Python has no TLS", PYTHON)
    else:
        yield Answer("authorities", patient.needs_web, True, "", found)


def _headnode(patient: Patient) -> Iterator[Answer]:
    found = patient.headnode
    if isinstance(found, SdcupgradeError):
        yield Answer("headnode", Need.HEADNODE, False, "", found.message, found.hint or found.advice)
    else:
        node = found.headnode
        evidence = f"headnode of {node.datacenter_name}, platform {node.platform}"
        yield Answer("headnode", Need.HEADNODE, True, node.hostname, evidence)


def _programs(patient: Patient) -> Iterator[Answer]:
    find = patient.site.doors.run.find
    lacking = [name for name in PROGRAMS if find(name) is None]
    evidence = f"lacks {', '.join(lacking)}" if lacking else f"has {', '.join(PROGRAMS)}"
    yield Answer("programs", Need.HEADNODE, not lacking, "", evidence, SEARCHED if lacking else "")
    for name, use in NICE.items():
        place = find(name)
        remedy = "" if place else f"go without, or put {name} where root's programs are"
        yield Answer("programs", Need.OPTIONAL, bool(place), name, place or f"not here; {use}", remedy)


def _folders(patient: Patient) -> Iterator[Answer]:
    files = patient.site.doors.files
    for path, (least, use) in PLACES.items():
        if not files.writable(path):
            remedy = f"become root; if you are, see what is wrong with {path}"
            yield Answer("folders", Need.HEADNODE, False, path, f"cannot be written to; it takes {use}", remedy)
        else:
            yield _room("folders", path, files.free(path), least, use)


def _pool(patient: Patient) -> Iterator[Answer]:
    from sdcupgrade.dc.survey import POOL, survey

    found = patient.headnode
    if isinstance(found, SdcupgradeError):
        yield Answer("pool", Need.HEADNODE, False, "zones", "only a headnode has it", "run sdcupgrade doctor there")
        return
    uuid = found.headnode.uuid
    yield _room("pool", POOL, survey(found, [uuid])[uuid].available[POOL], POOL_BYTES, "unpacked images")


def _room(check: str, subject: str, free: int, least: int, use: str) -> Answer:
    evidence = f"{words.size(free)} free"
    if free >= least:
        return Answer(check, Need.HEADNODE, True, subject, evidence)
    evidence += f"; {words.size(least)} are asked for, which takes {use}"
    return Answer(check, Need.HEADNODE, False, subject, evidence, f"free some; {EXACT}")
