"""Looking at gzbits: what is installed, what another tarball would change, and whether everything is as installed."""

from __future__ import annotations

from dataclasses import dataclass

from sdcupgrade.bits.changes import KEY, plan, wanted
from sdcupgrade.errors import CommandFailed, NoInput
from sdcupgrade.run import bits_state
from sdcupgrade.run.journal import Journal
from sdcupgrade.run.lock import holder_now
from sdcupgrade.stages.bits import GO_ON, difference, strangers_of
from sdcupgrade.stages.bits_find import find, opened
from sdcupgrade.stages.bits_ground import Ground, ground_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from sdcupgrade.bits.changes import Change, Thing
    from sdcupgrade.bits.records import Installed
    from sdcupgrade.jsonvalue import Json
    from sdcupgrade.stages.bits import Difference
    from sdcupgrade.stages.site import Site

WORDS = {
    "added": "it is gone",
    "changed": "its content is not what was installed",
    "mode": "its mode or owner is not what was installed",
    "link": "it leads somewhere else",
    "kind": "it is something else",
}
"""What a change that would repair it says about a path."""


@dataclass(frozen=True)
class Drift:
    """A path that is not as installed."""

    path: str
    problem: str


@dataclass(frozen=True)
class Verified:
    """*files* is how many paths were compared; *key* is why the boot key was not, empty when it was or need not be."""

    installed: Installed
    paths: int
    drift: tuple[Drift, ...]
    foreign: tuple[str, ...]
    key: str = ""
    cut_off: str = ""

    def to_json(self) -> dict[str, Json]:
        """For ``-j``."""
        return {
            "version": self.installed.manifest.version,
            "buildstamp": self.installed.manifest.buildstamp,
            "paths": self.paths,
            "drift": [{"path": one.path, "problem": one.problem} for one in self.drift],
            "foreign": list(self.foreign),
            "key": self.key or None,
            "cut_off": self.cut_off or None,
        }


@dataclass(frozen=True)
class Status:
    """*back* is what a rollback goes to: a name, or None for nothing to go back to. *drift* is counted in the global
    zone alone. *cut_off* is a command that did not come to its end; *holder* who is at work now."""

    installed: Optional[Installed]
    back: Optional[str]
    drift: int
    foreign: int
    cut_off: str
    holder: str

    def to_json(self) -> Json:
        """For ``-j``."""
        one = self.installed
        return {
            "version": one.manifest.version if one else None,
            "buildstamp": one.manifest.buildstamp if one else None,
            "image": (one.image or None) if one else None,
            "sha256": one.sha256 if one else None,
            "signed": one.signed if one else None,
            "since": one.since if one else None,
            "rollback": self.back,
            "drift": self.drift,
            "foreign": self.foreign,
            "cut_off": self.cut_off or None,
            "holder": self.holder or None,
        }


def diff(site: Site, word: str, channel: Optional[str] = None) -> Difference:
    """What the tarball that *word* means would change. Takes the lock, for it mounts the key; changes nothing else."""
    assert site.datacenter.headnode
    found = find(site, word, channel)
    with site.locked("gzbits diff", ""), ground_of(site) as ground, opened(site, found) as tarball:
        return difference(site, ground, found, tarball.manifest)


def verify(site: Site) -> Verified:
    """Compare everything with what is installed. Raises NoInput when nothing is, LockHeld."""
    assert site.datacenter.headnode
    installed = _installed(site)
    want = wanted(installed.manifest, site.doors.files.owner)
    with site.locked("gzbits verify", ""), ground_of(site) as ground:
        trouble = ""
        if any(path.startswith(KEY) for path in want):
            try:
                ground.key.mount()
            except CommandFailed as why:
                trouble = why.message
                want = _without_key(want)
        drift, strangers = _compare(site, ground, want)
        return Verified(installed, len(want), drift, strangers, trouble, _cut_off(site))


def status(site: Site) -> Status:
    """How things stand; takes no lock and leaves the key alone."""
    files = site.doors.files
    installed, previous = bits_state.read_installed(files), bits_state.read_previous(files)
    drift: tuple[Drift, ...] = ()
    strangers: tuple[str, ...] = ()
    if installed is not None:
        want = _without_key(wanted(installed.manifest, files.owner))
        drift, strangers = _compare(site, Ground(site), want)
    back = None
    if previous is not None:
        back = previous.installed.name if previous.installed else "what was there before gzbits"
    holder = holder_now(files)
    cut_off = "" if holder else _cut_off(site)
    return Status(installed, back, len(drift), len(strangers), cut_off, str(holder) if holder else "")


def _installed(site: Site) -> Installed:
    installed = bits_state.read_installed(site.doors.files)
    if installed is None:
        raise NoInput("no gzbits are installed here", "install them: sdcupgrade gzbits apply")
    return installed


def _without_key(want: dict[str, Thing]) -> dict[str, Thing]:
    return {path: thing for path, thing in want.items() if not path.startswith(KEY)}


def _compare(site: Site, ground: Ground, want: dict[str, Thing]) -> tuple[tuple[Drift, ...], tuple[str, ...]]:
    disk = ground.observe(want)
    found = plan(want, (), disk, site.doors.files.owner).changes
    return tuple(Drift(ground.place(change.path), _problem(change)) for change in found), strangers_of(disk, want)


def _problem(change: Change) -> str:
    before, after = change.before, change.after
    if change.what == "mode" and before is not None and after is not None:
        return f"mode {before.mode:04o} of {before.owner[0]}:{before.owner[1]}, not {after.mode:04o} of root"
    return WORDS[change.what]


def _cut_off(site: Site) -> str:
    """The command that left its work half done, and what to type."""
    entry = bits_state.last(Journal(site.doors.files, bits_state.JOURNAL, site.doors.clock))
    if entry is None:
        return ""
    how = "nothing was changed" if entry.event == "begin" else GO_ON
    return f"{entry.fields.get('command')} was cut off at {entry.time}; {how}"
