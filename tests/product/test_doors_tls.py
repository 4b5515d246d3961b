"""Whom we believe: authorities in a fixed order, and never nobody."""

from __future__ import annotations

import pathlib
import ssl

import pytest

from sdcupgrade.doors import tls
from sdcupgrade.errors import Unreachable

CERTIFICATE = str(pathlib.Path(__file__).parent / "localhost_cert.pem")


class _Bare(ssl.SSLContext):
    """A context on a platform whose folder of authorities is empty."""


def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssl, "create_default_context", lambda cafile=None: ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT))
    monkeypatch.setattr(tls, "_has_files", lambda folder: False)


def test_a_platform_without_authorities_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    _bare(monkeypatch)
    monkeypatch.setattr(tls, "BUNDLES", ("/nowhere.pem",))
    with pytest.raises(Unreachable, match="knows no certificate authorities") as caught:
        tls.context(None, {})
    assert "mozilla-rootcerts" in caught.value.hint


def test_the_bundles_of_pkgsrc_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    _bare(monkeypatch)
    monkeypatch.setattr(tls, "BUNDLES", ("/nowhere.pem", CERTIFICATE))
    assert tls.context(None, {}).cert_store_stats()["x509"] == 1


def test_a_named_file_that_is_none(tmp_path: pathlib.Path) -> None:
    (tmp_path / "ca.pem").write_text("not a certificate")
    for environ in ({"SSL_CERT_FILE": str(tmp_path / "ca.pem")}, {"CURL_CA_BUNDLE": "/nowhere.pem"}):
        with pytest.raises(Unreachable, match="authorities cannot be read from"):
            tls.context(None, environ)


def test_the_operators_file_comes_first() -> None:
    assert tls.context(CERTIFICATE, {"SSL_CERT_FILE": "/nowhere.pem"}).cert_store_stats()["x509"] == 1


def test_every_context_verifies_names_and_chains() -> None:
    made = tls.context(CERTIFICATE, {})
    assert (made.check_hostname, made.verify_mode) == (True, ssl.CERT_REQUIRED)
    assert made.minimum_version is ssl.TLSVersion.TLSv1_2


def test_an_empty_folder_holds_no_authority(tmp_path: pathlib.Path) -> None:
    assert not tls._has_files(str(tmp_path))
    assert not tls._has_files(None)
    (tmp_path / "one.0").write_text("")
    assert tls._has_files(str(tmp_path))
