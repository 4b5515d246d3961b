"""What the doctor says of the root of trust, of metadata seen before, and of the time at which it was verified."""

from __future__ import annotations

import pathlib
from dataclasses import replace

import pytest
from product_fakes import FakeClock
from test_stages_doctor import Ward
from trust_repo import DAY, NOW, Repository, day

from sdcupgrade.stages.doctor import Answer, Need
from sdcupgrade.stages.site import SourceOptions
from sdcupgrade.updates.believed import SITE_ROOT, store_of
from sdcupgrade.updates.trusted import TrustedUpdates, TrustStore


class Believer:
    """A workstation with a root of trust of its own."""

    def __init__(self, folder: pathlib.Path) -> None:
        self.ward = Ward(folder)
        self.repo = Repository()
        self.files = self.ward.doors.files
        self.files.write(SITE_ROOT, self.repo.first_root)
        self.store = TrustStore(self.files, store_of(self.files, self.repo.first_root))

    def refresh(self, days: float = 0.0) -> None:
        """What a command that uses metadata does, so many days after NOW."""
        self.store.begin(self.repo.first_root)
        TrustedUpdates(self.repo, self.store, NOW + days * DAY).refresh()

    def at(self, days: float) -> dict[str, Answer]:
        """What is said so many days after NOW, by check."""
        self.ward.doors = replace(self.ward.doors, clock=FakeClock(NOW + days * DAY))
        return {answer.check: answer for answer in self.ward.examined(offline=True).values()}


@pytest.fixture
def believer(tmp_path: pathlib.Path) -> Believer:
    return Believer(tmp_path)


def test_no_root_of_trust_is_no_harm_unless_all_must_be_signed(tmp_path: pathlib.Path) -> None:
    ward = Ward(tmp_path)
    found = {answer.check: answer for answer in ward.examined().values()}
    assert (found["trust-root"].ok, found["trust-root"].need) == (False, Need.OPTIONAL)
    assert "--trust-root FILE" in found["trust-root"].remedy
    assert "metadata" not in found
    ward.wanted = replace(ward.wanted, require_signed=True)
    assert ward.lacks() == {"trust-root"}


def test_a_root_that_is_named_must_be_there(believer: Believer) -> None:
    believer.ward.wanted = SourceOptions(trust_root="/var/tmp/root.json")
    assert believer.ward.lacks(offline=True) == {"trust-root"}


def test_a_root_in_force(believer: Believer) -> None:
    answer = believer.at(1)["trust-root"]
    assert (answer.ok, answer.subject) == (True, SITE_ROOT)
    assert answer.evidence == "version 1, good for 29 days yet (2023-12-14)"


def test_a_root_that_does_not_verify_itself_lacks_always(believer: Believer) -> None:
    believer.files.write(SITE_ROOT, believer.repo.first_root.replace(b'"version": 1', b'"version": 2'))
    assert not believer.at(0)["trust-root"].ok
    assert believer.ward.lacks(offline=True) == {"trust-root"}


def test_an_expired_root_is_renewed_by_the_one_it_handed_over_to(believer: Believer) -> None:
    assert believer.at(31)["trust-root"].evidence == "version 1, expired 1 day ago (2023-12-14)"
    believer.repo.root.expires = day(90)
    believer.repo.publish("root")
    believer.refresh()
    answer = believer.at(31)["trust-root"]
    assert (answer.ok, answer.evidence) == (True, "version 2, good for 59 days yet (2024-02-12)")


def test_metadata_is_told_by_what_ends_first(believer: Believer) -> None:
    assert believer.at(0)["metadata"].evidence == "none was verified here yet; prepare brings it"
    believer.repo.timestamp.expires = day(7)
    believer.repo.publish("timestamp")
    believer.refresh(days=1)
    assert believer.at(2)["metadata"].evidence == (
        "verified last 2023-11-15; timestamp good for 5 days yet (2023-11-21)"
    )
    late = believer.at(9)["metadata"]
    assert (late.ok, late.need) == (False, Need.OPTIONAL)
    assert "--metadata" in late.remedy


def test_a_damaged_store_is_told_and_not_feared(believer: Believer) -> None:
    believer.refresh()
    believer.store.write("snapshot", b"{")
    found = believer.at(0)
    assert not found["metadata"].ok
    assert found["trust-root"].ok


def test_a_clock_before_the_last_verification_is_wrong(believer: Believer) -> None:
    believer.refresh(days=2)
    assert believer.at(2)["clock"].ok
    answer = believer.at(1)["clock"]
    assert (answer.ok, answer.need) == (False, Need.YES)
    assert "before the time at which metadata was verified here, 2023-11-16" in answer.evidence


def test_looking_writes_nothing(believer: Believer, tmp_path: pathlib.Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    believer.at(0)
    assert sorted(tmp_path.rglob("*")) == before
