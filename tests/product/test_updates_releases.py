"""Which build is newer, and which of a channel's is gone to."""

from __future__ import annotations

import itertools

import pytest

from sdcupgrade.jsonvalue import Record
from sdcupgrade.model import Image
from sdcupgrade.updates.releases import Build, build_of, choose

NOW = Build("1.2.0", "main-20261110T101500Z-g0123abc")


def at(day: int, branch: str = "main") -> str:
    """A buildstamp."""
    return f"{branch}-202611{day:02d}T101500Z-g0123abc"


def image(version: str, stamp: object) -> Image:
    """A manifest with that version and buildstamp."""
    text = {"uuid": f"{version}/{stamp}", "name": "sdcupgrade", "version": version, "tags": {"buildstamp": stamp}}
    return Image.read(Record(dict(text), "image"))


def test_versions_are_ordered_as_semver_has_it() -> None:
    ordered = "0.9.9 1.0.0-1 1.0.0-2 1.0.0-10 1.0.0-a 1.0.0-a.1 1.0.0-rc 1.0.0 1.0.1 1.2.0 1.10.0 2.0.0"
    builds = [Build(version, at(1)) for version in ordered.split()]
    for low, high in itertools.combinations(builds, 2):
        assert "is an older version than" in low.behind(high)
        assert high.behind(low) == ""


def test_time_counts_and_the_branch_does_not() -> None:
    later, earlier = Build("1.0.0", at(9, "a-branch")), Build("1.0.0", at(8, "zebra-20270101T000000Zx"))
    assert earlier.behind(later) == f"{earlier} was built before {later}"
    assert later.behind(earlier) == ""
    assert later.behind(later) == ""


@pytest.mark.parametrize(
    "build", [Build("1.2", at(1)), Build("v1.2.0", at(1)), Build("1.2.0", "x"), Build("01.2.0", at(1)), Build("", ""),
              Build("1.2.0", "../" + at(1)), Build("1.2.0/..", at(1)), Build("1.2.0+x", at(1))], ids=str,
)  # fmt: skip
def test_what_is_no_release(build: Build) -> None:
    assert not build.valid
    assert choose([image(build.version, build.stamp)], NOW).image is None


@pytest.mark.parametrize("tags", [None, {"buildstamp": 5}, ["buildstamp"]])
def test_an_image_without_a_buildstamp(tags: object) -> None:
    record = Record({"uuid": "u", "name": "sdcupgrade", "version": "1.3.0", "tags": tags}, "image")  # type: ignore[dict-item]
    assert build_of(Image.read(record)) == Build("1.3.0", "")


def test_the_newest_by_version_then_by_time() -> None:
    offered = [image("1.3.0", at(12)), image("1.10.0", at(11)), image("1.10.0", at(13)), image("1.4.0", at(20))]
    for given in itertools.permutations(offered):
        chosen = choose(given, NOW)
        assert chosen.image is not None
        assert build_of(chosen.image) == Build("1.10.0", at(13))
        assert chosen.passed == ()


def test_nothing_older_in_either_way_and_nothing_of_the_same_time() -> None:
    offered = [image("1.1.9", at(20)), image("1.3.0", at(9)), image("1.3.0", at(10)), image("1.2.0", at(10))]
    assert choose(offered, NOW) == choose([], NOW)
    assert choose([image("1.2.0", at(11))], NOW).image is not None


def test_what_is_passed_over_is_told() -> None:
    offered = [image("2.0.0", at(12)), image("1.3.0", at(12)), image("1.2.1", at(11)), image("1.4.0", "none")]
    chosen = choose(offered, NOW, {at(12)})
    assert chosen.image is not None
    assert chosen.image.version == "1.2.1"
    for text, reason in zip(chosen.passed, ("another major version", "gone back from", "is no release")):
        assert reason in text
    assert len(chosen.passed) == 3
    major = choose([image("2.0.0", at(12))], NOW, allow_major=True).image
    assert major is not None


def test_a_rejected_build_stays_rejected_whatever_its_version() -> None:
    assert choose([image("1.3.0", at(12))], NOW, {at(12)}).image is None
