"""As much of a shell as the scripts that are sent to nodes need, for the face without processes.

Simple commands with quotes, ``$NAME`` and ``$(...)``, pipes, ``&&``, ``||``, ``;``, lines, ``>``, ``>>``, ``<``,
``2>``, ``2>&1``, ``!``, ``if``/``then``/``else``/``fi`` and assignments. A script that needs more is refused with
status 2 and a message, never misread. As a process the box runs the real bash instead.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mockdc.commands.call import Call
    from mockdc.core.datacenter import Datacenter

TOKEN = re.compile(
    r"""[ \t]+|\\\n|(?P<comment>\#[^\n]*)|(?P<op>\n|&&|\|\||2>&1|2>>|2>|>>|>|<|\||;|&)"""
    r"""|(?P<word>(?:"(?:\\.|\$\((?:[^()"]|"[^"]*")*\)|[^"\\])*"|'[^']*'|\$\([^()]*\)|\\.|[^\s'"\\;|&<>])+)""",
    re.DOTALL,
)
PIECE = re.compile(r"""'(?P<plain>[^']*)'|"(?P<quoted>(?:\\.|\$\((?:[^()"]|"[^"]*")*\)|[^"\\])*)"|\\(?P<escaped>.)"""
                   r"""|(?P<bare>(?:\$\([^()]*\)|[^'"\\])+)""", re.DOTALL)  # fmt: skip
DOLLAR = re.compile(r"\$\((?P<command>(?:[^()\"]|\"[^\"]*\")*)\)|\$\{(?P<braced>\w+)\}|\$(?P<name>\w+|\?|#|@|\$)")
REDIRECTIONS = {">", ">>", "<", "2>", "2>>"}
NOT_UNDERSTOOD = re.compile(r"^(for|while|case|until|function|select|\[\[|\(|\{)$")


class ShellError(Exception):
    """A script that this shell cannot understand."""


@dataclass
class Result:
    """How a command ended."""

    status: int = 0
    stdout: bytes = b""
    stderr: bytes = b""


@dataclass
class Shell:
    """One shell on a node; *cwd* is a path below its *root*, which is the node's unless it is told otherwise."""

    dc: Datacenter
    server: str
    variables: dict[str, str] = field(default_factory=dict)
    status: int = 0
    cwd: str = "/root"
    leaving: bool = False
    pipefail: bool = False
    root: str = ""

    def __post_init__(self) -> None:
        self.root = self.root or str(self.dc.root(self.server))

    # --- reading ----------------------------------------------------------------------------------------------
    def run(self, script: str, stdin: bytes = b"") -> Result:
        """Run a script to its end. Raises ShellError before anything of it ran."""
        return self.sequence(tokens(script), stdin)

    def sequence(self, words: list[tuple[str, str]], stdin: bytes) -> Result:
        """Commands after each other, joined by ``;``, lines, ``&&`` and ``||``."""
        whole, joint = Result(), ";"
        rest = list(words)
        while rest and not self.leaving:
            part, ending, rest = pipeline(rest)
            if part and (joint == ";" or (joint == "&&") == (self.status == 0)):
                done = self.branch(part, stdin) if part[0] == ("word", "if") else self.pipe(part, stdin)
                whole.stdout += done.stdout
                whole.stderr += done.stderr
                self.status = done.status
            joint = ending if ending in {"&&", "||"} else ";"
        whole.status = self.status
        return whole

    def branch(self, words: list[tuple[str, str]], stdin: bytes) -> Result:
        """``if A; then B; else C; fi``, not nested."""
        texts = [text if kind == "word" else "" for kind, text in words]
        then = texts.index("then")
        other = texts.index("else") if "else" in texts else len(texts) - 1
        tested = self.sequence(words[1:then], stdin)
        chosen = words[then + 1 : other] if tested.status == 0 else words[other + 1 : -1]
        self.status = 0
        done = self.sequence(chosen, stdin)
        return Result(done.status, tested.stdout + done.stdout, tested.stderr + done.stderr)

    def pipe(self, words: list[tuple[str, str]], stdin: bytes) -> Result:
        """``A | B | C``: the status is that of the last, under pipefail that of the last that failed."""
        negate = words[0] == ("word", "!")
        done, said, failed = Result(stdout=stdin), b"", 0
        for part in split(words[1:] if negate else words, "|"):
            done = self.simple(part, done.stdout)
            said += done.stderr
            failed = done.status or failed
        done.status = failed if self.pipefail else done.status
        return Result(int(not done.status) if negate else done.status, done.stdout, said)

    # --- one command ------------------------------------------------------------------------------------------
    def simple(self, words: list[tuple[str, str]], stdin: bytes) -> Result:
        """Expand, run, redirect."""
        argv: list[str] = []
        files: list[tuple[str, str]] = []
        merge = False
        rest = list(words)
        while rest:
            kind, text = rest.pop(0)
            if kind == "op" and text == "2>&1":
                merge = True
            elif kind == "op":
                files.append((text, self.one(rest.pop(0)[1])))
            else:
                argv += self.words(text)
        for sign, path in files:
            if sign == "<":
                stdin = read(self.real(path))
        done = self.called(argv, stdin)
        if merge:
            done = Result(done.status, done.stdout + done.stderr, b"")
        return self.redirected(done, files)

    def redirected(self, done: Result, files: list[tuple[str, str]]) -> Result:
        """What is left after ``>`` and ``2>``."""
        for sign, path in files:
            if sign == "<":
                continue
            data = done.stderr if sign.startswith("2") else done.stdout
            if sign.startswith("2"):
                done.stderr = b""
            else:
                done.stdout = b""
            try:
                if path != "/dev/null":
                    with open(self.real(path), "ab" if sign.endswith(">>") else "wb") as out:  # noqa: PTH123  (a str)
                        out.write(data)
            except OSError as why:
                return Result(1, done.stdout, f"bash: {path}: {why.strerror}\n".encode())
        return done

    def called(self, argv: list[str], stdin: bytes) -> Result:
        """Run one program: an assignment, a builtin, an everyday tool, or a program of the box."""
        from mockdc.commands import PROGRAMS, minitools
        from mockdc.faces import dispatch

        while argv and re.fullmatch(r"\w+=.*", argv[0], re.DOTALL):
            name, _, value = argv.pop(0).partition("=")
            self.variables[name] = value
        if not argv:
            return Result(0)
        name = argv[0].rpartition("/")[2]
        tool: Callable[[Shell, list[str], bytes], Result] | None = minitools.TOOLS.get(name)
        if tool is not None:
            return tool(self, argv[1:], stdin)
        if name not in PROGRAMS:
            return Result(127, b"", f"bash: {argv[0]}: command not found\n".encode())
        return Result(*dispatch.command(self.dc, self.server, name, argv[1:], lambda: stdin, dict(self.variables)))

    # --- words ------------------------------------------------------------------------------------------------
    def words(self, text: str) -> list[str]:
        """A word expanded: what stands bare splits at blanks."""
        found = [""]
        solid = False
        for piece in PIECE.finditer(text):
            if piece["bare"] is not None:
                bare = self.expanded(piece["bare"])
                parts = re.split(r"\s+", bare) if "$" in piece["bare"] else [bare]
                found[-1] += parts[0]
                found += parts[1:]
            else:
                solid = True
                quoted = piece["quoted"]
                found[-1] += self.quoted(quoted) if quoted is not None else (piece["plain"] or piece["escaped"] or "")
        return found if solid else [word for word in found if word]

    def one(self, text: str) -> str:
        """A word that may not split."""
        return " ".join(self.words(text))

    def quoted(self, text: str) -> str:
        """What stands between double quotes."""
        parts = re.split(r"\\([\"\\$`])", text)
        return "".join(part if at % 2 else self.expanded(part) for at, part in enumerate(parts))

    def expanded(self, text: str) -> str:
        """``$NAME``, ``${NAME}``, ``$?`` and ``$(command)`` put in."""

        def put(found: re.Match[str]) -> str:
            if found["command"] is not None:
                return self.run(found["command"]).stdout.decode("utf-8", "surrogateescape").rstrip("\n")
            name = found["braced"] or found["name"]
            return str(self.status) if name == "?" else self.variables.get(name, "")

        return DOLLAR.sub(put, text)

    def real(self, path: str) -> str:
        """Where a path is on this machine: always below the root."""
        path = os.path.join(self.cwd, path)
        return path if path == self.root or path.startswith(self.root + "/") else self.root + path


def read(path: str) -> bytes:
    """A file's bytes."""
    with open(path, "rb") as source:  # noqa: PTH123  (a str)
        return source.read()


def tokens(script: str) -> list[tuple[str, str]]:
    """A script in words and operators. Raises ShellError for what this shell does not know."""
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(script):
        match = TOKEN.match(script, at)
        if match is None:
            raise ShellError(f"cannot understand the script at: {script[at:at + 40]!r}")
        at = match.end()
        if match["op"]:
            found.append(("op", match["op"]))
        elif match["word"]:
            first = not found or found[-1][0] == "op"
            if first and NOT_UNDERSTOOD.match(match["word"]):
                raise ShellError(f"{match['word']} is more than this shell knows")
            found.append(("word", match["word"]))
    if found.count(("word", "if")) != found.count(("word", "fi")):
        raise ShellError("if without fi")
    return found


def pipeline(words: list[tuple[str, str]]) -> tuple[list[tuple[str, str]], str, list[tuple[str, str]]]:
    """The first pipeline (or whole ``if``), what ends it, and the rest."""
    inside = words[0] == ("word", "if")
    for at, (kind, text) in enumerate(words):
        if inside and (kind, text) == ("word", "fi"):
            inside = False
        elif not inside and kind == "op" and text in {"\n", ";", "&&", "||", "&"}:
            return words[:at], text, words[at + 1 :]
    return words, ";", []


def split(words: list[tuple[str, str]], sign: str) -> list[list[tuple[str, str]]]:
    """The words between operators *sign*."""
    parts: list[list[tuple[str, str]]] = [[]]
    for kind, text in words:
        if (kind, text) == ("op", sign):
            parts.append([])
        else:
            parts[-1].append((kind, text))
    return parts


def bash(call: Call) -> int:
    """``bash -c LINE``, ``bash FILE ARGS`` or a script on stdin."""
    shell = Shell(call.dc, call.server, dict(call.env))
    argv = [word for word in call.argv if word not in {"-e", "-x", "-l", "--login"}]
    if argv and argv[0].endswith("/config.sh"):
        from mockdc.commands.config_sh import config_sh

        call.argv = argv[1:]
        return config_sh(call)
    try:
        if argv[:1] == ["-c"]:
            script = argv[1] if len(argv) > 1 else ""
        else:
            script = read(shell.real(argv[0])).decode() if argv else call.stdin().decode()
        done = shell.run(script, call.stdin() if argv else b"")
    except (ShellError, OSError) as why:
        call.err(f"bash: {why}")
        return 2 if isinstance(why, ShellError) else 127
    call.stdout.write(done.stdout)
    call.stderr.write(done.stderr)
    return done.status
