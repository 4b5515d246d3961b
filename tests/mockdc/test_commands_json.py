"""json: every recorded run of the real one (11.0.0 of the npm registry), and what the box knows of JavaScript."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import pytest
from mockdc.commands.call import Call
from mockdc.commands.js import compiled
from mockdc.commands.js_values import JsError
from mockdc.commands.json_tool import json_tool
from mockdc.core.datacenter import Datacenter

RECORDED = [json.loads(line) for line in
            (pathlib.Path(__file__).parent / "recordings" / "json_tool.jsonl").read_text(encoding="utf-8").splitlines()]


def run(*argv: str, stdin: str = "") -> tuple[int, str, str]:
    call = Call(Datacenter.empty(pathlib.Path("/nowhere")), "", "json", list(argv), stdin=stdin.encode)
    status = json_tool(call)
    return status, call.stdout.getvalue().decode(), call.stderr.getvalue().decode()


@pytest.mark.parametrize("one", RECORDED, ids=[f"{at}-{' '.join(one['argv'])}" for at, one in enumerate(RECORDED)])
def test_it_answers_as_the_real_one_did(one: dict[str, Any]) -> None:
    assert run(*one["argv"], stdin=one["stdin"]) == (one["status"], one["stdout"], one["stderr"])


def test_input_that_is_no_json_passes_through_with_a_picture_of_the_place() -> None:
    status, out, err = run("-H", "0.uuid", stdin="curl: nonsense")
    assert status == 1
    assert out == "curl: nonsense\n"
    assert err.startswith("json: error: input is not JSON: ")
    assert "at line 1, column 1:" in err


def test_empty_input_says_nothing_and_hides_a_failure_in_a_pipeline() -> None:
    assert run("-H", "0.uuid") == (0, "", "")


def test_a_file_is_read_with_f(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.json").write_text('{"a": {"b": 1}}', encoding="utf-8")
    assert run("-f", str(tmp_path / "a.json"), "a.b") == (0, "1\n", "")


@pytest.mark.parametrize(
    "code, value",
    [
        ("1 + 2 * 3 === 7", True),
        ("'1' == 1 && '1' !== 1", True),
        ("this.name.match(/^ab(.)/)[1]", "c"),
        ("this.name.substr(1, 2) + this.list.join('-')", "bc1-2"),
        ("this.none === undefined || this.none.deeper", True),
        ("typeof this.list", "object"),
        ("this.list.length > 1 ? 'many' : 'few'", "many"),
        ("!/x/i.test(this.name) && this.list.indexOf(2)", 1),
        ("Object.keys(this)[0].toUpperCase()", "NAME"),
        ("-this.list[1] % 2", 0),
    ],
)
def test_expressions_have_the_value_that_node_gives(code: str, value: Any) -> None:
    assert compiled(code, expression=True)({"name": "abcd", "list": [1, 2]}) == value


def test_statements_change_this() -> None:
    record: dict[str, Any] = {"a": 1}
    compiled("var b = this.a + 1; if (b > 1) { this.c = {d: [b]}; } delete this.a; this.n = null;", False)(record)
    assert record == {"c": {"d": [2]}, "n": None}


def test_a_member_of_undefined_is_nodes_type_error() -> None:
    with pytest.raises(JsError, match="Cannot read properties of undefined"):
        compiled("this.a.b", expression=True)({})


@pytest.mark.parametrize("code", ["this.", "(1", "1 +", "this = = 2", "#"])
def test_nonsense_is_a_syntax_error(code: str) -> None:
    with pytest.raises(JsError, match="SyntaxError"):
        compiled(code, expression=True)
