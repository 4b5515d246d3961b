"""22 images, 1.1 GiB, from the box's updates server: sdcupgrade's fetcher beside 4 curls at a time on the same bytes.

Both write files. sdcupgrade also verifies size and sha1 of every byte and sees the files safe on disk; what the same
care costs curl is measured too. Runs take turns; before each one the disk is quiet (``sync``) and the folder is new.
"""

from __future__ import annotations

import json
import os
import pathlib
import shlex
import shutil
import statistics
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from bench import box
from bench.measure import MIB, PYTHON, Broken, Figure, Ran, alone, run, sdcupgrade

ROUNDS = 5
PARALLEL = 4
IMAGES = 22
IMAGE_SIZE = 44_500 << 10
"""What a scenario adds by chance makes it 51 MiB in the mean."""

LINK_RATE = 125_000_000
"""A link of 1 Gbit/s, in bytes a second."""

FETCH = str(pathlib.Path(__file__).resolve().parent / "fetch.py")
Wanted = Mapping[str, Any]


def figures() -> Iterator[Figure]:
    """The fetch alone, at the speed of the machine and of a link; then the whole command."""
    if shutil.which("curl") is None:
        raise Broken("curl is not installed")
    scenario = box.scenario("coal")
    next(row for row in scenario["releases"] if row["key"] == "newer")["size"] = IMAGE_SIZE
    with box.up("coal", scenario) as here:
        wanted = listed(here)
        (here.folder / "wanted.json").write_text(json.dumps(wanted), encoding="utf-8")
        size = sum(one["size"] for one in wanted) / MIB
        fetch = (FETCH, str(here.folder / "wanted.json"), str(files(here)))
        ways = {
            "sdcupgrade": (PYTHON, *fetch),
            "curl": curls(here, wanted, "{curl}"),
            "care": curls(here, wanted, "{curl} && echo {sha1} {file} | sha1sum -c --quiet && sync {file}"),
        }
        in_turn(here, ways, 1)
        what = f"{len(wanted)} images, {size:.0f} MiB, loopback"
        yield from compared(what, in_turn(here, ways, ROUNDS), size)
        fresh(here)
        yield Figure("the same, peak memory of the fetch", f"{alone(fetch, here.env).peak_mib:.1f} MiB", "< 60 MiB")
        here.fault(f"updates GET /images/*/file rate={LINK_RATE // PARALLEL}")
        ways.pop("care")
        yield from compared("the same over 1 Gbit/s", in_turn(here, ways, 3), size)
        here.reset_faults()
        yield from whole(here, scenario)


def listed(here: box.Box) -> list[Wanted]:
    """The 22 large images; the server has made their files afterwards."""
    server = here.env["SDCUPGRADE_UPDATES_URL"]
    with urllib.request.urlopen(f"{server}/images?channel=dev") as answer:
        images = [one for one in json.load(answer) if one["files"] and one["files"][0]["size"] >= IMAGE_SIZE]
    wanted: list[Wanted] = [
        {"uuid": one["uuid"], "name": one["name"], "version": one["version"], "size": one["files"][0]["size"],
         "sha1": one["files"][0]["sha1"], "channel": "dev"}
        for one in images[:IMAGES]
    ]  # fmt: skip
    for one in wanted:
        url = f"{server}/images/{one['uuid']}/file?channel=dev"
        urllib.request.urlopen(urllib.request.Request(url, headers={"Range": "bytes=0-0"})).close()
    return wanted


def curls(here: box.Box, wanted: Sequence[Wanted], line: str) -> tuple[str, ...]:
    """A shell that runs *line* for each image, four at a time."""
    server = here.env["SDCUPGRADE_UPDATES_URL"]
    lines = []
    for one in wanted:
        file = str(files(here) / one["uuid"])
        curl = f"{shutil.which('curl')} -sf -o {file} '{server}/images/{one['uuid']}/file?channel=dev'"
        lines.append(shlex.quote(line.format(curl=curl, file=file, sha1=one["sha1"])))
    return ("sh", "-c", f"printf '%s\\0' {' '.join(lines)} | xargs -0 -n 1 -P {PARALLEL} sh -c")


def files(here: box.Box) -> pathlib.Path:
    """Where everybody writes; below the headnode's root, since that is where the product may."""
    return here.root / "var/tmp/bench"


def fresh(here: box.Box) -> None:
    """An empty folder, and nothing that still waits to be written."""
    shutil.rmtree(files(here), ignore_errors=True)
    files(here).mkdir()
    os.sync()


def in_turn(here: box.Box, ways: Mapping[str, Sequence[str]], rounds: int) -> dict[str, list[Ran]]:
    """Everybody once, then once more, and so on."""
    found: dict[str, list[Ran]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, argv in ways.items():
            fresh(here)
            found[name].append(run(argv, here.env))
    return found


def compared(what: str, found: Mapping[str, Sequence[Ran]], size: float) -> Iterator[Figure]:
    """Wall time beside curl's: the median of the pairs."""
    def against(other: str) -> str:
        pairs = zip(found["sdcupgrade"], found[other])
        return f"{statistics.median(mine.seconds / theirs.seconds for mine, theirs in pairs):.2f}x"

    def told(name: str) -> str:
        seconds = statistics.median(one.seconds for one in found[name])
        cpu_s = statistics.median(one.cpu_s for one in found[name])
        return f"{seconds:.2f} s, {size / seconds:.0f} MiB/s, {cpu_s:.2f} s of processor"

    remark = f"{told('sdcupgrade')}; curls {told('curl')}"
    yield Figure(f"{what}: sdcupgrade to 4 curls", against("curl"), "<= 1.1x", remark)
    if "care" in found:
        yield Figure(f"{what}: to 4 curls, sha1sum and sync", against("care"), "", f"those {told('care')}")


def whole(here: box.Box, scenario: box.Scenario) -> Iterator[Figure]:
    """The command: fetched, put into IMGAPI, installed into the pool."""
    here.spec("all", box.ordinary(box.placed(scenario)))
    run(sdcupgrade("prepare", "all.json"), here.env, here.folder)
    os.sync()
    own = alone(("-m", "sdcupgrade", "download", "all"), here.env, here.folder)
    got = [call for call in here.calls("download") if call["call"] == "GET" and "/file" in call["detail"]]
    size = sum(int(call["result"].split()[1]) for call in got) / MIB
    yield Figure(f"`sdcupgrade download`, {len(got)} images, {size:.0f} MiB", f"{own.seconds:.1f} s", "",
                 f"peak memory {own.peak_mib:.1f} MiB; {shares(here.calls('download'))}")  # fmt: skip


def shares(calls: Sequence[Mapping[str, Any]]) -> str:
    """Which kinds of calls took how long; calls that ran side by side add up."""
    kinds: dict[str, Callable[[Mapping[str, Any]], bool]] = {
        "fetch": lambda call: call["call"] == "GET" and "/file" in call["detail"],
        "into IMGAPI": lambda call: call["call"] == "PUT" and "/file" in call["detail"],
        "into the pool": lambda call: call["call"] == "imgadm",
    }
    return ", ".join(f"{name} {sum(call['seconds'] for call in calls if of(call)):.1f} s" for name, of in kinds.items())
