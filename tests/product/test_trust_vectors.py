"""The three signature schemes against published vectors and, at random, against the package ``cryptography``."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterator
from functools import cache

import pytest

pytest.importorskip("cryptography", reason="the package cryptography is what results are compared with")
pytest.importorskip("cryptography_vectors", reason="the package cryptography-vectors has the vectors")

import cryptography_vectors as vectors
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.asymmetric import ed25519 as reference_ed25519
from cryptography.hazmat.primitives.asymmetric import rsa as reference_rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from sdcupgrade.trust import der, ecdsa, ed25519, rsa

CASES = 1000
SHA256 = hashes.SHA256()


def lines(name: str) -> list[str]:
    """Of a vector file."""
    with vectors.open_vector_file(f"asymmetric/{name}", "r") as file:
        return [line.strip() for line in file]


def records(name: str, section: str) -> Iterator[dict[str, str]]:
    """The records of a section of a NIST response file; each ends with its result."""
    inside, found = False, {}
    for line in lines(name):
        if line.startswith("["):
            inside = re.match(section, line) is not None
        elif inside and " = " in line:
            key, _, value = line.partition(" = ")
            found[key] = value
            if key == "Result":
                yield dict(found)


def spoilt(data: bytes, dice: random.Random) -> bytes:
    """With one bit changed."""
    place = dice.randrange(len(data) * 8)
    return (int.from_bytes(data, "big") ^ 1 << place).to_bytes(len(data), "big")


def spki(key: ec.EllipticCurvePublicKey | reference_rsa.RSAPublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def test_ed25519_vectors() -> None:
    for line in lines("Ed25519/sign.input")[:400]:
        _, public, message, signed = (bytes.fromhex(part) for part in line.split(":")[:4])
        assert ed25519.verify(public, signed[:64], message)
        assert not ed25519.verify(public, signed[:64], message + b"\0")


def test_ecdsa_vectors() -> None:
    seen = []
    for one in records("ECDSA/FIPS_186-3/SigVer.rsp", r"\[P-256,SHA-256\]"):
        point = bytes([4]) + bytes.fromhex(one["Qx"].zfill(64) + one["Qy"].zfill(64))
        signed = encode_dss_signature(int(one["R"], 16), int(one["S"], 16))
        try:
            good = ecdsa.verify(ecdsa.point(point), signed, bytes.fromhex(one["Msg"]))
        except ValueError:
            good = False
        assert good == one["Result"].startswith("P")
        seen.append(good)
    assert (len(seen), sum(seen)) == (15, 3)


def test_points_of_p256() -> None:
    seen = []
    for one in records("ECDSA/FIPS_186-3/PKV.rsp", r"\[P-256\]"):
        x, y = int(one["Qx"], 16), int(one["Qy"], 16)
        if max(x, y) >= 2**256:
            continue
        try:
            good = ecdsa.point(b"\4" + x.to_bytes(32, "big") + y.to_bytes(32, "big")) == (x, y)
        except ValueError:
            good = False
        assert good == one["Result"].startswith("P")
        seen.append(good)
    assert set(seen) == {True, False}


def test_pss_vectors() -> None:
    seen = []
    for one in records("RSA/FIPS_186-2/SigVerPSS_186-3.rsp", r"\[mod = (2048|3072)\]"):
        if one["SHAAlg"] == "SHA256":
            public = int(one["n"], 16), int(one["e"], 16)
            good = rsa.verify(public, bytes.fromhex(one["S"]), bytes.fromhex(one["Msg"]))
            assert good == one["Result"].startswith("P")
            seen.append(good)
    assert set(seen) == {True, False}


def test_ed25519_agrees_at_random() -> None:
    dice = random.Random(1)
    for number in range(CASES):
        key = reference_ed25519.Ed25519PrivateKey.generate()
        message, public = dice.randbytes(number % 200), key.public_key().public_bytes_raw()
        case = [public, key.sign(message), message]
        if number % 3:
            which = number % 4 if message else number % 2
            case[which % 3] = spoilt(case[which % 3], dice)
        try:
            reference_ed25519.Ed25519PublicKey.from_public_bytes(case[0]).verify(case[1], case[2])
            good = True
        except InvalidSignature:
            good = False
        assert ed25519.verify(case[0], case[1], case[2]) == good
        assert good == (number % 3 == 0)


def test_ecdsa_agrees_at_random() -> None:
    dice = random.Random(2)
    order = ecdsa.ORDER
    for number in range(CASES):
        secret = number // 2 + 1 if number < 80 else order - 1 if number == 80 else dice.randrange(1, order)
        key = ec.derive_private_key(secret, ec.SECP256R1())
        message = dice.randbytes(number % 200)
        signed = key.sign(message, ec.ECDSA(SHA256))
        public = ecdsa.point(der.public_key(spki(key.public_key()))[1])
        if number % 3 == 1:
            signed = spoilt(signed, dice)
        elif number % 3 == 2:
            message += b"x"
        try:
            key.public_key().verify(signed, message, ec.ECDSA(SHA256))
            good = True
        except InvalidSignature:
            good = False
        assert ecdsa.verify(public, signed, message) == good
        assert good == (number % 3 == 0)


def test_pss_agrees_at_random() -> None:
    dice = random.Random(3)
    keys = [reference_rsa.generate_private_key(65537, bits) for bits in (2048, 2050, 2054, 3072)]
    for number in range(CASES // 2):
        key = keys[number % len(keys)]
        message = dice.randbytes(number % 200)
        salt = dice.choice([0, 1, 20, 32, padding.PSS.MAX_LENGTH])
        signed = key.sign(message, padding.PSS(padding.MGF1(SHA256), salt), SHA256)
        if number % 3 == 1:
            signed = spoilt(signed, dice)
        elif number % 3 == 2:
            message += b"x"
        try:
            key.public_key().verify(signed, message, padding.PSS(padding.MGF1(SHA256), padding.PSS.AUTO), SHA256)
            good = True
        except InvalidSignature:
            good = False
        assert rsa.verify(rsa.key(der.public_key(spki(key.public_key()))[1]), signed, message) == good
        assert good == (number % 3 == 0)


@cache
def rsa_key(bits: int) -> tuple[int, int]:
    """A modulus of so many bits and its secret exponent; OpenSSL makes even sizes only, so the primes are put together
    from two of its keys."""
    halves = bits // 2, bits - bits // 2
    p, q = (reference_rsa.generate_private_key(65537, 2 * size).private_numbers().p for size in halves)
    assert (p * q).bit_length() == bits
    return p * q, pow(65537, -1, (p - 1) * (q - 1))


def mask(seed: bytes, size: int) -> int:
    """MGF1 with SHA-256, as a number."""
    whole = b"".join(hashlib.sha256(seed + bytes([0, 0, 0, count])).digest() for count in range(size // 32 + 1))
    return int.from_bytes(whole[:size], "big")


def padded(
    bits: int, text: bytes = b"text", padding_byte: int = 0, separator: int = 1, trailer: int = 0xBC, top: int = 0
) -> int:
    """EMSA-PSS of *text* with an empty salt, written by hand: a number of *bits* bits, *top* above them."""
    size = (bits + 7) // 8
    h = hashlib.sha256(bytes(8) + hashlib.sha256(text).digest()).digest()
    block = int.from_bytes(bytes([padding_byte]) * 2 + bytes([separator]), "big")
    masked = block ^ mask(h, size - 33) & (1 << (bits - 264)) - 1
    return (top << bits) | (masked << 264) | (int.from_bytes(h, "big") << 8) | trailer


def accepted(bits: int, encoded: int, text: bytes = b"text") -> bool:
    """Whether the encoded message is believed when it has been put to the secret exponent."""
    modulus, secret = rsa_key(bits)
    assert encoded < modulus
    signed = pow(encoded, secret, modulus).to_bytes((bits + 7) // 8, "big")
    return rsa.verify((modulus, 65537), signed, text)


@pytest.mark.parametrize("bits", [2048, 2049, 2050, 2055])
def test_every_part_of_the_padding_counts(bits: int) -> None:
    assert accepted(bits, padded(bits - 1))
    assert not accepted(bits, padded(bits - 1, padding_byte=0x58))
    assert not accepted(bits, padded(bits - 1, separator=2))
    assert not accepted(bits, padded(bits - 1, separator=0))
    assert not accepted(bits, padded(bits - 1, trailer=0xCC))


@pytest.mark.parametrize("bits", [2048, 2049, 2050])
def test_the_bits_above_the_padding_are_zero(bits: int) -> None:
    modulus, _ = rsa_key(bits)
    texts = [bytes([number]) for number in range(100) if padded(bits - 1, bytes([number]), top=1) < modulus]
    assert accepted(bits, padded(bits - 1, texts[0]), texts[0])
    assert not accepted(bits, padded(bits - 1, texts[0], top=1), texts[0])


def test_a_signature_has_one_form() -> None:
    """2049 bits leave room for a signature and the modulus in the same octets; and some begin with an octet 0."""
    modulus, secret = rsa_key(2049)
    public = modulus, 65537
    number = pow(padded(2048), secret, modulus)
    assert rsa.verify(public, number.to_bytes(257, "big"), b"text")
    assert not rsa.verify(public, (number + modulus).to_bytes(257, "big"), b"text")
    assert not rsa.verify(public, number.to_bytes(258, "big"), b"text")
    assert not rsa.verify(public, modulus.to_bytes(257, "big"), b"text")
    texts = (bytes([one, two]) for one in range(256) for two in range(256))
    text = next(text for text in texts if pow(padded(2048, text), secret, modulus) < 1 << 2048)
    short = pow(padded(2048, text), secret, modulus)
    assert rsa.verify(public, short.to_bytes(257, "big"), text)
    assert not rsa.verify(public, short.to_bytes(256, "big"), text)
