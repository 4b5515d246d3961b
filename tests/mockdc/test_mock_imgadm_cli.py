"""updates-imgadm and sdc-imgadm say what the recorded programs said, on stdout and stderr, and exit as they did."""

from __future__ import annotations

import hashlib
import json
import pathlib
import re
import shlex
import shutil
from typing import Any, Callable

import pytest
from imgapi_servers import empty, replay_dc, replay_signed, replay_updates
from mockdc.commands import imgapi_cli
from mockdc.commands.call import Call
from mockdc.commands.imgapi_sign import Key, read_key
from mockdc.core.datacenter import Datacenter
from replay import HOME
from signing import MODULUS, PRIVATE, openssh, pem

SERVERS = {"http://127.0.0.1:18080": "updates", "http://127.0.0.1:18081": "signed", "http://127.0.0.1:18082": "imgapi"}
PROGRAMS = {"updates-imgadm": imgapi_cli.updates_imgadm, "sdc-imgadm": imgapi_cli.sdc_imgadm}
MADE_UP = "a3e541a9-b823-41fe-9c0c-d53442f2f4cc"
"""The uuid that the recorded server made up for the image n1."""
MANIFEST = {"v": 2, "version": "master-1", "owner": "00000000-0000-0000-0000-000000000000", "public": False,
            "disabled": False, "published_at": "2026-03-01T00:00:00Z", "type": "zone-dataset", "os": "smartos"}
RECORDED: list[dict[str, Any]] = [json.loads(line) for line in (HOME / "cli.jsonl").read_text().splitlines()]


@pytest.fixture
def dc(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Datacenter:
    """The three servers as they were when the programs were recorded, all of them up."""
    monkeypatch.setattr(Datacenter, "outage", lambda *_given, **_more: None)
    found = empty(tmp_path / "dc")
    found.store.set_meta("imgapi:sources", SERVERS)
    for replayed in (replay_updates(found), replay_signed(found, "signed"), replay_dc(found)):
        assert replayed is not None
    return found


@pytest.fixture
def real(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The recorder's folder."""
    folder = tmp_path / "real"
    for name in ("cliwork", "images", "keys"):
        (folder / name).mkdir(parents=True)
    shutil.copytree(HOME / "files", folder / "images", dirs_exist_ok=True)
    (folder / "keys" / "id_rsa").write_bytes(pem())
    manifest = {**MANIFEST, "uuid": "a1000000-0000-4000-8000-000000000050", "name": "cnapi"}
    (folder / "cliwork" / "m.json").write_text(json.dumps(manifest))
    monkeypatch.chdir(folder)
    return folder


def run(dc: Datacenter, command: str, env: dict[str, str], stdin: str) -> tuple[int, str, str]:
    """One command line, with ``;`` and ``| sha1sum`` as far as the recordings use them."""
    status, out, err = 0, b"", b""
    for part in command.split("; "):
        line, piped, _ = part.partition(" | sha1sum")
        program, *argv = shlex.split(line)
        name = program.rpartition("/")[2]
        call = Call(dc, "headnode", name, argv, stdin.encode, env=env)
        status = PROGRAMS[name](call)
        mine = call.stdout.getvalue()
        out += f"{hashlib.sha1(mine).hexdigest()}  -\n".encode() if piped else mine
        err += call.stderr.getvalue()
    return status, out.decode(), err.decode()


def same(text: str, real: pathlib.Path, dc: Datacenter) -> str:
    """Output without what is another at every run."""
    for image in dc.store.all("image", "imgapi/"):
        if image["name"] == "n1":
            text = text.replace(image["uuid"], MADE_UP)
    return re.sub(r'"pid": \d+', '"pid": 1', text).replace(str(real), "$REAL")


def test_every_recorded_command_says_and_does_the_same(dc: Datacenter, real: pathlib.Path) -> None:
    differing = []
    for entry in RECORDED:
        if entry["call"] == "cli-054-import-f2":
            manifest = {**MANIFEST, "uuid": "a1000000-0000-4000-8000-000000000053", "name": "vmapi"}
            (real / "cliwork" / "m2.json").write_text(json.dumps(manifest))
        env = {name: value.replace("$REAL", str(real)) for name, value in entry["env"].items()}
        status, out, err = run(dc, entry["cmd"].replace("$REAL", str(real)), env, entry["stdin"])
        wanted = (entry["exit"], same(entry["stdout"], real, dc), entry["stderr"])
        got = (status, same(out, real, dc), same(err, real, dc))
        if "Fingerprint" in entry["stderr"]:  # the recorded one ends in a stack trace
            got = (status, out, err[err.index("Fingerprint"):].replace("Error)", "Error"))
        if got != wanted:
            differing.append((entry["call"], got, wanted))
    assert len(RECORDED) == 86
    assert not differing, "\n".join(f"{call}\n  got    {got!r}\n  wanted {wanted!r}" for call, got, wanted in differing)


@pytest.mark.parametrize("made", [pem, lambda: pem(pkcs8=True), openssh], ids=["pkcs1", "pkcs8", "openssh"])
def test_a_key_file_is_read(made: Callable[[], bytes]) -> None:
    assert read_key(made()) == Key(MODULUS, 65537, PRIVATE)


def test_what_is_no_key_file_is_told(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match="no private key"):
        read_key(b"ssh-rsa AAAA")


def test_a_failed_upload_takes_the_record_back(dc: Datacenter, real: pathlib.Path) -> None:
    manifest, bad = real / "cliwork" / "m.json", "0" * 40
    env = {"UPDATES_IMGADM_URL": "http://127.0.0.1:18080"}
    line = f"updates-imgadm import -q -m {manifest} -f {real}/images/sapi-1.zfs.gz -s {bad}"
    status, _, err = run(dc, line, env, "")
    assert (status, "error (Download)" in err) == (1, True)
    assert dc.store.get("image", "updates/a1000000-0000-4000-8000-000000000050") is None
