"""Who this headnode is: its sysinfo and its configuration, read by the platform's own two programs.

Nothing here needs a service: it works with the whole stack down. Values of the configuration are all text (reference
1.5).
"""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.errors import BadAnswer, CommandFailed, NotHere
from sdcupgrade.jsonvalue import Record, loads
from sdcupgrade.model import Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdcupgrade.doors.files import Files
    from sdcupgrade.doors.run import Runner

CONFIG = "/lib/sdc/config.sh"


@dataclass(frozen=True)
class Headnode:
    """*platform* is the stamp it booted; *config* everything that ``config.sh -json`` prints."""

    uuid: str
    hostname: str
    platform: str
    system_type: str
    datacenter_name: str
    dns_domain: str
    admin_uuid: str
    config: Mapping[str, str]

    def as_server(self) -> Server:
        """This headnode as one of the servers, where CNAPI cannot be asked."""
        return Server(self.uuid, self.hostname, True, True, "running", self.platform, self.system_type)

    def domain(self, service: str) -> str:
        """The name of a service in the datacenter's DNS."""
        return f"{service}.{self.datacenter_name}.{self.dns_domain}"


def read_headnode(run: Runner, files: Files) -> Headnode:
    """Read it. Raises NotHere anywhere but on a headnode, BadAnswer where a program prints garbage."""
    sysinfo = _sysinfo(run)
    config = _json(run, ("bash", files.real(CONFIG), "-json"), f"{CONFIG} -json")
    return Headnode(
        uuid=sysinfo.text("UUID"),
        hostname=sysinfo.text("Hostname"),
        platform=sysinfo.text("Live Image"),
        system_type=sysinfo.text_or("System Type", "SunOS") or "SunOS",
        datacenter_name=config.text("datacenter_name"),
        dns_domain=config.text("dns_domain"),
        admin_uuid=config.text("ufds_admin_uuid"),
        config={key: str(value) for key, value in config.value.items()},
    )


def _sysinfo(run: Runner) -> Record:
    """The guard of every Triton script: the boot parameter, never the hostname (HEAD-1889)."""
    where = "run sdcupgrade in the global zone of a headnode, as root"
    try:
        sysinfo = _json(run, ("sysinfo",), "sysinfo")
    except CommandFailed as why:
        raise NotHere(f"this is not the global zone of a headnode: {why.message}", where) from why
    if sysinfo.record("Boot Parameters").text_or("headnode", "") != "true":
        name = sysinfo.text_or("Hostname", "this server")
        raise NotHere(f"{name} is not a headnode: sysinfo has no boot parameter headnode=true", where)
    return sysinfo


def _json(run: Runner, argv: tuple[str, ...], name: str) -> Record:
    done = run.run(argv, timeout_s=60.0)
    if done.status != 0:
        raise CommandFailed(f"{name} {done.ending}: {done.stderr.strip() or 'it said nothing'}")
    hint = f"run `{' '.join(argv)}` by hand and see what it prints; nothing was changed"
    return Record(loads(done.stdout, name, BadAnswer, hint), name)
