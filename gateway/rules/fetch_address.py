"""The address of a fetch: where a request goes is text of the file, what it asks for may come from a payload."""

from __future__ import annotations

import re
from collections.abc import Callable
from ipaddress import IPv4Address

import msgspec

from gateway.rules.expressions import Expression
from gateway.rules.fetches import leads_elsewhere
from gateway.rules.mapping import Report
from gateway.rules.nodes import Node
from gateway.rules.syntax import SyntaxProblem, holes

_ORIGIN = re.compile(r"(https?)://(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(:[0-9]{1,5})?(?=[/?]|\Z)")
_REFUSED_IN_ADDRESS = re.compile(r"[^A-Za-z0-9._~:/?@!$&'()*+,;=%\[\]-]")
_NUMBER = re.compile(r"(?:[0-9]+|0[xX][0-9A-Fa-f]*)\Z")
_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """A compiled address."""

    origin: str
    """Scheme, host and port: ``https://api.example.com``."""
    host: str
    url: tuple[str | Expression, ...]
    """The whole of it: text, and what is put into it."""


def compile_address(
    node: Node, *, expression: Callable[[Node, str, int], Expression | None], report: Report
) -> Address | None:
    """The address that a node says, or None after reporting why it can't be one.

    ``expression`` compiles what stands in ``{{ }}``: the node, the text and its position in the node's text.
    """
    if node.kind != "scalar" or not isinstance(node.value, str) or not node.text:
        report(node, f"an address is text such as https://api.example.com/orders; found {node.describe()}")
        return None
    try:
        pieces = holes(node.text)
    except SyntaxProblem as problem:
        report(node, str(problem), at=problem.at)
        return None
    first = pieces[0]
    found = _ORIGIN.match(first) if isinstance(first, str) else None
    if found is None or (found.end() == len(first) and len(pieces) > 1):
        report(node, _no_origin(node, first if isinstance(first, str) else ""))
        return None
    scheme, host, port = found[1], found[2].lower(), found[3] or ""
    if scheme == "http" and host not in _THIS_MACHINE:
        report(node, "the address begins with https://; http:// is only for localhost and 127.0.0.1")
        return None
    if _NUMBER.match(host.rpartition(".")[2]) and not _is_address(host):
        report(node, f"'{host}' is not an IPv4 address as it is written today, such as 10.0.0.5")
        return None
    if port and not 0 < int(port[1:]) < 65536:
        report(node, f"'{port[1:]}' is not a port; allowed: 1 to 65535", at=found.start(3))
        return None
    parts: list[str | Expression] = []
    static = ""
    position = 0
    for piece in pieces:
        if isinstance(piece, str):
            position = node.text.find(piece, position)
            refused = _REFUSED_IN_ADDRESS.search(piece)
            if refused:
                what = (
                    "what stands after # is never sent"
                    if refused[0] == "#"
                    else f"{refused[0]!r} can't stand in an address; write it percent-encoded"
                )
                report(node, what, at=position + refused.start())
                return None
            static += piece
            parts.append(piece)
        else:
            at, inner = piece
            hole = expression(node, inner, at)
            if hole is None:
                return None
            static += "x"
            parts.append(hole)
    origin = f"{scheme}://{host}{port}"
    if isinstance(parts[0], str):
        parts[0] = origin + parts[0][found.end() :]
    if any(map(leads_elsewhere, static.partition("?")[0][found.end() :].split("/"))):
        report(node, "an address has no parts that are '.' or '..'")
        return None
    return Address(origin=origin, host=host.strip("[]"), url=tuple(parts))


def _no_origin(node: Node, first: str) -> str:
    """What to say of a text that does not begin with scheme and host."""
    if first.partition("//")[2].partition("/")[0].count("@"):
        return "credentials don't stand in an address; use bearer, basic, oauth or headers"
    if node.text.startswith("$") or "{{" in node.text.partition("//")[2].partition("/")[0] or not first:
        return (
            "the host is literal text of this file, never from a payload: "
            "write https://api.example.com/… and put values into the path or the query"
        )
    return f"an address begins with https:// and a host, as in https://api.example.com/orders; found '{first}'"


def _is_address(host: str) -> bool:
    try:
        return bool(IPv4Address(host))
    except ValueError:
        return False
