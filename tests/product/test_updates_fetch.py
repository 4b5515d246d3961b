"""Downloads: resumed where they were cut, verified on every byte, and stopped at the first failure."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from product_fakes import FakeClock, Heard, files_in
from updates_fakes import URL, FileServer, Wanted

from sdcupgrade.errors import Corrupt, HttpError, StorageError, Unreachable
from sdcupgrade.updates.fetch import PIECE, TRIES, fetch_all, path_of
from sdcupgrade.updates.source import UpdatesServer

DATA = bytes(range(256)) * 5000
ONE = Wanted("u1", DATA)
INTO = "/var/tmp/images"


class Download:
    """One work dir and one server."""

    def __init__(self, folder: pathlib.Path, *wanted: Wanted, **server: Any) -> None:
        self.wanted = wanted or (ONE,)
        self.folder = folder / INTO[1:]
        self.files = files_in(folder)
        self.clock = FakeClock()
        self.heard = Heard()
        self.server = FileServer({one.uuid: one.data for one in self.wanted}, **server)

    def run(self, parallel: int = 4) -> None:
        """Fetch everything."""
        source = UpdatesServer(self.server, URL)
        fetch_all(self.wanted, INTO, source, self.files, self.clock, self.heard, parallel)

    def got(self, one: Wanted = ONE) -> bytes:
        """The verified file."""
        return self.files.read(path_of(INTO, one.uuid))

    def names(self) -> list[str]:
        """What is in the folder."""
        return self.files.listdir(INTO)


def test_an_image_arrives_whole_and_alone(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path)
    download.run()
    assert download.got() == DATA
    assert download.names() == ["u1.image"]
    assert download.server.asked[0][0] == f"{URL}/images/u1/file?channel=dev"


def test_what_is_there_already_is_not_fetched_again(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path)
    download.run()
    download.run()
    assert len(download.server.asked) == 1


def test_a_file_that_rotted_is_fetched_again(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path)
    download.files.write(path_of(INTO, "u1"), b"x" + DATA[1:])
    download.run()
    assert download.got() == DATA


def test_a_cut_connection_is_taken_up_where_it_was(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path, cuts=[PIECE + 5, 100])
    download.run()
    assert download.got() == DATA
    assert download.server.starts() == ["", f"bytes={PIECE + 5}-", f"bytes={PIECE + 105}-"]
    assert download.server.asked[1][1]["If-Range"] == '"one"'


def test_without_ranges_it_starts_over(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path, cuts=[1000], ranges=False)
    download.run()
    assert download.got() == DATA


def test_a_file_that_changed_meanwhile_starts_over(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path, cuts=[1000])
    download.files.write(f"{INTO}/u1.part", DATA[:500])
    beside = {"sha1": ONE.sha1, "size": ONE.size, "etag": '"old"'}
    download.files.write(f"{INTO}/u1.part.json", json.dumps(beside).encode())
    download.run()
    assert download.got() == DATA
    assert download.server.starts()[0] == "bytes=500-"


def killed(download: Download) -> None:
    """Leave what a killed run leaves: a part, and the tag beside it."""
    download.server.failures = 0
    download.server.cuts = [1000] + [0] * (TRIES + 1)
    with pytest.raises(Unreachable):
        download.run()
    download.server.cuts = []
    download.server.asked.clear()


def test_a_later_run_goes_on_from_the_bytes_it_finds(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path)
    killed(download)
    download.run()
    assert download.got() == DATA
    assert download.server.starts() == ["bytes=1000-"]


def test_kept_bytes_are_hashed_and_not_believed(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path)
    killed(download)
    download.files.write(f"{INTO}/u1.part", b"?" * 1000)
    download.run()
    assert download.got() == DATA
    assert download.server.starts() == ["bytes=1000-", ""]


def test_a_part_of_another_promise_is_thrown_away(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path)
    download.files.write(f"{INTO}/u1.part", b"?" * 1000)
    download.run()
    assert download.server.starts() == [""]


def test_a_whole_part_is_verified_without_asking_anyone(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path)
    killed(download)
    download.files.write(f"{INTO}/u1.part", DATA)
    download.run()
    assert (download.got(), download.server.asked) == (DATA, [])


def test_a_weak_tag_guards_no_range(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path, cuts=[1000], etag='W/"one"')
    download.run()
    assert "If-Range" not in download.server.asked[1][1]
    assert download.got() == DATA


def test_wrong_bytes_are_fetched_once_more(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path, spoilt=1)
    download.run()
    assert download.got() == DATA
    assert len(download.server.asked) == 2


def test_bytes_that_stay_wrong_are_refused_and_get_no_name(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path, spoilt=9)
    with pytest.raises(Corrupt, match=r"image u1 \(imgapi v1\): the bytes have sha1 .* promised was"):
        download.run()
    assert download.names() == []
    assert len(download.server.asked) == 2


@pytest.mark.parametrize("size", [len(DATA), len(DATA) // 2])
def test_more_bytes_than_promised_are_refused(tmp_path: pathlib.Path, size: int) -> None:
    download = Download(tmp_path, Wanted("u1", DATA[:size]), surplus=b"more")
    with pytest.raises(Corrupt, match=f"more than the {size} promised"):
        download.run()


def test_a_range_from_elsewhere_is_refused(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path, cuts=[1000], shift=1)
    download.run()
    assert "asked for bytes from 1000, the server sends from 1001" in "".join(download.heard.texts("note"))
    assert download.server.starts() == ["", "bytes=1000-", ""]


def test_another_length_is_refused_before_a_byte_is_read(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path, length=7)
    with pytest.raises(Corrupt, match="has 7 bytes, the manifest promises 1280000"):
        download.run()


def test_a_server_that_ends_before_the_kept_bytes_is_refused(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path)
    killed(download)
    download.server.files["u1"] = DATA[:900]
    with pytest.raises(Corrupt, match="has 900 bytes"):
        download.run()
    assert "the server's file ends at 1000 of the 1280000" in "".join(download.heard.texts("note"))


def test_a_server_that_is_away_is_waited_for_with_longer_pauses(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path, failures=3)
    began = download.clock.now
    download.run()
    assert download.clock.now - began == 1 + 2 + 4
    assert download.got() == DATA


def test_a_server_that_stays_away_is_given_up(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path, failures=99)
    with pytest.raises(Unreachable, match=r"gave up after .* at 0 of 1280000 bytes: .*connection refused"):
        download.run()
    assert len(download.server.asked) == TRIES + 1


def test_getting_further_starts_the_count_anew(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path, cuts=[10] * (3 * TRIES))
    download.run()
    assert download.got() == DATA


def test_a_server_that_cuts_at_the_same_byte_for_ever_is_given_up(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path, cuts=[1000] * 99, ranges=False)
    with pytest.raises(Unreachable, match="at 1000 of 1280000 bytes: the connection ended early"):
        download.run()


def test_a_refusal_is_not_tried_again(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path, refuses=404)
    with pytest.raises(HttpError, match="404 ResourceNotFound: image not found"):
        download.run()
    assert len(download.server.asked) == 1


def test_a_server_error_is_tried_again(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path, refuses=503)
    with pytest.raises(Unreachable, match="503"):
        download.run()
    assert len(download.server.asked) == TRIES + 1


def test_many_images_come_side_by_side(tmp_path: pathlib.Path) -> None:
    wanted = [Wanted(f"u{number}", DATA[: 1000 + number]) for number in range(9)]
    download = Download(tmp_path, *wanted)
    download.run(parallel=4)
    assert [download.got(one) == one.data for one in wanted] == [True] * 9


def test_the_first_failure_keeps_the_others_from_starting(tmp_path: pathlib.Path) -> None:
    wanted = [Wanted(f"u{number}", DATA) for number in range(9)]
    download = Download(tmp_path, *wanted)
    download.server.files["u0"] = DATA[:-1] + b"?"
    with pytest.raises(Corrupt, match="image u0"):
        download.run(parallel=1)
    assert {url.split("/")[4] for url, _ in download.server.asked} == {"u0"}


def test_ctrl_c_keeps_what_is_there(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*futures: object, **options: object) -> None:
        raise KeyboardInterrupt

    download = Download(tmp_path, *(Wanted(f"u{number}", DATA) for number in range(9)))
    monkeypatch.setattr("concurrent.futures.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        download.run(parallel=1)
    assert len(download.server.asked) < 9


def test_progress_adds_up(tmp_path: pathlib.Path) -> None:
    download = Download(tmp_path, ONE, Wanted("u2", DATA))
    download.run()
    last = [event for event in download.heard.events if event.what == "download"][-1]
    assert (last.kind, last.done, last.total) == ("progress", 2 * len(DATA), 2 * len(DATA))


def test_room_is_looked_for_before_the_first_byte(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    download = Download(tmp_path)
    monkeypatch.setattr(type(download.files), "free", lambda files, path: 64 << 20)
    with pytest.raises(StorageError, match="has 64 MiB free; the images need 1 MiB"):
        download.run()
    assert download.server.asked == []
