"""The one file as an operator meets it: started in every way, by every Python, where nothing can be written."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest
from conftest import TRUSTED
from interpreters import supported

import sdcupgrade

VERSION = f"sdcupgrade {sdcupgrade.__version__} (main-20261123T101500Z-g0123abc)\n"
PYTHONS = [found.path for _, found in sorted(supported(needs=()).items())]
ENDS = sorted({PYTHONS[0], PYTHONS[-1]})
SHELLS = [shell for shell in ("sh", "dash", "bash", "ksh93", "mksh", "zsh", "busybox") if shutil.which(shell)]
TOO_OLD = [path for path in sorted(pathlib.Path.home().glob(".pyenv/versions/*/bin/python"))
           if re.match(r"(2|3\.[0-8])\.", path.parents[1].name)]  # fmt: skip
Done = subprocess.CompletedProcess[str]
ECHO = ("version", "-j", "x  y", "", "*", "$HOME", "-")
"""Words that no shell on the way may touch; the program tells which of them it does not know."""


def ran(argv: Sequence[str | pathlib.Path], cwd: str | pathlib.Path = "/", **env: str) -> Done:
    """Run it with a small environment."""
    words = [str(word) for word in argv]
    given = {"PATH": "/usr/bin:/bin", **env}
    return subprocess.run(words, cwd=cwd, env=given, capture_output=True, text=True, check=False)


def linked(file: pathlib.Path, folder: pathlib.Path, name: str) -> pathlib.Path:
    """A symlink to the file."""
    link = folder / name
    link.symlink_to(file)
    return link


Way = Callable[[pathlib.Path, pathlib.Path, str], Done]
WAYS: dict[str, Way] = {
    "direct": lambda file, _, python: ran([file, "--version"], SDCUPGRADE_PYTHON=python),
    "sh": lambda file, _, python: ran(["sh", file, "--version"], SDCUPGRADE_PYTHON=python),
    "sh here": lambda file, _, python: ran(["sh", file.name, "--version"], file.parent, SDCUPGRADE_PYTHON=python),
    "python": lambda file, _, python: ran([python, file, "--version"]),
    "python -I -S": lambda file, _, python: ran([python, "-I", "-S", file, "--version"]),
    "symlink": lambda file, tmp, python: ran([linked(file, tmp, "here"), "--version"], SDCUPGRADE_PYTHON=python),
    "python symlink": lambda file, tmp, python: ran([python, linked(file, tmp, "here"), "--version"]),
    "odd name": lambda file, tmp, python: ran([linked(file, tmp, "a 'b* $c"), "--version"], SDCUPGRADE_PYTHON=python),
    "-dash": lambda file, tmp, python: ran(["sh", "--", linked(file, tmp, "-x").name, "--version"], tmp,
                                           SDCUPGRADE_PYTHON=python),
    "PATH": lambda file, _, python: ran(["env", "sdcupgrade", "--version"], SDCUPGRADE_PYTHON=python,
                                        PATH=f"{file.parent}:/usr/bin:/bin"),
}  # fmt: skip


@pytest.mark.parametrize("python", ENDS, ids=lambda path: path.name)
@pytest.mark.parametrize("way", WAYS)
def test_it_starts_however_it_is_called(
    one_file: pathlib.Path, tmp_path: pathlib.Path, way: str, python: pathlib.Path
) -> None:
    done = WAYS[way](one_file, tmp_path, str(python))
    assert (done.stdout, done.stderr, done.returncode) == (VERSION, "", 0)


@pytest.mark.parametrize("shell", SHELLS)
def test_words_arrive_unchanged_through_any_shell(one_file: pathlib.Path, shell: str) -> None:
    argv = [*(["busybox", "sh"] if shell == "busybox" else [shell]), str(one_file), *ECHO]
    done = ran(argv, SDCUPGRADE_PYTHON=str(PYTHONS[0]))
    assert done.returncode == 2
    assert "unrecognized arguments: x  y  * $HOME -\n" in done.stderr


def test_words_arrive_unchanged_through_python_by_hand(one_file: pathlib.Path) -> None:
    done = ran([PYTHONS[-1], one_file, *ECHO])
    assert done.returncode == 2
    assert "unrecognized arguments: x  y  * $HOME -\n" in done.stderr


@pytest.mark.parametrize("words, status", [([], 2), (["--help"], 0), (["nonsense"], 2), (["upgrade", "--help"], 0)])
def test_the_exit_status_is_the_programs(one_file: pathlib.Path, words: list[str], status: int) -> None:
    assert ran([one_file, *words]).returncode == status


def test_it_tells_where_it_really_is(one_file: pathlib.Path, tmp_path: pathlib.Path) -> None:
    link = linked(one_file, tmp_path, "sdcupgrade")
    told = json.loads(ran(["./sdcupgrade", "version", "-j"], link.parent).stdout)
    assert told["file"] == str(one_file.resolve())
    assert told["buildstamp"] == "main-20261123T101500Z-g0123abc"
    assert len(told["bytecode"]) == len(PYTHONS)


@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: path.parts[-3])
def test_every_python_finds_the_root_of_trust_inside(one_file: pathlib.Path, python: pathlib.Path) -> None:
    told = json.loads(ran([one_file, "version", "-j"], SDCUPGRADE_PYTHON=str(python)).stdout)
    assert told["root"] == {"version": 1, "sha256": hashlib.sha256(TRUSTED.read_bytes()).hexdigest()}


@pytest.mark.parametrize("python", PYTHONS, ids=lambda path: path.name)
def test_byte_code_is_used_in_any_time_zone(one_file: pathlib.Path, python: pathlib.Path) -> None:
    path = f"{one_file}/' + sys.implementation.cache_tag"
    script = f"import sys; sys.path[:0] = ['{path}]; import sdcupgrade.cli.main as it; print(it.__file__)"
    done = ran([python, "-I", "-S", "-c", script], TZ="Asia/Tokyo")
    assert done.stdout.endswith("/sdcupgrade/cli/main.pyc\n"), done.stderr


def tree(folder: pathlib.Path) -> dict[str, tuple[int, int]]:
    """Everything below a folder, with sizes and times."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in [folder, *folder.rglob("*")]}


@pytest.mark.parametrize("words", [["--version"], ["--help"], ["version", "-j"], ["nonsense"], ["upgrade", "--help"]])
def test_a_start_leaves_everything_as_it_was(one_file: pathlib.Path, tmp_path: pathlib.Path, words: list[str]) -> None:
    file = pathlib.Path(shutil.copy2(one_file, tmp_path))
    before = tree(tmp_path)
    for argv in ([str(file)], [str(PYTHONS[0]), str(file)]):
        ran([*argv, *words], tmp_path, HOME=str(tmp_path), TMPDIR=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert tree(tmp_path) == before


@pytest.mark.skipif(not shutil.which("strace"), reason="no strace here")
@pytest.mark.parametrize("python", ENDS, ids=lambda path: path.name)
def test_a_start_opens_nothing_for_writing(
    one_file: pathlib.Path, tmp_path: pathlib.Path, python: pathlib.Path
) -> None:
    trace = tmp_path / "trace"
    traced = ["strace", "-f", "-o", str(trace), "-e", "trace=%file,%desc"]
    done = ran([*traced, str(one_file), "version", "-j"], SDCUPGRADE_PYTHON=str(python))
    if done.returncode and not done.stdout:
        pytest.skip(f"strace may not trace here: {done.stderr.strip()[:80]}")
    lines = trace.read_text(encoding="utf-8", errors="replace").splitlines()
    changing = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|\b(mkdir|unlink|rename|symlink|link|f?chmod|creat|ftruncate)\w*\(")
    writes = [line for line in lines if changing.search(line)]
    assert len(lines) > 10
    assert [line for line in writes if '"/dev/' not in line] == []


@pytest.mark.parametrize("home", ["/proc", "/nonexistent", ""])
def test_home_need_not_be_writable(one_file: pathlib.Path, home: str) -> None:
    assert ran([one_file, "--version"], HOME=home).stdout == VERSION


def test_it_runs_from_a_read_only_file_system(one_file: pathlib.Path, tmp_path: pathlib.Path) -> None:
    file = pathlib.Path(shutil.copy2(one_file, tmp_path))
    alone = ["unshare", "-rm", "sh", "-ec"]
    make = f"mount --bind {tmp_path} {tmp_path}; mount -o remount,bind,ro {tmp_path}; ! touch {tmp_path}/x 2>/dev/null"
    if ran([*alone, make]).returncode:
        pytest.skip("no read-only file system can be made here")
    done = ran([*alone, f'{make}; cd {tmp_path}; exec "$0" --version', file], HOME=str(tmp_path))
    assert (done.stdout, done.stderr) == (VERSION, "")


@pytest.mark.parametrize("way", ["direct", "python"])
def test_planted_modules_have_no_say(one_file: pathlib.Path, tmp_path: pathlib.Path, way: str) -> None:
    for name in ("argparse", "json", "sdcupgrade", "sitecustomize", "sdcupgrade_boot"):
        (tmp_path / f"{name}.py").write_text("import os\nos.write(2, b'planted code ran')\n", encoding="utf-8")
    argv = [str(one_file)] if way == "direct" else [str(PYTHONS[0]), "-S", str(one_file)]
    for words in (["version", "-j"], ["upgrade", "--help"]):
        done = ran([*argv, *words], tmp_path, PYTHONPATH=str(tmp_path), PYTHONSTARTUP=str(tmp_path / "json.py"))
        assert (done.returncode, done.stderr) == (0, "")


def test_without_any_python_one_line_says_what_to_install(one_file: pathlib.Path, tmp_path: pathlib.Path) -> None:
    nowhere = tmp_path / "sdcupgrade"
    places = b"/opt/tools/bin /opt/local/bin /usr/local/bin /usr/bin"
    assert places in one_file.read_bytes()
    nowhere.write_bytes(one_file.read_bytes().replace(places, b"/nowhere"))
    done = ran(["/bin/sh", nowhere, "--version"], PATH="/nonexistent")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (69, "", 1)
    assert "no Python 3.9 or newer here; install one" in done.stderr


def test_the_newest_of_the_known_places_is_taken(one_file: pathlib.Path, tmp_path: pathlib.Path) -> None:
    for name, minor in (("tools", 9), ("local", 12), ("local", 9), ("bin", 12)):
        fake = tmp_path / name / f"python3.{minor}"
        fake.parent.mkdir(exist_ok=True)
        fake.write_text('#!/bin/sh\necho "$0 $1 $2 $3"\n', encoding="utf-8")
        fake.chmod(0o755)
    places = " ".join(str(tmp_path / name) for name in ("tools", "local", "bin")).encode()
    file = tmp_path / "sdcupgrade"
    file.write_bytes(one_file.read_bytes().replace(b"/opt/tools/bin /opt/local/bin /usr/local/bin /usr/bin", places))
    assert ran(["sh", file, "--version"]).stdout == f"{tmp_path}/local/python3.12 -I -S -c\n"


def test_a_python_that_was_named_but_is_none_is_refused(one_file: pathlib.Path) -> None:
    done = ran([one_file, "--version"], SDCUPGRADE_PYTHON="/etc/passwd")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (69, "", 1)
    assert "/etc/passwd" in done.stderr


@pytest.mark.parametrize("python", TOO_OLD or [None], ids=str)
def test_too_old_pythons_are_refused_in_words(one_file: pathlib.Path, python: pathlib.Path | None) -> None:
    if python is None:
        pytest.skip("no Python before 3.9 here")
    done = ran([python, one_file, "--version"])
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (69, "", 1)
    assert "needs Python 3.9 or newer" in done.stderr


def test_tools_for_zip_archives_can_read_it(one_file: pathlib.Path) -> None:
    done = ran([PYTHONS[0], "-m", "zipfile", "-t", one_file])
    assert (done.returncode, done.stdout, done.stderr) == (0, "Done testing\n", "")
    if shutil.which("unzip"):
        assert ran(["unzip", "-tq", one_file]).stderr == ""


def test_shiv_info_reads_it(one_file: pathlib.Path) -> None:
    shiv_info = pathlib.Path(sys.executable).parent / "shiv-info"
    told = json.loads(ran([shiv_info, "--json", one_file]).stdout)
    assert (told["entry_point"], told["reproducible"]) == ("sdcupgrade.__main__:main", True)


def test_shivs_own_bootstrap_can_run_it(one_file: pathlib.Path, tmp_path: pathlib.Path) -> None:
    done = ran([one_file, "--version"], SDCUPGRADE_BOOT="shiv", SHIV_ROOT=str(tmp_path))
    assert done.stdout == VERSION, done.stderr
    assert list(tmp_path.glob("sdcupgrade_*/site-packages/sdcupgrade/__main__.py"))


def test_it_works_in_the_box(one_file: pathlib.Path, tmp_path: pathlib.Path) -> None:
    done = ran([one_file, "status", "foo"], SDCUPGRADE_ROOT=str(tmp_path), HOME=os.devnull)
    assert done.returncode == 66, done.stderr
