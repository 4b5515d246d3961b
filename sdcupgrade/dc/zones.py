"""Zones, through the platform of the node they live on: no API, no DNS, no wrapper (reference 5.2).

Everything is looked at anew each time. vmadm talks on stderr and its exit status has been wrong (OS-3133), so callers
re-read what they changed; its words are kept in the errors.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace

from sdcupgrade.dc.nodes import failed
from sdcupgrade.errors import BadAnswer, CommandFailed
from sdcupgrade.jsonvalue import Record, dumps, loads, records

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from sdcupgrade.dc.nodes import Node
    from sdcupgrade.doors.run import Completed


@dataclass(frozen=True)
class Zone:
    """A VM as vmadm and VMAPI tell it. *quota_gib* 0 means none; *user_script* None means no such metadata."""

    uuid: str
    alias: str
    state: str
    owner_uuid: str
    server_uuid: str
    image_uuid: str
    role: str
    manta: bool
    admin_ip: str
    quota_gib: int
    datasets: tuple[str, ...]
    user_script: Optional[str]

    @staticmethod
    def read(record: Record) -> Zone:
        """Parse a VM object; keys that vmadm lookup was not asked for read as empty."""
        tags = record.record("tags")
        return Zone(
            uuid=record.text("uuid"),
            alias=record.text_or("alias", "") or "",
            state=record.text_or("state", "unknown") or "unknown",
            owner_uuid=record.text_or("owner_uuid", "") or "",
            server_uuid=record.text_or("server_uuid", "") or "",
            image_uuid=record.text_or("image_uuid", "") or "",
            role=tags.text_or("smartdc_role", "") or "",
            manta=tags.value.get("manta_role") is not None,
            admin_ip=_admin_ip(record),
            quota_gib=record.number("quota", 0),
            datasets=record.texts("datasets"),
            user_script=record.record("customer_metadata").text_or("user-script", None),
        )


def _admin_ip(record: Record) -> str:
    """The address on the admin network: by nic tag, never the first nic (HEAD-1813); racks have tags of their own
    (TRITON-722)."""
    for nic in record.records("nics"):
        tag = nic.text_or("nic_tag", "") or ""
        if tag == "admin" or tag.startswith("admin_rack_"):
            return nic.text_or("ip", "") or ""
    return ""


FIELDS = "uuid,alias,state,owner_uuid,server_uuid,image_uuid,tags,nics,quota,datasets,customer_metadata"


def core_zones(node: Node, admin_uuid: str) -> tuple[Zone, ...]:
    """All core zones of the datacenter that live on *node*, in one call of vmadm."""
    query = (f"owner_uuid={admin_uuid}", "tags.smartdc_type=core")
    done = _done(node, node.run(("vmadm", "lookup", "-j", "-o", FIELDS, *query), timeout_s=120.0))
    where = f"vmadm lookup on {node.name}"
    return tuple(Zone.read(record) for record in records(loads(done.stdout or "[]", where), where))


def newest_running(node: Node, admin_uuid: str, role: str) -> Optional[str]:
    """The core zone of that role on *node* that runs, made last (as wrap.sh looks for the sdc zone, reference 1.4)."""
    query = (f"owner_uuid={admin_uuid}", f"tags.smartdc_role={role}", "state=running")
    done = _done(node, node.run(("vmadm", "lookup", "-j", "-o", "uuid,create_timestamp", *query), timeout_s=120.0))
    where = f"vmadm lookup on {node.name}"
    found = records(loads(done.stdout or "[]", where), where)
    newest = max(found, key=lambda record: record.text_or("create_timestamp", "") or "", default=None)
    return None if newest is None else newest.text("uuid")


def get(node: Node, vm: str) -> Zone:
    """The zone now. Raises CommandFailed when there is none, BadAnswer when vmadm prints garbage."""
    done = _done(node, node.run(("vmadm", "get", vm)))
    where = f"vmadm get {vm} on {node.name}"
    return Zone.read(Record(loads(done.stdout, where), where))


def set_user_script(node: Node, vm: str, text: Optional[str]) -> None:
    """Write the user-script, or remove it when *text* is None."""
    if text is None:
        _update(node, vm, '{"remove_customer_metadata":["user-script"]}')
    else:
        _update(node, vm, dumps({"set_customer_metadata": {"user-script": text}}))


def set_quota(node: Node, vm: str, gib: int) -> None:
    """Set the quota of the zone's root, in GiB; 0 means none."""
    _update(node, vm, dumps({"quota": gib}))


def _update(node: Node, vm: str, body: str) -> None:
    _done(node, node.run(("vmadm", "update", vm), stdin=_plain(body), timeout_s=120.0))


def _plain(body: str) -> str:
    """JSON without single quotes, which only occur inside strings: it passes through any shell's quoting unharmed."""
    return body.replace("'", "\\u0027")


def reprovision(node: Node, vm: str, image: str, timeout_s: float) -> None:
    """Replace the zone's root by a clone of *image*, and wait for vmadm. Raises CommandFailed with vmadm's words."""
    _done(node, node.run(("vmadm", "reprovision", vm), stdin=dumps({"image_uuid": image}), timeout_s=timeout_s))


class SetupState(enum.Enum):
    """How far the first-boot set-up of a zone is."""

    COMPLETE = "complete"
    FAILED = "failed"
    PENDING = "pending"


def setup_state(node: Node, vm: str) -> SetupState:
    """By the files headnode.sh waits for; to be asked only after vmadm returned, when the old root is gone."""
    folder = f"/zones/{vm}/root/var/svc"
    if node.exists(f"{folder}/setup_complete"):
        return SetupState.COMPLETE
    return SetupState.FAILED if node.exists(f"{folder}/setup_failed") else SetupState.PENDING


@dataclass(frozen=True)
class Problem:
    """An SMF service that ``svcs -x`` complains about. *state* is one word: maintenance, offline, disabled, ...

    *zone* is empty where svcs does not tell it.
    """

    fmri: str
    state: str
    reason: str
    zone: str = ""


def smf_problems(node: Node, vm: str) -> tuple[Problem, ...]:
    """What ``svcs -x`` complains about; it exits 0 either way and says nothing when all is well (reference 4.6)."""
    done = _done(node, node.run(("svcs", "-z", vm, "-x")))
    return parse_svcs(done.stdout, f"svcs -z {vm} -x on {node.name}")


def smf_states(node: Node, vm: str, name: str) -> tuple[str, ...]:
    """The states of the zone's services of that name; none when the zone has no such service."""
    done = node.run(("svcs", "-z", vm, "-Ho", "state", name))
    if done.status != 0 and "match any instances" not in done.stderr:
        raise failed(node, done)
    return tuple(line.strip().rstrip("*") for line in done.stdout.splitlines() if line.strip())


def smf_switch(node: Node, vm: str, name: str, on: bool) -> None:
    """Enable the zone's service of that name, or disable it until the zone boots again; wait until it is so."""
    verb = ("enable", "-s") if on else ("disable", "-st")
    _done(node, node.run(("svcadm", "-z", vm, *verb, name), timeout_s=120.0))


def parse_svcs(text: str, where: str) -> tuple[Problem, ...]:
    """The blocks of ``svcs -x``. Raises BadAnswer for text without any."""
    problems: list[Problem] = []
    for line in text.splitlines():
        word, _, rest = line.strip().partition(" ")
        if line.startswith(("svc:/", "lrc:/")):
            problems.append(Problem(word, "unknown", ""))
        elif problems and word == "Zone:":
            problems[-1] = replace(problems[-1], zone=rest.strip())
        elif problems and word == "State:":
            problems[-1] = replace(problems[-1], state=rest.split(" ")[0].rstrip("*"))
        elif problems and word == "Reason:":
            problems[-1] = replace(problems[-1], reason=rest)
    if text.strip() and not problems:
        raise BadAnswer(f"{where} printed what cannot be understood: {text[:200]!r}")
    return tuple(problems)


def _datasets(vm: str) -> tuple[str, str, str, str]:
    """The root, its delegated dataset, and what both are called in the middle of a reprovision (reference 6.1)."""
    return f"zones/{vm}", f"zones/{vm}/data", f"zones/{vm}-reprovisioning-root", f"zones/{vm}-reprovisioning-data"


def leftovers(node: Node, vm: str) -> tuple[str, ...]:
    """The datasets that a reprovision which died has left under their temporary names."""
    return tuple(name for name in _present(node, vm) if "-reprovisioning-" in name)


def _present(node: Node, vm: str) -> tuple[str, ...]:
    done = node.run(("zfs", "list", "-H", "-o", "name", *_datasets(vm)))
    if done.status != 0 and "does not exist" not in done.stderr:
        raise failed(node, done)
    return tuple(line.strip() for line in done.stdout.splitlines() if line.strip())


def repair_leftovers(node: Node, vm: str) -> None:
    """Undo a reprovision that died before its end: destroy the half-made root, give both datasets their names back.

    Nothing is destroyed unless the old root is there, and never a delegated dataset. Raises CommandFailed.
    """
    root, data, old_root, old_data = _datasets(vm)
    present = _present(node, vm)
    if data in present and (old_root in present or old_data in present):
        raise CommandFailed(
            f"zone {vm} has its delegated dataset {data} beside leftovers of a reprovision; only a person can tell"
            " which is good",
            f"look at: zfs list -r zones/{vm}; zfs list | grep {vm}",
        )
    if old_root in present:
        if root in present:
            _zfs(node, "destroy", "-r", root)
        _zfs(node, "rename", old_root, root)
    if old_data in present:
        _zfs(node, "rename", old_data, data)
        _zfs(node, "set", "zoned=on", data)


def send_snapshot(node: Node, vm: str, name: str, into: str, timeout_s: float) -> None:
    """Snapshot the zone's root, keep it as the stream *into* on the headnode, and let the snapshot go."""
    snapshot = f"zones/{vm}@{name}"
    made = node.run(("zfs", "snapshot", snapshot))
    if made.status != 0 and "already exists" not in made.stderr:
        raise failed(node, made)
    node.save_stream(("zfs", "send", snapshot), into, timeout_s)
    _zfs(node, "destroy", snapshot)


def _zfs(node: Node, *args: str) -> None:
    _done(node, node.run(("zfs", *args), timeout_s=300.0))


IMAGE_NOT_INSTALLED = 3


def image_installed(node: Node, image: str) -> bool:
    """Whether the node's pool holds the image."""
    done = node.run(("imgadm", "get", image))
    if done.status == IMAGE_NOT_INSTALLED:
        return False
    _done(node, done)
    return True


def install_image(node: Node, image: str, timeout_s: float) -> None:
    """Fetch the image, and origins it lacks, from the datacenter's IMGAPI; fine when it is there already.

    Raises CommandFailed, or Unreachable for another server.
    """
    _done(node, node.run(("imgadm", "import", "-q", image), timeout_s=timeout_s))


def installed_images(text: str, where: str) -> frozenset[str]:
    """The uuids in the output of ``imgadm list -j``."""
    found = records(loads(text or "[]", where), where)
    return frozenset((one.record("manifest") if "manifest" in one.value else one).text("uuid") for one in found)


def _done(node: Node, done: Completed) -> Completed:
    if done.status != 0:
        raise failed(node, done)
    return done
