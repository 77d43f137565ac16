"""Form bodies (``application/x-www-form-urlencoded``) to a plain value; keys in brackets nest.

* ``data[merges][EMAIL]`` is ``$.data.merges.EMAIL``; ``x[]`` makes a list, and so does a key that repeats;
* ``items[0][sku]``, ``items[1][sku]``: where all keys of one level are 0, 1, 2, …, that level is a list;
* ``items[][sku]``: a new element begins where the last one has that key already (as Ruby and PHP senders write it);
* a key that contradicts another (``a=1&a[b]=2``) or has odd brackets stands at the root as it was written: nothing is
  dropped;
* values are text, ``""`` where there is none; ``%XX`` that is no UTF-8 is read in the declared charset, else U+FFFD.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qsl

from gateway.errors import Unparseable
from gateway.inbound.charsets import known_charset, text_of
from gateway.model import JSON

MAX_FIELDS: Final = 10_000
MAX_NESTING: Final = 32

_NESTED = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])+)")
_FORM_SHAPED = re.compile(rb"[\w.~%+*\[\]-]++=[\w.~%+*\[\]:/@,!'()-]*+(?:&[\w.~%+*\[\]-]++=[\w.~%+*\[\]:/@,!'()-]*+)*+")


class _Level(dict[str, Any]):
    """One bracketed level while it is being built; ``appended`` counts its ``[]``."""

    __slots__ = ("appended",)

    def __init__(self) -> None:
        super().__init__()
        self.appended = 0


class _ContradictionError(Exception):
    """A key wants to be both a text and a level."""


def looks_like_form(body: bytes) -> bool:
    """Whether a body whose content type does not say so is written as a form, from its first byte to its last."""
    return _FORM_SHAPED.fullmatch(body.strip()) is not None


def read_form(body: bytes, charset: str | None = None) -> JSON:
    """A mapping of the form's fields; :class:`~gateway.errors.Unparseable` for too many, or nested too deep."""
    fields = body.count(b"&") + 1
    if fields > MAX_FIELDS:
        raise Unparseable(f"the form has {fields} fields; at most {MAX_FIELDS} are read")
    text = text_of(body.strip(), charset)
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        pairs = parse_qsl(text, keep_blank_values=True, encoding=known_charset(charset) or "utf-8", errors="replace")
    return nested(pairs)


def nested(pairs: Iterable[tuple[str, JSON]]) -> dict[str, JSON]:
    """The fields of a form, in order, as one mapping; :class:`~gateway.errors.Unparseable` where a key nests too deep.

    A value is a text, or of a part of another kind a mapping; never a list.
    """
    root: dict[str, Any] = {}
    bracketed: list[tuple[str, str, str, JSON]] = []
    for key, value in pairs:
        match = _NESTED.fullmatch(key)
        if match is None:
            _put(root, key, value)
        else:
            bracketed.append((key, match.group(1), match.group(2), value))
    # Plain keys come first, so that which of two contradicting keys moves aside does not hang on their order.
    for key, head, brackets, value in bracketed:
        names = brackets[1:-1].split("][")
        if len(names) > MAX_NESTING:
            raise Unparseable(f"a key of the form nests {len(names)} levels; at most {MAX_NESTING} are read")
        try:
            _nest(root, head, names, value)
        except _ContradictionError:
            _put(root, key, value)
    return {key: _finished(value) for key, value in root.items()}


def _put(level: dict[str, Any], key: str, value: JSON) -> None:
    """Set a key; one that repeats makes a list."""
    if key not in level:
        level[key] = value
        return
    there = level[key]
    if isinstance(there, list):
        there.append(value)
    elif isinstance(there, _Level):
        raise _ContradictionError
    else:
        level[key] = [there, value]


def _nest(root: dict[str, Any], head: str, names: list[str], value: JSON) -> None:
    level = root
    steps = [head, *names]
    for place, name in enumerate(steps[:-1]):
        if not name:
            assert isinstance(level, _Level)
            name = _element(level, steps[place + 1])
        below = level.setdefault(name, _Level())
        if not isinstance(below, _Level):
            raise _ContradictionError
        level = below
    last = names[-1]
    if last:
        _put(level, last, value)
    else:
        assert isinstance(level, _Level)
        _put(level, _next(level), value)


def _element(level: _Level, wanted: str) -> str:
    """The element that a ``[]`` in the middle of a key means: the last one, unless it has the wanted key already."""
    last = level.get(str(level.appended - 1)) if level.appended else None
    if isinstance(last, _Level) and wanted and wanted not in last:
        return str(level.appended - 1)
    return _next(level)


def _next(level: _Level) -> str:
    while str(level.appended) in level:
        level.appended += 1
    level.appended += 1
    return str(level.appended - 1)


def _finished(value: Any) -> JSON:
    if not isinstance(value, _Level):
        return value
    if all(str(index) in value for index in range(len(value))):
        return [_finished(value[str(index)]) for index in range(len(value))]
    return {key: _finished(inner) for key, inner in value.items()}
