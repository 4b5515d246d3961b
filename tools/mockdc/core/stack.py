"""The services of the stack as the box knows them: image names, SMF services, sizes, and who needs whom.

Facts: reference 5.1 (table), 5.2 (dependencies), 4.6 (FMRIs; those not known there get the usual site pattern).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """A kind of service. *hard*: without these every answer is an error. *soft*: without these changes fail, reads
    still work. *ram* in MiB, *quota* in GiB, *delegated*: its data lives on a delegated dataset."""

    image: str
    hard: tuple[str, ...] = ()
    soft: tuple[str, ...] = ()
    ram: int = 1024
    quota: int = 25
    delegated: bool = False
    firewall: bool = False
    fmris: tuple[str, ...] = ()
    in_sapi: bool = True


def _site(*names: str) -> tuple[str, ...]:
    return tuple(f"svc:/smartdc/site/{name}:default" for name in names)


def _application(*names: str) -> tuple[str, ...]:
    return tuple(f"svc:/smartdc/application/{name}:default" for name in names)


def _manta(*names: str) -> tuple[str, ...]:
    return tuple(f"svc:/manta/application/{name}:default" for name in names)


STACK: dict[str, Kind] = {
    # assets has no SAPI service record (TOOLS-695, reference 1.9)
    "assets": Kind("assets", ram=128, in_sapi=False, fmris=("svc:/pkgsrc/nginx:default",)),
    # sapi reads its own copy while moray is away (SAPI-219); writes need moray
    "sapi": Kind("sapi", soft=("moray",), ram=512, delegated=True, firewall=True, fmris=_application("sapi")),
    "binder": Kind("mantav2-nameservice", delegated=True,
                   fmris=(*_manta("binder"), "svc:/manta/zookeeper:default")),
    "manatee": Kind("sdc-postgres", hard=("binder",), ram=2048, quota=50, delegated=True,
                    fmris=_manta("manatee-sitter", "manatee-snapshotter", "manatee-backupserver")),
    "moray": Kind("mantav2-moray", hard=("manatee", "binder"), ram=8192, delegated=True, fmris=_manta("moray")),
    "amonredis": Kind("amonredis", delegated=True, fmris=("svc:/pkgsrc/redis:default",)),
    "ufds": Kind("ufds", hard=("moray",), ram=8192, delegated=True, fmris=_application("ufds-master")),
    "workflow": Kind("workflow", hard=("moray",), ram=8192, fmris=_application("wf-api", "wf-runner", "wf-backfill")),
    "amon": Kind("amon", hard=("moray", "ufds", "amonredis"), firewall=True, fmris=_application("amon-master")),
    "sdc": Kind("sdc", soft=("sapi",), firewall=True, fmris=_application("sdc")),
    "papi": Kind("papi", hard=("moray",), fmris=_application("papi")),
    "napi": Kind("napi", hard=("moray",), ram=256, fmris=_site("napi")),
    "rabbitmq": Kind("rabbitmq", fmris=("svc:/pkgsrc/rabbitmq:default",)),
    "imgapi": Kind("imgapi", hard=("moray",), soft=("ufds",), ram=768, quota=500, delegated=True, firewall=True,
                   fmris=_site("imgapi")),
    "cnapi": Kind("cnapi", hard=("moray",), soft=("workflow", "rabbitmq"), fmris=_site("cnapi")),
    "dhcpd": Kind("dhcpd", soft=("cnapi", "napi"), ram=512, fmris=_site("dhcpd")),
    "fwapi": Kind("fwapi", hard=("moray",), delegated=True, fmris=_site("fwapi")),
    "vmapi": Kind("vmapi", hard=("moray",), soft=("workflow", "cnapi", "napi", "imgapi", "papi"), fmris=_site("vmapi")),
    "mahi": Kind("mantav2-authcache", soft=("ufds",), delegated=True,
                 fmris=(*_application("mahi-server"), "svc:/pkgsrc/redis:default")),
    "adminui": Kind("adminui", soft=("sapi", "vmapi", "cnapi", "imgapi", "napi", "ufds"), ram=2048,
                    fmris=_site("adminui")),
    "cloudapi": Kind("cloudapi", hard=("moray", "mahi"), soft=("vmapi", "cnapi", "imgapi", "napi", "papi", "ufds"),
                     delegated=True, fmris=_application("cloudapi")),
    "manta": Kind("manta-deployment", soft=("sapi",), fmris=_application("manta")),
}

AGENTS = ("cn-agent", "vm-agent", "net-agent", "agents_core", "firewaller", "amon-agent", "amon-relay", "config-agent",
          "smartlogin", "hagfish-watcher", "cmon-agent", "firewall-logger-agent")

COMMON_FMRIS = (*_application("config-agent"), "svc:/manta/application/registrar:default")
"""What every core zone runs beside its own services."""

REGISTRAR = COMMON_FMRIS[1]


def kind(service: str) -> Kind:
    """The kind of a service; one that nobody knows needs nothing."""
    return STACK.get(service, Kind(service, fmris=_site(service)))
