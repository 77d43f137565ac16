"""How far the fetching of a webhook has come, as a row, and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from gateway.model import Fetched, Fetching, WebhookState
from gateway.store.rows import Row, maybe_micros, maybe_moment, micros, moment


class _Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A :class:`Fetched` as JSON that people can read: the answer stands in it as it is."""

    name: str
    url: str
    method: str = "GET"
    digest: str = ""
    status: int | None = None
    at: datetime | None = None
    attempts: int = 0
    message: str | None = None
    missing: bool = False
    answer: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[_Row]).decode


class Noted(msgspec.Struct, frozen=True, kw_only=True):
    """How far a webhook's fetching has come."""

    id: str
    row: Row
    since: int
    state: WebhookState
    reason: str | None
    again: bool

    @property
    def size(self) -> int:
        return len(self.row[-1])


def row_of(id: str, fetching: Fetching) -> Row:
    """``(webhook's id, since, due_at, fetches)``."""
    fetches = [
        _Row(
            name=one.name,
            url=one.url,
            method=one.method,
            digest=one.digest,
            status=one.status,
            at=one.at,
            attempts=one.attempts,
            message=one.message,
            missing=one.missing,
            answer=msgspec.UNSET if one.answer is None else msgspec.Raw(one.answer),
        )
        for one in fetching.fetches
    ]
    return id, micros(fetching.since), maybe_micros(fetching.due_at), _encode(fetches)


def noted_of(id: str, fetching: Fetching, *, state: WebhookState, reason: str | None, again: bool) -> Noted:
    row = row_of(id, fetching)
    return Noted(id=id, row=row, since=row[1], state=state, reason=reason, again=again)


def fetching_of(row: Sequence[Any]) -> Fetching:
    """From ``(since, due_at, fetches)``."""
    since, due_at, fetches = row
    return Fetching(
        since=moment(since),
        due_at=maybe_moment(due_at),
        fetches=tuple(
            Fetched(
                name=one.name,
                url=one.url,
                method=one.method,
                digest=one.digest,
                status=one.status,
                at=one.at,
                attempts=one.attempts,
                message=one.message,
                missing=one.missing,
                answer=None if one.answer is msgspec.UNSET else bytes(one.answer),
            )
            for one in _decode(fetches)
        ),
    )
