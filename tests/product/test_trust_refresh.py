"""Refreshing: what of a repository is believed, and what is left in the store when something is not."""

from __future__ import annotations

import json
import pathlib
import time
from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("tuf", reason="python-tuf is the repository side, and needs a newer python")

from product_fakes import files_in
from securesystemslib.signer import CryptoSigner
from trust_repo import DAY, NOW, TOP, Change, Client, Repository, day, enclose

from sdcupgrade.doors.files import RootedFiles
from sdcupgrade.errors import Corrupt, StorageError, Unreachable, Untrusted
from sdcupgrade.trust import canonical
from sdcupgrade.trust.client import Limits
from sdcupgrade.updates.trusted import TrustedUpdates, TrustStore


@pytest.fixture
def repo() -> Repository:
    return Repository()


@pytest.fixture
def client(repo: Repository, tmp_path: pathlib.Path) -> Client:
    return Client(repo, tmp_path)


def test_the_first_refresh_stores_what_was_received(repo: Repository, client: Client) -> None:
    client.refresh()
    assert client.asked() == ["2.root.json", "timestamp.json", "1.snapshot.json", "1.targets.json"]
    for role in TOP:
        assert (client.folder / "trust" / f"{role}.json").read_bytes() == repo.files[repo.name(role)]


def test_nothing_new_is_one_question_for_root_and_one_for_timestamp(client: Client) -> None:
    client.refresh()
    client.refresh()
    assert client.asked() == ["2.root.json", "timestamp.json"]


def test_only_what_has_changed_is_fetched(repo: Repository, client: Client) -> None:
    client.refresh()
    repo.publish("snapshot", "timestamp")
    client.refresh()
    assert client.asked()[2:] == ["2.snapshot.json"]
    assert client.versions() == (1, 2, 2, 1)


def test_a_repository_without_consistent_snapshots(tmp_path: pathlib.Path) -> None:
    repo = Repository(consistent=False)
    client = Client(repo, tmp_path)
    client.refresh()
    assert client.asked() == ["2.root.json", "timestamp.json", "snapshot.json", "targets.json"]
    repo.publish("root", change=lambda body: body.pop("consistent_snapshot"))  # they are what has to be asked for
    repo.publish("snapshot", "timestamp")
    client.refresh()
    assert client.asked() == ["2.root.json", "3.root.json", "timestamp.json", "snapshot.json"]


@pytest.mark.parametrize("generate", [CryptoSigner.generate_ecdsa, CryptoSigner.generate_rsa])
def test_other_kinds_of_keys(repo: Repository, client: Client, generate: Callable[[], CryptoSigner]) -> None:
    repo.rotate("timestamp")
    repo.signers["timestamp"].clear()
    repo.root.roles["timestamp"].keyids.clear()
    repo.add_key("timestamp", generate())
    repo.publish("root", "timestamp")
    client.refresh()
    assert client.versions() == (2, 2, 1, 1)


# Limits: what a server can make us read.


def test_no_more_is_read_than_the_limits_allow(repo: Repository, client: Client) -> None:
    client.refresh(limits=Limits(root_bytes=9000, timestamp_bytes=9001, snapshot_bytes=9002, targets_bytes=9003))
    assert [limit for _, limit in repo.asked] == [9000, 9001, 9002, 9003]


def test_no_more_is_read_than_was_promised(repo: Repository, client: Client) -> None:
    repo.hashed = True
    repo.publish("targets", "snapshot", "timestamp")
    client.refresh()
    assert [limit for _, limit in repo.asked][2:] == [
        len(repo.files["2.snapshot.json"]),
        len(repo.files["2.targets.json"]),
    ]


def test_a_promise_beyond_the_limit_does_not_raise_it(repo: Repository, client: Client) -> None:
    repo.hashed = True
    repo.publish("targets", "snapshot", "timestamp")
    with pytest.raises(Corrupt):
        client.refresh(limits=Limits(snapshot_bytes=100))
    assert repo.asked[-1] == ("2.snapshot.json", 100)


def test_the_defaults_are_those_of_the_field() -> None:
    assert Limits() == Limits(512_000, 16_384, 2_000_000, 5_000_000, 256, 32)


def test_roots_without_end(repo: Repository, client: Client) -> None:
    for _ in range(4):
        repo.publish("root")
    with pytest.raises(Untrusted, match="more than 3 new versions"):
        client.refresh(limits=Limits(new_roots=3))
    assert client.version("root") == 4
    client.refresh(limits=Limits(new_roots=1))
    assert client.version("root") == 5


# Root (5.3).


def turn(repo: Repository, both: bool = True) -> None:
    """Another root key; the next root is signed by the old one too, or not."""
    old = repo.signers["root"]
    repo.rotate("root")
    new = repo.signers["root"]
    repo.signers["root"] = [*old, *new] if both else new
    repo.publish("root")
    repo.signers["root"] = new


def test_a_chain_of_root_keys(repo: Repository, client: Client) -> None:
    for _ in range(3):
        turn(repo)
    client.refresh()
    assert client.asked()[:4] == ["2.root.json", "3.root.json", "4.root.json", "5.root.json"]
    assert client.version("root") == 4


def test_a_root_that_the_old_key_has_not_signed(repo: Repository, client: Client) -> None:
    turn(repo, both=False)
    with pytest.raises(Untrusted, match=r"root\.json: signed by 0 of the 1 keys"):
        client.refresh()
    assert client.versions() == (1, 0, 0, 0)


def test_a_root_that_its_own_key_has_not_signed(repo: Repository, client: Client) -> None:
    old = list(repo.signers["root"])
    repo.rotate("root")
    repo.signers["root"] = old
    repo.publish("root")
    with pytest.raises(Untrusted, match=r"root\.json: signed by 0 of the 1 keys"):
        client.refresh()
    assert client.version("root") == 1


@pytest.mark.parametrize("version", [1, 3])
def test_a_root_of_another_version_than_its_name(repo: Repository, client: Client, version: int) -> None:
    repo.publish("root", change=lambda body: body.update(version=version))
    with pytest.raises(Untrusted, match=f"version {version} cannot follow version 1"):
        client.refresh()


def test_an_expired_root_is_stored_but_not_relied_upon(repo: Repository, client: Client) -> None:
    client.refresh()
    repo.root.expires = day(-1)
    repo.publish("root", "timestamp")
    with pytest.raises(Untrusted, match=r"root\.json: expired 1\.0 days ago") as caught:
        client.refresh()
    assert "sign anew" in caught.value.hint
    assert client.versions() == (2, 1, 1, 1)


def test_an_expired_root_on_the_way_is_fine(repo: Repository, client: Client) -> None:
    repo.root.expires = day(-1)
    repo.publish("root")
    repo.root.expires = day(1)
    repo.publish("root")
    client.refresh()
    assert client.version("root") == 3


def test_a_store_without_a_root(repo: Repository, tmp_path: pathlib.Path) -> None:
    with pytest.raises(Untrusted, match="no root of trust"):
        TrustedUpdates(repo, TrustStore(files_in(tmp_path), "/elsewhere"), NOW)


def test_a_first_root_that_has_not_signed_itself(repo: Repository, tmp_path: pathlib.Path) -> None:
    repo.signers["root"] = repo.signers["targets"]
    repo.put("root")
    repo.first_root = repo.files["1.root.json"]
    with pytest.raises(Untrusted, match="signed by 0 of the 1"):
        Client(repo, tmp_path).refresh()
    assert repo.asked == []


def test_a_newer_root_in_the_store_stays(repo: Repository, client: Client) -> None:
    repo.publish("root")
    client.refresh()
    client.store.begin(repo.first_root)
    assert client.version("root") == 2


# Timestamp (5.4).


def test_an_older_timestamp(repo: Repository, client: Client) -> None:
    repo.publish("timestamp")
    client.refresh()
    repo.timestamp.version = 1
    repo.put("timestamp")
    with pytest.raises(Untrusted, match="timestamp: version 1 is older than 2"):
        client.refresh()
    assert client.version("timestamp") == 2


def test_a_timestamp_that_names_an_older_snapshot(repo: Repository, client: Client) -> None:
    repo.publish("snapshot", "timestamp")
    client.refresh()
    repo.snapshot.version = 1
    repo.put("snapshot")
    repo.publish("timestamp")
    with pytest.raises(Untrusted, match="snapshot: version 1 is older than 2"):
        client.refresh()
    assert client.versions() == (1, 2, 2, 1)


def test_the_same_version_with_other_content_is_not_looked_at(repo: Repository, client: Client) -> None:
    client.refresh()
    repo.timestamp.snapshot_meta.version = 100
    repo.put("timestamp")
    client.refresh()
    assert client.asked()[-1] == "timestamp.json"
    assert b'"version": 100' not in (client.folder / "trust" / "timestamp.json").read_bytes()


def test_an_expired_timestamp_is_not_stored(repo: Repository, client: Client) -> None:
    client.refresh()
    repo.timestamp.expires = day(0)
    repo.publish("timestamp")
    with pytest.raises(Untrusted, match=r"timestamp\.json: expired 0\.0 days ago"):
        client.refresh()
    assert client.version("timestamp") == 1


def test_metadata_is_in_force_until_it_expires(repo: Repository, client: Client) -> None:
    repo.timestamp.expires = day(0)
    repo.publish("timestamp")
    client.refresh(NOW - 1)
    assert client.version("timestamp") == 2


@pytest.mark.parametrize("zone", ["AAA+12", "AAA-12"])
def test_the_zone_of_the_machine_does_not_matter(
    repo: Repository, client: Client, monkeypatch: pytest.MonkeyPatch, zone: str
) -> None:
    repo.timestamp.expires = day(0)
    repo.publish("timestamp")
    with monkeypatch.context() as changed:
        changed.setenv("TZ", zone)
        time.tzset()
        client.refresh(NOW - 1)
        with pytest.raises(Untrusted, match="expired"):
            client.refresh(NOW)
    time.tzset()


def test_a_timestamp_that_stays_the_same_is_frozen(client: Client) -> None:
    client.refresh(NOW + 29 * DAY)
    with pytest.raises(Untrusted, match="expired"):
        client.refresh(NOW + 30 * DAY)


def test_a_later_expiry_under_the_same_version_does_not_count(repo: Repository, client: Client) -> None:
    repo.root.expires = day(90)
    repo.publish("root")
    client.refresh()
    repo.timestamp.expires = day(60)
    repo.put("timestamp")
    client.refresh(NOW + 29 * DAY)
    with pytest.raises(Untrusted, match=r"timestamp\.json: expired 1\.0 days ago"):
        client.refresh(NOW + 31 * DAY)


def test_an_expired_timestamp_in_the_store_is_replaced(repo: Repository, client: Client) -> None:
    client.refresh()
    for role in TOP:
        repo.roles[role].expires = day(90)
    repo.publish("root", "targets", "snapshot", "timestamp")
    client.refresh(NOW + 31 * DAY)
    assert client.versions() == (2, 2, 2, 2)


def test_no_timestamp(repo: Repository, client: Client) -> None:
    del repo.files["timestamp.json"]
    with pytest.raises(Unreachable, match=r"timestamp\.json"):
        client.refresh()


# Snapshot (5.5).


def test_another_snapshot_than_promised(repo: Repository, client: Client) -> None:
    repo.publish("snapshot", change=lambda body: body.update(version=7))
    repo.publish("timestamp")
    with pytest.raises(Untrusted, match="snapshot: version 7, promised was 2"):
        client.refresh()
    assert client.versions() == (1, 2, 0, 0)


@pytest.mark.parametrize("role", ["snapshot", "targets"])
@pytest.mark.parametrize("space", [b"\t", b"  ", b""])
def test_other_bytes_than_promised(repo: Repository, client: Client, role: str, space: bytes) -> None:
    repo.hashed = True
    repo.publish("targets", "snapshot", "timestamp")
    name = repo.name(role)
    repo.files[name] = repo.files[name].replace(b" ", space, 1)
    with pytest.raises(Corrupt):
        client.refresh()
    assert client.version(role) == 0


def test_shorter_than_promised_without_a_hash(repo: Repository, client: Client) -> None:
    repo.publish("snapshot")
    repo.timestamp.snapshot_meta.length = len(repo.files["2.snapshot.json"]) + 1
    repo.publish("timestamp")
    with pytest.raises(Corrupt, match=r"snapshot.json: \d+ bytes, promised were"):
        client.refresh()


@pytest.mark.parametrize("hashed", [False, True])
def test_an_older_targets_in_a_newer_snapshot(repo: Repository, client: Client, hashed: bool) -> None:
    repo.hashed = hashed
    repo.publish("targets", "snapshot", "timestamp")
    client.refresh()
    repo.targets.version = 1
    repo.put("targets")
    repo.publish("snapshot", "timestamp")
    with pytest.raises(Untrusted, match=r"targets\.json: version 1 is older than 2"):
        client.refresh()
    assert client.versions() == (1, 3, 2, 2)


def test_a_role_that_is_gone_from_the_snapshot(repo: Repository, client: Client) -> None:
    repo.delegate("targets", "role", ["*"])
    repo.publish("role", "targets", "snapshot", "timestamp")
    client.refresh()
    del repo.snapshot.meta["role.json"]
    repo.publish("snapshot", "timestamp")
    with pytest.raises(Untrusted, match=r"role\.json is missing, but was there before"):
        client.refresh()


def test_an_expired_snapshot_is_not_stored(repo: Repository, client: Client) -> None:
    repo.snapshot.expires = day(-1)
    repo.publish("snapshot", "timestamp")
    with pytest.raises(Untrusted, match=r"snapshot\.json: expired"):
        client.refresh()
    assert client.versions() == (1, 2, 0, 0)


def test_a_stored_snapshot_that_has_expired_since(repo: Repository, client: Client) -> None:
    repo.snapshot.expires = day(1)
    repo.publish("snapshot", "timestamp")
    client.refresh()
    with pytest.raises(Untrusted, match=r"snapshot\.json: expired"):
        client.refresh(NOW + 2 * DAY)


def test_a_stored_snapshot_of_other_bytes_is_fetched_anew(repo: Repository, client: Client) -> None:
    repo.publish("snapshot", "timestamp")
    client.refresh()
    repo.hashed = True
    repo.put("snapshot", lambda body: body.update(note="other bytes"))
    repo.publish("timestamp")
    client.refresh()
    assert client.asked()[-1] == "2.snapshot.json"
    assert b"other bytes" in (client.folder / "trust" / "snapshot.json").read_bytes()


def test_a_snapshot_without_targets(repo: Repository, client: Client) -> None:
    repo.publish("snapshot", change=lambda body: body["meta"].pop("targets.json"))
    repo.publish("timestamp")
    with pytest.raises(Untrusted, match=r"targets\.json: missing"):
        client.refresh()


@pytest.mark.parametrize("role", ["snapshot", "targets"])
def test_a_promised_file_that_is_not_there(repo: Repository, client: Client, role: str) -> None:
    repo.publish("targets", "snapshot", "timestamp")
    del repo.files[repo.name(role)]
    with pytest.raises(Unreachable, match=f"2.{role}.json: there is no such metadata"):
        client.refresh()


# Targets (5.6).


def test_another_targets_than_promised(repo: Repository, client: Client) -> None:
    repo.publish("targets", change=lambda body: body.update(version=7))
    repo.publish("snapshot", "timestamp")
    with pytest.raises(Untrusted, match="targets: version 7, promised was 2"):
        client.refresh()
    assert client.versions() == (1, 2, 2, 0)


def test_expired_targets_are_not_stored(repo: Repository, client: Client) -> None:
    repo.targets.expires = day(-1)
    repo.publish("targets", "snapshot", "timestamp")
    with pytest.raises(Untrusted, match=r"targets\.json: expired"):
        client.refresh()
    assert client.versions() == (1, 2, 2, 0)


# Keys that were changed, and what a thief may have done with the old ones (5.3.11).


def test_another_timestamp_key_forgets_a_timestamp_far_ahead(repo: Repository, client: Client) -> None:
    repo.timestamp.version = 99
    repo.publish("timestamp")
    client.refresh()
    repo.rotate("timestamp")
    repo.timestamp.version = 0
    repo.publish("root", "timestamp")
    client.refresh()
    assert client.versions() == (2, 1, 1, 1)


def test_another_snapshot_key_forgets_versions_far_ahead(repo: Repository, client: Client) -> None:
    repo.targets.version = 99
    repo.delegate("targets", "role", ["*"])
    repo.publish("role", "targets", "snapshot", "timestamp")
    client.refresh()
    repo.rotate("snapshot")
    repo.targets.version = 0
    repo.targets.delegations = None
    del repo.snapshot.meta["role.json"]
    repo.publish("root", "targets", "snapshot", "timestamp")
    client.refresh()
    assert client.versions() == (2, 3, 3, 1)


@pytest.mark.parametrize("role", TOP)
def test_metadata_signed_by_another_role(repo: Repository, client: Client, role: str) -> None:
    repo.signers[role] = [CryptoSigner.generate_ed25519()]
    repo.publish("root", "targets", "snapshot", "timestamp")
    with pytest.raises(Untrusted, match=f"{role}.json: signed by 0 of the 1 keys that root asks of {role}"):
        client.refresh()
    assert client.version(role) == (1 if role == "root" else 0)


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
def test_one_role_in_the_place_of_another(repo: Repository, client: Client, role: str) -> None:
    """Signed by the right key, and well-formed: only the type tells."""
    other = "snapshot" if role != "snapshot" else "targets"
    repo.roles[role].version += 1
    body = repo.roles[other].to_dict() | {"version": 2, "meta": {"snapshot.json": {"version": 1}}, "targets": {}}
    body["meta"]["targets.json"] = {"version": 1}
    repo.file(role, json.dumps(enclose(body, repo.signers[role])).encode())
    repo.publish(*[name for name in ("snapshot", "timestamp") if name != role])
    with pytest.raises(Untrusted, match=f"_type: expected {role}, got '{other}'"):
        client.refresh()


# The clock.


def test_a_clock_set_back_is_refused(client: Client) -> None:
    client.refresh(NOW)
    with pytest.raises(Untrusted, match="the clock is 601 s behind") as caught:
        client.refresh(NOW - 601)
    assert "clock" in caught.value.hint
    assert client.asked() == []


def test_a_clock_that_is_stepped_a_little_is_fine(client: Client) -> None:
    client.refresh(NOW)
    client.refresh(NOW - 600)
    assert (client.folder / "trust" / "clock").read_text() == str(int(NOW))


def test_a_clock_set_back_a_little_brings_nothing_back(repo: Repository, client: Client) -> None:
    repo.timestamp.expires = day(0)
    repo.publish("timestamp")
    client.refresh(NOW - 1)
    client.store.was_well(NOW)
    with pytest.raises(Untrusted, match="expired"):
        client.refresh(NOW - 1)


def test_a_refusal_does_not_move_the_kept_time(repo: Repository, client: Client) -> None:
    client.refresh(NOW)
    with pytest.raises(Untrusted):
        client.refresh(NOW + 400 * DAY)
    client.refresh(NOW + 2)
    assert client.store.last() == NOW + 2


def test_the_latest_time_is_kept(client: Client) -> None:
    for now in (NOW, NOW - 100, NOW + 100.9, NOW + 50):
        client.store.was_well(now)
    assert client.store.last() == NOW + 100


def test_a_kept_time_that_is_no_time(client: Client) -> None:
    client.refresh()
    (client.folder / "trust" / "clock").write_text("soon")
    client.refresh(NOW - DAY)


# The store.


class Failing(RootedFiles):
    """Fails at the write of that number, before or after it has been made."""

    def __init__(self, folder: pathlib.Path, at: int, after: bool) -> None:
        super().__init__(str(folder), fsync=False)
        self.left = at
        self.after = after

    def write(self, path: str, data: bytes, mode: int = 0o600) -> None:
        self.left -= 1
        if self.left or self.after:
            super().write(path, data, mode)
        if not self.left:
            raise StorageError("power is out")


@pytest.mark.parametrize("at", range(1, 6))
@pytest.mark.parametrize("after", [False, True])
def test_cut_off_at_any_write(repo: Repository, tmp_path: pathlib.Path, at: int, after: bool) -> None:
    client = Client(repo, tmp_path)
    client.refresh()
    repo.publish("root", "targets", "snapshot", "timestamp")
    failing = TrustedUpdates(repo, TrustStore(Failing(tmp_path, at, after), "/trust"), NOW + 5)
    with pytest.raises(StorageError):
        failing.refresh()
    client.refresh(NOW + 5)
    assert client.versions() == (2, 2, 2, 2)
    assert sorted(path.name for path in (tmp_path / "trust").iterdir()) == [
        "clock",
        *sorted(f"{role}.json" for role in TOP),
    ]


@pytest.mark.parametrize("role", ["timestamp", "snapshot", "targets"])
@pytest.mark.parametrize("rubbish", [b"", b"{", b"[]", b'{"signed": {}}'])
def test_rubbish_in_the_store_is_replaced(repo: Repository, client: Client, role: str, rubbish: bytes) -> None:
    client.refresh()
    (client.folder / "trust" / f"{role}.json").write_bytes(rubbish)
    client.refresh()
    assert client.versions() == (1, 1, 1, 1)


def test_two_clients_at_once(repo: Repository, client: Client) -> None:
    one, other = client.updates(), client.updates()
    one._refresh_root()
    repo.publish("root", "targets", "snapshot", "timestamp")
    other.refresh()
    one._refresh_timestamp()
    one._refresh_snapshot()
    client.refresh()
    assert client.versions() == (2, 2, 2, 2)


# The form (4): every role is read with the same care.

MALFORMED: dict[str, Change] = {
    "no version": lambda body: body.pop("version"),
    "version 0": lambda body: body.update(version=0),
    "version true": lambda body: body.update(version=True),
    "version as text": lambda body: body.update(version="2"),
    "huge version": lambda body: body.update(version=10**18),
    "no expiry": lambda body: body.pop("expires"),
    "expiry in another form": lambda body: body.update(expires="2040-01-01 00:00:00"),
    "expiry with a zone": lambda body: body.update(expires="2040-01-01T00:00:00+01:00"),
    "expiry on no day": lambda body: body.update(expires="2040-13-01T00:00:00Z"),
    "expiry as a number": lambda body: body.update(expires=2_000_000_000),
    "expiry with more behind": lambda body: body.update(expires="2040-01-01T00:00:00Z\n"),
    "no spec_version": lambda body: body.pop("spec_version"),
    "next major": lambda body: body.update(spec_version="2.0.0"),
    "major 10": lambda body: body.update(spec_version="10.0"),
    "spec_version 1": lambda body: body.update(spec_version="1"),
    "spec_version as a number": lambda body: body.update(spec_version=1),
    "spec_version of words": lambda body: body.update(spec_version="1.x"),
    "no type": lambda body: body.pop("_type"),
}


@pytest.mark.parametrize("role", TOP)
@pytest.mark.parametrize("change", MALFORMED.values(), ids=MALFORMED)
def test_a_malformed_head(repo: Repository, client: Client, role: str, change: Change) -> None:
    repo.publish(role, change=change)
    repo.publish(*[name for name in ("targets", "snapshot", "timestamp") if name != role])
    with pytest.raises(Untrusted, match=f"{role}.json"):
        client.refresh()
    assert client.version(role) == (1 if role == "root" else 0)


def inside(*path: str, value: object) -> Change:
    """Put *value* at that place; an Ellipsis takes away what is there."""

    def change(body: dict[str, Any]) -> None:
        for name in path[:-1]:
            body = body[name]
        if value is ...:
            del body[path[-1]]
        else:
            body[path[-1]] = value

    return change


ODD: tuple[tuple[str, Change], ...] = (
    ("root", inside("keys", value=...)),
    ("root", inside("keys", value=[])),
    ("root", inside("keys", "k", value={"keytype": "ed25519", "scheme": "ed25519"})),
    ("root", inside("keys", "k", value={"keytype": "ed25519", "keyval": {"public": ""}})),
    ("root", inside("keys", "k", value={"scheme": "ed25519", "keyval": {"public": ""}})),
    ("root", inside("roles", value=...)),
    ("root", inside("roles", "targets", value=...)),
    ("root", inside("roles", "snapshot", "threshold", value=0)),
    ("root", inside("roles", "snapshot", "threshold", value=...)),
    ("root", inside("roles", "snapshot", "threshold", value="1")),
    ("root", inside("roles", "snapshot", "keyids", value="abc")),
    ("root", inside("roles", "snapshot", "keyids", value=...)),
    ("root", inside("roles", "snapshot", "keyids", value=[1])),
    ("root", inside("roles", "snapshot", "keyids", value=["a", "a"])),
    ("root", inside("consistent_snapshot", value="yes")),
    ("timestamp", inside("meta", value=...)),
    ("timestamp", inside("meta", value={})),
    ("timestamp", inside("meta", "snapshot.json", "version", value=0)),
    ("timestamp", inside("meta", "snapshot.json", "version", value=...)),
    ("timestamp", inside("meta", "snapshot.json", "length", value=0)),
    ("timestamp", inside("meta", "snapshot.json", "length", value="5")),
    ("timestamp", inside("meta", "snapshot.json", "hashes", value={})),
    ("timestamp", inside("meta", "snapshot.json", "hashes", value={"sha256": "00"})),
    ("timestamp", inside("meta", "snapshot.json", "hashes", value={"sha256": "G" * 64})),
    ("timestamp", inside("meta", "snapshot.json", "hashes", value={"sha256": "A" * 64})),
    ("timestamp", inside("meta", "snapshot.json", "hashes", value={"sha512": "a" * 64})),
    ("timestamp", inside("meta", "snapshot.json", "hashes", value={"sha512": 5})),
    ("snapshot", inside("meta", value=[])),
    ("snapshot", inside("meta", "x.json", value={"version": -1})),
    ("targets", inside("targets", value=...)),
    ("targets", inside("targets", value=[])),
)


@pytest.mark.parametrize(("role", "change"), ODD)
def test_a_malformed_body(repo: Repository, client: Client, role: str, change: Change) -> None:
    repo.publish(role, change=change)
    repo.publish(*[name for name in ("targets", "snapshot", "timestamp") if name != role])
    with pytest.raises(Untrusted, match=f"{role}.json"):
        client.refresh()
    assert client.version(role) == (1 if role == "root" else 0)


def test_what_is_not_known_is_ignored(repo: Repository, client: Client) -> None:
    def more(body: dict[str, Any]) -> None:
        body["x-more"] = {"text": 'quote " backslash \\ line\n tab\t \x7f é \U0001f600', "none": None, "yes": True}

    repo.root.roles["targets"].unrecognized_fields["x-signer"] = "somebody"
    repo.publish("root", change=more)
    repo.publish("targets", change=more)
    repo.publish("snapshot", change=more)
    repo.publish("timestamp", change=more)
    client.refresh()
    assert client.versions() == (2, 2, 2, 2)


def test_keys_of_unknown_kinds_and_shapes_do_no_harm(repo: Repository, client: Client) -> None:
    strange = {"keytype": "sigstore-oidc", "scheme": "Fulcio", "keyval": {"identity": "a@b", "issuer": "c"}}
    repo.publish("root", change=inside("keys", "strange", value=strange))
    client.refresh()
    assert client.version("root") == 2


@pytest.mark.parametrize("spec", ["1.0", "1.0.34", "1.99.0"])
def test_all_of_version_one_is_read(repo: Repository, client: Client, spec: str) -> None:
    repo.publish("timestamp", change=lambda body: body.update(spec_version=spec))
    client.refresh()
    assert client.version("timestamp") == 2


def put_in(text: bytes) -> Callable[[bytes], bytes]:
    """Beside the version, where it is signed or was to be."""
    return lambda data: data.replace(b'"version": 2', b'"version": 2, ' + text, 1)


RAW: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "not JSON": (lambda data: data[:-1], "not valid JSON"),
    "another encoding": (lambda data: data.decode().encode("utf-16"), "not UTF-8: invalid start byte at byte 0"),
    "not UTF-8": (lambda data: data.replace(b"timestamp", b"\xfftimestamp", 1), "not UTF-8"),
    "a byte order mark": (lambda data: b"\xef\xbb\xbf" + data, "not valid JSON"),
    "a key twice": (lambda data: data.replace(b'{"signatures"', b'{"signed": {}, "signatures"', 1), "duplicate key"),
    "a key twice inside": (put_in(b'"version": 2'), "duplicate key 'version'"),
    "NaN": (put_in(b'"x": NaN'), "NaN is not JSON"),
    "infinity": (put_in(b'"x": -Infinity'), "-Infinity is not JSON"),
    "a fraction": (put_in(b'"x": 0.5'), "0.5 is not a whole number"),
    "a fraction that is whole": (lambda data: data.replace(b'"version": 2', b'"version": 2.0', 1), "2.0 is not a"),
    "an exponent": (put_in(b'"x": 2e0'), "2e0 is not a whole number"),
    "a long fraction": (put_in(b'"x": 0.' + b"1" * 5000), "0.1111111111111111 is not a whole number"),
    "a huge number": (put_in(b'"x": ' + b"9" * 5000), "a number of 5000 digits"),
    "a number too long": (put_in(b'"x": ' + b"9" * 19), "a number of 19 digits"),
    "too deep": (put_in(b'"x": ' + b"[" * 5000 + b"]" * 5000), ""),  # some Pythons can read it
    "half a pair": (put_in(b'"x": "\\ud800"'), "it has no canonical form"),
    "no signatures": (lambda data: data.replace(b'"signatures"', b'"signature"', 1), "signed by 0 of the 1"),
    "a signature that is none": (lambda data: data.replace(b'"signatures": [', b'"signatures": [5, ', 1), "an object"),
    "a signature without key": (lambda data: data.replace(b'"keyid"', b'"key"', 1), "keyid: expected text"),
    "a signature without itself": (lambda data: data.replace(b'"sig"', b'"s"', 1), "sig: expected text"),
    "nothing signed": (lambda data: data.replace(b'"signed"', b'"singed"', 1), "signed: missing"),
    "another thing signed": (put_in(b'"x": 1'), "signed by 0 of the 1"),
    "a list": (lambda data: b"[" + data + b"]", "expected an object, got a list"),
    "nothing": (lambda data: b"", "it is empty"),
}


@pytest.mark.parametrize(("change", "told"), RAW.values(), ids=RAW)
def test_odd_bytes(repo: Repository, client: Client, change: Callable[[bytes], bytes], told: str) -> None:
    repo.publish("timestamp")
    changed = change(repo.files["timestamp.json"])
    assert changed != repo.files["timestamp.json"]
    repo.files["timestamp.json"] = changed
    with pytest.raises(Untrusted, match=r"timestamp\.json") as caught:
        client.refresh()
    assert told in caught.value.message
    assert client.version("timestamp") == 0


@pytest.mark.parametrize("key", ["_type", "spec_version", "expires"])
def test_a_complaint_does_not_repeat_all_of_what_is_wrong(repo: Repository, client: Client, key: str) -> None:
    repo.publish("timestamp", change=lambda body: body.update({key: "x" * 10_000}))
    with pytest.raises(Untrusted, match="x" * 40) as caught:
        client.refresh()
    assert len(caught.value.message) < 200


def test_no_signature_is_given_to_what_has_no_canonical_form() -> None:
    deep: Any = []
    for _ in range(200_000):
        deep = [deep]
    with pytest.raises(Untrusted, match=r"x\.json: it has no canonical form"):
        canonical.encode(deep, "x.json")


def test_a_key_signs_once(repo: Repository, client: Client) -> None:
    repo.signers["timestamp"] *= 2
    repo.publish("timestamp")
    with pytest.raises(Untrusted, match="a key signs once"):
        client.refresh()
