"""HTTP as it comes off the wire: uvicorn's protocol over httptools, with an end to whatever a sender may draw out.

httptools (llhttp) is strict about what smuggles requests: two lengths, folded headers, bare line feeds. What it leaves
to its user is here: how long a head may be and take, how many headers, trailers and requests in advance. And two things
that would lose or forge data. Trailers are not headers (RFC 9110, 6.5.1), or anybody could send one that a proxy takes
out of the head. An offer to change the protocol, which Java's HttpClient makes with each first request, is declined by
reading on (RFC 9110, 7.8); httptools takes such a request for one without a body.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from gateway.problem import PROBLEM_TYPE, problem_body

MAX_HEAD = 65_536
"""Bytes of a request's line and headers."""
HEAD_SECONDS = 10.0
"""For a request's line and headers, from the connection's or the request's first byte on."""
MAX_HEADERS = 100
MAX_IN_ADVANCE = 8
"""Requests that one connection may send before it was answered."""
FRAMING = 8
"""Bytes of chunk sizes, extensions and trailers that each byte of a body may bring along"""
MAX_FRAMING = 262_144
"""beside these. As many come at once, and may end the request before."""
_TOO_MANY_HEADERS = f"The request has over {MAX_HEADERS} headers."
_NOWHERE: Any = deque(maxlen=0)
"""Takes what is not kept."""
_OFFER = frozenset({b"connection", b"upgrade", b"http2-settings"})


class Unacceptable(Exception):
    """A request that is not read on; the message says why, and never what stood in it."""


class GuardedProtocol(HttpToolsProtocol):
    """One connection. A connection that is idle between requests is uvicorn's own affair.

    Where there are more than ``most``, the one that has waited for longest without a request is closed: else whoever
    opens as many as there are file descriptors would keep everybody out.
    """

    most = 65_536
    head_seconds = HEAD_SECONDS
    _waiting: ClassVar[dict[GuardedProtocol, None]] = {}
    """Connections without a request, of all servers of this process, the oldest first."""
    _head = 0
    """Bytes of a head that has no end yet."""
    _in_head = True
    _framing = 0
    """Bytes since the head that were no body, less what the body allows."""
    _offered = False
    """Whether this request offers another protocol, and is read again without that."""
    _between = False
    """Whether a request is whole and the next has not begun."""
    _began = False
    """Whether one began in the bytes that came last."""
    _large = False
    """Whether so many bytes came at once that a head in them may be too large."""
    _reason = "The request is not HTTP/1.1 as it should be."
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect_head()
        self._waiting[self] = None
        if len(self.connections) > self.most:
            # It may be this one, where all others have a request.
            next(one for one in self._waiting if one.connections is self.connections).transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        self._waiting.pop(self, None)
        super().connection_lost(exc)

    # -- what the parser tells -----------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MAX_IN_ADVANCE:
            self._refuse(f"More than {MAX_IN_ADVANCE} requests were sent in advance.")
        self._head, self._framing, self._in_head, self._between, self._began = 0, 0, True, False, True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        if len(self.headers) > MAX_HEADERS:
            self._refuse(_TOO_MANY_HEADERS)
        if self._large and sum(len(name) + len(value) + 4 for name, value in self.headers) + len(self.url) > MAX_HEAD:
            self._refuse(f"The request's headers have over {MAX_HEAD:,} bytes.")
        if self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT":
            self._offered = True
            return
        self._in_head = False
        self._head_came()
        self._waiting.pop(self, None)
        super().on_headers_complete()
        self.headers = _NOWHERE  # what comes now are trailers

    def on_message_complete(self) -> None:
        if not self._offered:
            self._between = True
            super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self.transport.is_closing() and (self.cycle is None or self.cycle.response_complete):
            self._waiting[self] = None

    # -- what comes ----------------------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        self._began, self._large = False, len(data) > MAX_HEAD
        held = 0 if self._in_head or self._between else len(self.cycle.body)
        self._unset_keepalive_if_required()
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self.logger.info("a connection brought what is not read: %s", self._reason)
            self.send_400_response(self._reason)
            return
        # A whole head costs no timer. Line ends between requests begin none, and end uvicorn's wait all the same.
        if self._in_head or (self._between and not self._began):
            self._expect_head()
        # All of it was head where the head still has no end: one header alone reaches no callback before that.
        if self._in_head:
            self._head += len(data)
            if self._head > MAX_HEAD:
                self.send_400_response(f"The request's headers have over {MAX_HEAD:,} bytes.")
            elif self.headers is not None and len(self.headers) > MAX_HEADERS:
                self.send_400_response(_TOO_MANY_HEADERS)
        elif not self._between:
            body = len(self.cycle.body) - (0 if self._began else held)
            self._framing += len(data) - body * (1 + FRAMING)
            if self._framing > MAX_FRAMING:
                if self.cycle.response_complete:
                    self.transport.close()  # of a body that nobody wanted
                else:
                    self.send_400_response("The chunks of the body are mostly not body.")

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            if not self._offered:
                raise httptools.HttpParserError from None
            self._offered = False
            self._feed(self._declined() + data[offer.args[0] :])

    def _declined(self) -> bytes:
        """The head of the request at hand as it would be without its offer, for a parser that has seen nothing yet."""
        lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
        lines += [b"%s: %s" % header for header in self.headers if header[0] not in _OFFER]
        if not self.parser.should_keep_alive():
            lines.append(b"connection: close")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
        return b"\r\n".join(lines) + b"\r\n\r\n"

    def send_400_response(self, msg: str) -> None:
        """As uvicorn answers what it can't read, in the form of our own refusals."""
        if self.transport.is_closing():
            return
        body = problem_body(status=400, title="Unreadable request", detail=msg)
        head = f"HTTP/1.1 400 Bad Request\r\ncontent-type: {PROBLEM_TYPE}\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()

    def _refuse(self, reason: str) -> None:
        self._reason = reason
        raise Unacceptable(reason)  # httptools makes an HttpParserError of it

    # -- the head's time -----------------------------------------------------------------------------------------------

    def _expect_head(self) -> None:
        if self._deadline is None and not self.transport.is_closing():
            self._deadline = self.loop.call_later(self.head_seconds, self._head_late)

    def _head_came(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _head_late(self) -> None:
        self._deadline = None
        if self.cycle is not None and not self.cycle.response_complete:
            # The request before it is still being answered, on this connection.
            self._expect_head()
        else:
            self.transport.close()
