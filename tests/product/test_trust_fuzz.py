"""What strangers send: bytes and JSON gone wrong at random. Whatever it is, only the documented errors come out.

Seeds are fixed, so that a failure comes again. ``FUZZ=100`` in the environment tries a hundred times as many.
"""

from __future__ import annotations

import copy
import gzip
import io
import json
import os
import pathlib
import random
import tarfile
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import Any

import pytest
from product_fakes import files_in
from test_trust_ed25519 import signature, times_base
from test_trust_keys import P256, RSA_KEY, SPKI, TEXT, ed_key, integer, pem, signed, tlv

from sdcupgrade import jsonvalue
from sdcupgrade.errors import BadAnswer, Corrupt, StorageError, Unreachable, Untrusted
from sdcupgrade.trust import canonical, der, ecdsa, metadata, rsa
from sdcupgrade.trust.client import Trusted
from sdcupgrade.trust.delegations import Targets, matches
from sdcupgrade.trust.keys import Authority, Key
from sdcupgrade.updates.trust_archive import read_archive
from sdcupgrade.updates.trusted import TrustedUpdates, TrustStore

CASES = 400 * int(os.environ.get("FUZZ", "1"))

KEY = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": "d7" * 32}}
PEM_KEY = {"keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": pem(SPKI)}}
ROLE = {"keyids": ["a", "b"], "threshold": 2}
HEAD = {"spec_version": "1.0.31", "version": 3, "expires": "2040-01-02T03:04:05Z"}
FILE = {"version": 1, "length": 5, "hashes": {"sha256": "0" * 64, "sha512": "f" * 128}}
BODIES: dict[str, dict[str, Any]] = {
    "root": {
        **HEAD,
        "_type": "root",
        "consistent_snapshot": True,
        "keys": {"a": KEY, "b": PEM_KEY},
        "roles": dict.fromkeys(metadata.TOP_LEVEL, ROLE),
    },
    "timestamp": {**HEAD, "_type": "timestamp", "meta": {"snapshot.json": FILE}},
    "snapshot": {**HEAD, "_type": "snapshot", "meta": {"targets.json": FILE, "one.json": {"version": 1}}},
    "targets": {
        **HEAD,
        "_type": "targets",
        "targets": {"a/x": {**FILE, "custom": {"name": "a", "uuid": "x"}}},
        "delegations": {
            "keys": {"a": KEY, "b": PEM_KEY},
            "roles": [
                {**ROLE, "name": "one", "terminating": False, "paths": ["a/*", "?/[a-z]"]},
                {**ROLE, "name": "two", "terminating": True, "path_hash_prefixes": ["0", "ab"]},
            ],
        },
    },
    "bins": {
        **HEAD,
        "_type": "targets",
        "targets": {},
        "delegations": {"keys": {"a": KEY}, "succinct_roles": {**ROLE, "bit_length": 4, "name_prefix": "bin"}},
    },
}
NONCE = times_base(3)
SIGNED = ("targets", "one", "two")
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2, 33, 10**17, 10**18, 10**400, 1.5, 1e300, "", "a", "\0", "\ud800", "é\n\x1b[2J",
    "\xb2", "1.0", "2.0", "9999-12-31T23:59:59Z", "0000-00-00T00:00:00Z", "2040-02-30T00:00:60Z", "root", "Targets",
    "../..", "[z-a]", "[", "*" * 50 + "b", "x" * 5000, [], [[]], ["a", "a"], [None], {}, {"": {}}, {"a": 1}, KEY, ROLE,
)  # fmt: skip


def spots(value: Any) -> list[tuple[Any, Any]]:
    """Every place in it: the container, and the key or index."""
    found: list[tuple[Any, Any]] = []
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inside:
        found += [(value, key), *spots(one)]
    return found


def twisted(value: Any, dice: random.Random) -> Any:
    """A copy with something odd in one to three places, or something gone, or moved to where it has no business."""
    made = copy.deepcopy(value)
    for _ in range(dice.randint(1, 3)):
        places = spots(made)
        if not places:
            return made
        container, key = dice.choice(places)
        what = dice.randrange(8)
        if what == 0:
            del container[key]
        elif what == 1 and isinstance(container, dict):
            container[dice.choice(["", "a", "root.json", "é", "x" * 300])] = container.pop(key)
        elif what == 2:
            other, name = dice.choice(places)
            container[key] = copy.deepcopy(other[name])
        else:
            container[key] = copy.deepcopy(dice.choice(ODD))
    return made


def damaged(data: bytes, dice: random.Random) -> bytes:
    """With bits turned, pieces cut out, doubled or put in."""
    made = bytearray(data)
    for _ in range(dice.randint(1, 4)):
        at, size = dice.randrange(len(made) + 1), dice.randrange(1, 9)
        what = dice.randrange(5)
        if what == 0:
            del made[at : at + size]
        elif what == 1:
            made[at:at] = bytes(dice.randrange(256) for _ in range(size))
        elif what == 2:
            made[at:at] = made[at : at + size * 8]
        elif what == 3:
            made[at:at] = dice.choice([b"[" * 3000, b'{"a":' * 3000, b"\\ud800", b"NaN", b"1e999", b"-0", b"9" * 5000])
        elif at < len(made):
            made[at] ^= 1 << dice.randrange(8)
    return bytes(made)


def read_all(data: bytes) -> None:
    """Everything that is read of a metadata file before and after it is believed, without its signatures."""
    for role in ("root", "timestamp", "snapshot", "targets"):
        with suppress(Untrusted):
            signed = metadata.read(data, role, role)
            if role == "root":
                metadata.Root.of(signed)
                Trusted(data, 0.0)
            elif role == "timestamp":
                metadata.Timestamp.of(signed).snapshot.checking()
            elif role == "snapshot":
                for info in metadata.Snapshot.of(signed).meta.values():
                    info.checking()
            else:
                use(Targets.of(signed, ("targets",)))


def use(targets: Targets) -> None:
    """Ask it about paths."""
    for path in ("a/x", "b", "", "../x", "\udcff", *targets.targets.value):
        with suppress(Untrusted):
            info = targets.target(path)
            if info is not None:
                info.checking()
        for role in targets.roles_for(path)[0]:
            with pytest.raises(Untrusted):
                role.check({"a": "00" * 64, "b": "3006020101020101"}, TEXT, "x.json")


@cache
def enclosed(text: str) -> bytes:
    """Metadata of that body, signed with the one key that speaks for all roles."""
    body = json.loads(text)
    try:
        sig = signature(5, NONCE, 3, canonical.encode(body, "x")).hex()
    except Untrusted:
        sig = ""
    return json.dumps({"signatures": [{"keyid": "a", "sig": sig}], "signed": body}).encode()


def hostile(dice: random.Random) -> dict[str, bytes]:
    """A repository whose keepers sign something odd in one role or two, all else being right."""
    key, role = {**KEY, "keyval": {"public": ed_key(5).public}}, {"keyids": ["a"], "threshold": 1}
    keys, bins = {"keys": {"a": key}}, {**role, "bit_length": 4, "name_prefix": "bin"}
    listed = [{**role, "name": name, "terminating": False, "paths": ["*", "*/*"]} for name in ("one", "two")]
    bodies: dict[str, dict[str, Any]] = {
        "1.root": {**BODIES["root"], **keys, "roles": dict.fromkeys(metadata.TOP_LEVEL, role), "version": 1},
        "timestamp": {**HEAD, "_type": "timestamp", "meta": {"snapshot.json": {"version": 3}}},
        "3.snapshot": {**HEAD, "_type": "snapshot", "meta": {f"{name}.json": {"version": 3} for name in SIGNED}},
        "3.targets": {**BODIES["targets"], "delegations": {**keys, "roles": listed}},
        "3.one": BODIES["targets"],
        "3.two": {**BODIES["bins"], "delegations": {**keys, "succinct_roles": bins}},
    }
    for name in dice.sample([*bodies][1:], dice.randint(1, 2)):
        bodies[name] = twisted(bodies[name], dice)
    bodies["2.root"] = twisted({**bodies["1.root"], "version": 2}, dice)
    return {f"{name}.json": enclosed(json.dumps(body, sort_keys=True)) for name, body in bodies.items()}


def attempts(seed: int) -> list[random.Random]:
    return [random.Random(f"{seed}/{number}") for number in range(CASES)]


@pytest.mark.parametrize("name", BODIES)
def test_metadata_of_another_shape(name: str) -> None:
    whole = {"signatures": [{"keyid": "a", "sig": "00"}], "signed": BODIES[name]}
    for dice in attempts(1):
        with suppress(Corrupt):  # a promise of hashes that nobody knows
            read_all(json.dumps(twisted(whole, dice)).encode())


@pytest.mark.parametrize("name", BODIES)
def test_metadata_of_other_bytes(name: str) -> None:
    whole = json.dumps({"signatures": [{"keyid": "a", "sig": "00"}], "signed": BODIES[name]}).encode()
    for dice in attempts(2):
        with suppress(Corrupt):
            read_all(damaged(whole, dice))


def test_repositories_whose_keepers_mean_harm(tmp_path: pathlib.Path) -> None:
    ends: Counter[str] = Counter()
    for number, dice in enumerate(attempts(9)[: CASES // 4]):
        served = hostile(dice)
        if dice.randrange(4):
            del served["2.root.json"]
        store = TrustStore(files_in(tmp_path), f"/trust{number}")
        store.begin(served["1.root.json"])
        try:
            updates = TrustedUpdates(lambda name, limit, served=served: served.get(name), store, 1.7e9)
            updates.refresh()
            ends["believed"] += 1
            for path in ("a/x", "b", "", "../x", "\udcff", "a/b/c"):
                with suppress(Untrusted, Corrupt, Unreachable, StorageError):
                    found = updates.find(path)
                    if found is not None:
                        updates.file_of(found)
        except (Untrusted, Corrupt, Unreachable, StorageError) as error:
            ends[type(error).__name__] += 1
            assert len(error.message) < 10_000
    assert min(ends["Untrusted"], ends["believed"]) > CASES // 40


def test_what_is_read_strictly_is_written_in_a_form_that_says_the_same() -> None:
    whole = [one for one in ODD if not isinstance(one, (int, float)) or (abs(one) < 10**18 and not one % 1)]
    text = json.dumps([BODIES, whole], ensure_ascii=False)
    read = 0
    for dice in attempts(3):
        data = text.encode("utf-8", "replace") if dice.randrange(2) else text.encode("utf-8", "surrogatepass")
        with suppress(Untrusted):
            value = canonical.parse(damaged(data, dice), "x.json")
            assert json.loads(canonical.encode(value, "x.json"), strict=False) == value
            read += 1
    assert read > CASES // 10


def test_json_of_servers_and_programs() -> None:
    text = json.dumps([{"a": one, "b": {"c": [one]}} for one in ODD])
    asked: list[Callable[[jsonvalue.Record], object]] = [
        lambda one: one.text("a"),
        lambda one: one.text_or("a", None),
        lambda one: one.number("a"),
        lambda one: one.number("a", 1),
        lambda one: one.flag("a"),
        lambda one: one.record("a").texts("keyids"),
        lambda one: one.records("a"),
        lambda one: one.record("b").texts("c"),
    ]
    for dice in attempts(4):
        data = text.encode() if dice.randrange(4) == 0 else damaged(text.encode(), dice)
        with suppress(BadAnswer):
            for one in jsonvalue.records(jsonvalue.loads(data, "server"), "server"):
                for ask in asked:
                    with suppress(BadAnswer):
                        ask(one)


def test_der_and_keys() -> None:
    bits = tlv(0x30, integer(2**2047 + 1), integer(65537))
    for dice in attempts(5):
        data = damaged(dice.choice([SPKI, RSA_KEY, P256, bits]), dice)
        for read in (der.integer_pair, rsa.key, ecdsa.point, lambda data: der.public_key(pem(data))):
            with suppress(ValueError):
                read(data)
        text = damaged(pem(data).encode(), dice).decode("latin-1")
        for kind, scheme in (("rsa", "rsassa-pss-sha256"), ("ecdsa", "ecdsa-sha2-nistp256"), ("ed25519", "ed25519")):
            with suppress(ValueError):
                Key(kind, scheme, text).material()


def test_signatures() -> None:
    keys = {"a": ed_key(5), "b": Key("ecdsa", "ecdsa-sha2-nistp256", pem(SPKI))}
    good, pair = bytes.fromhex(signed(5)), tlv(0x30, integer(ecdsa.ORDER - 1), integer(5))
    for dice in attempts(6):
        spoilt, other = damaged(good, dice), damaged(pair, dice)
        text = other.hex() if dice.randrange(2) else dice.choice(["", "é", "\ud800", "0", "zz", " 00"])
        by_none = {"a": spoilt.hex() if spoilt != good else "", "b": text}
        with pytest.raises(Untrusted):
            Authority(("targets",), keys, ("a", "b"), 1).check(by_none, TEXT, "x.json")


def test_patterns_never_fail() -> None:
    letters = "ab*?[]!-^\\/.()+{}|$\n\0é\ud800"
    for dice in attempts(7):
        path, pattern = ("".join(dice.choice(letters) for _ in range(dice.randrange(12))) for _ in range(2))
        assert matches(path, pattern) in (True, False)
        assert not matches(path, f"{pattern}/*/*/*/*/*/*/*/*/*/*/*/*")


def test_archives() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for name, body in BODIES.items():
            data = json.dumps(body).encode()
            member = tarfile.TarInfo(f"1.{name}.json")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    plain = packed.getvalue()
    for dice in attempts(8):
        data = damaged(gzip.compress(plain), dice) if dice.randrange(4) == 0 else gzip.compress(damaged(plain, dice), 1)
        with suppress(Corrupt):
            read_archive(data, "archive")
