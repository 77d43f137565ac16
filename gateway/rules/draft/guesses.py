"""Everything that is guessed of one payload.

A guess is only offered where a value has the right form under a fitting name, and never for what belongs to somebody
other than the customer (a host, a seller, a member of staff).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.rules.draft import facts, people
from gateway.rules.draft.finder import Finder, Guess


class Guesses(msgspec.Struct, frozen=True, kw_only=True):
    """None where nothing was found."""

    email: Guess | None = None
    customer: Guess | None = None
    phone: Guess | None = None
    first: Guess | None = None
    last: Guess | None = None
    full: Guess | None = None
    time: Guess | None = None
    data: Mapping[str, Guess] = {}
    """For the command, by the name of its field."""
    lines: Guess | None = None
    """The lines of an order."""
    line: Mapping[str, str] = {}
    """The fields of one line, by the names that the command gets."""

    @property
    def has_customer(self) -> bool:
        """Whether anything says who the customer is."""
        return (self.customer or self.email or self.phone) is not None

    @property
    def all(self) -> list[Guess]:
        """In the order of the file."""
        some = (self.email, self.customer, self.phone, self.first, self.last, self.full, self.time)
        return [guess for guess in (*some, *self.data.values(), self.lines) if guess is not None]


def guesses_of(document: Any, *, root: str = "$", minor_units: bool = False) -> Guesses:
    """Guess what stands in ``document``, whose paths begin with ``root``. ``minor_units``: its sender counts cents."""
    finder = Finder(document, root=root)
    email = people.email(finder)
    first, last = people.name(finder, people.FIRST, email), people.name(finder, people.LAST, email)
    full = people.name(finder, people.FULL, email) if first is None and last is None else None
    customer = people.customer(finder, has_email=email is not None)
    lines = facts.items(finder)
    return Guesses(
        email=finder.guess("e-mail address", email, " | email | lower"),
        customer=finder.guess("customer's id", customer, ' | ignore(0, "")'),
        phone=people.phone(finder),
        first=finder.guess("first name", first),
        last=finder.guess("last name", last),
        full=finder.guess("whole name", full),
        time=facts.time(finder),
        data=facts.data(finder, minor_units=minor_units),
        lines=lines[0] if lines else None,
        line=lines[1] if lines else {},
    )
