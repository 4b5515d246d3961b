"""Keys and signed metadata: made, rotated, cut off anywhere; what they make is what a site believes."""

from __future__ import annotations

import json
import pathlib
import shutil

import pytest

pytest.importorskip("tuf", reason="the tools of releases need python-tuf, which needs a newer python")
pytest.importorskip("responses", reason="the tools of releases need it")

from release import commands, images, repository
from release.repository import Repository
from release_desk import BOTH, STAMP, Desk, begun

from sdcupgrade.errors import SdcupgradeError
from sdcupgrade.updates.trust_archive import read_archive


@pytest.fixture
def desk(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    """With keys and an empty repository, in its folder, without a terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", None)
    return begun(tmp_path, capsys)


def test_keys_are_their_owners_alone_and_never_overwritten(desk: Desk) -> None:
    names = sorted(path.name for path in desk.off.iterdir())
    assert names == ["root-1.pem", "root-2.pem", "root-3.pem", "targets-1.pem"]
    assert {path.stat().st_mode & 0o777 for path in [*desk.off.iterdir(), *desk.on.iterdir()]} == {0o600}
    before = {path: path.read_bytes() for path in desk.off.iterdir()}
    said = "keys are never overwritten; nothing was made"
    assert said in desk.fails("keys --metadata MD2 --keys OFF --online-keys X")
    assert said in desk.fails("keys --metadata MD2 --keys X --online-keys ON")
    assert not (desk.folder / "X").exists()
    assert {path: path.read_bytes() for path in desk.off.iterdir()} == before


def test_no_private_key_lies_where_everybody_reads(desk: Desk) -> None:
    for line in ("keys --metadata MD2 --keys MD2", "keys --metadata MD2 --keys OFF2 --online-keys MD2/on",
                 f"rotate {BOTH} --role targets --new-keys md/new"):  # fmt: skip
        assert "keep keys elsewhere; nothing was made" in desk.fails(line)
    assert not (desk.folder / "MD2").exists()


def test_a_passphrase_closes_the_offline_keys_and_not_the_online_one(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SDCUPGRADE_KEY_PASSPHRASE", "open sesame")
    desk.ok("keys --metadata MD2 --keys OFF2 --online-keys ON2")
    assert b"ENCRYPTED" in (desk.folder / "OFF2" / "root-1.pem").read_bytes()
    assert b"ENCRYPTED" not in (desk.folder / "ON2" / "online-1.pem").read_bytes()
    desk.ok("sign --metadata MD2 --keys OFF2 --keys ON2", desk.file())
    monkeypatch.setenv("SDCUPGRADE_KEY_PASSPHRASE", "wrong")
    assert "the passphrase is wrong" in desk.fails("renew --metadata MD2 --keys OFF2")
    monkeypatch.delenv("SDCUPGRADE_KEY_PASSPHRASE")
    assert "type it at a terminal, or put it into SDCUPGRADE_KEY_PASSPHRASE" in desk.fails(
        "renew --metadata MD2 --keys OFF2"
    )


def test_passphrases_are_asked_for_at_a_terminal(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = ["one", "other", "open sesame", "open sesame"] + 4 * ["open sesame"]
    monkeypatch.setattr("sys.stdin", desk)
    monkeypatch.setattr(Desk, "isatty", lambda _: True, raising=False)
    monkeypatch.setattr(commands.getpass, "getpass", lambda _: typed.pop(0))
    assert "the two passphrases differ" in desk.fails("keys --metadata MD2 --keys OFF2 --online-keys ON2 --encrypt")
    assert not (desk.folder / "OFF2").exists()
    desk.ok("keys --metadata MD2 --keys OFF2 --online-keys ON2 --encrypt")
    desk.ok("renew --targets --metadata MD2 --keys OFF2 --keys ON2")
    assert typed == []


def test_a_key_that_others_may_read_is_refused(desk: Desk) -> None:
    (desk.on / "online-1.pem").chmod(0o640)
    status, _, err = desk.run("renew --metadata MD --keys ON")
    assert (status, "others than its owner may read it" in err) == (1, True)


def test_what_is_signed_is_believed_with_what_is_said_of_it(desk: Desk) -> None:
    file = desk.file()
    released = images.program(file)
    assert f"as sdcupgrade/{released.uuid}" in desk.ok(f"sign {BOTH}", file)
    found = desk.believed().find("sdcupgrade", released.uuid)
    assert found is not None
    found.check(file.read_bytes())
    assert found.custom == {
        "name": "sdcupgrade", "uuid": released.uuid, "version": "1.4.0", "buildstamp": STAMP,
    }  # fmt: skip


def test_signing_the_same_again_changes_nothing(desk: Desk) -> None:
    file = desk.file()
    desk.ok(f"sign {BOTH}", file)
    before = sorted(path.name for path in desk.md.iterdir())
    assert "nothing was changed" in desk.ok(f"sign {BOTH}", file)
    assert sorted(path.name for path in desk.md.iterdir()) == before


def test_signing_needs_the_key(desk: Desk) -> None:
    assert "targets: 0 of its keys are at hand" in desk.fails("sign --metadata MD --keys ON", desk.file())


def test_the_offline_and_the_online_key_need_never_meet(desk: Desk) -> None:
    file = desk.file()
    number = images.program(file).uuid
    assert "It has no effect yet.\n" in desk.ok("sign --metadata MD --keys OFF", file)
    assert desk.believed().find("sdcupgrade", number) is None
    assert "does not name version 2 of targets" in desk.ok("show --metadata MD")
    assert "Signed anew: snapshot, timestamp." in desk.ok("renew --metadata MD --keys ON")
    assert desk.believed().find("sdcupgrade", number) is not None


def test_targets_are_renewed_where_their_key_is_alone(desk: Desk) -> None:
    assert "Signed anew: targets.\nIt has no effect yet.\n" in desk.ok("renew --targets --metadata MD --keys OFF")
    assert "Signed anew: snapshot, timestamp." in desk.ok("renew --metadata MD --keys ON")
    assert Repository(desk.md).targets.version == 2
    desk.ok("show --metadata MD")


def test_what_is_in_force_is_enough_to_go_on(desk: Desk, tmp_path: pathlib.Path) -> None:
    desk.ok(f"sign {BOTH}", desk.file())
    desk.ok(f"rotate {BOTH} --extend")
    packed = read_archive(images.trust(desk.md, tmp_path).file.read_bytes(), "the image")
    shutil.rmtree(desk.md)
    desk.md.mkdir()
    for name, data in packed.items():
        (desk.md / name).write_bytes(data)
    desk.ok(f"sign {BOTH}", desk.file("2"))
    assert desk.believed().find("sdcupgrade", images.program(desk.file()).uuid) is not None


@pytest.mark.parametrize("written", [0, 1, 2, 3])
@pytest.mark.parametrize("again", ["sign", "renew"])
def test_cut_off_between_two_files_it_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, written: int, again: str
) -> None:
    file, left, write = desk.file(), [written], repository.write

    def dies(path: pathlib.Path, data: bytes) -> None:
        if not left[0]:
            raise KeyboardInterrupt
        left[0] -= 1
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(repository, "write", dies)
        desk.run(f"sign {BOTH}", file)
    desk.believed().refresh()
    if again == "renew" and written:
        desk.ok("renew --metadata MD --keys ON")
    else:
        desk.ok(f"sign {BOTH}", file)
    desk.ok("show --metadata MD")
    assert desk.believed().find("sdcupgrade", images.program(file).uuid) is not None


def test_two_at_once_do_not_write_over_each_other(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    finish = commands.ceremony.finish

    def meanwhile(*given: object) -> bool:
        with monkeypatch.context() as patch:
            patch.setattr(commands.ceremony, "finish", finish)
            desk.ok(f"sign {BOTH}", desk.file("2"))
        return finish(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(commands.ceremony, "finish", meanwhile)
    status, _, err = desk.run(f"sign {BOTH}", desk.file())
    assert (status, "another command has made it meanwhile" in err) == (1, True)
    assert desk.believed().find("sdcupgrade", images.program(desk.file("2")).uuid) is not None


def test_what_was_signed_can_be_withdrawn(desk: Desk) -> None:
    released = images.program(desk.file())
    desk.ok(f"sign {BOTH}", released.file)
    assert desk.believed().find("sdcupgrade", released.uuid) is not None
    assert f"Withdrawn: {released.target}.\n" in desk.ok(f"withdraw {BOTH} {released.target}")
    assert desk.believed().find("sdcupgrade", released.uuid) is None
    assert "is not signed in" in desk.fails(f"withdraw {BOTH} {released.target}")


def test_a_release_after_the_other_is_believed_in_the_same_store(desk: Desk) -> None:
    for content in ("1", "2"):
        desk.ok(f"sign {BOTH}", desk.file(content))
        assert desk.believed().find("sdcupgrade", images.program(desk.file(content)).uuid) is not None


def test_changed_metadata_is_not_believed(desk: Desk) -> None:
    desk.ok(f"sign {BOTH}", desk.file())
    path = desk.md / "2.targets.json"
    path.write_text(path.read_text().replace("1.4.0", "1.4.1"))
    with pytest.raises(SdcupgradeError):
        desk.believed().find("sdcupgrade", images.program(desk.file()).uuid)


def test_the_online_key_alone_keeps_metadata_in_force(desk: Desk) -> None:
    assert "Signed anew: snapshot, timestamp." in desk.ok("renew --metadata MD --keys ON --timestamp-days 7")
    assert json.loads((desk.md / "timestamp.json").read_text())["signed"]["version"] == 2
    desk.believed().refresh()


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_keys_of_any_role_can_be_rotated_and_sites_follow(desk: Desk, role: str) -> None:
    file = desk.file()
    desk.ok(f"sign {BOTH}", file)
    desk.believed().refresh()
    count = 3 if role == "root" else 1
    assert "Root version 2 is signed" in desk.ok(f"rotate {BOTH} --role {role} --count {count} --new-keys NEW")
    desk.ok(f"renew {BOTH} --keys NEW")
    assert "a site that knows the first root believes this" in desk.ok("show --metadata MD").lower()
    assert desk.believed().find("sdcupgrade", images.program(file).uuid) is not None


def holders(desk: Desk) -> list[pathlib.Path]:
    """Each root key in a folder of its own."""
    places = [desk.folder / f"holder-{number}" for number in (1, 2, 3)]
    for number, place in enumerate(places, 1):
        place.mkdir()
        (desk.off / f"root-{number}.pem").rename(place / f"root-{number}.pem")
    return places


def test_a_new_root_collects_its_signatures_wherever_the_keys_are(desk: Desk) -> None:
    one, _, three = holders(desk)
    told = desk.ok("rotate --metadata MD --role root --count 2 --new-keys NEW")
    assert "the old root's keys: 0 of 2 signatures" in told
    assert not (desk.md / "2.root.json").exists()
    second = desk.ok("rotate --metadata MD --collect --keys", three)
    assert "1 of 2" in second
    assert "1 of 2" in desk.ok("rotate --metadata MD --collect --keys", three)
    assert sha256_in(told) == sha256_in(second) == sha256_in(desk.ok("show --metadata MD"))
    assert "Root version 2 is signed" in desk.ok("rotate --metadata MD --collect --keys", one)
    assert not (desk.md / "pending.root.json").exists()
    assert desk.believed().refresh().trusted.root.version == 2


def sha256_in(said: str) -> str:
    """What all who sign compare."""
    return said.partition("has the sha256 ")[2].partition("\n")[0]


def test_who_is_asked_to_sign_a_root_is_told_what_it_changes(desk: Desk) -> None:
    one, _, three = holders(desk)
    keys = Repository(desk.md).root.roles["root"].keyids
    out = desk.ok(f"rotate --metadata MD --role root --threshold 1 --revoke {keys[0]} --new-keys NEW --keys", three)
    assert f"  root: without key {keys[0]}\n" in out
    assert "  root: 1 have to sign, not 2\n" in out
    assert out.count("root: with key") == 1
    assert f"  root: without key {keys[0]}\n" in desk.ok("show --metadata MD")
    assert f"  root: without key {keys[0]}\n" in desk.ok("rotate --metadata MD --collect --keys", one)


def test_one_root_replaces_a_key_of_several_roles(desk: Desk) -> None:
    out = desk.ok(f"rotate {BOTH} --role snapshot --role timestamp --new-keys ON")
    assert out.startswith(f"Made {desk.on}/online-2.pem, key ")
    root = Repository(desk.md).root
    assert (root.version, root.roles["snapshot"]) == (2, root.roles["timestamp"])
    (desk.on / "online-1.pem").unlink()
    desk.ok("renew --metadata MD --keys ON")
    desk.believed().refresh()


def test_a_root_that_was_changed_after_it_was_signed_does_not_count(desk: Desk) -> None:
    one, two, three = holders(desk)
    desk.ok("rotate --metadata MD --extend --keys", one)
    pending = desk.md / "pending.root.json"
    waiting = json.loads(pending.read_text())
    waiting["signed"]["expires"] = "2099-01-01T00:00:00Z"
    pending.write_text(json.dumps(waiting))
    assert "the old root's keys: 1 of 2 signatures" in desk.ok("rotate --metadata MD --collect --keys", two)
    assert not (desk.md / "2.root.json").exists()
    assert "Root version 2 is signed" in desk.ok("rotate --metadata MD --collect --keys", three)
    assert desk.believed().refresh().trusted.root.version == 2


def test_a_root_is_extended_with_the_same_keys(desk: Desk) -> None:
    before = Repository(desk.md).root
    assert "with" not in desk.ok(f"rotate {BOTH} --extend --root-days 900").partition("what is signed")[0]
    after = Repository(desk.md).root
    assert (after.version, after.roles) == (2, before.roles)
    assert (after.expires - before.expires).days == 170
    assert desk.believed().refresh().trusted.root.version == 2


def test_how_many_have_to_sign_is_never_lowered_silently(desk: Desk) -> None:
    assert "2 of 1 keys of root cannot sign: make more" in desk.fails(f"rotate {BOTH} --role root --new-keys NEW")
    assert not desk.new.exists()
    desk.ok(f"rotate {BOTH} --role root --threshold 1 --new-keys NEW")
    assert Repository(desk.md).root.roles["root"].threshold == 1


def test_a_pending_root_that_does_not_follow_is_refused(desk: Desk) -> None:
    one, *_ = holders(desk)
    desk.ok("rotate --metadata MD --extend --keys", one)
    pending = desk.md / "pending.root.json"
    waiting = json.loads(pending.read_text())
    waiting["signed"]["version"] = 3
    pending.write_text(json.dumps(waiting))
    status, _, err = desk.run("rotate --metadata MD --collect --keys", one)
    assert (status, "version 3 does not follow 1; remove that file" in err) == (1, True)


def test_a_root_of_strangers_never_becomes_one(desk: Desk) -> None:
    holders(desk)
    desk.ok("keys --metadata MD2 --online-keys ON2 --keys OFF2")
    desk.ok("rotate --metadata MD --role root --count 3 --new-keys NEW")
    assert "the old root's keys: 0 of 2" in desk.ok("rotate --metadata MD --collect --keys OFF2")
    assert not (desk.md / "2.root.json").exists()


def test_expiry_is_told_before_and_after(desk: Desk) -> None:
    desk.ok(f"renew {BOTH} --targets --snapshot-days 20")
    assert ", expires in 19 days" in desk.ok("show --metadata MD")
    path = desk.md / "timestamp.json"
    path.write_text(path.read_text().replace('"expires": "20', '"expires": "19'))
    status, out, err = desk.run("show --metadata MD")
    assert (status, "HAS EXPIRED" in out, "a site would not believe this" in err) == (1, True, True)


@pytest.mark.parametrize(("line", "said"), [
    ("sign --metadata NOWHERE --keys OFF README", "with an image manifest beside it"),
    ("renew --metadata NOWHERE --keys OFF", "begins a repository"),
    ("renew --metadata MD --keys NOWHERE", "no such folder of keys"),
    ("rotate --metadata MD --keys OFF", "name the --role"),
    ("rotate --metadata MD --keys OFF --collect", "no root waits"),
    ("rotate --metadata MD --keys OFF --role root --new-keys NEW --threshold 9", "cannot sign"),
    ("rotate --metadata MD --keys OFF --role root --new-keys NEW --revoke 12", "root has no key 12"),
    ("show --metadata BROKEN", "cannot be read as metadata"),
    ("show --metadata SWAPPED", "is metadata of targets, not of timestamp"),
    ("show --metadata CUT", "timestamp.json: is missing"),
    ("publish --url https://x --user me", "--user needs --key"),
    ("publish --url https://x --key id", "--key needs --user"),
    ("publish --url http://x", "publishing needs https"),
    ("publish --url x", "is not the URL of an updates server"),
    ("publish --url https://x --cacert NOWHERE", "there is no such file"),
    ("verify-release NOWHERE", "NOWHERE: No such file or directory"),
])  # fmt: skip
def test_what_is_wrong_is_one_line(desk: Desk, line: str, said: str) -> None:
    (desk.folder / "README").write_text("no release")
    for name, changed in (("BROKEN", "{"), ("SWAPPED", (desk.md / "1.targets.json").read_text()), ("CUT", None)):
        shutil.copytree(desk.md, desk.folder / name)
        (desk.folder / name / "timestamp.json").unlink()
        if changed:
            (desk.folder / name / "timestamp.json").write_text(changed)
    status, _, err = desk.run(line)
    assert (status, err.count("\n"), said in err) == (1, 1, True), err
    assert not desk.new.exists()


@pytest.mark.parametrize("line", ["renew --metadata MD --timestamp-days 0", "renew --metadata MD --timestamp-days -1",
                                  "keys --metadata M --keys K --root-keys 0", "", "nonsense"])  # fmt: skip
def test_nonsense_is_refused_by_the_command_line(desk: Desk, line: str) -> None:
    with pytest.raises(SystemExit) as ended:
        desk.run(line)
    assert ended.value.code == 2


