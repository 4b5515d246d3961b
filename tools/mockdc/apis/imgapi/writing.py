"""What changes images: import, create, activate, update, channels, access, delete.

Promises the order of refusals of the real server: authentication, then parameters and channel, then the image, then the
body. The files are in :mod:`.files`, what comes from other servers in :mod:`.remote`.
"""

from __future__ import annotations

import json
import uuid as uuids
from typing import Any, Callable, Optional

import mockdc.apis.imgapi.files as files
import mockdc.apis.imgapi.remote as remote
from mockdc.apis.imgapi.asking import Asking, invalid, validation_failed
from mockdc.apis.imgapi.manifest import KNOWN, Problem, Thrown, problems, wrong
from mockdc.apis.imgapi.options import NOBODY
from mockdc.apis.routes import Refusal, body_of, refuse
from mockdc.apis.web import Response
from mockdc.core.store import Doc

COMPUTED = ("state", "files", "channels", "activated")
FIXED = {"state", "files", "activated", "v", "uuid", "owner", "type", "published_at", "disabled", "origin", "error",
         "urn"}
UPDATABLE = KNOWN - FIXED


def act(asking: Asking, uuid: str) -> Response:
    """POST /images/U?action=..."""
    asking.must_be_trusted()
    action = asking.request.query.get("action") or str(body(asking).get("action") or "")
    if not action:
        invalid("action", 'no image "action" was specified', why="MissingParameter")
    if action not in ACTIONS:
        invalid("action", f'"{action}" is not a valid action')
    return ACTIONS[action](asking, uuid)


def body(asking: Asking) -> dict[str, Any]:
    """The body as an object; what is neither JSON nor a form counts as none."""
    kind = asking.request.headers.get("content-type", "application/json")
    return body_of(asking.request) if kind.startswith(("application/json", "application/x-www-form")) else {}


# --- import and create ----------------------------------------------------------------------------------------------
def import_(asking: Asking, uuid: str) -> Response:
    """AdminImportImage: the manifest is in the body, or fetched from ``source``."""
    if asking.account():
        refuse(403, "OperatorOnly", "this endpoint may only be called by an operator")
    channel, skip = asking.channel(reading=False), asking.flag("skip_owner_check")
    source = asking.request.query.get("source")
    given = remote.manifest(asking.dc, uuid, source) if source else body(asking)
    if given.get("uuid") != uuid:
        told = given.get("uuid", "undefined")
        invalid("uuid", f'URL UUID, "{uuid}" and body UUID, "{told}" do not match')
    refuse_extra(given, KNOWN - ({"channels"} if asking.options.old else set()))
    if asking.load(uuid):
        refuse(409, "ImageUuidAlreadyExists", f'image uuid "{uuid}" already exists')
    return asking.answer(added(asking, given, channel, skip))


def create(asking: Asking) -> Response:
    """CreateImage: as import, but the uuid is the server's."""
    asking.must_be_trusted()
    if asking.request.query.get("action"):
        refuse(501, "NotAvailable", "not available on this server")
    channel, skip = asking.channel(reading=False), asking.flag("skip_owner_check")
    given = body(asking)
    if "state" in given:
        errors = [wrong("state", "Parameter cannot be set", "NotAllowed")]
        validation_failed('invalid image data: "state"', errors)
    refuse_extra(given, KNOWN - {"uuid"})
    fresh = {"v": 2, **given, "uuid": str(uuids.uuid4())}
    return asking.answer(added(asking, fresh, channel, skip, created=True))


def refuse_extra(given: Doc, known: set[str]) -> None:
    """Refuse keys that no manifest has."""
    extra = [name for name in given if name not in known]
    if extra:
        told = ", ".join(f'"{name}"' for name in extra)
        refuse(422, "InvalidParameter", f"invalid extra parameters: {told}", errors=[wrong(name) for name in extra])


def added(asking: Asking, given: Doc, channel: Optional[str], skip_owner_check: bool, created: bool = False) -> Doc:
    """Check a manifest and store it as an unactivated image."""
    image = {key: value for key, value in given.items() if key not in COMPUTED}
    image = {**image, "state": "unactivated", "disabled": given.get("disabled", False),
             "public": given.get("public", False), "files": []}
    if channel is not None:
        image["channels"] = [channel]
    image["owner"] = owner_of(asking, given.get("owner"), created)
    check(asking, image)
    check_origin(asking, image)
    if asking.options.mode == "dc" and not skip_owner_check:
        check_owner(asking, image["owner"])
    asking.keep(image)
    return image


def owner_of(asking: Asking, given: Any, created: bool) -> Any:
    """Outside a datacenter an import is nobody's; inside, nobody's is the admin's (not so before TOOLS-725)."""
    if asking.options.mode != "dc":
        return given if created else NOBODY
    return asking.options.admin if given == NOBODY and not asking.options.old else given


def check(asking: Asking, image: Doc) -> None:
    """Refuse a manifest that is not valid on this server."""
    whole = {key: value for key, value in image.items() if value is not None or key != "owner"}
    try:
        found = problems({**whole, "activated": image["state"] != "unactivated"}, asking.options.mode,
                         asking.options.channels is not None)
    except Thrown as why:
        raise Refusal(Response(500, {"message": str(why)})) from why
    if found:
        found = [_said(each) for each in found]
        validation_failed("invalid image data: " + ", ".join(each["field"] for each in found), found)


def _said(problem: Problem) -> Problem:
    """The server makes a number of a missing size before it looks at it."""
    if problem["field"] == "image_size" and problem["code"] == "MissingParameter":
        return wrong("image_size", 'invalid image image_size: "NaN" (must be a positive integer)')
    return problem


def check_origin(asking: Asking, image: Doc) -> None:
    """An origin must be there before what stands on it."""
    if "origin" not in image:
        return
    origin = asking.load(image["origin"])
    if origin is None:
        refuse(422, "OriginDoesNotExist", f'origin image "{image["origin"]}" does not exist')
    if origin["state"] == "unactivated":
        refuse(422, "OriginIsNotActive", f'origin image "{image["origin"]}" is not active')


def check_owner(asking: Asking, owner: str) -> None:
    """The owner must have an account."""
    if owner not in (asking.options.admin, *asking.options.accounts):
        refuse(422, "OwnerDoesNotExist", f'owner "{owner}" does not exist')


# --- an image's life ------------------------------------------------------------------------------------------------
def activate(asking: Asking, uuid: str) -> Response:
    """ActivateImage."""
    image = asking.find(uuid, reading=False)
    if image["state"] != "unactivated":
        refuse(422, "ImageAlreadyActivated", f'image "{uuid}" is already activated')
    if not image["files"]:
        refuse(422, "NoActivationNoFile", f'image "{uuid}" cannot be activated: it has no file')
    image.setdefault("published_at", asking.dc.iso())
    image["state"] = "disabled" if image["disabled"] else "active"
    asking.keep(image)
    return asking.answer(image)


def disable(asking: Asking, uuid: str) -> Response:
    """DisableImage."""
    return _set_disabled(asking, uuid, True)


def enable(asking: Asking, uuid: str) -> Response:
    """EnableImage."""
    return _set_disabled(asking, uuid, False)


def _set_disabled(asking: Asking, uuid: str, disabled: bool) -> Response:
    image = asking.find(uuid, reading=False)
    image["disabled"] = disabled
    if image["state"] != "unactivated":
        image["state"] = "disabled" if disabled else "active"
    asking.keep(image)
    return asking.answer(image)


def update(asking: Asking, uuid: str) -> Response:
    """UpdateImage: each given key is replaced whole; channels are not checked (recording updates-165)."""
    image = asking.find(uuid, reading=False)
    given = {key: value for key, value in body(asking).items() if key != "action"}
    if not given:
        validation_failed("invalid image update data: no parameters provided", [])
    fixed = [name for name in given if name not in UPDATABLE]
    if fixed:
        errors = [wrong(name, "Parameter cannot be updated", "NotAllowed") for name in fixed]
        validation_failed("invalid image update data: " + ", ".join(fixed), errors)
    image.update(given)
    check(asking, image)
    asking.keep(image)
    return asking.answer(image)


def channel_add(asking: Asking, uuid: str) -> Response:
    """ChannelAddImage: found through the channel of the query, added to that of the body."""
    image = asking.find(uuid, reading=False)
    name = asking.known_channel(str(body(asking).get("channel", "undefined")))
    if name not in image["channels"]:
        image["channels"].append(name)
    asking.keep(image)
    return asking.answer(image)


def acl(asking: Asking, uuid: str) -> Response:
    """POST /images/U/acl?action=add|remove with a list of accounts."""
    asking.must_be_trusted()
    image = asking.find(uuid, reading=False)
    action = asking.request.query.get("action", "add")
    if action not in ("add", "remove"):
        invalid("action", f'"{action}" is not a valid action')
    try:
        given = json.loads(asking.request.bytes() or b"[]")
    except ValueError:
        refuse(400, "InvalidContent", "Invalid JSON")
    listed = [one for one in image.get("acl", []) if one not in given]
    image["acl"] = listed + given if action == "add" else listed
    check(asking, image)
    asking.keep(image)
    return asking.answer(image)


def delete(asking: Asking, uuid: str) -> Response:
    """DeleteImage: out of one channel while it is in others, else altogether."""
    asking.must_be_trusted()
    everywhere = asking.flag("force_all_channels")
    image = asking.find(uuid, reading=everywhere)
    others = [name for name in image.get("channels", []) if name != asking.channel(reading=True)]
    if asking.options.channels is not None and others and not everywhere:
        asking.keep({**image, "channels": others})
        return Response(204)
    children = [each["uuid"] for each in asking.all() if each.get("origin") == uuid]
    if children:
        told = f'image "{uuid}" has {len(children)} dependent incremental image(s): {", ".join(children)}'
        refuse(422, "ImageHasDependentImages", told)
    asking.dc.store.delete("image", f"{asking.store}/{uuid}")
    files.forget(asking, uuid)
    return Response(204)


# --- what is hardly there -------------------------------------------------------------------------------------------
def clone(asking: Asking, uuid: str) -> Response:
    """CloneImage is for the docker-like images of accounts only."""
    asking.must_be_trusted()
    asking.find(uuid, reading=False)
    refuse(501, "NotAvailable", "not available on this server")


def export(asking: Asking, uuid: str) -> Response:
    """ExportImage goes to manta, which is not there."""
    asking.find(uuid, reading=False)
    refuse(503, "StorageUnsupported", "storage type is unsupported")


def drop_caches(asking: Asking) -> Response:
    """POST /state?action=dropcaches."""
    asking.must_be_trusted()
    for key, _ in asking.dc.store.items("image_list", f"{asking.store}/"):
        asking.dc.store.delete("image_list", key)
    return Response(202)


def reload_keys(asking: Asking) -> Response:
    """POST /authkeys/reload: nothing to do, the keys are read at each request."""
    asking.must_be_trusted()
    return Response(200, {})


ACTIONS: dict[str, Callable[[Asking, str], Response]] = {
    "import": import_,
    "import-remote": remote.import_remote,
    "activate": activate,
    "disable": disable,
    "enable": enable,
    "update": update,
    "channel-add": channel_add,
    "export": export,
}
