"""The cache beside a spec (``foo.json.1``): which image each entry was resolved to, so that ``latest`` does not move.

Promises that a broken cache is a :class:`~sdcupgrade.errors.BadInput` that says how to be rid of it. Reads and writes
no file.
"""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.errors import BadInput
from sdcupgrade.jsonvalue import Record, loads
from sdcupgrade.plan.spec import UUID, Kind

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional, Union

    from sdcupgrade.jsonvalue import Json
    from sdcupgrade.model import Image
    from sdcupgrade.plan.spec import Spec, Target

SIZE_LIMIT = 1024 * 1024
"""Bytes."""

_SCHEMA = 1


@dataclass(frozen=True)
class CacheEntry:
    """What one entry of the spec was resolved to, and from: the value in the spec, and the channel."""

    service: str
    value: str
    channel: str
    image: str
    name: str
    version: str
    published_at: str


@dataclass(frozen=True)
class Cache:
    """All that was resolved so far, so that ``latest`` does not move from one command to the next."""

    entries: tuple[CacheEntry, ...] = ()

    def get(self, service: str) -> Optional[CacheEntry]:
        """The entry of that service, if there is one."""
        return next((entry for entry in self.entries if entry.service == service), None)


def parse_cache(text: Union[str, bytes], where: str) -> Cache:
    """The cache in *text*, the content of ``foo.json.1``. Raises BadInput, naming *where*, if it is broken."""
    hint = f"delete {where}, or run `prepare` again with --refresh"
    if len(text) > SIZE_LIMIT:
        raise BadInput(f"{where}: too big for the images that a spec was resolved to", hint)
    try:
        record = Record(loads(text, where, BadInput, hint), where, BadInput)
        if record.number("schema", 0) != _SCHEMA:
            raise record.fail("schema", f"expected {_SCHEMA}")
        entries = record.record("images")
        return Cache(tuple(_cache_entry(service, entries.record(service)) for service in entries.value))
    except BadInput as bad:
        raise BadInput(bad.message, hint) from bad


def _cache_entry(service: str, record: Record) -> CacheEntry:
    image = record.text("image")
    if not UUID.fullmatch(image):
        raise record.fail("image", f"{image!r} is not a uuid")
    return CacheEntry(
        service=service,
        value=record.text("spec"),
        channel=record.text("channel"),
        image=image,
        name=record.text("name"),
        version=record.text("version"),
        published_at=record.text("published_at"),
    )


def cache_json(cache: Cache) -> dict[str, Json]:
    """What to write to ``foo.json.1``."""
    images: dict[str, Json] = {}
    for entry in cache.entries:
        images[entry.service] = {
            "spec": entry.value,
            "channel": entry.channel,
            "image": entry.image,
            "name": entry.name,
            "version": entry.version,
            "published_at": entry.published_at,
        }
    return {"schema": _SCHEMA, "images": images}


def resolve_from_cache(spec: Spec, cache: Cache, channel: str) -> tuple[dict[str, CacheEntry], tuple[Target, ...]]:
    """What the cache knows of the spec's entries, by service, and the entries that have to be resolved anew.

    An entry counts if the spec still says what it said, and the channel is the same; a uuid is the same in any channel.
    ``--refresh`` is this with an empty cache.
    """
    resolved: dict[str, CacheEntry] = {}
    missing: list[Target] = []
    for target in spec.targets:
        entry = cache.get(target.service)
        if entry and entry.value == target.value and (target.kind is Kind.IMAGE or entry.channel == channel):
            resolved[target.service] = entry
        else:
            missing.append(target)
    return resolved, tuple(missing)


def updated_cache(spec: Spec, resolved: Mapping[str, CacheEntry], found: Mapping[str, Image], channel: str) -> Cache:
    """The cache to write: what stood (*resolved*) and the images *found* now, by service; entries no longer in the
    spec are dropped."""
    entries: list[CacheEntry] = []
    for target in spec.targets:
        if target.service in found:
            entries.append(_entry_of(target, found[target.service], channel))
        elif target.service in resolved:
            entries.append(resolved[target.service])
    return Cache(tuple(entries))


def _entry_of(target: Target, image: Image, channel: str) -> CacheEntry:
    return CacheEntry(
        service=target.service,
        value=target.value,
        channel=channel,
        image=image.uuid,
        name=image.name,
        version=image.version,
        published_at=image.published_at,
    )
