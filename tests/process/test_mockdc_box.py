"""The box's own command: up, env, state, publish, fault, reset-faults, down."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import pytest
from conftest import MOCKDC, Box

NAMES = {"SDCUPGRADE_ROOT", "SDCUPGRADE_ADMIN_PROXY", "SDCUPGRADE_UPDATES_URL", "PATH", "BASH_ENV", "SAPI_URL",
         "VMAPI_URL", "CNAPI_URL", "IMGAPI_URL", "WORKFLOW_URL", "NAPI_URL", "PAPI_URL", "UPDATES_URL",
         "SDC_IMGADM_URL", "UPDATES_IMGADM_URL"}  # fmt: skip


def get(url: str) -> bytes:
    """The body of an answer."""
    with urllib.request.urlopen(url, timeout=10) as answer:
        body: bytes = answer.read()
    return body


def status(url: str) -> int:
    """The status of an answer, whatever it is."""
    try:
        return int(urllib.request.urlopen(url, timeout=10).status)
    except urllib.error.HTTPError as answer:
        with answer:
            return answer.code


def test_up_prints_where_everything_is(new_box: Box) -> None:
    found = new_box.up()
    assert found["root"] == str(new_box.root)
    assert set(found["env"]) >= NAMES
    assert json.loads(get(found["env"]["SAPI_URL"] + "/ping"))["storAvailable"] is True


def test_env_gives_a_shell_the_same(coal: Box) -> None:
    lines = coal.must("env")
    done = subprocess.run(["/bin/sh", "-c", lines + "\nenv -0"], capture_output=True, text=True, check=True, env={})
    told = dict(line.partition("=")[::2] for line in done.stdout.split("\0") if line)
    assert {name: told[name] for name in coal.env} == coal.env


def test_env_quotes_what_a_shell_would_split(new_box: Box) -> None:
    new_box.root = new_box.root.with_name("head node")
    root = new_box.up("--scenario", "empty")["root"]
    lines = new_box.must("env")
    assert f"export SDCUPGRADE_ROOT='{root}'\n" in lines
    assert f"export SAPI_URL={new_box.env['SAPI_URL']}\n" in lines


def test_the_executable_runs_by_its_own_shebang(coal: Box) -> None:
    done = subprocess.run([MOCKDC, "env", "--root", coal.root], capture_output=True, text=True, check=True, cwd="/")
    assert f"export SAPI_URL={coal.env['SAPI_URL']}" in done.stdout


def test_up_again_on_a_live_box_changes_nothing(coal: Box) -> None:
    before = json.loads(coal.must("up"))
    assert json.loads(coal.must("up", "--scenario", "coal")) == before


def test_another_scenario_in_the_same_folder_is_refused(coal: Box) -> None:
    done = coal.mockdc("up", "--scenario", "dc")
    assert done.returncode == 1
    assert "already holds a datacenter of the scenario coal" in done.stderr


def test_state_and_addresses_survive_a_killed_server(new_box: Box) -> None:
    first = new_box.up()
    image = json.loads(new_box.must("publish", "--name", "vmapi"))["uuid"]
    os.kill(first["pid"], signal.SIGKILL)
    second = new_box.up()
    assert second["pid"] != first["pid"]
    assert second["env"] == first["env"]
    assert status(f"{second['env']['UPDATES_URL']}/images/{image}") == 200


def test_down_ends_the_server_and_keeps_the_state(new_box: Box) -> None:
    found = new_box.up()
    assert f"server {found['pid']} ended" in new_box.must("down")
    with pytest.raises(urllib.error.URLError):
        get(found["env"]["SAPI_URL"] + "/ping")
    assert new_box.state()["instances"]


def test_down_where_nothing_runs_is_fine(new_box: Box) -> None:
    assert "nothing serves" in new_box.must("down")
    assert not new_box.root.exists()


def test_env_of_a_box_that_is_down_says_what_to_type(new_box: Box) -> None:
    new_box.up()
    new_box.must("down")
    done = new_box.mockdc("env")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"mockdc up --root {new_box.root}" in done.stderr


def test_down_spares_a_process_that_has_the_old_pid(new_box: Box) -> None:
    os.kill(new_box.up()["pid"], signal.SIGKILL)
    (new_box.root / ".mockdc" / "server.lock").write_text(f"{os.getpid()}\n")
    assert "nothing serves" in new_box.must("down")


@pytest.mark.parametrize(("words", "told"), [
    (["--scenario", "nope"], "big, coal, dc"),
    (["--speed", "0"], "--speed"),
])  # fmt: skip
def test_bad_wishes_leave_nothing_behind(new_box: Box, words: list[str], told: str) -> None:
    done = new_box.mockdc("up", *words)
    assert done.returncode in (1, 2)
    assert told in done.stderr
    assert not new_box.root.exists()


def test_a_folder_with_something_else_in_it_is_refused(new_box: Box) -> None:
    new_box.root.mkdir()
    (new_box.root / "thesis.txt").write_text("years of work")
    done = new_box.mockdc("up")
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    assert os.listdir(new_box.root) == ["thesis.txt"]


def test_no_box_at_all(new_box: Box) -> None:
    done = new_box.mockdc("state")
    assert done.returncode == 1
    assert done.stderr == f"mockdc: error: no datacenter in {new_box.root}; make one: mockdc up --root {new_box.root}\n"


def test_state_tells_everything(coal: Box) -> None:
    state = coal.state()
    assert [row["hostname"] for row in state["servers"]] == ["headnode"]
    assert {row["service"] for row in state["instances"]} > {"sapi", "imgapi", "binder", "moray"}
    assert {row["name"]: len(row["instances"]) for row in state["services"]}["cloudapi"] == 0
    assert state["dns"]["sapi.coal.example.com"]
    assert {"updates", "imgapi", "installed"} == set(state["images"])
    instance = coal.instance("vmapi0")
    assert (instance["reprovisions"], instance["history"], instance["answers"]) == (0, [], True)


def test_a_published_image_is_served_with_its_digest(coal: Box) -> None:
    image = json.loads(coal.must("publish", "--name", "vmapi", "--size", "3000000", "--channel", "staging"))
    body = get(f"{coal.env['UPDATES_URL']}/images/{image['uuid']}/file?channel=staging")
    assert len(body) == image["files"][0]["size"] > 3000000
    assert hashlib.sha1(body).hexdigest() == image["files"][0]["sha1"]


def test_a_file_is_published_as_it_is(coal: Box, tmp_path: pathlib.Path) -> None:
    (tmp_path / "sdcadm.sh").write_bytes(b"#!/bin/sh\n")
    words = ["--name", "sdcadm", "--version", "9.9.9", "--file", str(tmp_path / "sdcadm.sh"), "--tag", "buildstamp=x"]
    image = json.loads(coal.must("publish", *words))
    assert (image["type"], image["files"][0]["compression"], image["tags"]) == ("other", "none", {"buildstamp": "x"})
    assert get(f"{coal.env['UPDATES_URL']}/images/{image['uuid']}/file?channel=dev") == b"#!/bin/sh\n"


@pytest.mark.parametrize(("words", "told"), [
    (["--channel", "nope"], "unknown channel: nope (there are: experimental, dev, staging"),
    (["--origin", "11111111-2222-4333-8444-555555555555"], "is not on the updates server"),
    (["--file", "/nonexistent/file"], "cannot read /nonexistent/file"),
])  # fmt: skip
def test_what_cannot_be_published_is_told(coal: Box, words: list[str], told: str) -> None:
    done = coal.mockdc("publish", "--name", "vmapi", *words)
    assert done.returncode == 1
    assert told in done.stderr


def test_a_fault_hits_the_call_it_names_and_goes_with_reset(coal: Box) -> None:
    said = json.loads(coal.must("fault", "papi GET /packages status=503 #2 times=9"))
    assert (said["target"], said["nth"]) == ("papi GET /packages", 2)
    url = coal.env["PAPI_URL"] + "/packages"
    assert [status(url), status(url), status(url)] == [200, 503, 503]
    coal.must("reset-faults")
    assert status(url) == 200


def test_a_fault_that_is_not_understood_is_told(coal: Box) -> None:
    done = coal.mockdc("fault", "vmadm explodes")
    assert done.returncode == 1
    assert "fault not understood: no kind of fault" in done.stderr


# --- when things are not as they should be ----------------------------------------------------------------------------
def test_a_wrong_scenario_is_one_line_and_no_folder(new_box: Box, tmp_path: pathlib.Path) -> None:
    place = tmp_path / "mine.json"
    place.write_text('{"datacenter_name": "a", "dns_domain": "b", "services": {"napi": {"on": ["cn9"]}}}')
    done = new_box.mockdc("up", "--scenario", str(place))
    assert done.returncode == 1
    assert done.stderr == f"mockdc: error: scenario {place}: service napi: on: there is no server 'cn9'\n"
    assert not new_box.root.exists()


def test_a_program_that_cannot_use_the_box_says_so_in_one_line(new_box: Box) -> None:
    new_box.up("--scenario", "empty")
    new_box.must("down")
    for name in ("state.db", "state.db-wal", "state.db-shm"):
        (new_box.root / ".mockdc" / name).unlink(missing_ok=True)
    (new_box.root / ".mockdc" / "state.db").mkdir()  # root, too, cannot open that
    done = new_box.sh("vmadm list")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"vmadm: error: {new_box.root}: unable to open database file\n"


def test_a_program_that_hangs_ends_with_its_box(new_box: Box) -> None:
    new_box.up("--scenario", "empty")
    new_box.must("fault", "vmadm list hang")
    with subprocess.Popen(["vmadm", "list"], env=new_box.env, stderr=subprocess.PIPE, text=True) as program:
        while not any(fault["seen"] for fault in new_box.state()["faults"]):
            assert program.poll() is None
        new_box.must("down")
        told = program.communicate(timeout=60)[1]
    assert (program.returncode, told) == (1, f"vmadm: error: {new_box.root}: the datacenter in the box went down\n")


def test_a_rule_for_nothing_that_is_known_is_refused(coal: Box) -> None:
    done = coal.mockdc("fault", "nosuchcmd fail")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "no program or API is called 'nosuchcmd'" in done.stderr


def test_programs_start_without_what_most_of_them_never_use() -> None:
    heavy = {"uuid", "hashlib", "http", "argparse", "email"}
    code = f"import mockdc.core.datacenter, mockdc.faces.dispatch, sys; print(*{heavy} & set(sys.modules))"
    argv = [sys.executable, "-S", "-c", code]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(MOCKDC.parents[1])})
    assert done.stdout == "\n"
