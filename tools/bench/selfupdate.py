"""A self-update from end to end: the one file replaces itself by a newer one, signed, from the box's updates server.

Everything from typing the command until the prompt is back: the channel, metadata (a new root of trust to this
headnode), the file with its digest, its proof (it runs its own selftest), the flip of the symlink with all fsyncs, and
the new version taking over. Beside it curl, sha256sum and sync on the same file, in turn.
"""

from __future__ import annotations

import importlib.util
import pathlib
import shutil
import statistics
import subprocess
import sys
from collections.abc import Iterator

from bench import box
from bench.measure import MIB, PYTHON, ROOT, Broken, Figure, Ran, median, ms, run

ROUNDS = 9
OLD, NEW = "bench-20261101T101500Z-g0000000", "bench-20261123T101500Z-g1111111"
BY_HAND = 'curl -fsS -o "$1" "$2" && sha256sum "$1" && sync "$1"'


def figures() -> Iterator[Figure]:
    """Raises Broken without the packages for development, or curl."""
    if importlib.util.find_spec("tuf") is None or importlib.util.find_spec("shiv") is None:
        raise Broken("python-tuf and shiv are needed; run it by the environment for development: .venv/bin/python")
    if shutil.which("curl") is None:
        raise Broken("curl is not installed")
    with box.up("coal") as here:
        new = published(here)
        env = {**here.env, "SDCUPGRADE_PYTHON": PYTHON}
        link, custom, kept = here.root / "opt/custom/bin/sdcupgrade", here.root / "opt/custom", here.folder / "kept"
        run((str(here.folder / "sdcupgrade-old"), "install"), env)
        shutil.copytree(custom, kept, symlinks=True)
        url = f"{here.env['UPDATES_URL']}/images/{new}/file?channel=dev"
        updated: list[Ran] = []
        by_hand: list[Ran] = []
        for _ in range(ROUNDS):
            restore(here, kept)
            updated.append(run((str(link), "self-update", "--latest"), env))
            by_hand.append(run(("sh", "-c", BY_HAND, "sh", str(here.folder / "by-hand"), url)))
        if here_now(here).read_bytes() != (here.folder / "sdcupgrade").read_bytes():
            raise Broken("self-update ended well, and the version in use is not the new one")
        tested = [run((str(here_now(here)), "selftest"), env) for _ in range(ROUNDS)]
        size = (here.folder / "sdcupgrade").stat().st_size / MIB
        ratio = statistics.median(one.seconds / other.seconds for one, other in zip(updated, by_hand))
    yield Figure(f"self-update end to end, {size:.1f} MiB", f"{median(updated):.2f} s", "",
                 f"curl, sha256sum and sync: {ms(median(by_hand))}, {ratio:.1f}x")  # fmt: skip
    yield Figure("... of it the selftest of the new version", ms(median(tested)))


def here_now(here: box.Box) -> pathlib.Path:
    """The file in use."""
    return (here.root / "opt/custom/bin/sdcupgrade").resolve()


def restore(here: box.Box, kept: pathlib.Path) -> None:
    """The old version is in use, and this headnode has seen no metadata yet."""
    for place in ("opt/custom", "var/sdcupgrade/trust"):
        shutil.rmtree(here.root / place, ignore_errors=True)
    (here.root / "var/sdcupgrade/self-update.jsonl").unlink(missing_ok=True)
    shutil.copytree(kept, here.root / "opt/custom", symlinks=True)


def published(here: box.Box) -> str:
    """Two builds with a root of trust inside; the newer is signed and published. Its uuid."""
    tools(here, "tools/release", "keys", "--metadata", "md", "--keys", "off", "--online-keys", "on")
    for name, stamp in (("sdcupgrade-old", OLD), ("sdcupgrade", NEW)):
        tools(here, "build/pyz.py", "-o", str(here.folder / name), "--stamp", stamp, "--root", "md/1.root.json")
    said = tools(here, "tools/release", "sign", "--metadata", "md", "--keys", "off", "--keys", "on", "sdcupgrade")
    url = here.env["UPDATES_URL"]
    tools(here, "tools/release", "publish", "--url", url, "--channel", "dev", "--metadata", "md", "sdcupgrade")
    return said.partition(" as sdcupgrade/")[2].partition(".")[0]


def tools(here: box.Box, program: str, *words: str) -> str:
    """A program of the project, in the operator's folder; what it said. Raises Broken."""
    argv = [sys.executable, str(ROOT / program), *words]
    done = subprocess.run(argv, cwd=here.folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Broken(f"{program} {words[0]}: {done.stderr.strip()[-2000:]}")
    return done.stdout
