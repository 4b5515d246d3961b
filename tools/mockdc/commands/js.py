"""As much JavaScript as people write after ``json -c`` and ``json -e``: conditions, edits, everyday methods.

:func:`compiled` turns code into a Python function of ``this``. Left out: functions, loops, ``new``. Code that cannot be
understood is a JsError with node's kind of message, as is what node would throw.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mockdc.commands import js_values
from mockdc.commands.js_values import UNDEFINED, JsError

Scope = dict[str, Any]
Code = Callable[[Scope], Any]

TOKEN = re.compile(
    r"""\s*(?:(?P<number>\d+(?:\.\d+)?)|(?P<name>[A-Za-z_$][\w$]*)|(?P<string>"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')"""
    r"""|(?P<op>===|!==|==|!=|<=|>=|&&|\|\||\+\+|--|\+=|-=|[-+*/%<>=!?:.,;()\[\]{}]))"""
)
REGEX = re.compile(r"\s*/((?:\\.|\[(?:\\.|[^\]\\])*\]|[^/\\\n])+)/([gimsuy]*)")
POWER = {"||": 1, "&&": 2, "==": 3, "!=": 3, "===": 3, "!==": 3, "<": 4, ">": 4, "<=": 4, ">=": 4, "in": 4,
         "instanceof": 4, "+": 5, "-": 5, "*": 6, "/": 6, "%": 6}  # fmt: skip


def compiled(code: str, expression: bool) -> Callable[[Any], Any]:
    """*code* as a function of ``this`` that gives the value of its last statement. Raises JsError."""
    parser = Parser(code)
    body = [parser.expression()] if expression else []
    while not expression and parser.kind != "end":
        if not parser.take(";"):
            body.append(parser.statement())
    parser.must_end()

    def run(this: Any) -> Any:
        scope: Scope = {**js_values.GLOBALS, "this": this}
        value = UNDEFINED
        for part in body:
            value = part(scope)
        return value

    return run


@dataclass
class Place:
    """Something that can be assigned to: a name of the scope (*base* gives the scope), or a member."""

    base: Code
    key: Code
    bare: bool = field(default=False)

    def get(self, scope: Scope) -> Any:
        if not self.bare:
            return js_values.member(self.base(scope), self.key(scope))
        name = self.key(scope)
        if name not in scope:
            raise JsError(f"ReferenceError: {name} is not defined")
        return scope[name]

    def set(self, scope: Scope, value: Any) -> Any:
        js_values.assign(self.base(scope), self.key(scope), value)
        return value

    def delete(self, scope: Scope) -> bool:
        js_values.remove(self.base(scope), self.key(scope))
        return True


class Parser:
    """A recursive descent over the text, one token ahead."""

    def __init__(self, code: str) -> None:
        self.code = code
        self.at = 0
        self.kind = ""
        self.text = ""
        self.step(operand=True)

    def step(self, operand: bool = False) -> None:
        """Read the next token; where an operand may stand a slash begins a regular expression."""
        found = REGEX.match(self.code, self.at) if operand else None
        if found:
            self.kind, self.text = "regex", found.group().strip()
        else:
            found = TOKEN.match(self.code, self.at)
            if found is None:
                if self.code[self.at :].strip():
                    raise JsError("SyntaxError: Invalid or unexpected token")
                self.kind, self.text = "end", ""
                return
            self.kind = str(found.lastgroup)
            self.text = found.group(self.kind)
        self.at = found.end()

    def take(self, *texts: str) -> str:
        """The current token if it is one of *texts*, and go on behind it; else nothing."""
        if self.kind in {"op", "name"} and self.text in texts:
            found = self.text
            self.step(operand=found not in {")", "]", "}", "++", "--"})
            return found
        return ""

    def need(self, text: str) -> None:
        """Go on behind *text*. Raises JsError."""
        if not self.take(text):
            raise JsError(f"SyntaxError: {self.unexpected()}")

    def unexpected(self) -> str:
        return f"Unexpected token '{self.text}'" if self.text else "Unexpected end of input"

    def must_end(self) -> None:
        """Raises JsError when something is left."""
        if self.kind != "end":
            raise JsError(f"SyntaxError: {self.unexpected()}")

    # --- statements and expressions ---------------------------------------------------------------------------
    def statement(self) -> Code:
        if self.take("var", "let", "const"):
            name = self.text
            self.step()
            self.need("=")
            value = self.expression()
            return lambda scope: scope.__setitem__(name, value(scope))
        if self.take("if"):
            return self.condition()
        if self.take("return"):
            return self.expression()
        return self.expression()

    def condition(self) -> Code:
        self.need("(")
        test = self.expression()
        self.need(")")
        then = self.block()
        self.take(";")
        other: Code = self.block() if self.take("else") else lambda scope: UNDEFINED
        return lambda scope: then(scope) if js_values.truthy(test(scope)) else other(scope)

    def block(self) -> Code:
        if not self.take("{"):
            return self.statement()
        parts: list[Code] = []
        while not self.take("}"):
            if not self.take(";"):
                parts.append(self.statement())
        return lambda scope: [part(scope) for part in parts][-1] if parts else UNDEFINED

    def expression(self) -> Code:
        target = self.choice()
        sign = self.take("=", "+=", "-=")
        if not sign:
            return self.value(target)
        if not isinstance(target, Place):
            raise JsError("SyntaxError: Invalid left-hand side in assignment")
        value = self.expression()
        if sign == "=":
            return lambda scope: target.set(scope, value(scope))
        operator = js_values.OPERATORS[sign[0]]
        return lambda scope: target.set(scope, operator(target.get(scope), value(scope)))

    @staticmethod
    def value(term: Place | Code) -> Code:
        return term.get if isinstance(term, Place) else term

    def choice(self) -> Place | Code:
        test = self.binary(0)
        if not self.take("?"):
            return test
        then = self.expression()
        self.need(":")
        other, asked = self.expression(), self.value(test)
        return lambda scope: then(scope) if js_values.truthy(asked(scope)) else other(scope)

    def binary(self, least: int) -> Place | Code:
        left = self.unary()
        while self.kind in {"op", "name"} and POWER.get(self.text, 0) > least:
            sign = self.take(self.text)
            left = self.joined(sign, self.value(left), self.value(self.binary(POWER[sign])))
        return left

    @staticmethod
    def joined(sign: str, left: Code, right: Code) -> Code:
        if sign in {"&&", "||"}:
            def lazy(scope: Scope) -> Any:
                first = left(scope)
                return right(scope) if js_values.truthy(first) == (sign == "&&") else first

            return lazy
        operator = js_values.OPERATORS[sign]
        return lambda scope: operator(left(scope), right(scope))

    def unary(self) -> Place | Code:
        sign = self.take("!", "-", "+", "typeof", "delete", "++", "--")
        if not sign:
            return self.postfix()
        term = self.unary()
        if sign in {"delete", "++", "--"}:
            if not isinstance(term, Place):
                raise JsError("SyntaxError: Invalid left-hand side expression")
            return term.delete if sign == "delete" else self.counted(term, sign, after=False)
        value, operator = self.value(term), js_values.UNARY[sign]
        return lambda scope: operator(value(scope))

    @staticmethod
    def counted(place: Place, sign: str, after: bool) -> Code:
        """``x++`` and its like; *after*: the value is the old one."""
        def count(scope: Scope) -> Any:
            old = js_values.number(place.get(scope))
            new = place.set(scope, old + (1 if sign == "++" else -1))
            return old if after else new

        return count

    def postfix(self) -> Place | Code:
        term = self.primary()
        while True:
            sign = self.take(".", "[", "(", "++", "--")
            if sign == ".":
                name = self.text
                if self.kind != "name":
                    raise JsError(f"SyntaxError: {self.unexpected()}")
                self.step()
                term = Place(self.value(term), lambda scope, name=name: name)  # type: ignore[misc]  # a default binds
            elif sign == "[":
                key = self.expression()
                self.need("]")
                term = Place(self.value(term), key)
            elif sign == "(":
                term = self.call(term, self.several(")"))
            elif sign and isinstance(term, Place):
                term = self.counted(term, sign, after=True)
            else:
                return term

    @staticmethod
    def call(term: Place | Code, arguments: list[Code]) -> Code:
        if isinstance(term, Place) and not term.bare:
            method = term
            return lambda scope: js_values.call(
                method.base(scope), method.key(scope), [argument(scope) for argument in arguments])
        function = Parser.value(term)
        return lambda scope: function(scope)(*[argument(scope) for argument in arguments])

    def several(self, closing: str) -> list[Code]:
        found: list[Code] = []
        while not self.take(closing):
            found.append(self.expression())
            if not self.take(","):
                self.need(closing)
                break
        return found

    def primary(self) -> Place | Code:
        kind, text = self.kind, self.text
        if self.take("("):
            inner = self.expression()
            self.need(")")
            return inner
        if self.take("["):
            parts = self.several("]")
            return lambda scope: [part(scope) for part in parts]
        if self.take("{"):
            return self.record()
        if kind in {"number", "string", "regex"}:
            self.step()
            constant = js_values.literal(kind, text)
            return lambda scope: constant
        if kind == "name":
            self.step()
            return Place(lambda scope: scope, lambda scope: text, bare=True)
        raise JsError(f"SyntaxError: {self.unexpected()}")

    def record(self) -> Code:
        """The rest of ``{a: 1, "b": 2}``."""
        pairs: list[tuple[str, Code]] = []
        while not self.take("}"):
            name = js_values.literal("string", self.text) if self.kind == "string" else self.text
            self.step()
            self.need(":")
            pairs.append((str(name), self.expression()))
            if not self.take(","):
                self.need("}")
                break
        return lambda scope: {name: value(scope) for name, value in pairs}
