"""The script of compute nodes, run by the machine's bash: in place whole, verified, and exactly back."""

from __future__ import annotations

import json
import os
import pathlib
import tarfile
from typing import Any

import pytest
from node_in_a_folder import Bits, Node, bits

from sdcupgrade.bits.node import report
from sdcupgrade.errors import BadAnswer

OLD: dict[str, Any] = {
    "bin/sdc-a": b"old a\n",
    "bin/sdc-b": b"same\n",
    "bin/sdc-gone": b"gone\n",
    "bin/short": "sdc-a",
    "lib/deep/er/x.js": b"x\n",
    "lib/turns": b"a file\n",
    "share/other way/y": b"y\n",
}
NEW: dict[str, Any] = {
    "bin/sdc-a": b"new a\n",
    "bin/sdc-b": b"same\n",
    "bin/sdc-c": b"c\n",
    "bin/short": "sdc-c",
    'bin/it\'s $HOME "q" [x]': b"odd\n",
    "lib/turns/now.js": b"a folder\n",
    "share/other way": b"a file now\n",
    "empty": None,
}


@pytest.fixture
def node(tmp_path: pathlib.Path) -> Node:
    return Node(tmp_path)


@pytest.fixture
def old(tmp_path: pathlib.Path) -> Bits:
    return bits(tmp_path, OLD)


@pytest.fixture
def new(tmp_path: pathlib.Path) -> Bits:
    return bits(tmp_path, NEW)


def has(node: Node, what: dict[str, Any]) -> bool:
    """Whether the node has these things and no others, with the modes that belong to them."""
    tree = {name: (mode & 0o7777, text) for name, (mode, text) in node.tree().items()}
    wanted = {}
    for name, content in what.items():
        for depth in range(1, name.count("/") + 1):
            wanted["/".join(name.split("/")[:depth])] = (0o755, "")
        mode = 0o755 if content is None or name.startswith("bin/") else 0o644
        text = content if isinstance(content, str) else (content or b"").decode()
        wanted[name] = (0o777 if isinstance(content, str) else mode, text)
    return tree == wanted


def did(said: object) -> str:
    """The outcome."""
    assert isinstance(said, dict)
    assert not said["stderr"], said["stderr"]
    return str(said["did"])


def test_a_set_is_put_in_place_and_proved(node: Node, old: Bits) -> None:
    said = node.apply(old)
    assert did(said) == "applied"
    assert said is not None and said["installed"] == said["state"] == old.digest
    assert has(node, OLD)
    assert (node.count.with_name("count.key")).read_text() == "update --ignore-missing\n"
    assert sorted(place.name for place in node.home.iterdir()) == ["installed", "saved"]


def test_the_manifest_goes_with_the_bits(node: Node, old: Bits, new: Bits) -> None:
    place = node.root / "var/sdcupgrade/gzbits/installed.json"
    node.apply(old)
    first = place.read_text()
    kept = json.loads(first)
    assert (kept["format"], kept["image"]) == ("gzbits", "the-image")
    assert "/opt/smartdc/bin/sdc-gone" in {one["destination"] for one in kept["entries"]}
    node.apply(new)
    assert "sdc-gone" not in place.read_text()
    node.rollback(new)
    assert place.read_text() == first
    node.rollback(old)  # one set back, and no further
    assert place.read_text() == first


def test_the_next_set_replaces_all_of_it(node: Node, old: Bits, new: Bits) -> None:
    node.apply(old)
    assert did(node.apply(new)) == "applied"
    assert has(node, NEW)
    assert node.verify()["state"] == new.digest


def test_what_is_there_already_is_not_fetched(node: Node, old: Bits) -> None:
    node.apply(old)
    old.path.unlink()
    assert did(node.apply(old)) == "already"


def test_a_rollback_is_exact(node: Node, old: Bits, new: Bits) -> None:
    node.apply(old)
    (node.smartdc / "bin/sdc-a").chmod(0o4711)  # whatever somebody made of it
    (node.smartdc / "bin/sdc-b").write_text("edited\n")
    (node.smartdc / "bin/foreign").write_text("mine\n")
    before = node.tree()
    times = (node.smartdc / "lib/turns").stat().st_mtime_ns
    assert did(node.apply(new)) == "applied"
    assert (node.smartdc / "bin/foreign").exists()
    said = node.rollback(new)
    assert did(said) == "rolled-back"
    assert said is not None and said["installed"] == old.digest
    assert node.tree() == before
    assert (node.smartdc / "lib/turns").stat().st_mtime_ns == times
    assert did(node.rollback(new)) == "already"


def test_the_first_set_is_taken_back_to_what_was_there(node: Node, new: Bits) -> None:
    (node.smartdc / "bin").mkdir(mode=0o700)
    (node.smartdc / "bin/sdc-a").write_text("of cn_tools\n")
    before = node.tree()
    node.apply(new)
    said = node.rollback(new)
    assert did(said) == "rolled-back"
    assert said is not None and (said["installed"], said["state"]) == ("", "")
    assert node.tree() == before


def test_folders_that_others_use_stay(node: Node, old: Bits, new: Bits) -> None:
    node.apply(old)
    (node.smartdc / "lib/deep/foreign").write_text("mine\n")
    said = node.apply(new)
    assert did(said) == "applied"
    assert said is not None and said["kept"] == 1
    assert (node.smartdc / "lib/deep/foreign").exists()
    assert not (node.smartdc / "lib/deep/er").exists()


def test_what_somebody_changed_is_found_and_put_right(node: Node, old: Bits, new: Bits) -> None:
    node.apply(old)
    before = node.tree()
    node.apply(new)
    (node.smartdc / "bin/sdc-a").write_text("edited\n")
    said = node.verify()
    assert said["installed"] == new.digest != said["state"]
    assert said["why"] == "/opt/smartdc/bin/sdc-a"
    assert did(node.apply(new)) == "applied"
    assert has(node, NEW)
    node.rollback(new)
    assert node.tree() == before


@pytest.mark.parametrize("harm", ["mode", "link", "gone", "kind"])
def test_verify_sees_more_than_bytes(node: Node, new: Bits, harm: str) -> None:
    node.apply(new)
    file, short = node.smartdc / "bin/sdc-a", node.smartdc / "bin/short"
    if harm == "mode":
        file.chmod(0o777)
    elif harm == "link":
        short.unlink()
        short.symlink_to("sdc-b")
    else:
        file.unlink()
        if harm == "kind":
            os.mkfifo(file)
    assert node.verify()["state"] != new.digest


@pytest.mark.parametrize("harm", ["link", "fifo", "folder"])
def test_what_is_in_the_way_and_not_ours_is_refused_before_anything(node: Node, new: Bits, harm: str) -> None:
    (node.smartdc / "bin").mkdir()
    if harm == "link":
        (node.smartdc / "lib").symlink_to("/etc")
    elif harm == "fifo":
        os.mkfifo(node.smartdc / "bin/sdc-c")
    else:
        (node.smartdc / "bin/sdc-c/mine").mkdir(parents=True)
    before = node.tree() if harm != "fifo" else None
    said = node.apply(new)
    assert did(said) == "failed"
    assert said is not None and "nothing was changed" in said["why"]
    assert not (node.smartdc / "empty").exists()
    assert before is None or node.tree() == before


@pytest.mark.parametrize(
    ("environ", "did_what", "words"),
    [
        ({"FREE": "100"}, "failed", "no room: 100 KiB are free"),
        ({"SYSTEM": "Linux"}, "skipped", "it runs Linux"),
        ({"KEY": "key is write protected"}, "failed", "its boot key was not updated: key is write protected"),
    ],
)
def test_what_a_node_cannot_do(node: Node, new: Bits, environ: dict[str, str], did_what: str, words: str) -> None:
    said = node.apply(new, **environ)
    assert did(said) == did_what
    assert said is not None and words in said["why"]
    assert ("nothing was changed" in words) or (environ.get("KEY") is not None) == has(node, NEW)


@pytest.mark.parametrize("harm", ["lost", "cut", "flipped", "swapped"])
def test_what_arrives_damaged_changes_nothing(node: Node, old: Bits, new: Bits, harm: str) -> None:
    node.apply(old)
    data = bytearray(new.path.read_bytes())
    data[100] ^= 1
    if harm == "lost":
        new.path.unlink()
    elif harm == "swapped":  # a good package of the same list, with another file in it
        with tarfile.open(new.path) as tar:
            how = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            tar.extractall(new.path.with_name("swap"), **how)
        next(new.path.with_name("swap").glob("files/*")).write_text("evil\n")
        with tarfile.open(new.path, "w:gz") as tar:
            tar.add(new.path.with_name("swap"), ".")
    else:
        new.path.write_bytes(bytes(data) if harm == "flipped" else bytes(data[:-10]))
    said = node.apply(new)
    assert did(said) == "failed"
    assert said is not None and "nothing was changed" in said["why"]
    assert has(node, OLD)


def test_two_at_once_do_not_meet(node: Node, new: Bits) -> None:
    lock = node.root / "var/run/sdcupgrade-gzbits.lock"
    lock.parent.mkdir(parents=True)
    lock.symlink_to(str(os.getpid()))
    said = node.apply(new)
    assert said is not None and "still at work there" in said["why"]
    assert lock.is_symlink()
    lock.unlink()
    lock.symlink_to("999999999")
    assert did(node.apply(new)) == "applied"


def test_a_place_that_cannot_be_written_takes_everything_back(node: Node, old: Bits, new: Bits) -> None:
    node.apply(old)
    stub = node.stubs / "perl"
    text = stub.read_text()
    stub.write_text(
        text.replace("exec", 'case "$4" in */lib/turns/now.js) echo "No space left" >&2; exit 1;; esac; exec')
    )
    said = node.apply(new)
    assert did(said) == "failed"
    assert said is not None and "was taken back: No space left" in said["why"]
    assert has(node, OLD)
    stub.write_text(text)
    assert did(node.apply(new)) == "applied"


def test_nothing_to_go_back_to_is_said(node: Node, new: Bits) -> None:
    node.apply(new)
    (node.home / "saved/for").write_text("another\n")
    said = node.rollback(new)
    assert did(said) == "failed"
    assert said is not None and "nothing was saved there" in said["why"]
    assert has(node, NEW)


def paths_whole(node: Node) -> bool:
    """Whether each path is the old or the new one; those that change their kind may be missing."""
    allowed = {b"old a\n", b"new a\n"}
    present = (node.smartdc / "bin/sdc-a").read_bytes() in allowed
    return (
        present
        and (node.smartdc / "bin/sdc-b").read_bytes() == b"same\n"
        and (os.readlink(node.smartdc / "bin/short") in ("sdc-a", "sdc-c"))
    )


EVERY = int(os.environ.get("CRASH_EVERY", "29"))
"""Each so many-th call is tried."""


def test_killed_at_any_call_an_apply_is_ended_or_taken_back(node: Node, old: Bits, new: Bits) -> None:
    node.apply(old)
    before, kept = node.tree(), node.root / "var/sdcupgrade/gzbits/installed.json"
    number = 1
    while node.apply(new, die=number) is None:
        assert paths_whole(node), number
        again = node.apply(new) if number % 2 else None
        if again is not None:
            assert did(again) in ("applied", "already"), number
            assert has(node, NEW), number
        assert did(node.rollback(new)) in ("rolled-back", "already"), number
        assert node.tree() == before, number
        assert "sdc-gone" in kept.read_text(), number
        number += EVERY
    assert number > 60


def test_killed_at_any_call_a_rollback_is_ended(node: Node, old: Bits, new: Bits, tmp_path: pathlib.Path) -> None:
    third = bits(tmp_path, {"bin/sdc-a": b"new a\n", "bin/sdc-b": b"same\n", "bin/short": "sdc-a"})
    node.apply(old)
    before, kept = node.tree(), node.root / "var/sdcupgrade/gzbits/installed.json"
    node.apply(new)
    after, number = node.tree(), 1
    while node.rollback(new, die=number) is None:
        assert paths_whole(node), number
        if number % 2:  # whatever comes next, it begins from one whole set: a rollback that had begun is ended first
            assert did(node.apply(third)) == "applied", number
            assert did(node.rollback(third)) == "rolled-back", number
            assert node.tree() in (before, after), number
            node.apply(old)
        else:
            assert did(node.rollback(new)) in ("rolled-back", "already"), number
        assert node.tree() == before, number
        assert "sdc-gone" in kept.read_text(), number
        node.apply(new)
        number += EVERY
    assert number > 30


@pytest.mark.parametrize("text", ["", "bash: oops", "[]", '{"did": 1}', '{"did":"applied","installed":"","state":""}'])
def test_what_is_no_report_is_a_bad_answer_of_that_server(text: str) -> None:
    with pytest.raises(BadAnswer, match="server cn0"):
        report(text, "cn0")
