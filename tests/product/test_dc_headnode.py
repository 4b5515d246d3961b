"""The guard of every command: a headnode, told by its boot parameter, with a configuration that can be read."""

from __future__ import annotations

import json
import pathlib

import pytest
from dc_fakes import FakePrograms, says
from product_fakes import files_in

from sdcupgrade.dc.headnode import Headnode, read_headnode
from sdcupgrade.errors import BadAnswer, CommandFailed, NotHere

SYSINFO = {"UUID": "u", "Hostname": "Vienna", "Live Image": "20240118T001122Z", "Boot Parameters": {"headnode": "true"}}
CONFIG = {"datacenter_name": "coal", "dns_domain": "example.com", "ufds_admin_uuid": "a", "coal": "true"}


def read(folder: pathlib.Path, sysinfo: object = SYSINFO, config: object = CONFIG) -> Headnode:
    texts = [value if isinstance(value, str) else json.dumps(value) for value in (sysinfo, config)]
    return read_headnode(FakePrograms(sysinfo=says(texts[0]), bash=says(texts[1])), files_in(folder))


def test_it_is_named_by_sysinfo_and_by_the_configuration(tmp_path: pathlib.Path) -> None:
    found = read(tmp_path)
    assert (found.uuid, found.hostname, found.platform) == ("u", "Vienna", "20240118T001122Z")
    assert found.domain("sapi") == "sapi.coal.example.com"


def test_a_compute_node_is_refused_by_its_boot_parameter(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NotHere, match="Vienna is not a headnode"):
        read(tmp_path, {**SYSINFO, "Boot Parameters": {}})


def test_a_boolean_is_not_the_string_true(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BadAnswer, match=r"sysinfo\.Boot Parameters\.headnode"):
        read(tmp_path, {**SYSINFO, "Boot Parameters": {"headnode": True}})


def test_a_machine_without_sysinfo_is_no_headnode(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NotHere, match="not the global zone"):
        read_headnode(FakePrograms(), files_in(tmp_path))


def test_garbage_on_stdout_names_the_program(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BadAnswer, match=r"/lib/sdc/config\.sh -json: not valid JSON"):
        read(tmp_path, config="]]> ouch")


def test_a_missing_key_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BadAnswer, match="dns_domain: expected text, got nothing"):
        read(tmp_path, config={key: value for key, value in CONFIG.items() if key != "dns_domain"})


def test_a_failing_config_script_keeps_its_words(tmp_path: pathlib.Path) -> None:
    programs = FakePrograms(sysinfo=says(json.dumps(SYSINFO)), bash=says((1, "", "no such file: /usbkey/config\n")))
    with pytest.raises(CommandFailed, match="no such file: /usbkey/config"):
        read_headnode(programs, files_in(tmp_path))
