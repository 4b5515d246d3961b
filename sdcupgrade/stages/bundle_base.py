"""What a site has already, and a bundle for it need not carry."""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.errors import BadInput
from sdcupgrade.jsonvalue import Record, loads
from sdcupgrade.updates import bundle_form as form
from sdcupgrade.updates.bundle import Bundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sdcupgrade.doors.files import Files

HINT = "make it on the site's headnode: sdcupgrade inventory -j > INVENTORY.json; or name the bundle that was run there"


@dataclass(frozen=True)
class Base:
    """*name* says whose images they are; empty for no base."""

    name: str = ""
    images: frozenset[str] = frozenset()


def read_base(files: Files, path: str) -> Base:
    """The images of a site's inventory, or those that a bundle brought there; none when *path* is empty.

    Raises NoInput, BadInput for a file that is neither, Corrupt for a damaged bundle.
    """
    if not path:
        return Base()
    with files.open_read(path) as file:
        is_bundle = form.promised_program(file) is not None
    if is_bundle:
        index = Bundle.open(files, path).index
        return Base(f"bundle {index.name} of {index.created_at}", frozenset(index.images))
    record = Record(loads(files.read(path), path, BadInput, HINT), path, BadInput, HINT)
    if "images" not in record.value or record.number("schema", 1) != 1:
        raise BadInput(f"{path}: is no inventory of a site that this sdcupgrade can read", HINT)
    images = frozenset(image.text("uuid") for image in record.records("images"))
    return Base(f"datacenter {record.text_or('datacenter', '') or '?'}", images)
