"""The body paths that a file's rules name, with their lines: what ``gateway try`` tells about a payload."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gateway.rules.budget import Budget, OverBudget
from gateway.rules.nodes import Node, YAMLFile
from gateway.rules.paths import PathProblem, compile_path
from gateway.rules.syntax import SyntaxProblem, holes, read_expression
from gateway.rules.values import MISSING

_LET = re.compile(r"\$let\.([\w-]+)")
Place = tuple[str, int]
"""A path from ``$`` and its line."""


def missing_paths(text: str, *, lines: frozenset[int], body: Any) -> list[Place]:
    """The body paths that are not in ``body``, of the rules that begin in ``lines`` and of the lets that these name.

    ``text`` is the rules file. Conditions don't count: the rules matched. In the order of the file, each path once.
    """
    root = YAMLFile("", text).root
    if root is None:
        return []
    rules = root.get("rules")
    source_lets = _lets(root)
    named: set[Place] = set()
    for rule in rules.items if rules is not None else ():
        if rule.line not in lines:
            continue
        lets = source_lets | _lets(rule)
        parts = [node for key, node in rule.entries if key.text not in ("when", "let")]
        done: set[str] = set()
        while parts:
            for path, line in _paths(parts.pop()):
                let = _LET.match(path)
                if let is None:
                    named.add((path, line))
                elif let[1] in lets and let[1] not in done:
                    done.add(let[1])
                    parts.append(lets[let[1]])
    found: dict[str, int] = {}
    for path, line in sorted(named, key=lambda place: (place[1], place[0])):
        if path not in found and _is_missing(path, body):
            found[path] = line
    return list(found.items())


def _lets(node: Node) -> dict[str, Node]:
    lets = node.get("let")
    return {} if lets is None else {key.text: value for key, value in lets.entries}


def _paths(node: Node) -> Iterator[Place]:
    """Every path of every expression under a node."""
    for item in node.items:
        yield from _paths(item)
    for key, value in node.entries:
        if key.text != "$literal":
            yield from _paths(key)
            yield from _paths(value)
    if node.kind != "scalar":
        return
    try:
        written = [node.text] if node.text.startswith("$") else [hole[1] for hole in _holes(node.text)]
        for one in written:
            expression = read_expression(one)
            yield expression.path, node.line
            for call in expression.calls:
                yield from ((given.value, node.line) for given in call.arguments if given.kind == "path")
    except SyntaxProblem:
        return


def _holes(text: str) -> list[tuple[int, str]]:
    return [piece for piece in holes(text) if not isinstance(piece, str)] if "{{" in text else []


def _is_missing(path: str, body: Any) -> bool:
    if not path.startswith(("$.", "$[")):
        return False
    try:
        found = compile_path(path).read(body, Budget())
    except (PathProblem, OverBudget):
        return False
    return found is MISSING or found == []
