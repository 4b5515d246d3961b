"""The ledger of compute nodes on disk: what each has of gzbits.

``ledger.json`` is rewritten when a command ends; until then every change is a line appended to ``nodes.jsonl``, on
disk before anything is begun on a node and after it was heard of. So it grows with the nodes and no faster, and after a
crash it is known who was begun. A line says all of a node: reading one twice does no harm.
"""

from __future__ import annotations

from sdcupgrade.bits.ledger import HINT, Known, known, ledger_json, parse_ledger
from sdcupgrade.errors import BadInput
from sdcupgrade.jsonvalue import Record, dumps, loads, pretty

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdcupgrade.doors.files import Files

LEDGER = "/var/sdcupgrade/gzbits/ledger.json"
LINES = "/var/sdcupgrade/gzbits/nodes.jsonl"
LIMIT = 256 << 20


class Ledger:
    """The ledger; read when it is made. Raises BadInput when it is damaged."""

    def __init__(self, files: Files) -> None:
        self._files = files
        self.nodes: dict[str, Known] = {}
        if files.exists(LEDGER):
            self.nodes = parse_ledger(loads(files.read(LEDGER, LIMIT), LEDGER, BadInput, HINT), LEDGER)
        if files.exists(LINES):
            self._replay(files.read(LINES, LIMIT))

    def _replay(self, whole: bytes) -> None:
        """The lines of a command that did not come to its end; one that was cut off announced nothing that began."""
        for number, line in enumerate(whole.split(b"\n")[:-1], 1):
            where = f"{LINES}: line {number}"
            record = Record(loads(line, where, BadInput, HINT), where, BadInput, HINT)
            self.nodes.update((uuid, known(record.record(uuid))) for uuid in record.value)
        if not whole.endswith(b"\n"):
            self._files.truncate(LINES, whole.rfind(b"\n") + 1)

    def note(self, lines: Mapping[str, Known]) -> None:
        """On disk when it returns. Raises StorageError."""
        if lines:
            self._files.append(LINES, dumps({uuid: one.to_json() for uuid, one in lines.items()}).encode() + b"\n")
            self.nodes.update(lines)

    def save(self) -> None:
        """Write the ledger whole."""
        self._files.write(LEDGER, pretty(ledger_json(self.nodes)).encode())
        self._files.remove(LINES)
