"""Who the customer is: e-mail address, phone, names, id."""

from __future__ import annotations

import re

from gateway.intilery.contract import NOT_A_USER
from gateway.rules.draft.finder import CUSTOMER, Finder, Guess
from gateway.rules.draft.payload import Leaf, normal
from gateway.rules.filters import FILTERS
from gateway.rules.values import Unreadable, as_text

_EMAIL = re.compile(r"[^@\s<>\"',;]{1,64}@[^@\s<>\"',;]{1,255}\.[^@\s.<>\"',;]{2,}\Z")
_DIGIT = re.compile(r"[0-9]")
_REGION = re.compile(r"[A-Za-z]{2}\Z")
_NOT_THEIRS = ("owner", "from", "reply", "store", "shop", "sender", "support", "host")
_PEOPLE = (
    "customer", "user", "contact", "client", "guest", "member", "subscriber", "profile", "buyer", "patient",
)  # fmt: skip
_IDS = frozenset(f"{one}{end}" for one in _PEOPLE for end in ("id", "number", "uuid"))
_PHONES = ("phone", "mobile", "msisdn", "cellular")
_ORDERED = frozenset(("lineitems", "totalprice", "orderkey", "ordernumber", "financialstatus"))
FIRST = frozenset(("firstname", "fname", "givenname", "forename", "first"))
LAST = frozenset(("lastname", "lname", "surname", "familyname", "last"))
FULL = frozenset(("fullname", "name", "displayname", "customername", "contactname", "guestname"))
_LOOSE = frozenset(("name", "first", "last", "displayname"))


def email(finder: Finder) -> Leaf | None:
    """The customer's e-mail address."""

    def fits(leaf: Leaf) -> int | None:
        if not isinstance(leaf.value, str) or not _EMAIL.match(leaf.value):
            return None
        if any(word in leaf.key for word in _NOT_THEIRS):
            return None
        if leaf.key.endswith(("email", "mail", "emailaddress")):
            return 5
        return 0 if leaf.key in ("recipient", "address", "username", "login") else None

    return finder.best(finder.of_customer(fits))


def name(finder: Finder, keys: frozenset[str], beside: Leaf | None) -> Leaf | None:
    """A name under one of these keys; ``beside`` is the e-mail address, whose neighbours count more."""

    def fits(leaf: Leaf) -> int | None:
        value = leaf.value
        if leaf.key not in keys or not isinstance(value, str) or not value.strip() or len(value) > 80:
            return None
        if "@" in value or _DIGIT.search(value):
            return None
        near = beside is not None and leaf.parent == beside.parent
        if leaf.key in _LOOSE and not near and CUSTOMER.isdisjoint(leaf.around):
            return None
        return 10 if near else 0

    return finder.best(finder.of_customer(fits))


def customer(finder: Finder, *, has_email: bool) -> Leaf | None:
    """The customer's id; 0, which shops write for guests, only where the e-mail address can stand in for it."""

    def fits(leaf: Leaf) -> int | None:
        text = as_text(leaf.value)
        if text is None or isinstance(leaf.value, bool) or not text.strip() or len(text) > 100 or "@" in text:
            return None
        if text.strip().lower() in NOT_A_USER and (text != "0" or not has_email):
            return None
        if leaf.key in _IDS:
            return 8
        outer = leaf.around[-1] if leaf.around else ""
        if leaf.key in _PEOPLE and outer not in _PEOPLE:
            return 6 if _DIGIT.search(text) and " " not in text else None
        if leaf.key != "id":
            return None
        return 8 if outer in _PEOPLE else _is_person(leaf)

    return finder.best(finder.of_customer(fits))


def _is_person(leaf: Leaf) -> int | None:
    """Whether the object around says that it is a person, or has a person's fields."""
    if not isinstance(leaf.beside, dict):
        return None
    kind = leaf.beside.get("object")
    if isinstance(kind, str) and normal(kind) in _PEOPLE:
        return 8
    keys = {normal(key) for key in leaf.beside}
    person = "email" in keys and not keys.isdisjoint(("firstname", "lastname", "username"))
    return 9 if person and keys.isdisjoint(_ORDERED) else None


def phone(finder: Finder) -> Guess | None:
    """A phone number that the filter ``phone`` can read, by itself or with the country that stands beside it."""

    def fits(leaf: Leaf) -> int | None:
        text = as_text(leaf.value)
        if text is None or isinstance(leaf.value, bool) or len(_DIGIT.findall(text)) < 6:
            return None
        named = any(word in leaf.key for word in _PHONES) or leaf.key in ("tel", "waid", "textremindernumber")
        return 5 if named and not leaf.key.endswith(("id", "type")) else None

    for leaf in finder.of_customer(fits):
        beside = _region(finder, leaf)
        for filters, region in ((" | phone", None), *([(f" | phone({beside[0]})", beside[1])] if beside else [])):
            try:
                FILTERS["phone"].function(leaf.value, region)
            except Unreadable:
                continue
            found = finder.guess("phone number", leaf, filters)
            if found is not None:
                return found
    return None


def _region(finder: Finder, phone: Leaf) -> tuple[str, str] | None:
    """The country beside a phone number: its path and its code."""
    region = next(param for param in FILTERS["phone"].params if param.name == "region")
    for leaf in finder.scalars:
        named = leaf.key in ("countrycode", "country", "countryiso", "countrycodeiso2")
        if leaf.parent != phone.parent or not named or not isinstance(leaf.value, str):
            continue
        path = finder.path(leaf)
        if path is None or not _REGION.match(leaf.value):
            continue
        try:
            return path, region.prepare(leaf.value)
        except ValueError:
            continue
    return None
