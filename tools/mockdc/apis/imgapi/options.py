"""What an images server is told to be, by names in the store's meta.

    imgapi:STORE:mode       dc | private | public     (imgapi: dc; updates: private, as the recordings)
    imgapi:STORE:auth       none | signature          (none)
    imgapi:STORE:keys       {user: {"n": text, "e": number}}: RSA keys that may sign; n in decimal
                            ({"signed": {date: signature}}: a key of which only that is known)
    imgapi:STORE:channels   list of {"name", "description", "default"?}, or null  (imgapi: null)
    imgapi:STORE:ranges     true: Range, If-Range and a strong ETag are honoured, as mirrors and proxies do (false)
    imgapi:STORE:old        true: as before TOOLS-725: refuses `channels` in a manifest, maps no all-zero owner (false)
    imgapi:STORE:stale_s    a list may be that many seconds old, as by the real server's cache (0; really up to 300)
    imgapi:accounts         uuids of accounts that exist besides the admin
    imgapi:sources          {start of a source URL: STORE} for import-remote; any other URL means the updates server
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

CHANNELS: list[Doc] = [
    {"name": "experimental", "description": "feature-branch builds"},
    {"name": "dev", "description": "main development branch builds", "default": True},
    {"name": "staging", "description": "staging for release branch builds before a full release"},
    {"name": "release", "description": "release bits"},
    {"name": "support", "description": "Supported production builds"},
]
NOBODY = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True)
class Options:
    """One server's settings. *admin* is "" outside a datacenter."""

    mode: str
    signed: bool
    keys: dict[str, Doc]
    channels: Optional[list[Doc]]
    ranges: bool
    old: bool
    stale_s: float
    admin: str
    accounts: tuple[str, ...]

    @staticmethod
    def of(dc: Datacenter, store: str) -> Options:
        """As they are now."""
        inside = store == "imgapi"

        def told(name: str, default: object) -> object:
            return dc.store.meta(f"imgapi:{store}:{name}", default)

        keys, channels = told("keys", {}), told("channels", None if inside else CHANNELS)
        return Options(
            mode=str(told("mode", "dc" if inside else "private")),
            signed=told("auth", "none") == "signature",
            keys=keys if isinstance(keys, dict) else {},
            channels=channels if isinstance(channels, list) else None,
            ranges=bool(told("ranges", False)),
            old=bool(told("old", False)),
            stale_s=float(str(told("stale_s", 0))),
            admin=dc.config.get("ufds_admin_uuid", "") if inside else "",
            accounts=tuple(dc.store.meta("imgapi:accounts", [])),
        )

    @property
    def channel_names(self) -> list[str]:
        """Of a server with channels; else none."""
        return [channel["name"] for channel in self.channels or []]

    @property
    def default_channel(self) -> Optional[str]:
        """The one that is meant when a request names none."""
        return next((channel["name"] for channel in self.channels or [] if channel.get("default")), None)
