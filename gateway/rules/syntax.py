"""The text of an expression, taken apart: a path, then filters with arguments. Nothing is evaluated here.

$.total_price | number | times(1.2)
------------- path
                ------   ---------- calls
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any, Literal

import msgspec

_OPENING = {"(": ")", "[": "]", "{": "}"}
_CALL = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_]*)\s*(?:(\()(.*)\)\s*)?\Z", re.DOTALL)
_ARITHMETIC = re.compile(r"\s*\w+(?:\([^()]*\))?\s*([-+*/])\s*(-?[0-9.]+|\$[\w.]+)\s*\Z")
_FILTER_OF = {"+": "plus", "-": "minus", "*": "times", "/": "divided_by"}
_NAMED = re.compile(r"\s*([a-z_]+)\s*:\s*(?=\S)")
_WORD = re.compile(r"[A-Za-z_][\w./-]*\Z")
_literal = msgspec.json.Decoder(float_hook=Decimal)

MAX_LENGTH = 5000
"""Characters of one expression; no person writes more, and load stays quick on any file."""


class SyntaxProblem(ValueError):
    """An expression that can't be read; ``at`` is the position inside it, from 0."""

    def __init__(self, message: str, at: int = 0) -> None:
        super().__init__(message)
        self.at = at


class Argument(msgspec.Struct, frozen=True, kw_only=True):
    """One argument of a filter."""

    kind: Literal["literal", "path", "word"]
    value: Any
    """A literal's value; the text of a path or a word."""
    name: str | None
    at: int


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One filter as it is written."""

    name: str
    arguments: tuple[Argument, ...]
    at: int


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """An expression as it is written."""

    text: str
    path: str
    path_at: int
    calls: tuple[Call, ...]


def read_expression(text: str) -> Written:
    """Take an expression apart.

    :raises SyntaxProblem: quotes or brackets do not pair, or a filter is not of the form ``name`` or ``name(...)``.
    """
    if len(text) > MAX_LENGTH:
        raise SyntaxProblem(f"an expression has at most {MAX_LENGTH} characters; this has {len(text)}")
    pieces = _split(text, "|")
    for at, piece in pieces[1:]:
        if not piece and text[at : at + 1] == "|":
            raise SyntaxProblem("|| is for conditions inside [?()]; a filter stands behind one |", at - 1)
    at, path = pieces[0]
    lead = len(path) - len(path.lstrip())
    return Written(
        text=text.strip(),
        path=path.strip(),
        path_at=at + lead,
        calls=tuple(_call(piece, at) for at, piece in pieces[1:]),
    )


def is_closed(text: str) -> bool:
    """Whether the quotes, brackets and ``{{ }}`` of an expression or a template pair."""
    try:
        if "{{" in text:
            holes(text)
        else:
            _split(text, "|")
    except SyntaxProblem:
        return False
    return True


def holes(text: str) -> list[str | tuple[int, str]]:
    """A template's pieces: plain text, and (position, expression) for what stands in ``{{ }}``.

    :raises SyntaxProblem: a ``{{`` is not closed.
    """
    pieces: list[str | tuple[int, str]] = []
    position = 0
    while True:
        start = text.find("{{", position)
        if start < 0:
            if position < len(text):
                pieces.append(text[position:])
            return pieces
        if start > position:
            pieces.append(text[position:start])
        end = _closing(text, start + 2)
        inner = text[start + 2 : end]
        lead = len(inner) - len(inner.lstrip())
        if not inner.strip():
            raise SyntaxProblem("{{ }} is empty; it takes an expression such as {{ $.name }}", start)
        pieces.append((start + 2 + lead, inner.strip()))
        position = end + 2


def _closing(text: str, start: int) -> int:
    quote = ""
    position = start
    while position < len(text):
        character = text[position]
        if quote:
            if character == "\\":
                position += 1
            elif character == quote:
                quote = ""
        elif character in "'\"":
            quote = character
        elif text.startswith("}}", position):
            return position
        position += 1
    raise SyntaxProblem("'{{' is not closed by '}}'", start - 2)


def _split(text: str, separator: str, start: int = 0) -> list[tuple[int, str]]:
    """The pieces between separators that stand outside of brackets and quotes, each with its position."""
    pieces: list[tuple[int, str]] = []
    expected: list[tuple[str, int]] = []
    quote, quote_at, begin, position = "", 0, 0, 0
    while position < len(text):
        character = text[position]
        if quote:
            if character == "\\":
                position += 1
            elif character == quote:
                quote = ""
        elif character in "'\"":
            quote, quote_at = character, position
        elif character in _OPENING:
            expected.append((_OPENING[character], position))
        elif character in ")]}":
            if not expected or expected[-1][0] != character:
                raise SyntaxProblem(f"'{character}' closes nothing", start + position)
            expected.pop()
        elif character == separator and not expected:
            pieces.append((start + begin, text[begin:position]))
            begin = position + 1
        position += 1
    if quote:
        raise SyntaxProblem(
            f"the quote {quote} is not closed",
            start + quote_at,
        )
    if expected:
        closing, at = expected[-1]
        raise SyntaxProblem(
            f"'{text[at]}' is not closed by '{closing}'",
            start + at,
        )
    pieces.append((start + begin, text[begin:]))
    return pieces


def _call(piece: str, at: int) -> Call:
    lead = len(piece) - len(piece.lstrip())
    if not piece.strip():
        raise SyntaxProblem("the name of a filter is missing behind |", at)
    found = _CALL.match(piece)
    sum_of = _ARITHMETIC.match(piece) if not found else None
    if sum_of:
        name = _FILTER_OF[sum_of[1]]
        raise SyntaxProblem(f"arithmetic is done by filters: {name}({sum_of[2]})", at + sum_of.start(1))
    if not found and piece.strip().startswith("$"):
        path = piece.strip()
        raise SyntaxProblem(
            f"'{path}' is a path, and | takes a filter; as a fallback it is: | default({path})", at + lead
        )
    if not found:
        raise SyntaxProblem(f"not a filter: '{piece.strip()}'; a filter is name or name(arguments)", at + lead)
    arguments: tuple[Argument, ...] = ()
    if found[2] and found[3].strip():
        arguments = tuple(_argument(text, where) for where, text in _split(found[3], ",", at + found.start(3)))
    return Call(name=found[1], arguments=arguments, at=at + lead)


def _argument(text: str, at: int) -> Argument:
    name = None
    named = _NAMED.match(text)
    if named:
        name = named[1]
        at += named.end()
        text = text[named.end() :]
    lead = len(text) - len(text.lstrip())
    at += lead
    text = text.strip()
    if not text:
        raise SyntaxProblem("an argument is missing between commas", at)
    if text.startswith("$"):
        return Argument(kind="path", value=text, name=name, at=at)
    if text.startswith("'"):
        if len(text) < 2 or not text.endswith("'"):
            raise SyntaxProblem(f"text in quotes ends with its quote; found {text}", at)
        return Argument(kind="literal", value=re.sub(r"\\(['\\])", r"\1", text[1:-1]), name=name, at=at)
    try:
        return Argument(kind="literal", value=_literal.decode(text), name=name, at=at)
    except (msgspec.DecodeError, RecursionError):
        pass
    if _WORD.match(text) or text.startswith("@"):
        return Argument(kind="word", value=text, name=name, at=at)
    if text[0] in "\u2018\u2019\u201c\u201d":
        inner = text.strip("\u2018\u2019\u201c\u201d")
        raise SyntaxProblem(f"the quotes {text[0]} {text[-1]} are those of a word processor; write '{inner}'", at)
    raise SyntaxProblem(
        f"not an argument: {text}; allowed: a number, 'text', true, false, null, a JSON list, a path", at
    )
