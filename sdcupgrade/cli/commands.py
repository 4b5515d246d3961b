"""The commands as a table of strings; nothing of a command is imported before it is asked for."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from sdcupgrade.errors import UsageError


class Command:
    """*module* has a function ``<name>_arguments(parser)`` and a function ``<name>(session, options) -> int``, where
    dashes and blanks of the name are underscores. *anywhere* marks what needs neither root nor a headnode.

    A plain class: importing dataclasses takes longer than all the rest of ``--help``.
    """

    def __init__(
        self, name: str, help: str, module: str, aliases: tuple[str, ...] = (), anywhere: bool = False
    ) -> None:
        self.name = name
        self.help = help
        self.module = module
        self.aliases = aliases
        self.anywhere = anywhere

    @property
    def function(self) -> str:
        """The name of the function that runs it."""
        return self.name.replace("-", "_").replace(" ", "_")


COMMANDS = (
    Command("run", "the whole upgrade: self-update, gzbits, prepare, download, upgrade", "sdcupgrade.cli.whole"),
    Command("prepare", "make the plan of an upgrade from a spec, and show it", "sdcupgrade.cli.pipeline"),
    Command("download", "bring every image of the plan into the datacenter", "sdcupgrade.cli.pipeline"),
    Command("upgrade", "carry the plan out, service by service", "sdcupgrade.cli.pipeline"),
    Command("rollback", "put back what an upgrade changed, all or the named services", "sdcupgrade.cli.pipeline"),
    Command("resume", "go on with an interrupted or failed upgrade or rollback", "sdcupgrade.cli.pipeline"),
    Command("status", "tell what is done, running and left of an upgrade", "sdcupgrade.cli.look"),
    Command("check", "run the health checks alone", "sdcupgrade.cli.look"),
    Command("doctor", "tell what this machine lacks, before it matters", "sdcupgrade.cli.doctor", anywhere=True),
    Command("instances", "list the instances of the datacenter's services", "sdcupgrade.cli.look", ("insts",)),
    Command("inventory", "tell what this site has already; -j for bundle create --base", "sdcupgrade.cli.look"),
    Command("avail", "list the images that services could be upgraded to", "sdcupgrade.cli.look", ("available",)),
    Command("bundle create", "write one file: a whole upgrade and the program", "sdcupgrade.cli.bundle", anywhere=True),
    Command("bundle verify", "read all of a bundle, and name what is damaged", "sdcupgrade.cli.bundle", anywhere=True),
    Command("bundle list", "tell what is in a bundle", "sdcupgrade.cli.bundle", anywhere=True),
    Command("bundle diff", "tell in what two bundles differ", "sdcupgrade.cli.bundle", anywhere=True),
    Command("verify", "bundle verify, of the bundle that this is", "sdcupgrade.cli.bundle", anywhere=True),
    Command("list", "bundle list, of the bundle that this is", "sdcupgrade.cli.bundle", anywhere=True),
    Command("install", "put this file where installed versions live", "sdcupgrade.cli.own"),
    Command("self-update", "go to another version of sdcupgrade, or back", "sdcupgrade.cli.own"),
    Command("selftest", "whether this file works here", "sdcupgrade.cli.own", anywhere=True),
    Command("gzbits status", "tell which bits of the global zone are installed", "sdcupgrade.cli.bits"),
    Command("gzbits diff", "show what a gzbits tarball would change", "sdcupgrade.cli.bits"),
    Command("gzbits apply", "put a gzbits tarball in place on this headnode", "sdcupgrade.cli.bits"),
    Command("gzbits rollback", "put back what the last gzbits apply found", "sdcupgrade.cli.bits"),
    Command("gzbits resume", "go on with a gzbits command that was cut off", "sdcupgrade.cli.bits"),
    Command("gzbits verify", "compare the global zone with the installed gzbits", "sdcupgrade.cli.bits"),
    Command("version", "tell which sdcupgrade this is; -j: where it runs from", "sdcupgrade.cli.look", anywhere=True),
)


def find(words: Sequence[str]) -> tuple[Command, Sequence[str]]:
    """The command that *words* begin with, by its name (of one word or two) or alias, and the words after it.

    Raises UsageError, offering the nearest name.
    """
    for count in (2, 1):
        said = " ".join(words[:count])
        for command in COMMANDS:
            if len(words) >= count and (said == command.name or said in command.aliases):
                return command, words[count:]
    raise _unknown(words)


def _unknown(words: Sequence[str]) -> UsageError:
    import difflib

    from sdcupgrade.errors import UsageError

    group = [command.name for command in COMMANDS if command.name.startswith(f"{words[0]} ")]
    if group:
        asked = f"{words[0]} {words[1]}" if len(words) > 1 and not words[1].startswith("-") else ""
        problem = f"there is no command {asked!r}" if asked else f"{words[0]} needs a word more"
        return UsageError(problem, f"one of: {', '.join(f'sdcupgrade {name}' for name in group)}")
    near = difflib.get_close_matches(words[0], [command.name for command in COMMANDS], n=1)
    offer = f"did you mean {near[0]!r}?" if near else "sdcupgrade --help lists the commands"
    return UsageError(f"there is no command {words[0]!r}", offer)


def overview() -> str:
    """What ``sdcupgrade --help`` prints."""
    rows = "\n".join(f"    {command.name:<17}{command.help}" for command in COMMANDS)
    return f"""sdcupgrade: upgrade a whole Triton datacenter from one JSON spec, and roll it back

usage: sdcupgrade COMMAND [OPTIONS]
       sdcupgrade COMMAND --help
       sdcupgrade --version

An upgrade "foo" is run foo.json, or step by step: prepare foo.json, download foo, upgrade foo; and if need be
rollback foo.

commands:
{rows}
"""
