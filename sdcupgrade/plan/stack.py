"""The one table of services: what may be upgraded, in which order and why, and what each needs.

Everything that depends on a service's name is a column here: downloads, order, image names, refusals, pings. Four lists
in four scripts drifted apart before (HEAD-2143, TOOLS-587). Order is bottom of the stack first: a service comes after
what it needs (reference 5.2), and rollback goes the other way. The table holds no versions of a datacenter and reads
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

_JUNE_2014 = "20140601T000000Z"
"""What the reference calls "the rest June 2014" (5.1)."""


@dataclass(frozen=True)
class StackService:
    """One row of the table; its position in :data:`STACK` is the position in the upgrade.

    *reason* says why it stands there. *images* are the names its image may have. *data* names what would be lost with a
    reprovision if the zone had no delegated dataset; empty: none is needed. *minimum* is the stamp of the oldest image
    that may be upgraded from. *special* and *retired* say why the service cannot be upgraded. *ping* is a path on
    port 80 of its admin address, empty where there is none. *sapi* is false where SAPI has no such service.
    """

    name: str
    reason: str
    images: tuple[str, ...] = ()
    data: str = ""
    minimum: str = _JUNE_2014
    special: str = ""
    retired: str = ""
    ping: str = ""
    sapi: bool = True

    def image_names(self) -> tuple[str, ...]:
        """The names that this service's image may have, the one in use today first."""
        return self.images or (self.name,)


SAPI_BOOTS_ALONE = "20180622T144529Z"
"""A sapi image from this stamp on boots from its own cache; older ones need a temporary second one (reference 5.5)."""

STACK: tuple[StackService, ...] = (
    StackService(
        "binder",
        "needs nothing; DNS and ZooKeeper are under everything else (reference 5.2)",
        images=("mantav2-nameservice", "manta-nameservice"),
        data="the ZooKeeper database",
        minimum="20140731T211135Z",
        special="every name look-up fails while it is away, and followers have to go before the leader of ZooKeeper",
    ),
    StackService(
        "manatee",
        "needs binder's ZooKeeper; moray stores into it (reference 5.2)",
        images=("sdc-postgres",),
        data="the PostgreSQL database of the datacenter",
        minimum="20141225T181254Z",
        special="asyncs, sync and primary go one by one, each with full replication waited for (MANATEE-133)",
    ),
    StackService(
        "moray",
        "needs manatee; nearly all APIs store in it, and a new ufds needs a new moray (HEAD-2144)",
        images=("mantav2-moray", "manta-moray"),
        data="moray's local state",
        minimum="20140710T181209Z",
        special="a second moray has to take over while the only one is replaced, or every API fails",
    ),
    StackService(
        "rabbitmq",
        "needs nothing; cnapi and the agents on every server talk through it (reference 5.3: before all APIs)",
    ),
    StackService(
        "amonredis",
        "needs nothing; amon keeps its state in it (reference 5.1)",
        data="amon's alarms and state",
    ),
    StackService(
        "assets",
        "needs only /usbkey/extra; no API needs it, only compute node set-up does (reference 5.1)",
        sapi=False,
    ),
    StackService(
        "imgapi",
        "needs moray; before ufds, for a new ufds broke the image checks of an old imgapi (TOOLS-770)",
        data="every image file of the datacenter",
        minimum="20140619T081912Z",
        ping="/ping",
    ),
    StackService(
        "ufds",
        "needs moray; after moray (HEAD-2144) and imgapi (TOOLS-770), before mahi and cloudapi, which read it",
        data="the directory of accounts",
        minimum="20140728T173339Z",
        special="its buckets have to be dumped first, and may need a schema change and a backfill (HEAD-2137)",
    ),
    StackService(
        "workflow",
        "needs moray; before cnapi, which starts sysinfo jobs as soon as it is up (reference 5.3)",
        minimum="20140702T155100Z",
        ping="/ping",
    ),
    StackService("papi", "needs moray; vmapi and cloudapi read packages from it (reference 5.1)", ping="/ping"),
    StackService(
        "napi",
        "needs moray; vmapi and dhcpd ask it for addresses (reference 5.1)",
        minimum="20140710T172945Z",
        ping="/ping",
    ),
    StackService(
        "fwapi",
        "needs moray; vmapi reports every change of a VM to it (reference 5.1)",
        data="the cache of firewall rules",
        ping="/ping",
    ),
    StackService("kbmapi", "needs moray; servers with encrypted pools get their tokens from it"),
    StackService("portolan", "needs moray; servers with fabric networks ask it where addresses are"),
    StackService(
        "cnapi",
        "needs moray, workflow and rabbitmq; vmapi sends its work through it (reference 5.1)",
        minimum="20140710T224122Z",
        ping="/ping",
    ),
    StackService("dhcpd", "needs cnapi and napi; compute nodes cannot boot meanwhile (reference 5.5)"),
    StackService(
        "vmapi",
        "needs workflow, cnapi, napi, papi, fwapi and imgapi, so after all of them (reference 5.1)",
        minimum="20140710T171616Z",
        ping="/ping",
    ),
    StackService("volapi", "needs vmapi and papi: a volume is a zone"),
    StackService(
        "mahi",
        "needs ufds; cloudapi and docker ask it who the caller is (reference 5.1)",
        images=("mantav2-authcache", "manta-authcache"),
        data="the cache of accounts, which takes minutes to hours to fill again (MANTA-2465)",
        ping="/ping",
    ),
    StackService("amon", "needs ufds, moray and amonredis; only alarms need it (reference 5.1)"),
    StackService("cns", "needs vmapi and cnapi, whose changes it publishes as names", data="the zones it serves"),
    StackService("cmon", "needs vmapi, and cns for its name", data="its certificates"),
    StackService("nat", "needs the networks of napi and portolan; fabrics go out through it"),
    StackService("logarchiver", "needs the logs of every other service; nothing needs it"),
    StackService(
        "prometheus",
        "needs cmon, whose figures it collects",
        images=("mantav2-prometheus", "manta-prometheus"),
    ),
    StackService("grafana", "needs prometheus, whose figures it draws"),
    StackService("dockerlogger", "needs docker's containers only; a runner of log drivers"),
    StackService("docker", "needs nearly all APIs and mahi (reference 5.2)", data="its certificates"),
    StackService(
        "cloudapi",
        "needs nearly all APIs and mahi; customers see it, so what it stands on is proven first (reference 5.1)",
        minimum="20140731T175858Z",
    ),
    StackService("adminui", "needs all APIs; operators only (reference 5.1)", minimum="20140718T210958Z"),
    StackService(
        "manta",
        "needs sapi; deploys another product, nothing here needs it",
        images=("manta-deployment", "mantav2-deployment"),
    ),
    StackService(
        "sdc",
        "after every zone that may be on another server: sdc-oneachnode, the way there, runs on it (reference 4.8); "
        "so rollback has it back before it needs it",
        minimum="20140725T191132Z",
    ),
    StackService(
        "sapi",
        "last of all: every zone above fetches its configuration from it at first boot, and did so from the sapi that "
        "was known to work (reference 5.2, 5.3); so rollback has that one back first",
        data="the copy of its records from which it boots (SAPI-219)",
        minimum="20140618T034916Z",
        ping="/ping",
    ),
    StackService("redis", "not placed", retired="it is historic and nothing uses it any more"),
    StackService("ca", "not placed", retired="it was withdrawn; `sdcadm experimental remove-ca` removes it"),
    StackService("dapi", "not placed", retired="it was folded into cnapi (DAPI-220)"),
)

AGENTS = frozenset(
    (
        *("agents", "agentsshar", "agents_core", "cn-agent", "vm-agent", "net-agent", "config-agent", "firewaller"),
        *("amon-agent", "amon-relay", "cmon-agent", "firewall-logger-agent", "hagfish-watcher", "smartlogin"),
        *("heartbeater", "provisioner", "zonetracker", "cabase", "cainstsvc"),
    )
)
"""What runs in the global zones of servers; SAPI lists most of these with type agent (reference 5.1)."""

RESERVED = {
    "gz-tools": "the tools of the headnode's global zone",
    "platform": "the platform image of servers",
    "sdcadm": "a tool of the headnode's global zone",
}
"""Names that a spec may hold one day, with what they stand for."""

_BY_NAME = {entry.name: entry for entry in STACK}
_POSITION = {entry.name: position for position, entry in enumerate(STACK)}


def find(name: str) -> Optional[StackService]:
    """The row of the service with exactly that name."""
    return _BY_NAME.get(name)


def names() -> tuple[str, ...]:
    """All service names, bottom of the stack first."""
    return tuple(_BY_NAME)


def upgradable() -> tuple[str, ...]:
    """The names of the services that are not retired."""
    return tuple(entry.name for entry in STACK if not entry.retired)


def position(name: str) -> int:
    """Where the service stands; 0 is the bottom. Raises KeyError for a name that is not in the table."""
    return _POSITION[name]


def of_image(image_name: str) -> tuple[str, ...]:
    """The services whose image has that name."""
    return tuple(entry.name for entry in STACK if image_name in entry.image_names())


def nearest(name: str, choices: Optional[tuple[str, ...]] = None) -> str:
    """The name among *choices* (all services) most like *name*, empty when none is."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name.lower(), names() if choices is None else choices, n=1, cutoff=0.6)), "")
