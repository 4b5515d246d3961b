"""One request to an images server: who asks, through which channel, and what images it may see.

Promises the refusals that all endpoints share: bad booleans, unknown channels, unknown or invisible images, missing
authentication.
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, Optional

from mockdc.apis.imgapi import signature
from mockdc.apis.imgapi.options import Options
from mockdc.apis.routes import is_uuid, refuse
from mockdc.apis.web import Response

if TYPE_CHECKING:
    from mockdc.apis.web import Request
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

ORDER = (
    "v", "uuid", "owner", "name", "version", "state", "disabled", "public", "published_at", "type", "os", "files",
    "acl", "icon", "error", "description", "homepage", "eula", "urn", "requirements", "users", "generate_passwords",
    "inherited_directories", "origin", "nic_driver", "disk_driver", "cpu_type", "image_size", "tags", "billing_tags",
    "traits",
)  # fmt: skip
FILE = ("sha1", "size", "compression", "dataset_guid", "digest", "uncompressedDigest")


@dataclass(frozen=True)
class Asking:
    """*user* is None for an anonymous caller; inside a datacenter nobody needs to be anybody."""

    dc: Datacenter
    request: Request
    store: str
    options: Options
    user: Optional[str]

    @staticmethod
    def of(dc: Datacenter, request: Request, store: str) -> Asking:
        """Raises Refusal (401) for a signature that is no good."""
        options = Options.of(dc, store)
        user = None
        if options.signed and "authorization" in request.headers:
            user = signature.user_of(request.headers, options.keys, _nearest(dc, request))
        return Asking(dc, request, store, options, user)

    # --- the caller -------------------------------------------------------------------------------------------
    @property
    def trusted(self) -> bool:
        """May see everything: anybody inside a datacenter, elsewhere who is authenticated."""
        return self.options.mode == "dc" or self.user is not None

    def must_be_trusted(self) -> None:
        """What changes images needs a signature where the server asks for signatures."""
        if self.options.signed and not self.trusted:
            signature.unauthorized()

    def account(self) -> Optional[str]:
        """The account the caller acts for."""
        account = self.request.query.get("account")
        if account and not is_uuid(account):
            invalid("account", f'invalid "account": not a UUID: "{account}"')
        return account or None

    # --- parameters -------------------------------------------------------------------------------------------
    def flag(self, name: str) -> bool:
        """A boolean of the query."""
        value = self.request.query.get(name, "false")
        if value not in ("true", "false"):
            invalid(name, f'invalid value for "{name}" param: "{value}" is not a boolean')
        return value == "true"

    def admin_fields(self) -> bool:
        """Whether files[].stor is wanted, and may be shown."""
        wanted = self.flag("inclAdminFields")
        if wanted and not self.trusted:
            signature.unauthorized('Unauthorized (auth required to use "inclAdminFields" parameter)')
        return wanted

    def channel(self, reading: bool = True) -> Optional[str]:
        """The channel the request goes through; None is any (``*``, only for reading) or a server without channels."""
        if self.options.channels is None:
            return None
        name = self.request.query.get("channel") or self.options.default_channel
        if name is None:
            invalid("channel", "channel not specified and the server has no default channel", "ValidationFailed")
        if name == "*" and reading:
            return None
        return self.known_channel(name)

    def known_channel(self, name: str) -> str:
        """The channel itself, if there is one of that name."""
        if name not in self.options.channel_names:
            invalid("channel", f"unknown channel: {name}", "ValidationFailed")
        return name

    # --- images -----------------------------------------------------------------------------------------------
    def find(self, uuid: str, reading: bool = True) -> Doc:
        """The image, seen through the channel and by the account of the request."""
        account, channel = self.account(), self.channel(reading)
        image = self.load(uuid)
        if image is None:
            refuse(404, "ResourceNotFound", f"image {uuid} not found")
        if (channel and channel not in image.get("channels", [])) or (account and not open_to(image, account)):
            refuse(404, "ResourceNotFound", "image not found")
        return image

    def load(self, uuid: str) -> Optional[Doc]:
        """The image whatever its channel, or None."""
        return self.dc.store.get("image", f"{self.store}/{uuid}")

    def all(self) -> list[Doc]:
        """Every image of this server."""
        return self.dc.store.all("image", f"{self.store}/")

    def named(self, name: str) -> list[Doc]:
        """Images of this server that hold that name (or something else called so)."""
        return self.dc.store.holding("image", "name", name, f"{self.store}/")

    def keep(self, image: Doc) -> None:
        """Store an image."""
        self.dc.store.put("image", f"{self.store}/{image['uuid']}", image)

    # --- answers ----------------------------------------------------------------------------------------------
    def shown(self, image: Doc, admin_fields: bool = False) -> Doc:
        """The manifest as it is served: API version 1 tells no channels."""
        shown = {key: image[key] for key in ORDER if key in image and not (key == "acl" and not image[key])}
        shown["files"] = [
            {**{key: each[key] for key in FILE if key in each}, **({"stor": "local"} if admin_fields else {})}
            for each in image.get("files", [])
        ]
        if self.options.channels is not None and self._version() == 2 and "channels" in image:
            shown["channels"] = image["channels"]
        return shown

    def answer(self, image: Doc, admin_fields: bool = False) -> Response:
        """200 with the manifest and its ETag."""
        shown = self.shown(image, admin_fields)
        return Response(200, shown, {"Etag": etag(shown)})

    def _version(self) -> int:
        asked = self.request.headers.get("accept-version", "").lstrip("~^=")
        return 2 if asked.startswith(("2", "*")) else 1


def etag(shown: Doc) -> str:
    """The ETag of a manifest as it is served; the real server quotes it no more than this."""
    return hashlib.sha1(json.dumps(shown).encode()).hexdigest()


def open_to(image: Doc, account: str) -> bool:
    """Whether an account may see an image."""
    return bool(image.get("public")) or account == image["owner"] or account in image.get("acl", [])


def invalid(field: str, message: str, code: str = "InvalidParameter", why: str = "Invalid") -> NoReturn:
    """Refuse with 422 about one field."""
    refuse(422, code, message, errors=[{"field": field, "code": why}])


def validation_failed(message: str, errors: list[Any]) -> NoReturn:
    """Refuse with 422 about several."""
    refuse(422, "ValidationFailed", message, errors=errors)


def _nearest(dc: Datacenter, request: Request) -> float:
    """The time to measure a signature's date by: a client may live by the datacenter's clock or by the machine's."""
    now, date = dc.now(), signature.seconds(request.headers.get("date", ""))
    return min((now, time.time()), key=lambda each: abs(each - date))
