"""The work dir of an upgrade: ``/var/tmp/upgrade-foo`` for ``foo``, and the names of everything in it.

``foo``, ``foo.json`` and ``./dir/foo.json`` all mean the upgrade "foo". A work dir belongs to the spec file that it was
prepared from, and one that has anything in it is never prepared over: ``--fresh`` moves it aside under a stamp. A work
dir appears whole or not at all, and nothing of one is ever deleted.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from sdcupgrade.doors.clock import iso, stamp
from sdcupgrade.errors import BadInput, NoInput, PlanMoved, Refused, UsageError
from sdcupgrade.jsonvalue import Record, loads, pretty
from sdcupgrade.plan.spec import parse_spec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Optional

    from sdcupgrade.doors.clock import Clock
    from sdcupgrade.doors.files import Files
    from sdcupgrade.plan.spec import Spec

PARENT = "/var/tmp"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Named:
    """What the operator typed: the upgrade's *name*, and the spec's path if a path was typed (as it was typed)."""

    name: str
    path: Optional[str]

    @staticmethod
    def of(text: str) -> Named:
        """Parse ``foo``, ``foo.json``, ``./dir/foo.json``. Raises UsageError for what cannot be a name."""
        base = os.path.basename(text)
        name = base[: -len(".json")] if base.endswith(".json") else base
        if not NAME.fullmatch(name):
            raise UsageError(f"{text!r} does not name an upgrade", "give the spec file (foo.json) or its name (foo)")
        return Named(name, text if base != name or "/" in text else None)

    def spec(self, files: Files) -> str:
        """The path by which *files* reaches the spec: beside the operator, or else below the root. It may not exist."""
        typed = self.path or f"{self.name}.json"
        typed = typed if typed.endswith(".json") else f"{typed}.json"
        own = _from_here(typed)
        return typed if not files.exists(own) and typed.startswith("/") and files.exists(typed) else own


@dataclass(frozen=True)
class WorkDir:
    """The paths of one upgrade's work dir."""

    name: str

    @property
    def path(self) -> str:
        return f"{PARENT}/upgrade-{self.name}"

    @property
    def plan(self) -> str:
        return f"{self.path}/plan.json"

    @property
    def spec(self) -> str:
        """The resolved spec, in order."""
        return f"{self.path}/spec.json"

    @property
    def rollback(self) -> str:
        return f"{self.path}/rollback.json"

    @property
    def journal(self) -> str:
        return f"{self.path}/journal.jsonl"

    @property
    def images(self) -> str:
        """The folder of image files being fetched."""
        return f"{self.path}/images"

    @property
    def user_scripts(self) -> str:
        """The folder of user-scripts saved before the change, and of those to be set."""
        return f"{self.path}/user-scripts"

    @property
    def origin(self) -> str:
        """The record of the spec file that this work dir was prepared from."""
        return f"{self.path}/prepared-from.json"

    def create(
        self, files: Files, clock: Clock, spec: Spec, contents: Mapping[str, str], fresh: bool = False
    ) -> Optional[str]:
        """Make it, for *spec*, with *contents* (path -> text) in it. Returns where an old one was moved to.

        It is made beside its place and renamed, so that a full disk leaves an old one as it was. Raises Refused when
        there is one and not *fresh*, StorageError.
        """
        self.refuse_in_use(files, fresh)
        beside = f"{PARENT}/.upgrade-{self.name}.new"
        for name in files.listdir(f"{beside}/user-scripts"):  # of a try that failed
            files.remove(f"{beside}/user-scripts/{name}")
        record = {"spec": _absolute(files, spec.where), "services": spec.values(), "prepared_at": iso(clock.time())}
        for path, text in {self.origin: pretty(record), **contents}.items():
            files.write(beside + path[len(self.path) :], text.encode("utf-8"))
        files.mkdir(f"{beside}/images")
        files.mkdir(f"{beside}/user-scripts")
        moved = self._move_aside(files, clock) if files.listdir(self.path) else None
        files.rename(beside, self.path)
        return moved

    def refuse_in_use(self, files: Files, fresh: bool) -> None:
        """A work dir with anything in it is only moved aside when that was asked for. Raises Refused."""
        if files.listdir(self.path) and not fresh:
            raise Refused(
                f"{self.path} is in use already; nothing was changed in it",
                f"go on with it (sdcupgrade status {self.name}), or keep it aside and start anew: "
                f"sdcupgrade prepare {self.name}.json --fresh",
            )

    def check(self, files: Files, named: Named) -> None:
        """That there is a prepared work dir and that it belongs to the spec that was typed. Raises NoInput, Refused."""
        if not files.exists(self.origin) or not files.exists(self.plan):
            hint = f"sdcupgrade prepare {named.path or self.name + '.json'}"
            if not files.listdir(self.path):
                raise NoInput(f"there is no upgrade {self.name}: {self.path} is not there", hint)
            raise NoInput(f"{self.path} has lost its plan, or never got one", f"{hint} --fresh keeps it aside")
        if named.path is None:
            return
        prepared = self._origin(files).text("spec")
        typed = _absolute(files, named.spec(files))
        if typed != prepared:
            raise Refused(
                f"{self.path} belongs to another spec: it was prepared from {prepared}, not from {typed}",
                f"type the name alone (sdcupgrade ... {self.name}), or give one of the two specs another name",
            )

    def refuse_edited_spec(self, files: Files) -> None:
        """That the spec, if it still lies where it did, says what the plan was made from. Raises PlanMoved."""
        record = self._origin(files)
        path = _from_here(record.text("spec"))
        if not files.exists(path) or "services" not in record.value:
            return
        hint = f"prepare again: sdcupgrade prepare {self.name}.json --fresh; or put the spec back as it was"
        try:
            now = parse_spec(files.read(path), path).values()
        except BadInput as why:
            raise PlanMoved(f"{why.message}; it was right when the plan was made; nothing was changed", hint) from why
        then = dict(record.record("services").value)
        moved = [
            f"{service} was {then.get(service, 'absent')} and is {now.get(service, 'absent')} now"
            for service in dict.fromkeys((*then, *now))
            if then.get(service) != now.get(service)
        ]
        if moved:
            raise PlanMoved(f"{path} was edited after the plan was made: {'; '.join(moved)}; nothing was changed", hint)

    def _origin(self, files: Files) -> Record:
        hint = f"sdcupgrade prepare {self.name}.json --fresh keeps the work dir aside and starts anew"
        return Record(loads(files.read(self.origin), self.origin, PlanMoved, hint), self.origin, PlanMoved, hint)

    def _move_aside(self, files: Files, clock: Clock) -> str:
        to = f"{self.path}.{stamp(clock.time())}"
        number = 1
        while files.exists(to):
            number += 1
            to = f"{self.path}.{stamp(clock.time())}.{number}"
        files.rename(self.path, to)
        return to


def _from_here(path: str) -> str:
    try:
        return os.path.relpath(path)
    except FileNotFoundError as why:
        raise NoInput("the folder you are in was removed", "cd to another, then type the same command again") from why


def _absolute(files: Files, path: str) -> str:
    return os.path.realpath(files.real(path))
