"""Requests over real sockets: what comes back is an answer, and everything else is Unreachable with a reason."""

from __future__ import annotations

import pathlib
import socket
import ssl
from typing import Optional

import pytest
from http_stage import ANSWER, moved, stage, unused_port
from product_fakes import FakeClock, files_in

from sdcupgrade.doors.http import ENVIRONMENT, FileBody, SocketHttp, environment_proxy
from sdcupgrade.doors.wire import Address, Exchange, Limit
from sdcupgrade.errors import BadAnswer, BadInput, StorageError, Unreachable
from sdcupgrade.log import NullLog

HERE = pathlib.Path(__file__).parent
CERTIFICATE = str(HERE / "localhost_cert.pem")


def _http(
    folder: pathlib.Path = HERE,
    proxy: Optional[str] = None,
    cafile: Optional[str] = None,
    environ: Optional[dict[str, str]] = None,
) -> SocketHttp:
    return SocketHttp(NullLog(), files_in(folder), proxy=proxy, cafile=cafile, environ=environ)


def _tls_stage() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def test_an_answer_has_status_headers_and_body() -> None:
    with stage(b"HTTP/1.1 404 Not Found\r\nX-Thing: a\r\nx-thing: b\r\nContent-Length: 2\r\n\r\n{}") as server:
        answer = _http().request("GET", f"{server.url}/images?name=x")
    assert (answer.status, answer.headers["x-thing"], answer.body) == (404, "a, b", b"{}")
    assert server.asked[0].startswith(b"GET /images?name=x HTTP/1.1\r\n")


def test_own_headers_replace_the_usual_ones() -> None:
    with stage() as server:
        _http().request("GET", server.url, headers={"accept": "application/json", "X-New": "1"})
    head = server.asked[0].decode().lower()
    assert head.count("accept:") == 1
    assert "accept: application/json" in head
    assert "x-new: 1" in head


def test_a_body_is_sent_with_its_length() -> None:
    with stage() as server:
        _http().request("POST", server.url, body=b'{"a": 1}')
    assert server.asked[0].endswith(b"\r\n\r\n" + b'{"a": 1}')


def test_a_file_is_sent_as_a_body(tmp_path: pathlib.Path) -> None:
    content = bytes(range(256)) * 1000
    (tmp_path / "image.gz").write_bytes(content)
    with stage() as server:
        _http(tmp_path).request("PUT", server.url, body=FileBody("/image.gz", len(content)))
    assert server.asked[0].partition(b"\r\n\r\n")[2] == content


def test_a_file_that_is_shorter_than_said(tmp_path: pathlib.Path) -> None:
    (tmp_path / "image.gz").write_bytes(b"short")
    with stage() as server, pytest.raises(StorageError, match="shorter than the 99 bytes"):
        _http(tmp_path).request("PUT", server.url, body=FileBody("/image.gz", 99))


def test_an_early_refusal_of_an_upload_is_the_answer(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server may answer and close before it has read everything; that answer is what the operator must see."""
    (tmp_path / "image.gz").write_bytes(b"content")
    send = Exchange.send

    def breaking(exchange: Exchange, data: bytes, limit: Limit) -> None:
        send(exchange, data, limit)
        if data == b"content":
            raise BrokenPipeError

    monkeypatch.setattr(Exchange, "send", breaking)
    with stage(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n") as server:
        assert _http(tmp_path).request("PUT", server.url, body=FileBody("/image.gz", 7)).status == 413


def test_chunked_bodies_are_joined() -> None:
    with stage(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n") as server:
        assert _http().request("GET", server.url).body == b"abcde"


def test_a_body_without_length_ends_with_the_connection() -> None:
    with stage(b"HTTP/1.0 200 OK\r\n\r\nall of it") as server:
        assert _http().request("GET", server.url).body == b"all of it"


def test_interim_answers_are_passed_over() -> None:
    with stage(b"HTTP/1.1 100 Continue\r\n\r\n" + ANSWER) as server:
        assert _http().request("GET", server.url).body == b"hi"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_answers_that_have_no_body(status: str) -> None:
    with stage(f"HTTP/1.1 {status}\r\nContent-Length: 5\r\n\r\n".encode()) as server:
        assert _http().request("GET", server.url).body == b""


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
        _http().request("GET", server.url)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP: it began with b'SSH"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "not HTTP: a header line"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "not HTTP: Content-Length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", "not HTTP: a chunk"),
        (b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 20000 + b"\r\n", "its headers do not end"),
        (b"x" * 70000, "a line that does not end"),
        (b"HTTP/1.1 200 OK\r\nContent-", "closed before an answer came"),
    ],
)
def test_garbage_is_no_answer(answer: bytes, reason: str) -> None:
    with stage(answer) as server, pytest.raises(Unreachable, match=reason):
        _http().request("GET", server.url)


def test_nobody_listens() -> None:
    with pytest.raises(Unreachable, match="connection refused") as caught:
        _http().request("GET", f"http://127.0.0.1:{unused_port()}/ping")
    assert "sdcupgrade check" in caught.value.hint


@pytest.mark.parametrize("host", ["nosuch.invalid", "two..dots"])
def test_a_name_that_does_not_resolve(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(name: str, *_: object, **__: object) -> None:
        name.encode("idna")
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(Unreachable, match=f"GET http://{host}/: the name does not resolve"):
        _http().request("GET", f"http://{host}/")


def test_a_silent_server_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(Unreachable, match=r"timed out after 0\.05 s"):
        _http().request("GET", f"http://127.0.0.1:{server.getsockname()[1]}/", timeout_s=0.05)


def test_the_limit_spans_the_whole_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """A byte at a time, and each look at the clock costs a second: no single wait is long, all of them together are."""
    monkeypatch.setattr("sdcupgrade.doors.wire.PIECE", 1)
    http = SocketHttp(NullLog(), files_in(HERE), monotonic=FakeClock(tick=1.0).monotonic)
    with stage(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n" + b"x" * 50) as server:
        with pytest.raises(Unreachable, match="timed out after 70 s"):
            http.request("GET", server.url, timeout_s=70)
        assert http.request("GET", server.url, timeout_s=500).body == b"x" * 50


def test_an_answer_too_long_for_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdcupgrade.doors.http.ANSWER_CAP", 1)
    with stage() as server, pytest.raises(BadAnswer, match="longer than 1 bytes"):
        _http().request("GET", server.url)


@pytest.mark.parametrize("url", ["ftp://x/", "file:///etc/passwd", "http://", "http://x/a b", "http://x:port/", "x"])
def test_what_is_not_an_http_url(url: str) -> None:
    with pytest.raises(BadInput, match="not a"):
        _http().request("GET", url)


def test_a_line_break_in_a_header_is_refused() -> None:
    with stage() as server, pytest.raises(BadInput, match="line break"):
        _http().request("GET", server.url, headers={"X": "a\r\nEvil: b"})


def test_a_stream_is_read_piece_by_piece() -> None:
    with stage(b"HTTP/1.1 206 Partial\r\nContent-Length: 6\r\n\r\nabcdef") as server:
        streamed = _http().stream(server.url, headers={"Range": "bytes=1-"})
        with streamed as body:
            assert (body.status, body.headers["content-length"]) == (206, "6")
            assert (body.read(4), body.read(4), body.read(4)) == (b"abcd", b"ef", b"")
    assert b"Range: bytes=1-" in server.asked[0]


@pytest.mark.parametrize("framing", ["Content-Length: 10", "Transfer-Encoding: chunked"])
def test_a_cut_stream_simply_ends(framing: str) -> None:
    start = b"a\r\n" if "chunked" in framing else b""
    answer = f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode() + start + b"1234"
    with stage(answer) as server, _http().stream(server.url) as body:
        assert body.read(100) + body.read(100) + body.read(100) == b"1234"


def test_a_stream_that_drips_is_given_up() -> None:
    http = SocketHttp(NullLog(), files_in(HERE), monotonic=FakeClock(tick=4.0).monotonic)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + b"x" * 500
    with stage(answer) as server, http.stream(server.url, timeout_s=60) as body:
        with pytest.raises(Unreachable, match="too slow"):
            while body.read(1):
                pass
        assert body.received < 100


def test_redirects_are_followed() -> None:
    with stage() as target, stage(moved(f"{target.url}/there")) as server:
        assert _http().request("GET", server.url).body == b"hi"
    assert target.asked[0].startswith(b"GET /there ")


def test_a_redirect_may_be_relative() -> None:
    with stage(moved("../b?c"), ANSWER) as server:
        _http().request("GET", f"{server.url}/x/a")
    assert server.asked[1].startswith(b"GET /b?c ")


def test_credentials_stay_with_their_host() -> None:
    with stage() as target, stage(moved(target.url)) as server:
        _http().request("GET", server.url, headers={"Authorization": "Basic x", "X-Other": "y"})
    assert b"Authorization" in server.asked[0]
    assert b"Authorization" not in target.asked[0]
    assert b"X-Other" in target.asked[0]


def test_credentials_stay_on_the_way_within_a_host() -> None:
    with stage(moved("/b"), ANSWER) as server:
        _http().request("GET", server.url, headers={"Authorization": "Basic x"})
    assert b"Authorization" in server.asked[1]


def test_endless_redirects_end() -> None:
    with stage(moved("/again")) as server:
        with pytest.raises(Unreachable, match="redirected more than 5 times"):
            _http().request("GET", server.url)
        assert len(server.asked) == 6


def test_a_redirect_away_from_http_is_refused() -> None:
    with stage(moved("file:///etc/passwd")) as server, pytest.raises(Unreachable, match="which is refused"):
        _http().request("GET", server.url)


def test_a_post_is_never_redirected() -> None:
    with stage(moved("/b")) as server:
        assert _http().request("POST", server.url, body=b"").status == 302


def test_tls_is_verified() -> None:
    with stage(tls=_tls_stage()) as server, pytest.raises(Unreachable, match="certificate is not to be trusted") as why:
        _http(environ={}).request("GET", server.url)
    assert "SSL_CERT_FILE" in why.value.hint


def test_a_named_authority_is_believed() -> None:
    with stage(tls=_tls_stage()) as server:
        assert _http(cafile=CERTIFICATE).request("GET", server.url).body == b"hi"
        assert _http(environ={"SSL_CERT_FILE": CERTIFICATE}).request("GET", server.url).body == b"hi"


def test_tls_never_leads_to_plain_http() -> None:
    refused = pytest.raises(Unreachable, match="redirects from https to http")
    with stage() as plain, stage(moved(plain.url), tls=_tls_stage()) as server, refused:
        _http(cafile=CERTIFICATE).request("GET", server.url)
    assert plain.asked == []


def test_tls_to_a_server_without() -> None:
    with stage(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server, pytest.raises(Unreachable, match="TLS failed"):
        _http(cafile=CERTIFICATE).request("GET", server.url.replace("http:", "https:"), timeout_s=5)


def test_the_admin_proxy_is_asked_with_the_whole_url() -> None:
    with stage() as proxy:
        _http(proxy=proxy.url).request("GET", "http://sapi.coal.example.com/services?name=x")
    assert proxy.asked[0].startswith(b"GET http://sapi.coal.example.com/services?name=x HTTP/1.1\r\n")
    assert b"Host: sapi.coal.example.com\r\n" in proxy.asked[0]


@pytest.mark.parametrize(
    ("code", "reason"), [("no-such-host", "the name does not resolve"), ("refused", "connection refused")]
)
def test_the_admin_proxy_says_that_nobody_answered(code: str, reason: str) -> None:
    answer = f"HTTP/1.1 502 Bad Gateway\r\nX-Proxy-Error: {code}\r\nContent-Length: 0\r\n\r\n".encode()
    with stage(answer) as proxy, pytest.raises(Unreachable, match=f"sapi.coal: {reason}"):
        _http(proxy=proxy.url).request("GET", "http://sapi.coal/")


def test_a_502_of_the_service_itself_is_an_answer() -> None:
    with stage(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n") as proxy:
        assert _http(proxy=proxy.url).request("GET", "http://sapi.coal/").status == 502


def test_the_datacenters_own_services_know_no_proxy_of_the_environment() -> None:
    with stage() as server, stage() as proxy:
        _http(environ={"http_proxy": proxy.url}).request("GET", server.url)
    assert proxy.asked == []


def test_the_web_goes_through_the_proxy_of_the_environment() -> None:
    with stage() as proxy:
        url = proxy.url.replace("http://", "http://joe:s%3Ccret@")
        _http(proxy=ENVIRONMENT, environ={"HTTP_PROXY": url}).request("GET", "http://updates.example.com/images")
    assert b"Proxy-Authorization: Basic am9lOnM8Y3JldA==" in proxy.asked[0]


def test_https_goes_through_a_tunnel() -> None:
    refused = pytest.raises(Unreachable, match=r"the proxy .* answered 403 when asked for a connection to updates")
    with stage(b"HTTP/1.1 403 Forbidden\r\n\r\n") as proxy, refused:
        http = _http(proxy=ENVIRONMENT, cafile=CERTIFICATE, environ={"https_proxy": proxy.url})
        http.request("GET", "https://updates.example.com/")
    assert proxy.asked[0].startswith(b"CONNECT updates.example.com:443 HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, None),
        ({"http_proxy": "http://p:1"}, "http://p:1"),
        ({"HTTP_PROXY": "http://p:1"}, "http://p:1"),
        ({"https_proxy": "http://p:1"}, None),
        ({"all_proxy": "http://p:1"}, "http://p:1"),
        ({"http_proxy": "http://p:1", "no_proxy": "*"}, None),
        ({"http_proxy": "http://p:1", "no_proxy": "other.com, example.com"}, None),
        ({"http_proxy": "http://p:1", "no_proxy": ".example.com"}, None),
        ({"http_proxy": "http://p:1", "no_proxy": "ample.com"}, "http://p:1"),
        ({"http_proxy": "http://p:1", "no_proxy": "updates.example.com:8080"}, None),
    ],
)
def test_which_proxy_the_environment_names(environ: dict[str, str], found: Optional[str]) -> None:
    assert environment_proxy(environ, Address.of("http://updates.example.com:8080/")) == found
