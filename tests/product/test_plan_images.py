"""Images: their age, their chains of origins, and the order of downloads."""

from __future__ import annotations

from dataclasses import replace

import pytest
from plan_builders import HEADNODE, NODE, image, inventory, uuid

from sdcupgrade.model import Image
from sdcupgrade.plan.document import ImageRef
from sdcupgrade.plan.images import Chain, Wanted, chain, compact, downloads_for, file_channel, reference, stamp

BASE = image(1, "triton-origin", 1)
MIDDLE = image(2, "sdc-base", 2, origin=1)
TOP, OTHER = image(3, "vmapi", 20, origin=2), image(4, "papi", 20, origin=1)
KNOWN = {one.uuid: one for one in (BASE, MIDDLE, TOP, OTHER)}
EMPTY = replace(inventory(), imgapi_images=frozenset(), installed={HEADNODE: frozenset(), NODE: frozenset()})


@pytest.mark.parametrize(
    ("version", "published_at", "expected"),
    [
        ("master-20240118T143155Z-gabc1234", "", "20240118T143155Z"),
        ("release-20240125-20240125T023344Z-gabc1234", "", "20240125T023344Z"),
        ("fix-20200101T000000Z-again-20240125T023344Z-gabc1234", "", "20240125T023344Z"),
        ("1.39.0", "2024-01-18T14:40:02.113Z", "20240118T144002Z"),
        ("1.39.0", "", ""),
    ],
)
def test_the_age_of_an_image_is_the_last_stamp_of_its_version(version: str, published_at: str, expected: str) -> None:
    assert stamp(replace(TOP, version=version, published_at=published_at)) == expected


def test_a_date_is_compacted_and_half_a_date_is_none() -> None:
    assert compact("2024-01-18T14:31:55Z") == "20240118T143155Z"
    assert compact("2024-01-18") == ""


def test_a_chain_has_the_deepest_origin_first() -> None:
    assert chain(TOP, KNOWN, ()) == Chain((BASE, MIDDLE, TOP))


def test_a_chain_ends_above_what_imgapi_has() -> None:
    assert chain(TOP, KNOWN, {MIDDLE.uuid}) == Chain((TOP,))
    assert chain(TOP, KNOWN, {TOP.uuid}) == Chain(())


def test_a_chain_tells_the_origin_that_nobody_has() -> None:
    assert chain(TOP, {TOP.uuid: TOP, MIDDLE.uuid: MIDDLE}, ()) == Chain((MIDDLE, TOP), BASE.uuid)


def test_a_loop_of_origins_is_a_lack_and_not_for_ever() -> None:
    looped = {**KNOWN, BASE.uuid: replace(BASE, origin=TOP.uuid)}
    assert chain(TOP, looped, ()).lacking == TOP.uuid


def test_a_chain_too_deep_for_imgapi_is_a_lack() -> None:
    deep: dict[str, Image] = {}
    for number in range(200):
        one = image(number, "deep", origin=number + 1)
        deep[one.uuid] = one
    assert chain(deep[uuid("image", 0)], deep, ()).lacking


def test_downloads_go_by_generation_and_a_shared_origin_comes_once() -> None:
    found = downloads_for([Wanted(TOP, (NODE,)), Wanted(OTHER, (HEADNODE,))], KNOWN, EMPTY, "dev")
    assert [(one.name, one.generation) for one in found] == [
        ("triton-origin", 0),
        ("papi", 1),
        ("sdc-base", 1),
        ("vmapi", 2),
    ]
    assert found[0].servers == tuple(sorted((HEADNODE, NODE)))
    assert found[3].servers == (NODE,)


def test_a_download_carries_what_verifying_needs() -> None:
    (found,) = downloads_for([Wanted(BASE, ())], KNOWN, EMPTY, "dev")
    assert (found.size, found.sha1, found.present, found.servers) == (50 << 20, f"{1:040x}", False, ())
    assert found.manifest == BASE.manifest


def test_an_image_that_imgapi_has_is_present_and_still_installed_where_it_lacks() -> None:
    held = replace(EMPTY, imgapi_images=frozenset({TOP.uuid}), installed={HEADNODE: frozenset({TOP.uuid})})
    (found,) = downloads_for([Wanted(TOP, (HEADNODE, NODE))], KNOWN, held, "dev")
    assert (found.present, found.servers, found.generation) == (True, (NODE,), 0)


def test_an_image_without_file_has_no_bytes() -> None:
    (found,) = downloads_for([Wanted(replace(BASE, file=None), ())], KNOWN, EMPTY, "dev")
    assert (found.size, found.sha1) == (0, "")


@pytest.mark.parametrize(
    ("channels", "asked", "expected"),
    [(("dev", "release"), "release", "release"), (("staging",), "dev", "staging"), ((), "dev", "dev")],
)
def test_the_file_is_asked_from_a_channel_that_has_it(channels: tuple[str, ...], asked: str, expected: str) -> None:
    assert file_channel(replace(TOP, channels=channels), asked) == expected


def test_an_image_that_nobody_knows_is_shown_by_its_uuid() -> None:
    assert reference("u", None) == ImageRef("u", "", "")
    assert reference(TOP.uuid, TOP) == ImageRef(TOP.uuid, TOP.version, TOP.published_at)
