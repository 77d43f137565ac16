"""Reading the values of a rules file: each takes a node, gives what it says, or reports what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from gateway.intilery.contract import Destination
from gateway.model import OnUnknown
from gateway.rules.expressions import Expression, compile_expression, is_expression
from gateway.rules.mapping import compile_value
from gateway.rules.nodes import Node, YAMLFile, truth_hint
from gateway.rules.problems import choices, did_you_mean
from gateway.rules.roots import ExpressionProblem
from gateway.rules.scope import Evaluate, Names
from gateway.rules.shapes import refuse_list, value_gives_list
from gateway.rules.spans import Span, span
from gateway.rules.values import Unreadable

_UNNAMED = re.compile(r"\$let\.([\w-]+) is not named above")
_LENGTH = re.compile(r"(\d{1,6})\s*((?:second|minute|min|hour|hr|day|week)s?)?\Z", re.IGNORECASE)
_LET = re.compile(r"[A-Za-z_][\w-]*\Z")
Entries = dict[str, tuple[Node, Node]]
"""The entries of a mapping by key: (key, value)."""


class Reader:
    """Reads one file. ``names`` is what may be named at the place that is being read."""

    def __init__(self, yaml: YAMLFile, *, destinations: Mapping[str, Destination]) -> None:
        self.yaml = yaml
        self.report = yaml.problem
        self.destinations = destinations
        self.names = Names()

    def lets(self, keys: Entries, lets: dict[str, Evaluate]) -> None:
        if "let" not in keys:
            return
        _, node = keys["let"]
        if node.kind != "map":
            self.report(node, f"let takes a mapping of names to values; found {node.describe()}")
            return
        lines = {key.text: key.line for key, _ in node.entries}

        def report(where: Node, message: str, *, at: int = 0) -> None:
            early = _UNNAMED.match(message)
            if early and early[1] in lines and early[1] not in lets:
                what = "reads itself" if early[1] == key.text else f"is named later, in line {lines[early[1]]}"
                message = f"$let.{early[1]} {what}; a let reads only those above it"
            self.report(where, message, at=at)

        for key, value in node.entries:
            if not _LET.match(key.text):
                self.report(key, f"'{key.text}' is not a name; allowed: letters, digits, _ and -")
                continue
            # Compiled before it is named, so a value can read those above it and never itself.
            self.names.reads.clear()
            evaluate = compile_value(value, self.names, report)
            lists = self.names.lists if lets is self.names.lets else self.names.rule_lists
            if value_gives_list(value, self.names):
                lists.add(key.text)
            else:
                lists.discard(key.text)
            lets[key.text] = evaluate
            if lets is self.names.lets:
                self.names.let_reads[key.text] = self.names.all_reads()

    def destination_at(self, node: Node) -> str | Expression | None:
        if node.kind != "scalar" or not node.text:
            self.report(node, f"destination takes a name or an expression; found {node.describe()}")
            return None
        if is_expression(node.text):
            return self.expression(node)
        if node.text not in self.destinations:
            self.report(
                node, f"there is no destination '{node.text}'{choices(node.text, self.destinations, what='known')}"
            )
            return None
        return node.text

    def span(self, node: Node, key: str) -> Span | None:
        if node.kind != "scalar" or node.value is None:
            self.report(node, f"{key} takes a length of time such as 30m, 2h or 7d; found {node.describe()}")
            return None
        try:
            read = span(node.text)
        except Unreadable as error:
            bare = _LENGTH.match(node.text.strip())
            hint = f"; did you mean '{bare[1]}{(bare[2] or 'm')[0].lower()}'?" if bare else ""
            self.report(node, f"{key}: {error}{hint}")
            return None
        if read.months < 0 or read.days < 0 or read.seconds < 0:
            self.report(
                node, f"{key} goes forward in time; found {node.text}; for a time before another use at: with date_add"
            )
            return None
        return read

    def time_expression(self, node: Node, key: str) -> Expression | None:
        if node.kind != "scalar" or not node.text.startswith("$"):
            self.report(
                node, f"{key} takes an expression that gives a time, such as $.starts_at; found {node.describe()}"
            )
            return None
        expression = self.expression(node)
        if expression is not None and expression.is_list:
            self.report(node, str(refuse_list(expression.text, f"{key} takes a time")))
            return None
        return expression

    def expression(self, node: Node) -> Expression | None:
        self.names.place = (node.line, node.column)
        if "{{" in node.text:
            self.report(node, f"an expression such as $.name stands here, not a template; found {node.describe()}")
            return None
        try:
            return compile_expression(node.text, self.names)
        except ExpressionProblem as problem:
            self.report(node, str(problem), at=problem.at)
            return None

    def expressions(self, keys: Entries, key: str, *, many: bool = True) -> tuple[Expression, ...]:
        if key not in keys:
            return ()
        _, node = keys[key]
        nodes = node.items if node.kind == "list" and many else (node,)
        compiled: list[Expression] = []
        for item in nodes:
            if item.kind != "scalar" or not item.text.startswith("$"):
                takes = "an expression such as $.id, or a list of them" if many else "an expression such as $.id"
                self.report(item, f"{key} takes {takes}; found {item.describe()}")
                continue
            expression = self.expression(item)
            if expression is not None:
                compiled.append(expression)
        return tuple(compiled)

    def text(self, keys: Entries, key: str) -> str | None:
        if key not in keys:
            return None
        _, node = keys[key]
        if node.kind != "scalar" or not node.text:
            self.report(node, f"{key} takes text; found {node.describe()}")
            return None
        return node.text

    def choice(self, keys: Entries, key: str, allowed: tuple[str, ...]) -> str | None:
        text = self.text(keys, key)
        if text is not None and text not in allowed:
            self.report(
                keys[key][1],
                f"{key} takes {', '.join(allowed[:-1])} or {allowed[-1]}; found '{text}'{did_you_mean(text, allowed)}",
            )
            return None
        return text

    def boolean(self, keys: Entries, key: str, default: bool) -> bool:
        if key not in keys:
            return default
        _, node = keys[key]
        if not isinstance(node.value, bool):
            self.report(node, f"{key} takes true or false; found {node.describe()}{truth_hint(node)}")
            return default
        return node.value

    def integer(self, keys: Entries, key: str) -> int:
        if key not in keys:
            return 0
        _, node = keys[key]
        if not isinstance(node.value, int) or isinstance(node.value, bool) or abs(node.value) > 1000:
            self.report(node, f"{key} takes a whole number from -1000 to 1000; found {node.describe()}")
            return 0
        return node.value

    def on_unknown(self, keys: Entries) -> OnUnknown | None:
        text = self.choice(keys, "on_unknown_outcome", tuple(OnUnknown))
        return OnUnknown(text) if text else None

    def mode(self, keys: Entries) -> Literal["live", "dry_run", "shadow"]:
        mode = self.choice(keys, "mode", ("live", "dry_run", "shadow"))
        return "dry_run" if mode == "dry_run" else "shadow" if mode == "shadow" else "live"
