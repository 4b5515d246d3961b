"""Signing and publishing: metadata that the product believes, images that an updates server takes, killed anywhere."""

from __future__ import annotations

import email.utils
import gzip
import hashlib
import json
import pathlib
import re
import zipfile
from collections.abc import Iterator
from typing import Any, Optional, cast

import pytest

pytest.importorskip("tuf", reason="the tools of releases need it")
pytest.importorskip("responses", reason="the tools of releases need it")

import requests
import responses
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from mockdc.apis.imgapi import handle
from mockdc.apis.web import Request
from mockdc.core.datacenter import Datacenter
from product_fakes import files_in
from release import __main__ as program
from release import images, publish

from sdcupgrade.errors import SdcupgradeError
from sdcupgrade.updates.believed import Believed
from sdcupgrade.updates.trusted import FolderFetch

URL = "http://updates.example.com"
STAMP = "main-20261123T101500Z-g0123abc"


class Desk:
    """Where releases are made: a folder, and the command line."""

    def __init__(self, folder: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder = folder
        self.md, self.off, self.on = folder / "md", folder / "off", folder / "on"
        self._capsys = capsys

    def run(self, line: str, *more: pathlib.Path) -> tuple[int, str, str]:
        """One command line; MD, OFF and ON stand for the folders."""
        known = {"MD": self.md, "OFF": self.off, "ON": self.on}
        status = program.main([*(str(known.get(word, word)) for word in line.split()), *map(str, more)])
        said = self._capsys.readouterr()
        return status, said.out, said.err

    def ok(self, line: str, *more: pathlib.Path) -> str:
        """What it printed, if it ended well."""
        status, out, err = self.run(line, *more)
        assert (status, err) == (0, "")
        return out

    def file(self, content: str = "1", version: str = "1.4.0", stamp: str = STAMP) -> pathlib.Path:
        """Something that is the one file to these tools."""
        path = self.folder / f"sdcupgrade-{version}-{content}"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("site-packages/sdcupgrade/__init__.py", f'__version__ = "{version}"\n')
            archive.writestr("site-packages/sdcupgrade/_build.py", f"STAMP = {stamp!r}\nBYTECODE = []\n")
            archive.writestr("content", content)
        return path

    def believed(self) -> Believed:
        """As a site sees it that knows the first root only."""
        root = (self.md / "1.root.json").read_bytes()
        fetch = FolderFetch(files_in(self.folder), "/md")
        return Believed(files_in(self.folder / "site"), root, fetch, email.utils.mktime_tz(NOW))


NOW = cast(Any, email.utils.parsedate_tz(email.utils.formatdate()))


@pytest.fixture
def desk(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> Desk:
    """With keys and an empty repository."""
    made = Desk(tmp_path, capsys)
    made.ok("keys --metadata MD --keys OFF --online-keys ON")
    return made


BOTH = "--metadata MD --keys OFF --keys ON"


# --- keys and metadata ------------------------------------------------------------------------------------------------
def test_keys_are_their_owners_alone_and_never_overwritten(desk: Desk) -> None:
    names = sorted(path.name for path in desk.off.iterdir())
    assert names == ["root-1.pem", "root-2.pem", "root-3.pem", "targets-1.pem"]
    assert {path.stat().st_mode & 0o777 for path in [*desk.off.iterdir(), *desk.on.iterdir()]} == {0o600}
    before = {path: path.read_bytes() for path in desk.off.iterdir()}
    status, _, err = desk.run("keys --metadata MD2 --keys OFF --online-keys ON")
    assert status == 1
    assert "keys are never overwritten; nothing was made" in err
    assert {path: path.read_bytes() for path in desk.off.iterdir()} == before


def test_a_passphrase_closes_the_offline_keys(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDCUPGRADE_KEY_PASSPHRASE", "open sesame")
    other = desk.folder / "closed"
    desk.ok("keys --metadata MD2 --online-keys ON2 --keys", other)
    assert b"ENCRYPTED" in (other / "root-1.pem").read_bytes()
    monkeypatch.setenv("SDCUPGRADE_KEY_PASSPHRASE", "wrong")
    status, _, err = desk.run("renew --metadata MD2 --keys", other)
    assert (status, "the passphrase is wrong" in err) == (1, True)


@pytest.fixture(autouse=True)
def _here(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


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


def test_signing_needs_the_keys_and_leaves_the_repository_alone_without(desk: Desk) -> None:
    before = {path: path.read_bytes() for path in desk.md.iterdir()}
    for keys, lacking in (("--keys ON", "targets"), ("--keys OFF", "snapshot")):
        status, _, err = desk.run(f"sign --metadata MD {keys}", desk.file())
        assert (status, f"{lacking}: 0 of its keys are at hand" in err) == (1, True)
    assert {path: path.read_bytes() for path in desk.md.iterdir()} == before


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
    assert "Signed anew: timestamp." in desk.ok("renew --metadata MD --keys ON --timestamp-days 7")
    assert json.loads((desk.md / "timestamp.json").read_text())["signed"]["version"] == 2
    desk.believed().refresh()


@pytest.mark.parametrize("role", ["root", "targets", "snapshot", "timestamp"])
def test_keys_of_any_role_can_be_rotated_and_sites_follow(desk: Desk, role: str) -> None:
    file = desk.file()
    desk.ok(f"sign {BOTH}", file)
    desk.believed().refresh()
    count = 3 if role == "root" else 1
    new = desk.folder / "new"
    assert "Root version 2 is signed" in desk.ok(f"rotate {BOTH} --role {role} --count {count} --new-keys", new)
    desk.ok(f"renew {BOTH} --keys", new)
    assert "NOT signed" not in desk.ok("show --metadata MD")
    assert desk.believed().find("sdcupgrade", images.program(file).uuid) is not None


def test_a_new_root_collects_its_signatures_wherever_the_keys_are(desk: Desk) -> None:
    new = desk.folder / "new"
    for number in (1, 2, 3):
        (desk.folder / f"holder-{number}").mkdir()
        (desk.off / f"root-{number}.pem").rename(desk.folder / f"holder-{number}" / f"root-{number}.pem")
    out = desk.ok("rotate --metadata MD --role root --count 2 --threshold 2 --new-keys", new)
    assert "the old root's keys: 0 of 2 signatures" in out
    assert not (desk.md / "2.root.json").exists()
    assert "1 of 2" in desk.ok("rotate --metadata MD --collect --keys", desk.folder / "holder-3")
    assert "Root version 2 is signed" in desk.ok("rotate --metadata MD --collect --keys", desk.folder / "holder-1")
    assert not (desk.md / "pending.root.json").exists()
    assert desk.believed().refresh().trusted.root.version == 2


def test_a_root_of_strangers_never_becomes_one(desk: Desk) -> None:
    other = desk.folder / "other"
    desk.ok("keys --metadata MD2 --online-keys ON2 --keys", other)
    for path in desk.off.glob("root-*.pem"):
        path.unlink()
    desk.ok("rotate --metadata MD --role root --new-keys", desk.folder / "new")
    assert "0 of 2" in desk.ok("rotate --metadata MD --collect --keys", other)
    assert not (desk.md / "2.root.json").exists()


@pytest.mark.parametrize(("line", "said"), [
    ("sign --metadata NOWHERE --keys OFF README", "with an image manifest beside it"),
    ("renew --metadata NOWHERE --keys OFF", "begins a repository"),
    ("renew --metadata MD --keys NOWHERE", "no such folder of keys"),
    ("rotate --metadata MD --keys OFF", "name the --role"),
    ("rotate --metadata MD --keys OFF --collect", "no root waits"),
    ("rotate --metadata MD --keys OFF --role root --new-keys NEW --threshold 9", "cannot sign"),
    ("publish --url http://x --user me", "--user needs --key"),
    ("publish --url http://x --cacert NOWHERE", "there is no such file"),
    ("verify-release NOWHERE", "is not sdcupgrade as one file"),
])  # fmt: skip
def test_what_is_wrong_is_one_line(desk: Desk, line: str, said: str) -> None:
    (desk.folder / "README").write_text("no release")
    status, out, err = desk.run(line)
    assert (status, out, err.count("\n"), said in err) == (1, "", 1, True), err


# --- publishing -------------------------------------------------------------------------------------------------------
class Server:
    """The box's updates server, asked by requests without a socket; *dies_at* is the call at which we are killed."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.dc = Datacenter.empty(folder)
        self.key = rsa.generate_private_key(65537, 2048)
        known = {"release": {"n": str(self.key.public_key().public_numbers().n), "e": 65537}}
        self.dc.store.set_meta("imgapi:updates:auth", "signature")
        self.dc.store.set_meta("imgapi:updates:keys", known)
        self.asked: list[str] = []
        self.dies_at: Optional[int] = None

    def __call__(self, request: requests.PreparedRequest) -> tuple[int, dict[str, str], bytes]:
        """A callback of responses; the box's clock is moved to what the request says."""
        if self.dies_at is not None and len(self.asked) >= self.dies_at:
            raise KeyboardInterrupt
        body = request.body.read() if hasattr(request.body, "read") else request.body or b""
        self.asked.append(f"{request.method} {request.path_url}")
        given = {name: str(value) for name, value in request.headers.items()}
        if "Date" in given:
            self.dc.clock.sleep(max(0.0, email.utils.parsedate_to_datetime(given["Date"]).timestamp() - self.dc.now()))
        raw = body.encode() if isinstance(body, str) else body
        answer = handle(self.dc, Request.make(str(request.method), request.path_url, given, raw), "updates")
        text = answer.body if isinstance(answer.body, bytes) else json.dumps(answer.body).encode()
        return answer.status, {"Content-Type": "application/json"}, text

    @property
    def changes(self) -> list[str]:
        """The calls that change something."""
        return [call for call in self.asked if not call.startswith("GET")]

    def image(self, number: str) -> dict[str, Any]:
        """What it has of an image."""
        found = self.dc.store.get("image", f"updates/{number}")
        assert found is not None
        return found


@pytest.fixture
def server(tmp_path: pathlib.Path, desk: Desk) -> Iterator[Server]:
    """Behind URL, for whom signs as ``release``."""
    (tmp_path / "gz").mkdir()
    made = Server(tmp_path / "gz")
    pem = made.key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    (tmp_path / "id_rsa").write_bytes(pem)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mocked:
        for method in (responses.GET, responses.POST, responses.PUT):
            mocked.add_callback(method, re.compile(f"{URL}/.*"), callback=made)
        yield made


PUBLISH = f"publish --url {URL} --user release --key id_rsa --channel dev"


def test_a_release_is_published_with_what_vouches_for_it(desk: Desk, server: Server) -> None:
    file = desk.file()
    desk.ok(f"sign {BOTH}", file)
    desk.ok(f"{PUBLISH} --channel staging --metadata MD", file)
    found = server.image(images.program(file).uuid)
    assert (found["state"], found["channels"], found["name"], found["version"]) == (
        "active", ["dev", "staging"], "sdcupgrade", "1.4.0",
    )  # fmt: skip
    assert (found["type"], found["os"], found["files"][0]["compression"]) == ("other", "other", "none")
    assert found["tags"] == {"buildstamp": STAMP}
    names = {one["name"] for one in server.dc.store.all("image")}
    assert names == {"sdcupgrade", "sdcupgrade-trust"}


def test_publishing_again_changes_nothing(desk: Desk, server: Server) -> None:
    file = desk.file()
    desk.ok(f"{PUBLISH}", file)
    before = len(server.changes)
    assert "Nothing was changed." in desk.ok(f"{PUBLISH}", file)
    assert len(server.changes) == before


def test_a_dry_run_tells_the_calls_and_makes_none(desk: Desk, server: Server) -> None:
    out = desk.ok(f"{PUBLISH} --channel staging -n", desk.file())
    assert [line.partition(": ")[2] for line in out.splitlines()] == [
        "import the record", "upload the file", "activate it", "add it to the channel staging", "",
    ]  # fmt: skip
    assert server.changes == []


def test_killed_between_any_two_calls_it_goes_on(desk: Desk, server: Server) -> None:
    file = desk.file()
    for moment in range(12):
        server.dies_at = len(server.asked) + moment
        status, _, _ = desk.run(f"{PUBLISH} --channel staging", file)
        if status == 0:
            break
        assert status == 130
    server.dies_at = None
    desk.ok(f"{PUBLISH} --channel staging", file)
    found = server.image(images.program(file).uuid)
    assert (found["state"], found["channels"]) == ("active", ["dev", "staging"])
    assert len([call for call in server.changes if "action=import" in call]) == 1


def test_a_record_without_its_file_is_completed(desk: Desk, server: Server) -> None:
    file = desk.file()
    made = publish.Server(URL, publish.Signature("release", server.key))
    made.do(publish.Call(publish.Act.IMPORT, images.program(file)), ["dev"])
    desk.ok(f"{PUBLISH}", file)
    assert server.image(images.program(file).uuid)["state"] == "active"


def test_other_bytes_under_the_same_uuid_are_refused(desk: Desk, server: Server) -> None:
    file = desk.file()
    desk.ok(f"{PUBLISH}", file)
    number = images.program(file).uuid
    found = server.image(number)
    server.dc.store.put("image", f"updates/{number}", {**found, "files": [{**found["files"][0], "sha1": "0" * 40}]})
    status, _, err = desk.run(f"{PUBLISH}", file)
    assert (status, "with other bytes; nothing was published of it" in err) == (1, True)


def test_who_is_not_known_is_refused_in_the_servers_words(desk: Desk, server: Server) -> None:
    status, _, err = desk.run(f"publish --url {URL} --user stranger --key id_rsa --channel dev", desk.file())
    assert (status, "HTTP 401: UnauthorizedError: Unauthorized; see --user and --key\n" in err) == (1, True)
    status, _, err = desk.run(f"publish --url {URL} --channel dev", desk.file())
    assert (status, "HTTP 401" in err) == (1, True)


def test_an_unknown_channel_and_none_at_all(desk: Desk, server: Server) -> None:
    status, _, err = desk.run(f"publish --url {URL} --user release --key id_rsa --channel nope", desk.file())
    assert (status, "has no channel nope; it has: " in err) == (1, True)
    status, _, err = desk.run(f"publish --url {URL} --user release --key id_rsa", desk.file())
    assert (status, "name at least one with --channel" in err) == (1, True)
    assert server.changes == []


def test_what_is_not_signed_is_not_published_with_the_metadata(desk: Desk, server: Server) -> None:
    status, _, err = desk.run(f"{PUBLISH} --metadata MD", desk.file())
    assert (status, "sign first; nothing was published" in err) == (1, True)
    assert server.changes == []


def test_a_server_that_does_not_answer(desk: Desk) -> None:
    with responses.RequestsMock() as mocked:
        mocked.add(responses.GET, f"{URL}/channels", body=requests.ConnectionError("connection refused"))
        status, _, err = desk.run(f"publish --url {URL} --channel dev", desk.file())
    assert (status, err) == (1, f"release: GET {URL}/channels: no answer: connection refused\n")


# --- images -----------------------------------------------------------------------------------------------------------
def test_metadata_packs_to_the_same_bytes_and_without_a_pending_root(desk: Desk, tmp_path: pathlib.Path) -> None:
    desk.ok("rotate --metadata MD --role root --new-keys", desk.folder / "new")
    one = images.trust(desk.md, tmp_path)
    first = one.file.read_bytes()
    for path in desk.md.iterdir():
        path.touch()
    assert images.trust(desk.md, tmp_path).file.read_bytes() == first
    assert b"pending" not in gzip.decompress(first)
    assert one.manifest()["name"] == "sdcupgrade-trust"


def test_an_image_with_its_manifest_beside_it(desk: Desk) -> None:
    file = desk.folder / "gzbits-1.0.0.tgz"
    file.write_bytes(b"bits")
    manifest = {
        "v": 2, "uuid": "b1000000-0000-4000-8000-000000000001", "name": "gzbits", "version": "1.0.0", "type": "other",
        "os": "other", "tags": {"buildstamp": STAMP},
        "files": [{"sha1": "1e1d64a1ef0b6a3e1f2e85cd2a0ef3c98c6c2d2b", "size": 4, "compression": "gzip"}],
    }  # fmt: skip
    beside = desk.folder / "gzbits-1.0.0.imgmanifest"
    beside.write_text(json.dumps(manifest))
    status, _, err = desk.run(f"sign {BOTH}", file)
    assert (status, "is not the file that" in err) == (1, True)
    manifest["files"][0]["sha1"] = hashlib.sha1(b"bits").hexdigest()  # type: ignore[index]
    beside.write_text(json.dumps(manifest))
    assert "Signed gzbits 1.0.0" in desk.ok(f"sign {BOTH}", file)
    assert desk.believed().find("gzbits", str(manifest["uuid"])) is not None


def test_a_file_without_a_buildstamp_is_no_release(desk: Desk) -> None:
    status, _, err = desk.run(f"sign {BOTH}", desk.file(stamp=""))
    assert (status, "has no buildstamp" in err) == (1, True)
