"""``pythonX compile_tree.py SOURCES TARGET``: byte code of every module below SOURCES, laid out for zipimport.

Unchecked-hash byte code: zipimport compares the times of the other kind with the archive's, which are kept in local
time, and takes every module for stale in another time zone. Runs on each supported Python, as a process of its own.
"""

from __future__ import annotations

import pathlib
import py_compile
import sys


def compile_tree(sources: pathlib.Path, target: pathlib.Path) -> None:
    """Compile in the order of names. Raises py_compile.PyCompileError for a module this Python cannot read."""
    for source in sorted(sources.rglob("*.py")):
        name = source.relative_to(sources)
        py_compile.compile(
            str(source),
            cfile=str(target / name.with_suffix(".pyc")),
            dfile=name.as_posix(),
            doraise=True,
            invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        )


if __name__ == "__main__":
    compile_tree(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]) / str(sys.implementation.cache_tag))
