"""The signature of a bundle's index: by the operator's ssh key, made and verified with ``ssh-keygen -Y``.

The index holds the digest of everything else, so its signature vouches for the whole file. Whose keys count is said by
a file in the form of ssh-keygen's ALLOWED SIGNERS, which the site keeps; never by the bundle. OpenSSH 8.2 or later.
"""

from __future__ import annotations

import os
from contextlib import contextmanager

from sdcupgrade.errors import BadInput, CommandFailed, NoInput, Untrusted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Optional

    from sdcupgrade.doors import Doors
    from sdcupgrade.doors.run import Completed
    from sdcupgrade.updates.bundle import Bundle

NAMESPACE = "sdcupgrade-bundle"
ALLOWED = "/var/sdcupgrade/allowed_signers"
PROGRAM = "ssh-keygen"
SCRATCH = "/tmp"
NOT_IT = "nothing was touched; ask whoever made the bundle, or add the right key to the allowed signers"


def sign(doors: Doors, key: str, raw: bytes) -> bytes:
    """The armoured signature of *raw* by the key in the file *key* (a private key, or a public one whose private half
    an ssh-agent has). Raises NoInput, CommandFailed."""
    if not doors.files.exists(key):
        raise NoInput(f"{key}: there is no such key", "name your ssh key with --sign-key; nothing was written")
    done = _keygen(doors, raw, "sign", "-f", doors.files.real(key), "-n", NAMESPACE)
    if done.status or "BEGIN SSH SIGNATURE" not in done.stdout:
        raise CommandFailed(
            f"{PROGRAM} -Y sign -f {key} {done.ending}: {done.stderr.strip()}",
            "a key with a passphrase must be in an ssh-agent (ssh-add); nothing was written",
        )
    return done.stdout.encode()


def signer(doors: Doors, bundle: Bundle, named: Optional[str], required: bool) -> str:
    """Who has signed the bundle, by the allowed signers in the file *named* (or the site's own, if there is one).

    Empty for one that is not signed, or where nobody says whose signature counts; with *required* both raise Untrusted.
    So does a signature that is wrong, always. Raises NoInput when the *named* file is not there.
    """
    allowed = named or ALLOWED
    if named and not doors.files.exists(named):
        raise NoInput(f"{named}: there is no such file of allowed signers")
    if not bundle.signature or not doors.files.exists(allowed):
        if required:
            missing = f"there is no {allowed}" if bundle.signature else "it is not signed"
            raise Untrusted(f"{bundle.path}: a signature is required, and {missing}", NOT_IT)
        return ""
    with _beside(doors, bundle.signature) as place:
        found = _keygen(doors, b"", "find-principals", "-s", place, "-f", doors.files.real(allowed))
        names = found.stdout.splitlines() if found.status == 0 else []
        if not names:
            why = found.stderr.strip() or "no signer there has that key"
            raise Untrusted(f"{bundle.path}: not signed by one of {allowed}: {why}", NOT_IT)
        for who in names:  # a key may be there on several lines, for other uses
            words = ("-I", who, "-n", NAMESPACE, "-s", place, "-f", doors.files.real(allowed))
            done = _keygen(doors, bundle.raw, "verify", *words)
            if done.status == 0:
                return who
    raise Untrusted(f"{bundle.path}: the signature is wrong: {(done.stderr or done.stdout).strip()}", NOT_IT)


def _keygen(doors: Doors, stdin: bytes, what: str, *words: str) -> Completed:
    return doors.run.run([PROGRAM, "-Y", what, *words], stdin=stdin.decode("utf-8", "surrogateescape"))


@contextmanager
def _beside(doors: Doors, signature: bytes) -> Iterator[str]:
    """The signature as a file, which is how ssh-keygen takes it; its real path."""
    if len(signature) > 1 << 16:
        raise BadInput("the signature of the bundle is far too long")
    place = f"{SCRATCH}/.sdcupgrade-{os.getpid()}-{os.urandom(6).hex()}.sig"
    doors.files.write(place, signature)
    try:
        yield doors.files.real(place)
    finally:
        doors.files.remove(place)
