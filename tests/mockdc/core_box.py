"""Shorthand for the tests of the box's core."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest
from mockdc.core import scenario
from mockdc.core.datacenter import Datacenter
from mockdc.core.store import Doc

DAY = 86400.0


def box(folder: pathlib.Path, name: str = "coal") -> Datacenter:
    """A furnished datacenter on virtual time."""
    dc = Datacenter.empty(folder)
    scenario.load(dc, name)
    return dc


def only(dc: Datacenter, service: str) -> Doc:
    """The one instance of a service."""
    (vm,) = dc.instances_of(service)
    return vm


def ready(dc: Datacenter, service: str) -> tuple[str, str]:
    """The uuid of a service's first instance, and of its newer image, which is now installed there."""
    vm = dc.instances_of(service)[0]
    current = dc.store.get("image", f"imgapi/{vm['image_uuid']}") or {}
    dev = [image for image in dc.store.all("image", "updates/")
           if image["name"] == current["name"] and "dev" in image["channels"]]
    newest = max(dev, key=lambda image: str(image["published_at"]))
    dc.install(vm["server_uuid"], newest, "test")
    return vm["uuid"], newest["uuid"]


def zone(dc: Datacenter, uuid: str) -> Doc:
    """The zone's private life."""
    found = dc.store.get("zone", uuid)
    assert found is not None
    return found


def vm(dc: Datacenter, uuid: str) -> Doc:
    """The vm as it is now."""
    found = dc.vm(uuid)
    assert found is not None
    return found


def until(dc: Datacenter, happened: Callable[[], bool], limit_s: float = 600.0) -> float:
    """Let time pass until something happened; the seconds it took."""
    started = dc.now()
    while not happened():
        if dc.now() - started > limit_s:
            pytest.fail(f"nothing happened in {limit_s:g} s")
        dc.wait(0.5)
    return dc.now() - started
