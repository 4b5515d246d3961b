"""A work dir belongs to one spec, and is never prepared over."""

from __future__ import annotations

import pathlib
from typing import Optional

import pytest
from product_fakes import FakeClock, files_in

from sdcupgrade.doors.files import RootedFiles
from sdcupgrade.errors import NoInput, PlanMoved, Refused, StorageError, UsageError
from sdcupgrade.plan.spec import parse_spec
from sdcupgrade.run.workdir import Named, WorkDir

FOO = WorkDir("foo")
SPEC = parse_spec('{"imgapi": "latest"}', "foo.json")


@pytest.fixture
def files(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> RootedFiles:
    """Files below ``root``, with the operator sitting in ``home``."""
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path / "home")
    return files_in(tmp_path / "root")


@pytest.mark.parametrize(
    ("text", "name", "path"),
    [
        ("foo", "foo", None),
        ("foo.json", "foo", "foo.json"),
        ("./dir/foo.json", "foo", "./dir/foo.json"),
        ("/root/may-2026.1.json", "may-2026.1", "/root/may-2026.1.json"),
        ("dir/foo", "foo", "dir/foo"),
    ],
)
def test_ways_to_name_an_upgrade(text: str, name: str, path: Optional[str]) -> None:
    assert Named.of(text) == Named(name, path)


@pytest.mark.parametrize("text", ["", ".json", "..", "a b.json", "dir/", "-x", "x" * 101, "foo.json/"])
def test_what_names_no_upgrade(text: str) -> None:
    with pytest.raises(UsageError, match="does not name an upgrade"):
        Named.of(text)


def test_the_spec_is_beside_the_operator(files: RootedFiles) -> None:
    pathlib.Path("foo.json").write_text("{}")
    for typed in ("foo", "foo.json", str(pathlib.Path("foo.json").resolve())):
        assert files.read(Named.of(typed).spec(files)) == b"{}"


def test_the_spec_may_be_in_the_global_zone(files: RootedFiles) -> None:
    files.write("/root/foo.json", b"{}")
    assert files.read(Named.of("/root/foo.json").spec(files)) == b"{}"


def test_everything_is_in_the_work_dir() -> None:
    assert FOO.path == "/var/tmp/upgrade-foo"
    assert (FOO.plan, FOO.journal) == ("/var/tmp/upgrade-foo/plan.json", "/var/tmp/upgrade-foo/journal.jsonl")


def test_a_new_work_dir_has_its_folders(files: RootedFiles) -> None:
    assert FOO.create(files, FakeClock(), SPEC, {FOO.plan: "{}"}) is None
    assert files.listdir(FOO.path) == ["images", "plan.json", "prepared-from.json", "user-scripts"]


def test_one_in_use_is_refused_untouched(files: RootedFiles) -> None:
    files.write(FOO.journal, b"precious\n")
    with pytest.raises(Refused, match="in use already") as caught:
        FOO.create(files, FakeClock(), SPEC, {FOO.plan: "{}"})
    assert "prepare foo.json --fresh" in caught.value.hint
    assert files.listdir(FOO.path) == ["journal.jsonl"]


def test_an_empty_one_is_taken(files: RootedFiles) -> None:
    files.mkdir(FOO.path)
    assert FOO.create(files, FakeClock(), SPEC, {FOO.plan: "{}"}) is None


def test_fresh_keeps_the_old_one_aside(files: RootedFiles) -> None:
    for content in (b"first", b"second"):
        files.write(FOO.journal, content)
        FOO.create(files, FakeClock(), SPEC, {}, fresh=True)
    old = ["upgrade-foo.20231114T221320Z", "upgrade-foo.20231114T221320Z.2"]
    assert files.listdir("/var/tmp") == ["upgrade-foo", *old]
    assert [files.read(f"/var/tmp/{name}/journal.jsonl") for name in old] == [b"first", b"second"]
    assert not files.exists(FOO.journal)


def test_a_work_dir_that_is_not_there(files: RootedFiles) -> None:
    with pytest.raises(NoInput, match="there is no upgrade foo") as caught:
        FOO.check(files, Named.of("dir/foo.json"))
    assert caught.value.hint == "sdcupgrade prepare dir/foo.json"


def test_name_and_path_both_find_it(files: RootedFiles) -> None:
    FOO.create(files, FakeClock(), SPEC, {FOO.plan: "{}"})
    FOO.check(files, Named.of("foo"))
    FOO.check(files, Named.of("foo.json"))
    FOO.check(files, Named.of("../home/foo.json"))


def test_one_of_another_spec_is_refused(files: RootedFiles) -> None:
    FOO.create(files, FakeClock(), SPEC, {FOO.plan: "{}"})
    with pytest.raises(Refused, match=r"was prepared from .*/home/foo\.json, not from .*/dir/foo\.json"):
        FOO.check(files, Named.of("dir/foo.json"))


def test_a_full_disk_leaves_the_old_one_as_it_was(files: RootedFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write(FOO.journal, b"precious")

    def full(path: str, data: bytes, mode: int = 0o600) -> None:
        raise StorageError(f"{path}: no space")

    monkeypatch.setattr(files, "write", full)
    with pytest.raises(StorageError):
        FOO.create(files, FakeClock(), SPEC, {FOO.plan: "{}"}, fresh=True)
    assert files.read(FOO.journal) == b"precious"
    assert files.listdir(FOO.path) == ["journal.jsonl"]


def test_what_a_failed_try_left_does_not_get_in(files: RootedFiles) -> None:
    files.write("/var/tmp/.upgrade-foo.new/user-scripts/old.user-script", b"old")
    FOO.create(files, FakeClock(), SPEC, {f"{FOO.user_scripts}/new.user-script": "new"})
    assert files.listdir(FOO.user_scripts) == ["new.user-script"]


def test_one_without_a_plan_is_not_prepared(files: RootedFiles) -> None:
    FOO.create(files, FakeClock(), SPEC, {})
    with pytest.raises(NoInput, match="has lost its plan") as caught:
        FOO.check(files, Named.of("foo"))
    assert "prepare foo.json --fresh" in caught.value.hint


def test_a_damaged_record_of_the_spec_is_told(files: RootedFiles) -> None:
    FOO.create(files, FakeClock(), SPEC, {FOO.plan: "{}"})
    files.write(FOO.origin, b"not JSON")
    with pytest.raises(PlanMoved, match=r"prepared-from\.json: not valid JSON"):
        FOO.check(files, Named.of("foo.json"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"imgapi": "master-1"}', "imgapi was latest and is master-1 now"),
        ('{"imgapi": "latest", "papi": "latest"}', "papi was absent and is latest now"),
        ('{"papi": "latest"}', "imgapi was latest and is absent now"),
        ("{", "it was right when the plan was made"),
    ],
)
def test_a_spec_that_was_edited_is_noticed(files: RootedFiles, text: str, told: str) -> None:
    FOO.create(files, FakeClock(), SPEC, {})
    pathlib.Path("foo.json").write_text(text)
    with pytest.raises(PlanMoved, match=told) as caught:
        FOO.refuse_edited_spec(files)
    assert "prepare foo.json --fresh" in caught.value.hint


@pytest.mark.parametrize("text", ['{ "imgapi":\n "latest" }', None])
def test_a_spec_laid_out_anew_or_moved_away_is_fine(files: RootedFiles, text: Optional[str]) -> None:
    FOO.create(files, FakeClock(), SPEC, {})
    if text is not None:
        pathlib.Path("foo.json").write_text(text)
    FOO.refuse_edited_spec(files)
