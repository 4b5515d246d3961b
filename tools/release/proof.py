"""Whether a site believes it: the product's own client reads the metadata, knowing the first root and nothing else."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence

from release.failed import Failed
from release.images import Release
from release.repository import Repository
from sdcupgrade.doors.files import RootedFiles
from sdcupgrade.errors import SdcupgradeError
from sdcupgrade.updates.believed import Believed
from sdcupgrade.updates.trusted import FolderFetch


def prove(repository: Repository, releases: Sequence[Release] = ()) -> None:
    """That a site believes the metadata now, and that it vouches for these files. Raises Failed."""
    roots = repository.versions("root")
    if not roots:
        raise Failed(f"{repository.folder}: there is no metadata in it; `keys` begins a repository")
    root = (repository.folder / f"{roots[0]}.root.json").read_bytes()
    fetch = FolderFetch(RootedFiles(str(repository.folder)), "")
    with tempfile.TemporaryDirectory(prefix="sdcupgrade-proof-") as store:
        believed = Believed(RootedFiles(store), root, fetch, time.time())
        try:
            believed.refresh()
            unsigned = [one.target for one in releases if not _vouched(believed, one)]
        except SdcupgradeError as why:
            raise Failed(f"{repository.folder}: a site would not believe this: {why.message}") from why
    if unsigned:
        raise Failed(f"not signed in {repository.folder}: {', '.join(unsigned)}; sign first; nothing was published")


def _vouched(believed: Believed, release: Release) -> bool:
    found = believed.find(release.name, release.uuid)
    return found is not None and (found.length, found.hashes.get("sha256")) == (release.size, release.sha256)
