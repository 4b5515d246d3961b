"""What has to change, and in which order: pure."""

from __future__ import annotations

import pytest
from bits_builders import entry, folder, link, manifest, small

from sdcupgrade.bits.changes import Change, Disk, Thing, foreign, ordered, our_folders, plan, wanted
from sdcupgrade.bits.records import Ending, Installed, Previous, Transaction, before
from sdcupgrade.errors import BadInput, Refused
from sdcupgrade.jsonvalue import loads

ROOT = (0, 0)


def file(data: str, mode: int = 0o644, owner: tuple[int, int] = ROOT) -> Thing:
    """A file; its digest is its content, for that is all that is compared."""
    return Thing("file", mode, owner, len(data), data)


FOLDER = Thing("dir", 0o755)
DEVICE = Thing("other", 0o600)
TOP = {"/opt/smartdc/bin": FOLDER}


def planned(want: dict[str, Thing], there: dict[str, Thing], gone: tuple[str, ...] = ()) -> list[tuple[str, str]]:
    """The changes in a word each, in their order; folders hold what is there and nothing else."""
    return [(change.what, change.path) for change in plan(want, gone, disk(there), ROOT).changes]


def disk(there: dict[str, Thing], more: tuple[str, ...] = ()) -> Disk:
    """What is there, and *more* paths that nobody asked for."""
    names: dict[str, list[str]] = {path: [] for path, thing in there.items() if thing.kind == "dir"}
    for path in (*there, *more):
        above, _, name = path.rpartition("/")
        if above in names:
            names[above].append(name)
    return Disk(there, names)


def test_what_a_headnode_has_is_on_the_key_in_small_letters_and_without_modes() -> None:
    one = manifest(entry("gzbits/scripts/Update.SH", data=b"x", mode=0o755), entry("gzbits/tools/a", on=("cn",)))
    found = wanted(one, (7, 8))
    assert set(found) == {"/usbkey/scripts/Update.SH", "key:scripts/update.sh"}
    assert (found["/usbkey/scripts/Update.SH"].mode, found["/usbkey/scripts/Update.SH"].owner) == (0o755, (7, 8))
    assert (found["key:scripts/update.sh"].mode, found["key:scripts/update.sh"].owner) == (0, (0, 0))


def test_nothing_changes_where_all_is_as_wanted() -> None:
    want = wanted(small(), ROOT)
    there = {**want, "/usbkey/default": FOLDER, "/usbkey/scripts": FOLDER}
    there.update({"key:default": Thing("dir"), "key:scripts": Thing("dir")})
    assert planned(want, there) == []


@pytest.mark.parametrize(
    ("there", "what"),
    [
        (file("b"), "changed"),
        (file("a", 0o600), "mode"),
        (file("a", owner=(1, 0)), "mode"),
        (Thing("link", target="x"), "kind"),
        (FOLDER, "kind"),
    ],
)
def test_whatever_is_not_as_wanted_changes(there: Thing, what: str) -> None:
    path = "/opt/smartdc/bin/x"
    assert planned({path: file("a")}, {**TOP, path: there}) == [(what, path)]


def test_links_are_compared_by_target() -> None:
    path = "/opt/smartdc/bin/x"
    here = {**TOP, path: Thing("link", target="a")}
    assert planned({path: Thing("link", target="a")}, here) == []
    assert planned({path: Thing("link", target="b")}, here) == [("link", path)]


def test_folders_that_no_manifest_names_are_made_where_they_are_missing() -> None:
    want = {"/usbkey/extra/imgapi/setup": file("s"), "key:scripts/x": file("x")}
    changes = plan(want, (), disk({}), (5, 6)).changes
    assert [change.path for change in changes] == [
        "key:scripts", "key:scripts/x", "/usbkey/extra", "/usbkey/extra/imgapi", "/usbkey/extra/imgapi/setup",
    ]  # fmt: skip
    assert changes[0].after == Thing("dir")
    assert changes[2].after == Thing("dir", 0o755, (5, 6))


def test_what_the_new_one_lacks_goes_after_what_comes_and_the_deepest_first() -> None:
    there = {"/opt/smartdc/lib": FOLDER, "/opt/smartdc/lib/a": FOLDER, "/opt/smartdc/lib/a/b": file("b"), **TOP}
    want = {"/opt/smartdc/bin": FOLDER, "/opt/smartdc/bin/z": file("z")}
    gone = ("/opt/smartdc/lib", "/opt/smartdc/lib/a", "/opt/smartdc/lib/a/b", "/opt/smartdc/lib/never-was")
    assert planned(want, there, gone) == [
        ("added", "/opt/smartdc/bin/z"),
        ("removed", "/opt/smartdc/lib/a/b"),
        ("removed", "/opt/smartdc/lib/a"),
        ("removed", "/opt/smartdc/lib"),
    ]


def test_a_folder_with_something_foreign_in_it_stays() -> None:
    there = {"/opt/smartdc/lib": FOLDER, "/opt/smartdc/lib/a": file("a")}
    found = plan({}, ("/opt/smartdc/lib", "/opt/smartdc/lib/a"), disk(there, ("/opt/smartdc/lib/theirs",)), ROOT)
    assert [change.path for change in found.changes] == ["/opt/smartdc/lib/a"]
    assert found.kept == ("/opt/smartdc/lib",)


def test_the_way_to_the_key_comes_first_then_the_key_then_its_copy() -> None:
    paths = ["/usbkey/scripts/a", "key:scripts/a", "/opt/smartdc/bin/sdc-usbkey"]
    changes = [Change(path, None, file("x")) for path in paths]
    assert [change.path for change in ordered(changes)] == paths[::-1]


def test_what_is_in_a_folder_that_becomes_a_file_makes_way_before_it() -> None:
    there = {**TOP, "/opt/smartdc/bin/x": FOLDER, "/opt/smartdc/bin/x/y": file("y")}
    want = {"/opt/smartdc/bin": FOLDER, "/opt/smartdc/bin/a": file("a"), "/opt/smartdc/bin/x": file("x")}
    found = planned(want, there, ("/opt/smartdc/bin/x/y",))
    assert found.index(("removed", "/opt/smartdc/bin/x/y")) < found.index(("kind", "/opt/smartdc/bin/x"))


def test_a_folder_in_the_way_with_something_foreign_in_it_is_refused() -> None:
    there = {**TOP, "/opt/smartdc/bin/x": FOLDER}
    with pytest.raises(Refused, match="/opt/smartdc/bin/x is a folder with things in it"):
        plan({"/opt/smartdc/bin/x": file("x")}, (), disk(there, ("/opt/smartdc/bin/x/theirs",)), ROOT)


def test_a_device_in_the_way_is_refused() -> None:
    with pytest.raises(Refused, match="neither file, folder nor link"):
        plan({"/opt/smartdc/bin/x": file("x")}, (), disk({**TOP, "/opt/smartdc/bin/x": DEVICE}), ROOT)


def test_foreign_is_what_nobody_that_we_know_has_put_there() -> None:
    want = {"/opt/smartdc/bin": FOLDER, "/opt/smartdc/bin/x": file("x"), "/usbkey/scripts/a": file("a"),
            "/usbkey/extra/imgapi": FOLDER}  # fmt: skip
    there = {**want, "/usbkey/scripts": FOLDER, "/usbkey/extra": FOLDER}
    more = ("/opt/smartdc/bin/theirs", "/usbkey/scripts/old.sh", "/usbkey/extra/agents", "/usbkey/extra/imgapi/mine")
    found = foreign(disk(there, more), our_folders(want), set(want))
    assert found == ("/opt/smartdc/bin/theirs", "/usbkey/extra/imgapi/mine", "/usbkey/scripts/old.sh")


# --- documents --------------------------------------------------------------------------------------------------------
CHANGES = (
    Change("/opt/smartdc/bin/x", file("a" * 64), None),
    Change("key:scripts/y", None, Thing("file", 0, (0, 0), 3, "b" * 64)),
    Change("/opt/smartdc/bin/z", Thing("link", 0, (1, 2), target="x"), Thing("dir", 0o700, (3, 4))),
)
INSTALLED = Installed(small(), "", "c" * 64, False, "2026-11-23T10:15:00.000Z")


def test_documents_come_back_as_they_were() -> None:
    transaction = Transaction("gzbits apply", Ending.APPLIED, INSTALLED, CHANGES)
    assert Transaction.read(transaction.text().encode(), "t") == transaction
    previous = Previous("d" * 64, INSTALLED.to_json(), CHANGES)
    again = Previous.read(previous.to_json(), "p")
    assert (again, again.installed) == (previous, INSTALLED)
    assert Previous("d" * 64, None, ()).installed is None


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"ending":"applied"', '"ending":"done"', "ending"),
        ('"schema":1,"', '"schema":2,"', "schema"),
        ('"mode":"0700"', '"mode":"rwx"', "octal"),
        ('"owner":[3,4]', '"owner":[3]', "owner"),
        ('"kind":"link","mode":"0777","on"', '"kind":"pipe","mode":"0777","on"', "kind"),
    ],
)
def test_documents_that_were_edited_are_refused(old: str, new: str, said: str) -> None:
    text = Transaction("gzbits apply", Ending.APPLIED, INSTALLED, CHANGES).text().replace(old, new)
    assert new in text or "pipe" in new
    with pytest.raises(BadInput, match=said):
        broken = text if "pipe" not in new else text.replace('"kind":"link"', '"kind":"pipe"')
        Transaction.read(broken.encode(), "t")


def test_before_is_what_a_rollback_wants() -> None:
    want, gone = before(CHANGES)
    assert want == {"/opt/smartdc/bin/x": file("a" * 64), "/opt/smartdc/bin/z": Thing("link", 0, (1, 2), target="x")}
    assert gone == {"key:scripts/y"}
    assert loads(Transaction("x", Ending.REPAIRED, None, ()).text(), "t")


def test_links_and_folders_of_small() -> None:
    kinds = {path: thing.kind for path, thing in wanted(manifest(folder("gzbits/tools/bin"),
             link("gzbits/tools/bin/y", "x"), entry("gzbits/tools/bin/z")), ROOT).items()}  # fmt: skip
    assert kinds == {"/opt/smartdc/bin": "dir", "/opt/smartdc/bin/y": "link", "/opt/smartdc/bin/z": "file"}
