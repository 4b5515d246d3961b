"""The datacenter's own IMGAPI: which images it has, and how one gets in, whatever a failed try left behind.

An import has three calls: the record, the file, the activation; one that failed between them leaves an unactivated
record, which makes the next import fail (reference 10.1, number 3). :meth:`Imgapi.store` takes up wherever it finds an
image.
"""

from __future__ import annotations

from sdcupgrade.dc.api import PAGE, Api
from sdcupgrade.doors.http import FileBody
from sdcupgrade.errors import BadAnswer, Corrupt, HttpError
from sdcupgrade.jsonvalue import Record, loads
from sdcupgrade.model import Image

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

    from sdcupgrade.dc.api import Bases
    from sdcupgrade.doors.http import Http, Response
    from sdcupgrade.jsonvalue import Json

SLOWEST_UPLOAD = 1 << 20
"""Bytes per second below which an upload into IMGAPI is given up."""

KNOWN = frozenset((
    "v", "uuid", "owner", "name", "version", "description", "homepage", "eula", "icon", "state", "disabled", "public",
    "published_at", "type", "os", "origin", "files", "acl", "requirements", "users", "billing_tags", "traits", "tags",
    "generate_passwords", "inherited_directories", "nic_driver", "disk_driver", "cpu_type", "image_size", "error",
))
"""The fields of a manifest that every IMGAPI with v2 manifests accepts (reference 3.1)."""


OVERTAKEN = ("ImageUuidAlreadyExists", "ImageFilesImmutable")
"""What IMGAPI says when somebody else imported the image at the same time: look again, once."""


class Imgapi:
    """The client. Every method raises Unreachable, HttpError or BadAnswer."""

    def __init__(self, http: Http, bases: Bases) -> None:
        self.api = Api("imgapi", http, bases, "~2")

    def image(self, uuid: str) -> Optional[Image]:
        """The image in whatever state it is, or None."""
        try:
            return Image.read(self.api.record(f"/images/{uuid}"))
        except HttpError as error:
            if error.http_status == 404:
                return None
            raise

    def active(self) -> tuple[Image, ...]:
        """The active images that are not docker's, oldest first. IMGAPI may serve this list up to 5 minutes late."""
        return tuple(listed(self.api, {"state": "active", "type": "!docker"}))

    def has(self, manifest: Mapping[str, Json]) -> bool:
        """Whether the image of *manifest* is active here. Raises Corrupt when it is, with other bytes."""
        wanted = Image.read(Record(dict(manifest), "manifest"))
        found = self.image(wanted.uuid)
        if found is None or found.state != "active":
            return False
        if found.file is None or wanted.file is None or found.file.sha1 != wanted.file.sha1:
            raise _other_bytes(wanted)
        return True

    def store(self, manifest: Mapping[str, Json], path: str, admin_uuid: str, offset: int = 0) -> bool:
        """Make the image of *manifest* active here, its bytes from *offset* on in the file *path* (already verified).

        False when it was active already. Raises Corrupt when IMGAPI holds other bytes under that uuid, BadAnswer when
        the image is there but disabled.
        """
        try:
            return self._store(manifest, path, admin_uuid, offset)
        except HttpError as error:
            if error.code not in OVERTAKEN:
                raise
            return self._store(manifest, path, admin_uuid, offset)

    def _store(self, manifest: Mapping[str, Json], path: str, admin_uuid: str, offset: int) -> bool:
        wanted = Image.read(Record(dict(manifest), "manifest"))
        found = self._cleared(wanted)
        if found is not None and found.state == "active":
            return False
        if found is None:
            self._import(manifest, admin_uuid)
        if found is None or found.file is None:
            self._add_file(wanted, path, offset)
        self._activate(wanted)
        return True

    def delete(self, uuid: str) -> None:
        """Delete an image; fine when there is none."""
        try:
            self.api.call("DELETE", f"/images/{uuid}")
        except HttpError as error:
            if error.http_status != 404:
                raise

    def _cleared(self, wanted: Image) -> Optional[Image]:
        """What is there of the image and of use: active, or unactivated with the right file; else nothing is."""
        found = self.image(wanted.uuid)
        if found is None:
            return None
        same = found.file is not None and wanted.file is not None and found.file.sha1 == wanted.file.sha1
        if found.state == "active":
            if not same:
                raise _other_bytes(wanted)
            return found
        if found.state == "disabled":
            raise BadAnswer(
                f"image {wanted.uuid} ({wanted.name} {wanted.version}) is disabled in IMGAPI",
                f"sdc-imgadm enable {wanted.uuid}",
            )
        if same:
            return found
        self.delete(wanted.uuid)
        return None

    def _import(self, manifest: Mapping[str, Json], admin_uuid: str) -> None:
        """Make the record; without what an old IMGAPI does not know: the all-zero owner, newer fields (TOOLS-725)."""
        body = {key: value for key, value in manifest.items() if key != "channels"}
        try:
            self._post_import(body)
        except HttpError as error:
            if error.code not in ("OwnerDoesNotExist", "InvalidParameter", "ValidationFailed", "AccountDoesNotExist"):
                raise
            adapted = {key: value for key, value in body.items() if key in KNOWN}
            self._post_import({**adapted, "owner": admin_uuid})

    def _post_import(self, body: Mapping[str, Json]) -> None:
        query = {"action": "import", "skip_owner_check": "true"}
        self.api.call("POST", f"/images/{body['uuid']}", query=query, body=dict(body), timeout_s=60.0)

    def _add_file(self, wanted: Image, path: str, offset: int) -> None:
        if wanted.file is None:
            raise BadAnswer(f"the manifest of image {wanted.uuid} names no file")
        query = {"compression": wanted.file.compression, "sha1": wanted.file.sha1}
        limit = 120.0 + wanted.file.size / SLOWEST_UPLOAD
        body = FileBody(path, wanted.file.size, offset)
        answer = self.api.call("PUT", f"/images/{wanted.uuid}/file", query=query, body=body, timeout_s=limit)
        stored = _image(answer, f"imgapi: PUT /images/{wanted.uuid}/file").file
        if stored is None or (stored.sha1, stored.size) != (wanted.file.sha1, wanted.file.size):
            raise Corrupt(f"IMGAPI stored other bytes for image {wanted.uuid} than were sent")

    def _activate(self, wanted: Image) -> None:
        try:
            self.api.call("POST", f"/images/{wanted.uuid}", query={"action": "activate"}, timeout_s=60.0)
        except HttpError as error:
            if error.code != "ImageAlreadyActivated":
                raise
        found = self.image(wanted.uuid)
        if found is None or found.state != "active":
            raise BadAnswer(f"image {wanted.uuid} was activated in IMGAPI but reads back otherwise")


def _other_bytes(wanted: Image) -> Corrupt:
    return Corrupt(
        f"IMGAPI has other bytes for image {wanted.uuid} ({wanted.name} {wanted.version}) than published",
        f"look at both: sdc-imgadm get {wanted.uuid}; nothing was changed",
    )


def listed(api: Api, query: Mapping[str, str]) -> list[Image]:
    """All pages of an image list, oldest first. The marker is inclusive, so what came already is left out."""
    asked = {**query, "limit": str(PAGE), "sort": "published_at.asc"}
    found: dict[str, Image] = {}
    marker = ""
    while True:
        page = [Image.read(record) for record in api.records("/images", {**asked, "marker": marker})]
        before = len(found)
        found.update((image.uuid, image) for image in page)
        if len(page) < PAGE or len(found) == before:
            return list(found.values())
        marker = page[-1].uuid


def _image(answer: Response, where: str) -> Image:
    return Image.read(Record(loads(answer.body, where), where))
