"""Private keys as files, one a key: made once, never overwritten, readable by their owner alone.

A key is PKCS#8 PEM, encrypted when there is a passphrase. Which role a key speaks for is the root's to say, not its
file name's; the name only helps people.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Optional

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from securesystemslib.exceptions import Error as SecurityError
from securesystemslib.signer import CryptoSigner

from release.failed import Failed

PASSPHRASE = "SDCUPGRADE_KEY_PASSPHRASE"
ENDING = ".pem"


@dataclass(frozen=True)
class Passphrases:
    """Where passphrases come from: the environment, else whoever sits at the terminal (*ask*, None without one)."""

    environ: Mapping[str, str]
    ask: Optional[Callable[[str], str]] = None

    def opening(self, path: pathlib.Path) -> bytes:
        """The one of a key that has one. Raises Failed."""
        given = self.environ.get(PASSPHRASE)
        if given is None and self.ask is not None:
            given = self.ask(f"passphrase of {path}: ")
        if not given:
            raise Failed(f"{path}: has a passphrase; type it at a terminal, or put it into {PASSPHRASE}")
        return given.encode()

    def closing(self, wanted: bool) -> Optional[bytes]:
        """The one for new keys: asked for twice when it is *wanted*, else what is in the environment; None for plain
        files. Raises Failed."""
        given = self.environ.get(PASSPHRASE)
        if given or not wanted:
            return given.encode() if given else None
        if self.ask is None:
            raise Failed(f"no terminal to ask for a passphrase; put it into {PASSPHRASE}; nothing was made")
        first = self.ask("passphrase for the new keys: ")
        if not first or self.ask("the same again: ") != first:
            raise Failed("the two passphrases differ, or are empty; nothing was made")
        return first.encode()


@dataclass(frozen=True)
class Made:
    """A key in memory, and the file that it is to have."""

    path: pathlib.Path
    signer: CryptoSigner
    data: bytes

    @property
    def keyid(self) -> str:
        """By which metadata calls it."""
        return self.signer.public_key.keyid

    def __str__(self) -> str:
        return f"{self.path}, key {self.keyid}"

    def save(self) -> None:
        """Write it, for its owner alone. Raises Failed when there is such a file."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as why:
            raise Failed(f"{self.path}: there is a key already, and keys are never overwritten") from why
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(self.data)
                file.flush()
                os.fsync(file.fileno())
        except OSError:
            self.path.unlink(missing_ok=True)
            raise


def make(folder: pathlib.Path, names: Iterable[str], secret: Optional[bytes]) -> list[Made]:
    """New Ed25519 keys, in memory until they are saved as ``NAME.pem``. Raises Failed naming all that are there."""
    paths = [folder / f"{name}{ENDING}" for name in names]
    there = [path.stem for path in paths if path.exists()]
    if there:
        raise Failed(f"{folder}: has {', '.join(there)} already, and keys are never overwritten; nothing was made")
    closed = serialization.BestAvailableEncryption(secret) if secret else serialization.NoEncryption()
    return [_made(path, ed25519.Ed25519PrivateKey.generate(), closed) for path in paths]


def _made(
    path: pathlib.Path, private: ed25519.Ed25519PrivateKey, closed: serialization.KeySerializationEncryption
) -> Made:
    data = private.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, closed)
    return Made(path, CryptoSigner(private), data)


def load(folders: Iterable[pathlib.Path], secrets: Passphrases) -> dict[str, CryptoSigner]:
    """All keys in these folders by key id. Raises Failed for a file that is no key, or that others may read."""
    found: dict[str, CryptoSigner] = {}
    for folder in folders:
        if not folder.is_dir():
            raise Failed(f"{folder}: there is no such folder of keys")
        for path in sorted(folder.glob(f"*{ENDING}")):
            try:
                signer = CryptoSigner(private_key(path, secrets))
            except (SecurityError, ValueError, TypeError) as why:
                raise Failed(f"{path}: a kind of key that TUF does not know: {why}") from why
            found[signer.public_key.keyid] = signer
    return found


def private_key(path: pathlib.Path, secrets: Passphrases) -> Any:
    """The key in a file, PEM or ssh-keygen's form. Raises Failed, also for a file that others may read."""
    if path.stat().st_mode & 0o077:
        raise Failed(f"{path}: others than its owner may read it; chmod 600 it, and think whether it leaked")
    data = path.read_bytes()
    read = serialization.load_ssh_private_key if b"OPENSSH" in data[:60] else serialization.load_pem_private_key
    try:
        try:
            return read(data, None)
        except TypeError:  # cryptography's word for a passphrase that lacks
            return read(data, secrets.opening(path))
    except (ValueError, TypeError, UnsupportedAlgorithm) as why:
        raise Failed(f"{path}: not a private key, or the passphrase is wrong") from why
