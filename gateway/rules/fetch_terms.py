"""The ``fetch`` of a rules file, from its nodes to :class:`~gateway.rules.fetches.Fetch`: what may be asked, and whom.

fetch:
  order:
    get: https://api.example.com/orders/{{ $.data.id }}
    bearer: $env.EXAMPLE_TOKEN
    when: {$.type: order}

A fetch reads only those above it, and ``dedup_key``, ``event_type`` and ``ignore`` read none: they are asked before
anything is fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from gateway.inbound.schemes import env_name
from gateway.rules.conditions import All, compile_conditions
from gateway.rules.expressions import Expression, compile_expression
from gateway.rules.fetch_address import Address, compile_address
from gateway.rules.fetches import Auth, Basic, Bearer, Fetch, OAuth, Secret, Text
from gateway.rules.keys import FETCH_KEYS, LOGIN_KEYS, OAUTH_KEYS, check_keys
from gateway.rules.mapping import compile_value
from gateway.rules.nodes import Node
from gateway.rules.readings import Entries, Reader
from gateway.rules.roots import ExpressionProblem
from gateway.rules.scope import Names
from gateway.rules.spans import duration
from gateway.rules.syntax import SyntaxProblem, holes
from gateway.rules.values import Unreadable

MAX_FETCHES = 10
"""Of one source: each is waited for in turn."""
MAX_ANSWER = 5_000_000
"""Bytes of an answer that ``max_size`` may allow."""
LONGEST_TIMEOUT = 60
LONGEST_CACHE = 86_400
"""Seconds."""
BEFORE_FETCHING = ("dedup_key", "event_type", "ignore")
"""The source keys that are asked when a webhook is received."""

_NAME = re.compile(r"[A-Za-z_]\w*\Z")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "cookie", "accept-encoding"})
_READS = re.compile(r"\$(let|fetch)\.(\w+)")
_UNKNOWN = re.compile(r"\$fetch\.(\w+) is not fetched")


def fetch_names(keys: Entries) -> tuple[str, ...]:
    """What a source fetches, by name, before any of it is compiled: rules may read all of it."""
    return tuple(key.text for key, _ in keys["fetch"][1].entries) if "fetch" in keys else ()


def compile_fetches(keys: Entries, reader: Reader) -> tuple[Fetch, ...]:
    """The fetches of a source, in order. Its ``let`` must be compiled before, its rules after."""
    _check_readers(keys, reader)
    if "fetch" not in keys:
        return ()
    node = keys["fetch"][1]
    if node.kind != "map" or not node.entries:
        reader.report(node, f"fetch takes a mapping of names to what is fetched; found {node.describe()}")
        return ()
    if len(node.entries) > MAX_FETCHES:
        reader.report(node.entries[MAX_FETCHES][0], f"a source has at most {MAX_FETCHES} fetches")
    lets = _lets(keys)
    lines = {key.text: key.line for key, _ in node.entries}
    found: list[Fetch] = []
    for number, (key, value) in enumerate(node.entries):
        earlier = tuple(name.text for name, _ in node.entries[:number])
        fetch = _FetchCompiler(key, value, reader, lines=lines, earlier=earlier, lets=lets).fetch
        if fetch is not None:
            found.append(fetch)
    return tuple(found)


def _check_readers(keys: Entries, reader: Reader) -> None:
    lets = _lets(keys)
    for name in BEFORE_FETCHING:
        if name in keys:
            for node, read in _reads(keys[name][1], lets):
                reader.report(
                    node, f"{name} is asked before anything is fetched, and this reads $fetch.{read}", at=_place(node)
                )
                break


def _lets(keys: Entries) -> dict[str, Node]:
    return {key.text: value for key, value in keys["let"][1].entries} if "let" in keys else {}


def _reads(node: Node, lets: dict[str, Node]) -> Iterator[tuple[Node, str]]:
    """Each fetch that a node's expressions read, themselves or through ``let``, and where."""
    for scalar in _scalars(node):
        waiting, seen = [scalar.text], set()
        while waiting:
            for root, name in _READS.findall(waiting.pop()):
                if root == "fetch":
                    yield scalar, name
                elif name in lets and name not in seen:
                    seen.add(name)
                    waiting += [inner.text for inner in _scalars(lets[name])]


def _scalars(node: Node) -> Iterator[Node]:
    if node.kind == "scalar":
        yield node
    for item in node.items:
        yield from _scalars(item)
    for key, value in node.entries:
        yield key
        yield from _scalars(value)


def _place(node: Node) -> int:
    found = _READS.search(node.text)
    return found.start() if found else 0


class _FetchCompiler:
    """Compiles one fetch. ``fetch`` is None where a problem was reported."""

    def __init__(
        self,
        key: Node,
        node: Node,
        reader: Reader,
        *,
        lines: dict[str, int],
        earlier: tuple[str, ...],
        lets: dict[str, Node],
    ) -> None:
        self.read = reader
        self.name = key.text
        self.lines = lines
        self.fetch: Fetch | None = None
        whole = reader.names
        self.names = Names(
            path_parts=whole.path_parts, tables=whole.tables, fetches=earlier, zone=whole.zone, batch=whole.batch
        )
        self.names.lets = whole.lets
        self.names.lists = whole.lists
        before = len(reader.yaml.problems)
        if not _NAME.match(key.text):
            self.report(key, f"'{key.text}' is not a name; allowed: letters, digits and _, as in $fetch.order")
        if node.kind != "map":
            self.report(node, f"a fetch is a mapping with get: and an address; found {node.describe()}")
            return
        for where, read in _reads(node, lets):
            if read in lines and read not in earlier and f"$fetch.{read}" not in where.text:
                self.report(where, f"this reads $fetch.{read} through a let; {self._too_early(read)}", at=_place(where))
        fetch = self._fetch(key, check_keys(node, FETCH_KEYS, "a fetch", self.report))
        if len(reader.yaml.problems) == before:
            self.fetch = fetch

    def report(self, node: Node, message: str, *, at: int = 0) -> None:
        """Note a problem; one that is fetched only later is no misspelling."""
        unknown = _UNKNOWN.match(message)
        if unknown and unknown[1] in self.lines:
            message = f"$fetch.{unknown[1]} is not fetched yet: {self._too_early(unknown[1])}"
        self.read.report(node, message, at=at)

    def _too_early(self, name: str) -> str:
        where = "that is this fetch itself" if name == self.name else f"it stands in line {self.lines[name]}"
        return f"{where}; a fetch reads only those above it"

    def _fetch(self, key: Node, keys: Entries) -> Fetch | None:
        methods = [method for method in ("get", "post") if method in keys]
        if len(methods) != 1:
            self.report(key, "a fetch has get: or post: with an address, one of them")
            return None
        method = methods[0]
        if "body" in keys and method == "get":
            self.report(keys["body"][0], "body is sent with post; a get has none")
        address = self._address(keys[method][1])
        headers = self._pairs(keys, "headers")
        kind = next((text for name, text in headers if name.lower() == "content-type"), ())
        auth = self._auth(keys, headers)
        when = compile_conditions(keys["when"][1], self.names, self.report) if "when" in keys else All(())
        body = compile_value(keys["body"][1], self.names, self.report) if "body" in keys else None
        timeout = self._length(keys, "timeout", most=LONGEST_TIMEOUT, default=10)
        cache = self._length(keys, "cache", most=LONGEST_CACHE, default=0)
        query, max_size, rate = self._pairs(keys, "query"), self._size(keys), self._rate(keys)
        if address is None:
            return None
        return Fetch(
            name=self.name,
            method=method.upper(),
            origin=address.origin,
            host=address.host,
            url=address.url,
            when=when,
            headers=headers,
            query=query,
            body=body,
            form=kind[:1] == ("application/x-www-form-urlencoded",),
            auth=auth,
            cache=cache,
            timeout=float(timeout),
            max_size=max_size,
            rate=rate,
        )

    # -- where ---------------------------------------------------------------------------------------------------------

    def _address(self, node: Node) -> Address | None:
        return compile_address(node, expression=self._expression, report=self.report)

    def _expression(self, node: Node, text: str, at: int) -> Expression | None:
        self.names.place = (node.line, node.column)
        try:
            return compile_expression(text, self.names)
        except ExpressionProblem as problem:
            self.report(node, str(problem), at=at + problem.at)
            return None

    # -- what ----------------------------------------------------------------------------------------------------------

    def _pairs(self, keys: Entries, key: str) -> tuple[tuple[str, Text], ...]:
        if key not in keys:
            return ()
        node = keys[key][1]
        if node.kind != "map":
            self.report(node, f"{key} takes a mapping of names to texts; found {node.describe()}")
            return ()
        pairs: list[tuple[str, Text]] = []
        for name, value in node.entries:
            if key == "headers" and (not _HEADER.match(name.text) or name.text.lower() in _OURS):
                what = "is set by the gateway" if name.text.lower() in _OURS else "is not the name of a header"
                self.report(name, f"'{name.text}' {what}")
                continue
            text = self._text(value, name.text)
            if text is not None:
                pairs.append((name.text, text))
        return tuple(pairs)

    def _text(self, node: Node, key: str) -> Text | None:
        """A text with holes, or an expression; ``$env`` may stand as either."""
        if node.kind != "scalar" or node.value is None:
            self.report(node, f"{key} takes text, an expression or $env.NAME; found {node.describe()}")
            return None
        if not isinstance(node.value, str):
            return (node.text,)
        if "{{" not in node.text:
            if not node.text.startswith("$"):
                return (node.text,)
            part = self._hole(node, node.text, 0)
            return None if part is None else (part,)
        try:
            pieces = holes(node.text)
        except SyntaxProblem as problem:
            self.report(node, str(problem), at=problem.at)
            return None
        parts = [piece if isinstance(piece, str) else self._hole(node, piece[1], piece[0]) for piece in pieces]
        return tuple(part for part in parts if part is not None)

    def _hole(self, node: Node, text: str, at: int) -> Secret | Expression | None:
        name = env_name(text)
        return Secret(name) if name is not None else self._expression(node, text, at)

    # -- who -----------------------------------------------------------------------------------------------------------

    def _auth(self, keys: Entries, headers: tuple[tuple[str, Text], ...]) -> Auth | None:
        given = [key for key in ("bearer", "basic", "oauth") if key in keys]
        own = any(name.lower() == "authorization" for name, _ in headers)
        if len(given) + own > 1:
            ways = " and ".join([*given, *(["the header Authorization"] if own else [])])
            self.report(keys[given[-1]][0], f"a fetch has one of bearer, basic, oauth or Authorization; found {ways}")
            return None
        if not given:
            return None
        node = keys[given[0]][1]
        if given[0] == "bearer":
            token = self._secret(node, "bearer")
            return None if token is None else Bearer(token=token)
        return self._basic(node) if given[0] == "basic" else self._oauth(node)

    def _basic(self, node: Node) -> Basic | None:
        keys = self._all_of(node, "basic", LOGIN_KEYS, needed=("user", "password"))
        if keys is None:
            return None
        user, password = self._plain(keys["user"][1], "user"), self._secret(keys["password"][1], "password")
        return None if user is None or password is None else Basic(user=user, password=password)

    def _oauth(self, node: Node) -> OAuth | None:
        keys = self._all_of(node, "oauth", OAUTH_KEYS, needed=("token_url", "client_id", "client_secret"))
        if keys is None:
            return None
        where = keys["token_url"][1]
        address = self._address(where)
        if address is not None and len(address.url) > 1:
            self.report(where, "token_url is literal text: credentials are sent to it")
            return None
        client, secret = self._plain(keys["client_id"][1], "client_id"), self._secret(
            keys["client_secret"][1], "client_secret"
        )  # fmt: skip
        scope = self._plain(keys["scope"][1], "scope") if "scope" in keys else ""
        sent = self.read.choice(keys, "send", ("header", "body"))
        if address is None or client is None or secret is None or isinstance(scope, Secret | None):
            return None
        return OAuth(
            token_url=where.text,
            origin=address.origin,
            client_id=client,
            client_secret=secret,
            scope=scope,
            in_body=sent == "body",
        )

    def _all_of(self, node: Node, what: str, allowed: Any, *, needed: tuple[str, ...]) -> Entries | None:
        keys = check_keys(node, allowed, what, self.report)
        lacking = [key for key in needed if key not in keys]
        if lacking and node.kind == "map" and not node.partial:
            self.report(node, f"{what} needs {', '.join(needed)}; {' and '.join(lacking)} is not there")
        return None if lacking else keys

    def _secret(self, node: Node, key: str) -> Secret | None:
        name = env_name(node.text) if node.kind == "scalar" else None
        if name is None:
            self.report(node, f"{key} takes $env.NAME: a secret is never written into a file; found {_kind(node)}")
            return None
        return Secret(name)

    def _plain(self, node: Node, key: str) -> str | Secret | None:
        if node.kind != "scalar" or not node.text or (node.text.startswith("$") and env_name(node.text) is None):
            self.report(node, f"{key} takes text or $env.NAME; found {node.describe()}")
            return None
        name = env_name(node.text)
        return node.text if name is None else Secret(name)

    # -- how much ------------------------------------------------------------------------------------------------------

    def _length(self, keys: Entries, key: str, *, most: int, default: int) -> int:
        if key not in keys:
            return default
        node = keys[key][1]
        try:
            seconds = int(duration(node.text).total_seconds()) if node.kind == "scalar" else 0
        except Unreadable as error:
            self.report(node, f"{key}: {error}")
            return default
        if not 1 <= seconds <= most:
            self.report(node, f"{key} takes a length of time from 1s to {most}s; found {node.describe()}")
            return default
        return seconds

    def _size(self, keys: Entries) -> int:
        if "max_size" not in keys:
            return 1_000_000
        node = keys["max_size"][1]
        if not isinstance(node.value, int) or isinstance(node.value, bool) or not 1 <= node.value <= MAX_ANSWER:
            self.report(node, f"max_size takes a number of bytes from 1 to {MAX_ANSWER}; found {node.describe()}")
            return 1_000_000
        return node.value

    def _rate(self, keys: Entries) -> float:
        if "rate" not in keys:
            return 10.0
        node = keys["rate"][1]
        if isinstance(node.value, bool) or not isinstance(node.value, int | Decimal) or not 0 < node.value <= 1000:
            self.report(node, f"rate takes requests a second, above 0 and at most 1000; found {node.describe()}")
            return 10.0
        return max(float(node.value), 0.001)


def _kind(node: Node) -> str:
    """What stands where a secret should be named, without showing what may be one."""
    return "text that is not of that form" if node.kind == "scalar" and node.text else node.describe()
