"""Scenarios: datacenters as data. :func:`load` furnishes an empty :class:`Datacenter` from ``scenarios/NAME.json``.

Every uuid comes from a name, so that a scenario is the same on every run. Keys of a scenario (all but the first two
may be left out; any other key is refused, see ``scenario_check.py``):

datacenter_name, dns_domain
about              for people
extends            a scenario (that extends no other) from which this one takes the keys that it lacks
start              ISO time at which it begins
region_name, update_channel, platform, network (first three or two numbers of the admin network)
config, application           more keys for config.sh and for the metadata of the sdc application
quota_zero_breaks             whether reprovisioning a zone with quota 0 fails (OS-2275); default true
servers            [{"hostname", "headnode", "setup", "alive", "system_type", "platform"}]
generate           {"count", "hostname"}: so many more compute nodes, hostname with a %d
agents             whether every set-up server has SAPI instances of the agents
services           name -> {"on": [hostnames] (default: the headnode; empty: no instance), "quota", "quota_text",
                   "delegated", "aliases", "sapi", "reprovision_s", "uuids": {release: image uuid}, "user_script"}
origins            key -> {"name", "version", "imgapi": whether the datacenter has it, "channels"}
releases           [{"key", "stamp", "branch", "channels", "origin", "imgapi", "services", "min_platform", "size"}]
                   every service (of "services" when given) gets an image of each; "running" is what zones run
image_size         bytes in an image's file
packages           [{"name", "version", "buildstamp", "channels", "stamp"}] images that are not zones
decoys             zones that look like something else, see furnish.py
leftover           [service] whose newer image lies unactivated in imgapi
stale_instances    [service] with a SAPI instance that has no vm
reprovision_s      how long every reprovision takes
platforms          stamps of the platforms on the boot key (default: that of "platform")
bare               nobody has set anything up: the APIs stand alone and need each other no more than the recorded ones
                   did, SAPI is in proto mode without an application, CNAPI has not heard of any server, though the
                   headnode's global zone is there; default: whether there are no services
documents, named   what the store (core/store.py) holds besides: kind -> id -> document, and name -> value
"""

from __future__ import annotations

import json
import pathlib
from typing import Union

from mockdc.core import scenario_check
from mockdc.core.datacenter import Datacenter
from mockdc.core.store import Doc

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "scenarios"


class BadScenario(Exception):
    """The scenario cannot be read; says why."""


def read(scenario: Union[str, pathlib.Path, Doc]) -> Doc:
    """A scenario by name, by path, or as it is, whole and checked. Raises BadScenario."""
    spec = scenario if isinstance(scenario, dict) else _file(scenario)
    if isinstance(spec.get("extends"), str):
        spec = {**_file(spec["extends"]), **spec}
    try:
        scenario_check.check(spec)
    except scenario_check.Wrong as why:
        raise BadScenario(f"scenario {'given' if isinstance(scenario, dict) else scenario}: {why}") from why
    return spec


def _file(scenario: Union[str, pathlib.Path]) -> Doc:
    named = FOLDER / f"{scenario}.json"
    place = named if named.exists() else pathlib.Path(scenario)
    try:
        value = json.loads(place.read_text(encoding="utf-8"))
    except (OSError, ValueError) as why:
        names = ", ".join(sorted(path.stem for path in FOLDER.glob("*.json")))
        raise BadScenario(f"scenario {scenario}: {why} (there are: {names})") from why
    if not isinstance(value, dict):
        raise BadScenario(f"scenario {scenario}: not an object")
    return value


def start(spec: Doc) -> float:
    """When the scenario begins, in seconds since the epoch."""
    import datetime

    from mockdc.core.clock import START

    given = spec.get("start")
    return datetime.datetime.fromisoformat(given.replace("Z", "+00:00")).timestamp() if given else START


def load(dc: Datacenter, scenario: Union[str, pathlib.Path, Doc]) -> Doc:
    """Furnish *dc*: store and zones' files. The rest of the global zone is made by ``faces/tree.py``. Returns the
    scenario as read. Raises BadScenario."""
    from mockdc.core import furnish

    spec = read(scenario)
    with dc.store.transaction():
        furnish.Furnisher(dc, spec).furnish()
    return spec
