"""Requests over real sockets: what comes back is an answer, and everything else is Unreachable with a reason."""

from __future__ import annotations

import pathlib
import socket
import tracemalloc

import pytest
from http_stage import ANSWER, HERE, http, stage, unused_port
from product_fakes import FakeClock, files_in

from sdcupgrade.doors.http import FileBody, UrllibHttp
from sdcupgrade.errors import BadAnswer, BadInput, StorageError, Unreachable
from sdcupgrade.log import NullLog


def test_an_answer_has_status_headers_and_body() -> None:
    with stage(b"HTTP/1.1 404 Not Found\r\nX-Thing: a\r\nx-thing: b\r\nContent-Length: 2\r\n\r\n{}") as server:
        answer = http().request("GET", f"{server.url}/images?name=x")
    assert (answer.status, answer.headers["x-thing"], answer.body) == (404, "a, b", b"{}")
    assert server.asked[0].startswith(b"GET /images?name=x HTTP/1.1\r\n")


def test_own_headers_replace_the_usual_ones() -> None:
    with stage() as server:
        http().request("GET", server.url, headers={"user-agent": "me", "X-New": "1"})
        http().request("GET", server.url)
    own, usual = (asked.decode().lower() for asked in server.asked)
    assert own.count("user-agent:") == 1
    assert "user-agent: me\r\n" in own
    assert "x-new: 1" in own
    assert "user-agent: sdcupgrade\r\n" in usual


def test_a_body_is_sent_with_its_length() -> None:
    with stage() as server:
        http().request("POST", server.url, body=b'{"a": 1}')
    assert server.asked[0].endswith(b"\r\n\r\n" + b'{"a": 1}')


def test_a_file_is_sent_as_a_body(tmp_path: pathlib.Path) -> None:
    content = bytes(range(256)) * 1000
    (tmp_path / "image.gz").write_bytes(content)
    with stage() as server:
        http(tmp_path).request("PUT", server.url, body=FileBody("/image.gz", len(content)))
    head, _, body = server.asked[0].partition(b"\r\n\r\n")
    assert body == content
    assert b"chunked" not in head


def test_a_file_that_is_shorter_than_said(tmp_path: pathlib.Path) -> None:
    (tmp_path / "image.gz").write_bytes(b"short")
    with stage() as server, pytest.raises(StorageError, match="shorter than the 99 bytes"):
        http(tmp_path).request("PUT", server.url, body=FileBody("/image.gz", 99))


def test_a_file_that_has_grown_is_sent_as_long_as_it_was_said_to_be(tmp_path: pathlib.Path) -> None:
    (tmp_path / "image.gz").write_bytes(b"short and more")
    with stage() as server:
        http(tmp_path).request("PUT", server.url, body=FileBody("/image.gz", 5))
    assert server.asked[0].endswith(b"\r\n\r\nshort")


def _large(folder: pathlib.Path) -> FileBody:
    """A file that fits into no buffer of a socket."""
    size = 32 << 20
    with (folder / "image.gz").open("wb") as file:
        file.truncate(size)
    return FileBody("/image.gz", size)


def test_an_early_refusal_of_an_upload_is_the_answer(tmp_path: pathlib.Path) -> None:
    """A server may answer and close before it has read everything; that answer is what the operator must see."""
    with stage(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n", hasty=True) as server:
        assert http(tmp_path).request("PUT", server.url, body=_large(tmp_path)).status == 413


def test_a_server_that_hangs_up_during_an_upload(tmp_path: pathlib.Path) -> None:
    with stage(b"", hasty=True) as server, pytest.raises(Unreachable):
        http(tmp_path).request("PUT", server.url, body=_large(tmp_path))


def test_a_file_is_never_in_memory_as_a_whole(tmp_path: pathlib.Path) -> None:
    tracemalloc.start()
    try:
        with stage(hasty=True) as server:
            http(tmp_path).request("PUT", server.url, body=_large(tmp_path))
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_chunked_bodies_are_joined() -> None:
    with stage(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n") as server:
        assert http().request("GET", server.url).body == b"abcde"


def test_a_body_without_length_ends_with_the_connection() -> None:
    with stage(b"HTTP/1.0 200 OK\r\n\r\nall of it") as server:
        assert http().request("GET", server.url).body == b"all of it"


def test_interim_answers_are_passed_over() -> None:
    with stage(b"HTTP/1.1 100 Continue\r\n\r\n" + ANSWER) as server:
        assert http().request("GET", server.url).body == b"hi"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_answers_that_have_no_body(status: str) -> None:
    with stage(f"HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\n".encode()) as server:
        assert http().request("GET", server.url).body == b""


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n1234",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n1234\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n1234",
    ],
)
def test_a_cut_answer_is_no_answer(answer: bytes) -> None:
    with stage(answer) as server, pytest.raises(Unreachable, match="cut off after 4 bytes"):
        http().request("GET", server.url)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP: SSH-2.0"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "not HTTP: a header line without a colon"),
        (b"HTTP/1.1 200 OK\r\nContent-", "not HTTP: a header line without a colon"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "cut off after 0 bytes"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20000 + b"\r\n", "not HTTP: got more than 100 headers"),
        (b"x" * 70000, "not HTTP: got more than 65536 bytes"),
        (b"", "closed before an answer came"),
    ],
)
def test_garbage_is_no_answer(answer: bytes, reason: str) -> None:
    with stage(answer) as server, pytest.raises(Unreachable, match=reason):
        http().request("GET", server.url)


def test_nobody_listens() -> None:
    with pytest.raises(Unreachable, match="connection refused") as caught:
        http().request("GET", f"http://127.0.0.1:{unused_port()}/ping")
    assert caught.value.hint == ""  # who asked knows better


@pytest.mark.parametrize("host", ["nosuch.invalid", "two..dots"])
def test_a_name_that_does_not_resolve(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str, *_: object, **__: object) -> None:
        name.encode("idna")
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unreachable, match=f"GET http://{host}/: the name does not resolve"):
        http().request("GET", f"http://{host}/")


def test_a_silent_server_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(Unreachable, match=r"timed out after 0\.05 s"):
        http().request("GET", f"http://127.0.0.1:{server.getsockname()[1]}/", timeout_s=0.05)


def test_the_limit_spans_the_whole_body(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte at a time, and each look at the clock costs a second: no single wait is long, all of them together are."""
    monkeypatch.setattr("sdcupgrade.doors.http.PIECE", 1)
    door = UrllibHttp(NullLog(), files_in(HERE), monotonic=FakeClock(tick=1.0).monotonic)
    with stage(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" + b"x" * 50) as server:
        with pytest.raises(Unreachable, match="timed out after 40 s"):
            door.request("GET", server.url, timeout_s=40)
        assert door.request("GET", server.url, timeout_s=60).body == b"x" * 50


def test_an_answer_too_long_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdcupgrade.doors.http.ANSWER_CAP", 1)
    with stage() as server, pytest.raises(BadAnswer, match="longer than 1 bytes"):
        http().request("GET", server.url)


@pytest.mark.parametrize(
    "url", ["ftp://x/", "file:///etc/passwd", "data:,x", "http://", "http://x/a b", "http://x:port/", "x"]
)
def test_what_is_not_an_http_url(url: str) -> None:
    with pytest.raises(BadInput, match="not a"):
        http().request("GET", url)


def test_a_url_with_a_password_is_refused_and_not_repeated() -> None:
    with pytest.raises(BadInput, match="http URL of x: not with a user or password") as caught:
        http().request("GET", "http://me:pw@x/")
    assert "pw@" not in str(caught.value)


def test_a_line_break_in_a_header_is_refused() -> None:
    with stage() as server, pytest.raises(BadInput, match="Invalid header value"):
        http().request("GET", server.url, headers={"X": "a\r\nEvil: b"})


def test_a_stream_is_read_piece_by_piece() -> None:
    with stage(b"HTTP/1.1 206 Partial\r\nContent-Length: 6\r\n\r\nabcdef") as server:
        streamed = http().stream(server.url, headers={"Range": "bytes=1-"})
        with streamed as body:
            assert (body.status, body.headers["content-length"]) == (206, "6")
            assert (body.read(4), body.read(4), body.read(4)) == (b"abcd", b"ef", b"")
    assert b"Range: bytes=1-" in server.asked[0]


def test_a_stream_that_was_left_gives_nothing_more() -> None:
    with stage(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabcdef") as server:
        with http().stream(server.url) as body:
            assert body.read(1) == b"a"
        assert body.read(9) == b""


@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
def test_a_cut_stream_simply_ends(framing: str) -> None:
    start = b"a\r\n" if "chunked" in framing else b""
    answer = f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode() + start + b"1234"
    with stage(answer) as server, http().stream(server.url) as body:
        assert body.read(100) + body.read(100) + body.read(100) == b"1234"


def test_a_stream_that_drips_is_given_up() -> None:
    door = UrllibHttp(NullLog(), files_in(HERE), monotonic=FakeClock(tick=4.0).monotonic)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + b"x" * 500
    with stage(answer) as server, door.stream(server.url, timeout_s=60) as body:
        with pytest.raises(Unreachable, match="too slow"):
            while body.read(1):
                pass
        assert body.received < 100
