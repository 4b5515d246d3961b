"""``tests/tuf_client`` as a process, over HTTP: the interface of the conformance suite."""

from __future__ import annotations

import functools
import http.server
import os
import pathlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

pytest.importorskip("tuf", reason="python-tuf is the repository side, and needs a newer python")

sys.path.append(str(pathlib.Path(__file__).parents[1] / "product"))

import trust_repo

CLIENT = str(pathlib.Path(__file__).parents[1] / "tuf_client")


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Says nothing on stderr."""

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def site(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The URL of a repository with the target ``folder/x``; its first root is in ``root.json``."""
    monkeypatch.setattr(trust_repo, "NOW", time.time())
    repo = trust_repo.Repository()
    repo.add_target("targets", "folder/x", b"data")
    repo.publish("targets", "snapshot", "timestamp")
    digest = repo.targets.targets["folder/x"].hashes["sha256"]
    for name, data in {**repo.files, f"folder/{digest}.x": b"data"}.items():
        (tmp_path / "site" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "site" / name).write_bytes(data)
    (tmp_path / "root.json").write_bytes(repo.first_root)
    handler = functools.partial(Quiet, directory=str(tmp_path / "site"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def run(tmp_path: pathlib.Path, *words: str) -> tuple[int, str]:
    """Exit status and stderr."""
    argv = [sys.executable, "-I", "-S", CLIENT, "--metadata-dir", str(tmp_path / "trust"), *words]
    environ = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy")}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environ)
    return done.returncode, done.stderr


def test_init_refresh_download(tmp_path: pathlib.Path, site: str) -> None:
    into = ["--target-dir", str(tmp_path / "targets"), "--target-base-url", site]
    assert run(tmp_path, "init", str(tmp_path / "root.json")) == (0, "")
    assert run(tmp_path, "--metadata-url", site, "refresh") == (0, "")
    names = sorted(path.name for path in (tmp_path / "trust").glob("*.json"))
    assert names == ["root.json", "snapshot.json", "targets.json", "timestamp.json"]
    assert run(tmp_path, "--metadata-url", site, "--target-name", "folder/x", *into, "download") == (0, "")
    assert [path.read_bytes() for path in (tmp_path / "targets").iterdir()] == [b"data"]
    status, said = run(tmp_path, "--metadata-url", site, "--target-name", "y", *into, "download")
    assert (status, said) == (1, "tuf_client: y: there is no such target\n")


def test_a_refusal_is_one_line(tmp_path: pathlib.Path, site: str) -> None:
    run(tmp_path, "init", str(tmp_path / "root.json"))
    stamp = tmp_path / "site" / "timestamp.json"
    stamp.write_bytes(stamp.read_bytes().replace(b'"version": 2', b'"version": 3'))
    assert run(tmp_path, "--metadata-url", site, "refresh") == (
        1,
        "tuf_client: timestamp.json: signed by 0 of the 1 keys that root asks of timestamp\n",
    )
