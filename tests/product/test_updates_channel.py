"""What "latest", a version and a uuid mean, in which channel, and which origins come along."""

from __future__ import annotations

from typing import Any, Callable, Optional

import pytest
from dc_fakes import FakeWeb
from updates_fakes import URL

from sdcupgrade.errors import BadAnswer, BadInput, HttpError
from sdcupgrade.model import Image
from sdcupgrade.updates.channel import channel_of, resolve, with_origins
from sdcupgrade.updates.source import UpdatesServer, content_range, file_channel

CHANNELS = [{"name": "experimental"}, {"name": "dev", "default": True}, {"name": "release"}]


def uuid(number: int) -> str:
    """The uuid of the numberth image."""
    return f"00000000-0000-4000-8000-{number:012}"


def manifest(number: int, name: str = "moray", version: str = "", origin: Optional[int] = None, **more: Any) -> Any:
    """The numberth image was published on the numberth day."""
    published = f"2024-{1 + number // 28:02}-{1 + number % 28:02}T00:00:00.000Z"
    found = {"uuid": uuid(number), "name": name, "version": version or f"v{number}", "published_at": published}
    return {**found, "channels": ["dev"], **({"origin": uuid(origin)} if origin is not None else {}), **more}


def parameters(line: str) -> dict[str, str]:
    """The query of a request line."""
    return dict(pair.split("=") for pair in line.partition("?")[2].split("&") if pair)


def serving(*manifests: Any, channels: object = CHANNELS, page: int = 1000) -> UpdatesServer:
    """An updates server with those images in channel dev; answers lists oldest first and markers inclusively."""

    def handler(line: str, body: bytes) -> tuple[int, Any]:
        asked = parameters(line)
        if line.startswith("GET /channels"):
            return (404, {"code": "ResourceNotFound"}) if channels is None else (200, channels)
        if asked.get("channel") not in ("dev", "%2A", "release"):
            return 422, {"code": "ValidationFailed", "message": "unknown channel: nope"}
        if line.startswith("GET /images?"):
            named = [one for one in manifests if one["name"] == asked["name"] and asked["channel"] in one["channels"]]
            uuids = [one["uuid"] for one in named]
            start = uuids.index(asked["marker"]) if "marker" in asked else 0
            return 200, named[start : start + page]
        found = [one for one in manifests if one["uuid"] in line]
        return (200, found[0]) if found else (404, {"code": "ResourceNotFound"})

    return UpdatesServer(FakeWeb({URL: handler}), URL + "/")


def test_latest_is_the_last_published_whatever_the_version_says() -> None:
    source = serving(manifest(1, version="zebra"), manifest(2, version="aardvark"))
    assert resolve(source, "moray", ("moray",), "latest", "dev").version == "aardvark"


def test_latest_is_compared_across_all_names_of_a_service() -> None:
    source = serving(manifest(1, "mantav2-moray"), manifest(3, "manta-moray"), manifest(2, "mantav2-moray"))
    found = resolve(source, "moray", ("mantav2-moray", "manta-moray"), "latest", "dev")
    assert found.uuid == uuid(3)


def test_of_two_builds_of_a_version_the_newer_is_taken() -> None:
    source = serving(manifest(1, version="v"), manifest(2, version="v"), manifest(3, version="w"))
    assert resolve(source, "moray", ("moray",), "v", "dev").uuid == uuid(2)


def test_an_unknown_version_is_answered_with_the_nearest() -> None:
    source = serving(manifest(1, version="master-20240118T143155Z-gabc1234"), manifest(2, version="other"))
    with pytest.raises(BadInput, match="no version 'master-20240118T143155Z-gabc1235'") as error:
        resolve(source, "moray", ("moray",), "master-20240118T143155Z-gabc1235", "dev")
    assert error.value.hint == "the nearest are: master-20240118T143155Z-gabc1234"


def test_a_uuid_is_found_in_any_channel() -> None:
    assert resolve(serving(manifest(1, channels=["release"])), "moray", ("moray",), uuid(1), "dev").uuid == uuid(1)


def test_an_unknown_uuid_is_bad_input() -> None:
    with pytest.raises(BadInput, match=f"moray: there is no image {uuid(9)}"):
        resolve(serving(), "moray", ("moray",), uuid(9), "dev")


def test_a_channel_without_such_an_image_is_bad_input() -> None:
    with pytest.raises(BadInput, match=r"channel 'release' .* has no image named a or b"):
        resolve(serving(manifest(1)), "moray", ("a", "b"), "latest", "release")


def test_an_unknown_channel_is_answered_with_those_there_are() -> None:
    with pytest.raises(BadInput, match="no channel 'nope'") as error:
        serving().images("moray", "nope")
    assert "dev, experimental, release" in error.value.hint


def test_the_channel_asked_for_wins_over_the_datacenter_s_over_the_default() -> None:
    assert channel_of(serving(), "release", "experimental") == "release"
    assert channel_of(serving(), None, "experimental") == "experimental"
    assert channel_of(serving(), None, None) == "dev"
    assert channel_of(serving(channels=None), None, None) == ""


def test_a_channel_that_only_sapi_knows_is_said_to_come_from_there() -> None:
    with pytest.raises(BadInput, match=r"no channel 'old' .*update_channel"):
        channel_of(serving(), None, "old")


def test_other_refusals_of_the_server_stay_what_they_are() -> None:
    source = UpdatesServer(FakeWeb({URL: lambda line, body: (403, {"code": "Forbidden"})}), URL)
    for ask in (source.channels, lambda: source.images("moray", "dev"), lambda: source.image(uuid(1))):
        with pytest.raises(HttpError):
            ask()


def test_pages_are_joined_though_the_marker_comes_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdcupgrade.dc.imgapi.PAGE", 3)
    source = serving(*(manifest(number) for number in range(8)), page=3)
    assert [image.uuid for image in source.images("moray", "dev")] == [uuid(number) for number in range(8)]


def chain_of(source: UpdatesServer, number: int, have: Callable[[str], bool] = lambda one: False) -> list[str]:
    """The uuids of an image and its missing origins."""
    image = source.image(uuid(number))
    assert image is not None
    return [one.uuid for one in with_origins(source, image, have)]


def test_missing_origins_come_deepest_first() -> None:
    source = serving(manifest(1), manifest(2, origin=1), manifest(3, origin=2))
    assert chain_of(source, 3) == [uuid(1), uuid(2), uuid(3)]


def test_origins_that_the_datacenter_has_end_the_chain() -> None:
    source = serving(manifest(1), manifest(2, origin=1), manifest(3, origin=2))
    assert chain_of(source, 3, lambda one: one == uuid(2)) == [uuid(3)]


def test_an_origin_that_is_nowhere_names_the_image_that_needs_it() -> None:
    with pytest.raises(BadAnswer, match=rf"image {uuid(3)} \(moray v3\) needs origin {uuid(2)}"):
        chain_of(serving(manifest(3, origin=2)), 3)


def test_a_loop_of_origins_is_refused() -> None:
    with pytest.raises(BadAnswer, match="make no end"):
        chain_of(serving(manifest(1, origin=2), manifest(2, origin=1)), 1)


def test_an_endless_chain_of_origins_is_refused() -> None:
    with pytest.raises(BadAnswer, match="make no end"):
        chain_of(serving(*(manifest(number, origin=number + 1) for number in range(150))), 0)


def image(channels: list[str]) -> Image:
    """An image in those channels."""
    found = serving(manifest(1, channels=channels)).image(uuid(1))
    assert found is not None
    return found


def test_a_file_is_asked_from_a_channel_that_has_it() -> None:
    assert file_channel(image(["dev", "release"]), "release") == "release"
    assert file_channel(image(["dev", "release"]), "staging") == "dev"
    assert file_channel(image([]), "staging") == "staging"


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("bytes 5-9/10", (5, 10)),
        ("bytes */10", (-1, 10)),
        ("bytes 5-9/*", (5, None)),
        ("lines 1-2/3", (-1, None)),
        ("", (-1, None)),
        ("bytes \xb2-9/\xb2", (-1, None)),
    ],
)
def test_content_ranges_are_read(text: str, meaning: tuple[int, Optional[int]]) -> None:
    assert content_range(text) == meaning
