"""Send recorded requests to a stand-in and say where its answers differ from the real program's.

``recordings/GROUP.jsonl`` holds one call a line: what was asked and what the real program answered. A group is replayed
whole and in order, against a server that starts as the recording's did. Uuids that a server makes up are matched with
the recorded ones as they appear, and used in later requests. Left out: how answers of long jobs look at an exact
moment (``before`` lets a test pass time), and whatever is different at every run (times, pids, request ids).
"""

from __future__ import annotations

import json
import pathlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Callable, Optional

from mockdc.apis.web import FileBody, Request, Response

HOME = pathlib.Path(__file__).parent / "recordings"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
HEADERS = ("content-type", "x-joyent-resource-count", "allow", "workflow-api", "etag", "location", "content-md5")
ANY_VALUE = ("etag", "workflow-api")  # must be there; what it says is the server's own business
VOLATILE = re.compile(r"(^|_)(pid|at|time|timestamp|elapsed|started|finished|heartbeat|boot|created|modified|etag|mtime"
                      r"|after|req_id|x-request-id|request_id|md5|duration|hostname|dataset_guid|runner_id)$"
                      r"|^(stack|body|workflow)$")


@dataclass(frozen=True)
class Recorded:
    """One call of a recording. *status* is None where the real program died or never answered."""

    call: str
    what: str
    method: str
    path: str
    headers: dict[str, str]
    status: Optional[int]
    answer_headers: dict[str, str]
    body: str = ""
    file: str = ""
    json: Any = None
    text: Optional[str] = None

    def payload(self, names: Names) -> bytes:
        """The request's body."""
        return (HOME / "files" / self.file).read_bytes() if self.file else names.put(self.body).encode()


@dataclass(frozen=True)
class Difference:
    """*grade* is ``status``, ``shape``, ``header`` or ``value``, worst first."""

    call: str
    grade: str
    where: str
    what: str


@dataclass
class Names:
    """What stands for a recorded uuid or ETag on the server under test."""

    ours: set[str] = field(default_factory=set)  # uuids that the client chose: the same on every server
    known: dict[str, str] = field(default_factory=dict)

    def learn(self, recorded: str, actual: str) -> None:
        """Pair the uuids of two texts that stand in the same place."""
        old, new = UUID.findall(recorded), UUID.findall(actual)
        if len(old) == len(new):
            for one, other in zip(old, new):
                if one not in self.ours and other not in self.ours:
                    self.known.setdefault(one, other)

    def mark(self, recorded: Optional[str], actual: Optional[str]) -> None:
        """Pair two header values (ETag, Last-Modified) whole."""
        if recorded and actual:
            self.known[recorded] = actual

    def put(self, text: str) -> str:
        """*text* in the words of the server under test."""
        return self.known.get(text) or UUID.sub(lambda found: self.known.get(found.group(), found.group()), text)


Before = Callable[[Recorded], None]


def load(group: str) -> list[Recorded]:
    """The calls of a group."""
    with (HOME / f"{group}.jsonl").open(encoding="utf-8") as lines:
        return [Recorded(**json.loads(line)) for line in lines]


def differences(handle: Callable[[Request], Response], group: str, before: Optional[Before] = None) -> list[Difference]:
    """Replay *group* through *handle* (a whole server as a function); *before* is called ahead of each request."""
    calls = load(group)
    names = Names(chosen_by_client(calls))
    found: list[Difference] = []
    for recorded in calls:
        if before:
            before(recorded)
        headers = {name: names.put(value) for name, value in recorded.headers.items()}
        answer = handle(Request.make(recorded.method, names.put(recorded.path), headers, recorded.payload(names)))
        found += [Difference(recorded.call, *rest) for rest in compare(recorded, answer, names)]
    return found


def worse_than(found: list[Difference], grade: str) -> list[Difference]:
    """The differences that are worse than *grade*."""
    order = ("status", "shape", "header", "value")
    return [one for one in found if order.index(one.grade) < order.index(grade)]


def chosen_by_client(calls: list[Recorded]) -> set[str]:
    """Uuids that a request names before any answer did."""
    chosen: set[str] = set()
    answered: set[str] = set()
    for one in calls:
        chosen |= set(UUID.findall(json.dumps([one.path, one.body, one.headers]))) - answered
        answered |= set(UUID.findall(json.dumps([one.json, one.text, one.answer_headers])))
    return chosen


Found = tuple[str, str, str]


def compare(recorded: Recorded, answer: Response, names: Names) -> Iterator[Found]:
    """(grade, where, what) of each difference between two answers."""
    if recorded.status is None:
        if not 400 <= answer.status < 600:
            yield "status", "", f"{answer.status} where the real program failed"
        return
    if answer.status != recorded.status:
        yield "status", "", f"{answer.status}, recorded {recorded.status}: {bytes_of(answer)[:200]!r}"
        return
    actual = {name.lower(): value for name, value in answer.headers.items()}
    for name in ("etag", "last-modified"):
        names.mark(recorded.answer_headers.get(name), actual.get(name))
    yield from compare_headers(recorded, actual)
    yield from compare_bodies(recorded, bytes_of(answer), names)


def compare_headers(recorded: Recorded, actual: dict[str, str]) -> Iterator[Found]:
    """Headers that clients rely on."""
    for name in HEADERS:
        wanted, given = recorded.answer_headers.get(name), actual.get(name)
        if wanted is None or (name == "content-md5" and recorded.json is not None):
            continue
        if given is None:
            yield "header", name, f"missing, recorded {wanted}"
        elif name not in ANY_VALUE and given.split(";")[0] != wanted.split(";")[0]:
            yield "header", name, f"{given}, recorded {wanted}"


def compare_bodies(recorded: Recorded, raw: bytes, names: Names) -> Iterator[Found]:
    """JSON by shape; other bodies by whether there is one."""
    if recorded.json is not None:
        try:
            actual = json.loads(raw)
        except ValueError:
            yield "shape", "$", f"not JSON: {raw[:60]!r}"
            return
        yield from compare_json(recorded.json, actual, names, "$")
    elif recorded.text == "" and raw and recorded.method != "HEAD":
        yield "shape", "$", f"a body of {len(raw)} bytes, recorded none"
    elif recorded.text is None and len(raw) != int(recorded.answer_headers.get("content-length", len(raw))):
        yield "shape", "$", f"a body of {len(raw)} bytes, recorded {recorded.answer_headers['content-length']}"


def compare_json(recorded: Any, actual: Any, names: Names, path: str) -> Iterator[Found]:
    """Two decoded values."""
    if isinstance(recorded, dict) and isinstance(actual, dict):
        yield from ((("shape", f"{path}.{key}", "missing")) for key in recorded if names.put(key) not in actual)
        wanted = {names.put(key) for key in recorded}
        yield from ((("shape", f"{path}.{key}", "extra")) for key in actual if key not in wanted)
        for key in recorded:
            if names.put(key) in actual:
                yield from compare_member(key, recorded[key], actual[names.put(key)], names, f"{path}.{key}")
    elif isinstance(recorded, list) and isinstance(actual, list):
        if len(recorded) != len(actual):
            yield "shape", path, f"{len(actual)} items, recorded {len(recorded)}"
        for at, (one, other) in enumerate(side_by_side(recorded, actual, names)):
            yield from compare_json(one, other, names, f"{path}[{at}]")
    elif type(recorded) is not type(actual):
        yield "shape", path, f"{type(actual).__name__}, recorded {type(recorded).__name__}"
    elif isinstance(recorded, str):
        names.learn(recorded, actual)
        if names.put(recorded) != actual:
            yield "value", path, f"{actual[:80]!r}, recorded {recorded[:80]!r}"
    elif recorded != actual:
        yield "value", path, f"{actual!r}, recorded {recorded!r}"


def compare_member(key: str, recorded: Any, actual: Any, names: Names, path: str) -> Iterator[Found]:
    """One member of an object; a volatile one only teaches."""
    if not VOLATILE.search(key):
        yield from compare_json(recorded, actual, names, path)
    elif isinstance(recorded, str) and isinstance(actual, str):
        names.learn(recorded, actual)


def side_by_side(recorded: list[Any], actual: list[Any], names: Names) -> list[tuple[Any, Any]]:
    """Objects of the same uuid in pairs when both lists have the same ones; else by position."""
    if all(isinstance(one, dict) and "uuid" in one for one in recorded + actual):
        mine = {one["uuid"]: one for one in actual}
        wanted = [names.put(one["uuid"]) for one in recorded]
        if set(wanted) == set(mine) and len(mine) == len(actual):
            return [(one, mine[uuid]) for one, uuid in zip(recorded, wanted)]
    return list(zip(recorded, actual))


def bytes_of(answer: Response) -> bytes:
    """The body as a client would receive it."""
    body = answer.encoded()
    return pathlib.Path(body.path).read_bytes() if isinstance(body, FileBody) else body
