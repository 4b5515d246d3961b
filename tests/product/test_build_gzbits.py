"""gzbits comes out the same wherever it is built, and whatever it is built from is read again by sdcupgrade."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pathlib
import shutil
import tarfile
import time
import uuid
from collections.abc import Iterator, Mapping

import pytest
from bits_builders import Member, member, tar_of
from mockdc.apis.imgapi.manifest import problems

from build import gzbits
from build.bits_pack import BLOCK, Stored
from sdcupgrade.bits.manifest import Kind, Manifest
from sdcupgrade.bits.tarball import Tarball
from sdcupgrade.errors import BadInput
from sdcupgrade.jsonvalue import Record, loads
from sdcupgrade.model import Image

STAMP = "main-20261123T101500Z-g0123abc"
CHECKOUT = {
    "package.json": '{"version": "3.4.2"}',
    "README.md": "not in a folder of ours",
    "tools/README.md": "where it lands",
    "tools/bin/sdc-x": "#!/usr/bin/bash\n",
    "tools/bin/sdc-usbkey": "#!/usr/node/bin/node\n",
    "tools/lib/wrap.sh": "#!/bin/bash\n",
    "tools/lib/usbkey.js": "// usbkey\n",
    "tools/node_modules/a/README.md": "read me",
    "tools/node_modules/.git/config": "not taken",
    "default/user-script.common": "#!/usr/bin/bash\n",
    "scripts/joysetup.sh": "#!/usr/bin/bash\nexit 0\n",
    "scripts/headnode.sh": "#!/usr/bin/bash\nexit 1\n",
    "zones/assets/create.json": "{}",
    "config/banner": "a banner",
    "config/config.inc/generic": "swap=0.25x",
    "config/sapi/services/papi/service.json": "{}",
}
GOLDEN = "a1d59497799220f19fb4efc70ac5bf9b29083b5609cf900a6ee547fd25396aaa"


@pytest.fixture(autouse=True)
def usual(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The umask and time zone of before."""
    old = os.umask(0o022)
    yield
    os.umask(old)
    monkeypatch.undo()
    time.tzset()


def tree(place: pathlib.Path, files: Mapping[str, str]) -> pathlib.Path:
    """Files of these contents; those that begin with ``#!`` may be run."""
    for name, text in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        if text.startswith("#!"):
            path.chmod(path.stat().st_mode | 0o100)
    return place


def checkout(place: pathlib.Path) -> pathlib.Path:
    """A tree as a headnode's checkout has it, with links."""
    tree(place, CHECKOUT)
    (place / "tools/bin/sdc-vmapi").symlink_to("../lib/wrap.sh")
    (place / "tools/node_modules/.bin").mkdir()
    (place / "tools/node_modules/.bin/semver").symlink_to("../semver/bin/semver")
    (place / "tools/node_modules/.bin/also").symlink_to("semver")
    return place


def opened(path: pathlib.Path) -> tuple[Manifest, dict[str, bytes]]:
    """A tarball as sdcupgrade reads it."""
    with path.open("rb") as file:
        one = Tarball(file, path.name)
        return one.manifest, {item.path: reader.read(1 << 20) for item, reader in one.members()}


def test_the_same_bytes_in_another_folder_at_another_time(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = gzbits.build(checkout(tmp_path / "here"), tmp_path / "a", stamp=STAMP)
    os.umask(0o077)
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    again = checkout(tmp_path / "elsewhere")
    for path in again.rglob("*"):
        os.utime(path, (1, 1), follow_symlinks=False)
    second = gzbits.build(again, tmp_path / "b", stamp=STAMP)
    assert first.read_bytes() == second.read_bytes()
    assert first.with_suffix(".imgmanifest").read_bytes() == second.with_suffix(".imgmanifest").read_bytes()


def test_our_own_is_the_same_in_two_folders(tmp_path: pathlib.Path) -> None:
    shutil.copytree(gzbits.OWN, tmp_path / "copy", symlinks=True)
    first = gzbits.build(gzbits.OWN, tmp_path / "a", "1.0.0", STAMP)
    second = gzbits.build(tmp_path / "copy", tmp_path / "b", "1.0.0", STAMP)
    assert first.read_bytes() == second.read_bytes()
    assert {item.path.split("/")[1] for item in opened(first)[0].entries} == {"tools", "default", "zones", "config"}


def test_the_tool_that_publishes_takes_it(tmp_path: pathlib.Path) -> None:
    made = gzbits.build(checkout(tmp_path / "t"), tmp_path, stamp=STAMP)
    pytest.importorskip("tuf", reason="the tools of releases need it")
    from release.images import release_of

    release = release_of(made)
    image = json.loads(made.with_suffix(".imgmanifest").read_text())
    assert (release.name, release.version, release.buildstamp, release.uuid) == (
        "gzbits",
        "3.4.2",
        STAMP,
        image["uuid"],
    )


def test_the_same_bytes_on_every_python(tmp_path: pathlib.Path) -> None:
    """This digest was taken once: what changes it changes every tarball that anybody builds again."""
    made = gzbits.build(checkout(tmp_path / "t"), tmp_path, "1.0.0", STAMP)
    assert hashlib.sha256(made.read_bytes()).hexdigest() == GOLDEN


def test_what_a_checkout_becomes(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest, found = opened(gzbits.build(checkout(tmp_path / "t"), tmp_path, stamp=STAMP))
    assert (manifest.version, manifest.buildstamp) == ("3.4.2", STAMP)
    by_path = {item.path[len("gzbits/") :]: item for item in manifest.entries}
    assert set(by_path) == {
        *("config/config.inc", "config/config.inc/generic", "config/sapi", "config/sapi/services"),
        *("config/sapi/services/papi", "config/sapi/services/papi/service.json", "default/user-script.common"),
        *("scripts/headnode.sh", "scripts/joysetup.sh", "tools/bin", "tools/bin/sdc-usbkey", "tools/bin/sdc-vmapi"),
        *("tools/bin/sdc-x", "tools/lib", "tools/lib/usbkey.js", "tools/lib/wrap.sh", "tools/node_modules"),
        *("tools/node_modules/.bin", "tools/node_modules/a", "tools/node_modules/a/README.md", "zones/assets"),
        *("zones/assets/create.json", "zones/joysetup", "zones/joysetup/joysetup.sh"),
    }
    assert [path for path, item in by_path.items() if "cn" in item.on] == [
        *("tools/bin", "tools/bin/sdc-usbkey", "tools/lib", "tools/lib/usbkey.js"),
        *("tools/node_modules", "tools/node_modules/.bin", "tools/node_modules/a", "tools/node_modules/a/README.md"),
    ]
    assert {path for path, item in by_path.items() if item.kind is Kind.FILE and item.mode == 0o755} == {
        *("default/user-script.common", "scripts/headnode.sh", "scripts/joysetup.sh", "tools/bin/sdc-usbkey"),
        *("tools/bin/sdc-x", "tools/lib/wrap.sh", "zones/joysetup/joysetup.sh"),
    }
    assert by_path["tools/bin/sdc-vmapi"].target == "../lib/wrap.sh"
    assert by_path["scripts/headnode.sh"].destination == "/usbkey/scripts/headnode.sh"
    assert by_path["zones/joysetup/joysetup.sh"].destination == "/usbkey/extra/joysetup/joysetup.sh"
    assert found["gzbits/config/config.inc/generic"] == b'swap=0.25x\nUSE_SAPI="true"\n'
    said = capsys.readouterr().out
    assert "left out: config/banner (gzbits may not bring anything there)" in said
    assert "left out: tools/node_modules/.bin/semver (a link to nothing)" in said
    assert "left out: tools/node_modules/.bin/also (a link to nothing)" in said


def test_the_image_manifest_is_that_of_an_updates_server(tmp_path: pathlib.Path) -> None:
    made = gzbits.build(checkout(tmp_path / "t"), tmp_path, stamp=STAMP)
    value = loads(made.with_suffix(".imgmanifest").read_text(), "m")
    image = Image.read(Record(value, "m"))
    data = made.read_bytes()
    assert (image.name, image.version, image.published_at) == ("gzbits", "3.4.2", "2026-11-23T10:15:00.000Z")
    assert image.file
    assert (image.file.sha1, image.file.size) == (hashlib.sha1(data).hexdigest(), len(data))
    assert isinstance(value, dict)
    assert (value["type"], value["os"], value["v"]) == ("other", "other", 2)
    assert value["tags"] == {"smartdc_service": "true", "buildstamp": STAMP}
    assert problems(value, "minimal") == []
    assert image.uuid == str(uuid.uuid5(gzbits.NAMESPACE, hashlib.sha256(data).hexdigest()))


def test_tools_that_were_built_are_taken_from_where_they_are(tmp_path: pathlib.Path) -> None:
    place = tree(checkout(tmp_path / "t"), {"proto/opt/smartdc/bin/sdc-built": "#!/bin/sh\n", "tools.tar.gz": "t"})
    (place / "proto/opt/smartdc/man/man1").mkdir(parents=True)
    (place / "proto/opt/smartdc/man/man1/sdc-vmapi.1").symlink_to("../../sdc/man/man1/sdc-vmapi.1")
    (place / "proto/opt/smartdc/sdc/man/man1").mkdir(parents=True)
    manifest, found = opened(gzbits.build(place, tmp_path, stamp=STAMP))
    assert [item.path for item in manifest.entries if item.path.startswith("gzbits/tools/")] == [
        *("gzbits/tools/bin", "gzbits/tools/bin/sdc-built", "gzbits/tools/man", "gzbits/tools/man/man1"),
        "gzbits/tools/man/man1/sdc-vmapi.1",
    ]
    assert found["gzbits/key/tools.tar.gz"] == b"t"


def package(place: pathlib.Path, more: tuple[Member, ...] = (), without: str = "", other: bytes = b"x") -> pathlib.Path:
    """A gz-tools package, with the copies that some builds have at its top."""
    script = member("gz-tools/scripts/joysetup.sh", b"#!/usr/bin/bash\n", mode=0o775)
    both = [member("node_modules/m/index.js", other), member("bin/sdc-usbkey", b"#!/usr/node\n", mode=0o755)]
    tools = [
        member("./bin/", kind=tarfile.DIRTYPE, mode=0o775),
        member("./bin/sdc-x", b"#!/bin/sh\n", mode=0o4775),
        member("./bin/sdc-vmapi", kind=tarfile.SYMTYPE, target="../lib/wrap.sh"),
        member("./lib/wrap.sh", b"#!/bin/sh\n", mode=0o755),
        member("node_modules/m/index.js", b"x"),
        both[1],
    ]
    members = [
        member("gz-tools/", kind=tarfile.DIRTYPE, mode=0o775),
        member("gz-tools/joysetup.sh", script[1], mode=0o775),
        script,
        member("gz-tools/default/user-script.common", b"#!/usr/bin/bash\n", mode=0o664),
        member("gz-tools/tools.tar.gz", gzip.compress(tar_of(tools))),
        member("gz-tools/cn_tools.tar.gz", gzip.compress(tar_of(both))),
        *more,
    ]
    place.write_bytes(gzip.compress(tar_of([one for one in members if not without or without not in one[0].name])))
    return place


def test_a_gz_tools_package_becomes_gzbits(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = package(tmp_path / "gz-tools.tgz", (member("gz-tools/odd.txt", b"odd"),))
    image = {"version": f"3.4.2-{STAMP}", "tags": {"buildstamp": STAMP}}
    (tmp_path / "gz-tools.manifest").write_text(json.dumps(image))
    manifest, found = opened(gzbits.build(source, tmp_path))
    assert (manifest.version, manifest.buildstamp) == ("3.4.2", STAMP)
    assert [(item.path[len("gzbits/") :], f"{item.mode:04o}", "".join(item.on)) for item in manifest.entries] == [
        ("default/user-script.common", "0644", "hn"),
        ("key/cn_tools.tar.gz", "0644", "hn"),
        ("key/tools.tar.gz", "0644", "hn"),
        ("scripts/joysetup.sh", "0755", "hn"),
        ("tools/bin", "0755", "hncn"),
        ("tools/bin/sdc-usbkey", "0755", "hncn"),
        ("tools/bin/sdc-vmapi", "0777", "hn"),
        ("tools/bin/sdc-x", "0755", "hn"),
        ("tools/lib", "0755", "hn"),
        ("tools/lib/wrap.sh", "0755", "hn"),
        ("tools/node_modules", "0755", "hncn"),
        ("tools/node_modules/m", "0755", "hncn"),
        ("tools/node_modules/m/index.js", "0644", "hncn"),
        ("zones/joysetup", "0755", "hn"),
        ("zones/joysetup/joysetup.sh", "0755", "hn"),
    ]
    assert found["gzbits/tools/bin/sdc-x"] == b"#!/bin/sh\n"
    assert capsys.readouterr().out.count("left out") == 1


def build_fails(source: pathlib.Path, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """What the program says."""
    assert (
        gzbits.main([str(source), "-o", str(source.parent / "out"), "--version", "1.0.0", "--stamp", STAMP, *words])
        == 1
    )
    assert not list(source.parent.glob("out/*"))
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    return said


def test_what_cannot_be_packed_is_told(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    empty = tree(tmp_path / "empty", {"README.md": "nothing"})
    assert "there is nothing for gzbits in it" in build_fails(empty, capsys)
    pipe = checkout(tmp_path / "fifo")
    os.mkfifo(pipe / "tools/bin/pipe")
    assert "pipe: is neither file, folder nor link" in build_fails(pipe, capsys)
    escaping = checkout(tmp_path / "escaping")
    (escaping / "tools/bin/out").symlink_to("/etc/passwd")
    assert "'gzbits/tools/bin/out': it is a link to '/etc/passwd', outside" in build_fails(escaping, capsys)
    colliding = tree(tmp_path / "case", {"scripts/Joysetup.sh": "", "scripts/joysetup.sh": ""})
    assert "where case does not count, it is also 'gzbits/scripts/Joysetup.sh'" in build_fails(colliding, capsys)
    long = tree(tmp_path / "long", {f"tools/{'x' * 90}/{'y' * 120}": ""})
    assert "name is too long" in build_fails(long, capsys)


def test_packages_that_are_not_whole_are_told(tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]) -> None:
    lacking = package(tmp_path / "a.tgz", without="cn_tools")
    assert "it lacks cn_tools.tar.gz" in build_fails(lacking, capsys)
    differing = package(tmp_path / "b.tgz", other=b"y")
    assert "'node_modules/m/index.js' in cn_tools.tar.gz is not the one in tools.tar.gz" in build_fails(
        differing, capsys
    )
    device = package(tmp_path / "c.tgz", (member("gz-tools/scripts/null", kind=tarfile.CHRTYPE),))
    assert "'gz-tools/scripts/null' is neither file" in build_fails(device, capsys)
    cut = tmp_path / "d.tgz"
    cut.write_bytes(package(tmp_path / "whole.tgz").read_bytes()[:-300])
    assert "cannot be read" in build_fails(cut, capsys)
    other = tmp_path / "e.tgz"
    other.write_bytes(gzip.compress(tar_of([member("incr-upgrade/x")])))
    assert "neither a folder nor a gz-tools package" in build_fails(other, capsys)


def test_who_does_not_say_its_version_is_asked(tmp_path: pathlib.Path) -> None:
    with pytest.raises(BadInput, match="tells no version"):
        gzbits.build(package(tmp_path / "a.tgz"), tmp_path)


@pytest.mark.parametrize("size", [0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 200_000])
def test_stored_is_gzip(size: int) -> None:
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    out = io.BytesIO()
    stored = Stored(out)
    for place in range(0, len(data), 10_000):
        stored.write(data[place : place + 10_000])
    stored.close()
    assert gzip.decompress(out.getvalue()) == data
    assert len(out.getvalue()) == len(data) + 18 + 5 * max(1, -(-len(data) // BLOCK))
