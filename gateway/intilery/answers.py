"""What an answer of Intilery means for the command that it answers. Pure: no I/O, and ``now`` is given.

The table is that of the documentation. Where it is silent:

- Any ``2xx`` is judged by its body like a ``200``. A body that does not say ``success`` proves nothing (a proxy or a
  maintenance page answers so too, with or without passing the request on): the outcome is unknown.
- ``success: true`` without an ``eventId`` is accepted; there is only nothing to trace it by.
- A redirect is never followed, it could carry the token elsewhere. It, ``405``, ``407`` and ``410`` mean that the
  address is wrong, as ``404`` does: not the command's fault.
- ``408``, ``421`` and ``425`` say that the request was not processed: Intilery's trouble, try again.
- Every other ``4xx`` is a refusal of this command, every other ``5xx`` is trouble.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from gateway.errors import DeliveryError, Refused, Throttled, Unauthorised, Unavailable, UnknownOutcome

LONGEST_MESSAGE = 500
"""Characters that are kept of a message."""
SHORTEST_SECRET = 8
"""Characters. A shorter token (the sandbox's) is a word that a message may well hold."""

_ADDRESS = frozenset({401, 403, 404, 405, 407, 410})
_NOT_PROCESSED = frozenset({408, 421, 425})
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f]+")


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """Intilery took a command: it is queued there, not yet sent to the customer."""

    status: int
    intilery_event_id: str | None = None
    """What Intilery's support needs to trace the message."""
    message: str | None = None
    duration_ms: float = 0.0
    """From the call of ``send`` to the end of the answer."""


def judge(status: int, body: bytes | None, *, wait: float | None = None, secret: str = "") -> Accepted:
    """Return what was accepted, or raise the :class:`DeliveryError` that the answer means.

    ``body`` is None where the answer broke off after its head; the status then decides alone. ``wait`` is the answer's
    ``Retry-After`` in seconds (:func:`gateway.backoff.retry_after`). ``secret`` is cut out of any message, should the
    answer repeat it.
    """
    data = decoded(body)
    message = _message(data, secret)
    if 200 <= status < 300:
        success = data.get("success") if isinstance(data, dict) else None
        if success is True:
            event_id = data.get("eventId") if isinstance(data, dict) else None
            return Accepted(
                status=status,
                intilery_event_id=event_id if isinstance(event_id, str) and event_id else None,
                message=message,
            )
        if success is False:
            raise Refused(message or f"Intilery answered {status} with success: false and no message", status=status)
        what = "an answer that broke off" if body is None else "a body that does not say whether it succeeded"
        raise UnknownOutcome(f"Intilery answered {status} with {what}", status=status)
    raise trouble(status, message, wait=wait)


def trouble(status: int, message: str | None, *, wait: float | None = None) -> DeliveryError:
    """The error that a status outside 200 to 299 means."""
    said = f"Intilery answered {status}" + (f": {message}" if message else "")
    if status == 429:
        return Throttled(said, status=status, retry_after=wait)
    if status >= 500 or status in _NOT_PROCESSED:
        return Unavailable(said, status=status, retry_after=wait)
    if status in _ADDRESS:
        return Unauthorised(said, status=status)
    if status < 400:
        return Unauthorised(f"Intilery answered {status}, a redirect: the address is wrong", status=status)
    return Refused(message or f"{said} without a message", status=status)


def message_of(body: bytes | None, *, secret: str = "") -> str | None:
    """The message in an answer's body, in either of the documented forms, or None."""
    return _message(decoded(body), secret)


def decoded(body: bytes | None) -> Any:
    """The JSON of an answer; None where there is none that can be read."""
    if not body:
        return None
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _message(data: Any, secret: str) -> str | None:
    """``{"message": …}`` of the tracking API, ``{"error": {"message": …}}`` of the read API."""
    if not isinstance(data, dict):
        return None
    error = data.get("error")
    found = data.get("message") or (error.get("message") if isinstance(error, dict) else error)
    if not isinstance(found, str):
        return None
    if len(secret) >= SHORTEST_SECRET:
        found = found.replace(secret, "[token]")
    return _UNPRINTABLE.sub(" ", found).strip()[:LONGEST_MESSAGE] or None
