"""Option parsing as getopt does it, for programs whose words on a wrong option differ."""

from __future__ import annotations

from dataclasses import dataclass, field


class UsageError(Exception):
    """A wrong option; the program puts its own words around *option*. *missing*: its value is what lacks."""

    def __init__(self, option: str, missing: bool = False) -> None:
        super().__init__(f"option requires an argument -- {option}" if missing else f"illegal option -- {option}")
        self.option = option
        self.missing = missing


@dataclass
class Options:
    """What was given: every value of an option in order, flags as an empty one, and the other words."""

    given: dict[str, list[str]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)

    def __contains__(self, name: str) -> bool:
        return name in self.given

    def last(self, name: str, default: str = "") -> str:
        """The last value given."""
        return self.given[name][-1] if name in self.given else default

    def all(self, name: str) -> list[str]:
        """Every value given, in order."""
        return self.given.get(name, [])

    def columns(self, name: str, default: str) -> list[str]:
        """A comma list, possibly given in several pieces."""
        return [part for value in self.all(name) or [default] for part in value.split(",") if part]


def parse(
    argv: list[str], flags: str = "", values: str = "", aliases: tuple[tuple[str, str], ...] = (), mixed: bool = True
) -> Options:
    """Parse *argv*. *flags* and *values* are one-letter options without and with a value; *aliases* pairs a long name
    with its letter (or with a long name of its own, ending in ``=`` when it takes a value). With *mixed* options may
    follow other words. Raises UsageError.
    """
    long = dict(aliases)
    found = Options()
    rest = list(argv)
    while rest:
        word = rest.pop(0)
        if word == "--":
            found.words += rest
            break
        if word.startswith("--"):
            _long(found, word[2:], rest, long, values)
        elif word.startswith("-") and word != "-":
            _short(found, word[1:], rest, flags, values)
        else:
            found.words.append(word)
            if not mixed:
                found.words += rest
                break
    return found


def _short(found: Options, letters: str, rest: list[str], flags: str, values: str) -> None:
    for place, letter in enumerate(letters):
        if letter in values:
            value = letters[place + 1 :]
            if not value and not rest:
                raise UsageError(letter, missing=True)
            found.given.setdefault(letter, []).append(value or rest.pop(0))
            return
        if letter not in flags:
            raise UsageError(letter)
        found.given.setdefault(letter, []).append("")


def _long(found: Options, word: str, rest: list[str], long: dict[str, str], values: str) -> None:
    name, equals, value = word.partition("=")
    if name not in long:
        raise UsageError(f"-{name}")
    letter = long[name]
    if letter.rstrip("=") in values or letter.endswith("="):
        if not equals and not rest:
            raise UsageError(f"-{name}", missing=True)
        value = value if equals else rest.pop(0)
    found.given.setdefault(letter.rstrip("="), []).append(value)
