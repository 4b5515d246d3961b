"""Whatever a failed import has left, the next one ends with the image active in IMGAPI, or says why it cannot."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from dc_box import Boxed, boxed
from dc_fakes import FakeWeb, always

from sdcupgrade.dc.imgapi import Imgapi
from sdcupgrade.errors import BadAnswer, Corrupt, HttpError, Unreachable
from sdcupgrade.model import Image
from sdcupgrade.updates.channel import resolve, with_origins

FILE = "/var/tmp/x.image"


@pytest.fixture
def coal(tmp_path: pathlib.Path) -> Boxed:
    return boxed(tmp_path)


def published(coal: Boxed) -> Image:
    """The new imgapi image, its bytes in FILE and its origins in IMGAPI."""
    source = coal.updates()
    image = resolve(source, "imgapi", ("imgapi",), "latest", "dev")
    for one in with_origins(source, image, lambda uuid: coal.dc.imgapi.image(uuid) is not None):
        with source.open(one.uuid, "dev") as body:
            coal.doors.files.write(FILE, body.stream.read(1 << 30))
        if one.uuid != image.uuid:
            store(coal, one)
    return image


def store(coal: Boxed, image: Image) -> bool:
    return coal.dc.imgapi.store(image.manifest, FILE, coal.dc.headnode.admin_uuid)


def state(coal: Boxed, image: Image) -> str:
    found = coal.dc.imgapi.image(image.uuid)
    return found.state if found else "absent"


def requests(coal: Boxed) -> list[str]:
    """What changed IMGAPI."""
    asked = [line for line in coal.calls("http") if line.startswith("imgapi") and " GET " not in line]
    return [line.split(" ")[1] + " " + line.partition("?")[2].partition("&")[0] for line in asked]


def test_a_new_image_is_recorded_filled_and_activated(coal: Boxed) -> None:
    image = published(coal)
    before = len(requests(coal))
    assert store(coal, image) is True
    assert state(coal, image) == "active"
    assert requests(coal)[before:] == ["POST action=import", "PUT compression=gzip", "POST action=activate"]


def test_an_image_that_is_active_is_left_alone(coal: Boxed) -> None:
    image = published(coal)
    store(coal, image)
    before = len(requests(coal))
    assert store(coal, image) is False
    assert requests(coal)[before:] == []


def test_a_record_without_file_is_deleted_and_made_again(coal: Boxed) -> None:
    image = published(coal)
    coal.fault("imgapi PUT /images/* fail times=1")
    with pytest.raises(Unreachable):
        store(coal, image)
    assert state(coal, image) == "unactivated"
    store(coal, image)
    assert state(coal, image) == "active"


def test_a_file_that_arrived_is_not_sent_again(coal: Boxed) -> None:
    image = published(coal)
    dc = coal.dc.imgapi
    dc._import(image.manifest, coal.dc.headnode.admin_uuid)
    dc._add_file(image, FILE, 0)
    before = len(requests(coal))
    store(coal, image)
    assert requests(coal)[before:] == ["POST action=activate"]


def test_bytes_that_differ_from_the_manifest_are_refused_by_imgapi(coal: Boxed) -> None:
    image = published(coal)
    coal.doors.files.write(FILE, b"x" * 100)
    with pytest.raises(HttpError, match="sha1"):
        store(coal, image)
    assert state(coal, image) == "unactivated"


class OneImage:
    """An IMGAPI with at most one image; *old* is of before the all-zero owner and *newer* fields were known."""

    def __init__(self, old: bool = False, **image: Any) -> None:
        self.old = old
        self.image: dict[str, Any] = image
        self.imports: list[dict[str, Any]] = []

    def __call__(self, line: str, body: bytes) -> tuple[int, Any]:
        if line.startswith("GET"):
            return (200, self.image) if self.image else (404, {"code": "ResourceNotFound"})
        if "action=import" in line:
            self.imports.append(json.loads(body))
            if self.old and (self.imports[-1]["owner"] != "admin" or "newer" in self.imports[-1]):
                return 422, {"code": "InvalidParameter", "message": "invalid extra parameters"}
            self.image = {**self.imports[-1], "state": "unactivated", "files": []}
        elif line.startswith("PUT"):
            self.image["files"] = MANIFEST["files"]
        elif "action=activate" in line:
            self.image["state"] = "active"
        return 200, self.image


MANIFEST: dict[str, Any] = {
    "uuid": "u", "name": "imgapi", "version": "v", "owner": "00000000-0000-0000-0000-000000000000",
    "channels": ["dev"], "files": [{"sha1": "a" * 40, "size": 10, "compression": "gzip"}],
}  # fmt: skip


def imgapi(handler: OneImage) -> Imgapi:
    return Imgapi(FakeWeb({"http://i": handler}), lambda: ("http://i",))


def test_channels_are_never_sent() -> None:
    handler = OneImage()
    imgapi(handler).store(MANIFEST, FILE, "admin")
    assert "channels" not in handler.imports[0]
    assert handler.imports[0]["owner"] == MANIFEST["owner"]


def test_an_old_imgapi_gets_the_admin_as_owner_and_no_newer_fields() -> None:
    handler = OneImage(old=True)
    assert imgapi(handler).store({**MANIFEST, "newer": 1}, FILE, "admin") is True
    assert handler.imports[1]["owner"] == "admin"
    assert "newer" not in handler.imports[1]


def test_other_bytes_under_the_same_uuid_are_a_hard_stop() -> None:
    files = [{"sha1": "b" * 40, "size": 10, "compression": "gzip"}]
    with pytest.raises(Corrupt, match="other bytes for image u"):
        imgapi(OneImage(**{**MANIFEST, "state": "active", "files": files})).store(MANIFEST, FILE, "admin")


@pytest.mark.parametrize(("state", "there"), [("active", True), ("unactivated", False), ("disabled", False)])
def test_an_image_is_there_when_it_is_active(state: str, there: bool) -> None:
    assert imgapi(OneImage(**{**MANIFEST, "state": state})).has(MANIFEST) is there


def test_an_active_image_of_other_bytes_is_not_taken_for_the_same() -> None:
    files = [{"sha1": "f" * 40, "size": 1, "compression": "gzip"}]
    with pytest.raises(Corrupt, match="other bytes for image u"):
        imgapi(OneImage(**{**MANIFEST, "state": "active", "files": files})).has(MANIFEST)


def test_a_disabled_image_is_left_to_the_operator() -> None:
    with pytest.raises(BadAnswer, match="disabled") as error:
        imgapi(OneImage(**{**MANIFEST, "state": "disabled"})).store(MANIFEST, FILE, "admin")
    assert error.value.hint == "sdc-imgadm enable u"


def test_somebody_who_imports_at_the_same_time_is_let_pass() -> None:
    class Overtaken(OneImage):
        def __call__(self, line: str, body: bytes) -> tuple[int, Any]:
            if "action=import" in line:
                self.image = {**MANIFEST, "state": "active"}
                return 409, {"code": "ImageUuidAlreadyExists", "message": "exists"}
            return super().__call__(line, body)

    assert imgapi(Overtaken()).store(MANIFEST, FILE, "admin") is False


def test_other_bytes_stored_than_sent_are_noticed() -> None:
    class Careless(OneImage):
        def __call__(self, line: str, body: bytes) -> tuple[int, Any]:
            status, value = super().__call__(line, body)
            return (status, {**value, "files": []}) if line.startswith("PUT") else (status, value)

    with pytest.raises(Corrupt, match="stored other bytes"):
        imgapi(Careless()).store(MANIFEST, FILE, "admin")


def test_a_manifest_without_a_file_cannot_be_stored() -> None:
    with pytest.raises(BadAnswer, match="names no file"):
        imgapi(OneImage()).store({**MANIFEST, "files": []}, FILE, "admin")


def test_deleting_what_is_gone_is_fine() -> None:
    client = Imgapi(FakeWeb({"http://i": always(404, {"code": "ResourceNotFound"})}), lambda: ("http://i",))
    client.delete("u")
    assert client.image("u") is None


def test_an_imgapi_that_refuses_to_tell_is_not_an_absent_image() -> None:
    client = Imgapi(FakeWeb({"http://i": always(403, {"code": "OperatorOnly"})}), lambda: ("http://i",))
    for ask in (client.image, client.delete):
        with pytest.raises(HttpError):
            ask("u")


def test_an_activation_that_did_not_take_is_noticed() -> None:
    class Forgetful(OneImage):
        def __call__(self, line: str, body: bytes) -> tuple[int, Any]:
            return (200, self.image) if "activate" in line else super().__call__(line, body)

    with pytest.raises(BadAnswer, match="reads back otherwise"):
        imgapi(Forgetful()).store(MANIFEST, FILE, "admin")
