"""The rules of the house that break quietly: imports go down, effects stay behind the doors, ``--version`` is quick."""

from __future__ import annotations

import ast
import pathlib
import subprocess
import sys

import pytest

PACKAGE = pathlib.Path(__file__).parents[2] / "sdcupgrade"
ROWS = (
    {"__main__"},
    {"cli"},
    {"stages"},
    {"run"},
    {"steps"},
    {"plan", "bits"},
    {"updates", "dc"},
    {"trust", "ui"},
    {"doors", "model", "errors", "log", "jsonvalue", "version"},
)
"""``docs/architecture.md``, top to bottom: each row may use itself and the rows below."""
PURE = {"plan", "bits", "trust"}
"""These may use themselves and the bottom row's data only."""
DATA = {"model", "errors", "jsonvalue"}
OUTSIDE = {"subprocess", "urllib", "http", "socket", "ssl", "time", "fcntl", "signal"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(path: pathlib.Path) -> str:
    """The folder or module right below the package that *path* belongs to."""
    parts = path.relative_to(PACKAGE).parts
    return parts[0] if len(parts) > 1 else path.stem


def imported(path: pathlib.Path) -> set[str]:
    """Every dotted name that the module imports, at any depth, for type checkers too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def rooms_used(path: pathlib.Path) -> set[str]:
    """The rooms whose code the module imports."""
    inside = {name.split(".")[1] for name in imported(path) if name.startswith("sdcupgrade.")}
    return {name for name in inside if name in set().union(*ROWS)}


def row(name: str) -> int:
    """How far down a room is."""
    return next(number for number, rooms in enumerate(ROWS) if name in rooms)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down(path: pathlib.Path) -> None:
    if path == PACKAGE / "__init__.py":
        return
    assert {used for used in rooms_used(path) if row(used) < row(room(path))} == set()


@pytest.mark.parametrize("path", [path for path in MODULES if room(path) in PURE], ids=lambda path: path.stem)
def test_pure_rooms_use_data_only(path: pathlib.Path) -> None:
    assert rooms_used(path) <= {room(path)} | DATA
    assert {name.split(".")[0] for name in imported(path)} & (OUTSIDE | {"os", "random", "pathlib"}) == set()


@pytest.mark.parametrize("path", [path for path in MODULES if room(path) != "doors"], ids=lambda path: path.stem)
def test_the_outside_is_behind_the_doors(path: pathlib.Path) -> None:
    assert {name.split(".")[0] for name in imported(path)} & OUTSIDE == set()
    assert "os.environ" not in path.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_every_module_says_what_it_is_for(path: pathlib.Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))
    assert ast.get_docstring(tree) or not tree.body


def modules_of(words: str) -> set[str]:
    """What a command line has imported by its end."""
    script = (
        "import sys; sys.argv[1:] = sys.argv[1].split()\n"
        "from sdcupgrade.__main__ import main\n"
        "main(); sys.stderr.write(' '.join(sys.modules))"
    )
    argv = [sys.executable, "-S", "-c", script, words]
    done = subprocess.run(argv, capture_output=True, text=True, cwd=PACKAGE.parent, check=True)
    return {name for name in done.stderr.split() if name.startswith("sdcupgrade")}


def test_version_and_help_import_no_work_module() -> None:
    assert modules_of("--version") == {"sdcupgrade", "sdcupgrade.__main__", "sdcupgrade.version"}
    assert modules_of("version") == modules_of("--version")
    assert modules_of("--help") <= {"sdcupgrade", "sdcupgrade.__main__", "sdcupgrade.cli", "sdcupgrade.cli.commands"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_looks_beside_itself(path: pathlib.Path) -> None:
    """In the one file there is no folder beside a module."""
    assert "__file__" not in path.read_text(encoding="utf-8")
