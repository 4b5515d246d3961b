"""What is in a bundle, and in what two differ; nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.errors import Corrupt, Refused
from sdcupgrade.jsonvalue import Record, loads, pretty
from sdcupgrade.plan.spec import GZBITS
from sdcupgrade.run.workdir import PARENT
from sdcupgrade.updates.bundle_index import REMEDY

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sdcupgrade.jsonvalue import Json
    from sdcupgrade.model import Image
    from sdcupgrade.stages.site import Site
    from sdcupgrade.updates.bundle import Bundle


@dataclass(frozen=True)
class Row:
    """One image of a bundle. *services* are those that get it; an origin has none. *inside* is false for one that was
    left out because the site has it."""

    services: tuple[str, ...]
    image: Image
    size: int
    inside: bool

    def to_json(self) -> dict[str, Json]:
        """All of it."""
        return {
            "services": list(self.services),
            "name": self.image.name,
            "version": self.image.version,
            "uuid": self.image.uuid,
            "published_at": self.image.published_at,
            "size": self.size,
            "inside": self.inside,
        }


def rows(bundle: Bundle) -> tuple[Row, ...]:
    """The images in the order in which they are needed; the tools of the global zone last."""
    spec = bundle.spec()
    index = bundle.index
    found = []
    for uuid in (*index.images, *filter(None, [index.gzbits])):
        image = bundle.image(uuid)
        if image is None:
            raise Corrupt(f"{bundle.path}: the manifest of image {uuid} is missing", REMEDY)
        services = tuple(service for service, wanted in spec.items() if wanted == uuid)
        size = image.file.size if image.file else 0
        found.append(Row(services, image, size, bundle.file_of(uuid) is not None))
    return tuple(found)


def lay_out_spec(site: Site, bundle: Bundle) -> str:
    """The path of the bundle's spec, written where plans look for one. It names uuids only, so it means the same at
    any time. Raises Refused when another spec of that name lies there."""
    files = site.doors.files
    path = f"{PARENT}/{bundle.index.name}.json"
    bits = {GZBITS: bundle.index.gzbits} if bundle.index.gzbits else {}
    spec = pretty({**bundle.spec(), **bits}).encode()
    if files.exists(path) and files.read(path) != spec:
        raise Refused(
            f"{path} is there, and is not the spec of {bundle.path}; nothing was changed",
            f"move it away, or name the spec that is meant: run {path}",
        )
    files.write(path, spec, 0o644)
    return path


def good_until(bundle: Bundle) -> str:
    """When the first of the signed metadata inside expires, as it says itself; empty without any. Old roots may."""
    found = []
    for member in bundle.index.members:
        if member.name.startswith("trust/") and not member.name.endswith(".root.json"):
            where = f"{bundle.path}: {member.name}"
            signed = Record(loads(bundle.read(member.name), where, Corrupt, REMEDY), where, Corrupt, REMEDY)
            found.append(signed.record("signed").text("expires"))
    return min(found, default="")


def listing(bundle: Bundle) -> dict[str, Json]:
    """The bundle as JSON."""
    index = bundle.index
    return {
        "path": bundle.path,
        "size": bundle.size,
        "name": index.name,
        "created_at": index.created_at,
        "channel": index.channel,
        "source": index.source,
        "base": index.base,
        "signed": bool(bundle.signature),
        "trust_until": good_until(bundle) or None,
        "program": index.program.to_json(),
        "spec": dict(bundle.spec()),
        "images": [row.to_json() for row in rows(bundle)],
        "members": [member.to_json() for member in index.members],
    }


def difference(old: Bundle, new: Bundle) -> list[dict[str, Json]]:
    """A row for each service, image and program that is not the same in both; *old* or *new* is None where there is
    none."""
    before, after = _things(old), _things(new)
    names = [*before, *(name for name in after if name not in before)]
    return [
        {"what": name, "old": before.get(name), "new": after.get(name)}
        for name in names
        if before.get(name) != after.get(name)
    ]


def _things(bundle: Bundle) -> dict[str, str]:
    """All that a bundle brings, by what an operator calls it."""
    program = bundle.index.program
    found = {"sdcupgrade": f"{program.version} ({program.buildstamp})"}
    for row in rows(bundle):
        text = f"{row.image.version} {row.image.uuid}" + ("" if row.inside else " (left out)")
        found.update(dict.fromkeys(row.services, text))
        if not row.services:
            found[f"image {row.image.name} {row.image.uuid}"] = text
    return found
