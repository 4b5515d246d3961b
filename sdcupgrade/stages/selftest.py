"""Whether this build of the program can work here: every module can be imported, its root of trust can be believed, its
folders can be read. A new version runs it, as a process of its own, before it is put in use.
"""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from importlib import import_module

import sdcupgrade
from sdcupgrade.errors import SdcupgradeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

    from sdcupgrade.doors import Doors
    from sdcupgrade.jsonvalue import Json

WORK = "/var/tmp"
STATE = "/var/sdcupgrade"


@dataclass(frozen=True)
class Report:
    """What was found. *root* is the version of the root of trust inside, 0 when there is none."""

    version: str
    stamp: str
    modules: int
    root: int
    problems: tuple[str, ...]

    def to_json(self) -> dict[str, Json]:
        """For ``selftest -j``."""
        return {
            "ok": not self.problems,
            "version": self.version,
            "buildstamp": self.stamp or None,
            "modules": self.modules,
            "root": self.root or None,
            "problems": list(self.problems),
        }


def selftest(doors: Doors) -> Report:
    """Look at everything; problems are reported, not raised."""
    problems: list[str] = []
    names = [found.name for found in pkgutil.walk_packages(sdcupgrade.__path__, "sdcupgrade.", problems.append)]
    problems += _damaged(doors)
    problems += _unimportable(names)
    root = 0
    try:
        root = _root()
        for folder in (WORK, STATE):
            doors.files.listdir(folder)
    except SdcupgradeError as why:
        problems.append(why.message)
    return Report(doors.process.version, doors.process.stamp, len(names), root, tuple(problems))


def _damaged(doors: Doors) -> Iterator[str]:
    """The first member of the file that is not as it was built: importing does not compare checksums."""
    from zipfile import BadZipFile, ZipFile

    from sdcupgrade.updates.bundle import placed

    if doors.process.file is None:
        return
    try:
        with doors.files.open_read(placed(doors.files, doors.process.file)) as file, ZipFile(file) as archive:
            bad = archive.testzip()
    except (BadZipFile, EOFError, SdcupgradeError) as why:
        bad = str(why)
    if bad is not None:
        yield f"the file is damaged: {bad}"


def _unimportable(names: list[str]) -> Iterator[str]:
    for name in names:
        try:
            import_module(name)
        except Exception as why:  # noqa: BLE001 - whatever a module does wrong, it is that module's problem
            yield f"{name} cannot be imported: {type(why).__name__}: {why}"


def _root() -> int:
    """The version of the root of trust inside. Raises Untrusted when it is none."""
    from sdcupgrade.trust.client import Trusted
    from sdcupgrade.version import baked_root

    data = baked_root()
    return 0 if data is None else Trusted(data, 0.0, 0.0).root.version
