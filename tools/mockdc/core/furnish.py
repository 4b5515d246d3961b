"""Turns a scenario into documents: servers, images, SAPI, zones. Shapes by reference 1.5, 1.6, 2.1, 2.3, 3.1, 4.5."""

from __future__ import annotations

import datetime
import hashlib
from typing import TYPE_CHECKING, Any

from mockdc.core import bits, datasets, dns, life, smf, zonefiles
from mockdc.core.clock import START
from mockdc.core.scripts import COMMON_TODAY, COMMON_YESTERDAY, PRE_HEAD_1804
from mockdc.core.stack import AGENTS, Kind, kind

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter
    from mockdc.core.store import Doc

GIB = 1 << 30
POOL_GIB = 900
NOBODY = "00000000-0000-0000-0000-000000000000"
CHANNELS = [
    {"name": "experimental", "description": "feature-branch builds"},
    {"name": "dev", "description": "main development branch builds", "default": True},
    {"name": "staging", "description": "staging for release branch builds before a full release"},
    {"name": "release", "description": "release bits"},
    {"name": "support", "description": "release bits for supported customers"},
]
SCRIPTS = {"today": COMMON_TODAY, "yesterday": COMMON_YESTERDAY, "old": PRE_HEAD_1804}


class Furnisher:
    """One furnishing; the caller holds the transaction."""

    def __init__(self, dc: Datacenter, spec: Doc) -> None:
        self.dc = dc
        self.spec = spec
        self.dcname = spec["datacenter_name"]
        self.domain = spec["dns_domain"]
        self.platform = spec.get("platform", "20240118T001122Z")
        self.services: dict[str, Doc] = spec.get("services", {})
        self.bare: bool = spec.get("bare", not self.services)
        dc.store.set_meta("config", {"datacenter_name": self.dcname, "dns_domain": self.domain})
        self.admin = dc.name_uuid("account/admin")
        self.application = dc.name_uuid("application/sdc")
        self.servers: dict[str, Doc] = {}
        self.images: dict[tuple[str, str], Doc] = {}
        self.running: dict[str, str] = {}
        self.next_ip = 8
        self.sapi_ip = ""

    def furnish(self) -> None:
        """Everything, in order."""
        self.make_servers()
        self.make_config()
        self.make_images()
        if not self.bare:
            self.make_application()
        for name in self.services:
            self.make_service(name, self.services[name])
        self.make_agents()
        self.make_decoys()
        self.make_oddities()
        self.make_config()
        self.make_more()
        place = self.dc.folder / "usbkey" / "default" / "user-script.common"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(COMMON_TODAY, encoding="utf-8")

    # --- config -----------------------------------------------------------------------------------------------
    def make_config(self) -> None:
        """What config.sh knows; called again when the addresses of the zones are known."""
        config = {
            "datacenter_name": self.dcname,
            "dns_domain": self.domain,
            "region_name": self.spec.get("region_name", "us-west"),
            "datacenter_company_name": "Example",
            "datacenter_location": "Somewhere",
            "ufds_admin_uuid": self.admin,
            "ufds_ldap_root_dn": "cn=root",
            "ufds_ldap_root_pw": "secret",
            "admin_network": self.address(0),
            "admin_netmask": "255.255.0.0" if self.wide() else "255.255.255.0",
            "admin_ip": self.server_address(0),
            "dns_resolvers": "8.8.8.8",
            "agents_root": "/opt/smartdc/agents",
            "root_authorized_keys_file": "root.authorized_keys",
            "adminui_workers": "1",
            "pkg_3": f"sdc_1024:1024:2048:25600:400:1000:20:{self.dc.name_uuid('package/sdc_1024')}",
        }
        for name in self.services:
            config[f"{name}_domain"] = f"{name}.{self.dcname}.{self.domain}"
            ips = ",".join(dns.admin_ip(vm) for vm in self.dc.instances_of(name))
            if ips:
                config[f"{name}_admin_ips"] = ips
                config[f"{name}_admin_ip"] = ips.partition(",")[0]
        config["rabbitmq"] = f"guest:guest:{config.get('rabbitmq_admin_ip', '')}:5672"
        config.update(self.spec.get("config", {}))
        self.dc.store.set_meta("config", config)
        self.dc.store.set_meta("quota_zero_breaks", self.spec.get("quota_zero_breaks", True))
        self.dc.store.set_meta("channels", CHANNELS)
        self.dc.store.set_meta("bare", self.bare)
        self.dc.store.set_meta("sapi_mode", "proto" if self.bare else "full")

    def wide(self) -> bool:
        """Whether the admin network is a /16."""
        return str(self.spec.get("network", "10.99.99")).count(".") == 1

    def address(self, number: int) -> str:
        """The admin network's *number*th address."""
        network = self.spec.get("network", "10.99.99")
        return f"{network}.{number // 256}.{number % 256}" if self.wide() else f"{network}.{number}"

    def server_address(self, index: int) -> str:
        """The admin address of the *index*th server; the first is the headnode."""
        return self.address(7 if index == 0 else (512 if self.wide() else 200) + index)

    # --- servers ----------------------------------------------------------------------------------------------
    def make_servers(self) -> None:
        """The headnode and the compute nodes, each with its pool."""
        rows = list(self.spec.get("servers", [{"hostname": "headnode", "headnode": True}]))
        generate = self.spec.get("generate", {"count": 0, "hostname": ""})
        rows += [{"hostname": generate["hostname"] % number} for number in range(generate["count"])]
        for index, row in enumerate(rows):
            server = self.server(index, row)
            self.servers[row["hostname"]] = server
            if server["headnode"]:
                self.dc.store.set_meta("headnode", server["uuid"])
            self.dc.store.put("server", server["uuid"], server)
            free = row.get("free_gib", POOL_GIB - 120) * GIB
            datasets.create(self.dc, server["uuid"], "zones", used=120 * GIB, available=free)
            for name in ("var", "opt", "usbkey", "cores") if server["headnode"] else ():
                datasets.create(self.dc, server["uuid"], f"zones/{name}", used=GIB, mountpoint=f"/{name}")

    def server(self, index: int, row: Doc) -> Doc:
        """A server as CNAPI gives it, with everything."""
        uuid = self.dc.name_uuid(f"server/{row['hostname']}")
        head = bool(row.get("headnode"))
        platform = row.get("platform", self.platform)
        sysinfo = self.sysinfo(index, row, uuid)
        booted = "2024-03-01T08:00:00.000Z"
        alive = row.get("alive", True)
        return {
            "uuid": uuid, "hostname": row["hostname"], "headnode": head, "setup": row.get("setup", True),
            "setting_up": False, "status": "running" if alive else "unknown", "transitional_status": "",
            "current_platform": platform, "boot_platform": platform, "datacenter": self.dcname, "ram": 65536,
            "memory_total_bytes": 65536 << 20, "memory_available_bytes": 16384 << 20, "last_boot": booted,
            "created": "2023-01-10T12:00:00.000Z", "last_heartbeat": self.dc.iso(), "reserved": False,
            "reservoir": False, "traits": {}, "boot_params": {}, "kernel_flags": {}, "default_console": "serial",
            "system_type": sysinfo["System Type"], "serial": "ttyb", "rack_identifier": f"rack-{1 + index // 40}",
            "comments": "", "overprovision_ratios": {},
            "agents": sysinfo["SDC Agents"], "sysinfo": sysinfo, "vms": {}, "_alive": alive,
            **({"_known": False} if self.bare else {}),
        }

    def sysinfo(self, index: int, row: Doc, uuid: str) -> Doc:
        """What sysinfo prints there."""
        head, ip = bool(row.get("headnode")), self.server_address(index)
        agents = [{"name": name, "version": "1.0.0", "image_uuid": self.dc.name_uuid(f"image/{name}"),
                   "uuid": self.dc.name_uuid(f"agent/{name}/{row['hostname']}")} for name in AGENTS]
        boot = {"headnode": "true"} if head else {"hostname": row["hostname"]}
        mac = ":".join(["90", "b8", "d0", *[f"{byte:02x}" for byte in hashlib.sha1(uuid.encode()).digest()[:3]]])
        return {
            "Live Image": row.get("platform", self.platform), "System Type": row.get("system_type", "SunOS"),
            "Boot Time": "1709280000", "Datacenter Name": self.dcname, "SDC Version": "7.0", "Manufacturer": "Example",
            "Product": "Box", "Serial Number": uuid[:8], "UUID": uuid, "Hostname": row["hostname"],
            "CPU Type": "Example", "CPU Virtualization": "vmx", "CPU Physical Cores": 1, "CPU Total Cores": 16,
            "CPU Core Count": 16, "MiB of Memory": "65536", "Zpool": "zones", "Zpool Disks": "c1t0d0",
            "Zpool Profile": "striped", "Zpool Size in GiB": POOL_GIB, "Zpool Encrypted": False, "Disks": {},
            "Boot Parameters": {"console": "text", **boot}, "SDC Agents": agents,
            "Setup": "true" if row.get("setup", True) else "false", "VM Capable": True, "Bhyve Capable": True,
            "Network Interfaces": {"igb0": {"MAC Address": mac, "ip4addr": ip, "Link Status": "up",
                                            "NIC Names": ["admin"]}},
            "Virtual Network Interfaces": {}, "Link Aggregations": {}, "Admin NIC Tag": "admin", "Admin IP": ip,
            **({"Headnode ID": "0"} if head else {}),
        }

    # --- images -----------------------------------------------------------------------------------------------
    def make_images(self) -> None:
        """Origins, an image of each release for each service, and packages."""
        for key, row in self.spec.get("origins", {}).items():
            manifest = self.image(f"origin/{key}", row["name"], row, 3)
            self.images["origin", key] = self.publish(manifest, row)
        for name in self.services:
            for row in self.spec.get("releases", []):
                if name in row.get("services", [name]) and name not in row.get("not", []):
                    self.release(name, row)
        for row in self.spec.get("packages", []):
            manifest = self.image(f"package/{row['name']}/{row['version']}", row["name"], row, 1)
            manifest.update(type="other", os="other", tags={"buildstamp": row.get("buildstamp", row["version"])})
            manifest["requirements"] = {}
            self.publish(manifest, row)

    def release(self, service: str, row: Doc) -> None:
        """One service's image of one release."""
        name = self.services[service].get("image", kind(service).image)
        stamp = self.stamp(service, row)
        version = f"{row.get('branch', 'master')}-{stamp}-g{self.hex(f'{service}/{stamp}')}"
        manifest = self.image(f"{service}/{row['key']}", name, {**row, "version": version, "stamp": stamp}, 1)
        manifest["uuid"] = self.services[service].get("uuids", {}).get(row["key"], manifest["uuid"])
        manifest["description"] = f"{service} zone image"
        origin = row.get("origin")
        if origin:
            manifest["origin"] = self.images["origin", origin]["uuid"]
        self.images[service, row["key"]] = self.publish(manifest, row)
        if row["key"] == "running":
            self.running[service] = manifest["uuid"]

    def stamp(self, service: str, row: Doc) -> str:
        """The release's build time, some minutes later for each next service."""
        minutes = 7 * list(self.services).index(service)
        when = datetime.datetime.strptime(row["stamp"], "%Y%m%dT%H%M%SZ") + datetime.timedelta(minutes=minutes)
        return when.strftime("%Y%m%dT%H%M%SZ")

    @staticmethod
    def hex(name: str) -> str:
        """Seven digits, as of a commit."""
        return hashlib.sha1(name.encode()).hexdigest()[:7]

    def image(self, key: str, name: str, row: Doc, share: int) -> Doc:
        """A manifest without a file yet."""
        when = datetime.datetime.strptime(row["stamp"], "%Y%m%dT%H%M%SZ") + datetime.timedelta(minutes=9)
        size = row.get("size", self.spec.get("image_size", 98304) * share)
        size += int(self.dc.chance(f"size/{key}") * size * 0.3)
        return {
            "v": 2, "uuid": self.dc.name_uuid(f"image/{key}"), "owner": NOBODY, "name": name, "version": row["version"],
            "state": "active", "disabled": False, "public": False, "published_at": when.strftime("%Y-%m-%dT%H:%M:%S.") +
            f"{int(self.dc.chance(key) * 1000):03d}Z", "type": "zone-dataset", "os": "smartos", "files": [], "acl": [],
            "requirements": {"min_platform": {"7.0": row.get("min_platform", "20210826T002459Z")}},
            "tags": {"smartdc_service": "true"}, "_size": size,
        }

    def publish(self, manifest: Doc, row: Doc) -> Doc:
        """Put an image on the updates server, and into the datacenter where the row says so. Returns the one there."""
        uuid, size = manifest["uuid"], manifest.pop("_size")
        manifest["files"] = [bits.promise(self.dc, "updates", uuid, size)]
        if row.get("channels"):
            self.dc.store.put("image", f"updates/{uuid}", {**manifest, "channels": list(row["channels"])})
        if row.get("imgapi"):
            bits.promise(self.dc, "imgapi", uuid, size)
            self.dc.store.put("image", f"imgapi/{uuid}", {**manifest, "owner": self.admin})
        return manifest

    # --- SAPI -------------------------------------------------------------------------------------------------
    def make_application(self) -> None:
        """The sdc application and its two manifests."""
        manifests = {}
        for name in ("registrar", "config-agent"):
            path = f"/opt/smartdc/{name}/etc/config.json"
            uuid = self.dc.name_uuid(f"manifest/{name}")
            manifests[name] = uuid
            self.dc.store.put("sapi_manifest", uuid, {
                "uuid": uuid, "name": name, "version": "1.0.0", "path": path, "template": "{}", "post_cmd": ""})
        metadata = {f"{name.upper()}_SERVICE": f"{name}.{self.dcname}.{self.domain}" for name in self.services}
        metadata.update({f"{name}_domain": value for name, value in
                         ((name, f"{name}.{self.dcname}.{self.domain}") for name in self.services)})
        metadata.update(datacenter_name=self.dcname, dns_domain=self.domain, ufds_admin_uuid=self.admin,
                        region_name=self.spec.get("region_name", "us-west"), manatee_shard="sdc")
        metadata["sapi-url"] = f"http://sapi.{self.dcname}.{self.domain}"
        if self.spec.get("update_channel"):
            metadata["update_channel"] = self.spec["update_channel"]
        metadata.update(self.spec.get("application", {}))
        self.dc.store.put("sapi_application", self.application, {
            "uuid": self.application, "name": "sdc", "owner_uuid": self.admin,
            "params": {"brand": "joyent-minimal", "zfs_storage_pool_name": "zones", "dns_domain": self.domain},
            "metadata": metadata, "metadata_schema": {}, "manifests": manifests})

    def make_service(self, name: str, row: Doc) -> None:
        """The SAPI service and its zones."""
        what = kind(name)
        uuid = self.dc.name_uuid(f"service/{name}")
        in_sapi = row.get("sapi", what.in_sapi)
        if in_sapi:
            self.dc.store.put("sapi_service", uuid, self.sapi_service(name, row, what, uuid))
        for number, hostname in enumerate(row.get("on", [next(iter(self.servers))])):
            alias = row["aliases"][number] if "aliases" in row else f"{name}{number}"
            vm = self.zone(name, row, what, alias, self.servers[hostname])
            if in_sapi:
                self.dc.store.put("sapi_instance", vm["uuid"], {
                    "uuid": vm["uuid"], "service_uuid": uuid, "type": "vm", "params": {
                        "alias": alias, "server_uuid": vm["server_uuid"]}, "metadata": {}, "manifests": {}})

    def sapi_service(self, name: str, row: Doc, what: Kind, uuid: str) -> Doc:
        """The service object; its quota is text in some real datacenters, a number in others."""
        quota: Any = row.get("quota", what.quota)
        params = {
            "image_uuid": self.running.get(name), "package_name": f"sdc_{what.ram}", "networks": [{"name": "admin"}],
            "billing_id": self.dc.name_uuid(f"package/sdc_{what.ram}"), "package_version": "1.0.0",
            "max_physical_memory": what.ram, "max_locked_memory": what.ram, "max_swap": 2 * what.ram, "cpu_cap": 400,
            "maintain_resolvers": True, "tags": {"smartdc_role": name, "smartdc_type": "core"},
            "quota": str(quota) if row.get("quota_text", len(name) % 2 == 0) else quota,
            **({"delegate_dataset": True} if row.get("delegated", what.delegated) else {}),
            **({"firewall_enabled": True} if what.firewall else {}),
        }
        metadata = {"SERVICE_NAME": name, "SERVICE_DOMAIN": f"{name}.{self.dcname}.{self.domain}",
                    "user-script": SCRIPTS[row.get("user_script", "yesterday")],
                    "sapi-url": f"http://sapi.{self.dcname}.{self.domain}"}
        return {"uuid": uuid, "name": name, "application_uuid": self.application, "type": "vm", "params": params,
                "metadata": metadata, "manifests": {}}

    def make_agents(self) -> None:
        """The agents' services, and their instances where the scenario wants them."""
        for name in AGENTS if self.services else ():
            uuid = self.dc.name_uuid(f"service/{name}")
            self.dc.store.put("sapi_service", uuid, {
                "uuid": uuid, "name": name, "application_uuid": self.application, "type": "agent",
                "params": {"image_uuid": self.dc.name_uuid(f"image/{name}"), "tags": {}}, "metadata": {
                    "SERVICE_NAME": name}, "manifests": {}})
            for server in self.servers.values() if self.spec.get("agents") else ():
                instance = self.dc.name_uuid(f"agent/{name}/{server['hostname']}")
                if server["setup"]:
                    self.dc.store.put("sapi_instance", instance, {
                        "uuid": instance, "service_uuid": uuid, "type": "agent",
                        "params": {"server_uuid": server["uuid"]}, "metadata": {}, "manifests": {}})

    # --- zones ------------------------------------------------------------------------------------------------
    def vm(self, alias: str, server: Doc, what: Kind, image: str, **more: Any) -> Doc:
        """A vm object as vmadm prints it."""
        uuid = self.dc.name_uuid(f"vm/{alias}/{more.get('owner_uuid', '')}/{more.get('state', '')}")
        ip = self.address(self.next_ip)
        self.next_ip += 1
        digest = hashlib.sha1(uuid.encode()).digest()
        nic = {"interface": "net0", "mac": ":".join(["90", "b8", "d0", *[f"{byte:02x}" for byte in digest[:3]]]),
               "vlan_id": 0, "nic_tag": "admin", "ip": ip, "ips": [f"{ip}/24"], "netmask": "255.255.255.0",
               "network_uuid": self.dc.name_uuid("network/admin"), "mtu": 1500, "primary": True}
        return {
            "zonename": uuid, "autoboot": True, "brand": "joyent-minimal", "limit_priv": "default", "v": 1,
            "create_timestamp": "2023-02-01T10:11:12.345Z", "image_uuid": image, "cpu_shares": 1024, "max_lwps": 4000,
            "max_msg_ids": 4096, "max_sem_ids": 4096, "max_shm_ids": 4096, "max_shm_memory": what.ram,
            "zfs_io_priority": 20, "max_physical_memory": what.ram, "max_locked_memory": what.ram,
            "max_swap": 2 * what.ram, "cpu_cap": 400, "billing_id": self.dc.name_uuid(f"package/sdc_{what.ram}"),
            "owner_uuid": self.admin, "package_name": f"sdc_{what.ram}", "package_version": "1.0.0", "tmpfs": what.ram,
            "dns_domain": self.domain, "hostname": alias, "maintain_resolvers": True, "resolvers": [], "alias": alias,
            "firewall_enabled": what.firewall, "nics": [nic], "tags": {}, "customer_metadata": {},
            "internal_metadata": {}, "uuid": uuid, "zone_state": "running", "zonepath": f"/zones/{uuid}", "zoneid": 14,
            "zonedid": 14, "state": "running", "quota": what.quota, "zpool": "zones",
            "zfs_filesystem": f"zones/{uuid}", "datasets": [], "server_uuid": server["uuid"],
            "platform_buildstamp": server["current_platform"], "last_modified": "2024-03-01T08:05:00.000Z",
            "boot_timestamp": "2024-03-01T08:00:00.000Z", "init_restarts": 0, "pid": 9182, "snapshots": [],
            "type": "OS", **more,
        }

    def zone(self, service: str, row: Doc, what: Kind, alias: str, server: Doc) -> Doc:
        """A zone of the stack, up and running, with its files."""
        vm = self.vm(alias, server, what, self.running.get(service, NOBODY), quota=row.get("quota", what.quota))
        vm["tags"] = {"smartdc_role": service, "smartdc_type": "core"}
        if service == "sapi":
            self.sapi_ip = dns.admin_ip(vm)
        # binder and sapi themselves are set up with SAPI's address: there is no name yet, or nobody to ask for it
        url = self.sapi_ip if service in {"binder", "sapi"} and self.sapi_ip else f"sapi.{self.dcname}.{self.domain}"
        vm["customer_metadata"] = {"sapi-url": f"http://{url}", "assets-ip": self.address(8)}
        script = SCRIPTS[row.get("user_script", "yesterday")]
        if script:
            vm["customer_metadata"]["user-script"] = script
        if row.get("delegated", what.delegated):
            vm["datasets"] = [f"zones/{vm['uuid']}/data"]
        self.settle(vm, service, float(row.get("reprovision_s", 0) or self.spec.get("reprovision_s", 0)))
        return vm

    def settle(self, vm: Doc, service: str, reprovision_s: float = 0.0) -> None:
        """Put a vm where it lives: documents, datasets, installed image, files, name."""
        dc, server = self.dc, vm["server_uuid"]
        self.install(server, vm["image_uuid"])
        datasets.create(dc, server, f"zones/{vm['uuid']}", quota=vm["quota"] * GIB, used=GIB // 2,
                        origin=f"zones/{vm['image_uuid']}@final")
        for name in vm["datasets"]:
            datasets.create(dc, server, name, used=GIB, zoned="on", mountpoint=f"/{name}")
        dc.store.put("vm", vm["uuid"], vm)
        dc.store.put("vmapi_vm", vm["uuid"], vm)
        zone = life.new_zone(vm, service, reprovision_s)
        if vm["state"] == "running":
            smf.starting(dc, zone)
            for entry in zone["smf"]:
                entry.update(state="online", reason="", since=START - 90 * 86400.0)
            zone["answers"], zone["session"] = True, 1
        dc.store.put("zone", vm["uuid"], zone)
        if service:
            dns.put(dc, vm, zone)
            self.files(vm, service, zone)

    def install(self, server: str, image: str) -> None:
        """Install an image, and its origin first."""
        manifest = self.dc.store.get("image", f"imgapi/{image}")
        if manifest and not self.dc.installed(server, image):
            if manifest.get("origin"):
                self.install(server, manifest["origin"])
            self.dc.install(server, manifest, f"http://imgapi.{self.dcname}.{self.domain}")

    def files(self, vm: Doc, service: str, zone: Doc) -> None:
        """The files of a zone that has been running for a while."""
        zonefiles.fresh(self.dc, vm, self.dc.store.get("image", f"imgapi/{vm['image_uuid']}"))
        zonefiles.config(self.dc, vm)
        zonefiles.set_up(self.dc, vm)
        zonefiles.lived_in(self.dc, vm, service)
        for fmri in smf.own(service):
            zonefiles.service_log(self.dc, vm, fmri, 'Method "start" exited with status 0.')
        for name in vm["datasets"]:
            place = datasets.folder(self.dc, vm["server_uuid"], name)
            place.mkdir(parents=True, exist_ok=True)
            (place / "precious").write_text(f"data of {vm['alias']}\n", encoding="utf-8")

    # --- what is not what it seems ------------------------------------------------------------------------------
    def make_decoys(self) -> None:
        """Zones that look like something else: manta's of the same names, a customer's with a core alias and role,
        aliases that begin alike, a destroyed record (reference 2.2, 5.1, 10.2)."""
        if not self.spec.get("decoys"):
            return
        head = next(iter(self.servers.values()))
        customer, poseidon = self.dc.name_uuid("account/customer"), self.dc.name_uuid("account/poseidon")
        image = self.running["imgapi"]
        self.manta(poseidon, head)
        role = {"smartdc_role": "imgapi"}
        self.settle(self.vm("imgapi0", head, kind(""), image, owner_uuid=customer, tags=role), "")
        self.settle(self.vm("vmapi01", head, kind(""), image, owner_uuid=customer), "")
        self.settle(self.vm("imgapi0tmp", head, kind(""), image, state="stopped", zone_state="installed"), "")
        gone = self.vm("imgapi0", head, kind("imgapi"), image, state="destroyed", zone_state="destroyed", tags={
            "smartdc_role": "imgapi", "smartdc_type": "core"}, destroyed="2023-08-01T09:00:00.000Z")
        self.dc.store.put("vmapi_vm", gone["uuid"], gone)

    def manta(self, owner: str, server: Doc) -> None:
        """The manta application, with services and zones of familiar names."""
        application = self.dc.name_uuid("application/manta")
        self.dc.store.put("sapi_application", application, {
            "uuid": application, "name": "manta", "owner_uuid": owner, "params": {}, "metadata": {}, "manifests": {},
            "metadata_schema": {}})
        for name in ("moray", "postgres", "nameservice", "authcache"):
            uuid = self.dc.name_uuid(f"manta/service/{name}")
            image = self.running.get({"moray": "moray", "nameservice": "binder"}.get(name, "manatee"), "")
            self.dc.store.put("sapi_service", uuid, {
                "uuid": uuid, "name": name, "application_uuid": application, "type": "vm",
                "params": {"image_uuid": image, "tags": {"manta_role": name}}, "metadata": {"SERVICE_NAME": name},
                "manifests": {}})
            vm = self.vm(f"{name}1", server, kind(""), image, owner_uuid=owner, tags={"manta_role": name})
            self.settle(vm, "")
            self.dc.store.put("sapi_instance", vm["uuid"], {
                "uuid": vm["uuid"], "service_uuid": uuid, "type": "vm", "params": {"alias": vm["alias"]},
                "metadata": {}, "manifests": {}})

    def make_oddities(self) -> None:
        """Leftovers of earlier troubles: unactivated images, SAPI instances without a vm (HEAD-2056)."""
        for name in self.spec.get("leftover", []):
            manifest = {**self.images[name, "newer"], "state": "unactivated", "files": [], "owner": self.admin}
            manifest.pop("published_at")
            self.dc.store.put("image", f"imgapi/{manifest['uuid']}", manifest)
        for name in self.spec.get("stale_instances", []):
            uuid = self.dc.name_uuid(f"stale/{name}")
            self.dc.store.put("sapi_instance", uuid, {
                "uuid": uuid, "service_uuid": self.dc.name_uuid(f"service/{name}"), "type": "vm",
                "params": {"alias": f"{name}1"}, "metadata": {}, "manifests": {}})

    def make_more(self) -> None:
        """What the scenario gives as the store keeps it; nothing in it is looked at."""
        if "platforms" in self.spec:
            self.dc.store.set_meta("platforms", self.spec["platforms"])
        for kind_of, documents in self.spec.get("documents", {}).items():
            for id, document in documents.items():
                self.dc.store.put(kind_of, id, document)
        for name, value in self.spec.get("named", {}).items():
            self.dc.store.set_meta(name, value)
