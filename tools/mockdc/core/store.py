"""State that survives kill -9: JSON documents in SQLite, read and written in transactions.

A document has a kind and an id (``vm`` / uuid). The same code serves an in-memory database in process and a file shared
by many processes. Documents come back as fresh copies: change one, then :meth:`Store.put` it.

Kinds (id -> document):
    server            uuid -> the CNAPI server object, sysinfo inside, plus "_alive" and "_known" (to CNAPI): bool
    vm                uuid -> the object that ``vmadm get`` prints (the truth), with server_uuid
    zone              uuid -> private life of a zone (core/zones.py)
    vmapi_vm          uuid -> what VMAPI believes (lags behind vm)
    sapi_application, sapi_service, sapi_instance, sapi_manifest    uuid -> object
    image             "<store>/<uuid>" -> full manifest incl. channels; store is "updates" or "imgapi"
    installed         "<server>/<uuid>" -> {"manifest":..., "zpool":"zones", "source":...}
    dataset           "<server>:<name>" -> zfs dataset or snapshot (name has "@")
    job, task, ticket uuid -> object
    package, network  uuid -> object of PAPI, NAPI
    stand_in_image    uuid -> manifest that VMAPI finds although IMGAPI has no such image
    dns               "<name>/<ip>" -> {"name","ip","session"}
    stale_vm          uuid -> a vm that VMAPI has not heard about yet
    image_seed        "<store>/<uuid>" -> how to make the bytes of a scenario's image file (core/bits.py)
    event             "<time>/<random>" -> {"at","action","args"}, see core/datacenter.py
    fault             see core/faults.py
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from typing import Any, Optional

Doc = dict[str, Any]

Broken = sqlite3.Error
"""The database cannot be opened, read or written: somebody else's folder, a full disk, a folder that is gone."""

SCHEMA = """
CREATE TABLE IF NOT EXISTS doc (seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL,
    data TEXT NOT NULL, UNIQUE (kind, id));
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, data TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS call (seq INTEGER PRIMARY KEY AUTOINCREMENT, at REAL NOT NULL, face TEXT NOT NULL,
    name TEXT NOT NULL, detail TEXT NOT NULL, result TEXT NOT NULL DEFAULT '');
"""


class Store:
    """One database; a connection per thread for a file, one shared connection in memory."""

    def __init__(self, path: str = ":memory:") -> None:
        self.path = path
        self._local = threading.local()
        self._mutex = threading.RLock()
        self._shared = self._connect() if path == ":memory:" else None
        if self._shared is not None:
            weakref.finalize(self, self._shared.close)  # python 3.13 warns of a connection that nobody closed
        with self.transaction():
            pass

    def _connect(self) -> sqlite3.Connection:
        link = sqlite3.connect(self.path, timeout=60, isolation_level=None, check_same_thread=False)
        if self.path != ":memory:":
            link.execute("PRAGMA journal_mode=WAL")
            link.execute("PRAGMA synchronous=NORMAL")
        link.executescript(SCHEMA)
        return link

    @property
    def link(self) -> sqlite3.Connection:
        """This thread's connection."""
        if self._shared is not None:
            return self._shared
        if not hasattr(self._local, "link"):
            self._local.link = self._connect()
            self._local.depth = 0
        link: sqlite3.Connection = self._local.link
        return link

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; may be nested (the outermost decides). Never sleep inside."""
        with self._mutex if self._shared is not None else contextlib.nullcontext():
            link = self.link
            depth = getattr(self._local, "depth", 0)
            if depth == 0:
                link.execute("BEGIN IMMEDIATE")
            self._local.depth = depth + 1
            try:
                yield
            except BaseException:
                self._local.depth = depth
                if depth == 0:
                    link.execute("ROLLBACK")
                raise
            self._local.depth = depth
            if depth == 0:
                link.execute("COMMIT")

    def _run(self, sql: str, values: tuple[Any, ...] = ()) -> tuple[list[Any], sqlite3.Cursor]:
        """One statement, by one thread at a time where the connection is shared."""
        with self._mutex if self._shared is not None else contextlib.nullcontext():
            cursor = self.link.execute(sql, values)
            return cursor.fetchall(), cursor

    def get(self, kind: str, id: str) -> Optional[Doc]:
        """The document, or None."""
        rows, _ = self._run("SELECT data FROM doc WHERE kind=? AND id=?", (kind, id))
        return json.loads(rows[0][0]) if rows else None

    def put(self, kind: str, id: str, doc: Doc) -> None:
        """Insert or replace; a replaced document keeps its place in :meth:`all`."""
        self._run(
            "INSERT INTO doc (kind, id, data) VALUES (?,?,?) ON CONFLICT (kind, id) DO UPDATE SET data=excluded.data",
            (kind, id, json.dumps(doc)),
        )

    def delete(self, kind: str, id: str) -> bool:
        """Whether there was one."""
        return self._run("DELETE FROM doc WHERE kind=? AND id=?", (kind, id))[1].rowcount > 0

    def all(self, kind: str, prefix: str = "") -> list[Doc]:
        """Documents in order of first insertion; *prefix* narrows by id."""
        return [doc for _, doc in self.items(kind, prefix)]

    def items(self, kind: str, prefix: str = "") -> list[tuple[str, Doc]]:
        """As :meth:`all`, with ids."""
        rows, _ = self._run(
            "SELECT id, data FROM doc WHERE kind=? AND substr(id,1,?)=? ORDER BY seq", (kind, len(prefix), prefix)
        )
        return [(id, json.loads(data)) for id, data in rows]

    def holding(self, kind: str, key: str, value: str, prefix: str = "") -> list[Doc]:
        """Those documents in which somewhere, at any depth, *key* is *value*; the others are not even parsed. *prefix*
        narrows by id."""
        text = f"{json.dumps(key)}: {json.dumps(value)}"
        sql = "SELECT data FROM doc WHERE kind=? AND substr(id,1,?)=? AND instr(data,?) ORDER BY seq"
        rows, _ = self._run(sql, (kind, len(prefix), prefix, text))
        return [json.loads(data) for (data,) in rows]

    def meta(self, name: str, default: Any = None) -> Any:
        """A single named value."""
        rows, _ = self._run("SELECT data FROM meta WHERE name=?", (name,))
        return json.loads(rows[0][0]) if rows else default

    def set_meta(self, name: str, value: Any) -> None:
        """Set a single named value."""
        self._run("INSERT OR REPLACE INTO meta VALUES (?,?)", (name, json.dumps(value)))

    def log_call(self, at: float, face: str, name: str, detail: str, result: str = "") -> int:
        """Record an outside call; returns its number."""
        with self._mutex:
            _, cursor = self._run(
                "INSERT INTO call (at, face, name, detail, result) VALUES (?,?,?,?,?)", (at, face, name, detail, result)
            )
            return int(cursor.lastrowid or 0)

    def close_call(self, number: int, result: str) -> None:
        """Fill in how the call ended."""
        self._run("UPDATE call SET result=? WHERE seq=?", (result, number))

    def calls(self) -> list[Doc]:
        """Every outside call, in order."""
        rows, _ = self._run("SELECT seq, at, face, name, detail, result FROM call ORDER BY seq")
        return [dict(zip(("seq", "at", "face", "name", "detail", "result"), row)) for row in rows]

    def due(self, upto: float) -> Optional[tuple[str, Doc]]:
        """The earliest event whose time has come, with its id; event ids sort by time."""
        rows, _ = self._run(
            "SELECT id, data FROM doc WHERE kind='event' AND id<=? ORDER BY id LIMIT 1", (f"{upto:020.6f}~",)
        )
        return (rows[0][0], json.loads(rows[0][1])) if rows else None

    def close(self) -> None:
        """Close this thread's connection."""
        self.link.close()
