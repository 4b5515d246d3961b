"""sdc-oneachnode and the mini shell behind it (reference 4.8)."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from mockdc.commands.minishell import Shell, ShellError
from mockdc.commands.remote import TooLate, moved, run_script
from mockdc.core import faults
from mockdc.core.datacenter import Datacenter
from small_dc import furnished, run, the_vm


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Datacenter:
    return furnished(tmp_path, "sapi", "binder", "sdc", "rabbitmq", "papi")


def stream(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


# --- who is asked -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "words, names",
    [(["-a"], ["headnode", "cn0"]), (["-c"], ["cn0"]), (["-n", "headnode"], ["headnode"]),
     (["-n", "cn0,headnode"], ["cn0", "headnode"])],
)
def test_the_nodes_that_are_meant(dc: Datacenter, words: list[str], names: list[str]) -> None:
    status, out, _ = run(dc, "sdc-oneachnode", *words, "-J", "hostname")
    assert status == 0
    assert [one["result"]["stdout"].strip() for one in stream(out)] == names


def test_a_dead_node_is_silently_absent(dc: Datacenter) -> None:
    faults.power(dc, "cn0", "down")
    status, out, _ = run(dc, "sdc-oneachnode", "-a", "-J", "hostname")
    assert (status, len(stream(out))) == (0, 1)


def test_a_node_that_was_named_and_is_not_found_stops_everything(dc: Datacenter) -> None:
    faults.power(dc, "cn0", "down")
    status, out, err = run(dc, "sdc-oneachnode", "-n", "headnode,cn0", "touch /var/tmp/ran")
    assert (status, out) == (10, "")
    assert "cn0" in err
    assert not (dc.folder / "var/tmp/ran").exists()


@pytest.mark.parametrize("alias, word", [("rabbitmq0", "AMQP"), ("sdc0", "unable to find")])
def test_it_needs_rabbitmq_and_the_sdc_zone(dc: Datacenter, alias: str, word: str) -> None:
    run(dc, "vmadm", "stop", the_vm(dc, alias)["uuid"])
    status, _, err = run(dc, "sdc-oneachnode", "-a", "hostname")
    assert status == 1
    assert word in err


@pytest.mark.parametrize(
    "words",
    [["hostname"], ["-a", "-c", "x"], ["-a"], ["-a", "two", "words"], ["-n", "cn0,cn0", "x"], ["-a", "-g", "f"],
     ["-a", "-Q", "x"], ["-a", "-T", "soon", "x"]],
)
def test_wrong_options_are_status_2(dc: Datacenter, words: list[str]) -> None:
    status, out, err = run(dc, "sdc-oneachnode", *words)
    assert (status, out) == (2, "")
    assert "usage:" in err


# --- what they say ----------------------------------------------------------------------------------------------------
def test_a_failing_command_is_still_status_0(dc: Datacenter) -> None:
    status, out, _ = run(dc, "sdc-oneachnode", "-n", "cn0", "-j", "echo out; vmadm get nope; exit 3")
    (one,) = json.loads(out)
    assert status == 0
    assert (one["hostname"], one["result"]["exit_status"], one["result"]["stdout"]) == ("cn0", 3, "out\n")
    assert one["result"]["stderr"]


def test_a_program_runs_on_the_node_itself(dc: Datacenter) -> None:
    out = run(dc, "sdc-oneachnode", "-c", "-J", "sysinfo | json Hostname")[1]
    assert stream(out)[0]["result"]["stdout"] == "cn0\n"


def test_text_has_a_heading_for_each_node(dc: Datacenter) -> None:
    assert run(dc, "sdc-oneachnode", "-n", "headnode", "hostname")[1].splitlines() == [
        f"=== Output from {dc.headnode} (headnode):", "headnode", ""]


def test_one_line_a_node_and_none_at_all(dc: Datacenter) -> None:
    lines = run(dc, "sdc-oneachnode", "-a", "-N", "hostname")[1].splitlines()
    assert [line.split() for line in lines] == [["HOSTNAME", "STATUS"], ["headnode"] * 2, ["cn0"] * 2]
    assert run(dc, "sdc-oneachnode", "-a", "-q", "hostname") == (0, "", "")


def test_listing_runs_nothing(dc: Datacenter) -> None:
    found = json.loads(run(dc, "sdc-oneachnode", "-a", "-l", "-j")[1])
    assert [one["hostname"] for one in found] == ["headnode", "cn0"]


def test_too_long_is_an_error_and_the_program_goes_on(dc: Datacenter) -> None:
    status, out, _ = run(dc, "sdc-oneachnode", "-n", "cn0", "-T", "5", "-J", "sleep 20; touch /var/tmp/late")
    (one,) = stream(out)
    assert status == 20
    assert "timed out" in one["error"]["message"]
    assert (dc.root(one["uuid"]) / "var/tmp/late").exists()


def test_a_program_that_hangs_is_too_late(dc: Datacenter) -> None:
    faults.add(dc, "vmadm list hang")
    with pytest.raises(TooLate):
        run_script(dc, dc.headnode, "vmadm list", timeout_s=30)


# --- files ------------------------------------------------------------------------------------------------------------
def test_nodes_get_a_file_and_keep_one_they_have(dc: Datacenter) -> None:
    source = dc.folder / "tool.tgz"
    source.write_text("new", encoding="utf-8")
    server = next(one["uuid"] for one in dc.store.all("server") if not one["headnode"])
    target = dc.root(server) / "var/tmp/tool.tgz"
    target.parent.mkdir(parents=True)
    target.write_text("old", encoding="utf-8")
    assert run(dc, "sdc-oneachnode", "-c", "-g", str(source), "-d", "/var/tmp")[0] == 20
    assert target.read_text(encoding="utf-8") == "old"
    assert run(dc, "sdc-oneachnode", "-c", "-X", "-g", str(source), "-d", "/var/tmp")[0] == 0
    assert target.read_text(encoding="utf-8") == "new"


def test_nodes_put_a_file_here_under_their_uuid(dc: Datacenter) -> None:
    (dc.folder / "var/tmp").mkdir(parents=True, exist_ok=True)
    assert run(dc, "sdc-oneachnode", "-c", "-J", "echo hello > /var/tmp/x")[0] == 0
    status, out, _ = run(dc, "sdc-oneachnode", "-c", "-p", "/var/tmp/x", "-d", "/var/tmp", "-J")
    place = dc.folder / "var/tmp" / stream(out)[0]["uuid"]
    assert (status, place.read_text(encoding="utf-8")) == (0, "hello\n")
    assert run(dc, "sdc-oneachnode", "-c", "-p", "/var/tmp/none", "-d", "/var/tmp")[0] == 20


# --- the mini shell ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "script, out",
    [
        ("printf '%s' 'a \"b\"' | cat", 'a "b"'),
        ("false && echo no || echo yes", "yes\n"),
        ("! false && echo yes", "yes\n"),
        ("x=1; echo \"$x ${x}\" '$x' \\$x", "1 1 $x $x\n"),
        ("echo $(echo a b | wc -w)", "2\n"),
        ("echo hello > /var/tmp/f; cat < /var/tmp/f; echo more >> /var/tmp/f; wc -l /var/tmp/f", "hello\n2\n"),
        ("cat nope 2>/dev/null; echo $?", "1\n"),
        ("cat nope 2>&1 | wc -l", "1\n"),
        ("if test -d /zones; then echo yes; else echo no; fi; echo end", "yes\nend\n"),
        ("# a comment\necho a # another\necho b", "a\nb\n"),
        ("printf 'a\\nb\\nc\\n' | head -2 | tail -n 1", "b\n"),
        ("printf '%s\\n' a b | grep -v a", "b\n"),
        ("cd /var/tmp; mkdir -p d/e && touch d/e/f && ls d/e && rm -r d && ls -d /var/tmp", "f\n/var/tmp\n"),
        ("[ a = a ] && [ 2 -gt 1 ] && [ -z '' ] && [ ! -e /nope ] && echo all", "all\n"),
        ("cd /var/tmp; mkdir t; echo x > t/a; tar czf t.tgz -C /var/tmp t; tar tzf t.tgz", "t\nt/a\n"),
        ("exit 0; echo no", ""),
    ],
)
def test_scripts_do_what_a_shell_does(dc: Datacenter, script: str, out: str) -> None:
    assert run_script(dc, dc.headnode, script)[1].decode() == out


def test_an_unknown_program_is_127(dc: Datacenter) -> None:
    status, _, err = run_script(dc, dc.headnode, "nonsense --now")
    assert (status, err) == (127, b"bash: nonsense: command not found\n")


@pytest.mark.parametrize(
    "script", ["for a in 1 2; do echo $a; done", "while true; do :; done", "if true; then x", "'open"]
)
def test_what_it_does_not_know_is_refused_before_anything_runs(dc: Datacenter, script: str) -> None:
    with pytest.raises(ShellError):
        Shell(dc, dc.headnode).run("touch /ran; " + script)
    assert not (dc.folder / "ran").exists()


def test_files_never_leave_the_nodes_root(dc: Datacenter) -> None:
    run_script(dc, dc.headnode, "mkdir -p /etc; echo mine > /etc/mockdc-test; rm -rf /nowhere")
    assert (dc.folder / "etc/mockdc-test").exists()
    assert not pathlib.Path("/etc/mockdc-test").exists()


def test_redirections_are_moved_below_the_root() -> None:
    script = "zfs send a@b > /var/tmp/x 2>/dev/null; cat < '/var/tmp/y' 2>&1 | vmadm get /z"
    assert moved(script, "/R") == "zfs send a@b > /R/var/tmp/x 2>/dev/null; cat < '/R/var/tmp/y' 2>&1 | vmadm get /z"
