"""The journal of one upgrade: what was about to happen, and what came of it.

One append-only file of JSON lines. Each line carries its number, the time and the sha256 of the line before it, and is
on disk before the act that it announces begins. A line without its end is one whose act was never begun (the process
died while writing it): readers pass over it, the next writer cuts it off. Anything else that does not fit is refused,
with the line named. Reading takes no lock and does no harm while another process appends. What the lines mean is in
``state.py``.
"""

from __future__ import annotations

import hashlib
from contextlib import contextmanager, suppress

from sdcupgrade.doors.clock import iso
from sdcupgrade.errors import BadInput, SdcupgradeError, StorageError
from sdcupgrade.jsonvalue import Record, dumps, loads
from sdcupgrade.model import Event
from sdcupgrade.run.state import Entry, State, fold

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sdcupgrade.doors.clock import Clock
    from sdcupgrade.doors.files import Files
    from sdcupgrade.jsonvalue import Json
    from sdcupgrade.model import Emit

VERSION = 1
START = "0" * 64
"""What the first line has in place of the digest of the line before it."""
LIMIT = 256 << 20


class Journal:
    """The journal at *path*, open for appending by the one process that holds the lock.

    Opening reads it (raises BadInput when it is damaged) and cuts off a line that was never finished.
    """

    def __init__(self, files: Files, path: str, clock: Clock) -> None:
        self._files = files
        self._clock = clock
        self.path = path
        whole = _bytes(files, path)
        self.entries, size, self._last = _parse(whole, path)
        if size < len(whole):
            files.truncate(path, size)

    def append(self, event: str, **fields: Json) -> Entry:
        """Write one line and return when it is on disk. Raises StorageError; then nothing may be done."""
        entry = Entry(len(self.entries) + 1, iso(self._clock.time()), event, fields)
        line = dumps(
            {**fields, "v": VERSION, "seq": entry.seq, "time": entry.time, "prev": self._last, "event": event}
        ).encode()
        self._files.append(self.path, line + b"\n")
        self.entries.append(entry)
        self._last = hashlib.sha256(line).hexdigest()
        return entry

    @property
    def state(self) -> State:
        """What the lines so far amount to."""
        return fold(self.entries)

    @contextmanager
    def run(self, command: str, who: Mapping[str, Json], options: Mapping[str, Json]) -> Iterator[None]:
        """Announce a run of *command* and, however it ends short of a crash, its end. *who* is pid, user and host;
        *options* is all that ``resume`` needs to do the same again."""
        self.append("run-begin", command=command, who=dict(who), options=dict(options))
        try:
            yield
        except SdcupgradeError as error:
            self._end(error.reference, error.message)
            raise
        except KeyboardInterrupt:
            self._end("interrupted", "interrupted by the operator")
            raise
        else:
            self.append("run-end", verdict="done", message="")

    def _end(self, verdict: str, message: str) -> None:
        """The end of a run that failed; if even that cannot be written, the first error is the one to show."""
        with suppress(StorageError):
            self.append("run-end", verdict=verdict, message=message)

    def noting(self, emit: Emit) -> Emit:
        """*emit*, with every new thing that is waited for also written down, so that ``status`` can tell of it."""
        last = [""]

        def noted(event: Event) -> None:
            if event.kind == "waiting" and event.text != last[0]:
                last[0] = event.text
                with suppress(StorageError):  # what is waited for is no state; the step goes on
                    self.append("waiting", text=event.text)
            emit(event)

        return noted


def read_state(files: Files, path: str) -> State:
    """What the journal at *path* says now; an empty state when there is none. Raises BadInput when it is damaged."""
    return fold(_parse(_bytes(files, path), path)[0])


def opening(clock: Clock, **fields: Json) -> str:
    """The first line of a journal, to be there from the moment that its work dir is: a journal that is gone is then
    known for what it is, and never taken for one in which nothing has happened."""
    line = {**fields, "v": VERSION, "seq": 1, "time": iso(clock.time()), "prev": START, "event": "prepared"}
    return dumps(line) + "\n"


def refuse_lost(files: Files, path: str) -> None:
    """Raises BadInput when the journal is not there."""
    if not files.exists(path):
        raise BadInput(
            f"{path} is gone, so nobody can tell what was changed; nothing is done on the strength of the plan alone",
            "put the journal back; or compare `sdcupgrade instances` with rollback.json and spec.json beside it",
        )


def _bytes(files: Files, path: str) -> bytes:
    return files.read(path, LIMIT) if files.exists(path) else b""


def _parse(whole: bytes, path: str) -> tuple[list[Entry], int, str]:
    """The entries, how many bytes they take, and the digest of the last line."""
    entries: list[Entry] = []
    size, last = 0, START
    for line in whole.split(b"\n")[:-1]:
        where = f"{path}: line {len(entries) + 1}"
        entries.append(_entry(line, where, len(entries) + 1, last))
        size += len(line) + 1
        last = hashlib.sha256(line).hexdigest()
    return entries, size, last


def _entry(line: bytes, where: str, seq: int, last: str) -> Entry:
    hint = "the journal was changed by other hands; keep a copy and see the log, nothing is done on the strength of it"
    record = Record(loads(line, where, BadInput, hint), where, BadInput, hint)
    if record.number("v", 0) != VERSION:
        raise BadInput(f"{where}: written by another version of sdcupgrade", "use the version that began this upgrade")
    if record.number("seq") != seq or record.text("prev") != last:
        raise BadInput(f"{where}: does not follow the line before it", hint)
    fields = {key: value for key, value in record.value.items() if key not in ("v", "seq", "time", "prev", "event")}
    return Entry(seq, record.text("time"), record.text("event"), fields)
