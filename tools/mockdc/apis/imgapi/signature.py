"""Who a request comes from: the http-signature scheme (RSA, SHA-256 over the Date header) of a server that asks for it.

The keyId is the name of the user. Left out: other algorithms, signatures over more headers.
"""

from __future__ import annotations

import base64
import binascii
import email.utils
import hashlib
import re
from typing import TYPE_CHECKING, NoReturn, Optional

from mockdc.apis.routes import refuse

if TYPE_CHECKING:
    from mockdc.core.store import Doc

SKEW_S = 300
SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")


def user_of(headers: dict[str, str], keys: dict[str, Doc], now: float) -> Optional[str]:
    """The user who signed the request, None when it is not signed at all. Raises Refusal (401)."""
    given = headers.get("authorization")
    if given is None:
        return None
    parts: dict[str, str] = dict(re.findall(r'(\w+)="([^"]*)"', given))
    if not given.startswith("Signature ") or not {"keyId", "algorithm", "signature"} <= set(parts):
        unauthorized("bad param format")
    date = headers.get("date")
    if date is None:
        unauthorized("date was not in the request")
    skew = abs(now - seconds(date))
    if skew > SKEW_S:
        unauthorized(f"clock skew of {skew:.2f}s was greater than {SKEW_S}s")
    key = keys.get(parts["keyId"])
    if key is None or not _signed(key, date, parts["signature"]):
        unauthorized()
    return parts["keyId"]


def unauthorized(message: str = "Unauthorized") -> NoReturn:
    """Refuse with 401."""
    refuse(401, "UnauthorizedError", message)


def padded(text: str, size: int) -> int:
    """The number that an RSA PKCS#1 v1.5 signature of *size* bytes over *text* stands for."""
    tail = SHA256 + hashlib.sha256(text.encode()).digest()
    return int.from_bytes(b"\0\1" + b"\xff" * (size - len(tail) - 3) + b"\0" + tail, "big")


def _signed(key: Doc, date: str, signature: str) -> bool:
    """By its numbers; a key that has none is known by what it signed (date -> signature)."""
    if "n" not in key:
        return bool(key["signed"].get(date) == signature)
    return any(_good(key, text, signature) for text in (f"date: {date}", date))


def _good(key: Doc, text: str, signature: str) -> bool:
    modulus = int(key["n"])
    size = (modulus.bit_length() + 7) // 8
    try:
        raw = base64.b64decode(signature, validate=True)
    except binascii.Error:
        return False
    return len(raw) == size and pow(int.from_bytes(raw, "big"), int(key["e"]), modulus) == padded(text, size)


def seconds(date: str) -> float:
    """Since the epoch; 0 for what is no date."""
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return 0.0
