"""Keys and certificates that senders publish, fetched beside the requests and kept.

A request never waits for one: until it is here the sender is told to come again. What may be asked is bounded twice, by
the rules file, which writes out an address (``jwks``) or the hosts of a certificate (``published``), and here: public
addresses only, over TLS, no redirects, little at a time. What was fetched is used for a day at most, so that a key that
its sender took back does not hold for ever.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import Callable, Collection
from typing import Final

import httpx
import msgspec

from gateway import __version__
from gateway.errors import FetchError, NotVerifiable
from gateway.inbound.api_transport import failure_of, network, read_answer
from gateway.inbound.rates import Rates

PATIENCE: Final = 5.0
"""Seconds for one answer."""
MAX_SIZE: Final = 262_144
"""Bytes of a set of keys or a certificate."""
MAX_KEPT: Final = 64
"""Addresses; the one that was asked longest ago goes first. Certificates' addresses come from requests."""
MAX_ASKING: Final = 8
"""At a time."""
AGAIN: Final = 60.0
"""Seconds until an address is asked again, whether it answered or failed: no stranger makes us ask more often."""
FRESH: Final = 3_600.0
"""Seconds after which what a rules file names is asked for again."""
LONGEST: Final = 86_400.0
"""Seconds for which an answer is used that can't be renewed."""
LINES: Final = 1.0
"""Of the log, a second, for addresses that strangers may have made up."""

_log = logging.getLogger(__name__)


class _Kept(msgspec.Struct):
    asked: float
    """When it was last asked for."""
    text: str | None = None
    fetched: float = 0.0
    failure: str = ""


class PublishedKeys:
    """What senders publish, by address; a :class:`~gateway.inbound.schemes.Published`.

    ``addresses`` gives those that the rules name, to be fetched beforehand and kept fresh. Make it anywhere, use it in
    one event loop. ``tls`` replaces the default context, ``monotonic`` the clock.
    """

    def __init__(
        self,
        *,
        addresses: Callable[[], Collection[str]] = tuple,
        tls: ssl.SSLContext | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._addresses = addresses
        self._monotonic = monotonic
        self._tls = tls
        self._transport: httpx.AsyncBaseTransport | None = None
        self._kept: dict[str, _Kept] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        self._lines = Rates(monotonic)
        self._renewing: asyncio.Task[None] | None = None

    def text(self, url: str) -> str:
        """What stands at an address.

        :raises NotVerifiable: it is not here yet, or could not be had; it is asked for.
        """
        kept = self._kept.get(url)
        now = self._monotonic()
        if kept is not None and kept.text is not None and now - kept.fetched < LONGEST:
            if now - kept.fetched > FRESH:
                self._ask(url)
            return kept.text
        self._ask(url)
        failure = f": {kept.failure}" if kept is not None and kept.failure else ""
        raise NotVerifiable(f"the key at {url} is not here yet{failure}")

    def renew(self, url: str) -> bool:
        """Ask for it again; False where that was just done, or too much is asked already."""
        return self._ask(url)

    def look(self) -> None:
        """The rules changed: fetch what they name."""
        for url in self._addresses():
            if url not in self._kept:
                self._ask(url)

    async def start(self) -> None:
        """Begin to fetch what the rules name, and keep it fresh."""
        self.look()
        self._renewing = asyncio.create_task(self._renew(), name="published keys")

    async def stop(self) -> None:
        """Ask no more, and close. Idempotent."""
        tasks = [*self._asking.values(), *([self._renewing] if self._renewing else [])]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        self._renewing = None
        if self._transport is not None:
            await self._transport.aclose()
            self._transport = None

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(FRESH)
            for url in self._addresses():
                self._ask(url)

    def _ask(self, url: str) -> bool:
        now = self._monotonic()
        kept = self._kept.get(url)
        if url in self._asking:
            return True
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return False  # a request of the quarantine is looked at on a thread, where nobody waits for keys
        named = set(self._addresses())
        if (len(self._asking) >= MAX_ASKING and url not in named) or (kept is not None and now - kept.asked < AGAIN):
            return False
        if kept is None:
            while len(self._kept) >= MAX_KEPT + len(named):
                # Addresses that strangers make up go before those that hold a key, and what the rules name stays.
                del self._kept[
                    min(self._kept, key=lambda one: (one in named, bool(self._kept[one].text), self._kept[one].asked))
                ]
            kept = self._kept[url] = _Kept(asked=now)
        kept.asked = now
        task = loop.create_task(self._fetch(url, kept), name=f"published key {url}")
        self._asking[url] = task
        task.add_done_callback(lambda _: self._asking.pop(url, None))
        return True

    async def _fetch(self, url: str, kept: _Kept) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                kept.text = await self._answer(url)
            kept.fetched, kept.failure = self._monotonic(), ""
        except TimeoutError:
            kept.failure = f"no answer within {PATIENCE:g} s"
        except FetchError as error:
            kept.failure = str(error)
        if kept.failure and (url in self._addresses() or not self._lines.wait("", LINES)):
            _log.warning("the key at %s could not be fetched: %s", url, kept.failure)

    async def _answer(self, url: str) -> str:
        if self._transport is None:
            self._transport = network(connections=MAX_ASKING, tls=self._tls)
        headers = {"accept": "*/*", "user-agent": f"intilery-webhook-gateway/{__version__}"}
        try:
            request = httpx.Request("GET", url, headers=headers)
        except (httpx.InvalidURL, ValueError):
            raise FetchError("no address that can be asked") from None
        try:
            response = await self._transport.handle_async_request(request)
        except Exception as error:
            raise failure_of(error, host=request.url.host) from error
        response.request = request
        body = await read_answer(response, max_size=MAX_SIZE)
        if response.status_code != 200:
            raise FetchError(f"{request.url.host} answered {response.status_code}", status=response.status_code)
        with contextlib.suppress(UnicodeDecodeError):
            return body.decode()
        raise FetchError(f"{request.url.host} sent what is no text")
