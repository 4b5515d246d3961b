"""A manifest that was read is safe to act on; anything else is one line that names the entry."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from bits_builders import entry, folder, link, manifest, small

from sdcupgrade.bits.manifest import Entry, Kind, parse_manifest
from sdcupgrade.errors import BadInput


def test_what_is_written_is_read_again() -> None:
    one = small()
    assert parse_manifest(one.text(), "m") == one
    assert parse_manifest(json.dumps(one.to_json()), "m") == one


def test_the_text_has_an_entry_a_line() -> None:
    lines = small().text().splitlines()
    assert len(lines) == len(small().entries) + 2
    assert json.loads(lines[1].rstrip(","))["path"] == "gzbits/default/user-script.common"


def test_what_it_tells() -> None:
    one = small()
    assert [item.path for item in one.on("cn")] == [
        "gzbits/tools/bin",
        "gzbits/tools/bin/sdc-x",
        "gzbits/tools/bin/sdc-y",
    ]
    assert one.entries[0].key_path == "default/user-script.common"
    assert one.size == sum(len(data) for data in (b"#!/usr/bin/bash\n" * 2, b"#!/usr/bin/sh\nexit 0\n"))


def test_keys_that_it_does_not_know_are_passed_over() -> None:
    assert parse_manifest(json.dumps({**small().to_json(), "image": "x"}), "m") == small()


def refusal(*entries: Entry) -> str:
    with pytest.raises(BadInput) as caught:
        parse_manifest(manifest(*entries).text(), "m")
    assert "\n" not in caught.value.message
    return caught.value.message


LIB, BIN = folder("gzbits/tools/lib"), folder("gzbits/tools/bin")
WRONG = {
    "absolute": ((entry("/etc/passwd"),), "not a plain relative path"),
    "parent": ((entry("gzbits/tools/../../etc/passwd"),), "not a plain relative path"),
    "dot": ((entry("gzbits/tools/./x"),), "not a plain relative path"),
    "control character": ((entry("gzbits/tools/a\x1b[2J\nb"),), "not a plain relative path"),
    "outside the payload": ((entry("tools/x"),), "may not bring anything there"),
    "a folder that is none": ((entry("gzbits/etc/x"),), "may not bring anything there"),
    "the folder itself": ((folder("gzbits/tools"),), "may not bring anything there"),
    "the site's config": ((entry("gzbits/config/config"),), "may not bring anything there"),
    "private": ((folder("gzbits/config/private"),), "may not bring anything there"),
    "images of the key": ((folder("gzbits/config/services"),), "may not bring anything there"),
    "node.config": (
        (folder("gzbits/zones/joysetup"), entry("gzbits/zones/joysetup/node.config")),
        "'gzbits/zones/joysetup/node.config': gzbits may not bring anything there",
    ),
    "agents": ((folder("gzbits/tools/agents"),), "may not bring anything there"),
    "the sdc link": ((link("gzbits/tools/sdc", "lib"), LIB), "may not bring anything there"),
    "destination": ((entry("gzbits/tools/x", destination="/etc/x"),), "belongs at /opt/smartdc/x"),
    "nobody": ((entry("gzbits/tools/x", on=()),), "it is for no server"),
    "unknown servers": ((entry("gzbits/tools/x", on=("hn", "moon")),), "it is for hn, moon"),
    "scripts on compute nodes": ((entry("gzbits/scripts/x", on=("hn", "cn")),), "may be for hn"),
    "key": ((entry("gzbits/tools/x", key=True),), "tools/ is not on the boot key"),
    "no key": ((entry("gzbits/scripts/x", key=False),), "scripts/ is on the boot key"),
    "setuid": ((entry("gzbits/tools/x", mode=0o4755),), "setuid, setgid and sticky are not allowed"),
    "setgid": ((entry("gzbits/tools/x", mode=0o2755),), "setuid, setgid and sticky are not allowed"),
    "world-writable": ((entry("gzbits/tools/x", mode=0o666),), "everybody could write it"),
    "digest": ((entry("gzbits/tools/x", sha256="00"),), "its sha256 is none"),
    "huge": ((entry("gzbits/tools/x", size=1 << 40),), "its size is 1099511627776 bytes"),
    "negative": ((entry("gzbits/tools/x", size=-1),), "its size is -1 bytes"),
    "twice": ((entry("gzbits/tools/x"), entry("gzbits/tools/x")), "it is there twice"),
    "unsorted": ((entry("gzbits/tools/y"), entry("gzbits/tools/x")), "sorted by path"),
    "case on the key": (
        (entry("gzbits/scripts/README"), entry("gzbits/scripts/readme")),
        "on the boot key, where case does not count, it is also 'gzbits/scripts/README'",
    ),
    "case of a folder on the key": (
        (entry("gzbits/scripts/X"), folder("gzbits/scripts/x"), entry("gzbits/scripts/x/y")),
        "it is also 'gzbits/scripts/X'",
    ),
    "name on the key": ((entry("gzbits/scripts/a:b"),), "the boot key cannot hold"),
    "name on the key that ends in a dot": ((entry("gzbits/scripts/a."),), "the boot key cannot hold"),
    "link on the key": ((entry("gzbits/scripts/a"), link("gzbits/scripts/b", "a")), "boot key holds none"),
    "no folder": ((entry("gzbits/tools/bin/x"),), "its folder is not in the manifest"),
    "through a link": (
        (BIN, entry("gzbits/tools/bin/x"), link("gzbits/tools/l", "bin"), entry("gzbits/tools/l/y")),
        "'gzbits/tools/l/y': its folder is a link",
    ),
    "through a file": ((entry("gzbits/tools/f"), entry("gzbits/tools/f/y")), "its folder is a file"),
    "folder on fewer servers": (
        (folder("gzbits/tools/bin", on=("hn",)), entry("gzbits/tools/bin/x")),
        "not on all of the servers",
    ),
    "absolute link": ((link("gzbits/tools/x", "/etc/passwd"),), "outside of its folder"),
    "link without target": ((link("gzbits/tools/x", ""),), "outside of its folder"),
    "escaping link": ((link("gzbits/tools/x", "../../../../etc/passwd"),), "outside of its folder"),
    "link to another folder": ((entry("gzbits/default/a"), link("gzbits/tools/x", "../default/a")), "outside of its"),
    "link that comes back": ((entry("gzbits/tools/a"), link("gzbits/tools/x", "../../gzbits/tools/a")), "outside of"),
    "link to nothing": ((link("gzbits/tools/x", "y"),), "'gzbits/tools/x': it is a link to 'y', which is not in the"),
    "link to itself": ((link("gzbits/tools/x", "x"),), "which is not in the manifest"),
    "link to what others put there": ((link("gzbits/tools/x", "agents/y"),), "which is not in the manifest"),
    "link through a link": (
        (BIN, entry("gzbits/tools/bin/x"), link("gzbits/tools/l", "bin"), link("gzbits/tools/m", "l/../bin/x")),
        "through another link",
    ),
    "link to what fewer have": (
        (entry("gzbits/tools/a", on=("hn",)), link("gzbits/tools/x", "a")),
        "which is not on all of the servers",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_entry_is_refused_with_a_line(name: str) -> None:
    entries, problem = WRONG[name]
    assert problem in refusal(*entries)


RIGHT = {
    "link to a folder": (BIN, link("gzbits/tools/l", "bin")),
    "link to a link": (entry("gzbits/tools/a"), link("gzbits/tools/b", "a"), link("gzbits/tools/c", "b")),
    "link up and down": (BIN, link("gzbits/tools/bin/x", "../lib/w"), LIB, entry("gzbits/tools/lib/w")),
    "man page of the sdc zone": (
        folder("gzbits/tools/man"),
        folder("gzbits/tools/man/man1"),
        link("gzbits/tools/man/man1/x.1", "../../sdc/man/man1/x.1"),
    ),
    "case that counts": (entry("gzbits/tools/A"), entry("gzbits/tools/a")),
    "letters of others": (entry("gzbits/tools/Ω.txt"),),
    "sapi": (folder("gzbits/config/sapi"), entry("gzbits/config/sapi/application.json")),
    "the key's own": (entry("gzbits/key/tools.tar.gz"),),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_real_trees_hold_is_read(name: str) -> None:
    one = manifest(*RIGHT[name])
    assert parse_manifest(one.text(), "m") == one


HEADS = {
    "not JSON": ("{", "not valid JSON"),
    "a list": ("[]", "expected an object"),
    "another format": ('{"format": "incr-upgrade"}', "not a manifest of gzbits"),
    "another schema": ('{"format": "gzbits", "schema": 2}', "this sdcupgrade reads 1: update it first"),
    "no entries": ('{"format": "gzbits", "schema": 1}', "expected a list"),
    "empty": ('{"format": "gzbits", "schema": 1, "entries": []}', "there are 0"),
    "entry": ('{"format": "gzbits", "schema": 1, "entries": [7]}', "m.entries[0]: expected an object"),
    "kind": (
        '{"format": "gzbits", "schema": 1, "entries": [{"path": "x", "kind": "fifo", "mode": "0644"}]}',
        "'fifo' is not one of file, dir, link",
    ),
}


@pytest.mark.parametrize("name", HEADS)
def test_what_is_no_manifest_is_refused(name: str) -> None:
    text, problem = HEADS[name]
    with pytest.raises(BadInput) as caught:
        parse_manifest(text, "m")
    assert problem in caught.value.message


def test_a_version_is_one_word() -> None:
    with pytest.raises(BadInput, match=r"m\.version: '\.\./\.\./x' is no version"):
        parse_manifest(replace(small(), version="../../x").text(), "m")


def test_the_sum_is_limited() -> None:
    rows = [entry(f"gzbits/tools/{name}", size=512 << 20) for name in "abcde"]
    assert "'gzbits/tools/e': with it there are more than" in refusal(*rows)


def test_what_does_not_apply_to_a_kind_is_left_out() -> None:
    assert set(folder("gzbits/tools/bin").to_json()) == {"path", "kind", "mode", "destination", "on", "key"}
    assert link("gzbits/tools/x", "y").to_json()["target"] == "y"
    assert Kind("file") is Kind.FILE
