"""Ed25519: the RFC's own vectors, and what only a strict check refuses."""

from __future__ import annotations

import hashlib

import pytest

from sdcupgrade.trust import ed25519
from sdcupgrade.trust.scalar import weighted_sum

RFC_8032 = (  # section 7.1: public key, message, signature
    (
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bb"
        "e24655141438e7a100b",
    ),
    (
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302"
        "aeeb00d291612bb0c00",
    ),
    (
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed"
        "28dc027beceea1ec40a",
    ),
)
SMALL = (  # all points whose order divides 8
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
)


def times_base(scalar: int) -> bytes:
    """That multiple of the base point."""
    return ed25519.encoded(weighted_sum([(scalar, ed25519.BASE_MULTIPLES)], *ed25519.GROUP))


def signature(secret: int, r: bytes, nonce: int, message: bytes) -> bytes:
    """Of the key ``secret * B``, with R written as *r*, which stands for ``nonce * B``."""
    k = int.from_bytes(hashlib.sha512(r + times_base(secret) + message).digest(), "little")
    return r + ((nonce + k * secret) % ed25519.ORDER).to_bytes(32, "little")


@pytest.mark.parametrize(("public", "message", "signed"), RFC_8032)
def test_the_vectors_of_the_rfc(public: str, message: str, signed: str) -> None:
    key, text, good = (bytes.fromhex(part) for part in (public, message, signed))
    assert ed25519.verify(key, good, text)
    assert not ed25519.verify(key, good, text + b"x")
    for place in range(0, 64, 7):
        assert not ed25519.verify(key, good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :], text)


def test_a_second_form_of_a_signature_is_refused() -> None:
    key, text, good = (bytes.fromhex(part) for part in RFC_8032[1])
    scalar = int.from_bytes(good[32:], "little") + ed25519.ORDER
    assert not ed25519.verify(key, good[:32] + scalar.to_bytes(32, "little"), text)


def test_keys_and_signatures_have_one_size() -> None:
    key, text, good = (bytes.fromhex(part) for part in RFC_8032[1])
    for cut in (0, 1, 31, 63):
        assert not ed25519.verify(key, good[:cut], text)
    assert not ed25519.verify(key, good + b"\0", text)
    assert not ed25519.verify(key + b"\0", good, text)
    assert not ed25519.verify(key[:-1], good, text)
    assert ed25519.verify(key, good, text) is True


@pytest.mark.parametrize("nonce", [0, 1, 7])
def test_a_signature_made_by_hand_is_right(nonce: int) -> None:
    made = signature(5, times_base(nonce), nonce, b"text")
    assert ed25519.verify(times_base(5), made, b"text")


def test_r_in_a_longer_form_is_refused() -> None:
    r = (ed25519.P + 1).to_bytes(32, "little")  # the neutral point is y = 1
    assert not ed25519.verify(times_base(5), signature(5, r, 0, b"text"), b"text")


@pytest.mark.parametrize("public", SMALL)
def test_keys_of_small_order_are_refused(public: str) -> None:
    made = times_base(1) + (1).to_bytes(32, "little")  # right for every eighth message at least
    assert not any(ed25519.verify(bytes.fromhex(public), made, bytes([number])) for number in range(64))


@pytest.mark.parametrize("y", range(19))
def test_points_have_one_form(y: int) -> None:
    assert ed25519.point((ed25519.P + y).to_bytes(32, "little")) is None
    found = ed25519.point(y.to_bytes(32, "little"))
    assert found is None or ed25519.encoded(found) == y.to_bytes(32, "little")


def test_zero_has_no_sign() -> None:
    assert ed25519.point((1 << 255 | 1).to_bytes(32, "little")) is None
    assert ed25519.point((1 << 255 | ed25519.P - 1).to_bytes(32, "little")) is None


def test_points_off_the_curve_are_refused() -> None:
    assert [y for y in range(12) if ed25519.point(y.to_bytes(32, "little")) is None] == [2, 7, 8, 11]
    assert not ed25519.verify((2).to_bytes(32, "little"), bytes(64), b"")


def test_lengths() -> None:
    key, text, good = (bytes.fromhex(part) for part in RFC_8032[0])
    assert not ed25519.verify(key + b"\0", good, text)
    assert not ed25519.verify(key[:-1], good, text)
    assert not ed25519.verify(key, good + b"\0", text)
    assert not ed25519.verify(key, good[:-1], text)
    assert not ed25519.verify(key, b"", text)
