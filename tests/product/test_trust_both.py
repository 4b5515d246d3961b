"""Repositories, right and wrong at random, refreshed by sdcupgrade and by python-tuf's own client: they agree."""

from __future__ import annotations

import pathlib
import random
from collections.abc import Iterator

import pytest

pytest.importorskip("tuf", reason="python-tuf is the repository side, and needs a newer python")

from securesystemslib.signer import CryptoSigner
from trust_repo import NOW, TOP, Client, Repository, day
from tuf.api.exceptions import DownloadError, DownloadHTTPError, RepositoryError
from tuf.ngclient import FetcherInterface, Updater

from sdcupgrade.errors import SdcupgradeError


class Fetcher(FetcherInterface):
    """python-tuf's way to the files of a repository."""

    def __init__(self, repository: Repository) -> None:
        self.files = repository.files

    def _fetch(self, url: str) -> Iterator[bytes]:
        name = url.rpartition("/")[2]
        if name not in self.files:
            raise DownloadHTTPError("not there", 404)
        yield self.files[name]


def theirs(repository: Repository, folder: pathlib.Path) -> bool:
    """Whether python-tuf's client believes the repository."""
    updater = Updater(str(folder), "http://x/", fetcher=Fetcher(repository), bootstrap=repository.first_root)
    updater._trusted_set.reference_time = day(0)
    try:
        updater.refresh()
    except (RepositoryError, DownloadError):
        return False
    return True


def ours(client: Client) -> bool:
    """Whether sdcupgrade does."""
    try:
        client.refresh(NOW)
    except SdcupgradeError:
        return False
    return True


def happen(repo: Repository, dice: random.Random) -> None:
    """Something that keepers of repositories, or those who broke into them, do."""
    role = dice.choice(TOP)
    event = dice.randrange(9)
    if event == 0:
        repo.roles[role].expires = day(dice.choice([-1, 1]))
    elif event == 1:
        repo.hashed = not repo.hashed
    elif event == 2 and role != "root":
        repo.rotate(role)
        repo.publish("root")
    elif event == 3 and role != "root":
        repo.roles[role].version = max(0, repo.roles[role].version - dice.randrange(1, 4))
    elif event == 4:
        repo.signers[role].append(CryptoSigner.generate_ed25519())
    elif event == 5 and role != "root":
        repo.root.roles[role].threshold = dice.choice([1, 1, 2])
        repo.publish("root")
    elif event == 6 and role != "root":
        repo.files.pop(repo.name(role), None)
    elif event == 7:
        repo.publish(role, change=lambda body: body.update(version=body["version"] + dice.choice([-1, 0, 1])))
    repo.publish(*[name for name in ("targets", "snapshot", "timestamp") if dice.randrange(4)])


def mend(repo: Repository) -> None:
    """All in force, and signed as it should be."""
    for role in TOP:
        repo.roles[role].expires = day(30)
        if role != "root":
            repo.root.roles[role].threshold = 1
    repo.publish("root", "targets", "snapshot", "timestamp")


@pytest.mark.parametrize("seed", range(12))
def test_both_clients_agree(tmp_path: pathlib.Path, seed: int) -> None:
    dice = random.Random(seed)
    repo = Repository()
    client = Client(repo, tmp_path / "ours")
    results = []
    for number in range(12):
        happen(repo, dice)
        if number % 4 == 3:
            mend(repo)
        believed = ours(client)
        assert believed == theirs(repo, tmp_path / "theirs")
        results.append(believed)
    assert set(results) == {True, False}
