"""Which way a request goes: redirects and what they may carry along, certificates, proxies."""

from __future__ import annotations

import pytest
from http_stage import ANSWER, CERTIFICATE, http, moved, stage, tls_stage

from sdcupgrade.doors.http import ENVIRONMENT
from sdcupgrade.errors import Unreachable


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed(status: int) -> None:
    with stage() as target, stage(moved(f"{target.url}/there", status)) as server:
        assert http().request("GET", server.url).body == b"hi"
    assert target.asked[0].startswith(b"GET /there ")


def test_a_head_stays_one() -> None:
    with stage() as target, stage(moved(target.url)) as server:
        http().request("HEAD", server.url)
    assert target.asked[0].startswith(b"HEAD ")


def test_a_stream_is_redirected_with_its_range() -> None:
    with stage() as target, stage(moved(target.url)) as server:
        streamed = http().stream(server.url, headers={"Range": "bytes=1-"})
        with streamed as body:
            assert body.read(9) == b"hi"
    assert b"Range: bytes=1-" in target.asked[0]


def test_a_redirect_to_nowhere_is_the_answer() -> None:
    with stage(b"HTTP/1.1 302 Found\r\nContent-Length: 2\r\n\r\nhi") as server:
        answer = http().request("GET", server.url)
    assert (answer.status, answer.body) == (302, b"hi")


def test_a_redirect_may_be_relative() -> None:
    with stage(moved("../b?c"), ANSWER) as server:
        http().request("GET", f"{server.url}/x/a")
    assert server.asked[1].startswith(b"GET /b?c ")


def test_credentials_stay_with_their_host() -> None:
    with stage() as target, stage(moved(target.url)) as server:
        http().request("GET", server.url, headers={"Authorization": "Basic x", "X-Other": "y"})
    assert b"Authorization" in server.asked[0]
    assert b"Authorization" not in target.asked[0]
    assert b"X-Other" in target.asked[0]


def test_credentials_stay_on_the_way_within_a_host() -> None:
    with stage(moved("/b"), ANSWER) as server:
        http().request("GET", server.url, headers={"Authorization": "Basic x"})
    assert b"Authorization" in server.asked[1]


def test_endless_redirects_end() -> None:
    with stage(moved("/again")) as server:
        with pytest.raises(Unreachable, match="redirected more than 5 times"):
            http().request("GET", server.url)
        assert len(server.asked) == 6


def test_the_body_of_a_redirect_is_not_read() -> None:
    """However long it is: this one says 9 bytes, and does not have them."""
    with stage() as target, stage(moved(target.url).replace(b"Length: 0", b"Length: 9")) as server:
        assert http().request("GET", server.url).body == b"hi"


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/", "http://x:port/", "http://me:pw@127.0.0.1/"])
def test_a_redirect_away_from_http_is_refused(to: str) -> None:
    with stage(moved(to)) as server, pytest.raises(Unreachable, match=r"which is refused|is not allowed"):
        http().request("GET", server.url)


def test_a_post_is_never_redirected() -> None:
    with stage(moved("/b")) as server:
        assert http().request("POST", server.url, body=b"").status == 302


def test_tls_is_verified() -> None:
    with stage(tls=tls_stage()) as server, pytest.raises(Unreachable, match="certificate is not to be trusted") as why:
        http(environ={}).request("GET", server.url)
    assert "SSL_CERT_FILE" in why.value.hint


def test_a_named_authority_is_believed() -> None:
    with stage(tls=tls_stage()) as server:
        assert http(cafile=CERTIFICATE).request("GET", server.url).body == b"hi"
        assert http(environ={"SSL_CERT_FILE": CERTIFICATE}).request("GET", server.url).body == b"hi"


def test_tls_never_leads_to_plainhttp() -> None:
    refused = pytest.raises(Unreachable, match="redirects from https to http")
    with stage() as plain, stage(moved(plain.url), tls=tls_stage()) as server, refused:
        http(cafile=CERTIFICATE).request("GET", server.url)
    assert plain.asked == []


def test_tls_to_a_server_without() -> None:
    with stage(b"HTTP/1.1 400 Bad Request\r\n\r\n") as server, pytest.raises(Unreachable, match="TLS failed"):
        http(cafile=CERTIFICATE).request("GET", server.url.replace("http:", "https:"), timeout_s=5)


def test_the_admin_proxy_is_asked_with_the_whole_url() -> None:
    with stage() as proxy:
        http(proxy=proxy.url).request("GET", "http://sapi.coal.example.com/services?name=x")
    assert proxy.asked[0].startswith(b"GET http://sapi.coal.example.com/services?name=x HTTP/1.1\r\n")
    assert b"Host: sapi.coal.example.com\r\n" in proxy.asked[0]


@pytest.mark.parametrize(
    ("code", "reason"), [("no-such-host", "the name does not resolve"), ("refused", "connection refused")]
)
def test_the_admin_proxy_says_that_nobody_answered(code: str, reason: str) -> None:
    answer = f"HTTP/1.1 502 Bad Gateway\r\nX-Proxy-Error: {code}\r\nContent-Length: 0\r\n\r\n".encode()
    with stage(answer) as proxy, pytest.raises(Unreachable, match=f"sapi.coal/: {reason}"):
        http(proxy=proxy.url).request("GET", "http://sapi.coal/")


def test_a_502_of_the_service_itself_is_an_answer() -> None:
    with stage(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n") as proxy:
        assert http(proxy=proxy.url).request("GET", "http://sapi.coal/").status == 502


def test_the_admin_proxy_is_asked_for_a_tunnel() -> None:
    with stage(b"HTTP/1.1 403 Forbidden\r\n\r\n") as proxy, pytest.raises(Unreachable, match="403 Forbidden"):
        http(proxy=proxy.url, cafile=CERTIFICATE).request("GET", "https://imgapi.coal/")
    assert proxy.asked[0].startswith(b"CONNECT imgapi.coal:443 HTTP/1.")


def test_the_admin_proxy_is_asked_again_after_a_redirect() -> None:
    with stage(moved("http://imgapi.coal/"), ANSWER) as proxy:
        http(proxy=proxy.url).request("GET", "http://sapi.coal/")
    assert proxy.asked[1].startswith(b"GET http://imgapi.coal/ HTTP/1.1\r\n")


def test_the_admin_proxy_is_asked_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with stage() as proxy:
        http(proxy=proxy.url.replace("http://", "")).request("GET", "http://sapi.coal/")
    assert len(proxy.asked) == 1


def test_the_datacenters_own_services_know_no_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with stage() as server, stage() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        http().request("GET", server.url)
    assert proxy.asked == []


def test_the_web_goes_through_the_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    with stage() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("http://", "http://joe:s%3Ccret@"))
        http(proxy=ENVIRONMENT).request("GET", "http://updates.example.com/images")
    assert proxy.asked[0].startswith(b"GET http://updates.example.com/images ")
    assert b"Proxy-Authorization: Basic am9lOnM8Y3JldA==" in proxy.asked[0]


def test_the_word_for_the_proxy_is_for_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with stage() as target, stage(moved(target.url)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url.replace("http://", "http://joe:secret@"))
        http(proxy=ENVIRONMENT).request("GET", "http://updates.example.com/images")
    assert b"Proxy-Authorization" in proxy.asked[0]
    assert b"Proxy-Authorization" not in target.asked[0]


def test_the_environment_says_who_needs_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "example.com,127.0.0.1")
    with stage() as server, stage() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        http(proxy=ENVIRONMENT).request("GET", server.url)
    assert proxy.asked == []


def test_https_goes_through_a_tunnel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    with stage(b"HTTP/1.1 403 Forbidden\r\n\r\n") as proxy, pytest.raises(Unreachable, match="403 Forbidden"):
        monkeypatch.setenv("https_proxy", proxy.url)
        http(proxy=ENVIRONMENT, cafile=CERTIFICATE).request("GET", "https://updates.example.com/")
    assert proxy.asked[0].startswith(b"CONNECT updates.example.com:443 HTTP/1.")


def test_plain_http_needs_no_authorities() -> None:
    with stage() as server:
        assert http(cafile="/nowhere.pem").request("GET", server.url).status == 200
