"""``sdc-gz-verify`` as an operator types it in the box's global zone."""

from __future__ import annotations

import hashlib
import json
import pathlib

from conftest import Box

PROGRAM = pathlib.Path(__file__).parents[2] / "gzbits/tools/bin/sdc-gz-verify"


def test_it_runs_with_the_programs_of_the_global_zone(coal: Box, tmp_path: pathlib.Path) -> None:
    script = coal.root / "usbkey/scripts/headnode.sh"
    data = script.read_bytes()
    one = {
        "path": "gzbits/scripts/headnode.sh",
        "kind": "file",
        "mode": f"{script.stat().st_mode & 0o7777:04o}",
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "destination": "/usbkey/scripts/headnode.sh",
        "on": ["hn"],
        "key": True,
    }
    manifest = tmp_path / "m.json"
    head = {"format": "gzbits", "schema": 1, "version": "1.0.0", "buildstamp": "x"}
    manifest.write_text(json.dumps({**head, "entries": [one]}))
    line = f"SDCUPGRADE_ROOT={coal.root} bash {PROGRAM} -m {manifest}"
    assert coal.says(line) == "gzbits 1.0.0 x: 1 paths: all as in the manifest"
    manifest.write_text(json.dumps({**head, "entries": [{**one, "sha256": "0" * 64}]}))
    done = coal.sh(line)
    assert (done.returncode, done.stdout.splitlines()[0]) == (1, "content  /usbkey/scripts/headnode.sh")
