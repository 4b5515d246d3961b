"""Publishing as the keeper of releases does it: real processes, a real socket, signatures that the server checks."""

from __future__ import annotations

import datetime
import http.client
import http.server
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import urllib.request
from typing import Any

import pytest
from conftest import Box

pytest.importorskip("tuf", reason="the tools of releases need python-tuf, which needs a newer python")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

ROOT = pathlib.Path(__file__).resolve().parents[2]


def release(folder: pathlib.Path, line: str) -> subprocess.CompletedProcess[str]:
    """One command line of tools/release."""
    words = [sys.executable, str(ROOT / "tools" / "release"), *line.split()]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)


def save_key(path: pathlib.Path) -> int:
    """Make an RSA key; its modulus."""
    key = rsa.generate_private_key(65537, 2048)
    form = serialization.PrivateFormat.OpenSSH
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    path.chmod(0o600)
    return key.public_key().public_numbers().n


@pytest.fixture
def desk(tmp_path: pathlib.Path, one_file: pathlib.Path, new_box: Box) -> pathlib.Path:
    """Keys, a signed release, an updates server that knows whoever has the key in id_rsa."""
    known = {"n": str(save_key(tmp_path / "id_rsa")), "e": 65537}
    save_key(tmp_path / "id_other")
    now = datetime.datetime.now(datetime.timezone.utc)
    scenario = {"extends": "empty", "start": f"{now:%Y-%m-%dT%H:%M:%S.000Z}",
                "named": {"imgapi:updates:auth": "signature", "imgapi:updates:keys": {"keeper": known}}}  # fmt: skip
    (tmp_path / "asks.json").write_text(json.dumps(scenario))
    new_box.up("--scenario", str(tmp_path / "asks.json"), "--speed", "1")
    shutil.copy(one_file, tmp_path / "sdcupgrade")
    for line in ("keys --metadata md --keys off --online-keys on",
                 "sign --metadata md --keys off --keys on sdcupgrade"):  # fmt: skip
        done = release(tmp_path, line)
        assert done.returncode == 0, done.stderr
    return tmp_path


def images(box: Box) -> list[dict[str, Any]]:
    """What everybody sees on the server."""
    asked = urllib.request.Request(f"{box.env['UPDATES_URL']}/images?channel=*", headers={"Accept-Version": "~2"})
    with urllib.request.urlopen(asked) as answer:
        found: list[dict[str, Any]] = json.load(answer)
    return sorted(found, key=lambda image: str(image["name"]))


def test_a_release_is_published_once_and_by_its_keeper_alone(desk: pathlib.Path, new_box: Box) -> None:
    to = f"publish --url {new_box.env['UPDATES_URL']} --channel dev --metadata md sdcupgrade"
    for who in ("", " --user keeper --key id_other", " --user other --key id_rsa"):
        done = release(desk, to + who)
        assert (done.returncode, done.stderr.count("\n"), "HTTP 401" in done.stderr) == (1, 1, True)
    assert images(new_box) == []
    to += " --user keeper --key id_rsa"
    done = release(desk, to)
    assert (done.returncode, done.stderr) == (0, "")
    program, trust = images(new_box)
    assert (program["name"], program["files"][0]["size"]) == ("sdcupgrade", (desk / "sdcupgrade").stat().st_size)
    assert (trust["name"], trust["files"][0]["compression"]) == ("sdcupgrade-trust", "gzip")
    assert release(desk, to).stdout == "Nothing was changed.\n"
    assert "add it to the channel staging" in release(desk, f"{to} --channel staging").stdout
    assert [image["channels"] for image in images(new_box)] == [["dev", "staging"]] * 2


class Between(http.server.BaseHTTPRequestHandler):
    """Passes requests on to the server, and kills whoever begins to upload something."""

    protocol_version = "HTTP/1.1"
    server: Middleman

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        link = http.client.HTTPConnection("127.0.0.1", self.server.port)
        link.request(self.command, self.path, body, dict(self.headers))
        answer = link.getresponse()
        said = answer.read()
        link.close()
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_POST = do_GET

    def do_PUT(self) -> None:
        assert len(self.rfile.read(1 << 16)) == 1 << 16
        self.server.publisher.kill()
        self.server.publisher.wait()
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


class Middleman(http.server.HTTPServer):
    """Stands between *publisher* and the server at *port*."""

    port: int
    publisher: subprocess.Popen[str]


def test_killed_during_the_upload_it_goes_on(desk: pathlib.Path, new_box: Box) -> None:
    url = new_box.env["UPDATES_URL"]
    words = "--channel dev --user keeper --key id_rsa sdcupgrade"
    with Middleman(("127.0.0.1", 0), Between) as between:
        between.port = int(url.rpartition(":")[2])
        line = f"publish --url http://127.0.0.1:{between.server_port} {words}"
        argv = [sys.executable, str(ROOT / "tools" / "release"), *line.split()]
        between.publisher = subprocess.Popen(argv, cwd=desk, stdout=subprocess.PIPE, text=True)
        between.handle_request()
        with between.publisher as killed:
            assert killed.wait() == -signal.SIGKILL
            assert killed.stdout and killed.stdout.read().endswith("import the record\n")
    assert images(new_box) == []
    done = release(desk, f"publish --url {url} {words}")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.rpartition(": ")[2] for line in done.stdout.splitlines()[:2]] == ["upload the file", "activate it"]
    assert [image["name"] for image in images(new_box)] == ["sdcupgrade"]
