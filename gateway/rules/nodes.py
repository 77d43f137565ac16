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
from ruamel.yaml.error import MarkedYAMLError
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
from ruamel.yaml.reader import ReaderError

from gateway.rules import traps
from gateway.rules.places import place_of
from gateway.rules.problems import Problem
from gateway.rules.refusals import refused, unreadable
from gateway.rules.syntax import is_closed

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)\Z")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?\Z")
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"true", "True", "TRUE"})
_FALSE = frozenset({"false", "False", "FALSE"})

MAX_DEPTH = 50
"""How deep a rules file may nest; no person writes deeper, and every compiler here recurses."""
MAX_MENDED = 20
"""How many lines that YAML refuses are read as they were meant, to find the problems below them too."""
_MENDABLE = 100_000
"""Characters of a file that is read again after a refused line."""
_ENVIRONMENT = re.compile(r"\$\{([A-Za-z_]\w*)\}\Z")
_DASHED = re.compile(r"(\s*(?:- +)*)-(?=[A-Za-z_])")


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
    style: str | None = None
    """How a scalar is quoted: ``'`` or ``"``, ``|`` or ``>`` for a block, None for plain text."""
    items: tuple[Node, ...] = ()
    """Of a list."""
    entries: tuple[tuple[Node, Node], ...] = ()
    """Of a mapping: (key, value), in the order of the file."""
    partial: bool = False
    """Whether a key of a mapping could not be read, so that what seems to be missing may only be misread."""

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
            return "a mapping" if self.entries else "an empty mapping"
        if self.kind == "list":
            return "a list" if self.items else "an empty list"
        if self.value is None:
            return "nothing"
        if isinstance(self.value, bool):
            return self.text
        shown = self.text if len(self.text) <= 60 else self.text[:57] + "..."
        return f"'{shown}'" if isinstance(self.value, str) else f"the number {shown}"


def truth_hint(node: Node) -> str:
    """What somebody means who writes ``yes``, or ``'true'`` in quotes, where true or false is asked for."""
    meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(node.text.lower(), node.text.lower())
    if meant not in ("true", "false"):
        return ""
    return f"; {'without quotes' if node.quoted else 'write'}: {meant}"


class YAMLFile:
    """The text of one file: its root node, and the problems that reading it found."""

    def __init__(self, file: str, text: str) -> None:
        self.file = file
        text = text.removeprefix("\ufeff")
        self.lines = re.split(r"\r\n|\r|\n", text)
        self.problems: list[Problem] = []
        self.warnings: list[Problem] = []
        """What does not keep the file from being served."""
        self.root: Node | None = None
        self._spoilt: set[int] = set()
        self._read(text)

    def line(self, number: int) -> str:
        """The text of a line, from 1."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else ""

    def problem_at(self, line: int, column: int, message: str) -> None:
        """Note what is wrong at a place. In a line that YAML misreads, what follows from that is no news."""
        if line in self._spoilt:
            return
        problem = self._problem(line, column, message)
        if problem not in self.problems:
            self.problems.append(problem)

    def problem(self, node: Node, message: str, *, at: int = 0) -> None:
        """Note what is wrong with a node; ``at`` is the position inside its text."""
        self.problem_at(*self.place(node, at), message)

    def warning(self, node: Node, message: str, *, at: int = 0) -> None:
        """Note what is only suspicious about a node."""
        self.warnings.append(self._problem(*self.place(node, at), message))

    def place(self, node: Node, at: int = 0) -> tuple[int, int]:
        """Line and column of a position inside a node's text."""
        if node.kind != "scalar" or (at <= 0 and not node.style) or node.line in self._spoilt:
            return node.line, node.column
        return place_of(self.lines, node.text, at, line=node.line, column=node.column, style=node.style)

    def _problem(self, line: int, column: int, message: str) -> Problem:
        line = min(max(line, 1), len(self.lines))
        column = min(max(column, 1), len(self.line(line)) + 1)
        message = "".join(character if character.isprintable() else " " for character in message)
        return Problem(file=self.file, line=line, column=column, message=message, source=self.line(line))

    def _trap(self, trap: traps.Trap) -> None:
        """Note a trap; what else is found in its line follows from it."""
        self.problem_at(trap.line, trap.column, trap.message)
        self._spoilt.add(trap.line)

    # -- events to nodes -------------------------------------------------------------------------------------------

    def _read(self, text: str) -> None:
        """Read the root; a refused line whose meaning is plain is read as it was meant, and then the rest."""
        lines = list(self.lines)
        for _ in range(MAX_MENDED + 1):
            try:
                self.root = self._document(YAML(typ="safe", pure=True).parse("\n".join(lines)))
            except ReaderError as error:
                self._trap(unreadable(error, text))
                return
            except MarkedYAMLError as error:
                trap = refused(error, lines)
            except (ValueError, OverflowError):  # An escape such as "\UFFFFFFFF" that names no character.
                self.problem_at(1, 1, "a text in double quotes holds an escape (\\U…) that names no character")
                return
            else:
                return
            mended = trap.line in self._spoilt
            self._trap(trap)
            if trap.corrected is None or mended or len(text) > _MENDABLE:
                return
            lines[trap.line - 1] = trap.corrected

    def _document(self, events: Iterator[Event]) -> Node | None:
        root: Node | None = None
        documents = 0
        for event in events:
            if isinstance(event, DocumentStartEvent):
                documents += 1
                line, column = event.start_mark.line + 1, event.start_mark.column + 1
                if documents > 1:
                    self.problem_at(line, column, "a second document ('---') in the file; one file holds one source")
                    return root
                for number, text in enumerate(self.lines[: event.start_mark.line], 1):
                    if text.startswith("%"):
                        self.problem_at(number, 1, "a line that begins with % is an instruction to YAML; delete it")
            elif not isinstance(event, StreamStartEvent | StreamEndEvent | DocumentEndEvent):
                root = self._node(event, events, 0, flow=False)
        return root

    def _node(self, event: Any, events: Iterator[Event], depth: int, *, flow: bool) -> Node:
        line, column = event.start_mark.line + 1, event.start_mark.column + 1
        if depth > MAX_DEPTH:
            raise MarkedYAMLError(problem=f"nested deeper than {MAX_DEPTH} levels", problem_mark=event.start_mark)
        if isinstance(event, AliasEvent):
            self._sign(line, column, "*", "YAML reads * as an alias, which is not allowed; quote the text", flow)
            return Node(kind="scalar", line=line, column=column)
        if event.anchor is not None and isinstance(event, ScalarEvent):
            self._sign(line, column, "&", "YAML reads & as an anchor, which is not allowed; quote the text", flow)
        elif event.anchor is not None:
            self._trap(traps.Trap(message="an anchor (&name) is not allowed; delete it", line=line, column=column))
        if event.tag is not None and str(event.tag) not in ("!", "None"):
            self._sign(line, column, "!", "YAML reads ! as a tag, which is not allowed; quote the text", flow)
        if isinstance(event, ScalarEvent):
            return self._scalar(event, line, column, flow=flow)
        if isinstance(event, SequenceStartEvent):
            items: list[Node] = []
            for inner in events:
                if isinstance(inner, SequenceEndEvent):
                    break
                items.append(self._node(inner, events, depth + 1, flow=bool(event.flow_style)))
            return Node(kind="list", line=line, column=column, items=tuple(items))
        assert isinstance(event, MappingStartEvent)
        return self._mapping(event, events, line, column, depth)

    def _sign(self, line: int, column: int, sign: str, what: str, flow: bool) -> None:
        self._trap(traps.mark(self.lines, line, column, sign, what, flow=flow))

    def _mapping(self, event: MappingStartEvent, events: Iterator[Event], line: int, column: int, depth: int) -> Node:
        entries: list[tuple[Node, Node]] = []
        first: dict[str, Node] = {}
        flow = bool(event.flow_style)
        partial = False
        if flow and self.line(line).startswith("{{", column - 1):
            trap = traps.template(self.lines, line, column)
            if trap is not None:
                self._trap(trap)
        for inner in events:
            if isinstance(inner, MappingEndEvent):
                break
            end: Any = inner.end_mark
            key = self._node(inner, events, depth + 1, flow=flow)
            end_of_key = end.column + 1
            value = self._node(next(events), events, depth + 1, flow=flow)
            if value.kind == "scalar" and not value.text and not value.quoted:
                # YAML places what is not there at the next thing that is.
                value = msgspec.structs.replace(value, line=key.line, column=key.column)
                trap = traps.comment(self.lines, key.line, end_of_key) if key.kind == "scalar" and not flow else None
                if trap is not None:
                    self._trap(trap)
                    partial = True
                    continue
            if key.kind != "scalar":
                self.problem(key, f"a key is text; found {key.describe()}")
                partial = True
                continue
            if not self._is_key(key) or (flow and self._is_alone(key, value, end)):
                partial = True
                continue
            if key.text in first:
                self.problem(key, f"the key '{key.text}' stands twice; the first is in line {first[key.text].line}")
                continue
            first[key.text] = key
            entries.append((key, value))
        return Node(kind="map", line=line, column=column, entries=tuple(entries), partial=partial)

    def _is_key(self, key: Node) -> bool:
        """Whether it can be one; else what is wrong with it is noted."""
        if key.text == "<<":
            self.problem(key, "a merge key (<<) is not allowed; write the keys out")
            return False
        if key.quoted:
            return True
        if not key.text:
            self.problem(key, "a key is missing before the colon")
            return False
        text = self.line(key.line)
        if (at := traps.odd_space(key.text)) is not None:
            self._trap(traps.odd_space_trap(self.lines, key.line, key.column - 1 + at))
            return False
        dashed = _DASHED.match(text)
        if dashed and dashed.end() == key.column:
            fixed = f"{dashed[1]}- {text[dashed.end() :]}"
            self._trap(
                traps.Trap(
                    message=f"a space is missing behind the dash; {traps.written(fixed)}",
                    line=key.line,
                    column=key.column,
                )
            )
            return False
        return True

    def _is_alone(self, key: Node, value: Node, end: Any) -> bool:
        """Whether a key of ``{ }`` style has no colon: most often an expression was cut at a comma before it."""
        if value.kind != "scalar" or value.text or value.quoted:
            return False
        following = self.line(end.line + 1)[end.column :].lstrip()
        if following.startswith(":"):
            return False
        trap = traps.flow_expression(self.lines, key.line) if key.text.startswith("$") else None
        if trap is not None:
            self._trap(trap)
            return True
        what = f"the key '{key.text}' has no value; in {{ }} style each is key: value, with commas between"
        self._trap(traps.Trap(message=what, line=key.line, column=key.column))
        return True

    def _scalar(self, event: ScalarEvent, line: int, column: int, *, flow: bool) -> Node:
        text: str = event.value
        quoted = event.style is not None
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
            elif text[0] in "${" + traps.CURLY_QUOTES or "{{" in text:
                self._plain_text(event, text, line, column, flow=flow)
        return Node(kind="scalar", line=line, column=column, text=text, value=value, quoted=quoted, style=event.style)

    def _plain_text(self, event: ScalarEvent, text: str, line: int, column: int, *, flow: bool) -> None:
        """Note what YAML makes of an expression without quotes, where it is not what it looks like."""
        environment = _ENVIRONMENT.match(text)
        if environment:
            self._trap(traps.environment(self.lines, line, column, environment[1]))
        elif (message := traps.curly(text)) is not None and ("$" in text or "{{" in text):
            self._trap(traps.Trap(message=message, line=line, column=column))
        elif event.end_mark.line == event.start_mark.line and not is_closed(text):
            trap = traps.cut(self.lines, line, column - 1, event.end_mark.column, flow=flow)
            if trap is not None:
                self._trap(trap)
