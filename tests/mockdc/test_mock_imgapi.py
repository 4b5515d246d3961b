"""The images servers answer as the recordings of the real one; and what the recordings do not show."""

from __future__ import annotations

import pathlib

import pytest
from imgapi_servers import (
    ADMIN,
    IMAGE,
    SOURCE,
    ask,
    empty,
    import_empty,
    replay_dc,
    replay_signed,
    replay_updates,
    server,
)
from mockdc.apis.web import FileBody
from mockdc.core.datacenter import Datacenter
from replay import Difference

KNOWN = {
    ("updates-108-import-baduuid", "$.message"),  # repeats the query; a word of restify's that nobody reads
    ("signed-007-ping-skew", "$.message"),  # tells the skew
    ("dc-011-jobs", "$[0].params.skip_owner_check"),  # which of the two jobs of a race fails is chance
    ("dc-011-jobs", "$[1].info"),  # the real jobs have it or not, without visible reason
}
"""Where the box is known to differ."""
CHILD, ORIGIN, SAPI = f"{IMAGE}02", f"{IMAGE}05", f"{IMAGE}03"
NOBODY = "00000000-0000-0000-0000-000000000000"


@pytest.fixture
def dc(tmp_path: pathlib.Path) -> Datacenter:
    return empty(tmp_path)


@pytest.fixture
def published(dc: Datacenter) -> Datacenter:
    """With the images of the recording on the updates server."""
    replay_updates(dc)
    return dc


def report(found: list[Difference]) -> str:
    bad = [one for one in found if (one.call, one.where) not in KNOWN]
    return "\n".join(f"{one.call} {one.grade} {one.where} {one.what}" for one in bad)


def test_the_updates_server_answers_as_recorded(dc: Datacenter) -> None:
    assert report(replay_updates(dc)) == ""


def test_a_server_that_wants_signatures_answers_as_recorded(dc: Datacenter) -> None:
    assert report(replay_signed(dc, "updates")) == ""


def test_the_server_of_a_datacenter_answers_as_recorded(published: Datacenter) -> None:
    assert report(replay_dc(published)) == ""


def test_the_updates_server_ignores_ranges(published: Datacenter) -> None:
    answer = ask(server(published, "updates"), "GET", f"{CHILD}/file", range="bytes=10-19")
    assert (answer.status, answer.body.size) == (200, 90)


def test_a_mirror_gives_the_part_asked_for(published: Datacenter) -> None:
    published.store.set_meta("imgapi:updates:ranges", True)
    updates = server(published, "updates")
    mark = ask(updates, "GET", f"{CHILD}/file").headers["Etag"]
    answer = ask(updates, "GET", f"{CHILD}/file", range="bytes=80-", if_range=mark)
    assert answer.body == FileBody(str(published.image_path("updates", CHILD.rpartition("/")[2])), 10, 80)
    assert (answer.status, answer.headers["Content-Range"]) == (206, "bytes 80-89/90")


@pytest.mark.parametrize(("asked", "mark", "status"), [
    ("bytes=90-", None, 416), ("bytes=0-", '"another"', 200), ("bytes=-5", None, 206), ("lines=1-2", None, 200)])
def test_a_mirror_judges_ranges(published: Datacenter, asked: str, mark: str, status: int) -> None:
    published.store.set_meta("imgapi:updates:ranges", True)
    more = {"if_range": mark} if mark else {}
    assert ask(server(published, "updates"), "GET", f"{CHILD}/file", range=asked, **more).status == status


def test_an_old_imgapi_refuses_channels_and_knows_no_nobody(dc: Datacenter) -> None:
    dc.store.set_meta("imgapi:imgapi:old", True)
    imgapi, uuid = server(dc, "imgapi"), SAPI.rpartition("/")[2]
    start = f'{{"v":2,"uuid":"{uuid}","name":"sapi","version":"1","type":"other","os":"other"'
    with_channels = ask(imgapi, "POST", f"{SAPI}?action=import", start + f',"owner":"{ADMIN}","channels":["dev"]}}')
    assert with_channels.body["message"] == 'invalid extra parameters: "channels"'
    of_nobody = ask(imgapi, "POST", f"{SAPI}?action=import", start + f',"owner":"{NOBODY}"}}')
    assert of_nobody.body["code"] == "OwnerDoesNotExist"


def test_an_import_without_missing_origins_can_be_destroyed_by_its_twin(published: Datacenter) -> None:
    imgapi = server(published, "imgapi")
    for _ in range(2):
        ask(imgapi, "POST", f"{SAPI}?action=import-remote&source={SOURCE}%3Fchannel%3Drelease")
    published.clock.sleep(60)
    states = [job["execution"] for job in ask(imgapi, "GET", f"{SAPI}/jobs").body]
    assert (states, ask(imgapi, "GET", SAPI).status) == (["failed", "failed"], 404)


def test_import_remote_takes_its_time(published: Datacenter) -> None:
    imgapi = server(published, "imgapi")
    ask(imgapi, "POST", f"{CHILD}?action=import-remote&source={SOURCE}")
    seen = [ask(imgapi, "GET", CHILD).status]
    published.clock.sleep(1.2)
    seen.append(ask(imgapi, "GET", CHILD).body["state"])
    published.clock.sleep(60)
    seen.append(ask(imgapi, "GET", CHILD).body["state"])
    assert seen == [404, "unactivated", "active"]


def test_an_origin_must_be_active_before_its_child_comes(dc: Datacenter) -> None:
    updates = server(dc, "updates")
    import_empty(updates, "05")
    body = (f'{{"v":2,"uuid":"{CHILD.rpartition("/")[2]}","name":"x","version":"1","type":"other","os":"other",'
            f'"origin":"{ORIGIN.rpartition("/")[2]}"}}')
    assert ask(updates, "POST", f"{CHILD}?action=import", body).body["code"] == "OriginIsNotActive"


def test_force_all_channels_deletes_from_all(published: Datacenter) -> None:
    updates = server(published, "updates")
    assert ask(updates, "DELETE", f"{CHILD}?force_all_channels=true").status == 204
    assert ask(updates, "GET", f"{CHILD}?channel=*").body["code"] == "ResourceNotFound"


def test_a_list_can_be_made_stale(published: Datacenter) -> None:
    published.store.set_meta("imgapi:updates:stale_s", 300)
    updates = server(published, "updates")
    count = len(ask(updates, "GET", "/images").body)
    ask(updates, "DELETE", CHILD)
    seen = [len(ask(updates, "GET", "/images").body)]
    published.clock.sleep(300)
    assert [*seen, len(ask(updates, "GET", "/images").body)] == [count, count - 1]
