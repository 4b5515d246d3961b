"""Targets and who may speak of them: search, patterns, authority by delegator, and downloads."""

from __future__ import annotations

import hashlib
import pathlib
from typing import Any, Optional

import pytest

pytest.importorskip("tuf", reason="python-tuf is the repository side, and needs a newer python")

from http_stage import http, stage
from product_fakes import files_in
from securesystemslib.signer import CryptoSigner
from trust_repo import NOW, Change, Client, Repository, day
from tuf.api.metadata import Delegations, SuccinctRoles, TargetFile, Targets

from sdcupgrade.errors import BadAnswer, Corrupt, Unreachable, Untrusted
from sdcupgrade.trust.client import Limits, Trusted
from sdcupgrade.trust.delegations import matches
from sdcupgrade.trust.metadata import FileInfo
from sdcupgrade.updates.trusted import FolderFetch, HttpFetch, TrustedUpdates, TrustStore, download


@pytest.fixture
def repo() -> Repository:
    return Repository()


@pytest.fixture
def client(repo: Repository, tmp_path: pathlib.Path) -> Client:
    return Client(repo, tmp_path)


def tree(repo: Repository, *edges: tuple[str, str, bool, list[str]]) -> None:
    """Delegations, each from a role to another: terminating or not, of those paths; and publish all."""
    for by, role, terminating, paths in edges:
        repo.delegate(by, role, paths, terminating)
    names = dict.fromkeys(role for _, role, _, _ in edges)
    repo.publish(*names, "targets", "snapshot", "timestamp")


def asked_roles(client: Client) -> list[str]:
    """Delegated roles that were fetched, in order."""
    return [name.split(".")[1] for name in client.asked()[3:] if not name.endswith("targets.json")]


def test_a_target_of_the_top(repo: Repository, client: Client) -> None:
    repo.add_target("targets", "a/b", b"data")
    repo.publish("targets", "snapshot", "timestamp")
    found = client.refresh().find("a/b")
    assert found == FileInfo("a/b", 4, {"sha256": hashlib.sha256(b"data").hexdigest()})


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_either_hash_will_do(repo: Repository, client: Client, algorithm: str) -> None:
    repo.targets.targets["x"] = TargetFile.from_data("x", b"data", [algorithm])
    repo.publish("targets", "snapshot", "timestamp")
    found = client.refresh().find("x")
    assert found is not None
    assert found.hashes == {algorithm: hashlib.new(algorithm, b"data").hexdigest()}


def test_a_target_may_be_empty(repo: Repository, client: Client) -> None:
    repo.add_target("targets", "x", b"")
    repo.publish("targets", "snapshot", "timestamp")
    found = client.refresh().find("x")
    assert found is not None
    assert found.length == 0


def test_hashes_that_we_do_not_know_do_no_harm_beside_one_that_we_do(repo: Repository, client: Client) -> None:
    repo.targets.targets["x"] = TargetFile(4, {"blake2b-256": "not hex", "sha256": "0" * 64}, "x")
    repo.publish("targets", "snapshot", "timestamp")
    found = client.refresh().find("x")
    assert found is not None
    with pytest.raises(Corrupt, match="has sha256"):
        found.check(b"data")


def test_nobody_speaks_of_it(client: Client) -> None:
    assert client.refresh().find("a/b") is None


def test_depth_first_in_the_order_of_delegation(repo: Repository, client: Client) -> None:
    tree(
        repo,
        ("targets", "a", False, ["*"]),
        ("targets", "b", False, ["*"]),
        ("a", "c", False, ["*"]),
        ("a", "d", False, ["*"]),
        ("b", "e", False, ["*"]),
    )
    assert client.refresh().find("x") is None
    assert asked_roles(client) == ["a", "c", "d", "b", "e"]


def test_the_first_answer_counts(repo: Repository, client: Client) -> None:
    repo.delegate("targets", "a", ["*"])
    repo.delegate("targets", "b", ["*"])
    repo.add_target("a", "x", b"of a")
    repo.add_target("b", "x", b"of b, longer")
    repo.publish("a", "b", "targets", "snapshot", "timestamp")
    found = client.refresh().find("x")
    assert found is not None
    assert found.length == 4
    assert asked_roles(client) == ["a"]


def test_a_terminating_role_has_the_last_word(repo: Repository, client: Client) -> None:
    tree(
        repo,
        ("targets", "a", False, ["*"]),
        ("a", "c", True, ["*"]),
        ("a", "d", False, ["*"]),
        ("targets", "b", False, ["*"]),
        ("c", "e", False, ["*"]),
    )
    assert client.refresh().find("x") is None
    assert asked_roles(client) == ["a", "c", "e"]


def test_a_terminating_role_of_other_paths_ends_nothing(repo: Repository, client: Client) -> None:
    tree(repo, ("targets", "a", True, ["y"]), ("targets", "b", False, ["*"]))
    assert client.refresh().find("x") is None
    assert asked_roles(client) == ["b"]


def test_cycles_end(repo: Repository, client: Client) -> None:
    tree(repo, ("targets", "a", False, ["*"]), ("a", "b", False, ["*"]), ("b", "a", False, ["*"]))
    assert client.refresh().find("x") is None
    assert asked_roles(client) == ["a", "b"]
    repo.add_target("b", "x")
    repo.publish("b", "snapshot", "timestamp")
    assert list(client.refresh().paths()) == ["x"]


def test_a_role_may_speak_of_its_paths_only(repo: Repository, client: Client) -> None:
    repo.delegate("targets", "a", ["mine/*"])
    repo.add_target("a", "other/x")
    repo.publish("a", "targets", "snapshot", "timestamp")
    assert client.refresh().find("other/x") is None


def test_too_many_roles_to_ask(repo: Repository, client: Client) -> None:
    tree(repo, *[("targets", f"r{number}", False, ["*"]) for number in range(4)])
    assert client.refresh(limits=Limits(roles_asked=5)).find("x") is None
    with pytest.raises(Untrusted, match="x: more than 4 roles would have to be asked"):
        client.refresh(limits=Limits(roles_asked=4)).find("x")
    assert list(client.refresh(limits=Limits(roles_asked=5)).paths()) == []
    with pytest.raises(Untrusted, match="more than 4 roles would have to be asked"):
        list(client.refresh(limits=Limits(roles_asked=4)).paths())


@pytest.mark.parametrize(
    ("path", "pattern", "good"),
    [
        ("a", "a", True),
        ("a", "b", False),
        ("a", "A", False),
        ("ab", "a?", True),
        ("a", "a?", False),
        ("a/b", "*", False),
        ("a/b", "a?b", False),
        ("a/b", "*/*", True),
        ("a/b/c", "*/*", False),
        ("a", "*/*", False),
        ("a/bcd", "a/b*d", True),
        ("a/", "a/*", True),
        ("/a", "/a", True),
        ("/a", "a", False),
        ("a.tgz", "*.tgz", True),
        ("a", "[a-c]", True),
        ("a", "[c-a]", False),
        ("[c-a]", "*", True),
    ],
)
def test_patterns(path: str, pattern: str, good: bool) -> None:
    assert matches(path, pattern) is good


@pytest.mark.parametrize("name", ["?", "#", "/x", "../x", "a b", "ü", "%2F", "."])
def test_names_of_roles_cannot_leave_the_folder(repo: Repository, client: Client, name: str) -> None:
    repo.delegate("targets", name, ["*"])
    repo.add_target(name, "x")
    repo.publish(name, "targets", "snapshot", "timestamp")
    assert client.refresh().find("x") is not None
    assert client.version(name) == 1
    assert all(path.is_file() for path in client.folder.rglob("*") if path != client.folder / "trust")


@pytest.mark.parametrize("name", ["root", "timestamp", "snapshot", "targets", "Root", "SNAPSHOT", ""])
def test_names_of_the_top_level_are_taken(repo: Repository, client: Client, name: str) -> None:
    repo.delegate("targets", "role", ["*"])
    repo.publish("role")
    repo.publish("targets", change=lambda body: body["delegations"]["roles"][0].update(name=name))
    repo.publish("snapshot", "timestamp")
    with pytest.raises(Untrusted, match="is not for delegated roles"):
        client.refresh()


def test_hash_prefixes(repo: Repository, client: Client) -> None:
    prefix = hashlib.sha256(b"x").hexdigest()[:3]
    repo.delegate("targets", "a", None, path_hash_prefixes=["zz", prefix])
    repo.add_target("a", "x")
    repo.add_target("a", "y")
    repo.publish("a", "targets", "snapshot", "timestamp")
    updates = client.refresh()
    assert updates.find("x") is not None
    assert updates.find("y") is None


@pytest.mark.parametrize("bits", [1, 4, 5, 8, 9, 32])
def test_succinct_roles(repo: Repository, client: Client, bits: int) -> None:
    signer = CryptoSigner.generate_ed25519()
    succinct = SuccinctRoles([], 1, bits, "bin")
    repo.targets.delegations = Delegations({}, None, succinct)
    repo.targets.add_key(signer.public_key)
    bin_of = succinct.get_role_for_target("some/path")
    repo.roles[bin_of] = Targets(expires=day(30))
    repo.signers[bin_of] = [signer]
    repo.add_target(bin_of, "some/path")
    repo.publish(bin_of, "targets", "snapshot", "timestamp")
    updates = client.refresh()
    assert updates.find("some/path") is not None
    assert client.asked()[-1] == f"2.{bin_of}.json"


def test_a_succinct_role_has_the_last_word(repo: Repository, client: Client) -> None:
    repo.delegate("targets", "a", ["*"])
    repo.delegate("targets", "b", ["*"])
    repo.add_target("b", "x")
    signer = CryptoSigner.generate_ed25519()
    parent, bins = repo.roles["a"], SuccinctRoles([], 1, 1, "bin")
    assert isinstance(parent, Targets)
    parent.delegations = Delegations({}, None, bins)
    parent.add_key(signer.public_key)
    for name in ("bin-0", "bin-1"):
        repo.roles[name], repo.signers[name] = Targets(expires=day(30)), [signer]
    repo.publish("bin-0", "bin-1", "a", "b", "targets", "snapshot", "timestamp")
    assert client.refresh().find("x") is None


def test_a_path_that_is_no_text(repo: Repository, client: Client) -> None:
    repo.delegate("targets", "a", None, path_hash_prefixes=["0"])
    repo.publish("a", "targets", "snapshot", "timestamp")
    assert client.refresh().find("\udcff") is None


# Authority is by delegator.


def diamond(repo: Repository) -> None:
    """Both parents hand their folder to one role; it is signed with the key that parent a knows."""
    tree(
        repo,
        ("targets", "a", False, ["a/*"]),
        ("targets", "b", False, ["b/*"]),
        ("a", "role", False, ["a/*"]),
        ("b", "role", False, ["b/*"]),
    )
    repo.signers["role"].pop()
    repo.add_target("role", "a/x")
    repo.add_target("role", "b/x")
    repo.publish("role", "snapshot", "timestamp")


def test_a_role_is_believed_by_way_of_the_delegator_that_knows_its_key(repo: Repository, client: Client) -> None:
    diamond(repo)
    updates = client.refresh()
    assert updates.find("a/x") is not None
    with pytest.raises(Untrusted, match=r"role\.json: signed by 0 of the 1 keys that b asks of role"):
        updates.find("b/x")


def test_a_role_in_the_store_is_verified_for_each_delegator(repo: Repository, client: Client) -> None:
    diamond(repo)
    client.refresh().find("a/x")
    with pytest.raises(Untrusted, match="that b asks of role"):
        client.refresh().find("b/x")


def test_a_role_that_the_snapshot_does_not_name(repo: Repository, client: Client) -> None:
    repo.delegate("targets", "a", ["*"])
    repo.publish("a", "targets")
    del repo.snapshot.meta["a.json"]
    repo.publish("snapshot", "timestamp")
    updates = client.refresh()
    with pytest.raises(Untrusted, match=r"a\.json: not in the snapshot"):
        updates.find("x")
    assert client.version("a") == 0


def test_roles_are_fetched_once(repo: Repository, client: Client) -> None:
    tree(repo, ("targets", "a", False, ["*"]))
    updates = client.refresh()
    updates.find("x")
    updates.find("y")
    assert asked_roles(client) == ["a"]
    again = client.refresh()
    again.find("x")
    assert client.asked() == ["2.root.json", "timestamp.json"]


def test_an_older_delegated_role(repo: Repository, client: Client) -> None:
    tree(repo, ("targets", "a", False, ["*"]))
    repo.publish("a", "snapshot", "timestamp")
    client.refresh().find("x")
    repo.roles["a"].version = 1
    repo.put("a")
    repo.publish("snapshot", "timestamp")
    with pytest.raises(Untrusted, match=r"a\.json: version 1 is older than 2"):
        client.refresh()


@pytest.mark.parametrize("limit", [1, 5_000_000])
def test_delegated_roles_have_the_limit_of_targets(repo: Repository, client: Client, limit: int) -> None:
    tree(repo, ("targets", "a", False, ["*"]))
    updates = client.refresh()
    updates._limits = Limits(targets_bytes=limit)
    if limit > 1:
        updates.find("x")
    else:
        with pytest.raises(Corrupt):
            updates.find("x")
    assert repo.asked[-1] == ("1.a.json", limit)


ODD: dict[str, Change] = {
    "no keys": lambda body: body["delegations"].pop("keys"),
    "no roles": lambda body: body["delegations"].pop("roles"),
    "both kinds": lambda body: body["delegations"].update(
        succinct_roles={"keyids": [], "threshold": 1, "bit_length": 1, "name_prefix": "b"}
    ),
    "a list": lambda body: body.update(delegations=[]),
    "a role twice": lambda body: body["delegations"]["roles"].append(body["delegations"]["roles"][0]),
    "no name": lambda body: body["delegations"]["roles"][0].pop("name"),
    "no paths": lambda body: body["delegations"]["roles"][0].pop("paths"),
    "paths and prefixes": lambda body: body["delegations"]["roles"][0].update(path_hash_prefixes=["a"]),
    "paths as text": lambda body: body["delegations"]["roles"][0].update(paths="abc"),
    "no terminating": lambda body: body["delegations"]["roles"][0].pop("terminating"),
    "terminating as text": lambda body: body["delegations"]["roles"][0].update(terminating="true"),
    "no threshold": lambda body: body["delegations"]["roles"][0].pop("threshold"),
    "a key id twice": lambda body: body["delegations"]["roles"][0].update(keyids=["a", "a"]),
    "a bad target": lambda body: body["targets"].update(x={"length": -1, "hashes": {"sha256": "0" * 64}}),
    "a target without length": lambda body: body["targets"].update(x={"hashes": {"sha256": "0" * 64}}),
    "a target without hashes": lambda body: body["targets"].update(x={"length": 1}),
    "a target with no hash": lambda body: body["targets"].update(x={"length": 1, "hashes": {}}),
    "a target that is none": lambda body: body["targets"].update(x=5),
}


def succinct(bits: Any) -> Change:
    def change(body: dict[str, Any]) -> None:
        del body["delegations"]["roles"]
        more = {"keyids": [], "threshold": 1, "bit_length": bits, "name_prefix": "b"}
        body["delegations"]["succinct_roles"] = more

    return change


@pytest.mark.parametrize(
    "change",
    [*ODD.values(), succinct(0), succinct(33), succinct("1")],
    ids=[*ODD, "no bits", "too many bits", "bits as text"],
)
def test_malformed_targets(repo: Repository, client: Client, change: Change) -> None:
    repo.delegate("targets", "role", ["*"])
    repo.publish("role")
    repo.publish("targets", change=change)
    repo.publish("snapshot", "timestamp")
    with pytest.raises(Untrusted, match=r"targets\.json|x"):
        client.refresh().find("x")


def test_calls_in_another_order_are_bugs(repo: Repository) -> None:
    trusted = Trusted(repo.first_root, NOW)
    with pytest.raises(RuntimeError):
        trusted.new_snapshot(b"")
    with pytest.raises(RuntimeError):
        trusted.promised_targets("targets")


def test_a_second_refresh_of_one_object_is_a_bug(client: Client) -> None:
    updates = client.refresh()
    with pytest.raises(RuntimeError, match="make another"):
        updates.refresh()


# Downloads (5.7).


@pytest.mark.parametrize(
    ("consistent", "path", "name"),
    [(True, "a/b c", "a/{}.b%20c"), (True, "x", "{}.x"), (False, "a/b c", "a/b%20c"), (True, "é?#", "{}.%C3%A9%3F%23")],
)
def test_where_a_target_lies(tmp_path: pathlib.Path, consistent: bool, path: str, name: str) -> None:
    updates = Client(Repository(consistent), tmp_path).refresh()
    info = FileInfo(path, 1, {"sha512": "1" * 128, "sha256": "0" * 64})
    assert updates.file_of(info) == name.format("0" * 64)
    assert updates.file_of(FileInfo(path, 1, {"sha512": "1" * 128})) == name.format("1" * 128)


def answer(body: bytes, status: str = "200 OK", length: Optional[int] = None) -> bytes:
    """An HTTP answer that says its length, or another one; a negative one is not said."""
    told = len(body) if length is None else length
    head = f"Content-Length: {told}\r\n" if told >= 0 else ""
    return f"HTTP/1.1 {status}\r\n{head}Connection: close\r\n\r\n".encode() + body


def info_of(data: bytes, *algorithms: str) -> FileInfo:
    target = TargetFile.from_data("x", data, list(algorithms) or ["sha256"])
    return FileInfo("x", target.length, target.hashes)


def fetched(tmp_path: pathlib.Path, info: FileInfo, *answers: bytes) -> bool:
    with stage(*answers) as server:
        return download(http(), f"{server.url}/x", info, files_in(tmp_path), "/into/x")


@pytest.mark.parametrize("algorithms", [["sha256"], ["sha512"], ["sha256", "sha512"]])
@pytest.mark.parametrize("data", [b"data", b"", bytes(200_000)])
def test_a_download(tmp_path: pathlib.Path, algorithms: list[str], data: bytes) -> None:
    assert fetched(tmp_path, info_of(data, *algorithms), answer(data))
    assert (tmp_path / "into" / "x").read_bytes() == data


def test_a_download_that_does_not_tell_its_length(tmp_path: pathlib.Path) -> None:
    assert fetched(tmp_path, info_of(b"data"), answer(b"data", length=-1))
    assert (tmp_path / "into" / "x").read_bytes() == b"data"


def test_what_is_there_is_not_fetched(tmp_path: pathlib.Path) -> None:
    info = info_of(b"data")
    assert fetched(tmp_path, info, answer(b"data"))
    assert not download(http(), "http://127.0.0.1:1/", info, files_in(tmp_path), "/into/x")


@pytest.mark.parametrize("old", [b"DATA", b"dat", b"data."])
def test_what_is_there_but_wrong_is_replaced(tmp_path: pathlib.Path, old: bytes) -> None:
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "x").write_bytes(old)
    (tmp_path / "into" / "x.part").write_bytes(b"of an earlier try")
    assert fetched(tmp_path, info_of(b"data"), answer(b"data"))
    assert [path.read_bytes() for path in (tmp_path / "into").iterdir()] == [b"data"]


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        (answer(b"DATA"), Corrupt),
        (answer(b"dat"), Corrupt),
        (answer(b"data."), Corrupt),
        (answer(b"data.", length=-1), Corrupt),
        (answer(b"dat", length=4), Unreachable),
        (answer(b"data", "404 Not Found"), Unreachable),
        (answer(b"data", "403 Forbidden"), Unreachable),
        (answer(b"data", "500 Oops"), Unreachable),
        (answer(b"data", "410 Gone"), BadAnswer),
        (answer(b"data", "206 Partial Content"), BadAnswer),
    ],
)
def test_a_bad_download_leaves_nothing(tmp_path: pathlib.Path, sent: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        fetched(tmp_path, info_of(b"data"), sent)
    assert list((tmp_path / "into").iterdir()) == []


def test_a_target_with_hashes_that_we_do_not_know(tmp_path: pathlib.Path) -> None:
    info = FileInfo("x", 4, {"blake2b-256": "00" * 32})
    with pytest.raises(Corrupt, match="none of the hashes sha256, sha512"):
        fetched(tmp_path, info, answer(b"data"))


def test_too_much_is_refused_as_it_comes() -> None:
    check = info_of(b"data").checking()
    check.update(b"dat")
    with pytest.raises(Corrupt, match="longer than the promised 4 bytes"):
        check.update(b"a.")


def test_one_wrong_hash_of_two_is_enough(tmp_path: pathlib.Path) -> None:
    good = info_of(b"data", "sha256", "sha512")
    bad = FileInfo("x", 4, {**good.hashes, "sha512": "0" * 128})
    with pytest.raises(Corrupt, match="has sha512"):
        fetched(tmp_path, bad, answer(b"data"))


# Places that metadata comes from.


def test_metadata_over_http() -> None:
    with stage(answer(b"data")) as server:
        fetch = HttpFetch(http(), server.url + "/repo/")
        assert fetch("1.root.json", 4) == b"data"
        assert server.asked[0].startswith(b"GET /repo/1.root.json HTTP/1.1\r\n")


@pytest.mark.parametrize("status", ["404 Not Found", "403 Forbidden"])
def test_metadata_that_is_not_there(status: str) -> None:
    with stage(answer(b"data", status)) as server:
        assert HttpFetch(http(), server.url)("2.root.json", 100) is None


@pytest.mark.parametrize("length", [None, -1])
def test_metadata_without_end(length: Optional[int]) -> None:
    with stage(answer(bytes(300_000), length=length)) as server:
        fetch = HttpFetch(http(), server.url)
        with pytest.raises(Corrupt, match="longer than the 299999 bytes that are allowed"):
            fetch("timestamp.json", 299_999)


class Counting:
    """A stream without end."""

    def __init__(self, told: str) -> None:
        self.status = 200
        self.headers = {"content-length": told} if told else {}
        self.given = 0

    def __enter__(self) -> Counting:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def read(self, size: int) -> bytes:
        self.given += size
        return bytes(size)


@pytest.mark.parametrize(
    ("told", "given"),
    [("", 100_001), ("100001", 0), ("100000", 100_001), ("\xb2", 100_001), ("9" * 5000, 100_001), ("-1", 100_001)],
)
def test_only_one_byte_too_many_is_read(told: str, given: int) -> None:
    class Door:
        def stream(self, *_: object, **__: object) -> Counting:
            return stream

        def request(self, *_: object, **__: object) -> Any:
            raise AssertionError

    stream = Counting(told)
    with pytest.raises(Corrupt):
        HttpFetch(Door(), "http://x")("timestamp.json", 100_000)
    assert stream.given == given


def test_metadata_out_of_a_folder(repo: Repository, tmp_path: pathlib.Path) -> None:
    (tmp_path / "repo").mkdir()
    for name, data in repo.files.items():
        (tmp_path / "repo" / name).write_bytes(data)
    files = files_in(tmp_path)
    store = TrustStore(files, "/trust")
    store.begin(repo.first_root)
    TrustedUpdates(FolderFetch(files, "/repo"), store, NOW).refresh()
    assert (tmp_path / "trust" / "targets.json").exists()
    with pytest.raises(Corrupt, match="longer than the 10 bytes"):
        FolderFetch(files, "/repo")("timestamp.json", 10)
    assert FolderFetch(files, "/repo")("timestamp.json", len(repo.files["timestamp.json"])) is not None
