"""What the program says of itself."""

from __future__ import annotations

import importlib
import json
import sys
import types
from collections.abc import Iterator

import pytest

import sdcupgrade
from sdcupgrade import __main__, version


@pytest.fixture
def baked() -> Iterator[None]:
    """As if this were the one file."""
    made = types.ModuleType("sdcupgrade._build")
    vars(made).update(STAMP="master-20261123T101500Z-g0123abc", BYTECODE=["3.9.18"])
    sys.modules["sdcupgrade._build"] = made
    importlib.reload(version)
    yield
    del sys.modules["sdcupgrade._build"]
    importlib.reload(version)


def test_a_checkout_says_so() -> None:
    assert version.told(as_json=False) == f"sdcupgrade {sdcupgrade.__version__} (from a checkout)"
    told = json.loads(version.told(as_json=True))
    assert (told["version"], told["buildstamp"], told["file"]) == (sdcupgrade.__version__, None, None)


@pytest.mark.usefixtures("baked")
def test_a_build_tells_its_stamp() -> None:
    assert version.identity() == f"{sdcupgrade.__version__} (master-20261123T101500Z-g0123abc)"
    assert json.loads(version.told(as_json=True))["bytecode"] == ["3.9.18"]


def test_the_root_of_trust_inside_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    assert version.to_json()["root"] is None
    monkeypatch.setattr(version, "baked_root", lambda: b'{"signed":{"version":7}}')
    assert version.to_json()["root"] == {
        "version": 7,
        "sha256": "629f9888cf91bdcb49eaa79491289bac67eeb5bd62503e74a4e1a289059b52a4",
    }


@pytest.mark.parametrize("words", ["--version", "-V", "version"])
def test_anybody_may_ask(words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    monkeypatch.setattr(sys, "argv", ["sdcupgrade", words])
    assert __main__.main() == 0
    assert capsys.readouterr().out == f"sdcupgrade {version.identity()}\n"


@pytest.mark.parametrize("words", ["-j", "--json"])
def test_as_json(words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["sdcupgrade", "version", words])
    monkeypatch.setenv("SDCUPGRADE_ROOT", "/nonexistent")
    assert __main__.main() == 0
    nothing = dict.fromkeys(("installed", "previous", "good", "trial"))
    assert json.loads(capsys.readouterr().out) == version.to_json(**nothing)


def test_a_wrong_option_is_a_usage_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["sdcupgrade", "version", "--wrong"])
    assert __main__.main() == 2
    assert "--wrong" in capsys.readouterr().err
