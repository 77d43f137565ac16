"""Which expressions give a list whatever the payload holds, and where such a list meets what takes none.

The shape follows the path, so this is certain when a file is loaded: ``$.items[*].sku | upper`` never gives anything.
A path that names one place may hold a list too, and of that nothing is said here: the trace warns when it does.
"""

from __future__ import annotations

import re

from gateway.rules.filters import FILTERS
from gateway.rules.nodes import Node
from gateway.rules.paths import PathProblem, compile_path
from gateway.rules.roots import ExpressionProblem
from gateway.rules.scope import Names
from gateway.rules.syntax import SyntaxProblem, Written, read_expression

_MANY = re.compile(r"[*?:,]|\.\.")
"""What a path that can name more than one place holds; such a path is read to be sure."""
_ROOT = re.compile(r"\$(?:let\.([\w-]+)|\w*)")


def gives_list(written: Written, names: Names) -> bool:
    """Whether an expression gives a list, or missing.

    :raises ExpressionProblem: one of its filters gets a list and takes none, or its path goes into one as into an
        object.
    """
    many = _path_gives_list(written, names)
    for call in written.calls:
        filter = FILTERS[call.name]
        if many and not filter.takes_list:
            before, takes = written.text[: call.at].rstrip("| "), filter.takes.partition(":")[0]
            raise ExpressionProblem(f"{before} gives a list, and {call.name} takes {takes}; {_mend(takes)}", call.at)
        many = filter.gives_list or (many and filter.keeps_list)
    return many


def value_gives_list(node: Node, names: Names) -> bool:
    """The same of a YAML value that has been compiled without a problem, or with one that was reported."""
    if node.kind == "list" or (node.kind == "map" and node.get("$each") is not None):
        return True
    if node.kind != "scalar" or not node.text.startswith("$") or "{{" in node.text:
        return False
    try:
        return gives_list(read_expression(node.text), names)
    except (SyntaxProblem, ExpressionProblem, KeyError):
        return False


def refuse_list(text: str, takes: str) -> ExpressionProblem:
    """The problem of a list where one value is needed."""
    return ExpressionProblem(f"{takes}, and {text} gives a list; take one of it with | first")


def _path_gives_list(written: Written, names: Names) -> bool:
    root = _ROOT.match(written.path)
    if root is None:
        return False
    rest = written.path[root.end() :]
    many = bool(_MANY.search(rest)) and _names_many(rest)
    name = root[1]
    if name is None or name not in (names.rule_lists if name in names.rule_lets else names.lists):
        return many
    if rest and not rest.startswith(("[", "..")):
        raise ExpressionProblem(
            f"{root[0]} is a list, and only what stands in it has a {rest}; take the first with {root[0]}[0]{rest}, "
            f"or all with {root[0]}[*]{rest}",
            written.path_at + root.end(),
        )
    return many or not rest


def _names_many(rest: str) -> bool:
    try:
        return compile_path("$" + rest).get is None
    except PathProblem:
        return False


def _mend(takes: str) -> str:
    mend = "take one of it with | first"
    if takes.startswith("text"):
        return f"{mend}, or make one text of it with | join(', ')"
    return f"{mend}, or add it up with | sum" if takes.startswith("a number") else mend
