"""What a build of the program says of itself before it is put in use."""

from __future__ import annotations

import pathlib
import zipfile
from types import SimpleNamespace
from typing import Any, cast

import pytest
from product_fakes import files_in

from sdcupgrade.doors import Doors
from sdcupgrade.stages.selftest import selftest


def doors(folder: pathlib.Path, file: pathlib.Path) -> Doors:
    """Of a process that runs from that file."""
    process = SimpleNamespace(version="1.0.0", stamp="", file=str(file))
    return cast(Any, SimpleNamespace(files=files_in(folder), process=process))


@pytest.fixture
def file(tmp_path: pathlib.Path) -> pathlib.Path:
    """An archive with a member whose bytes are known."""
    place = tmp_path / "sdcupgrade"
    with zipfile.ZipFile(place, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("one.py", b"all is well" * 10)
    return place


def test_a_whole_file_has_no_problem(tmp_path: pathlib.Path, file: pathlib.Path) -> None:
    assert selftest(doors(tmp_path, file)).problems == ()


def test_one_letter_that_is_another_is_found(tmp_path: pathlib.Path, file: pathlib.Path) -> None:
    file.write_bytes(file.read_bytes().replace(b"well", b"hell", 1))
    assert selftest(doors(tmp_path, file)).problems == ("the file is damaged: one.py",)


def test_a_file_that_was_cut_off_is_found(tmp_path: pathlib.Path, file: pathlib.Path) -> None:
    file.write_bytes(file.read_bytes()[:-30])
    (problem,) = selftest(doors(tmp_path, file)).problems
    assert problem.startswith("the file is damaged: ")
