"""Which sdcupgrade this is: semantic version, buildstamp, and where it runs from.

All that ``--version`` imports. The buildstamp is baked into the one file when it is built; a checkout has none and
says so.
"""

from __future__ import annotations

import sys

from sdcupgrade import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Optional

    from sdcupgrade.jsonvalue import Json

try:
    from sdcupgrade._build import BYTECODE, STAMP
except ImportError:
    STAMP, BYTECODE = "", []


def identity() -> str:
    """``1.4.0 (master-20261123T101500Z-g0123abc)``."""
    return f"{__version__} ({STAMP or 'from a checkout'})"


def committed() -> float:
    """When the sources of this build were committed, in seconds of the epoch; 0 in a checkout."""
    import re
    from datetime import datetime, timezone

    found = re.search(r"-(\d{8}T\d{6})Z-g", STAMP)
    return datetime.strptime(found[1], "%Y%m%dT%H%M%S").replace(tzinfo=timezone.utc).timestamp() if found else 0.0


def stamp() -> str:
    """The buildstamp; empty for a checkout."""
    return str(STAMP)


def archive() -> Optional[str]:
    """The real path of the one file that this process runs from; None when it runs from a checkout."""
    path = getattr(__spec__.loader, "archive", None)
    return str(path) if path else None


def bundle() -> Optional[str]:
    """The same, when that file is a bundle: then it is also where bits come from."""
    boot = sys.modules.get("sdcupgrade_boot")  # which looked before anything else was imported
    path = archive()
    return path if path and boot is not None and boot.in_bundle(path) else None


def baked_root() -> Optional[bytes]:
    """The root of trust that was put into the one file when it was built; None when there is none."""
    from pkgutil import get_data

    try:
        return get_data("sdcupgrade", "_root.json")
    except OSError:
        return None


def _root_told() -> Optional[dict[str, Json]]:
    root = baked_root()
    if root is None:
        return None
    import json
    from hashlib import sha256

    return {"version": json.loads(root)["signed"]["version"], "sha256": sha256(root).hexdigest()}


def to_json(**more: Json) -> dict[str, Json]:
    """For ``version -j``; *bytecode* names the Pythons that the file has byte code for, *root* is its root of trust.
    *more* is added."""
    return {
        "version": __version__,
        "buildstamp": STAMP or None,
        "file": archive(),
        "bytecode": list(BYTECODE),
        "root": _root_told(),
        "python": ".".join(map(str, sys.version_info[:3])),
        "interpreter": sys.executable,
        **more,
    }


def told(as_json: bool, **more: Json) -> str:
    """What ``sdcupgrade version`` says, without the end of the line."""
    if not as_json:
        return f"sdcupgrade {identity()}"
    from sdcupgrade.jsonvalue import pretty

    return pretty(to_json(**more)).rstrip("\n")
