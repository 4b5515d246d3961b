"""A bundle of 22 images, 1.1 GiB: making it from the box's updates server, and verifying it, beside sha256sum.

All of them read or write the same bytes. Making it also fetches them, verifies them as they come (sha1), and sees the
file safe on disk; made from another bundle it fetches nothing. Runs take turns.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import statistics
from collections.abc import Iterator, Mapping, Sequence

from bench import box
from bench.download import IMAGE_SIZE, IMAGES, Wanted, listed
from bench.measure import MIB, PYTHON, Broken, Figure, Ran, alone, run, sdcupgrade
from bench.start import FILE, build

ROUNDS = 3
AIM = "<= 1.3x"


def figures() -> Iterator[Figure]:
    """Make, make from a bundle, verify."""
    if shutil.which("sha256sum") is None:
        raise Broken("sha256sum is not installed")
    build()
    scenario = box.scenario("coal")
    next(row for row in scenario["releases"] if row["key"] == "newer")["size"] = IMAGE_SIZE
    with box.up("coal", scenario) as here:
        here.spec("all", spec(listed(here)))
        made, again = here.folder / "all.sdcupgrade", here.folder / "again.sdcupgrade"
        create = ("bundle", "create", "all.json", "--program", str(FILE))
        ways = {
            "create": sdcupgrade(*create, "-o", str(made.name)),
            "again": sdcupgrade(*create, "-o", str(again.name), "--source", str(made.name)),
            "verify": ("sh", str(made.name), "verify"),
            "sha256sum": ("sha256sum", str(made.name)),
        }
        env = {**here.env, "SDCUPGRADE_PYTHON": PYTHON}
        in_turn(here.folder, ways, env, 1)
        found = in_turn(here.folder, ways, env, ROUNDS)
        what = f"bundle of {images(made)} images, {made.stat().st_size / MIB:.0f} MiB"
        yield compared(f"{what}: create, fetch and all, to sha256sum", found, "create")
        yield compared("create from another bundle", found, "again")
        yield compared("verify", found, "verify")
        for name, words in (("create", create), ("verify", ("bundle", "verify", made.name))):
            peak = alone(("-m", "sdcupgrade", *words), env, here.folder).peak_mib
            yield Figure(f"peak memory of {name}", f"{peak:.1f} MiB", "< 60 MiB")


def spec(wanted: Sequence[Wanted]) -> dict[str, str]:
    """Services that get those images. The box has fewer services than images; who gets what is the same to a bundle."""
    from sdcupgrade.plan.stack import upgradable

    return {name: one["uuid"] for name, one in zip(upgradable(), wanted[:IMAGES])}


def images(bundle: pathlib.Path) -> int:
    """How many are inside."""
    from sdcupgrade.doors.files import RootedFiles
    from sdcupgrade.updates.bundle import Bundle

    members = Bundle.open(RootedFiles(), str(bundle)).index.members
    return sum(member.name.startswith("images/") for member in members)


def in_turn(
    folder: pathlib.Path, ways: Mapping[str, Sequence[str]], env: Mapping[str, str], rounds: int
) -> dict[str, list[Ran]]:
    """Everybody once, then once more; before each one nothing waits to be written."""
    found: dict[str, list[Ran]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, argv in ways.items():
            os.sync()
            found[name].append(run(argv, env, folder))
    return found


def compared(what: str, found: Mapping[str, Sequence[Ran]], name: str) -> Figure:
    """Wall time beside sha256sum's: the median of the pairs."""
    pairs = zip(found[name], found["sha256sum"])
    ratio = statistics.median(mine.seconds / theirs.seconds for mine, theirs in pairs)
    seconds, theirs_s = (statistics.median(one.seconds for one in found[key]) for key in (name, "sha256sum"))
    return Figure(what, f"{ratio:.2f}x", AIM, f"{seconds:.2f} s; sha256sum {theirs_s:.2f} s")
