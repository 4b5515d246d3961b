"""The updates server over real sockets: what TLS, names and URLs have to do with it."""

from __future__ import annotations

import dataclasses
import socket

import pytest
from http_stage import CERTIFICATE, stage, tls_stage, unused_port
from site_in_a_box import Ran, Site
from untouched import changes, everything, told

from sdcupgrade.doors.real import real_doors
from sdcupgrade.log import NullLog

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def asked(site: Site, source: str, cafile: str = "") -> Ran:
    """Prepare from *source*, asked through the real door to the web; nothing may change."""
    site.spec()
    web = real_doors({"SDCUPGRADE_ROOT": str(site.gz)}, NullLog(), cafile=cafile or None).web
    before = everything(site)
    ran = site.run(f"prepare foo.json --source {source}", doors=dataclasses.replace(site.doors, web=web))
    assert changes(before, everything(site)) == []
    return ran


def test_a_certificate_that_nobody_vouches_for(coal: Site) -> None:
    with stage(tls=tls_stage()) as server:
        ran = asked(coal, server.url)
    told(ran, 69, f"GET {server.url}/channels: its certificate is not to be trusted: ", "SSL_CERT_FILE=FILE")


def test_a_certificate_of_another_name(coal: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    found = socket.getaddrinfo("127.0.0.1", 0, type=socket.SOCK_STREAM)
    with stage(tls=tls_stage()) as server:
        here = [(*row[:4], ("127.0.0.1", server.port)) for row in found]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *words, **named: here)
        ran = asked(coal, "https://updates.example.com", CERTIFICATE)
    told(ran, 69, "https://updates.example.com/channels: its certificate is not to be trusted: ", "SSL_CERT_FILE=FILE")


def test_a_server_that_speaks_no_tls(coal: Site) -> None:
    with stage() as server:
        ran = asked(coal, server.url.replace("http:", "https:"), CERTIFICATE)
    told(ran, 69, f"GET https://127.0.0.1:{server.port}/channels: TLS failed", "TLS 1.2")


def test_a_server_that_speaks_something_else(coal: Site) -> None:
    with stage(b"220 mail.example.com ESMTP\r\n") as server:
        ran = asked(coal, server.url)
    told(ran, 69, f"GET {server.url}/channels: ")


def test_a_page_of_somebody_elses(coal: Site) -> None:
    page = b"<html>Log in to this hotel's network</html>"
    with stage(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page)) as server:
        ran = asked(coal, server.url)
    told(ran, 76, f"updates server {server.url}: GET /channels: not valid JSON", "<html>Log in to")


def test_nobody_listens(coal: Site) -> None:
    told(asked(coal, f"http://127.0.0.1:{unused_port()}"), 69, "/channels: connection refused")


def test_a_name_that_does_not_resolve(coal: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*words: object, **named: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    told(asked(coal, "https://updates.nowhere"), 69, "https://updates.nowhere/channels: the name does not resolve")


@pytest.mark.parametrize("source", ["ftp://updates.example.com", "updates.example.com", "https://", "https://a:b/"])
def test_a_source_that_is_no_url(coal: Site, source: str) -> None:
    told(asked(coal, source), 65, source.rstrip("/"), "URL")
