"""Idioms of operators and of the old scripts, in a bash in the fake global zone (reference 4 and 6.5)."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from conftest import Box

NEW_IMGAPI = "4803c1cd-5882-9c48-bc2a-fc81c1429a89"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A coal in which the tests here may change things; each takes a zone of its own."""
    box = Box(tmp_path_factory.mktemp("lab") / "headnode")
    box.up("--scenario", "coal", "--speed", "2000")
    yield box
    box.mockdc("down")


def test_a_wrapper_pipes_into_json(coal: Box) -> None:
    wanted = next(row["uuid"] for row in coal.state()["services"] if row["name"] == "vmapi")
    assert coal.says("sdc-sapi /services?name=vmapi | json -H 0.uuid") == wanted


def test_a_wrapper_exits_0_on_an_http_error(coal: Box) -> None:
    done = coal.sh("sdc-vmapi /vms/11111111-2222-4333-8444-555555555555")
    assert done.returncode == 0
    assert done.stdout.startswith("HTTP/1.1 404 Not Found")


@pytest.mark.parametrize("words", ["tags.smartdc_role=imgapi", "alias=~^imgapi", "alias=imgapi0"])
def test_lookup_finds_the_one(coal: Box, words: str) -> None:
    assert coal.says(f"vmadm lookup -1 {words}") == coal.instance("imgapi0")["uuid"]


def test_lookup_of_many_is_refused_on_stderr(coal: Box) -> None:
    done = coal.sh("/usr/sbin/vmadm lookup -1 tags.smartdc_type=core")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Requested unique lookup but found" in done.stderr


@pytest.mark.parametrize("line", [
    "bash /lib/sdc/config.sh -json | json datacenter_name",
    "/usr/bin/bash /lib/sdc/config.sh -json | /usr/bin/json datacenter_name",
    "/lib/sdc/config.sh -json | /opt/smartdc/bin/json datacenter_name",
    ". /lib/sdc/config.sh; load_sdc_config; echo $CONFIG_datacenter_name",
    "source /lib/sdc/config.sh && load_sdc_config && echo $CONFIG_datacenter_name",
])  # fmt: skip
def test_the_configuration_is_read_in_every_known_way(coal: Box, line: str) -> None:
    assert coal.says(line) == "coal"


def test_the_configuration_follows_an_edited_file(lab: Box) -> None:
    lab.says("bash /lib/sdc/config.sh -json")
    with (lab.root / "usbkey" / "config").open("a") as config:
        config.write("region_name='far \"away\"'\n")
    os.utime(lab.root / "usbkey" / "config", (4e9, 4e9))
    assert json.loads(lab.says("bash /lib/sdc/config.sh -json"))["region_name"] == 'far "away"'


def test_config_sh_tells_what_the_datacenter_knows(coal: Box) -> None:
    assert json.loads(coal.says("bash /lib/sdc/config.sh -json")) == coal.state()["config"]


def test_the_guard_of_every_script(coal: Box) -> None:
    assert coal.says('sysinfo | json "Boot Parameters.headnode"') == "true"
    assert coal.says("sysinfo | json UUID") == coal.state()["servers"][0]["uuid"]


def test_a_script_with_a_shebang_and_paths_of_the_global_zone(coal: Box, tmp_path: pathlib.Path) -> None:
    script = tmp_path / "check.sh"
    script.write_text(f"""#!{coal.root}/usr/bin/bash
set -o errexit -o nounset -o pipefail
uuid=$(/usr/sbin/vmadm lookup -1 alias=vmapi0)
test -f /zones/$uuid/root/var/svc/setup_complete
[ ! -e /zones/$uuid/root/var/svc/setup_failed ]
cd /usbkey/scripts
grep -c . /usbkey/default/user-script.common > /dev/null
echo "fine in ${{PWD#$SDCUPGRADE_ROOT}}"
""")
    script.chmod(0o755)
    assert coal.says(str(script)) == "fine in /usbkey/scripts"


def test_a_user_script_is_refreshed(lab: Box) -> None:
    uuid = lab.instance("papi0")["uuid"]
    done = lab.sh(f"/usr/vm/sbin/add-userscript /usbkey/default/user-script.common | vmadm update {uuid}")
    assert done.returncode == 0
    assert f"Successfully updated VM {uuid}" in done.stderr
    script = (lab.root / "usbkey/default/user-script.common").read_text()
    assert lab.instance("papi0")["vm"]["customer_metadata"]["user-script"].strip() == script.strip()


def test_an_image_comes_in_and_a_zone_is_reprovisioned_to_it(lab: Box) -> None:
    line = f"""set -o errexit -o pipefail
origin=$(updates-imgadm get {NEW_IMGAPI} | json origin)
for image in $origin {NEW_IMGAPI}; do
    updates-imgadm get $image | json -e 'delete this.channels' > image.manifest
    updates-imgadm get-file $image -q -o image.zfs.gz
    sdc-imgadm import --skip-owner-check -m image.manifest -f image.zfs.gz >&2
    imgadm import -q $image >&2
done
uuid=$(vmadm lookup -1 alias=imgapi0)
echo '{{"image_uuid":"{NEW_IMGAPI}"}}' | vmadm reprovision $uuid
vmadm get $uuid | json image_uuid state"""
    assert lab.says(line).split() == [NEW_IMGAPI, "running"]
    assert lab.instance("imgapi0")["reprovisions"] == 1


def test_vmadm_goes_on_when_its_caller_is_killed(new_box: Box) -> None:
    new_box.up("--speed", "20")
    vm = min(new_box.state()["instances"], key=lambda row: float(row["durations"]["reprovision"]))
    line = f"""echo '{{"image_uuid":"{vm["image_uuid"]}"}}' | vmadm reprovision {vm["uuid"]}; echo never"""
    with subprocess.Popen(["bash", "-c", line], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=new_box.env,
                          text=True, start_new_session=True) as caller:  # fmt: skip
        while new_box.instance(vm["alias"])["state"] == "running":
            assert caller.poll() is None
        caller.send_signal(signal.SIGKILL)
        said, _ = caller.communicate()  # ends when vmadm does
    assert "Successfully reprovisioned" in said
    assert "never" not in said
    assert new_box.instance(vm["alias"])["reprovisions"] == 1


def test_a_file_that_a_redirection_wrote_is_found(lab: Box, tmp_path: pathlib.Path) -> None:
    for folder in ("/tmp", "/var/tmp", str(tmp_path)):
        name = f"{folder}/mockdc-{lab.root.parent.name}-{os.getpid()}.json"
        (lab.root / folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
        uuid = lab.instance("dhcpd0")["uuid"]
        lab.says(f"echo '{{\"quota\":31}}' > {name}; cat {name}; vmadm update {uuid} -f {name}; command rm {name}")
    assert lab.instance("dhcpd0")["vm"]["quota"] == 31


def test_output_that_nobody_reads_is_no_trouble(coal: Box) -> None:
    done = coal.sh("set -o pipefail; vmadm list | head -1; echo ${PIPESTATUS[0]} >&2")
    assert done.stdout.startswith("UUID")
    assert "Traceback" not in done.stderr


def test_names_are_the_binders(lab: Box) -> None:
    wanted = lab.state()["dns"]["vmapi.coal.example.com"]
    assert lab.says("dig vmapi.coal.example.com +short").split() == wanted
    assert json.loads(lab.says("curl -s http://vmapi.coal.example.com/ping"))["status"] == "OK"


def test_without_binder_names_fail_and_addresses_work(lab: Box) -> None:
    address = lab.state()["dns"]["assets.coal.example.com"][0]
    binder = lab.instance("binder0")["uuid"]
    lab.says(f"vmadm stop -F {binder}")
    proxied = "curl -s -o /dev/null -w '%{http_code}' http://"
    assert lab.sh("dig assets.coal.example.com +short").returncode == 9
    assert lab.says(f"{proxied}assets.coal.example.com/ping") == "502"
    assert lab.says(f"{proxied}{address}/ping") == "200"
    lab.says(f"vmadm start {binder}")


def test_a_healthy_zone_has_nothing_to_say(coal: Box) -> None:
    uuid = coal.instance("vmapi0")["uuid"]
    assert coal.says(f"svcs -xvz {uuid}") == ""
    assert coal.says(f"svcs -z {uuid} -Ho state config-agent") == "online"


def test_the_latest_of_a_channel(coal: Box) -> None:
    line = "updates-imgadm -C dev list -H -o uuid name=imgapi | tail -1"
    assert coal.says(line) == NEW_IMGAPI


def test_datasets_are_listed_by_tabs(coal: Box) -> None:
    vm = coal.instance("imgapi0")["vm"]
    line = f"zfs list -Hp -o name,type {vm['datasets'][0]}"
    assert coal.says(line) == f"{vm['datasets'][0]}\tfilesystem"


def test_a_fault_reaches_programs_with_a_cached_answer(lab: Box) -> None:
    lab.says("sysinfo")
    lab.must("fault", "sysinfo", "fail=3:out of luck")
    done = lab.sh("sysinfo")
    lab.must("reset-faults")
    assert (done.returncode, done.stderr) == (3, "out of luck\n")
    assert lab.sh("sysinfo").returncode == 0


def test_programs_need_no_server(new_box: Box) -> None:
    new_box.up()
    new_box.must("down")
    assert new_box.says("vmadm lookup -1 alias=vmapi0") == new_box.instance("vmapi0")["uuid"]


def test_a_command_runs_in_the_global_zone_of_another_node(new_box: Box) -> None:
    new_box.up("--scenario", "dc", "--speed", "2000")
    instance = next(row for row in new_box.state()["instances"] if row["service"] == "adminui")
    zone = instance["uuid"]
    command = f"test -e /zones/{zone}/root/var/svc/setup_complete && vmadm get {zone} | json alias"
    said = new_box.says(f"sdc-oneachnode -n {instance['server_uuid']} -T 30 -J '{command}'")
    assert json.loads(said)["result"] == {"exit_status": 0, "stdout": instance["alias"] + "\n", "stderr": ""}
    assert instance["server_uuid"] != next(row["uuid"] for row in new_box.state()["servers"] if row["headnode"])


def test_the_box_gives_a_shell(coal: Box) -> None:
    assert coal.must("shell", "-c", "vmadm lookup alias=vmapi0").strip() == coal.instance("vmapi0")["uuid"]
    assert sys.executable not in coal.must("shell", "-c", "echo $BASH")
