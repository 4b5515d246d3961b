"""The programs of the fake global zone: which function answers under which name.

Each is ``def prog(call: Call) -> int``. Where a program lies in the global zone is known by ``faces/tree.py``. Names in
WRAPPED live in the sdc zone's file system and are gone while that zone is (reference 1.4); the one function ``wrapped``
sees to that. The names of SHELL are not files of the box: a machine has them itself, and only the face without
processes asks for them here.
"""

from __future__ import annotations

_HERE = "mockdc.commands."

APIS = ("sapi", "vmapi", "cnapi", "workflow", "papi", "napi", "fwapi", "amon")

WRAPPED: dict[str, str] = {
    **{f"sdc-{api}": f"{_HERE}wrappers:wrapper" for api in APIS},
    "sdc-imgapi": f"{_HERE}imgapi_cli:sdc_imgapi",
    "sdc-imgadm": f"{_HERE}imgapi_cli:sdc_imgadm",
    "updates-imgadm": f"{_HERE}imgapi_cli:updates_imgadm",
    "sdc-waitforjob": f"{_HERE}wrappers:waitforjob",
    "sdc-oneachnode": f"{_HERE}oneachnode:sdc_oneachnode",
}

SHELL: dict[str, str] = {
    "bash": f"{_HERE}minishell:bash",
    "sh": f"{_HERE}minishell:bash",
    "config.sh": f"{_HERE}config_sh:config_sh",
}

PROGRAMS: dict[str, str] = {
    **dict.fromkeys(WRAPPED, f"{_HERE}wrap:wrapped"),
    **SHELL,
    "vmadm": f"{_HERE}vmadm:vmadm",
    "imgadm": f"{_HERE}imgadm:imgadm",
    "zfs": f"{_HERE}zfs:zfs",
    "zpool": f"{_HERE}zpool:zpool",
    "svcs": f"{_HERE}svcs:svcs",
    "svcadm": f"{_HERE}svcadm:svcadm",
    "zlogin": f"{_HERE}zlogin:zlogin",
    "zoneadm": f"{_HERE}zoneadm:zoneadm",
    "zonecfg": f"{_HERE}zoneadm:zonecfg",
    "sysinfo": f"{_HERE}sysinfo:sysinfo",
    "json": f"{_HERE}json_tool:json_tool",
    "dig": f"{_HERE}dig:dig",
    "digest": f"{_HERE}small:digest",
    "uuid": f"{_HERE}small:uuid",
    "add-userscript": f"{_HERE}small:add_userscript",
    "ping-agent": f"{_HERE}small:ping_agent",
    "sapiadm": f"{_HERE}sapiadm:sapiadm",
    "sdcadm": f"{_HERE}sdcadm:sdcadm",
    "sdc": f"{_HERE}sdc_tools:sdc",
    "sdc-login": f"{_HERE}sdc_tools:sdc_login",
    "sdc-role": f"{_HERE}sdc_tools:sdc_role",
    "sdc-server": f"{_HERE}sdc_tools:sdc_server",
    "sdc-vmname": f"{_HERE}sdc_tools:sdc_vmname",
    "sdc-usbkey": f"{_HERE}usbkey:sdc_usbkey",
    "sdc-healthcheck": f"{_HERE}healthcheck:sdc_healthcheck",
}
