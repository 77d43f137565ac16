"""What a source fetches from its sender's API, compiled, and the request that it makes of one webhook. Pure.

A request names its secrets and does not hold them: who sends it puts them in. So a request can be shown, logged and
kept, and translating needs no credential.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Any, TypeAlias
from urllib.parse import quote, unquote, urlencode

import msgspec

from gateway.errors import MappingError
from gateway.rules.conditions import All
from gateway.rules.expressions import Expression
from gateway.rules.scope import Evaluate, EvaluationFailed, Scope
from gateway.rules.values import MISSING, as_text, describe, is_nothing

MAX_URL = 8_000
"""Characters of an address; servers refuse longer ones."""

_encode = msgspec.json.Encoder(decimal_format="number").encode
_SEPARATORS = re.compile(r"[/\\]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
# A dot, a slash and a backslash as old servers read them from overlong UTF-8.
_OVERLONG = ((re.compile("%c0%ae", re.IGNORECASE), "."), (re.compile("%c0%af|%c1%9c", re.IGNORECASE), "/"))


class Secret(msgspec.Struct, frozen=True):
    """A credential by its name."""

    name: str

    def __str__(self) -> str:
        return f"$env.{self.name}"


Text: TypeAlias = tuple[str | Secret | Expression, ...]
"""A text with holes."""
Filled: TypeAlias = tuple[str | Secret, ...]
"""The same for one webhook: only secrets are left open."""


class Bearer(msgspec.Struct, frozen=True, kw_only=True):
    """``Authorization: Bearer TOKEN`` (RFC 6750)."""

    token: Secret

    def __str__(self) -> str:
        return f"bearer {self.token}"


class Basic(msgspec.Struct, frozen=True, kw_only=True):
    """HTTP basic authentication (RFC 7617)."""

    user: str | Secret
    password: Secret

    def __str__(self) -> str:
        return f"basic {self.user}:{self.password}"


class OAuth(msgspec.Struct, frozen=True, kw_only=True):
    """OAuth 2 client credentials (RFC 6749, 4.4): a token that is asked for, and asked for again before it expires."""

    token_url: str
    origin: str
    client_id: str | Secret
    client_secret: Secret
    scope: str = ""
    in_body: bool = False
    """Whether the token endpoint wants id and secret in the form and not as HTTP basic authentication."""

    def __str__(self) -> str:
        return f"a token for {self.client_id} from {self.token_url}"


Auth: TypeAlias = Bearer | Basic | OAuth


class Fetch(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to get before the rules run."""

    name: str
    """Its answer is ``$fetch.NAME``."""
    method: str
    """``GET`` or ``POST``."""
    origin: str
    """Scheme and authority, literal text of the file: ``https://api.example.com``. Nothing leaves it."""
    host: str
    url: tuple[str | Expression, ...]
    """The whole address: text, and what is put into it percent-encoded."""
    when: All = All(())
    headers: tuple[tuple[str, Text], ...] = ()
    query: tuple[tuple[str, Text], ...] = ()
    body: Evaluate | None = None
    form: bool = False
    """Whether the body is sent as a form and not as JSON."""
    auth: Auth | None = None
    cache: int = 0
    """Seconds for which an answer may be used again; 0: never."""
    timeout: float = 10.0
    """Seconds, for one attempt with all its redirects."""
    max_size: int = 1_000_000
    """Bytes of an answer."""
    rate: float = 10.0
    """Requests a second to its host."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The names of the credentials that it needs, each once."""
        found = [part for _, text in (*self.headers, *self.query) for part in text]
        if self.auth is not None:
            found += msgspec.structs.astuple(self.auth)
        return tuple(dict.fromkeys(part.name for part in found if isinstance(part, Secret)))


class FetchRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What a fetch asks for one webhook."""

    fetch: Fetch
    url: str
    """Without what ``query`` adds."""
    query: tuple[tuple[str, Filled], ...] = ()
    headers: tuple[tuple[str, Filled], ...] = ()
    body: bytes | None = None

    @property
    def shown(self) -> str:
        """The address, its secrets by name: ``https://api.example.com/orders/7?key=$env.KEY``."""
        written = "&".join(f"{name}={''.join(_shown(part) for part in value)}" for name, value in self.query)
        return self.url + (("&" if "?" in self.url else "?") + written if written else "")

    @property
    def digest(self) -> str:
        """24 hex digits that say whether two requests ask the same, secrets counted by name."""
        headers = [f"{name.lower()}: {''.join(map(str, value))}" for name, value in self.headers]
        parts = (self.fetch.method, self.shown, self.credentials, *headers)
        digest = hashlib.blake2b(self.body or b"", digest_size=12)
        for part in parts:
            digest.update(b"\x00" + part.encode())
        return digest.hexdigest()

    @property
    def credentials(self) -> str:
        """What proves who asks, in words: ``bearer $env.TOKEN, header X-Key $env.KEY``; empty where nothing does."""
        found = [] if self.fetch.auth is None else [str(self.fetch.auth)]
        for kind, pairs in (("header", self.headers), ("query", self.query)):
            for name, value in pairs:
                found += [f"{kind} {name} {part}" for part in value if isinstance(part, Secret)]
        return ", ".join(found)


def _shown(part: str | Secret) -> str:
    return str(part) if isinstance(part, Secret) else quote(part, safe="", errors="replace")


def request_of(fetch: Fetch, scope: Scope) -> FetchRequest:
    """The request that a fetch makes of one webhook.

    :raises MappingError: a value that its address needs is nothing, or could lead elsewhere; ``field`` is
        ``fetch.NAME``.
    """
    try:
        query = tuple((name, _needed(text, scope)) for name, text in fetch.query)
        headers = tuple((name, value) for name, text in fetch.headers if (value := _filled(text, scope)) is not None)
        for name, value in headers:
            if not all(isinstance(part, Secret) or (part.isascii() and part.isprintable()) for part in value):
                raise EvaluationFailed(f"the header {name} would hold more than printable ASCII", path=name)
        request = FetchRequest(
            fetch=fetch,
            url=_address(fetch, scope),
            query=tuple((quote(name, safe="", errors="replace"), value) for name, value in query),
            headers=headers,
            body=None if fetch.body is None else _body(fetch, scope),
        )
        if len(request.shown) > MAX_URL:
            raise EvaluationFailed(f"the address has over {MAX_URL:,} characters", path="")
    except EvaluationFailed as failed:
        raise MappingError(f"fetch {fetch.name}: {failed}", field=f"fetch.{fetch.name}", path=failed.path) from None
    return request


def _address(fetch: Fetch, scope: Scope) -> str:
    written: list[str] = []
    path = ""
    for part in fetch.url:
        if isinstance(part, str):
            written.append(part)
            continue
        text = _plain(part, scope)
        if "?" not in "".join(written) and leads_elsewhere(text):
            raise EvaluationFailed(f"{part.text} is {describe(text)}, which could lead elsewhere", path=part.text)
        written.append(quote(text, safe="", errors="replace"))
        path = part.text
    address = "".join(written)
    if any(map(leads_elsewhere, address.partition("?")[0].removeprefix(fetch.origin).split("/"))):
        raise EvaluationFailed("the address holds a part that is '.' or '..'", path=path)
    return address


def leads_elsewhere(text: str) -> bool:
    """Whether some server could read a part of a path as ``.`` or ``..``, after any decoding, or break it."""
    for _ in range(5):
        for overlong, meant in _OVERLONG:
            text = overlong.sub(meant, text)
        decoded = unquote(text)
        if decoded == text:
            break
        text = decoded
    else:
        return True  # nobody encodes an id five times
    if _CONTROL.search(text):
        return True
    parts = _SEPARATORS.split(unicodedata.normalize("NFKC", text))
    return any(part.partition(";")[0].strip() in (".", "..") for part in parts)


def _plain(expression: Expression, scope: Scope) -> str:
    """A value of the address.

    :raises EvaluationFailed: it is nothing, or no text.
    """
    value = expression.evaluate(scope)
    text = None if is_nothing(value) else as_text(value)
    if text is None or not text.strip():
        raise EvaluationFailed(
            f"{expression.text} is {describe(value)}; the address needs text or a number there", path=expression.text
        )
    return text


def _needed(text: Text, scope: Scope) -> Filled:
    return tuple(_plain(part, scope) if isinstance(part, Expression) else part for part in text)


def _filled(text: Text, scope: Scope) -> Filled | None:
    """As a template is: None where a hole is nothing."""
    filled: list[str | Secret] = []
    for part in text:
        if not isinstance(part, Expression):
            filled.append(part)
            continue
        value = part.evaluate(scope)
        if is_nothing(value):
            return None
        written = as_text(value)
        if written is None:
            raise EvaluationFailed(f"{part.text} is {describe(value)}; it takes text or a number", path=part.text)
        filled.append(written)
    return tuple(filled)


def _body(fetch: Fetch, scope: Scope) -> bytes:
    assert fetch.body is not None
    value: Any = fetch.body(scope)
    if not fetch.form:
        return b"" if value is MISSING else _encode(value)
    pairs: list[tuple[str, str]] = []
    for name, item in value.items() if isinstance(value, dict) else ():
        for one in item if isinstance(item, list) else [item]:
            text = as_text(one)
            if text is None:
                raise EvaluationFailed(f"the form field {name} is {describe(one)}; it takes text or a number", path="")
            pairs.append((name, text))
    return urlencode(pairs, errors="replace").encode()
