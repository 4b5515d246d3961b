"""IMGAPI: the images server of the datacenter (store "imgapi", mode dc) and the updates server (store "updates").

:func:`handle` answers one request as IMGAPI 4.13.1 does, by the recordings of the groups updates, signed and dc. Images
are documents of kind "image" (whole manifests, with channels on a server that has any); what a manifest does not tell
of a file (md5, mtime) is in kind "image_file". What else a server can be told to be is in :mod:`.options`. Left out:
icons, exports, docker; caches, but for one option.
"""

from __future__ import annotations

import contextlib
import functools
from typing import TYPE_CHECKING

import mockdc.apis.imgapi.files as files
import mockdc.apis.imgapi.reading as reading
import mockdc.apis.imgapi.remote as remote
import mockdc.apis.imgapi.writing as writing
from mockdc.apis.imgapi.asking import Asking
from mockdc.apis.routes import Handler, Router

if TYPE_CHECKING:
    from mockdc.apis.web import Request, Response
    from mockdc.core.datacenter import Datacenter

SERVER = "imgapi/4.13.1"
VERSIONS = ("", "*", *(f"{sign}{number}" for sign in ("", "~", "^", "=") for number in
                       ("1", "2", "1.0", "2.0", "1.0.0", "2.0.0")))
IMAGE = r"/images/(?P<uuid>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
ROUTES = (
    ("GET", "/", reading.to_docs),
    ("GET", "/ping", reading.ping),
    ("GET", "/channels", reading.channels),
    ("GET", "/images", reading.images),
    ("GET", IMAGE, reading.image),
    ("POST", "/images", writing.create),
    ("POST", IMAGE, writing.act),
    ("DELETE", IMAGE, writing.delete),
    ("PUT", IMAGE + "/file", files.add),
    ("GET", IMAGE + "/file", files.get),
    ("GET", IMAGE + "/icon", reading.icon),
    ("GET", IMAGE + "/jobs", remote.jobs),
    ("GET", IMAGE + "/jobs/:job", remote.job),
    ("POST", IMAGE + "/acl", writing.acl),
    ("POST", IMAGE + "/clone", writing.clone),
    ("GET", "/state", reading.state),
    ("POST", "/state", writing.drop_caches),
    ("POST", "/authkeys/reload", writing.reload_keys),
    ("GET", "/datasets", reading.to_images),
)


def handle(dc: Datacenter, request: Request, store: str) -> Response:
    """One request to the server whose images are in *store*: "updates" or "imgapi"."""
    return _router(store)(dc, request)


@functools.cache
def _router(store: str) -> Router:
    router = Router(store, SERVER, versions=VERSIONS)
    for method, path, handler in ROUTES:
        router.on(method, path)(_asking(store, handler))
    return router


def _asking(store: str, handler: Handler) -> Handler:
    def answer(dc: Datacenter, request: Request, **parts: str) -> Response:
        alone = contextlib.nullcontext() if request.method in ("GET", "PUT") else dc.store.transaction()
        with alone:
            return handler(Asking.of(dc, request, store), **parts)

    return answer
