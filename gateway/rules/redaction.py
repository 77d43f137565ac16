"""``redact``: what a source sends and nobody may keep. It is taken out of the body before anything is stored.

A path of names, indexes, wildcards and ``..`` says where; what stands there becomes ``[redacted]``, in the store, in
traces and for rules alike. Rules that read such a path are refused when the file is loaded, as they would only ever see
that word.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from jsonpath_ng import Child, Descendants, Fields, Index, Root
from jsonpath_ng.jsonpath import Wildcard

from gateway.rules.paths import PathProblem, parse

REDACTED = "[redacted]"

Step = tuple[str, ...] | tuple[int, ...] | None
"""Names, indexes, or None for every child."""
Erase = Callable[[Any], bool]
"""Replaces, in place, what stands below a value; whether anything did."""


class Redaction(msgspec.Struct, frozen=True, kw_only=True):
    """One path, compiled."""

    text: str
    steps: tuple[tuple[bool, Step], ...]
    """Each with whether it may stand at any depth (``..``)."""
    header: str | None = None
    """The name of a header, in lower case, where it is one that is taken out."""

    def erase(self, body: Any) -> bool:
        """Take out of a parsed body, in place, what this path names; whether there was anything."""
        return bool(self.steps) and _erase(body, self.steps)


def compile_redaction(text: str) -> Redaction:
    """Compile a path to redact.

    :raises PathProblem: it is not a path, or has a filter or a slice.
    """
    if text.startswith("$header."):
        return Redaction(text=text, steps=(), header=text.removeprefix("$header.").lower())
    steps: list[tuple[bool, Step]] = []
    ast: Any = parse(text)
    _flatten(ast, steps, deep=False)
    if not steps:
        raise PathProblem("$ is the whole body; redact names places in it, such as $.card.number")
    return Redaction(text=text, steps=tuple(steps))


def _flatten(ast: Any, steps: list[tuple[bool, Step]], *, deep: bool) -> None:
    if isinstance(ast, Child):
        _flatten(ast.left, steps, deep=deep)
        _flatten(ast.right, steps, deep=False)
    elif isinstance(ast, Descendants):
        _flatten(ast.left, steps, deep=deep)
        _flatten(ast.right, steps, deep=True)
    elif isinstance(ast, Fields):
        steps.append((deep, tuple(ast.fields)))
    elif isinstance(ast, Index):
        steps.append((deep, tuple(ast.indices)))
    elif isinstance(ast, Wildcard):
        steps.append((deep, None))
    elif not isinstance(ast, Root):
        raise PathProblem("redact takes names, indexes, [*] and ..; filters and slices select too little to be safe")


def _erase(value: Any, steps: tuple[tuple[bool, Step], ...]) -> bool:
    """Iterative over the depth of ``..``: a payload may nest deeper than Python's stack allows."""
    found = False
    pending: list[tuple[Any, int]] = [(value, 0)]
    while pending:
        node, at = pending.pop()
        deep, step = steps[at]
        for key in _keys(node, step):
            if at + 1 < len(steps):
                pending.append((node[key], at + 1))
            else:
                node[key] = REDACTED
                found = True
        if deep:
            children = node.values() if type(node) is dict else node if type(node) is list else ()
            pending.extend((child, at) for child in children)
    return found


def _keys(node: Any, step: Step) -> list[Any]:
    if type(node) is dict:
        return list(node) if step is None else [name for name in step if name in node]
    if type(node) is list:
        length = len(node)
        if step is None:
            return list(range(length))
        return [index for index in step if isinstance(index, int) and -length <= index < length]
    return []


def hidden_by(path: str, redactions: tuple[Redaction, ...]) -> Redaction | None:
    """The redaction that covers a path of a rule, judged by their beginnings; None where none does."""
    for redaction in redactions:
        if redaction.header is None and (
            path == redaction.text or path.startswith((f"{redaction.text}.", f"{redaction.text}["))
        ):
            return redaction
    return None
