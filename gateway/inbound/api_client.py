"""The door to senders' APIs: one request out, its JSON back, or an error that says whether to ask again.

httpx is the interface, aiohttp carries the bytes, as in :mod:`gateway.intilery.client`. What an answer means:

* ``2xx`` is an answer and must be JSON; an empty one is null. ``404`` and ``410``: it is not there.
* ``408``, ``425``, ``429``, ``5xx`` and whatever breaks the connection: ask again. ``Retry-After`` is told; after a
  ``429`` or ``503`` with one the whole host is left alone until then.
* All else is refused, and a person has to mend something: the credential, the address, the limits.

A redirect is followed on the host that the rules file names, at most three times, and credentials never follow it.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple
from urllib.parse import quote

import httpx
import msgspec

from gateway import __version__
from gateway.backoff import retry_after
from gateway.errors import FetchError, FetchRefused, FetchUnavailable, Unparseable
from gateway.inbound.answers_kept import Asked, KeptAnswers
from gateway.inbound.api_transport import failure_of, network, read_answer
from gateway.inbound.exact_json import read_json
from gateway.rules.fetches import Basic, Bearer, FetchRequest, Filled, OAuth, Secret

__all__ = ["APIClient", "Asked"]

MAX_REDIRECTS = 3
MAX_TOKEN_ANSWER = 65_536
"""Bytes of what a token endpoint says."""
MAX_OPENED = 65_536
"""Bytes of what an address says that is only opened."""
OPEN_TIMEOUT = 10.0
"""Seconds for that."""
EARLY = 60.0
"""Seconds before its end after which a token is asked for anew; for short ones a tenth of its life."""
TOKEN_LIFE = 300.0
"""Seconds that a token is used whose answer does not say how long it holds."""

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MISSING = frozenset({404, 410})
_AGAIN = frozenset({408, 425, 429})
_UNAUTHORISED = frozenset({401, 403})

_encode = msgspec.json.Encoder(decimal_format="number").encode


class _Answer(NamedTuple):
    status: int
    headers: httpx.Headers
    body: bytes
    redirected: bool


class _Token(NamedTuple):
    value: str
    until: float


class APIClient:
    """Asks senders' APIs, each host at its rate.

    ``credential`` gives a secret by its name, or None where it is unset. Make it anywhere, use it in one event loop,
    close it there. ``tls`` replaces the default context, ``transport`` the network.
    """

    def __init__(
        self,
        *,
        credential: Callable[[str], str | None],
        connections: int = 64,
        tls: ssl.SSLContext | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._credential = credential
        self._monotonic = monotonic
        self._transport = transport or network(connections=connections, tls=tls)
        self._turns: dict[str, float] = {}
        self._closed: dict[str, float] = {}
        self._kept = KeptAnswers(monotonic=monotonic)
        self._tokens: dict[str, _Token] = {}
        self._asking: dict[str, asyncio.Lock] = {}

    async def ask(self, request: FetchRequest) -> Asked:
        """Send a request, after waiting for its host's turn.

        :raises FetchRefused: asking again would change nothing.
        :raises FetchUnavailable: it may work later.
        """
        fetch = request.fetch
        if fetch.cache and (kept := self._kept.find(request.digest)) is not None:
            return kept
        await self._turn(fetch.origin, fetch.rate)
        try:
            async with asyncio.timeout(fetch.timeout):
                answer = await self._authorised(request)
        except TimeoutError:
            raise FetchUnavailable(f"{fetch.host} gave no answer within {fetch.timeout:g} s") from None
        asked = self._judged(request, answer)
        if fetch.cache and asked.answer is not None:
            self._kept.keep(request.digest, asked, seconds=fetch.cache)
        return asked

    async def open(self, address: str) -> None:
        """Ask for an address, and for nothing of what it answers but that it does; no redirect is followed.

        :raises FetchRefused: asking again would change nothing.
        :raises FetchUnavailable: it may work later.
        """
        url = httpx.URL(address)
        try:
            async with asyncio.timeout(OPEN_TIMEOUT):
                status, _, _ = await self._send("GET", url, [], b"", max_size=MAX_OPENED)
        except TimeoutError:
            raise FetchUnavailable(f"{url.host} gave no answer within {OPEN_TIMEOUT:g} s") from None
        if status in _AGAIN or status >= 500:
            raise FetchUnavailable(f"{url.host} answered {status}", status=status)
        if not 200 <= status < 300:
            raise FetchRefused(f"{url.host} answered {status}", status=status)

    def closed_for(self, origin: str) -> float:
        """Seconds for which a host asked to be left alone; 0 where it may be asked."""
        return max(0.0, self._closed.get(origin, 0.0) - self._monotonic())

    async def aclose(self) -> None:
        """Close every connection."""
        await self._transport.aclose()

    # -- one request ---------------------------------------------------------------------------------------------------

    async def _authorised(self, request: FetchRequest) -> _Answer:
        auth = request.fetch.auth
        if not isinstance(auth, OAuth):
            return await self._exchange(request, None)
        answer = await self._exchange(request, await self._token(auth, request))
        if answer.status == 401 and not answer.redirected:
            # It may have been revoked, or have ended sooner than it said.
            self._tokens.pop(str(auth), None)
            answer = await self._exchange(request, await self._token(auth, request))
        return answer

    async def _exchange(self, request: FetchRequest, token: str | None) -> _Answer:
        fetch = request.fetch
        plain = [(name, value) for name, value in request.headers if all(isinstance(part, str) for part in value)]
        proving = [pair for pair in request.headers if pair not in plain]
        headers = self._headers(plain)
        if request.body is not None and not any(name.lower() == "content-type" for name, _ in headers):
            headers.append(("content-type", "application/json"))
        own = self._headers(proving)
        if token is not None:
            own.append(("authorization", f"Bearer {token}"))
        elif isinstance(fetch.auth, Bearer):
            own.append(("authorization", f"Bearer {self._secret(fetch.auth.token)}"))
        elif isinstance(fetch.auth, Basic):
            own.append(("authorization", self._basic(fetch.auth.user, fetch.auth.password)))
        return await self._follow(
            fetch.method,
            self._url(request),
            headers=headers,
            proving=own,
            body=request.body or b"",
            origin=fetch.origin,
            max_size=fetch.max_size,
        )

    async def _follow(
        self,
        method: str,
        address: str,
        *,
        headers: list[tuple[str, str]],
        proving: list[tuple[str, str]],
        body: bytes,
        origin: str,
        max_size: int,
    ) -> _Answer:
        """The answer behind at most :data:`MAX_REDIRECTS` redirects on one host; ``proving`` goes to the first only."""
        base = httpx.URL(origin)
        url = httpx.URL(address)
        for number in range(MAX_REDIRECTS + 1):
            sent = [*headers, *([] if number else proving)]
            status, got, data = await self._send(method, url, sent, body, max_size=max_size)
            location = got.get("location")
            if status not in _REDIRECTS or not location:
                return _Answer(status, got, data, redirected=number > 0)
            try:
                target = url.join(location)
            except httpx.InvalidURL:
                raise FetchRefused(f"{base.host} answered {status} with a redirect to no address") from None
            if (target.scheme, target.host, target.port) != (base.scheme, base.host, base.port):
                raise FetchRefused(
                    f"{base.host} answered {status} with a redirect to another host, {_brief(target)}; a fetch stays "
                    f"on {origin}: write the address that is meant",
                    status=status,
                )
            if status == 303 or (status in (301, 302) and method == "POST"):
                method, body = "GET", b""
                headers = [pair for pair in headers if pair[0].lower() != "content-type"]
            url = target
        raise FetchRefused(f"{base.host} redirects more than {MAX_REDIRECTS} times", status=status)

    async def _send(
        self, method: str, url: httpx.URL, headers: Sequence[tuple[str, str]], body: bytes, *, max_size: int
    ) -> tuple[int, httpx.Headers, bytes]:
        request = httpx.Request(
            method,
            url,
            headers=[
                ("accept", "application/json"),
                ("accept-encoding", "gzip"),
                ("user-agent", f"intilery-webhook-gateway/{__version__}"),
                *headers,
            ],
            content=body or None,
        )
        try:
            response = await self._transport.handle_async_request(request)
            data = await read_answer(response, max_size=max_size)
        except FetchError:
            raise
        except Exception as error:  # whatever breaks here is the network's
            failure = failure_of(error, host=url.host)
        else:
            return response.status_code, response.headers, data
        # Raised out here, so that the cause does not travel along: aiohttp's errors hold the request's headers.
        raise failure

    def _judged(self, request: FetchRequest, answer: _Answer) -> Asked:
        host, status = request.fetch.host, answer.status
        if 200 <= status < 300:
            try:
                value = read_json(answer.body) if answer.body.strip() else None
            except Unparseable as error:
                raise FetchRefused(f"{host} answered {status} with what is not JSON: {error}", status=status) from None
            return Asked(status=status, answer=_encode(value))
        if status in _MISSING:
            return Asked(status=status, answer=None)
        if status in _AGAIN or status >= 500:
            raise self._unavailable(request.fetch.origin, host, answer)
        if status in _UNAUTHORISED:
            raise FetchRefused(f"{host} answered {status}: {_why_unauthorised(request, answer)}", status=status)
        raise FetchRefused(f"{host} answered {status}", status=status)

    def _unavailable(self, origin: str, host: str, answer: _Answer) -> FetchUnavailable:
        wait = retry_after(
            answer.headers.get("retry-after"), date=answer.headers.get("date"), now=datetime.now(UTC)
        )  # fmt: skip
        if wait and answer.status in (429, 503):
            self._closed[origin] = max(self._closed.get(origin, 0.0), self._monotonic() + wait)
        asks = f" and asks to wait {wait:g} s" if wait else ""
        return FetchUnavailable(f"{host} answered {answer.status}{asks}", status=answer.status, retry_after=wait)

    async def _turn(self, origin: str, rate: float) -> None:
        """Wait until this host may be asked once more."""
        now = self._monotonic()
        at = max(self._turns.get(origin, now), now)
        self._turns[origin] = at + 1 / rate
        if at > now:
            await asyncio.sleep(at - now)

    # -- secrets -------------------------------------------------------------------------------------------------------

    def _secret(self, secret: Secret) -> str:
        value = self._credential(secret.name)
        if not value:
            raise FetchUnavailable(f"{secret.name} is not set (nor {secret.name}_FILE)")
        return value

    def _fill(self, text: Filled) -> str:
        return "".join(part if isinstance(part, str) else self._secret(part) for part in text)

    def _headers(self, pairs: Sequence[tuple[str, Filled]]) -> list[tuple[str, str]]:
        filled = [(name, self._fill(value)) for name, value in pairs]
        for name, value in filled:
            if not value.isascii() or not value.isprintable():
                raise FetchRefused(f"the header {name} would hold more than printable ASCII")
        return filled

    def _url(self, request: FetchRequest) -> str:
        added = "&".join(f"{name}={quote(self._fill(value), safe='')}" for name, value in request.query)
        return request.url + (("&" if "?" in request.url else "?") + added if added else "")

    def _basic(self, user: str | Secret, password: Secret) -> str:
        name = user if isinstance(user, str) else self._secret(user)
        return "Basic " + b64encode(f"{name}:{self._secret(password)}".encode()).decode()

    async def _token(self, auth: OAuth, request: FetchRequest) -> str:
        """The token that holds now; whoever needs a new one first asks for all."""
        key = str(auth)
        async with self._asking.setdefault(key, asyncio.Lock()):
            found = self._tokens.get(key)
            if found is None or found.until <= self._monotonic():
                found = self._tokens[key] = await self._new_token(auth, request)
            return found.value

    async def _new_token(self, auth: OAuth, request: FetchRequest) -> _Token:
        form = {"grant_type": "client_credentials"} | ({"scope": auth.scope} if auth.scope else {})
        proving: list[tuple[str, str]] = []
        if auth.in_body:
            form["client_id"] = self._fill((auth.client_id,))
            form["client_secret"] = self._secret(auth.client_secret)
        else:
            proving.append(("authorization", self._basic(auth.client_id, auth.client_secret)))
        answer = await self._follow(
            "POST",
            auth.token_url,
            headers=[("content-type", "application/x-www-form-urlencoded")],
            proving=proving,
            body="&".join(f"{name}={quote(value, safe='')}" for name, value in form.items()).encode(),
            origin=auth.origin,
            max_size=MAX_TOKEN_ANSWER,
        )
        host = httpx.URL(auth.origin).host
        if answer.status in _AGAIN or answer.status >= 500:
            raise self._unavailable(auth.origin, host, answer)
        if not 200 <= answer.status < 300:
            raise FetchRefused(
                f"{host} answered {answer.status} to the request for {auth}: the client's id or secret is not accepted",
                status=answer.status,
            )
        try:
            given = msgspec.json.decode(answer.body)
            token, life = given["access_token"], float(given.get("expires_in") or TOKEN_LIFE)
        except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError, AttributeError):
            token, life = None, 0.0
        if not isinstance(token, str) or not token.isascii() or not token.isprintable() or not token:
            raise FetchRefused(f"{host} answered {answer.status} without an access_token", status=answer.status)
        return _Token(token, self._monotonic() + life - min(EARLY, life / 10))


def _why_unauthorised(request: FetchRequest, answer: _Answer) -> str:
    if answer.redirected:
        return "credentials don't follow a redirect; write the address that it leads to"
    return f"{request.credentials} is not accepted" if request.credentials else "it asks for a credential"


def _brief(url: httpx.URL) -> str:
    return f"{url.scheme}://{url.host}"[:100]
