"""What this machine brings for the program itself: its Python and its certificate authorities. Nothing is changed."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Optional, Protocol

    class Machine(Protocol):
        """The machine, as far as a program of Python depends on it."""

        def python(self) -> str:
            """Version and place of the interpreter that runs this."""

        def lacking(self, modules: Collection[str]) -> list[str]:
            """Those of *modules* that cannot be imported."""

        def authorities(self) -> str:
            """Which certificate authorities there are, in words. Raises Unreachable when there are none."""


class RealMachine:
    """This one. *cafile* is the file of authorities that the operator named, *environ* may name one too."""

    def __init__(self, environ: Mapping[str, str], cafile: Optional[str] = None) -> None:
        self._environ = environ
        self._cafile = cafile

    def python(self) -> str:
        return f"{'.'.join(map(str, sys.version_info[:3]))}, {os.path.realpath(sys.executable)}"

    def lacking(self, modules: Collection[str]) -> list[str]:
        """Imported, not looked for: ``ssl`` may lie there without the library that it stands on."""
        return [name for name in modules if not _works(name)]

    def authorities(self) -> str:
        from sdcupgrade.doors import tls

        made = tls.context(self._cafile, self._environ)
        count = made.cert_store_stats()["x509"]
        return f"certificates believed: {count}" if count else "a folder of certificate authorities is believed"


def _works(module: str) -> bool:
    from importlib import import_module

    try:
        import_module(module)
    except ImportError:
        return False
    return True
