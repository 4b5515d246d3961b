"""Tarballs that are right are read whole; what is wrong with any other is told in one line, before it is used."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from typing import Union

import pytest
from bits_builders import (
    SMALL_DATA,
    Member,
    entry,
    folder,
    manifest,
    member,
    members_of,
    small,
    tar_of,
    tarball,
)

from sdcupgrade.bits.manifest import NAME, Entry
from sdcupgrade.bits.tarball import Tarball
from sdcupgrade.errors import BadInput, Corrupt, SdcupgradeError


def read(data: bytes, most: int = 7) -> dict[str, bytes]:
    """All of it, a few bytes at a time."""
    found: dict[str, bytes] = {}
    for item, reader in Tarball(io.BytesIO(data), "x.tgz").members():
        pieces = []
        while piece := reader.read(most):
            pieces.append(piece)
        found[item.path] = b"".join(pieces)
    return found


def test_a_tarball_that_is_right_is_read_whole() -> None:
    opened = Tarball(io.BytesIO(tarball(small())), "x.tgz")
    assert opened.manifest == small()
    found = read(tarball(small()))
    assert {path: data for path, data in found.items() if data} == SMALL_DATA
    assert list(found) == [item.path for item in small().entries]


def test_members_that_nobody_reads_are_checked_too() -> None:
    assert len(list(Tarball(io.BytesIO(tarball(small())), "x.tgz").members())) == len(small().entries)
    with pytest.raises(Corrupt, match="its sha256 is"):
        list(Tarball(io.BytesIO(tarball(small(), wrong_bytes())), "x.tgz").members())


def wrong_bytes() -> list[Member]:
    return members_of(small(), {**SMALL_DATA, "gzbits/tools/bin/sdc-x": b"#!/usr/bin/sh\nexit 9\n"})


def test_the_last_bytes_of_a_wrong_file_are_never_given() -> None:
    for item, reader in Tarball(io.BytesIO(tarball(small(), wrong_bytes())), "x.tgz").members():
        if item.path == "gzbits/tools/bin/sdc-x":
            assert reader.read(20) == b"#!/usr/bin/sh\nexit 9"
            with pytest.raises(Corrupt, match="'gzbits/tools/bin/sdc-x': its sha256 is"):
                reader.read(20)
            return
    pytest.fail("there is no such member")


def at(path: str, put: Callable[[Member], Union[Member, list[Member]]]) -> bytes:
    """The small tarball with what *put* makes of one member."""
    made: list[Member] = []
    for one in members_of(small(), SMALL_DATA):
        became = put(one) if one[0].name == path else one
        made += became if isinstance(became, list) else [became]
    return tarball(small(), made)


def kind(letter: bytes, target: str = "") -> bytes:
    """sdc-x as something else."""
    return at("gzbits/tools/bin/sdc-x", lambda one: member(one[0].name, one[1], letter, 0o755, target))


def listed(*entries: Entry) -> bytes:
    """A manifest of these, and members that agree with it."""
    one = manifest(*entries)
    return tarball(one, members_of(one, {}))


def plus(*more: Member) -> bytes:
    """The small tarball with members that are in no manifest."""
    return tarball(small(), members_of(small(), SMALL_DATA) + list(more))


def promising(size: int) -> bytes:
    """The header of a manifest of *size* bytes."""
    info = member(NAME)[0]
    info.size = size
    return info.tobuf(tarfile.USTAR_FORMAT)


X = "gzbits/tools/bin/sdc-x"
RAW = tar_of([member(NAME, small().text().encode()), *members_of(small(), SMALL_DATA)])
WHOLE = tarball(small())
BOMB = gzip.compress(RAW.rstrip(b"\0") + bytes(8 << 20), mtime=0)

HOSTILE: dict[str, tuple[bytes, type[SdcupgradeError], str]] = {
    "absolute path": (plus(member("/etc/passwd")), Corrupt, "'/etc/passwd': it is in the tarball, and not in"),
    "absolute path that is listed": (listed(entry("/etc/passwd")), BadInput, "not a plain relative path"),
    "parent": (plus(member("gzbits/tools/../../x")), Corrupt, "'gzbits/tools/../../x': it is in the tarball, and not"),
    "parent that is listed": (listed(entry("gzbits/tools/../../x")), BadInput, "not a plain relative path"),
    "link that escapes": (
        at("gzbits/tools/bin/sdc-y", lambda one: member(one[0].name, b"", tarfile.SYMTYPE, 0o777, "../../../etc")),
        Corrupt,
        "'gzbits/tools/bin/sdc-y': it is a link to '../../../etc', and the manifest says 'sdc-x'",
    ),
    "link that escapes, listed": (
        listed(folder("gzbits/tools/bin"), replace(small().entries[4], target="../../../../etc")),
        BadInput,
        "outside of its folder",
    ),
    "link in the place of a folder": (
        at("gzbits/tools/bin", lambda one: member(one[0].name, b"", tarfile.SYMTYPE, 0o777, "/etc")),
        Corrupt,
        "'gzbits/tools/bin': it is a link, and the manifest says dir",
    ),
    "link, then a file through it": (
        plus(member("gzbits/tools/l", b"", tarfile.SYMTYPE, 0o777, "/etc"), member("gzbits/tools/l/passwd")),
        Corrupt,
        "'gzbits/tools/l': it is in the tarball, and not in the manifest",
    ),
    "link, then a file through it, listed": (
        listed(
            folder("gzbits/tools/bin"),
            replace(small().entries[4], path="gzbits/tools/l", target="bin", destination="/opt/smartdc/l"),
            entry("gzbits/tools/l/x"),
        ),
        BadInput,
        "its folder is a link",
    ),
    "link that is not listed": (
        plus(member("gzbits/tools/z", b"", tarfile.SYMTYPE, 0o777, "bin")),
        Corrupt,
        "'gzbits/tools/z': it is in the",
    ),
    "hard link": (kind(tarfile.LNKTYPE, "/etc/shadow"), Corrupt, "it is a hard link, and the manifest says file"),
    "device": (kind(tarfile.CHRTYPE), Corrupt, f"'{X}': it is a device, and the manifest says file"),
    "block device": (kind(tarfile.BLKTYPE), Corrupt, "it is a device, and the manifest says file"),
    "fifo": (kind(tarfile.FIFOTYPE), Corrupt, "it is a fifo, and the manifest says file"),
    "sparse": (kind(tarfile.GNUTYPE_SPARSE), Corrupt, "of a kind that gzbits does not have"),
    "setuid": (
        at(X, lambda one: member(X, one[1], mode=0o4755)),
        Corrupt,
        "its mode is 4755, and the manifest says 0755",
    ),
    "setgid": (at(X, lambda one: member(X, one[1], mode=0o2755)), Corrupt, "its mode is 2755"),
    "setuid that is listed": (listed(entry("gzbits/tools/x", mode=0o4755)), BadInput, "setuid, setgid and sticky"),
    "mode": (at(X, lambda one: member(X, one[1], mode=0o777)), Corrupt, "its mode is 0777, and the manifest says 0755"),
    "twice": (at(X, lambda one: [one, one]), Corrupt, f"'{X}': it is in the tarball twice"),
    "twice, listed": (listed(entry("gzbits/tools/x"), entry("gzbits/tools/x")), BadInput, "it is there twice"),
    "case on the key": (
        listed(entry("gzbits/scripts/Joysetup.sh"), entry("gzbits/scripts/joysetup.sh")),
        BadInput,
        "boot key, where case",
    ),
    "out of order": (
        tarball(small(), members_of(small(), SMALL_DATA)[::-1]),
        Corrupt,
        "it is in the tarball out of its order",
    ),
    "missing": (
        tarball(small(), members_of(small(), SMALL_DATA)[:-1]),
        Corrupt,
        "'gzbits/tools/lib': it is in the man",
    ),
    "extra": (plus(member("gzbits/tools/z")), Corrupt, "'gzbits/tools/z': it is in the tarball, and not in the"),
    "digest": (tarball(small(), wrong_bytes()), Corrupt, f"'{X}': its sha256 is"),
    "digest of an empty file": (
        tarball(one := manifest(entry("gzbits/tools/x", sha256="0" * 64)), members_of(one, {})),
        Corrupt,
        "its sha256 is",
    ),
    "longer": (
        at(X, lambda one: member(X, one[1] + b"x", mode=0o755)),
        Corrupt,
        "it has 22 bytes, and the manifest says",
    ),
    "huge member": (listed(entry("gzbits/tools/x", size=1 << 40)), BadInput, "'gzbits/tools/x': its size is 10995"),
    "huge sum": (
        listed(*(entry(f"gzbits/tools/{name}", size=512 << 20) for name in "abcde")),
        BadInput,
        "more than the 2147483648",
    ),
    "huge manifest": (gzip.compress(promising(25 << 20)), Corrupt, f"'{NAME}': it has 26214400 bytes, and at most"),
    "manifest that is a bomb": (gzip.compress(promising(1 << 32)), Corrupt, "it has 4294967296 bytes, and at most"),
    "manifest that is cut": (gzip.compress(promising(20 << 20)), Corrupt, "it ends too early"),
    "bomb after the last member": (BOMB, Corrupt, "other bytes follow the last member"),
    "wrong destination": (listed(entry("gzbits/tools/x", destination="/etc/x")), BadInput, "belongs at /opt/smartdc/x"),
    "the site's configuration": (listed(entry("gzbits/config/config")), BadInput, "may not bring anything there"),
    "secrets": (
        listed(folder("gzbits/zones/joysetup"), entry("gzbits/zones/joysetup/node.config")),
        BadInput,
        "may not bring",
    ),
    "pax": (plus(member("gzbits/tools/z", kind=b"x")), Corrupt, "'gzbits/tools/z': it is in the tarball"),
    "pax before all": (
        gzip.compress(tar_of([member("x", b"9 path=y\n", b"x"), member(NAME)])),
        BadInput,
        "its first mem",
    ),
    "a gz-tools package": (
        gzip.compress(tar_of([member("gz-tools/", kind=tarfile.DIRTYPE)])),
        BadInput,
        "its first member is 'gz-tools', not",
    ),
    "another product": (
        gzip.compress(tar_of([member(NAME, b'{"format": "other", "schema": 1}')])),
        BadInput,
        "not a manifest of gzbits",
    ),
    "an empty tar": (gzip.compress(tar_of([])), BadInput, "it is empty"),
    "no tar": (gzip.compress(b"sdc" * 1000), BadInput, "no tar"),
    "no gzip": (b"#!/bin/sh\n", BadInput, "it is no gzip file"),
    "nothing": (b"", BadInput, "it is no gzip file"),
    "a second gzip": (WHOLE + gzip.compress(b"x"), Corrupt, "other bytes follow its end"),
    "bytes behind": (WHOLE + b"\0", Corrupt, "other bytes follow its end"),
    "bytes behind the tar": (gzip.compress(RAW + b"#!/bin/sh\n"), Corrupt, "other bytes follow the last member"),
    "no end of the tar": (gzip.compress(RAW.rstrip(b"\0") + bytes(100)), Corrupt, "it ends too early"),
    "checksum": (WHOLE[:-8] + bytes(4) + WHOLE[-4:], Corrupt, "it is damaged"),
    "length": (WHOLE[:-1] + b"\1", Corrupt, "it is damaged"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_wrong_is_refused_with_a_line(name: str) -> None:
    data, error, problem = HOSTILE[name]
    with pytest.raises(error) as caught:
        read(data)
    assert problem in caught.value.message
    assert caught.value.message.startswith("x.tgz: ")
    assert caught.value.message.isprintable()
    assert type(caught.value) is error


def test_it_is_refused_wherever_it_is_cut() -> None:
    for size in range(len(WHOLE)):
        with pytest.raises((Corrupt, BadInput)):
            read(WHOLE[:size])


def test_a_damaged_byte_is_refused_or_means_nothing() -> None:
    """A few bits of gzip mean nothing, such as its time; what is read is the same then."""
    harmless = []
    for place in range(len(WHOLE)):
        damaged = bytearray(WHOLE)
        damaged[place] ^= 0x10
        try:
            assert {path: data for path, data in read(bytes(damaged)).items() if data} == SMALL_DATA
            harmless.append(place)
        except SdcupgradeError as why:
            assert why.message.isprintable()
    assert len(harmless) < 20


def test_a_header_that_is_damaged_within_a_good_gzip() -> None:
    where = RAW.index(X.encode() + b"\0")
    with pytest.raises(BadInput, match="no tar"):
        read(gzip.compress(RAW[:where] + b"G" + RAW[where + 1 :]))


def test_names_that_are_no_text() -> None:
    raw = bytearray(member("gzbits/tools/odd")[0].tobuf(tarfile.USTAR_FORMAT))
    raw[13:16] = b"\xff\x1b\n"
    total = sum(raw) - sum(raw[148:156]) + 8 * 32
    raw[148:156] = b"%06o\0 " % total
    with pytest.raises(Corrupt) as caught:
        read(
            gzip.compress(
                RAW.rstrip(b"\0").ljust(-(-len(RAW.rstrip(b"\0")) // 512) * 512, b"\0") + bytes(raw) + bytes(1024)
            )
        )
    assert r"\udcff\x1b\n" in caught.value.message


def test_a_limit_may_be_narrower() -> None:
    with pytest.raises(BadInput, match="unpacks to 53 bytes, and at most 52 are allowed"):
        Tarball(io.BytesIO(tarball(small())), "x.tgz", limit=52)
    assert Tarball(io.BytesIO(tarball(small())), "x.tgz", limit=53).manifest == small()


def test_large_files_take_little_memory() -> None:
    data = bytes(24 << 20)
    one = manifest(entry("gzbits/tools/large", data=data))
    packed = tarball(one, [member("gzbits/tools/large", data)])
    del data
    tracemalloc.start()
    try:
        count = len(list(Tarball(io.BytesIO(packed), "x.tgz").members()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 1
    assert peak < 2 << 20
