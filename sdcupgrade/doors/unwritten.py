"""Files as they are, and what is written to them kept in memory: for who only wants to know what would be done."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from sdcupgrade.doors.files import Files


class Unwritten:
    """*files* for reading; nothing is written to them. Serves the trust store, which reads and replaces whole files;
    every other way of changing something is missing on purpose."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self._written: dict[str, bytes] = {}
        self.real = files.real
        self.is_dir = files.is_dir
        self.size = files.size
        self.open_read = files.open_read
        self.listdir = files.listdir
        self.free = files.free
        self.leads_to = files.leads_to
        self.resolved = files.resolved

    def exists(self, path: str) -> bool:
        return path in self._written or self._files.exists(path)

    def read(self, path: str, limit: int = 64 << 20) -> bytes:
        return self._written[path] if path in self._written else self._files.read(path, limit)

    def write(self, path: str, data: bytes, mode: int = 0o600) -> None:
        self._written[path] = data
