"""The yardstick of the mapping benchmark: what a careful programmer would write for this one rule, and nothing else.

It makes the very same command (equal in every field, the body byte for byte) with the same care for the payload: what
is missing leaves its key out, a customer's id that is none is an error, a total that is no number is left out. It knows
its rule, so it needs no scope, no budget, no other rule, no for_each.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from gateway.intilery import contract
from gateway.model import Command, CommandState, OnUnknown, command_id
from gateway.rules.model import Arrival

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?\Z")


def by_hand(arrival: Arrival, now: datetime) -> tuple[str | None, str | None, list[Command]]:
    """The key of repeats, the kind of webhook, and the commands."""
    topic, event = arrival.headers.get("x-topic"), arrival.headers.get("x-event-id")
    key = f"{len(topic)}:{topic}|{len(event)}:{event}" if topic and event else None
    order = arrival.body
    if (
        topic != "orders/create"
        or type(order) is not dict
        or order.get("financial_status") not in ("paid", "authorized")
    ):
        return key, topic, []
    id = command_id(arrival.webhook_id, "Order confirmation", "", "send_email")
    customer = _object(order.get("customer"))
    user = contract.user_id(customer.get("id"))
    if user is None:
        raise ValueError("userId is nothing: $.customer.id")
    body: dict[str, Any] = {"userId": user, "event": "send_email", "assetId": "202601-ORDER"}
    created = order.get("created_at")
    if created:
        moment = datetime.fromisoformat(created)
        if moment.tzinfo is None:
            raise ValueError("timestamp: the time has no zone")
        body["timestamp"] = contract.timestamp(moment.astimezone(UTC))
    body["messageId"] = id
    email = order.get("email")
    if isinstance(email, str):
        body["email"] = email.lower()
    if "first_name" in customer:
        body["firstName"] = customer["first_name"]
    summary: dict[str, Any] = {}
    if "name" in order:
        summary["number"] = order["name"]
    total = _number(order.get("total_price"))
    if total is not None:
        summary["total"] = total
    if "currency" in order:
        summary["currency"] = order["currency"]
    address = _object(order.get("shipping_address"))
    if "city" in address:
        summary["city"] = address["city"]
    if "country_code" in address:
        summary["country"] = address["country_code"]
    lines = order.get("line_items")
    if isinstance(lines, list):
        items = []
        for line in lines:
            line = _object(line)
            item = {name: line[name] for name in ("title", "quantity", "sku") if name in line}
            if item:
                items.append(item)
        summary["items"] = items
    if summary:
        body["order"] = summary
    encoded = contract.encode(body)
    if len(encoded) > contract.MAX_BODY:
        raise ValueError("the body is too long")
    command = Command(
        id=id,
        webhook_id=arrival.webhook_id,
        source=arrival.source,
        rule="Order confirmation",
        command="send_email",
        action="track",
        destination="default",
        user_id=user,
        body=encoded,
        state=CommandState.PENDING,
        created_at=now,
        on_unknown=OnUnknown.RETRY,
        due_at=now,
    )
    return key, topic, [command]


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: Any) -> int | Decimal | None:
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or len(value) > 2000:
        return None
    found = _NUMBER.match(value.strip())
    if found is None:
        return None
    return Decimal(value) if found[1] or found[2] else int(value)
