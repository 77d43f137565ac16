"""``redact``: what a source sends and nobody may keep. It is taken out of the body before anything is stored.

A path of names, indexes, wildcards and ``..`` says where; what stands there becomes ``[redacted]``, in the store, in
traces and for rules alike. Rules that read such a path are refused when the file is loaded, as they would only ever see
that word. The secret that ``verify: body`` reads is such a place without being named: see :func:`of_secret`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec
from jsonpath_ng import Child, Descendants, Fields, Index, Root
from jsonpath_ng.jsonpath import Wildcard

from gateway.rules.paths import PathProblem, parse

REDACTED = "[redacted]"
_BATCH = re.compile(r"\$batch(?=$|[.\[])")
_HEADER = re.compile(r"\$header(?:\.([\w-]+)|\['([^']+)'\]|\[\"([^\"]+)\"\])")

Step = tuple[str | int, ...] | None
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
    batch: bool = False
    """Whether it begins at ``$batch``, the whole body around the elements that ``events`` names."""
    by: str = "redact"
    """The key of the rules file that asks for it."""

    def erase(self, body: Any) -> bool:
        """Take out of a parsed body, in place, what this path names; whether there was anything."""
        return bool(self.steps) and _erase(body, self.steps)


def compile_redaction(text: str) -> Redaction:
    """Compile a path to redact: of the body, of ``$batch``, or ``$header.NAME``.

    :raises PathProblem: it is not a path, or has a filter or a slice.
    """
    if text.startswith("$header"):
        found = _HEADER.fullmatch(text)
        if found is None:
            raise PathProblem("a header is redacted as $header.NAME, such as $header.X-Customer-Token")
        return Redaction(text=text, steps=(), header=(found[1] or found[2] or found[3]).lower())
    batch = _BATCH.match(text) is not None
    path = "$" + text.removeprefix("$batch") if batch else text
    if not path.startswith(("$.", "$[")) and path != "$":
        raise PathProblem("redact takes paths of the body such as $.card.number, and $header.NAME")
    try:
        ast: Any = parse(path)
    except PathProblem as problem:
        raise PathProblem(str(problem), problem.at + len(text) - len(path)) from None
    steps: list[tuple[bool, Step]] = []
    if not _flatten(ast, steps, deep=False):
        raise PathProblem("redact takes names, indexes, [*] and ..; filters and slices select too little to be safe")
    if not steps:
        raise PathProblem(f"{text} is the whole body; redact names places in it, such as {text}.card.number")
    return Redaction(text=text, steps=tuple(steps), batch=batch)


def of_secret(dotted: str, *, batch: bool) -> Redaction:
    """The place of a shared secret in the body, as ``verify: body`` names it: names and positions between dots.

    ``batch`` says that the source takes its bodies apart, so that the path begins at ``$batch``.
    """
    steps: list[tuple[bool, Step]] = []
    for name in dotted.split("."):
        if name == "*":
            steps.append((False, None))
            continue
        position = (int(name),) if name.isascii() and name.isdecimal() and len(name) < 7 else ()
        steps.append((False, (name, *position)))
    root = "$batch" if batch else "$"
    return Redaction(text=f"{root}.{dotted}", steps=tuple(steps), batch=batch, by="verify")


def _flatten(ast: Any, steps: list[tuple[bool, Step]], *, deep: bool) -> bool:
    """Append the steps of a path; False where it has one of another kind, and what stands before that was appended."""
    if isinstance(ast, Child):
        return _flatten(ast.left, steps, deep=deep) and _flatten(ast.right, steps, deep=False)
    if isinstance(ast, Descendants):
        return _flatten(ast.left, steps, deep=deep) and _flatten(ast.right, steps, deep=True)
    if isinstance(ast, Fields):
        steps.append((deep, tuple(ast.fields)))
    elif isinstance(ast, Index):
        steps.append((deep, tuple(ast.indices)))
    elif isinstance(ast, Wildcard):
        steps.append((deep, None))
    else:
        return isinstance(ast, Root)
    return True


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
    """The redaction that covers a path of a rule, ``$…`` or ``$batch…``; None where none does.

    Judged by the steps before the first filter or slice: what a path selects below a place that is taken out is hidden,
    however it is written; what holds such a place is not, it only holds the word there.
    """
    batch = _BATCH.match(path) is not None
    steps: list[tuple[bool, Step]] = []
    _flatten(parse("$" + path.removeprefix("$batch") if batch else path), steps, deep=False)
    for redaction in redactions:
        if redaction.header is None and redaction.batch is batch and _covers(redaction.steps, tuple(steps)):
            return redaction
    return None


def hidden_header(name: str, redactions: tuple[Redaction, ...]) -> Redaction | None:
    """The redaction of a header, by its name in lower case."""
    return next((redaction for redaction in redactions if redaction.header == name), None)


def _covers(redacted: tuple[tuple[bool, Step], ...], steps: tuple[tuple[bool, Step], ...]) -> bool:
    """Whether every place that the steps lead to is one that is redacted, or below one."""
    if not redacted:
        return True
    deep, step = redacted[0]
    for at, (anywhere, other) in enumerate(steps):
        if (deep or not anywhere) and _meets(step, other) and _covers(redacted[1:], steps[at + 1 :]):
            return True
        if not deep:
            break
    return False


def _meets(redacted: Step, step: Step) -> bool:
    return redacted is None or (step is not None and not set(redacted).isdisjoint(step))
