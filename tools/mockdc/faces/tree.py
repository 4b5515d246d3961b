"""The fake global zone of a node as files: the programs, the boot key and its copy, the tools, the state files.

``build`` makes the headnode's; a compute node's is made by ``ensure`` when somebody first works on it, so that a
thousand nodes cost nothing. Roots of zones are made elsewhere (``core/zonefiles.py``). Texts that need no datacenter
lie below ``tools/mockdc/gz`` with ``@NAME@`` for what differs; they say what the real files are for, in our own words.
Layout: reference section 1.
"""

from __future__ import annotations

import json
import os
import pathlib
import shlex
import shutil
import sys
from typing import TYPE_CHECKING, Any, Optional

from mockdc.commands.usbkey import fold
from mockdc.core.scripts import COMMON_TODAY

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter

PACKAGE = pathlib.Path(__file__).resolve().parent.parent
SKELETON = PACKAGE / "gz"
EXECUTABLE = 0o755

SBIN = {"vmadm", "imgadm", "zfs", "zpool", "zlogin", "zoneadm", "zonecfg", "svcadm", "svccfg", "dladm", "fwadm"}
SMARTDC = {"sapiadm", "sdcadm", "updates-imgadm", "joyent-imgadm", "ping-agent", "sdc"}
ELSEWHERE = {"add-userscript": "usr/vm/sbin"}
HEADNODE_ONLY = SMARTDC | {"dig"}


def program_folder(name: str) -> str:
    """Where a program lies in a global zone, relative to its root."""
    if name in SBIN:
        return "usr/sbin"
    if name in SMARTDC or name.startswith("sdc-"):
        return "opt/smartdc/bin"
    return ELSEWHERE.get(name, "usr/bin")


def names_for(dc: Datacenter, server: str) -> list[str]:
    """The programs of a node: a compute node has no commands that live in the sdc zone."""
    from mockdc.commands import PROGRAMS, SHELL

    every = [name for name in PROGRAMS if name not in SHELL]
    if server == dc.headnode:
        return every
    wrapped = [name for name in every if name.startswith("sdc-") and name != "sdc-usbkey"]
    return [name for name in every if name not in HEADNODE_ONLY and name not in wrapped]


class Writer:
    """Writes the files of one node; ``@NAME@`` in a text is replaced by the value of NAME."""

    def __init__(self, dc: Datacenter, server: str) -> None:
        self.dc = dc
        self.server = server
        self.root = dc.root(server)
        self.run = dc.folder / ".mockdc" / "run" / server
        self.shell = dc.folder / ".mockdc" / "shell" / server
        node = dc.server(server) or {}
        self.values = {
            "ROOT": str(self.root), "RUN": str(self.run), "SHELL": str(self.shell), "FAULTY": str(faulty(dc)),
            "PROGRAM": " ".join(shlex.quote(word) for word in [*starter(), str(dc.folder), server]),
            "SYSTEM": str(node.get("system_type", "SunOS")), "UNAME": native("uname"),
            "BASH": native("bash"), "CURL": native("curl"), "HOSTNAME": str(node.get("hostname", "")),
            "DATACENTER": dc.config.get("datacenter_name", ""), "STAMP": str(node.get("current_platform", "")),
        }  # fmt: skip

    def fill(self, text: str) -> str:
        """*text* with the values put in."""
        for name, value in self.values.items():
            text = text.replace(f"@{name}@", value)
        return text

    def write(self, path: str, text: str, mode: int = 0o644, under: Optional[pathlib.Path] = None) -> None:
        """Write a file below the root; one that is there already is replaced."""
        place = (under or self.root) / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.write_text(self.fill(text), encoding="utf-8")
        place.chmod(mode)

    def json(self, path: str, value: Any, mode: int = 0o644) -> None:
        """Write a value as JSON."""
        self.write(path, json.dumps(value, indent=2) + "\n", mode)

    def folders(self, *paths: str) -> None:
        """Make folders below the root."""
        for path in paths:
            (self.root / path).mkdir(parents=True, exist_ok=True)

    def link(self, path: str, target: str) -> None:
        """Make a symlink."""
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.symlink_to(target)

    def skeleton(self, part: str, under: Optional[pathlib.Path] = None, into: Optional[str] = None) -> None:
        """Copy a part of the skeleton."""
        for place in sorted((SKELETON / part).rglob("*")):
            if place.is_file():
                mode = EXECUTABLE if place.read_bytes().startswith(b"#!") else 0o644
                name = str(place.relative_to(SKELETON / part))
                self.write(f"{part if into is None else into}/{name}", place.read_text(encoding="utf-8"), mode, under)


def starter() -> list[str]:
    """The words that start a program of the box; its name and arguments follow."""
    program = str(PACKAGE / "faces" / "program.py")
    return [os.path.realpath(sys.executable), "-I", "-S", program]


def native(name: str) -> str:
    """Where this machine has a program; not where a box has one of that name, whose PATH may still be set."""
    for folder in os.environ.get("PATH", os.defpath).split(os.pathsep):
        found = shutil.which(name, path=folder)
        if found and not any((above / ".mockdc").exists() for above in pathlib.Path(found).parents):
            return found
    return f"/usr/bin/{name}"


def faulty(dc: Datacenter) -> pathlib.Path:
    """Present while faults are set: then nothing is answered from a cache, so that every call counts."""
    return dc.folder / ".mockdc" / "faulty"


# --- programs and the shell -----------------------------------------------------------------------------------------
STUB = "#!/bin/sh\nexec @PROGRAM@ {name} \"$@\"\n"

SYSINFO = """#!/bin/sh
# Prints the copy of what sysinfo printed last, as the real one does; anything else goes the long way.
cache='@RUN@/sysinfo.json'
if [ $# -eq 0 ] && [ ! -e '@FAULTY@' ]; then
    if [ ! -s "$cache" ]; then
        @PROGRAM@ sysinfo > "$cache.$$" && mv "$cache.$$" "$cache" || { status=$?; rm -f "$cache.$$"; exit $status; }
    fi
    exec cat "$cache"
fi
rm -f "$cache"
exec @PROGRAM@ sysinfo "$@"
"""


def programs(writer: Writer) -> None:
    """A small file for each program, which names the datacenter and the node."""
    names = names_for(writer.dc, writer.server)
    for name in names:
        text = SYSINFO if name == "sysinfo" else STUB.format(name=name)
        writer.write(f"{program_folder(name)}/{name}", text, EXECUTABLE)
    if "json" in names:
        writer.link("opt/smartdc/bin/json", "../../../usr/bin/json")
    writer.skeleton("lib")
    writer.skeleton("usr")
    writer.link("bin", "usr/bin")


def shell(writer: Writer) -> None:
    """What makes a bash feel at home in the fake global zone."""
    paths = {f"/{program_folder(name)}/{name}" for name in names_for(writer.dc, writer.server)}
    paths |= {path.replace("/usr/bin/", "/bin/") for path in paths if path.startswith("/usr/bin/")}
    paths |= {"/usr/bin/bash", "/bin/bash", "/usr/bin/curl", "/bin/curl", "/lib/sdc/config.sh", "/opt/smartdc/bin/json"}
    functions = "\n".join(f"{path}() {{ \"$__gz{path}\" \"$@\"; }}" for path in sorted(paths))
    writer.values["FUNCTIONS"] = functions
    writer.skeleton("shell", under=writer.shell, into=".")
    writer.run.mkdir(parents=True, exist_ok=True)


def write_proxy(dc: Datacenter, address: str) -> None:
    """Tell the curl of the global zones which proxy resolves names."""
    (dc.folder / ".mockdc" / "shell" / "proxy").write_text(f"GZ_PROXY={shlex.quote(address)}\n", encoding="utf-8")


def environment(dc: Datacenter, server: str) -> dict[str, str]:
    """The environment under which programs find a node of this datacenter; its files are made if need be."""
    ensure(dc, server)
    root = dc.root(server)
    own = [str(root / folder) for folder in ("usr/bin", "usr/sbin", "opt/smartdc/bin")]
    machine = dc.store.meta("machine_path", "/usr/bin:/bin")
    return {
        "SDCUPGRADE_ROOT": str(root),
        **dc.store.meta("addresses", {}),
        "PATH": ":".join([*own, machine]),
        "BASH_ENV": str(dc.folder / ".mockdc" / "shell" / server / "functions"),
    }


# --- the boot key, the tools and the state files ----------------------------------------------------------------------
def config_lines(values: dict[str, str]) -> str:
    """A configuration as shell lines; quoted where a shell needs it."""
    return "".join(f"{key}={shlex.quote(value)}\n" for key, value in values.items())


def generic(key: str) -> bool:
    """Whether a key of the configuration has its place among the defaults of config.inc/generic."""
    return key.startswith("pkg_") or key.endswith("_domain") or key in {"agents_root", "install_agents"}


def boot_key(writer: Writer) -> None:
    """The key's content, kept aside while the key is not mounted, and its copy in /usbkey (reference 1.2)."""
    config, stamp = writer.dc.config, writer.values["STAMP"]
    key = writer.dc.folder / ".mockdc" / "key"
    for under in (writer.root / "usbkey", key):
        writer.skeleton("usbkey", under=under, into=".")
        writer.write("default/user-script.common", COMMON_TODAY, EXECUTABLE, under)
        writer.write("config", config_lines({k: v for k, v in config.items() if not generic(k)}), 0o600, under)
        writer.write("config.inc/generic", config_lines({k: v for k, v in config.items() if generic(k)}), under=under)
        for each in writer.dc.store.meta("platforms", [stamp]):
            writer.write(f"os/{each}/platform/etc/version/platform", f"{each}\n", under=under)
        for name in ("tools.tar.gz", "cn_tools.tar.gz"):
            archive(under / name, name, stamp)
    archive(writer.root / "usbkey/extra/joysetup/cn_tools.tar.gz", "cn_tools.tar.gz", stamp)
    writer.write("usbkey/extra/joysetup/node.config", node_config(writer.dc))
    writer.write("usbkey/extra/agents/agents-@STAMP@.sh".replace("@STAMP@", stamp), "#!/usr/bin/bash\n", EXECUTABLE)
    writer.link("usbkey/extra/agents/latest", f"agents-{stamp}.sh")
    writer.write(".joyliveusb", "", under=key)
    writer.write("version", f"{stamp}\n", under=key)
    writer.folders("mnt/usbkey")
    fold(key)


def archive(place: pathlib.Path, name: str, stamp: str) -> None:
    """A small tools tarball, the same bytes for the same platform."""
    import gzip
    import io
    import tarfile

    data = f"{name} {stamp}\n".encode()
    entry = tarfile.TarInfo("etc/buildstamp")
    entry.size = len(data)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.addfile(entry, io.BytesIO(data))
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(gzip.compress(packed.getvalue(), mtime=0))


def node_config(dc: Datacenter) -> str:
    """What agentsetup gives every node: a part of the configuration (reference 1.2)."""
    wanted = ("datacenter_name", "dns_domain", "dns_resolvers", "assets_admin_ip", "ntp_hosts", "swap", "rabbitmq",
              "ufds_admin_ips", "ufds_admin_uuid", "binder_admin_ips", "imgapi_admin_ips", "imgapi_domain",
              "fwapi_domain", "sapi_domain", "vmapi_admin_ips", "vmapi_domain")  # fmt: skip
    return "".join(f"{key}='{dc.config[key]}'\n" for key in wanted if key in dc.config)


def smartdc(writer: Writer) -> None:
    """/opt/smartdc, with the way into the sdc zone on the headnode (reference 1.4)."""
    dc = writer.dc
    writer.folders("opt/custom", "opt/smartdc/lib", "opt/smartdc/share/usbkey", "opt/smartdc/etc",
                   "opt/smartdc/agents/lib/node_modules", "opt/smartdc/agents/etc")  # fmt: skip
    writer.write("opt/smartdc/config/node.config", node_config(dc), 0o600)
    if writer.server == dc.headnode:
        writer.write("opt/smartdc/etc/gz-tools.image", dc.name_uuid("gz-tools") + "\n")
        zones = [vm for vm in dc.instances_of("sdc") if vm["server_uuid"] == dc.headnode]
        if zones:
            newest = max(zones, key=lambda vm: str(vm["create_timestamp"]))
            writer.link("opt/smartdc/sdc", f"../../zones/{newest['uuid']}/root/opt/smartdc/sdc")


def state_files(writer: Writer) -> None:
    """Files by which programs know what a node is and what was done to it (reference 1.8)."""
    dc, server = writer.dc, writer.server
    kind = "headnode" if server == dc.headnode else "computenode"
    when = dc.iso(dc.store.meta("clock", [dc.now()])[0])
    writer.json("var/lib/setup.json", {"node_type": kind, "start_time": when, "current_state": "setup_complete",
                                       "seen_states": ["zpool_created", "agents_installed", "setup_complete"],
                                       "complete": True, "last_updated": when}, 0o400)  # fmt: skip
    source = f"http://{dc.config.get('imgapi_domain', '')}"
    writer.json("var/imgadm/imgadm.conf", {"upgradedToVer": "3.0.0", "sources": [{"type": "imgapi", "url": source}]})
    writer.folders("var/tmp", "var/log/sdc/upload", "var/log/vm/logs", "var/svc/log", "var/imgadm/images", "var/run",
                   "zones", "cores")  # fmt: skip
    if server == dc.headnode:
        writer.json("var/sdcadm/sdcadm.conf", {"serverUuid": server})
        writer.folders("var/log/sdcadm/logs", "var/sdcadm/updates", "var/sdcadm/rollbacks", "var/sdcadm/self-updates")


def build(dc: Datacenter) -> None:
    """Make the headnode's global zone. Running it again writes the programs and texts anew."""
    writer = Writer(dc, dc.headnode)
    for part in (boot_key, smartdc, state_files, programs, shell):
        part(writer)


def ensure(dc: Datacenter, server: str) -> None:
    """Make a compute node's global zone if it is not there yet."""
    done = dc.folder / ".mockdc" / "shell" / server / "functions"
    if not done.exists():
        writer = Writer(dc, server)
        for part in (smartdc, state_files, programs, shell):
            part(writer)


def refresh(dc: Datacenter) -> None:
    """After a restart of the servers: programs and shell as this checkout and this python want them."""
    for place in sorted((dc.folder / ".mockdc" / "shell").glob("*/functions")):
        writer = Writer(dc, place.parent.name)
        programs(writer)
        shell(writer)
