"""The log of one run: bunyan JSON lines with every outside call, how long it took and what came of it.

Readable by the real ``bunyan`` program. Logging never raises and never hides an error (TOOLS-1405): when the file
cannot be written, the log falls silent and :attr:`Log.trouble` says why. The file is made at the first line, so a run
that did nothing leaves none. Values of keys that look like secrets are masked.
"""

from __future__ import annotations

import json
import os
import re

from sdcupgrade.doors.clock import iso, stamp
from sdcupgrade.errors import SdcupgradeError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import BinaryIO, Optional

    from sdcupgrade.doors.clock import Clock
    from sdcupgrade.doors.files import Files

FOLDER = "/var/log/sdcupgrade"
KEPT = 100
"""How many logs stay, this one included."""

DEBUG, INFO, WARN, ERROR = 20, 30, 40, 50
"""bunyan's levels."""

_SECRET = r"(?:password|passwd|secret|authorization|_pw\b|_key\b)"
_SECRET_KEY = re.compile(rf"^[\w-]*{_SECRET}[\w-]*$", re.IGNORECASE)
_WORD = r"(?<![\w-])[\w-]*"
"""From its beginning only: a long word that is tried at each of its letters takes minutes."""
_SECRET_TEXT = re.compile(rf"({_WORD}{_SECRET}[\w-]*\\?[\"']?\s*[:=]\s*\\?[\"']?)[^\s\"',&}}\\]+", re.IGNORECASE)
_UNWRITABLE = (OSError, SdcupgradeError, ValueError)
_UNLOGGABLE = (TypeError, ValueError, AttributeError, LookupError, ArithmeticError, RuntimeError)


class Log:
    """The log of one run of *command*. *path* is where it is (or would be), for the operator."""

    def __init__(self, files: Files, clock: Clock, command: str, folder: str = FOLDER) -> None:
        self._files = files
        self._clock = clock
        self._base = {"name": "sdcupgrade", "hostname": os.uname().nodename, "pid": os.getpid()}
        self._context: Optional[AbstractContextManager[BinaryIO]] = None
        self._file: Optional[BinaryIO] = None
        self._folder = folder
        self.path = f"{folder}/{stamp(clock.time())}-{os.getpid()}-{command}.log"
        self.trouble = ""

    def debug(self, msg: str, **fields: object) -> None:
        self._write(DEBUG, msg, fields)

    def info(self, msg: str, **fields: object) -> None:
        self._write(INFO, msg, fields)

    def warn(self, msg: str, **fields: object) -> None:
        self._write(WARN, msg, fields)

    def error(self, msg: str, **fields: object) -> None:
        self._write(ERROR, msg, fields)

    def call(self, face: str, name: str, detail: object, seconds: float, result: object, **more: object) -> None:
        """One call of the outside world: *face* is ``command`` or ``http``, *name* the program or method, *detail* the
        arguments or url, *result* how it ended."""
        fields = {"face": face, "call": name, "detail": detail, "seconds": round(seconds, 3), "result": result, **more}
        self._write(DEBUG, f"{face} {name}: {result}", fields)

    def close(self) -> None:
        """Flush to disk; a line written later opens the file again."""
        context, self._context, self._file = self._context, None, None
        if context is not None:
            try:
                context.__exit__(None, None, None)
            except _UNWRITABLE as why:
                self.trouble = f"the log {self.path} cannot be written: {why}"

    def _write(self, level: int, msg: str, fields: dict[str, object]) -> None:
        if self.trouble:
            return
        now = self._clock.time()
        try:
            line = _line({**fields, **self._base, "level": level}, msg, now)
        except _UNLOGGABLE as why:
            line = _line({**self._base, "level": level}, f"{msg} (with fields that cannot be logged: {why!r})", now)
        try:
            file = self._open()
            file.write(line)
            file.flush()
        except _UNWRITABLE as why:
            self.trouble = f"the log {self.path} cannot be written: {why}"

    def _open(self) -> BinaryIO:
        if self._file is None:
            _prune(self._files, self._folder)
            self._context = self._files.open_append(self.path)
            self._file = self._context.__enter__()
        return self._file


class NullLog(Log):
    """Writes nothing; for tests and for runs before there is anywhere to write."""

    def __init__(self) -> None:
        self.path = ""
        self.trouble = ""

    def close(self) -> None:
        pass

    def _write(self, level: int, msg: str, fields: dict[str, object]) -> None:
        pass


def masked(value: object) -> object:
    """*value* without the secrets in it: whole values of secret keys, and what follows such a key in text."""
    if isinstance(value, dict):
        return masked_fields(value)
    if isinstance(value, (list, tuple)):
        return [masked(item) for item in value]
    return masked_text(value) if isinstance(value, str) else value


def masked_fields(fields: dict[str, object]) -> dict[str, object]:
    return {key: "***" if _SECRET_KEY.match(str(key)) else masked(value) for key, value in fields.items()}


def masked_text(text: str) -> str:
    return _SECRET_TEXT.sub(r"\1***", text)


def _line(fields: dict[str, object], msg: str, at: float) -> bytes:
    whole = {**masked_fields(fields), "msg": masked_text(msg), "time": iso(at), "v": 0}
    return json.dumps(whole, default=repr, allow_nan=False).encode() + b"\n"


def _prune(files: Files, folder: str) -> None:
    """Remove the oldest logs; their names begin with the time."""
    names = [name for name in files.listdir(folder) if name.endswith(".log")]
    for name in names[: max(0, len(names) - (KEPT - 1))]:
        files.remove(f"{folder}/{name}")
