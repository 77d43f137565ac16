"""Finding the value that most likely means something: by its key, its form, and what stands around it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from gateway.rules.draft.payload import Leaf, expression, leaves

CUSTOMER = frozenset(
    (
        "customer", "customers", "buyer", "contact", "contacts", "invitee", "user", "payer", "billing",
        "billingaddress", "billingdetails", "customerdetails", "recipient", "guest", "guests", "subscriber", "profile",
        "person", "client", "attendee", "member", "shopper", "patient", "student", "booker", "primaryguest", "lead",
        "consumer", "cardholder", "shipping", "shippingaddress", "merges", "orderedby", "purchaser", "defaultaddress",
    )
)  # fmt: skip
"""Keys around what is the customer's."""
OTHERS = frozenset(
    (
        "merchant", "store", "shop", "seller", "vendor", "organizer", "organiser", "owner", "host", "sender", "from",
        "account", "staff", "agent", "author", "committer", "pusher", "repository", "support", "company", "provider",
        "assignee", "actor", "admin", "eventmemberships", "team", "location", "organization", "organisation",
        "employee", "practitioner", "operator", "requester", "reviewer", "assignees", "headcommit", "commits", "issue",
        "pullrequest", "supplier", "creator", "instructor", "refund", "refunds", "config", "app", "signature",
    )
)  # fmt: skip
"""Keys around what is somebody else's."""
_ACTORS = ("assigned", "createdby", "updatedby", "modifiedby", "laststatuschange")


class Guess(msgspec.Struct, frozen=True, kw_only=True):
    """One guess, as it stands in the file."""

    what: str
    """In words: ``e-mail address``."""
    value: str
    """The expression."""
    why: str
    """What speaks for it, and what else it might be."""


Fits = Callable[[Leaf], int | None]
"""How well a value fits, or None where it does not."""


class Finder:
    """Looks through one document, whose paths begin with ``root``."""

    def __init__(self, document: Any, *, root: str) -> None:
        self.document = document
        self.root = root
        self.leaves = leaves(document)
        self.scalars = [leaf for leaf in self.leaves if not isinstance(leaf.value, list)]

    def path(self, leaf: Leaf) -> str | None:
        """The expression that reads a leaf, or None where the language can't write it."""
        return expression(leaf.steps, self.document, root=self.root)

    def of_customer(self, fits: Fits) -> list[Leaf]:
        """What fits and is not somebody else's, the best first: near to the customer, then outer ones."""
        return self._ranked(fits, lambda leaf: 3 * any(word in CUSTOMER for word in leaf.around) - 2 * leaf.in_list)

    def of_event(self, fits: Fits) -> list[Leaf]:
        """What fits and is of the event itself: not of a person, and not one of several."""
        plain = [leaf for leaf in self.scalars if not leaf.in_list and CUSTOMER.isdisjoint(leaf.around)]
        return self._ranked(fits, lambda _leaf: 0, among=plain)

    def best(self, ranked: Iterable[Leaf]) -> Leaf | None:
        """The first that the language can read."""
        return next((leaf for leaf in ranked if self.path(leaf) is not None), None)

    def guess(self, what: str, leaf: Leaf | None, filters: str = "", *, note: str = "") -> Guess | None:
        """The guess that a leaf is ``what``; None where there is no leaf."""
        path = self.path(leaf) if leaf is not None else None
        if leaf is None or path is None:
            return None
        why = f"by its key and form{note}"
        if leaf.in_list:
            why += "; it stands first in a list here, and may be another one next time"
        return Guess(what=what, value=path + filters, why=why)

    def _ranked(self, fits: Fits, bonus: Fits, *, among: Iterable[Leaf] | None = None) -> list[Leaf]:
        scored: list[tuple[int, Leaf]] = []
        for leaf in self.scalars if among is None else among:
            words = (*leaf.around, leaf.key)
            if any(word in OTHERS or word.startswith(_ACTORS) for word in words):
                continue
            score = fits(leaf)
            if score is not None:
                scored.append((score + (bonus(leaf) or 0) - len(leaf.steps), leaf))
        return [leaf for _, leaf in sorted(scored, key=lambda pair: -pair[0])]
