"""The buildstamp, told from small repositories."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess

import pytest

from build.stamp import NoStamp, stamp_of, time_of

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="no git here")
WHEN = "2026-11-23T12:15:00+02:00"


@pytest.fixture
def checkout(tmp_path: pathlib.Path) -> pathlib.Path:
    """One commit on master, made at WHEN."""
    (tmp_path / "sdcupgrade").mkdir()
    (tmp_path / "sdcupgrade" / "__init__.py").write_text("", encoding="utf-8")
    git(tmp_path, "init", "-q")
    git(tmp_path, "checkout", "-q", "-b", "master")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def git(folder: pathlib.Path, *words: str) -> str:
    """Run git, nobody's configuration in the way."""
    who = {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER")
           for key, value in (("NAME", "a"), ("EMAIL", "a@example.com"), ("DATE", WHEN))}  # fmt: skip
    env = {**os.environ, **who, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}
    done = subprocess.run(["git", *words], cwd=folder, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_branch_time_in_utc_and_commit(checkout: pathlib.Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert stamp_of(checkout) == f"master-20261123T101500Z-g{commit[:7]}"


def test_changed_sources_show(checkout: pathlib.Path) -> None:
    (checkout / "README.md").write_text("not in the build\n", encoding="utf-8")
    assert not stamp_of(checkout).endswith("-dirty")
    (checkout / "sdcupgrade" / "new.py").write_text("", encoding="utf-8")
    assert stamp_of(checkout).endswith("-dirty")


@pytest.mark.parametrize("branch, shown", [("release/1.4", "release_1.4"), ("fix-it", "fix-it"), ("ünï", "_n_")])
def test_any_branch_name_gives_a_stamp_that_can_be_read_again(checkout: pathlib.Path, branch: str, shown: str) -> None:
    git(checkout, "checkout", "-q", "-b", branch)
    stamp = stamp_of(checkout)
    assert stamp.startswith(f"{shown}-2026")
    assert time_of(stamp) == 1795428900


WRONG = ("", "1.4.0", "main-20261123T101500Z", "main-20261123-g0123abc", "a b-20261123T101500Z-g0123abc")


@pytest.mark.parametrize("stamp", WRONG)
def test_what_is_no_stamp_is_refused(stamp: str) -> None:
    with pytest.raises(NoStamp, match="is no buildstamp"):
        time_of(stamp)


def test_a_folder_that_is_no_checkout_is_refused_with_the_way_out(tmp_path: pathlib.Path) -> None:
    with pytest.raises(NoStamp, match="give --stamp"):
        stamp_of(tmp_path)
