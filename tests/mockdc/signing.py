"""A key pair of the tests' own, and http-signature made with it: RSA by nothing but pow."""

from __future__ import annotations

import base64

from mockdc.apis.imgapi.signature import padded

MODULUS = int(
    "da758b5b9f668568ec928ab3f4fa484defbb8657ea96996dd5e756ab7b49cdb8a3d5646418de7ae7067c8b2fd22d8790bb27"
    "88dd17ae37a3babeba2e706e010bb593df08abe631ab5fa48030743394d1177c1c1ac8e03810a92e969ab558199d6c083f22"
    "3ebcef14dd56867d2c0cdeeef4b7a7a020cea0fc11e86cc6d1a22faf",
    16,
)
PRIVATE = int(
    "ac8e283388e6fbfdf2cf958babb77e21417948166d8fe34524ae848112f32af1eb4704f323c9a81e8fbb145e03903f028d32"
    "1f23342f4277ab6c37b7b2cad13b2ee8a0274a519415a963e8ed399f2dad66f3d702de7e4ef115cdfd4267348a0c788b1e85"
    "1fc4f626e9ce30db091a8b9b235224c65c55c566834fa733665a2d91",
    16,
)
KEY = {"n": str(MODULUS), "e": 65537}


def sign(user: str, date: str) -> str:
    """The Authorization header of *user* for a request with that Date."""
    raw = pow(padded(f"date: {date}", 128), PRIVATE, MODULUS).to_bytes(128, "big")
    return f'Signature keyId="{user}",algorithm="rsa-sha256",signature="{base64.b64encode(raw).decode()}"'


def der(tag: int, content: bytes) -> bytes:
    """One DER value."""
    size = len(content)
    length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
    return bytes([tag]) + length + content


def pem(pkcs8: bool = False) -> bytes:
    """The private key as a file; the parts that no signature needs are left out."""
    numbers = b"".join(der(2, each.to_bytes(129, "big")) for each in (0, MODULUS, 65537, PRIVATE))
    whole, kind = der(0x30, numbers), "RSA PRIVATE KEY"
    if pkcs8:
        whole, kind = der(0x30, der(2, b"\0") + der(0x30, b"") + der(4, whole)), "PRIVATE KEY"
    return f"-----BEGIN {kind}-----\n{base64.encodebytes(whole).decode()}-----END {kind}-----\n".encode()


def openssh() -> bytes:
    """The same in ssh-keygen's form."""
    def text(value: bytes) -> bytes:
        return len(value).to_bytes(4, "big") + value

    numbers = [text(each.to_bytes(129, "big")) for each in (MODULUS, 65537, PRIVATE)]
    private = bytes(8) + text(b"ssh-rsa") + b"".join(numbers)
    whole = b"openssh-key-v1\0" + text(b"none") * 2 + text(b"") + b"\0\0\0\1" + text(b"public") + text(private)
    kind = "OPENSSH PRIVATE KEY"
    return f"-----BEGIN {kind}-----\n{base64.encodebytes(whole).decode()}-----END {kind}-----\n".encode()
