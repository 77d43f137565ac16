"""Whose fault an error of PostgreSQL is: an operation's own, nobody's for the moment, or that of two that met.

Classes of SQLSTATE: https://www.postgresql.org/docs/current/errcodes-appendix.html
"""

from __future__ import annotations

import psycopg

from gateway.errors import Conflict, StoreError, StoreUnavailable

_MET = frozenset({"40001", "40P01"})
"""Two transactions met, and this one was broken off: run again, it finds what the other one did."""
_LOST = frozenset({"57P01", "57P02", "57P03", "57P05", "25006", "57P04"})
"""The server goes, or is a standby now: another connection may lead to a better one."""
_NOBODYS_FAULT = ("08", "53", "55", "57", "58", "F0", "XX", "28", "3D", "25", "42")
"""Connections, resources, locks, an operator, the system, rights and tables: not what was asked, but when."""


_RACES = frozenset({"line_head", "dedup_pkey"})
"""Unique constraints that two gateways may run into at once: the one that waited looks again."""


class Met(Exception):
    """What this transaction went by has changed under it; it is to be run again."""


def has_met(error: BaseException) -> bool:
    """Whether running the transaction again finds another state of things."""
    if isinstance(error, Met):
        return True
    if not isinstance(error, psycopg.Error):
        return False
    return error.sqlstate in _MET or (error.sqlstate == "23505" and error.diag.constraint_name in _RACES)


def lacks_part(error: BaseException) -> bool:
    """Whether a row found no table of its day."""
    return isinstance(error, psycopg.errors.CheckViolation) and "no partition" in (error.diag.message_primary or "")


def is_lost(error: BaseException) -> bool:
    """Whether the connection is of no use any more."""
    if not isinstance(error, psycopg.Error):
        return False
    return error.sqlstate in _LOST or (error.sqlstate is None and isinstance(error, psycopg.OperationalError))


def is_nobodys_fault(error: BaseException) -> bool:
    """Whether everybody would get this error now."""
    if not isinstance(error, psycopg.Error):
        return False
    if error.sqlstate is None:
        return isinstance(error, psycopg.OperationalError)
    return error.sqlstate.startswith(_NOBODYS_FAULT)


def unavailable(name: str, error: BaseException) -> StoreUnavailable:
    said = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
        said += "; target_session_attrs=read-write in the address finds the server that takes writes"
    if isinstance(error, psycopg.errors.LockNotAvailable):
        said += "; another session has the tables, a pg_dump that reads them, say: try when it has ended"
    return StoreUnavailable(f"{name}: {said}")


def worded(name: str, error: Exception) -> Exception:
    """An operation's own error, in our words."""
    if isinstance(error, psycopg.IntegrityError):
        return Conflict(f"{name}: {error.diag.message_primary}")
    if isinstance(error, psycopg.Error):
        return StoreError(f"{name}: {error.diag.message_primary or error}")
    return error
