"""What a message would tell the customer: when, how much, which order, its lines."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from zoneinfo import ZoneInfo

from gateway.rules.draft.finder import Finder, Guess
from gateway.rules.draft.payload import Leaf, expression, normal
from gateway.rules.moments import moment
from gateway.rules.values import as_number, as_text

_CURRENCY = re.compile(r"[A-Za-z]{3}\Z")
_LISTS = frozenset(
    ("lineitems", "items", "products", "lines", "orderitems", "cartitems", "orderlines", "cart", "rooms", "tickets")
)
_LINE = {
    "title": ("title", "name", "productname", "description", "label"),
    "quantity": ("quantity", "qty", "count"),
    "sku": ("sku",),
    "price": ("price", "unitprice", "amount", "total"),
}
_TIMES = (
    "occurredat", "eventtime", "eventtimestamp", "eventts", "createdat", "createdtime", "created", "datecreatedgmt",
    "timestamp", "sentat", "eventat", "eventdate", "submittedat", "updatedat", "time", "date", "ts",
)  # fmt: skip
_NUMBERS = (
    "ordernumber", "number", "bookingnumber", "confirmationcode", "reference", "invoicenumber", "bookingid", "orderid",
)  # fmt: skip
_STARTS = (
    "startsat", "startat", "starttime", "startdate", "start", "starttimeutc", "startutc", "checkin", "arrival",
    "datetime",
)  # fmt: skip
_ENDS = ("endsat", "endat", "endtime", "enddate", "end", "endtimeutc", "endutc", "checkout", "departure")
_TOTALS = (
    "totalprice", "grandtotal", "amounttotal", "totalamount", "ordertotal", "total", "amount", "amountpaid", "price",
)  # fmt: skip


def time(finder: Finder) -> Guess | None:
    """When it happened: a time that names its zone."""
    return finder.guess("time of what happened", _first(finder, _TIMES, _is_time))


def data(finder: Finder, *, minor_units: bool) -> dict[str, Guess]:
    """Facts for the asset, by the names that the command gets."""
    found: dict[str, Guess | None] = {
        "number": finder.guess("number of the order or booking", _first(finder, _NUMBERS, _is_short)),
        "startsAt": _local(finder, "when it begins", _STARTS),
        "endsAt": _local(finder, "when it ends", _ENDS),
    }
    total = _first(finder, _TOTALS, lambda value: as_number(value) is not None)
    currency = _first(finder, ("currency", "currencycode", "presentmentcurrency"), _is_currency)
    if total is not None:
        code = finder.path(currency) if currency is not None else None
        if isinstance(total.value, int) and minor_units and code is not None:
            found["total"] = finder.guess("amount", total, f" | major({code})", note="; this sender counts cents")
        else:
            cents = f"; if it counts cents: | major({code or chr(39) + 'GBP' + chr(39)})"
            note = cents if isinstance(total.value, int) else ""
            found["total"] = finder.guess("amount", total, " | number", note=note)
        found["currency"] = finder.guess("currency", currency)
    return {name: guess for name, guess in found.items() if guess is not None}


def items(finder: Finder) -> tuple[Guess, dict[str, str]] | None:
    """The lines of an order: the list, and the fields of one line by the names that the command gets."""
    for leaf in finder.leaves:
        if not isinstance(leaf.value, list) or leaf.key not in _LISTS or leaf.in_list:
            continue
        line = leaf.value[0]
        fields: dict[str, str] = {}
        for name, keys in _LINE.items():
            key = next((one for one in line if normal(one) in keys and not isinstance(line[one], dict | list)), None)
            path = expression((key,), line, root="$item") if key is not None else None
            if path is not None:
                fields[name] = path
        guess = finder.guess("lines of the order", leaf, "[*]")
        if guess is not None and "title" in fields and len(fields) >= 2:
            return guess, fields
    return None


def _local(finder: Finder, what: str, keys: tuple[str, ...]) -> Guess | None:
    """A time; one that names no zone stays as it is written, until somebody says the zone."""
    leaf = _first(finder, keys, lambda value: _is_time(value, zone=ZoneInfo("UTC")))
    if leaf is None or _is_time(leaf.value):
        return finder.guess(what, leaf, " | date")
    return finder.guess(what, leaf, note="; it names no time zone: with zone: at the top, | date reads it")


def _first(finder: Finder, keys: tuple[str, ...], fits: Callable[[Any], bool]) -> Leaf | None:
    def score(leaf: Leaf) -> int | None:
        return -(keys.index(leaf.key) // 3) if leaf.key in keys and fits(leaf.value) else None

    return finder.best(finder.of_event(score))


def _is_time(value: Any, *, zone: ZoneInfo | None = None) -> bool:
    if isinstance(value, bool):
        return False
    try:
        moment(value, zone=zone)
    except ValueError:
        return False
    return True


def _is_short(value: Any) -> bool:
    text = as_text(value)
    return text is not None and not isinstance(value, bool) and 0 < len(text.strip()) <= 40


def _is_currency(value: Any) -> bool:
    return isinstance(value, str) and bool(_CURRENCY.match(value))
