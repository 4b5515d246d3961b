"""Which images a plan calls signed, and what becomes of those that nobody vouches for as they are."""

from __future__ import annotations

import pathlib
from dataclasses import replace
from typing import Any, cast

import pytest
from plan_builders import image
from product_fakes import FakeClock, Heard, files_in
from test_updates_believed import SHA256, UUID, Carrier, repository
from trust_repo import NOW

from sdcupgrade.doors import Doors
from sdcupgrade.errors import Untrusted
from sdcupgrade.log import NullLog
from sdcupgrade.stages.signed import signed_digests
from sdcupgrade.stages.site import Site, SourceOptions, Who
from sdcupgrade.updates.believed import SITE_ROOT
from sdcupgrade.updates.trust_archive import HeldFetch

NAME, VERSION = "imgapi", "master-20240523T094100Z"


class Bench:
    """A site with a root of trust, and a source with one image whose version is signed."""

    def __init__(self, folder: pathlib.Path, **custom: str) -> None:
        self.heard = Heard()
        self.wanted = SourceOptions()
        self.repo = repository(f"{NAME}/{UUID}", **custom)
        self.doors = Doors(*cast(Any, (None, None, None, files_in(folder), FakeClock(NOW))))
        self.doors.files.write(SITE_ROOT, self.repo.first_root)

    def signed(self, version: str) -> dict[str, str]:
        """What is signed of the image, which the source calls that version, and of another one."""
        one = image(1, NAME)
        images = {UUID: replace(one, uuid=UUID, version=version), "other": replace(one, uuid="other")}
        site = Site(self.doors, NullLog(), self.heard, cast(Any, None), Who(1, "root", "head"), self.wanted)
        return signed_digests(site, cast(Any, Carrier(HeldFetch(self.repo.files))), "dev", images)


def test_signed_is_what_the_signer_speaks_of(tmp_path: pathlib.Path) -> None:
    bench = Bench(tmp_path, name=NAME, uuid=UUID, version=VERSION)
    assert bench.signed(VERSION) == {UUID: SHA256}
    assert bench.heard.events == []


def test_a_signer_may_leave_the_version_out(tmp_path: pathlib.Path) -> None:
    assert Bench(tmp_path).signed("whatever") == {UUID: SHA256}


def test_an_old_image_shown_as_a_newer_one_is_not_signed(tmp_path: pathlib.Path) -> None:
    bench = Bench(tmp_path, version=VERSION)
    assert bench.signed("master-20261231T000000Z") == {}
    (said,) = bench.heard.texts("warning")
    assert said.startswith(f"all images count as unsigned: carrier calls imgapi {UUID} version master-20261231T000000Z")
    bench.wanted = SourceOptions(require_signed=True)
    with pytest.raises(Untrusted, match=f"its signer {VERSION}"):
        bench.signed("master-20261231T000000Z")


def test_metadata_that_is_not_believed_makes_all_unsigned_or_ends_it(tmp_path: pathlib.Path) -> None:
    bench = Bench(tmp_path)
    bench.repo.files["timestamp.json"] = b"{}"
    assert bench.signed(VERSION) == {}
    assert "all images count as unsigned" in bench.heard.texts("warning")[0]
    bench.wanted = SourceOptions(require_signed=True)
    with pytest.raises(Untrusted):
        bench.signed(VERSION)
