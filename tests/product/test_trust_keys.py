"""Keys as metadata shows them, DER and PEM in their one form, and thresholds of different keys."""

from __future__ import annotations

import base64
import hashlib

import pytest
from test_trust_ed25519 import RFC_8032, signature, times_base

from sdcupgrade.errors import Untrusted
from sdcupgrade.trust import der, ecdsa, rsa
from sdcupgrade.trust.keys import Authority, Key
from sdcupgrade.trust.scalar import digits, weighted_sum

TEXT = b"text"
P256 = bytes.fromhex("301306072a8648ce3d020106082a8648ce3d030107")
RSA = bytes.fromhex("300d06092a864886f70d0101010500")


def tlv(tag: int, *contents: bytes) -> bytes:
    """DER, written independently: lengths of at most two octets."""
    whole = b"".join(contents)
    size = len(whole)
    short = bytes([size]) if size < 128 else bytes([0x81, size]) if size < 256 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + short + whole


def integer(number: int) -> bytes:
    """A DER INTEGER."""
    return tlv(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def pem(data: bytes) -> str:
    """In lines of 64 characters."""
    text = base64.b64encode(data).decode()
    lines = [text[at : at + 64] for at in range(0, len(text), 64)]
    return "\n".join(["-----BEGIN PUBLIC KEY-----", *lines, "-----END PUBLIC KEY-----", ""])


def point_of(one: tuple[int, int, int]) -> bytes:
    """The uncompressed form."""
    x, y, z = one
    inverse = pow(z, -1, ecdsa.P)
    return b"\4" + b"".join((n % ecdsa.P).to_bytes(32, "big") for n in (x * inverse**2, y * inverse**3))


BASE_POINT = point_of(ecdsa.BASE)
SPKI = tlv(0x30, P256, tlv(3, b"\0", BASE_POINT))


def ed_key(secret: int) -> Key:
    return Key("ed25519", "ed25519", times_base(secret).hex())


def signed(secret: int) -> str:
    return signature(secret, times_base(3), 3, TEXT).hex()


def authority(keys: dict[str, Key], threshold: int) -> Authority:
    return Authority(("targets",), keys, tuple(keys), threshold)


def believed(keys: dict[str, Key], threshold: int, signatures: dict[str, str]) -> bool:
    try:
        authority(keys, threshold).check(signatures, TEXT, "targets.json")
    except Untrusted:
        return False
    return True


def test_as_many_as_the_threshold_must_have_signed() -> None:
    keys = {"a": ed_key(5), "b": ed_key(6), "c": ed_key(7)}
    assert believed(keys, 2, {"a": signed(5), "c": signed(7)})
    assert not believed(keys, 3, {"a": signed(5), "c": signed(7)})
    assert not believed(keys, 2, {"a": signed(5), "b": signed(5)})
    assert not believed(keys, 1, {})


def test_one_key_under_two_names_counts_once() -> None:
    twice = {"a": ed_key(5), "b": ed_key(5)}
    assert not believed(twice, 2, {"a": signed(5), "b": signed(5)})
    shouted = {"a": ed_key(5), "b": Key("ed25519", "ed25519", times_base(5).hex().upper())}
    assert not believed(shouted, 2, {"a": signed(5), "b": signed(5)})
    assert believed({"a": ed_key(5), "b": ed_key(6)}, 2, {"a": signed(5), "b": signed(6)})


def test_only_keys_of_the_role_count() -> None:
    keys = {"a": ed_key(5), "b": ed_key(6)}
    one = Authority(("targets",), keys, ("a", "gone"), 2)
    with pytest.raises(Untrusted, match=r"targets.json: signed by 1 of the 2 keys that root asks of targets"):
        one.check({"a": signed(5), "b": signed(6), "gone": signed(6)}, TEXT, "targets.json")


def test_the_delegator_is_named() -> None:
    for chain, by in ((("role",), "root"), (("targets", "role"), "targets"), (("targets", "parent", "role"), "parent")):
        with pytest.raises(Untrusted, match=f"that {by} asks of role"):
            Authority(chain, {}, ("a",), 1).check({}, TEXT, "role.json")


@pytest.mark.parametrize("bad", ["", "zz", "a", "\xff\xff", "00" * 64, "00" * 63, " " * 128])
def test_a_bad_signature_does_no_harm_to_others(bad: str) -> None:
    keys = {"a": ed_key(5), "b": ed_key(6)}
    assert believed(keys, 1, {"a": bad, "b": signed(6)})
    assert not believed(keys, 2, {"a": bad, "b": signed(6)})


@pytest.mark.parametrize(
    "key",
    [
        Key("ed25519", "ed25519", ""),
        Key("ed25519", "ed25519", RFC_8032[0][0] + "00"),
        Key("ed25519", "ed25519", RFC_8032[0][0][:-2]),
        Key("ed25519", "ed25519ph", RFC_8032[0][0]),
        Key("ecdsa", "ed25519", RFC_8032[0][0]),
        Key("ecdsa", "ecdsa-sha2-nistp384", pem(SPKI)),
        Key("ecdsa", "ecdsa-sha2-nistp256", BASE_POINT.hex()),
        Key("rsa", "rsassa-pss-sha256", pem(SPKI)),
        Key("ecdsa", "ecdsa-sha2-nistp256", pem(tlv(0x30, RSA, tlv(3, b"\0", BASE_POINT)))),
        Key("sphincs", "sphincs", "00"),
    ],
)
def test_what_is_not_a_key_of_a_known_kind(key: Key) -> None:
    with pytest.raises(ValueError):
        key.material()
    assert believed({"a": key, "b": ed_key(6)}, 1, {"a": "00", "b": signed(6)})
    assert not believed({"a": key}, 1, {"a": signed(6)})


RSA_KEY = tlv(0x30, RSA, tlv(3, b"\0", tlv(0x30, integer(2**2047 + 1), integer(65537))))


@pytest.mark.parametrize(("kind", "data"), [("ecdsa", RSA_KEY), ("ecdsa-sha2-nistp256", RSA_KEY), ("rsa", SPKI)])
def test_the_name_of_a_kind_does_not_make_the_key_one(kind: str, data: bytes) -> None:
    scheme = "rsassa-pss-sha256" if kind == "rsa" else "ecdsa-sha2-nistp256"
    with pytest.raises(ValueError, match="the PEM holds another kind of key"):
        Key(kind, scheme, pem(data)).material()


@pytest.mark.parametrize("key", [Key("rsa", "rsassa-pss-sha512", pem(RSA_KEY)), Key("ecdsa", "ecdsa", pem(SPKI))])
def test_an_unknown_scheme_is_named(key: Key) -> None:
    with pytest.raises(ValueError, match=f"unknown kind of key {key.keytype} {key.scheme}"):
        key.material()


def test_both_names_of_a_p256_key_are_the_same_key() -> None:
    old, new = (Key(name, "ecdsa-sha2-nistp256", pem(SPKI)) for name in ("ecdsa-sha2-nistp256", "ecdsa"))
    assert old.material() == new.material() == ("ecdsa", ecdsa.BASE[:2])


def test_an_rsa_key() -> None:
    modulus = (1 << 2047) + 1
    bits = tlv(0x30, integer(modulus), integer(65537))
    key = Key("rsa", "rsassa-pss-sha256", pem(tlv(0x30, RSA, tlv(3, b"\0", bits))))
    assert key.material() == ("rsa", (modulus, 65537))


@pytest.mark.parametrize(
    ("modulus", "exponent", "good"),
    [
        (2**2048 - 1, 65537, True),
        (2**2047 + 1, 3, True),
        (2**8192 - 1, 2**32 - 1, True),
        (2**2047 - 1, 65537, False),
        (2**8192 + 1, 65537, False),
        (2**2048 - 2, 65537, False),
        (2**2048 - 1, 1, False),
        (2**2048 - 1, 65536, False),
        (2**2048 - 1, 2**32 + 1, False),
    ],
)
def test_sizes_of_rsa_keys(modulus: int, exponent: int, good: bool) -> None:
    bits = tlv(0x30, integer(modulus), integer(exponent))
    if good:
        assert rsa.key(bits) == (modulus, exponent)
    else:
        with pytest.raises(ValueError, match="RSA"):
            rsa.key(bits)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\4",
        BASE_POINT + b"\0",
        BASE_POINT[:-1],
        b"\2" + BASE_POINT[1:33],
        b"\6" + BASE_POINT[1:],
        b"\0" + BASE_POINT[1:],
        BASE_POINT[:-1] + bytes([BASE_POINT[-1] ^ 1]),
        b"\4" + bytes(64),
        b"\4" + bytes(32) + (pow(ecdsa.B, (ecdsa.P + 1) // 4, ecdsa.P) + ecdsa.P).to_bytes(33, "big")[-32:],
    ],
)
def test_points_that_are_none_of_the_curve(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"curve|point"):
        ecdsa.point(data)


def test_coordinates_have_one_form() -> None:
    """x = 5 is on the curve; x = 5 + P fits into 32 octets and is the same point."""
    y = pow(125 - 15 + ecdsa.B, (ecdsa.P + 1) // 4, ecdsa.P)
    assert ecdsa.point(b"\4" + (5).to_bytes(32, "big") + y.to_bytes(32, "big")) == (5, y)
    with pytest.raises(ValueError, match="curve"):
        ecdsa.point(b"\4" + (5 + ecdsa.P).to_bytes(32, "big") + y.to_bytes(32, "big"))


Y_IS_5 = 0xD7325D7646CD60D80A92738CEB345F844CFFAF35841022CAB176F692DE8DE1D7
"""The x of a point of the curve whose y is 5: a root of x ** 3 - 3 * x + B - 25."""


@pytest.mark.parametrize(("x", "y"), [(0, pow(ecdsa.B, (ecdsa.P + 1) // 4, ecdsa.P)), (Y_IS_5, 5)])
def test_small_coordinates_have_one_form_too(x: int, y: int) -> None:
    assert ecdsa.point(b"\4" + x.to_bytes(32, "big") + y.to_bytes(32, "big")) == (x, y)
    longer = (x + ecdsa.P, y) if x < y else (x, y + ecdsa.P)
    with pytest.raises(ValueError, match="curve"):
        ecdsa.point(b"\4" + b"".join(one.to_bytes(32, "big") for one in longer))


def test_the_least_s_of_a_signature() -> None:
    """A key made to fit s = 1 with the nonce 9. (No point has an x that would make r = 1.)"""
    digest = int.from_bytes(hashlib.sha256(TEXT).digest(), "big")
    nonce, r = 9, int.from_bytes(point_of(weighted_sum([(9, ecdsa.BASE_MULTIPLES)], *ecdsa.GROUP))[1:33], "big")
    secret = (nonce - digest) * pow(r, -1, ecdsa.ORDER) % ecdsa.ORDER
    public = ecdsa.point(point_of(weighted_sum([(secret, ecdsa.BASE_MULTIPLES)], *ecdsa.GROUP)))
    assert ecdsa.verify(public, tlv(0x30, integer(r), integer(1)), TEXT)


def test_a_signature_whose_sum_is_the_neutral_point() -> None:
    """The holder of any key can make one: u1 + u2 * secret is 0."""
    digest, secret = int.from_bytes(hashlib.sha256(TEXT).digest(), "big"), 7
    public = ecdsa.point(point_of(weighted_sum([(secret, ecdsa.BASE_MULTIPLES)], *ecdsa.GROUP)))
    r = -digest * pow(secret, -1, ecdsa.ORDER) % ecdsa.ORDER
    assert ecdsa.verify(public, tlv(0x30, integer(r), integer(1)), TEXT) is False


@pytest.mark.parametrize("a", [0, 1, 2, 3, 15, 16, 17, 31, 33, ecdsa.ORDER - 1])
def test_sums_of_equal_and_opposite_points(a: int) -> None:
    """The formulas of P-256 have exceptions; here they are met: a * B + b * B for small and opposite a and b."""
    for b in (0, 1, 2, 3, 16, 31, ecdsa.ORDER - a, ecdsa.ORDER - 1):
        found = weighted_sum([(a, ecdsa.BASE_MULTIPLES), (b, ecdsa.BASE_MULTIPLES)], *ecdsa.GROUP)
        known = weighted_sum([((a + b) % ecdsa.ORDER, ecdsa.BASE_MULTIPLES)], *ecdsa.GROUP)
        assert (found[2] == 0) == (known[2] == 0) == ((a + b) % ecdsa.ORDER == 0)
        assert found[2] == 0 or point_of(found) == point_of(known)


@pytest.mark.parametrize("scalar", [0, 1, 15, 16, 17, 30, 31, 32, 33, 2**256 - 1, 0xDEADBEEF])
def test_digits_make_up_the_scalar(scalar: int) -> None:
    found = digits(scalar)
    assert sum(digit << place for place, digit in enumerate(found)) == scalar
    assert all(digit == 0 or (digit % 2 and abs(digit) < 16) for digit in found)
    assert all(sum(1 for digit in found[at : at + 5] if digit) <= 1 for at in range(len(found)))


def test_values_of_a_signature_lie_within_the_order() -> None:
    public = ecdsa.point(BASE_POINT)
    for r, s in ((0, 1), (1, 0), (ecdsa.ORDER, 1), (1, ecdsa.ORDER), (0, 0)):
        assert not ecdsa.verify(public, tlv(0x30, integer(r), integer(s)), TEXT)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30",
        b"\x30\x00",
        tlv(0x31, integer(1), integer(2)),
        tlv(0x30, integer(1)),
        tlv(0x30, integer(1), integer(2), integer(3)),
        tlv(0x30, integer(1), integer(2)) + b"\0",
        tlv(0x30, integer(1), tlv(2, b"\0\2")),
        tlv(0x30, integer(1), tlv(2, b"\xff")),
        tlv(0x30, integer(1), tlv(2)),
        tlv(0x30, integer(1), tlv(4, b"\2")),
        b"\x30\x81\x06" + integer(1) + integer(2),
        b"\x30\x80" + integer(1) + integer(2) + b"\0\0",
        b"\x30\x81\x7f" + tlv(2, b"\1" * 122) + integer(2),
        b"\x30\x80" + tlv(2, b"\1" * 123) + integer(2),
        b"\x30\x82\x00\x80" + tlv(2, b"\1" * 123) + integer(2),
        b"\x30\x85\x00\x00\x00\x00\x80" + tlv(2, b"\1" * 123) + integer(2),
        tlv(0x30, integer(1), integer(300))[:-1],
        tlv(0x30, integer(1), tlv(2, b"\0\1")),
        tlv(0x30, integer(1), integer(2))[:-1],
        b"\x30\x84\xff\xff\xff\xff" + integer(1) + integer(2),
    ],
)
def test_der_has_one_form(data: bytes) -> None:
    with pytest.raises(ValueError, match="DER"):
        der.integer_pair(data)


@pytest.mark.parametrize(("r", "s"), [(0, 1), (127, 128), (255, 256), (2**1000, 2**2040), (2**1008 - 1, 5)])
def test_pairs_of_any_size(r: int, s: int) -> None:
    assert der.integer_pair(tlv(0x30, integer(r), integer(s))) == (r, s)


def test_lengths_on_the_edge_of_the_short_form() -> None:
    for size in (120, 121, 122, 123, 124, 125, 250, 251, 252, 253, 254):
        number = int.from_bytes(b"\1" * size, "big")
        assert der.integer_pair(tlv(0x30, tlv(2, b"\1" * size), integer(2))) == (number, 2)


@pytest.mark.parametrize(
    "data",
    [
        tlv(0x30, P256, tlv(3, b"\0", BASE_POINT)) + b"\0",
        tlv(0x30, P256, tlv(3, b"\0", BASE_POINT), b"\5\0"),
        tlv(0x30, P256, tlv(3, b"\1", BASE_POINT)),
        tlv(0x30, P256, tlv(3)),
        tlv(0x30, tlv(0x30, P256[2:], b"\5\0"), tlv(3, b"\0", BASE_POINT)),
        tlv(0x30, tlv(0x30, RSA[2:-2]), tlv(3, b"\0")),
        tlv(0x30, tlv(0x30, RSA[2:-2], tlv(5, b"\0")), tlv(3, b"\0")),
        tlv(0x30, tlv(0x30, P256[2:11], b"\5\0"), tlv(3, b"\0", BASE_POINT)),
    ],
)
def test_public_keys_have_one_form(data: bytes) -> None:
    with pytest.raises(ValueError):
        der.public_key(pem(data))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----",
        pem(SPKI).replace("PUBLIC", "PRIVATE"),
        pem(SPKI).replace("-----END PUBLIC KEY-----", ""),
        pem(SPKI).replace("END PUBLIC", "END PRIVATE"),
        pem(SPKI).replace("END PUBLIC", "BEGIN PUBLIC"),
        pem(SPKI).replace("BEGIN PUBLIC", "BEGIN PRIVATE"),
        pem(SPKI).replace("-----BEGIN PUBLIC KEY-----", "x"),
        pem(SPKI).replace("=", ""),
        pem(SPKI).replace("M", "M!", 1),
        pem(SPKI).replace("M", "\xe9", 1),
        pem(SPKI).replace("M", "M ", 1),
        pem(SPKI) + pem(SPKI),
    ],
)
def test_pem_has_one_form(text: str) -> None:
    with pytest.raises(ValueError):
        der.public_key(text)


def test_pem_with_other_line_ends() -> None:
    lines = pem(SPKI).splitlines()
    assert der.public_key("\n".join([lines[0], "".join(lines[1:-1]), lines[-1]]))[1] == BASE_POINT
    assert der.public_key(pem(SPKI).replace("\n", "\r\n")) == ((der.EC_PUBLIC_KEY, der.PRIME256V1), BASE_POINT)
