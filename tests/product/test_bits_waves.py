"""Who gets gzbits, in which waves, and what the ledger remembers."""

from __future__ import annotations

import sys

import pytest

from sdcupgrade.bits.ledger import BEGUN, DONE, DOWN, FAILED, Known, ledger_json, parse_ledger
from sdcupgrade.bits.waves import Amount, cut, parse_budget, parse_waves, sort_out
from sdcupgrade.errors import BadInput
from sdcupgrade.model import Server


def server(number: int, **more: object) -> Server:
    """The numberth compute node, up and set up."""
    values = {"headnode": False, "setup": True, "status": "running", "platform": "20240118T001122Z", **more}
    return Server(f"uuid-{number:05}", f"cn{number:05}", **values)  # type: ignore[arg-type]


def sizes(total: int, text: str) -> list[int]:
    """How many nodes each wave has."""
    return [len(wave) for wave in cut([server(number) for number in range(total)], parse_waves(text))]


@pytest.mark.parametrize(
    ("total", "text", "waves"),
    [
        (100, "1,3,25%,100%", [1, 3, 25, 71]),
        (5, "1,3,25%,100%", [1, 3, 1]),
        (4, "1,3,25%,100%", [1, 3]),
        (0, "1,3", []),
        (10, "2,3", [2, 3, 3, 2]),
        (3, "1%", [1, 1, 1]),
        (7, " 50% ", [4, 3]),
        (2, "100", [2]),
    ],
)
def test_waves(total: int, text: str, waves: list[int]) -> None:
    assert sizes(total, text) == waves


def test_every_node_is_in_one_wave_and_in_order() -> None:
    nodes = [server(number) for number in range(101)]
    assert [node for wave in cut(nodes, parse_waves("1,7%,2")) for node in wave] == nodes


@pytest.mark.parametrize("text", ["", "1,,2", "x", "101%", "-1", "1.5", "0", "1,0%", "1;3", "٣", "9999999"])
def test_waves_that_make_no_sense(text: str) -> None:
    with pytest.raises(BadInput, match="--waves"):
        parse_waves(text)


def test_budgets() -> None:
    assert parse_budget("0") == Amount(0)
    assert [parse_budget("5%").of(total) for total in (10, 100, 1000)] == [1, 5, 50]
    with pytest.raises(BadInput, match="--max-fail 'many'"):
        parse_budget("many")


def test_who_needs_what_and_who_cannot_have_it() -> None:
    servers = [
        server(9),
        server(1, headnode=True),
        server(2, setup=False),
        server(3, system_type="Linux"),
        server(4, status="unknown"),
        server(5),
        server(6),
        server(7),
        server(8),
        server(10, status="rebooting"),
    ]
    known = {
        "uuid-00005": Known("cn5", DONE, "", "new"),
        "uuid-00006": Known("cn6", DONE, "", "old"),
        "uuid-00007": Known("cn7", BEGUN, "", "new"),
        "uuid-00008": Known("cn8", FAILED, "", "new"),
        "uuid-00010": Known("cn10", DONE, "", "new"),
    }
    found = sort_out(servers, known, "new")
    assert [one.hostname for one in found.send] == ["cn00006", "cn00007", "cn00008", "cn00009"]
    assert [one.hostname for one in found.has] == ["cn00005", "cn00010"]
    assert [one.hostname for one in found.down] == ["cn00004"]
    assert [(one.hostname, why) for one, why in found.skipped] == [
        ("cn00002", "it is not set up; set-up gives it the tools"),
        ("cn00003", "it runs Linux, and gzbits are for SmartOS"),
    ]


def test_a_ledger_comes_back_as_it_was_written() -> None:
    nodes = {"b": Known("cn1", DONE, "now", "d", "e", "1.0", "i"), "a": Known("cn0", DOWN, "now", why="no power")}
    value = ledger_json(nodes)
    assert list(value["nodes"]) == ["a", "b"]  # type: ignore[arg-type]
    assert parse_ledger(value, "ledger.json") == nodes


@pytest.mark.parametrize("value", [[], {"schema": 2}, {"schema": 1, "nodes": {"a": {"hostname": 1}}}])
def test_a_ledger_that_makes_no_sense_is_named(value: object) -> None:
    with pytest.raises(BadInput, match=r"ledger\.json") as error:
        parse_ledger(value, "ledger.json")  # type: ignore[arg-type]
    assert "move that file away" in error.value.hint


def calls(total: int) -> int:
    """How many functions of Python are called to plan for so many nodes: what grows, without a clock."""
    servers = [server(number, status="running" if number % 7 else "unknown") for number in range(total)]
    digests = ("old", "new", "new")
    known = {one.uuid: Known(one.hostname, DONE, "", digests[number % 3]) for number, one in enumerate(servers)}
    count = 0

    def counting(frame: object, event: str, arg: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(counting)
    try:
        for wave in cut(sort_out(servers, known, "new").send, parse_waves("1,3,1%")):
            len(wave)
    finally:
        sys.setprofile(None)
    return count


def test_planning_grows_with_the_nodes_and_no_faster() -> None:
    assert calls(10_000) <= calls(1_000) * 10 * 1.05
