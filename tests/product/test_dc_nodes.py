"""Programs run here directly, on other servers through sdc-oneachnode, whose own exit status says little."""

from __future__ import annotations

import pathlib
import shlex
import tarfile
from typing import TYPE_CHECKING, Optional

import pytest
from dc_box import Boxed, boxed
from dc_fakes import HERE, THERE, FakePrograms, FakeWeb, Said, answers, datacenter, doors, says

from sdcupgrade.dc import zones
from sdcupgrade.dc.nodes import LocalNode, RemoteNode, run_on
from sdcupgrade.errors import CommandFailed, Unreachable

if TYPE_CHECKING:
    from sdcupgrade.dc.nodes import Node


def node(folder: pathlib.Path, programs: FakePrograms, server: str = THERE) -> Node:
    return datacenter(doors(folder, programs, FakeWeb({}))).node(server)


def test_the_headnode_s_own_programs_are_run_directly(tmp_path: pathlib.Path) -> None:
    programs = FakePrograms(vmadm=says("out"))
    here = node(tmp_path, programs, HERE)
    assert isinstance(here, LocalNode)
    assert here.run(("vmadm", "get", "x"), stdin="{}").stdout == "out"
    assert programs.stdin == ["{}"]


def test_another_server_s_status_is_the_remote_program_s(tmp_path: pathlib.Path) -> None:
    programs = FakePrograms(sdc_oneachnode=says(answers((THERE, 3, "o", "e"))))
    there = node(tmp_path, programs)
    done = there.run(("imgadm", "get", "it's"), timeout_s=30)
    assert (isinstance(there, RemoteNode), done.status, done.stdout, done.stderr) == (True, 3, "o", "e")
    words = shlex.split(programs.lines[0].partition(" -J ")[2])
    assert words == ["imgadm", "get", "it's"]
    assert f"-n {THERE} -T 30" in programs.lines[0]


def test_stdin_travels_in_the_command_line(tmp_path: pathlib.Path) -> None:
    programs = FakePrograms(sdc_oneachnode=says(answers((THERE, 0, "", ""))))
    node(tmp_path, programs).run(("vmadm", "update", "u"), stdin='{"quota":25}')
    assert programs.lines[0].endswith("""printf '%s' '{"quota":25}' | vmadm update u""")


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ((10, "", "no such node"), "no such node"),
        ((1, "", "error: unable to find a 'sdc' core zone on this node"), "'sdc' core zone"),
        ((20, f'{{"uuid":"{THERE}","hostname":"cn7","error":{{"message":"timed out"}}}}', ""), "cn7 .* timed out"),
        ((20, "", ""), "did not answer in time"),
    ],
)
def test_a_transport_that_fails_is_unreachable(tmp_path: pathlib.Path, said: Said, words: str) -> None:
    with pytest.raises(Unreachable, match=words):
        node(tmp_path, FakePrograms(sdc_oneachnode=says(said))).run(("true",))


def test_a_missing_sdc_oneachnode_is_unreachable_too(tmp_path: pathlib.Path) -> None:
    with pytest.raises(Unreachable, match="no such program"):
        node(tmp_path, FakePrograms()).exists("/etc")


def test_existence_is_asked_there(tmp_path: pathlib.Path) -> None:
    def oneachnode(argv: list[str], stdin: str) -> Said:
        return answers((THERE, 0 if argv[-1] == "test -e /there" else 1, "", ""))

    there = node(tmp_path, FakePrograms(sdc_oneachnode=oneachnode))
    assert (there.exists("/there"), there.exists("/nowhere")) == (True, False)


def test_many_servers_are_asked_in_one_call(tmp_path: pathlib.Path) -> None:
    programs = FakePrograms(sdc_oneachnode=says(answers(("a", 0, "1", ""), ("b", 0, "2", ""))))
    found = run_on(doors(tmp_path, programs, FakeWeb({})), ["a", "b", "c"], "true", 60)
    assert isinstance(found["c"], str)
    assert [one.stdout for one in found.values() if not isinstance(one, str)] == ["1", "2"]
    assert len(programs.lines) == 1


class FarServer:
    """Another server seen through sdc-oneachnode: runs a few commands, and puts files here."""

    def __init__(self, fails: str = "") -> None:
        self.fails = fails
        self.ran: list[str] = []

    def __call__(self, argv: list[str], stdin: str) -> Said:
        if "-p" in argv:
            folder = pathlib.Path(argv[argv.index("-d") + 1])
            (folder / THERE).write_bytes(b"packed")
            return ""
        line = argv[-1]
        self.ran.append(line)
        if line.startswith("du "):
            return answers((THERE, 0, "10\t/r/zones/z/var/log/sdc\n2048\t/r/zones/z/var/svc/log\n", ""))
        return answers((THERE, 1, "", "sorry") if self.fails and self.fails in line else (THERE, 0, "", ""))


NAMES = ("var/svc/setup.log", "var/svc/log", "var/log/sdc")


def collected(folder: pathlib.Path, far: FarServer, max_bytes: int) -> int:
    into = "/var/sdcupgrade/logs/x.tar.gz"
    return node(folder, FakePrograms(sdc_oneachnode=far)).collect("/zones/z", NAMES, into, max_bytes)


def test_remote_logs_are_packed_there_and_brought_here(tmp_path: pathlib.Path) -> None:
    far = FarServer()
    assert collected(tmp_path, far, 1 << 30) == 0
    assert (tmp_path / "var/sdcupgrade/logs/x.tar.gz").read_bytes() == b"packed"
    assert far.ran[1:] == [
        "tar czf /var/tmp/sdcupgrade-x.tar.gz -C /zones/z var/svc/log var/log/sdc",
        "rm -f /var/tmp/sdcupgrade-x.tar.gz",
    ]


def test_what_does_not_fit_is_left_out_and_counted(tmp_path: pathlib.Path) -> None:
    far = FarServer()
    assert collected(tmp_path, far, 1 << 20) == 2 << 20
    assert far.ran[1].endswith("-C /zones/z var/log/sdc")


def test_a_log_that_shrinks_under_tar_is_no_failure(tmp_path: pathlib.Path) -> None:
    assert collected(tmp_path, FarServer(fails="tar "), 1 << 30) == 0


def saved(folder: pathlib.Path, server: str, programs: FakePrograms) -> Optional[bytes]:
    node(folder, programs, server).save_stream(("zfs", "send", "zones/u@s"), "/var/x.zfs", 60)
    return (folder / "var/x.zfs").read_bytes()


def test_a_remote_stream_is_kept_whole(tmp_path: pathlib.Path) -> None:
    far = FarServer()
    assert saved(tmp_path, THERE, FakePrograms(sdc_oneachnode=far)) == b"packed"
    assert far.ran[0] == "set -o pipefail && zfs send zones/u@s | tee /var/tmp/sdcupgrade-x.zfs > /dev/null"


def test_a_remote_stream_that_fails_leaves_nothing_on_either_side(tmp_path: pathlib.Path) -> None:
    far = FarServer(fails="zfs send")
    with pytest.raises(CommandFailed, match="zfs send zones/u@s on cn7 exited 1: sorry"):
        saved(tmp_path, THERE, FakePrograms(sdc_oneachnode=far))
    assert not (tmp_path / "var/x.zfs").exists()
    assert far.ran[-1] == "rm -f /var/tmp/sdcupgrade-x.zfs"


def test_a_local_stream_that_fails_is_an_error(tmp_path: pathlib.Path) -> None:
    with pytest.raises(CommandFailed, match="no space"):
        saved(tmp_path, HERE, FakePrograms(zfs=says((1, "", "no space"))))


@pytest.fixture
def luna(tmp_path: pathlib.Path) -> Boxed:
    return boxed(tmp_path, "dc")


def test_a_zone_far_away_is_handled_as_one_here(luna: Boxed) -> None:
    vm = luna.vm("adminui0")
    far = luna.dc.node(vm["server_uuid"])
    text = "#!/usr/bin/bash\necho 'it is' \"$x\" \\ `y`\n"
    zones.set_user_script(far, vm["uuid"], text)
    assert zones.get(far, vm["uuid"]).user_script == text
    zones.reprovision(far, vm["uuid"], vm["image_uuid"], 400)
    luna.box.wait(180)
    assert zones.setup_state(far, vm["uuid"]) is zones.SetupState.COMPLETE
    assert zones.smf_problems(far, vm["uuid"]) == ()


def test_logs_and_root_of_a_zone_far_away_come_here(luna: Boxed) -> None:
    vm, kept = luna.vm("adminui0"), luna.box.folder / "var/sdcupgrade"
    far = luna.dc.node(vm["server_uuid"])
    assert far.collect(f"/zones/{vm['uuid']}/root", NAMES, "/var/sdcupgrade/logs.tar.gz", 1 << 30) == 0
    zones.send_snapshot(far, vm["uuid"], "before", "/var/sdcupgrade/root.zfs", 60)
    with tarfile.open(kept / "logs.tar.gz") as tar:
        assert "var/svc/setup.log" in tar.getnames()
    assert sorted(path.name for path in kept.iterdir()) == ["logs.tar.gz", "root.zfs"]
    assert list((luna.box.root(vm["server_uuid"]) / "var/tmp").iterdir()) == []
