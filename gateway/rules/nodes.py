"""YAML 1.2 as nodes with positions: nothing is resolved behind the author's back.

The events of ruamel.yaml become :class:`Node` trees. Plain scalars are read by YAML 1.2's core schema with JSON's
number grammar, so ``on`` and ``no`` are text, and ``012`` is the text as written. Aliases, anchors, tags, merge keys
and duplicate keys are problems: two readers must never differ about what a file says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Literal

import msgspec
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    Event,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from gateway.rules.problems import Problem
from gateway.rules.traps import advice

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)\Z")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z")
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})

MAX_DEPTH = 50
"""How deep a rules file may nest; no person writes deeper, and every compiler here recurses."""


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a YAML file and where it stands."""

    kind: Literal["map", "list", "scalar"]
    line: int
    column: int
    text: str = ""
    """A scalar as written (after YAML's own unquoting)."""
    value: Any = None
    """A scalar's value: None, bool, int, Decimal or str."""
    quoted: bool = False
    """Whether a scalar stands in quotes or in a block, and so is text whatever it looks like."""
    offset: int = 0
    """How many columns after the node's start the text begins (1 in quotes), or -1 where the text spans lines."""
    items: tuple[Node, ...] = ()
    """Of a list."""
    entries: tuple[tuple[Node, Node], ...] = ()
    """Of a mapping: (key, value), in the order of the file."""

    def get(self, key: str) -> Node | None:
        """The value of a mapping's key."""
        return next((value for name, value in self.entries if name.text == key), None)

    def plain(self) -> Any:
        """The node as plain data, without positions."""
        if self.kind == "map":
            return {key.text: value.plain() for key, value in self.entries}
        if self.kind == "list":
            return [item.plain() for item in self.items]
        return self.value

    def describe(self) -> str:
        """What stands here, in a few words."""
        if self.kind == "map":
            return "a mapping"
        if self.kind == "list":
            return "a list"
        if self.value is None:
            return "nothing"
        if isinstance(self.value, bool):
            return self.text
        shown = self.text if len(self.text) <= 60 else self.text[:57] + "..."
        return f"'{shown}'" if isinstance(self.value, str) else f"the number {shown}"


class YAMLFile:
    """The text of one file: its root node, and the problems that reading it found."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        self.lines = text.splitlines()
        self.problems: list[Problem] = []
        self.root: Node | None = None
        try:
            events = YAML(typ="safe", pure=True).parse(text)
            self.root = self._document(events)
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            what = " ".join(part for part in (error.problem, error.context) if part)
            self.problem_at(line, column, advice(self.line(line), column) or f"this is not YAML: {what}")
        except YAMLError as error:
            self.problem_at(1, 1, f"this is not YAML: {error}")

    def line(self, number: int) -> str:
        """The text of a line, from 1."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def problem_at(self, line: int, column: int, message: str) -> None:
        """Note what is wrong at a place."""
        self.problems.append(Problem(file=self.file, line=line, column=column, message=message, source=self.line(line)))

    def problem(self, node: Node, message: str, *, at: int = 0) -> None:
        """Note what is wrong with a node; ``at`` is the position inside its text."""
        column = node.column + node.offset + at if node.offset >= 0 else node.column
        self.problem_at(node.line, column, message)

    # -- events to nodes -------------------------------------------------------------------------------------------

    def _document(self, events: Iterator[Event]) -> Node | None:
        root: Node | None = None
        documents = 0
        for event in events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                if documents > 1:
                    mark = event.start_mark
                    self.problem_at(
                        mark.line + 1,
                        mark.column + 1,
                        "a second document ('---') in the file; one file holds one source",
                    )
                    return root
            elif not isinstance(event, StreamStartEvent | StreamEndEvent | DocumentEndEvent):
                root = self._node(event, events, 0)
        return root

    def _node(self, event: Any, events: Iterator[Event], depth: int) -> Node:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if depth > MAX_DEPTH:
            raise MarkedYAMLError(problem=f"nested deeper than {MAX_DEPTH} levels", problem_mark=event.start_mark)
        if isinstance(event, AliasEvent):
            self.problem_at(line, column, advice(self.line(line), column) or "an alias (*name); write the value out")
            return Node(kind="scalar", line=line, column=column)
        if event.anchor is not None:
            self.problem_at(
                line,
                column,
                advice(self.line(line), column) or "an anchor (&name); write the value out where it is used",
            )
        if event.tag is not None and str(event.tag) not in ("!", "None"):
            self.problem_at(
                line,
                column,
                advice(self.line(line), column)
                or "a tag (!name); values are plain YAML: text, numbers, lists, mappings",
            )
        if isinstance(event, ScalarEvent):
            return self._scalar(event, line, column)
        if isinstance(event, SequenceStartEvent):
            items: list[Node] = []
            for inner in events:
                if isinstance(inner, SequenceEndEvent):
                    break
                items.append(self._node(inner, events, depth + 1))
            return Node(kind="list", line=line, column=column, items=tuple(items))
        assert isinstance(event, MappingStartEvent)
        return self._mapping(event, events, line, column, depth)

    def _mapping(self, event: MappingStartEvent, events: Iterator[Event], line: int, column: int, depth: int) -> Node:
        entries: list[tuple[Node, Node]] = []
        first: dict[str, Node] = {}
        for inner in events:
            if isinstance(inner, MappingEndEvent):
                break
            key = self._node(inner, events, depth + 1)
            value = self._node(next(events), events, depth + 1)
            if key.kind != "scalar":
                place = self.line(key.line)
                self.problem(key, advice(place, key.column) or f"a key is text; found {key.describe()}")
                continue
            if key.text == "<<":
                self.problem(key, "a merge key (<<); write the keys out")
                continue
            if key.text in first:
                self.problem(key, f"the key '{key.text}' stands twice; the first is in line {first[key.text].line}")
                continue
            if event.flow_style and not key.quoted and value.kind == "scalar" and value.text == "" and not value.quoted:
                trap = advice(self.line(key.line), key.column)
                if trap:
                    self.problem(key, trap)
                    continue
            first[key.text] = key
            entries.append((key, value))
        return Node(kind="map", line=line, column=column, entries=tuple(entries))

    def _scalar(self, event: ScalarEvent, line: int, column: int) -> Node:
        text: str = event.value
        quoted = event.style is not None
        spans = event.end_mark.line != event.start_mark.line
        value: Any = text
        if not quoted:
            if text in _NULL:
                value = None
            elif text in _TRUE or text in _FALSE:
                value = text in _TRUE
            elif len(text) <= 1000 and _INTEGER.match(text):
                value = int(text)
            elif len(text) <= 1000 and _NUMBER.match(text):
                value = Decimal(text)
        return Node(
            kind="scalar",
            line=line,
            column=column,
            text=text,
            value=value,
            quoted=quoted,
            offset=-1 if spans else int(quoted),
        )
