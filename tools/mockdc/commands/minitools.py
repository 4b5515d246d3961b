"""The everyday tools of the mini shell: ``test``, ``printf``, ``cat``, ``tar`` and their like, on the node's own files.

A tool takes the shell, its arguments and stdin, and gives a result. Options that they do not know are an error.
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

from mockdc.commands.minishell import Result, read
from mockdc.commands.options import Options, UsageError, parse

if TYPE_CHECKING:
    from mockdc.commands.minishell import Shell

Tool = Callable[["Shell", list[str], bytes], Result]


def guarded(name: str, tool: Tool) -> Tool:
    """A tool whose errors come out as its own messages."""

    def run(shell: Shell, argv: list[str], stdin: bytes) -> Result:
        try:
            return tool(shell, argv, stdin)
        except UsageError as why:
            return Result(2, b"", f"{name}: {why}\n".encode())
        except OSError as why:
            return Result(1, b"", f"{name}: {_gz(shell, str(why.filename))}: {why.strerror}\n".encode())

    return run


def _gz(shell: Shell, path: str) -> str:
    """A path as the node calls it."""
    return path[len(shell.root):] if path.startswith(shell.root) else path


def _text(text: str, status: int = 0) -> Result:
    return Result(status, text.encode("utf-8", "surrogateescape"))


def echo(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``echo [-n] WORD...``."""
    if argv[:1] == ["-n"]:
        return _text(" ".join(argv[1:]))
    return _text(" ".join(argv) + "\n")


def printf(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``printf FORMAT WORD...`` with %s and %d and the usual escapes."""
    escapes = {"n": "\n", "t": "\t", "\\": "\\", "r": "\r"}
    form = re.sub(r"\\([nt\\r])", lambda found: escapes[found[1]], argv[0])
    words, out = list(argv[1:]), ""
    while True:
        out += re.sub(r"%(%|s|d)", lambda found: "%" if found[1] == "%" else words.pop(0) if words else "", form)
        if not words or "%" not in form:
            return _text(out)


def test(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``test`` and ``[``: files, strings, numbers, ``!``."""
    words = argv[:-1] if argv[-1:] == ["]"] else argv
    negate = words[:1] == ["!"]
    value = _holds(shell, words[1:] if negate else words)
    return Result(0 if value != negate else 1)


def _holds(shell: Shell, words: list[str]) -> bool:
    if len(words) == 3:
        left, sign, right = words
        if sign in {"=", "==", "!="}:
            return (left == right) == (sign != "!=")
        numbers = {"-eq": int.__eq__, "-ne": int.__ne__, "-lt": int.__lt__, "-gt": int.__gt__, "-le": int.__le__,
                   "-ge": int.__ge__}  # fmt: skip
        return bool(numbers[sign](int(left), int(right)))
    if len(words) == 2:
        sign, word = words
        if sign in {"-n", "-z"}:
            return bool(word) == (sign == "-n")
        path = shell.real(word)
        checks: dict[str, Callable[[str], bool]] = {
            "-e": os.path.exists, "-f": os.path.isfile, "-d": os.path.isdir, "-L": os.path.islink,
            "-h": os.path.islink, "-s": lambda name: os.path.exists(name) and os.path.getsize(name) > 0,
            "-r": os.path.exists, "-x": lambda name: os.access(name, os.X_OK)}  # fmt: skip
        return checks[sign](path)
    return bool(words and words[0])


def cat(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``cat [FILE...]``; what can be read is printed even when another file is not there."""
    done = Result()
    for name in parse(argv).words or ["-"]:
        try:
            done.stdout += stdin if name == "-" else read(shell.real(name))
        except OSError as why:
            done.stderr += f"cat: cannot open {name}: {why.strerror}\n".encode()
            done.status = 1
    return done


def _lines(shell: Shell, argv: list[str], stdin: bytes) -> tuple[list[bytes], int]:
    argv = [re.sub(r"^-(\d+)$", r"-n\1", word) for word in argv]
    found = parse(argv, "", "n")
    data = read(shell.real(found.words[0])) if found.words else stdin
    return data.splitlines(keepends=True), int(found.last("n", "10"))


def head(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``head [-n N] [FILE]``."""
    lines, count = _lines(shell, argv, stdin)
    return Result(0, b"".join(lines[:count]))


def tail(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``tail [-n N] [FILE]``."""
    lines, count = _lines(shell, argv, stdin)
    return Result(0, b"".join(lines[-count:] if count else []))


def grep(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``grep [-vciq] PATTERN [FILE...]``."""
    found = parse(argv, "vciqEF")
    pattern = re.compile(found.words[0].encode(), re.IGNORECASE if "i" in found else 0)
    data = b"".join(read(shell.real(name)) for name in found.words[1:]) if found.words[1:] else stdin
    lines = [line for line in data.splitlines(keepends=True) if bool(pattern.search(line)) == ("v" not in found)]
    out = f"{len(lines)}\n".encode() if "c" in found else b"" if "q" in found else b"".join(lines)
    return Result(0 if lines else 1, out)


def wc(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``wc -l`` or ``-c``."""
    found = parse(argv, "lcw")
    data = read(shell.real(found.words[0])) if found.words else stdin
    counts = {"l": data.count(b"\n"), "c": len(data), "w": len(data.split())}
    return _text(" ".join(str(counts[letter]) for letter in "lwc" if letter in found or not found.given) + "\n")


def ls(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``ls [-1ad] [PATH...]``: names only."""
    found = parse(argv, "1adlt")
    done = Result()
    for name in found.words or [shell.cwd]:
        place = pathlib.Path(shell.real(name))
        if not place.exists():
            done.stderr += f"{name}: No such file or directory\n".encode()
            done.status = 2
        elif place.is_dir() and "d" not in found:
            names = sorted(one.name for one in place.iterdir() if "a" in found or not one.name.startswith("."))
            done.stdout += "".join(f"{one}\n" for one in names).encode()
        else:
            done.stdout += f"{name}\n".encode()
    return done


def rm(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``rm [-rf] PATH...``; below the node's root like everything."""
    found = parse(argv, "rRf")
    for name in found.words:
        place = pathlib.Path(shell.real(name))
        if place.is_dir() and not place.is_symlink() and {"r", "R"} & set(found.given):
            shutil.rmtree(place)
        elif place.exists() or place.is_symlink() or "f" not in found:
            place.unlink()
    return Result()


def mkdir(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``mkdir [-p] PATH...``."""
    found = parse(argv, "p", "m")
    for name in found.words:
        pathlib.Path(shell.real(name)).mkdir(parents="p" in found, exist_ok="p" in found)
    return Result()


def copy(move: bool) -> Tool:
    """``cp [-rp]`` and ``mv``."""

    def run(shell: Shell, argv: list[str], stdin: bytes) -> Result:
        found = parse(argv, "rRpfa")
        *sources, target = found.words
        into = pathlib.Path(shell.real(target))
        for name in sources:
            source = pathlib.Path(shell.real(name))
            place = into / source.name if into.is_dir() else into
            if move:
                source.replace(place)
            elif source.is_dir():
                shutil.copytree(source, place, dirs_exist_ok=True)
            else:
                shutil.copyfile(source, place)
        return Result()

    return run


def touch(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``touch PATH...``."""
    for name in parse(argv).words:
        pathlib.Path(shell.real(name)).touch()
    return Result()


def du(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``du -sk PATH...``: KiB, rounded up to whole KiB for each file."""
    done = Result()
    for name in parse(argv, "sk").words:
        place = pathlib.Path(shell.real(name))
        if not place.exists():
            done.stderr += f"du: {name}: No such file or directory\n".encode()
            done.status = 1
            continue
        files = [place] if place.is_file() else [one for one in place.rglob("*") if one.is_file()]
        done.stdout += f"{sum(-(-one.stat().st_size // 1024) for one in files)}\t{name}\n".encode()
    return done


def tee(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``tee FILE...``."""
    for name in argv:
        pathlib.Path(shell.real(name)).write_bytes(stdin)
    return Result(stdout=stdin)


def settings(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``set``: nothing but ``-o pipefail`` changes anything here."""
    shell.pipefail = shell.pipefail or argv[-1:] == ["pipefail"]
    return Result()


def tar(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``tar c|x|t [z] [v] f FILE [-C DIR] [NAME...]``; FILE may be ``-`` for stdout or stdin."""
    import io
    import tarfile

    found = _tar_options(argv)
    where = pathlib.Path(shell.real(found.last("C", shell.cwd)))
    file, zipped = found.last("f", "-"), "z" in found
    if "c" in found:
        packed = io.BytesIO()
        missing = [name for name in found.words if not (where / name).exists()]
        with tarfile.open(fileobj=packed, mode="w:gz" if zipped else "w") as archive:
            for name in found.words:
                if name not in missing:
                    archive.add(where / name, name)
        if file != "-":
            pathlib.Path(shell.real(file)).write_bytes(packed.getvalue())
        said = "".join(f"tar: {name}: No such file or directory\n" for name in missing).encode()
        return Result(1 if missing else 0, packed.getvalue() if file == "-" else b"", said)
    data = stdin if file == "-" else read(shell.real(file))
    try:
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as archive:
            if "t" in found:
                return _text("".join(f"{name}\n" for name in archive.getnames()))
            for entry in archive:
                _unpack(archive, entry, where / entry.name)
    except tarfile.TarError as why:
        return Result(1, b"", f"tar: {why}\n".encode())
    return Result()


def _tar_options(argv: list[str]) -> Options:
    """Options with or without a dash before the first."""
    first = argv[0] if argv and argv[0].startswith("-") else "-" + (argv[0] if argv else "")
    return parse([first, *argv[1:]], "cxtzvopJj", "fC")


def _unpack(archive: tarfile.TarFile, entry: tarfile.TarInfo, place: pathlib.Path) -> None:
    if entry.isdir():
        place.mkdir(parents=True, exist_ok=True)
    elif entry.isfile():
        source = archive.extractfile(entry)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(source.read() if source else b"")
        place.chmod(entry.mode)


def sleep(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``sleep N``, in the datacenter's time."""
    shell.dc.wait(float(argv[0]))
    return Result()


def hostname(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """The node's name, or inside a zone the zone's."""
    vm = shell.dc.vm(shell.variables.get("MOCKDC_ZONE", ""))
    server = shell.dc.server(shell.server) or {}
    return _text(f"{vm['hostname'] if vm else server.get('hostname', '')}\n")


def cd(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``cd DIR``."""
    target = os.path.normpath(os.path.join(shell.cwd, argv[0] if argv else "/root"))
    if not os.path.isdir(shell.real(target)):
        return Result(1, b"", f"bash: cd: {argv[0]}: No such file or directory\n".encode())
    shell.cwd = target
    return Result()


def leave(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``exit [N]``."""
    shell.leaving = True
    return Result(int(argv[0]) if argv else shell.status)


def export(shell: Shell, argv: list[str], stdin: bytes) -> Result:
    """``export NAME=VALUE``: every variable is exported anyway."""
    for word in argv:
        name, equals, value = word.partition("=")
        if equals:
            shell.variables[name] = value
    return Result()


def constant(status: int) -> Tool:
    """``true``, ``false``, and what may be ignored."""
    return lambda shell, argv, stdin: Result(status)


TOOLS: dict[str, Tool] = {
    name: guarded(name, tool)
    for name, tool in {
        "echo": echo, "printf": printf, "test": test, "[": test, "cat": cat, "head": head, "tail": tail, "grep": grep,
        "wc": wc, "ls": ls, "rm": rm, "mkdir": mkdir, "cp": copy(False), "mv": copy(True), "touch": touch, "du": du,
        "tar": tar, "gtar": tar, "sleep": sleep, "hostname": hostname, "cd": cd, "exit": leave, "export": export,
        "true": constant(0), ":": constant(0), "set": settings, "tee": tee, "sync": constant(0), "false": constant(1),
        "pwd": lambda shell, argv, stdin: _text(shell.cwd + "\n"),
        "uptime": lambda shell, argv, stdin: _text("up 80 day(s), 1 user, load average: 0.10, 0.10, 0.10\n"),
    }.items()
}  # fmt: skip

if TYPE_CHECKING:
    import tarfile
