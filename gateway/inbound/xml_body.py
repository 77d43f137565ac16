"""XML to a plain value, by one mapping, so that a path can be written from looking at the document.

* The value is an object with the root element's name: ``<order><id>7</id></order>`` is ``{"order": {"id": "7"}}``.
* An element is an object. Its attributes are ``"@name"``; its children stand under their names, those of one name as a
  list (``lists`` names elements that are one even alone); its text is ``"#text"``.
* An element with nothing but text is that text: ``"7"``. So is one with nothing at all: ``""``. Text is trimmed, and
  always text: ``"007"``, ``"true"``. An element that says ``xsi:nil="true"`` is null.
* Names are local: the prefix of a namespace is the sender's choice and is dropped, and so are its declarations. Where
  two attributes of an element then have one name, the one without a prefix holds.
* Text between children (mixed content) is joined by single spaces in ``"#text"``. Comments and processing instructions
  are left out, CDATA is text.

A document type, entities of its own and anything external are refused, before they could be expanded.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from defusedxml.common import DefusedXmlException, DTDForbidden
from defusedxml.ElementTree import XMLParser

from gateway.errors import Unparseable
from gateway.inbound.charsets import known_charset, text_of, wide_charset
from gateway.model import JSON

MAX_ELEMENTS: Final = 10_000
"""Elements and attributes together."""
MAX_DEPTH: Final = 100

_NIL: Final = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_DECLARED = re.compile(rb"""\s*<\?xml[^>]{0,200}?\sencoding\s*=\s*["']([A-Za-z0-9._-]{1,40})["']""")

_ATTRIBUTE = re.compile(r"=\s*+[\"']")


def looks_like_xml(body: bytes) -> bool:
    """Whether a body whose content type does not say so begins as a document does."""
    if wide_charset(body) is not None:
        body = text_of(body[:64], None).encode()
    start = body.lstrip()[:2]
    return start[:1] == b"<" and (start[1:].isalpha() or start[1:] in (b"?", b"_", b"!"))


def read_xml(body: bytes, charset: str | None = None, *, lists: Collection[str] = ()) -> JSON:
    """The document's value; :class:`~gateway.errors.Unparseable` says what is wrong, with line and column.

    ``lists`` are the local names of elements that are always lists.
    """
    if known_charset(charset) is None and (declared := _DECLARED.match(body)):
        charset = declared.group(1).decode()
    # As text: expat then believes no declaration, and knows every charset that we do.
    text = text_of(body, charset)
    # Those in comments and texts count too: it is only to be quick with what is far too much.
    if text.count("<") > 4 * MAX_ELEMENTS or sum(1 for _ in _ATTRIBUTE.finditer(text)) > 2 * MAX_ELEMENTS:
        raise _too_many()
    tree = _Tree(frozenset(lists))
    parser = XMLParser(target=tree, forbid_dtd=True)
    try:
        parser.feed(text)
        parser.close()
    except DTDForbidden:
        raise Unparseable("the XML declares a document type (DTD); such are refused") from None
    except DefusedXmlException:
        raise Unparseable("the XML declares entities or refers to something external; such are refused") from None
    except ParseError as error:
        line, column = error.position
        what = str(error).partition(": line")[0]
        raise Unparseable(f"the body is not XML: {what} at line {line}, column {column + 1}") from None
    return tree.root


class _Element:
    """An element that is not closed yet."""

    __slots__ = ("name", "nil", "text", "value")

    def __init__(self, name: str) -> None:
        self.name = name
        self.value: dict[str, Any] = {}
        self.text: list[str] = []
        self.nil = False


class _Tree:
    """What the parser tells as it reads; ``root`` is the value when it has ended."""

    def __init__(self, lists: frozenset[str]) -> None:
        self.root: dict[str, Any] = {}
        self._lists = lists
        self._open: list[_Element] = []
        self._left = MAX_ELEMENTS

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self._left -= 1 + len(attributes)
        if self._left < 0:
            raise _too_many()
        if len(self._open) >= MAX_DEPTH:
            raise Unparseable(f"the XML nests deeper than {MAX_DEPTH} levels")
        element = _Element(_local(tag))
        for name, value in attributes.items():
            if name == _NIL:
                element.nil = value.strip() in ("true", "1")
            elif not name.startswith("{"):
                element.value[f"@{name}"] = value
        for name, value in attributes.items():
            if name.startswith("{") and name != _NIL:
                element.value.setdefault(f"@{_local(name)}", value)
        self._open.append(element)

    def data(self, text: str) -> None:
        if text := text.strip():
            self._open[-1].text.append(text)

    def end(self, tag: str) -> None:
        element = self._open.pop()
        into = self._open[-1].value if self._open else self.root
        value = _value(element)
        name = element.name
        if name in into:
            there = into[name]
            if isinstance(there, list):
                there.append(value)
            else:
                into[name] = [there, value]
        else:
            into[name] = [value] if name in self._lists else value

    def close(self) -> None:
        """There is nothing left to do."""


def _value(element: _Element) -> JSON:
    text = " ".join(element.text)
    if element.value:
        return {**element.value, "#text": text} if text else element.value
    return None if element.nil and not text else text


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _too_many() -> Unparseable:
    return Unparseable(f"the XML has over {MAX_ELEMENTS:,} elements and attributes; at most those are read")
