"""Private keys as files, one a key: made once, never overwritten, readable by their owner alone.

A key is PKCS#8 PEM, encrypted when there is a passphrase (``SDCUPGRADE_KEY_PASSPHRASE``). Which role a key speaks for
is the root's to say, not its file name's; the name only helps people.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable
from typing import Optional

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from securesystemslib.exceptions import Error as SecurityError
from securesystemslib.signer import CryptoSigner

from release.failed import Failed

PASSPHRASE = "SDCUPGRADE_KEY_PASSPHRASE"
ENDING = ".pem"


def passphrase(environ: dict[str, str]) -> Optional[bytes]:
    """The passphrase for all key files of this call; None when they are to be plain."""
    return environ[PASSPHRASE].encode() if environ.get(PASSPHRASE) else None


def make(folder: pathlib.Path, name: str, secret: Optional[bytes]) -> CryptoSigner:
    """A new Ed25519 key as ``NAME.pem``. Raises Failed when there is such a file."""
    path = folder / f"{name}{ENDING}"
    private = ed25519.Ed25519PrivateKey.generate()
    closed = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
    data = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, closed)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError as why:
        raise Failed(f"{path}: there is a key already, and keys are never overwritten; nothing was made") from why
    except OSError as why:
        raise Failed(f"{path}: cannot be written: {why.strerror}") from why
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    return CryptoSigner(private)


def refuse_existing(folder: pathlib.Path, names: Iterable[str]) -> None:
    """That none of these keys is there. Raises Failed naming all that are."""
    there = [name for name in names if (folder / f"{name}{ENDING}").exists()]
    if there:
        raise Failed(f"{folder}: has {', '.join(there)} already, and keys are never overwritten; nothing was made")


def load(folders: Iterable[pathlib.Path], secret: Optional[bytes]) -> dict[str, CryptoSigner]:
    """All keys in these folders by key id. Raises Failed for a file that is no key, or that others may read."""
    found: dict[str, CryptoSigner] = {}
    for folder in folders:
        if not folder.is_dir():
            raise Failed(f"{folder}: there is no such folder of keys")
        for path in sorted(folder.glob(f"*{ENDING}")):
            signer = _load(path, secret)
            found[signer.public_key.keyid] = signer
    return found


def _load(path: pathlib.Path, secret: Optional[bytes]) -> CryptoSigner:
    if path.stat().st_mode & 0o077:
        raise Failed(f"{path}: others than its owner may read it; chmod 600 it, and think whether it leaked")
    try:
        private = serialization.load_pem_private_key(path.read_bytes(), secret)
    except TypeError as why:  # cryptography's word for a passphrase too many, or too few
        raise Failed(f"{path}: {why}; the passphrase is taken from {PASSPHRASE}") from why
    except ValueError as why:
        raise Failed(f"{path}: not a private key, or the passphrase is wrong") from why
    try:
        return CryptoSigner(private)
    except (SecurityError, ValueError, TypeError) as why:
        raise Failed(f"{path}: a kind of key that TUF does not know: {why}") from why
