"""What an operator may type or write that is wrong: one clear line, the documented status, and nothing changed."""

from __future__ import annotations

import errno
import json
import pathlib

import pytest
from mockdc.faces.publish import Image, publish
from site_in_a_box import Site
from untouched import changes, ending, everything, refused, told

UUID = "4803c1cd-5882-9c48-bc2a-fc81c1429a89"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"imgapi": "latest",\n  "adminui" "latest"}', ("foo.json: line 2, column 13: not valid JSON",)),
        ('{"imgapi": "latest", // newest\n "papi": "latest"}', ("line 1", "JSON has no comments")),
        ('{"imgapi": "latest",\n  "imgapi": "latest"}', ("line 2: duplicate key 'imgapi'", "name each service once")),
        ('["imgapi"]', ("a spec is a JSON object", "such as {")),
        ("", ("foo.json: is empty", "write what to upgrade")),
        ("{}", ("foo.json: names no service",)),
        ('{"imgapi": null}', ("imgapi: the value is not text",)),
        ('{"imgapi": ["latest"]}', ("imgapi: the value is not text",)),
        (f'{{"imgapi": "{UUID[:-1]}"}}', ("imgapi", "is not a uuid", "8-4-4-4-11")),
        (f'{{"imgapi": "{UUID.replace("c", "x")}"}}', ("is not a uuid: 'x' cannot be in one",)),
        ('{"imgap": "latest"}', ("unknown service 'imgap'", "did you mean 'imgapi'?")),
        ('{"mantav2-authcache": "latest"}', ("is the name of an image; its service is 'mahi'",)),
        ('{"a\\nb": "latest"}', ("unknown service 'a\\nb'", "the services are adminui, ")),
        ('{"cn-agent": "latest"}', ("cn-agent is an agent", "update-agents")),
        ('{"platform": "latest"}', ("platform", "not yet supported in a spec")),
        ('{"redis": "latest"}', ("redis is not upgraded: it is historic", "take 'redis' out of the spec")),
        ('{"imgapi": "lastest"}', ("imgapi", 'did you mean "latest"?')),
        ('{"imgapi": "master-20990101T000000Z-g1234567"}', ("no version 'master-20990101", "the nearest are: master-")),
        (f'{{"imgapi": "{UUID[:-2]}00"}}', (f"there is no image {UUID[:-2]}00 on https://updates.", "avail")),
        ("[" * 20000, ("not valid JSON",)),
        ("\0", ("not valid JSON",)),
    ],
)  # fmt: skip
def test_a_spec_that_is_wrong(coal: Site, text: str, words: tuple[str, ...]) -> None:
    (coal.ops / "foo.json").write_text(text)
    refused(coal, "prepare foo.json", 65, *words)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'\xef\xbb\xbf{"imgapi": "latest"}', ("byte order mark", "save the spec as UTF-8")),
        (b'{"imgapi": "l\xe4test"}', ("not UTF-8 text (byte 14)", "save the spec as UTF-8")),
        (b" " * 70000, ("70000 bytes are too many",)),
    ],
)
def test_a_spec_of_the_wrong_bytes(coal: Site, data: bytes, words: tuple[str, ...]) -> None:
    (coal.ops / "foo.json").write_bytes(data)
    refused(coal, "prepare foo.json", 65, *words)


@pytest.mark.parametrize("line", ["prepare nope.json", "prepare nope", "prepare /nowhere/nope.json"])
def test_a_spec_that_is_not_there(coal: Site, line: str) -> None:
    refused(coal, line, 66, "there is no spec", "nope.json", 'write one: {"imgapi": "latest"}')


@pytest.mark.parametrize("line", ["prepare foo.json", "prepare foo", "prepare /tmp/foo.json", "download foo.json"])
def test_a_current_folder_that_was_removed(coal: Site, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    coal.spec(papi="latest")
    coal.run("prepare foo.json").ok()
    (coal.ops / "gone").mkdir()
    monkeypatch.chdir(coal.ops / "gone")
    (coal.ops / "gone").rmdir()
    refused(coal, line, 66, "the folder you are in was removed", "cd to another")


def test_a_spec_that_is_a_folder(coal: Site) -> None:
    (coal.ops / "foo.json").mkdir()
    refused(coal, "prepare foo.json", 73, "foo.json: cannot be read: is a directory", "see what is wrong")


def test_a_spec_that_may_not_be_read(coal: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    coal.spec()

    def denied(real: str, flags: int, mode: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    before = coal.doors.files.read

    def read(path: str, limit: int = 64 << 20) -> bytes:
        with monkeypatch.context() as patch:
            patch.setattr("sdcupgrade.doors.files._open", denied)
            return before(path, limit)

    monkeypatch.setattr(coal.doors.files, "read", read)
    refused(coal, "prepare foo.json", 73, "foo.json: cannot be read: permission denied", "run as root, or see who owns")


def test_an_image_of_another_service(coal: Site) -> None:
    coal.spec(adminui=UUID)
    words = ("adminui needs adminui [image-of-another-service]", "nothing was changed")
    refused(coal, "prepare foo.json", 3, *words, but=("ops/foo.json.1",))


def test_an_unknown_channel_on_the_command_line(coal: Site) -> None:
    coal.spec()
    refused(coal, "prepare foo.json --channel nope", 65, "no channel 'nope'", "it has: dev, experimental, release")


@pytest.mark.parametrize(
    ("value", "status", "words"),
    [
        ("nope", 65, ("no channel 'nope' (the update_channel of the sdc application in SAPI)", "it has: dev,")),
        (7, 76, ("the update_channel of the sdc application is 7, not text", "--channel")),
    ],
)
def test_an_unknown_channel_in_sapi(coal: Site, value: object, status: int, words: tuple[str, ...]) -> None:
    (application,) = coal.dc.store.all("sapi_application")
    application["metadata"]["update_channel"] = value
    coal.dc.store.put("sapi_application", application["uuid"], application)
    coal.spec()
    refused(coal, "prepare foo.json", status, *words)


# --- what latest means ------------------------------------------------------------------------------------------------
def meant(site: Site, line: str) -> dict[str, str]:
    """The image of each service in the plan that *line* makes."""
    site.run(line).ok()
    return {service["service"]: service["target"]["uuid"] for service in site.plan()["services"]}


def newer(site: Site, *names: str) -> None:
    """A minute later something newer of each of these is published."""
    site.dc.wait(60)
    for name in names:
        publish(site.dc, Image(name, channel="dev"))


def test_latest_does_not_move_until_it_is_refreshed(coal: Site) -> None:
    coal.spec(papi="latest", napi="latest")
    first = meant(coal, "prepare foo.json")
    newer(coal, "papi", "napi")
    assert meant(coal, "prepare foo.json --fresh") == first
    moved = meant(coal, "prepare foo.json --fresh --refresh")
    assert moved["papi"] != first["papi"] and moved["napi"] != first["napi"]


def test_an_edited_entry_is_resolved_anew_and_the_others_stay(coal: Site) -> None:
    coal.spec(papi="latest", napi="latest")
    first = meant(coal, "prepare foo.json")
    newer(coal, "papi", "napi", "cnapi")
    coal.spec(papi="latest", napi=coal.vm("napi")["image_uuid"], cnapi="latest")
    second = meant(coal, "prepare foo.json --fresh")
    assert second["papi"] == first["papi"]
    assert second["napi"] == coal.vm("napi")["image_uuid"]
    coal.spec(papi="latest", napi="latest", cnapi="latest")
    third = meant(coal, "prepare foo.json --fresh")
    assert third["napi"] != first["napi"] and third["cnapi"] == second["cnapi"]


@pytest.mark.parametrize("text", ['{"schema": 1', "[]", '{"schema": 9}', '{"schema": 1, "images": {"papi": 7}}'])
def test_a_broken_cache(coal: Site, text: str) -> None:
    coal.spec(papi="latest")
    (coal.ops / "foo.json.1").write_text(text)
    refused(coal, "prepare foo.json", 65, "foo.json.1", "delete foo.json.1", "--refresh")
    coal.run("prepare foo.json --refresh").ok()


def test_an_image_that_was_withdrawn_since(coal: Site) -> None:
    coal.spec(papi="latest")
    image = meant(coal, "prepare foo.json")["papi"]
    coal.dc.store.delete("image", f"updates/{image}")
    refused(coal, "prepare foo.json --fresh", 65, f"papi: there is no image {image}")


# --- the spec after the plan ------------------------------------------------------------------------------------------
@pytest.mark.parametrize("line", ["download foo", "download foo.json", "upgrade foo --yes"])
def test_a_spec_edited_after_its_plan_is_noticed(coal: Site, line: str) -> None:
    coal.spec(papi="latest")
    coal.ready()
    coal.spec(papi="latest", napi="latest")
    refused(coal, line, 7, "foo.json was edited", "napi was absent and is latest now", "prepare foo.json --fresh")


def test_a_spec_edited_while_a_run_is_cut_off_keeps_nobody_from_going_on_or_back(coal: Site) -> None:
    coal.spec(papi="latest")
    coal.ready()
    coal.fault("vmadm reprovision fail #1")
    assert coal.upgrade().status == 5
    coal.spec(papi="latest", napi="latest")
    coal.run("status foo").ok()
    coal.run("resume foo --yes --pause never").ok()
    coal.run("rollback foo --yes --pause never").ok()


# --- the work dir -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("line", ["download foo", "upgrade foo --yes", "rollback foo", "resume foo", "status foo"])
def test_no_work_dir(coal: Site, line: str) -> None:
    refused(coal, line, 66, "there is no upgrade foo: /var/tmp/upgrade-foo", "sdcupgrade prepare foo.json")


def test_a_work_dir_in_use(coal: Site) -> None:
    coal.spec()
    coal.run("prepare foo.json").ok()
    refused(coal, "prepare foo.json", 3, "/var/tmp/upgrade-foo is in use already", "sdcupgrade status foo", "--fresh")


def test_fresh_keeps_all_of_the_old_work_dir(coal: Site) -> None:
    coal.spec()
    coal.ready()
    coal.fault("vmadm reprovision fail #1")
    assert coal.upgrade().status == 5
    old = coal.gz / "var/tmp/upgrade-foo"
    before = {path.name: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    ran = coal.run("prepare foo.json --fresh").ok()
    (kept,) = [path for path in old.parent.iterdir() if path != old]
    assert f"kept as /var/tmp/{kept.name}" in ran.err
    assert {path.name: path.read_bytes() for path in kept.rglob("*") if path.is_file()} == before
    assert b'"step-failed"' in before["journal.jsonl"]
    assert "Upgrade foo: prepared" in coal.run("status foo").ok().out


def test_a_refused_plan_moves_no_work_dir_aside(coal: Site) -> None:
    coal.spec()
    coal.run("prepare foo.json").ok()
    coal.spec(moray="latest")
    refused(coal, "prepare foo.json --fresh", 3, "special-procedure", but=("ops/foo.json.1",))


def test_a_work_dir_of_another_spec(coal: Site) -> None:
    coal.spec()
    coal.run("prepare foo.json").ok()
    (coal.ops / "other").mkdir()
    (coal.ops / "other/foo.json").write_text('{"papi": "latest"}')
    refused(coal, "download other/foo.json", 3, "belongs to another spec", "ops/foo.json, not from", "type the name")


@pytest.mark.parametrize(
    ("edit", "status", "words"),
    [
        (lambda text: text.replace('"timeout_s": 420', '"timeout_s": 9', 1), 7, ("was edited after it was written",)),
        (lambda text: text.replace('"schema": 1', '"schema": 2'), 65, ("written for schema 2",)),
        (lambda text: text[:900], 7, ("not valid JSON",)),
        (lambda text: "", 7, ("not valid JSON: it is empty",)),
        (lambda text: "[]", 65, ("expected an object, got a list",)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("line", ["download foo", "upgrade foo --yes", "rollback foo --yes", "status foo"])
def test_a_damaged_plan(coal: Site, edit: object, status: int, words: tuple[str, ...], line: str) -> None:
    coal.spec(papi="latest")
    coal.run("prepare foo.json").ok()
    plan = coal.gz / "var/tmp/upgrade-foo/plan.json"
    assert callable(edit)
    plan.write_text(edit(plan.read_text()))
    refused(coal, line, status, "/var/tmp/upgrade-foo/plan.json", *words, "prepare again with --fresh")


@pytest.mark.parametrize("name", ["plan.json", "prepared-from.json"])
def test_a_work_dir_that_lost_a_document(coal: Site, name: str) -> None:
    coal.spec(papi="latest")
    coal.run("prepare foo.json").ok()
    (coal.gz / "var/tmp/upgrade-foo" / name).unlink()
    refused(coal, "upgrade foo --yes", 66, "/var/tmp/upgrade-foo has lost its plan", "prepare foo.json --fresh")


def test_a_damaged_record_of_the_spec(coal: Site) -> None:
    coal.spec(papi="latest")
    coal.run("prepare foo.json").ok()
    (coal.gz / "var/tmp/upgrade-foo/prepared-from.json").write_text("?")
    refused(coal, "download foo.json", 7, "prepared-from.json: not valid JSON", "prepare foo.json --fresh")


@pytest.mark.parametrize("text", ["garbage\n", "\n", '{"v": 1}\n', '{"v": 9}\n', '{"v": 1, "seq": 2, "prev": "x"}\n'])
@pytest.mark.parametrize("line", ["upgrade foo --yes", "rollback foo --yes", "resume foo --yes", "status foo"])
def test_a_damaged_journal(coal: Site, text: str, line: str) -> None:
    coal.spec(papi="latest")
    coal.ready()
    (coal.gz / "var/tmp/upgrade-foo/journal.jsonl").write_text(text)
    refused(coal, line, 65, "/var/tmp/upgrade-foo/journal.jsonl: line 1")


def test_a_line_of_the_journal_taken_out(coal: Site) -> None:
    coal.spec(papi="latest")
    coal.ready()
    coal.upgrade().ok()
    journal = coal.gz / "var/tmp/upgrade-foo/journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(lines[:2] + lines[3:]))
    refused(coal, "rollback foo --yes", 65, "journal.jsonl: line 3: does not follow", "nothing is done on the strength")


def scripts(site: Site) -> list[pathlib.Path]:
    """The texts that were saved with the plan."""
    return sorted((site.gz / "var/tmp/upgrade-foo/user-scripts").iterdir())


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_saved_user_script_altered_is_noticed_before_anything_begins(coal: Site, number: int) -> None:
    coal.spec(papi="latest")
    coal.ready()
    assert len(scripts(coal)) == 3
    scripts(coal)[number].write_text("#!/bin/sh\n")
    refused(coal, "upgrade foo --yes", 7, scripts(coal)[number].name, "is not what was saved", "put the file back")


def test_a_saved_user_script_lost(coal: Site) -> None:
    coal.spec(papi="latest")
    coal.ready()
    scripts(coal)[0].unlink()
    refused(coal, "upgrade foo --yes", 7, "is gone", "put the file back as it was, or prepare again with --fresh")


def test_a_script_altered_between_upgrade_and_rollback(coal: Site) -> None:
    coal.spec(papi="latest")
    coal.ready()
    coal.upgrade().ok()
    for script in scripts(coal):
        script.write_text("#!/bin/sh\n")
    before = everything(coal)
    ran = told(coal.run("rollback foo --yes --pause never"), 5, "is not what was saved")
    assert coal.reprovisions("papi") == 1, ran.err
    assert not [name for name in changes(before, everything(coal)) if name.startswith(("vm/", "sapi"))]


# --- the command line -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("prepar foo.json", ("no command 'prepar'", "did you mean 'prepare'?")),
        ("frobnicate", ("no command 'frobnicate'", "sdcupgrade --help lists the commands")),
        ("prepare", ("prepare: the following arguments are required: spec", "see sdcupgrade prepare --help")),
        ("prepare foo.json --nope", ("unrecognized arguments: --nope", "see sdcupgrade prepare --help")),
        ("upgrade foo --pause often", ("invalid choice: 'often'",)),
        ("download foo --parallel many", ("invalid int value: 'many'",)),
        ("download foo --parallel 0", ("--parallel 0: give a number from 1 to 64",)),
        ("prepare ../", ("'../' does not name an upgrade", "give the spec file (foo.json)")),
        ("status .json", ("'.json' does not name an upgrade",)),
        ("instances -o nope", ("no column 'nope'", "columns: instance, service,")),
        ("instances -s alias,nope", ("no column 'nope'",)),
        ("instances nope=1", ("'nope=1' is no filter", "write column=value")),
        ("check -o nope", ("no column 'nope'", "columns: check, result,")),
        ("upgrade foo --ignore dns", ("--ignore dns: give the check and a reason",)),
        ("upgrade foo --ignore dns=", ("--ignore dns=: give the check and a reason",)),
    ],
)
def test_a_command_line_that_makes_no_sense(coal: Site, line: str, words: tuple[str, ...]) -> None:
    refused(coal, line, 2, *words)


def test_a_service_that_avail_does_not_know(coal: Site) -> None:
    refused(coal, "avail imgap", 65, "no service 'imgap'", "did you mean 'imgapi'?")


def test_a_service_that_is_not_of_the_upgrade(coal: Site) -> None:
    coal.spec(papi="latest")
    coal.ready()
    coal.upgrade().ok()
    refused(coal, "rollback foo napi --yes", 65, "napi: not part of upgrade foo, which has: papi")


def test_json_that_somebody_else_reads_is_not_spoilt_by_a_failure(coal: Site) -> None:
    coal.fault("imgapi GET /ping status=500")
    ran = told(coal.run("check -j"), 4, "imgapi-up")
    assert [row["check"] for row in json.loads(ran.out) if row["result"] != "ok"] == ["imgapi-up"]
    assert ending(ran)[0].startswith("sdcupgrade: ")
