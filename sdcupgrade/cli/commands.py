"""The commands as a table of strings; nothing of a command is imported before it is asked for."""

from __future__ import annotations


class Command:
    """*module* has a function ``<name>_arguments(parser)`` and a function ``<name>(session, options) -> int``.

    A plain class: importing dataclasses takes longer than all the rest of ``--help``.
    """

    def __init__(self, name: str, help: str, module: str, aliases: tuple[str, ...] = ()) -> None:
        self.name = name
        self.help = help
        self.module = module
        self.aliases = aliases


COMMANDS = (
    Command("prepare", "make the plan of an upgrade from a spec, and show it", "sdcupgrade.cli.pipeline"),
    Command("download", "bring every image of the plan into the datacenter", "sdcupgrade.cli.pipeline"),
    Command("upgrade", "carry the plan out, service by service", "sdcupgrade.cli.pipeline"),
    Command("rollback", "put back what an upgrade changed, all or the named services", "sdcupgrade.cli.pipeline"),
    Command("resume", "go on with an interrupted or failed upgrade or rollback", "sdcupgrade.cli.pipeline"),
    Command("status", "tell what is done, running and left of an upgrade", "sdcupgrade.cli.look"),
    Command("check", "run the health checks alone", "sdcupgrade.cli.look"),
    Command("instances", "list the instances of the datacenter's services", "sdcupgrade.cli.look", ("insts",)),
    Command("avail", "list the images that services could be upgraded to", "sdcupgrade.cli.look", ("available",)),
    Command("version", "tell which sdcupgrade this is, with -j where it runs from", "sdcupgrade.cli.look"),
)


def find(word: str) -> Command:
    """The command of that name or alias. Raises UsageError, offering the nearest name."""
    for command in COMMANDS:
        if word == command.name or word in command.aliases:
            return command
    import difflib

    from sdcupgrade.errors import UsageError

    near = difflib.get_close_matches(word, [command.name for command in COMMANDS], n=1)
    offer = f"did you mean {near[0]!r}?" if near else "sdcupgrade --help lists the commands"
    raise UsageError(f"there is no command {word!r}", offer)


def overview() -> str:
    """What ``sdcupgrade --help`` prints."""
    rows = "\n".join(f"    {command.name:<12}{command.help}" for command in COMMANDS)
    return f"""sdcupgrade: upgrade a whole Triton datacenter from one JSON spec, and roll it back

usage: sdcupgrade COMMAND [OPTIONS]
       sdcupgrade COMMAND --help
       sdcupgrade --version

An upgrade "foo" goes: prepare foo.json, download foo, upgrade foo; and if need be rollback foo.

commands:
{rows}
"""
