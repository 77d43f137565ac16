"""What is remembered, and the door to it: the protocol that every store keeps, its values, and :func:`open_store`.

What a store promises stands in :mod:`gateway.store.protocol`.
"""

from __future__ import annotations

from datetime import timedelta

from gateway.errors import SettingsError
from gateway.store.protocol import Store
from gateway.store.protocol.acts import ACTS_ON, Act, Acted, Acts
from gateway.store.protocol.archive import ID_DIGITS, Archive, Cause, CommandFilter, Found, WebhookFilter
from gateway.store.protocol.inbox import WITHDRAWN, Inbox, Receipt, Reception, Retranslation, Unfetched
from gateway.store.protocol.outbox import Claim, Claimed, Limits, Markers, Outbox, Verdict
from gateway.store.protocol.page import Page
from gateway.store.protocol.pauses import Foreseen, Pause, Pauses, PauseScope
from gateway.store.protocol.quarantine import (
    Quarantine,
    QuarantineCount,
    Quarantined,
    QuarantineLimits,
    quarantined_size,
)
from gateway.store.protocol.replays import Replay, Replays
from gateway.store.protocol.retention import Forgotten, Pruned, Retention
from gateway.store.protocol.shadow import (
    SHADOW_KEPT,
    SHADOW_VERSIONS,
    DifferenceKind,
    ShadowCount,
    ShadowDifference,
    ShadowFilter,
    ShadowLog,
)
from gateway.store.protocol.versions import Span, VersionHistory, Versions

__all__ = [
    "ACTS_ON",
    "ID_DIGITS",
    "SHADOW_KEPT",
    "SHADOW_VERSIONS",
    "WITHDRAWN",
    "Act",
    "Acted",
    "Acts",
    "Archive",
    "Cause",
    "Claim",
    "Claimed",
    "CommandFilter",
    "DifferenceKind",
    "Foreseen",
    "Forgotten",
    "Found",
    "Inbox",
    "Limits",
    "Markers",
    "Outbox",
    "Page",
    "Pause",
    "PauseScope",
    "Pauses",
    "Pruned",
    "Quarantine",
    "QuarantineCount",
    "QuarantineLimits",
    "Quarantined",
    "Receipt",
    "Reception",
    "Replay",
    "Replays",
    "Retention",
    "Retranslation",
    "ShadowCount",
    "ShadowDifference",
    "ShadowFilter",
    "ShadowLog",
    "Span",
    "Store",
    "Unfetched",
    "Verdict",
    "VersionHistory",
    "Versions",
    "WebhookFilter",
    "open_store",
    "quarantined_size",
    "without_driver",
]


def open_store(url: str, *, identify_gap: timedelta = timedelta(milliseconds=500)) -> Store:
    """The store that a URL names, not opened yet.

    ``sqlite:///relative.db``, ``sqlite:////absolute.db``, ``postgresql://USER@HOST/DATABASE``: as libpq takes it, with
    several hosts, ``target_session_attrs``, TLS.

    :raises SettingsError: a URL of another form, or the driver is not installed.
    """
    if url.startswith("sqlite:///"):
        from gateway.store.sqlite import SQLiteStore

        return SQLiteStore(url.removeprefix("sqlite:///"), identify_gap=identify_gap)
    scheme = url.split(":", 1)[0]
    if scheme not in ("postgresql", "postgres"):
        raise SettingsError(
            f"GATEWAY_STORE: {scheme!r} is not a store; allowed: sqlite:///FILE, postgresql://USER@HOST/DATABASE"
        )
    try:
        from gateway.store.postgres import PostgresStore
    except ImportError as error:
        raise without_driver(error) from error
    return PostgresStore(url, identify_gap=identify_gap)


def without_driver(error: ImportError) -> SettingsError:
    """What to say where the driver for PostgreSQL, an extra of the package, is not installed."""
    return SettingsError(
        f"postgresql: needs psycopg, which can't be imported ({error}); "
        "pip install 'intilery-webhook-gateway[postgres]'"
    )
