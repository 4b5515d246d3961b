"""One run of a program in a fake global zone, as plain data, so that a program is a function.

A program is ``def vmadm(call: Call) -> int`` (the exit status). ``commands/__init__.py`` holds the table
``PROGRAMS: dict[str, str]`` from program name to ``"module:function"``.
"""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable

if TYPE_CHECKING:
    from mockdc.core.datacenter import Datacenter


@dataclass
class Call:
    """*server* is the uuid of the node it runs on; *argv* is without the program's name."""

    dc: Datacenter
    server: str
    name: str
    argv: list[str]
    stdin: Callable[[], bytes] = lambda: b""
    stdin_is_tty: bool = False
    env: dict[str, str] = field(default_factory=dict)
    stdout: io.BytesIO = field(default_factory=io.BytesIO)
    stderr: io.BytesIO = field(default_factory=io.BytesIO)

    def out(self, text: str) -> None:
        """Write a line to stdout."""
        self.stdout.write(text.encode("utf-8", "surrogateescape") + b"\n")

    def err(self, text: str) -> None:
        """Write a line to stderr."""
        self.stderr.write(text.encode("utf-8", "surrogateescape") + b"\n")

    def real(self, path: str) -> str:
        """Where a path given by the caller is on this machine: below the node's root when it is there, or when its
        folder is and this machine has no such file of its own (a shell's redirection writes there); else as it
        stands."""
        root = str(self.dc.root(self.server))
        if not path.startswith("/") or path == root or path.startswith(root + "/"):
            return path
        inside = root + path
        if os.path.exists(inside) or (os.path.isdir(os.path.dirname(inside)) and not os.path.exists(path)):
            return inside
        return path
