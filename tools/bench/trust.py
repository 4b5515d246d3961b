"""What trust costs: one TUF refresh beside python-tuf's client on the same repository, and a signature of each kind.

The repository has the shape of those that ``tools/release`` makes, with 22 images, served from the loopback.
Whole processes in turn, the same interpreter, both with ``-S``, byte code at hand. A signature's time is that of
the whole question, from the key as metadata shows it to the answer, in a process that runs already.
"""

from __future__ import annotations

import functools
import http.server
import importlib.util
import os
import pathlib
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

from bench.measure import PYTHON, ROOT, Broken, Figure, Ran, median, ms, run

if TYPE_CHECKING:
    from securesystemslib.signer import CryptoSigner

ROUNDS = 20
IMAGES = 22
CHECKS = 200
REFRESH = str(pathlib.Path(__file__).resolve().parent / "refresh.py")
AIM = "<= 0.5x"


def figures() -> Iterator[Figure]:
    """Raises Broken without python-tuf, which is among the packages for development."""
    if importlib.util.find_spec("tuf") is None:
        raise Broken("python-tuf is not installed; run it by the environment for development: .venv/bin/python")
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        repository(folder)
        with served(folder / "md") as url:
            yield compared("one TUF refresh, to python-tuf's", folder, url, new=True)
            yield compared("... when nothing is new", folder, url, new=False)
    yield from signatures()


def repository(folder: pathlib.Path) -> None:
    """Metadata in ``md`` with targets as of so many images, its root of trust in ``root.json``. Two of three keys sign
    the root, as ``tools/release`` has it."""
    from securesystemslib.signer import CryptoSigner
    from tuf.api.metadata import TOP_LEVEL_ROLE_NAMES as TOP_LEVEL
    from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

    later = datetime.now(timezone.utc).replace(microsecond=0) + timedelta(days=30)
    root, targets, snapshot, timestamp = (kind(expires=later) for kind in (Root, Targets, Snapshot, Timestamp))
    signers = {role: [CryptoSigner.generate_ed25519() for _ in range(3 if role == "root" else 1)] for role in TOP_LEVEL}
    for role, keys in signers.items():
        for key in keys:
            root.add_key(key.public_key, role)
    root.roles["root"].threshold = 2
    for number in range(IMAGES):
        uuid = f"00000000-0000-4000-8000-{number:012}"
        target = TargetFile.from_data(f"image-{number}/{uuid}", uuid.encode())
        target.unrecognized_fields["custom"] = {"name": f"image-{number}", "uuid": uuid, "version": "1.0.0"}
        targets.targets[target.path] = target
    (folder / "md").mkdir()
    for role, signed in (("root", root), ("targets", targets), ("snapshot", snapshot), ("timestamp", timestamp)):
        metadata: Metadata[Any] = Metadata(signed)
        for key in signers[role]:
            metadata.sign(key, append=True)
        data = metadata.to_bytes()
        (folder / "md" / f"{'' if role == 'timestamp' else '1.'}{role}.json").write_bytes(data)
        if role == "targets":
            snapshot.meta["targets.json"] = MetaFile.from_data(1, data, ["sha256"])
        elif role == "snapshot":
            timestamp.snapshot_meta = MetaFile.from_data(1, data, ["sha256"])
    shutil.copy(folder / "md" / "1.root.json", folder / "root.json")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Says nothing on stderr."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def served(folder: pathlib.Path) -> Iterator[str]:
    """The URL of the folder."""
    handler = functools.partial(Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def compared(what: str, folder: pathlib.Path, url: str, new: bool) -> Figure:
    """Both in turn; *new*: with a store in which there is nothing yet. The first round is not counted."""
    pairs: list[tuple[Ran, Ran]] = []
    for _ in range(ROUNDS + 1):
        if new:
            for side in ("ours", "theirs"):
                shutil.rmtree(folder / side, ignore_errors=True)
        pairs.append((refresh("ours", folder, url), refresh("theirs", folder, url)))
    ours, theirs = zip(*pairs[1:])
    times = statistics.median(one.seconds / other.seconds for one, other in pairs[1:])
    busy = [statistics.median(one.cpu_s for one in side) for side in (ours, theirs)]
    remark = f"python-tuf: {ms(median(theirs))}; processor time {ms(busy[0])} and {ms(busy[1])}"
    return Figure(what, f"{times:.2f}x, {ms(median(ours))}", AIM, remark)


def refresh(side: str, folder: pathlib.Path, url: str) -> Ran:
    """One process."""
    (folder / side).mkdir(exist_ok=True)
    packages = pathlib.Path(importlib.util.find_spec("tuf").origin or "").parent.parent  # type: ignore[union-attr]
    env = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    env["PYTHONPATH"] = str(ROOT if side == "ours" else packages)
    return run((PYTHON, "-S", REFRESH, side, url, str(folder / side), str(folder / "root.json")), env)


def signatures() -> Iterator[Figure]:
    """A good signature of each kind."""
    from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
    from securesystemslib.signer import CryptoSigner

    yield checked("Ed25519", CryptoSigner.generate_ed25519())
    yield checked("ECDSA P-256", CryptoSigner.generate_ecdsa())
    for bits in (2048, 3072, 4096):
        yield checked(f"RSA-PSS {bits}", CryptoSigner(generate_private_key(65537, bits)))


def checked(kind: str, signer: CryptoSigner) -> Figure:
    """The median of many checks."""
    from sdcupgrade.trust.keys import Authority, Key

    public, message = signer.public_key, b"text" * 500
    key = Key(public.keytype, public.scheme, public.keyval["public"])
    role, signed = Authority(("targets",), {"id": key}, ("id",), 1), {"id": signer.sign(message).signature}
    took = []
    for _ in range(CHECKS):
        began = time.perf_counter()
        role.check(signed, message, "targets.json")
        took.append(time.perf_counter() - began)
    return Figure(f"a signature checked, {kind}", f"{statistics.median(took) * 1000:.2f} ms")
