"""Publishing: images that an updates server takes, killed anywhere, and nothing that a site would not believe."""

from __future__ import annotations

import gzip
import hashlib
import json
import pathlib
import re
import tarfile
from collections.abc import Iterator

import pytest

pytest.importorskip("tuf", reason="the tools of releases need python-tuf, which needs a newer python")
pytest.importorskip("responses", reason="the tools of releases need it")

import requests
import responses
from release import images, publish
from release_desk import BOTH, STAMP, URL, Desk, Server, begun


@pytest.fixture
def desk(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Desk:
    """With keys and an empty repository, in its folder, without a terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", None)
    return begun(tmp_path, capsys)


@pytest.fixture
def server(tmp_path: pathlib.Path, desk: Desk) -> Iterator[Server]:
    """Behind URL, for whom signs as ``release``."""
    (tmp_path / "gz").mkdir()
    made = Server(tmp_path / "gz")
    made.save_key(tmp_path / "id_rsa")
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


def test_metadata_comes_before_what_it_vouches_for(desk: Desk, server: Server) -> None:
    file = desk.file()
    desk.ok(f"sign {BOTH}", file)
    desk.ok(f"{PUBLISH} --metadata MD", file)
    order = [call.partition("?")[0] for call in server.changes if "action=import" in call]
    trust = next(one["uuid"] for one in server.dc.store.all("image") if one["name"] == "sdcupgrade-trust")
    assert order == [f"POST /images/{trust}", f"POST /images/{images.program(file).uuid}"]


def test_newer_metadata_comes_into_every_channel_that_has_older(desk: Desk, server: Server) -> None:
    for number, channel in (("1", "release"), ("2", "dev"), ("2", "dev")):
        file = desk.file(number)
        desk.ok(f"sign {BOTH}", file)
        desk.ok(f"publish --url {URL} --user release --key id_rsa --channel {channel} --metadata MD", file)
    found = {one["version"]: one["channels"] for one in server.dc.store.all("image") if "trust" in one["name"]}
    assert sorted(found.values()) == [["dev", "release"], ["release"]]
    programs = [one["channels"] for one in server.dc.store.all("image") if one["name"] == "sdcupgrade"]
    assert sorted(programs) == [["dev"], ["release"]]


def test_what_is_in_one_channel_comes_into_another(desk: Desk, server: Server) -> None:
    file = desk.file()
    desk.ok(PUBLISH, file)
    out = desk.ok(f"publish --url {URL} --user release --key id_rsa --channel release --channel release", file)
    assert out.splitlines()[0].endswith("add it to the channel release")
    assert server.image(images.program(file).uuid)["channels"] == ["dev", "release"]


def test_a_killed_run_is_finished_for_another_channel(desk: Desk, server: Server) -> None:
    file = desk.file()
    publish.Server(URL, publish.Signature("release", server.key)).do(
        publish.Call(publish.Act.IMPORT, images.program(file), "dev")
    )
    desk.ok(f"publish --url {URL} --user release --key id_rsa --channel staging", file)
    found = server.image(images.program(file).uuid)
    assert (found["state"], found["channels"]) == ("active", ["dev", "staging"])


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
    made.do(publish.Call(publish.Act.IMPORT, images.program(file), "dev"))
    desk.ok(f"{PUBLISH}", file)
    assert server.image(images.program(file).uuid)["state"] == "active"


def test_other_bytes_under_the_same_uuid_are_refused(desk: Desk, server: Server) -> None:
    file = desk.file()
    desk.ok(f"{PUBLISH}", file)
    number = images.program(file).uuid
    found = server.image(number)
    server.dc.store.put("image", f"updates/{number}", {**found, "files": [{**found["files"][0], "sha1": "0" * 40}]})
    status, _, err = desk.run(f"{PUBLISH}", file)
    assert (status, "with other bytes; nothing was published\n" in err) == (1, True)


@pytest.mark.parametrize(("changed", "said"), [
    ({"name": "sdcadm"}, "is on the server as sdcadm 1.4.0; nothing was published"),
    ({"version": "1.3.0"}, "is on the server as sdcupgrade 1.3.0; nothing was published"),
    ({"state": "disabled"}, "is disabled on the server; enable or delete it there first"),
])  # fmt: skip
def test_another_image_under_the_same_uuid_is_refused(
    desk: Desk, server: Server, changed: dict[str, str], said: str
) -> None:
    file = desk.file()
    desk.ok(f"{PUBLISH}", file)
    number = images.program(file).uuid
    server.dc.store.put("image", f"updates/{number}", {**server.image(number), **changed})
    assert said in desk.fails(f"{PUBLISH}", file)


def test_a_refusal_comes_before_the_first_change(desk: Desk, server: Server) -> None:
    first, second = desk.file("1"), desk.file("2")
    desk.ok(f"{PUBLISH}", second)
    number = images.program(second).uuid
    server.dc.store.put("image", f"updates/{number}", {**server.image(number), "version": "1.3.0"})
    before = len(server.changes)
    desk.fails(f"{PUBLISH}", first, second)
    assert len(server.changes) == before


def test_who_is_not_known_is_refused_in_the_servers_words(desk: Desk, server: Server) -> None:
    status, _, err = desk.run(f"publish --url {URL} --user stranger --key id_rsa --channel dev", desk.file())
    said = "HTTP 401: UnauthorizedError: Unauthorized; see --user and --key, and this machine's clock\n"
    assert (status, said in err) == (1, True)
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


@pytest.mark.parametrize("keys", ["OFF", "ON"])
def test_metadata_that_no_site_would_believe_is_not_published(desk: Desk, server: Server, keys: str) -> None:
    if keys == "OFF":
        desk.ok("sign --metadata MD --keys OFF", desk.file())
    else:
        path = desk.md / "timestamp.json"
        path.write_text(path.read_text().replace('"expires": "20', '"expires": "19'))
    err = desk.fails(f"{PUBLISH} --metadata MD", desk.file())
    assert "sign first; nothing was published" in err if keys == "OFF" else "a site would not believe this" in err
    assert server.asked == []


def test_a_signed_file_that_was_changed_is_not_published(desk: Desk, server: Server) -> None:
    number = "b1000000-0000-4000-8000-000000000001"
    file = bits(desk, b"bits", number)
    desk.ok(f"sign {BOTH}", file)
    assert "sign first; nothing was published" in desk.fails(f"{PUBLISH} --metadata MD", bits(desk, b"bots", number))


@pytest.mark.parametrize(("answer", "said"), [
    ({"status": 200, "body": "<html>"}, "answers what no updates server does"),
    ({"status": 200, "json": {"dev": 1}}, "answers what no updates server does"),
    ({"status": 200, "json": [{"nome": 1}]}, "answers what no updates server does"),
    ({"status": 302, "headers": {"Location": "http://elsewhere"}}, "GET /channels: HTTP 302: http://elsewhere"),
    ({"status": 503, "body": "a\nb"}, "GET /channels: HTTP 503: a b\n"),
    ({"body": requests.ConnectionError("connection refused")}, f"GET {URL}/channels: no answer: connection ref"),
    ({"body": requests.exceptions.SSLError("certificate verify failed")}, "no answer: certificate verify failed"),
])  # fmt: skip
def test_a_server_that_answers_strangely_or_not_at_all(desk: Desk, answer: dict[str, object], said: str) -> None:
    with responses.RequestsMock() as mocked:
        mocked.add(responses.GET, f"{URL}/channels", **answer)  # type: ignore[arg-type]
        assert said in desk.fails(f"publish --url {URL} --channel dev", desk.file())


def test_a_redirect_is_never_followed(desk: Desk, server: Server) -> None:
    with responses.RequestsMock() as mocked:
        mocked.add(responses.GET, f"{URL}/channels", json=[{"name": "dev"}])
        mocked.add(responses.GET, re.compile(f"{URL}/images/.*"), status=404)
        mocked.add(responses.POST, re.compile(f"{URL}/images/.*"), status=301, headers={"Location": "http://other/"})
        assert "HTTP 301: http://other/" in desk.run(f"{PUBLISH}", desk.file())[2]


def test_only_the_named_authorities_count(desk: Desk, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/of/somebody/else.pem")
    monkeypatch.setenv("CURL_CA_BUNDLE", "/of/somebody/else.pem")
    given: list[object] = []

    def send(_: object, request: requests.PreparedRequest, **how: object) -> requests.Response:
        given.append(how["verify"])
        raise requests.ConnectionError("seen")

    monkeypatch.setattr(requests.adapters.HTTPAdapter, "send", send)
    (desk.folder / "ca.pem").write_text("")
    desk.fails(f"{PUBLISH} --cacert ca.pem", desk.file())
    desk.fails(f"{PUBLISH}", desk.file())
    assert given == ["ca.pem", True]


# --- images -----------------------------------------------------------------------------------------------------------
def test_metadata_packs_to_the_same_bytes_and_without_a_pending_root(desk: Desk, tmp_path: pathlib.Path) -> None:
    desk.ok("rotate --metadata MD --role root --count 2 --new-keys NEW")
    one = images.trust(desk.md, tmp_path)
    first = one.file.read_bytes()
    for path in desk.md.iterdir():
        path.touch()
    assert images.trust(desk.md, tmp_path).file.read_bytes() == first
    assert b"pending" not in gzip.decompress(first)
    assert one.manifest()["name"] == "sdcupgrade-trust"


def test_only_what_is_in_force_is_packed(desk: Desk, tmp_path: pathlib.Path) -> None:
    for _ in range(3):
        desk.ok("renew --metadata MD --keys ON")
    desk.ok(f"rotate {BOTH} --extend")
    with tarfile.open(images.trust(desk.md, tmp_path).file) as archive:
        files = ["1.root.json", "1.targets.json", "2.root.json", "4.snapshot.json", "timestamp.json"]
        assert archive.getnames() == files


def bits(desk: Desk, data: bytes, number: str, **changed: object) -> pathlib.Path:
    """A file with an image manifest beside it."""
    file = desk.folder / "gzbits-1.0.0.tgz"
    file.write_bytes(data)
    promised = {"sha1": hashlib.sha1(data).hexdigest(), "size": len(data), "compression": "gzip"}
    manifest = {"v": 2, "uuid": number, "name": "gzbits", "version": "1.0.0", "type": "other", "os": "other",
                "tags": {"buildstamp": STAMP}, "files": [promised], **changed}  # fmt: skip
    (desk.folder / "gzbits-1.0.0.imgmanifest").write_text(json.dumps(manifest))
    return file


def test_an_image_with_its_manifest_beside_it(desk: Desk) -> None:
    number = "b1000000-0000-4000-8000-000000000001"
    file = bits(desk, b"bits", number)
    file.write_bytes(b"bots")
    assert "is not the file that" in desk.fails(f"sign {BOTH}", file)
    assert "Signed gzbits 1.0.0" in desk.ok(f"sign {BOTH}", bits(desk, b"bits", number))
    assert desk.believed().find("gzbits", number) is not None
    assert "is signed already, with other bytes or words" in desk.fails(f"sign {BOTH}", bits(desk, b"bats", number))


@pytest.mark.parametrize("changed", [{"uuid": "x"}, {"name": "../x"}, {"name": None}, {"version": 1}, {"files": []},
                                     {"files": [{}]}, {"tags": []},
                                     {"tags": {"buildstamp": f"{STAMP}-dirty"}},
                                     {"uuid": "{B1000000-0000-4000-8000-000000000001}"}])
def test_what_is_no_image_manifest_is_refused(desk: Desk, changed: dict[str, object]) -> None:
    file = bits(desk, b"bits", "b1000000-0000-4000-8000-000000000001", **changed)
    assert f"{desk.folder}/gzbits-1.0.0.imgmanifest: " in desk.fails(f"sign {BOTH}", file)


@pytest.mark.parametrize(("stamp", "version", "said"), [
    ("", "1.4.0", "has no buildstamp of a clean commit"),
    (f"{STAMP}-dirty", "1.4.0", "has no buildstamp of a clean commit"),
    (STAMP, "main-1", "is no semantic version"),
])  # fmt: skip
def test_what_nobody_could_build_again_is_no_release(desk: Desk, stamp: str, version: str, said: str) -> None:
    assert said in desk.fails(f"sign {BOTH}", desk.file(version=version, stamp=stamp))


def test_a_bundle_is_no_release(desk: Desk) -> None:
    file = desk.file()
    file.write_bytes(b"#!/bin/sh\n" + b"PK\3\4 a payload" + file.read_bytes())
    assert "only the one file is released" in desk.fails(f"sign {BOTH}", file)
