"""What every compute node has of gzbits, as far as the headnode knows: the ledger, as data.

A line of it is what a node itself reported and what was then verified there, or that somebody began something on it and
never heard the end.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

from sdcupgrade.errors import BadInput
from sdcupgrade.jsonvalue import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from sdcupgrade.jsonvalue import Json

SCHEMA = 1
HINT = "move that file away; every node is then asked again, and one that has the bits already gets nothing"

DONE = "done"
FAILED = "failed"
BEGUN = "begun"
DOWN = "down"
"""The outcomes of a line: *begun* is one whose end nobody has heard."""


@dataclass(frozen=True)
class Known:
    """One node. *digest* is that of the set it has, empty for none; *before* that of the set a rollback gives it.
    *version* and *image* are those of what *digest* names, *when* is the time of the outcome, *why* tells of a
    failure."""

    hostname: str
    outcome: str
    when: str
    digest: str = ""
    before: str = ""
    version: str = ""
    image: str = ""
    why: str = ""

    def surely(self, digest: str) -> bool:
        """Whether the node has exactly that set."""
        return self.outcome == DONE and self.digest == digest

    def to_json(self) -> dict[str, Json]:
        """As it is written."""
        return {key: value for key, value in asdict(self).items() if value}


def known(record: Record) -> Known:
    """The line in *record*."""
    words = {key: record.text_or(key, "") or "" for key in ("digest", "before", "version", "image", "why")}
    return Known(record.text("hostname"), record.text("outcome"), record.text("when"), **words)


def ledger_json(nodes: Mapping[str, Known]) -> dict[str, Json]:
    """The whole ledger, as it is written."""
    return {"schema": SCHEMA, "nodes": {uuid: nodes[uuid].to_json() for uuid in sorted(nodes)}}


def parse_ledger(value: Json, where: str) -> dict[str, Known]:
    """The ledger in a document. Raises BadInput."""
    record = Record(value, where, BadInput, HINT)
    if record.number("schema", 0) != SCHEMA:
        raise record.fail("schema", f"{record.number('schema', 0)}, and this sdcupgrade reads {SCHEMA}")
    nodes = record.record("nodes")
    return {uuid: known(nodes.record(uuid)) for uuid in nodes.value}
