"""Where a path begins: ``$`` is the body, and each other root is one more thing that an expression can see."""

from __future__ import annotations

import re
from typing import Any

from gateway.rules.path_problems import path_problem
from gateway.rules.paths import Path, PathProblem, compile_path
from gateway.rules.problems import choices, nearest
from gateway.rules.redaction import hidden_by, hidden_header
from gateway.rules.scope import UNSET, Evaluate, FromBody, FromItem, Names, Scope
from gateway.rules.values import MISSING

ROOTS = {
    "item": "the current element in for_each and $each",
    "outer": "the element around the current one",
    "let": "a named value",
    "header": "a header of the request",
    "query": "the query of the request",
    "path": "a named part of the path",
    "batch": "the whole body where events made $ one element of it",
    "fetch": "what was fetched",
    "asset": "an asset's code at the destination",
    "journey": "a journey's id at the destination",
    "webhook": "what the gateway knows: id, received_at, source, event_type",
    "env": "a secret, only where credentials stand",
}
FACTS = ("id", "received_at", "source", "event_type")
_ROOT = re.compile(r"\$([A-Za-z_]\w*)(?=$|[.\[])")
_FIRST_NAME = re.compile(r"\.([\w-]+)|\['((?:[^'\\]|\\.)+)'\]|\[\"((?:[^\"\\]|\\.)+)\"\]")


class ExpressionProblem(ValueError):
    """An expression that can't be compiled; ``at`` is the position inside its text, from 0."""

    def __init__(self, message: str, at: int = 0) -> None:
        super().__init__(message)
        self.at = at


def compile_source(path: str, at: int, names: Names) -> Evaluate:
    """Compile a path with any of the roots.

    :raises ExpressionProblem: see :func:`compile_expression`.
    """
    if not path.startswith("$"):
        raise ExpressionProblem(f"an expression begins with a path such as $.name; found '{path}'", at)
    found = _ROOT.match(path)
    if not found:
        if len(path) > 1 and path[1] not in ".[":
            raise ExpressionProblem(
                f"'{path}' is not a path; text that starts with $ is written {{$literal: '{path}'}}", at
            )
        names.reads.add("$")
        names.read_anywhere.add("$")
        compiled = body_path(path, at)
        _refuse_redacted(path, at, names)
        if compiled.get is not None:
            return FromBody(compiled.get)
        read = compiled.read
        return lambda scope: read(scope.body, scope.budget)
    root, rest = found[1], path[found.end() :]
    at_rest = at + found.end()
    names.reads.add(root)
    names.read_anywhere.add(root)
    if root in ("item", "outer"):
        return _element(root, rest, at, names)
    if root == "batch":
        if not names.batch:
            raise ExpressionProblem("$batch is known only where the source says events", at)
        evaluate = _rooted("batch", rest, at_rest)
        _refuse_redacted(path, at, names)
        return evaluate
    if root not in ROOTS:
        meant = nearest(root, ROOTS, cutoff=0.75)
        raise ExpressionProblem(
            f"${root} is not known; did you mean '${meant}'?"
            if meant
            else f"${root} is not known; a field of the body is $.{root}; "
            f"other roots: {', '.join(f'${name}' for name in ROOTS if name != 'env')}",
            at,
        )
    return _named(root, rest, at, at_rest, names)


def _refuse_redacted(path: str, at: int, names: Names) -> None:
    if names.redacted and (hidden := hidden_by(path, names.redacted)) is not None:
        raise ExpressionProblem(f"{path} can't be read here: {hidden.by} takes {hidden.text} out", at)


def body_path(text: str, at: int) -> Path:
    """Compile a jsonpath from ``$``; ``at`` is where it stands in its expression.

    :raises ExpressionProblem: it is not one, or not of the subset.
    """
    try:
        return compile_path(text)
    except PathProblem as problem:
        message, inside = path_problem(text, str(problem), problem.at)
        raise ExpressionProblem(message, at + inside) from None


def _rooted(slot: str, rest: str, at: int) -> Evaluate:
    compiled = body_path("$" + rest, at - 1)
    read = compiled.read

    def evaluate(scope: Scope) -> Any:
        value = getattr(scope, slot)
        return MISSING if value is MISSING else read(value, scope.budget)

    return evaluate


def _element(root: str, rest: str, at: int, names: Names) -> Evaluate:
    needed = 1 if root == "item" else 2
    if names.loops < needed:
        where = "for_each or $each" if needed == 1 else "a $each inside of for_each or of another $each"
        raise ExpressionProblem(f"${root} is known only inside {where}", at)
    compiled = body_path("$" + rest, at + len(root))
    get = compiled.get
    if get is not None and root == "item":
        return FromItem(get)
    return _rooted(root, rest, at + len(root) + 1)


def _named(root: str, rest: str, at: int, at_rest: int, names: Names) -> Evaluate:
    found = _FIRST_NAME.match(rest)
    if not found:
        raise ExpressionProblem(f"${root} needs a name: ${root}.NAME ({ROOTS[root]})", at)
    name = found[1] or found[2] or found[3]
    deeper = rest[found.end() :]
    if root == "let":
        return _let(name, deeper, at, at_rest + found.end(), names)
    if root == "fetch":
        if name not in names.fetches:
            known = choices(name, names.fetches, what="known") if names.fetches else "; the source has no fetch"
            raise ExpressionProblem(f"$fetch.{name} is not fetched{known}", at)
        return _rooted("fetched", rest, at_rest)
    if root == "env":
        raise ExpressionProblem(
            "$env holds secrets and stands only where credentials do (verify, fetch, destinations)", at
        )
    if root == "query" and deeper:
        return _rooted("query", rest, at_rest)
    if deeper:
        raise ExpressionProblem(f"${root}.{name} is one value; '{deeper}' can't follow", at_rest + found.end())
    if root in ("asset", "journey"):
        return _code(root, name, at, names)
    if root == "webhook" and name not in FACTS:
        raise ExpressionProblem(f"$webhook.{name} is not known{choices(name, FACTS)}", at)
    if root == "path" and name not in names.path_parts:
        known = (
            choices(name, names.path_parts, what="known")
            if names.path_parts
            else f"; the source has no path: with parts, such as path: '{{{name}}}'"
        )
        raise ExpressionProblem(f"$path.{name} is not a part of the path{known}", at)
    if root == "header":
        lower = name.lower()
        if (hidden := hidden_header(lower, names.redacted)) is not None:
            raise ExpressionProblem(f"$header.{name} can't be read here: {hidden.by} takes {hidden.text} out", at)
        return lambda scope: scope.headers.get(lower, MISSING)
    if root == "query":
        return lambda scope: scope.query.get(name, MISSING)
    if root == "path":
        return lambda scope: scope.path.get(name, MISSING)
    if name == "received_at":
        return lambda scope: scope.webhook["received_at"].isoformat().replace("+00:00", "Z")
    return lambda scope: scope.webhook.get(name, MISSING)


def _let(name: str, deeper: str, at: int, at_deeper: int, names: Names) -> Evaluate:
    names.reads.add(f"let.{name}")
    # A rule's let hides a source's let of the same name.
    if name in names.rule_lets:
        plain = _rule_let(names.rule_lets[name], list(names.rule_lets).index(name))
    elif name in names.lets:
        plain = _source_let(names.lets[name], list(names.lets).index(name))
    else:
        known = (*names.rule_lets, *names.lets)
        raise ExpressionProblem(f"$let.{name} is not named above{choices(name, known, what='known here')}", at)
    if not deeper:
        return plain
    read = body_path("$" + deeper, at_deeper - 1).read

    def further(scope: Scope) -> Any:
        value = plain(scope)
        return MISSING if value is MISSING else read(value, scope.budget)

    return further


def _source_let(compute: Evaluate, index: int) -> Evaluate:
    def evaluate(scope: Scope) -> Any:
        value = scope.lets[index]
        if value is UNSET:
            value = scope.lets[index] = compute(scope)
        return value

    return evaluate


def _rule_let(compute: Evaluate, index: int) -> Evaluate:
    def evaluate(scope: Scope) -> Any:
        value = scope.rule_lets[index]
        if value is UNSET:
            value = scope.rule_lets[index] = compute(scope)
        return value

    return evaluate


def _code(kind: str, name: str, at: int, names: Names) -> Evaluate:
    if not names.in_call:
        raise ExpressionProblem(f"${kind}.{name} is known only under a command: it is the chosen destination's", at)
    names.codes.append((kind, name, *names.place))

    def evaluate(scope: Scope) -> Any:
        codes = scope.codes
        return MISSING if codes is None else getattr(codes, kind).get(name, MISSING)

    return evaluate
