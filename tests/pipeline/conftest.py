"""Sites for the tests of the pipeline."""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Callable
from typing import Union

import pytest
from mockdc.core.store import Doc
from site_in_a_box import Site

sys.path.append(str(pathlib.Path(__file__).parents[1] / "product"))  # http_stage.py, which says what a server says


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log of each run is synced to the disk, which takes longer than all the rest together."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def make_site(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Union[str, Doc]], Site]:
    """Makes a site of a scenario, named or as it is; the current folder is the operator's."""

    def make(name: Union[str, Doc]) -> Site:
        site = Site(tmp_path, name)
        monkeypatch.chdir(site.ops)
        return site

    return make


@pytest.fixture
def coal(make_site: Callable[[Union[str, Doc]], Site]) -> Site:
    """One headnode with one instance of each service."""
    return make_site("coal")
