"""Sites for the tests of the pipeline."""

from __future__ import annotations

import pathlib
from collections.abc import Callable

import pytest
from site_in_a_box import Site


@pytest.fixture
def make_site(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Site]:
    """Makes a site of a scenario; the current folder is the operator's."""

    def make(name: str) -> Site:
        site = Site(tmp_path, name)
        monkeypatch.chdir(site.ops)
        return site

    return make


@pytest.fixture
def coal(make_site: Callable[[str], Site]) -> Site:
    """One headnode with one instance of each service."""
    return make_site("coal")
