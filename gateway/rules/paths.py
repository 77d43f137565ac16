"""jsonpath expressions, parsed by jsonpath-ng and compiled once to plain functions.

``find()`` of jsonpath-ng makes an object for every step; a compiled path makes none. Compiled is the subset that the
rules language uses: names, indexes, slices, wildcards, ``..`` and filters with comparisons, existence, ``&&``, ``||``
and ``!``. Everything else is refused when a file is loaded, with the filter to use instead.

Over that subset the values are those of ``jsonpath_ng.ext.parse(path).find(document)``, in the same order, with two
intended differences: comparisons inside ``[?()]`` follow :mod:`gateway.rules.comparison`, and the shape of the result
follows the path: one that can name at most one place gives that value, any other gives a list.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from typing import Any

import msgspec
from jsonpath_ng import Child, Descendants, Fields, Index, JSONPath, Root, Slice, This
from jsonpath_ng.exceptions import JSONPathError
from jsonpath_ng.ext.filter import And, Expression, Filter, Or
from jsonpath_ng.ext.parser import ExtendedJsonPathParser
from jsonpath_ng.jsonpath import Wildcard

from gateway.rules.budget import Budget
from gateway.rules.finders import finder
from gateway.rules.values import MISSING


class PathProblem(ValueError):
    """A path that is not in the language; ``at`` is the position inside it, from 0."""

    def __init__(self, message: str, at: int = 0) -> None:
        super().__init__(message)
        self.at = at


Getter = Callable[[Any], Any]
"""A singular path: a document to its value, or MISSING."""


class Path(msgspec.Struct, frozen=True):
    """A compiled path."""

    text: str
    get: Getter | None
    """Set where the path can name at most one place."""
    read: Callable[[Any, Budget], Any]
    """A document to the value, a list of values, or MISSING."""


_parser = ExtendedJsonPathParser()
_NAME_AFTER_DOT = re.compile(r"\.([^.\[\]()*'\"\s|,=<>!&@$]+)")
_DIVIDED = re.compile(r"[\w\])]\s*/\s*(-?[0-9][0-9.]*|\$[\w.]+)\s*\Z")
_COLUMN = re.compile(r"(?:at \d+:|col )(\d+)")
_INSTEAD = {
    "Operation": "arithmetic is done by filters: plus, minus, times, divided_by",
    "Len": "use the filter size",
    "Keys": "`keys` is not in the language; name the keys",
    "Path": "`path` is not in the language",
    "SortedThis": "use the filter sort",
    "Split": "use the filter split",
    "Sub": "use the filter replace or extract",
    "Str": "use the filter string",
    "Where": "use [?()] or the filter where",
    "WhereNot": "use [?(!...)]",
    "Parent": "`parent` is not in the language; begin the path further up",
    "_Union": "a path has no | inside; write two keys, or the filter default",
    "_Intersect": "a path has no & ; use [?(... && ...)]",
    "This": "@ stands for an element inside [?()] only",
}


def compile_path(text: str) -> Path:
    """Compile a path that starts with ``$``.

    :raises PathProblem: it is not jsonpath, or not of the subset.
    """
    ast = parse(text)
    names = _names(ast)
    if names is not None:
        getter = _chain(names)
        return Path(text, getter, lambda document, _budget: getter(document))
    prefix, rest = _split(ast)
    if rest is None:
        getter = _singular(ast)
        return Path(text, getter, lambda document, _budget: getter(document))
    find = finder(rest)
    before = _singular(prefix)

    def read(document: Any, budget: Budget) -> Any:
        parent = before(document)
        return MISSING if parent is MISSING else find(parent, document, budget)

    return Path(text, None, read)


def parse(text: str) -> JSONPath:
    """The AST of a path, checked to be of the subset.

    :raises PathProblem: it is not.
    """
    try:
        with warnings.catch_warnings():
            # What jsonpath-ng deprecates (& between conditions, bare words, unions) is not in the language.
            warnings.simplefilter("error", DeprecationWarning)
            ast = _parser.parse(text)
    except DeprecationWarning as deprecated:
        raise PathProblem(_deprecated(str(deprecated))) from None
    except (JSONPathError, RecursionError) as error:
        found = _COLUMN.search(str(error))
        at = int(found[1]) if found else max(0, len(text) - 1)
        raise PathProblem(_unreadable(text, at), at) from None
    except Exception as error:
        raise PathProblem(f"not a path: {error}") from None
    _check(ast, inside=False)
    return ast


def _deprecated(warning: str) -> str:
    if "unquoted word" in warning:
        return "text in a comparison stands in quotes: [?(@.status == 'paid')]"
    if "`&`" in warning and "filters" in warning:
        return "write && between conditions"
    if "union" in warning:
        return _INSTEAD["_Union"]
    return _INSTEAD["_Intersect"]


def _unreadable(text: str, at: int) -> str:
    divided = _DIVIDED.search(text)
    if divided:
        return f"arithmetic is done by filters: divided_by({divided[1]})"
    for found in _NAME_AFTER_DOT.finditer(text):
        name = found[1]
        if name in ("where", "wherenot"):
            return f"'{name}' is a word of jsonpath; as a name it stands in quotes: {text[: found.start()]}['{name}']"
        if not re.fullmatch(r"@?[A-Za-z_][A-Za-z0-9_@-]*|\d+", name):
            return f"the name '{name}' needs quotes: {text[: found.start()]}['{name}']"
    for opening, closing in ("[]", "()"):
        if text.count(opening) != text.count(closing):
            return f"'{opening}' and '{closing}' do not pair"
    return (
        f"not a path at '{text[at : at + 20]}'; a path is like $.items[0].name, $.items[*].sku or $.items[?(@.qty > 1)]"
    )


def _check(ast: Any, *, inside: bool) -> None:
    """Refuse what is outside of the subset. ``inside`` a filter, ``@`` is allowed."""
    if isinstance(ast, Child | Descendants):
        _check(ast.left, inside=inside)
        _check(ast.right, inside=inside)
    elif isinstance(ast, Filter):
        for expression in ast.expressions:
            _check(expression, inside=True)
    elif isinstance(ast, And | Or):
        for operand in ast.operands:
            _check(operand, inside=True)
    elif isinstance(ast, Expression):
        if ast.op == "=~":
            raise PathProblem(
                "=~ is not in the language; test with the condition matches, or select with the filter where"
            )
        if ast.op == "=":
            raise PathProblem("= in a comparison is written ==")
        _check_begins(ast)
        _check(ast.target, inside=True)
        if isinstance(ast.value, JSONPath):
            _check(ast.value, inside=True)
    elif type(ast) is This:
        if not inside:
            raise PathProblem(_INSTEAD["This"])
    elif isinstance(ast, Slice):
        if ast.step == 0:
            raise PathProblem("the step of a slice is not 0")
    elif not isinstance(ast, Root | Fields | Index | Wildcard):
        name = type(ast).__name__
        raise PathProblem(_INSTEAD.get(name, f"{name} is not in the language"))


def _check_begins(comparison: Expression) -> None:
    """Refuse ``[?(type == 'email')]``: jsonpath-ng reads a bare word as a field of the element, and text in quotes on
    the left too, where RFC 9535 reads the one as an error and the other as text."""
    first = _first(comparison.target)
    if isinstance(first, This | Root):
        return
    value = comparison.value
    if isinstance(value, JSONPath) and isinstance(_first(value), This):
        raise PathProblem(f"what is compared with stands on the right: {_written(value)} {comparison.op} …")
    rest = "" if value is None else f" {comparison.op} " + (f"'{value}'" if isinstance(value, str) else str(value))
    field = f"@.{comparison.target}".replace(".[", "[")
    raise PathProblem(f"a field of the element begins with @ inside [?()]; write {field}{rest}")


def _first(ast: Any) -> Any:
    while isinstance(ast, Child | Descendants):
        ast = ast.left
    return ast


def _written(path: JSONPath) -> str:
    return str(path).replace("`this`", "@")


# -- singular paths ------------------------------------------------------------------------------------------------


def _names(ast: Any) -> tuple[str, ...] | None:
    """The names of a path that is only names from the root, or None."""
    names: list[str] = []
    while isinstance(ast, Child):
        if not (isinstance(ast.right, Fields) and len(ast.right.fields) == 1):
            return None
        names.append(ast.right.fields[0])
        ast = ast.left
    return tuple(reversed(names)) if isinstance(ast, Root) else None


def _chain(names: tuple[str, ...]) -> Getter:
    """The commonest path by far, so it is written out for one and two names."""
    if not names:
        return lambda document: document
    if len(names) == 1:
        (only,) = names
        return lambda document: document.get(only, MISSING) if type(document) is dict else MISSING
    if len(names) == 2:
        first, second = names

        def two(document: Any) -> Any:
            if type(document) is dict:
                inner = document.get(first)
                if type(inner) is dict:
                    return inner.get(second, MISSING)
            return MISSING

        return two

    def many(document: Any) -> Any:
        for name in names:
            if type(document) is not dict:
                return MISSING
            document = document.get(name, MISSING)
        return document

    return many


def _is_singular_step(ast: Any) -> bool:
    return (isinstance(ast, Fields) and len(ast.fields) == 1) or (isinstance(ast, Index) and len(ast.indices) == 1)


def _split(ast: Any) -> tuple[Any, Any]:
    """A path as (the longest singular beginning, the rest from there), the rest None where all is singular."""
    steps: list[Any] = []
    while isinstance(ast, Child) and not isinstance(ast.right, Child | Descendants | Root):
        steps.append(ast.right)
        ast = ast.left
    steps.reverse()
    if isinstance(ast, Descendants):
        before, rest = _split(ast.left)
        return before, _join(Descendants(This() if rest is None else rest, ast.right), steps)
    if not isinstance(ast, Root):
        return Root(), _join(ast, steps)
    for number, step in enumerate(steps):
        if not _is_singular_step(step):
            return _join(Root(), steps[:number]), _join(This(), steps[number:])
    return _join(Root(), steps), None


def _join(ast: Any, steps: list[Any]) -> Any:
    for step in steps:
        ast = Child(ast, step)
    return ast


def _singular(ast: Any) -> Getter:
    steps: list[str | int] = []
    while isinstance(ast, Child):
        step: Any = ast.right
        steps.append(step.fields[0] if isinstance(step, Fields) else step.indices[0])
        ast = ast.left
    steps.reverse()
    frozen = tuple(steps)

    def get(document: Any) -> Any:
        for step in frozen:
            if isinstance(step, str):
                if type(document) is not dict:
                    return MISSING
                document = document.get(step, MISSING)
            else:
                if type(document) is not list or not -len(document) <= step < len(document):
                    return MISSING
                document = document[step]
        return document

    return get
