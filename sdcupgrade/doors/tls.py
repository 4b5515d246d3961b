"""Whom to believe when a server shows a certificate.

A SmartOS platform has no authorities of its own (``/etc/openssl/certs`` is empty), pkgsrc's tools and zones bring some
in four places. The order: the file the operator named, ``SSL_CERT_FILE``, ``CURL_CA_BUNDLE``, Python's own, the four
places. There is no way to go on without verification.
"""

from __future__ import annotations

import os

from sdcupgrade.errors import Unreachable

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from collections.abc import Mapping
    from typing import Optional

BUNDLES = (
    "/opt/tools/etc/openssl/certs/ca-certificates.crt",
    "/opt/tools/share/mozilla-rootcerts/cacert.pem",
    "/opt/local/etc/openssl/certs/ca-certificates.crt",
    "/opt/local/share/mozilla-rootcerts/cacert.pem",
)
ADVICE = "install authorities (pkgin install mozilla-rootcerts), or name a file of them: SSL_CERT_FILE=FILE"


def context(cafile: Optional[str], environ: Mapping[str, str]) -> ssl.SSLContext:
    """A context that verifies. Raises Unreachable when the named file cannot be used or nothing names an authority."""
    import ssl

    named = cafile or environ.get("SSL_CERT_FILE") or environ.get("CURL_CA_BUNDLE")
    try:
        made = ssl.create_default_context(cafile=named) if named else _own()
    except (OSError, ssl.SSLError) as why:
        raise Unreachable(f"certificate authorities cannot be read from {named}: {why}", ADVICE) from why
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    return made


def _own() -> ssl.SSLContext:
    import ssl

    made = ssl.create_default_context()
    if made.cert_store_stats()["x509_ca"] or _has_files(ssl.get_default_verify_paths().capath):
        return made
    for bundle in BUNDLES:
        if os.path.exists(bundle):
            made.load_verify_locations(bundle)
            return made
    raise Unreachable("this machine knows no certificate authorities, so no server can be verified", ADVICE)


def _has_files(folder: Optional[str]) -> bool:
    """A folder of authorities is read only when one is looked for, so the counts of the context stay 0."""
    return bool(folder) and os.path.isdir(str(folder)) and bool(os.listdir(str(folder)))
