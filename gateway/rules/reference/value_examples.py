"""Examples of what a value and a condition can be: operator keys, roots, groups, operators. See ``key_examples``."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.rules.reference.key_examples import SOURCES
from gateway.rules.reference.shown import Shown, Tested
from gateway.rules.values import MISSING


def _mail(*lines: str, before: str = "") -> str:
    head = f"{before}rules:\n  - name: Order\n    send_email:\n      userId: $.customer\n      assetId: ORDER\n"
    return head + "".join(f"      {line}\n" for line in lines)


OPERATOR_SUMMARIES: Mapping[str, str] = {
    "$each": "with $as: a list from a list; one object counts as a list of one, missing stays missing",
    "$as": "with $each: what each element becomes; the element is $item",
    "$literal": "the value as it is written: text that begins with $ or holds {{, or null that clears a trait",
    "$merge": "an object, or a list of them, whose keys join those that are written beside it; these win",
    "$pick": "with $from: an object with only these of its keys",
    "$omit": "with $from: an object without these of its keys",
    "$from": "with $pick or $omit: the object",
}
_EACH = Shown(
    says="Every line of the order, in the shape that the asset wants.",
    rules=_mail("items:", "  $each: $.lines[*]", "  $as: {title: $item.name, quantity: $item.qty}"),
    body={"customer": 7, "lines": [{"name": "Tea", "qty": 2, "tax": 1}, {"name": "Cup"}]},
    becomes='- send_email: {userId: "7", items: [{title: Tea, quantity: 2}, {$exact: {title: Cup}}]}',
)
_PICK = Shown(
    says="Two keys of the address, and no others.",
    rules=_mail("to: {$pick: [city, country], $from: $.address}"),
    body={"customer": 7, "address": {"city": "Cork", "country": "IE", "note": "blue door"}},
    becomes='- send_email: {userId: "7", to: {$exact: {city: Cork, country: IE}}}',
)
OPERATOR_EXAMPLES: Mapping[str, Shown] = {
    "$each": _EACH,
    "$as": _EACH,
    "$literal": Shown(
        says="A price as text, and braces that are no template.",
        rules=_mail("price: {$literal: $5 off}", 'code: {$literal: "{{ name }}"}'),
        body={"customer": 7},
        becomes='- send_email: {userId: "7", price: $5 off, code: "{{ name }}"}',
    ),
    "$merge": Shown(
        says="All of the address, with one key of our own.",
        rules=_mail("to: {$merge: $.address, country: Ireland}"),
        body={"customer": 7, "address": {"city": "Cork", "country": "IE"}},
        becomes='- send_email: {userId: "7", to: {city: Cork, country: Ireland}}',
    ),
    "$pick": _PICK,
    "$omit": Shown(
        says="All of the address but the note.",
        rules=_mail("to: {$omit: [note], $from: $.address}"),
        body={"customer": 7, "address": {"city": "Cork", "note": "blue door"}},
        becomes='- send_email: {userId: "7", to: {$exact: {city: Cork}}}',
    ),
    "$from": _PICK,
}
"""By operator key."""

ROOT_EXAMPLES: Mapping[str, Shown] = {
    "$": Shown(
        says="The body: names, positions, and a condition on the elements of a list.",
        rules=_mail("city: $.address.city", "first: $.lines[0].sku", "dear: $.lines[?(@.price > 10)].sku"),
        body={
            "customer": 7,
            "address": {"city": "Cork"},
            "lines": [{"sku": "A", "price": 5}, {"sku": "B", "price": 50}],
        },
        becomes='- send_email: {userId: "7", city: Cork, first: A, dear: [B]}',
    ),
    "item": _EACH,
    "outer": Shown(
        says="Inside of a list in a list: the element around this one.",
        rules=_mail(
            "parcels:",
            "  $each: $.parcels[*]",
            "  $as:",
            "    goods: {$each: '$item.goods[*]', $as: '{{ $outer.code }}/{{ $item.sku }}'}",
        ),
        body={"customer": 7, "parcels": [{"code": "P1", "goods": [{"sku": "A"}, {"sku": "B"}]}]},
        becomes='- send_email: {userId: "7", parcels: [{goods: [P1/A, P1/B]}]}',
    ),
    "let": Shown(
        says="A value that was named under let, and what is inside of it.",
        rules=_mail("city: $let.home.city", before="let: {home: '$.addresses[0]'}\n"),
        body={"customer": 7, "addresses": [{"city": "Cork"}]},
        becomes='- send_email: {userId: "7", city: Cork}',
    ),
    "batch": Shown(
        says="The whole body, where events made $ one element of it. Where rules read it, it is stored beside the "
        "elements.",
        rules="events: $.list[*]\n" + _mail("shop: $batch.shop"),
        body={"shop": "uk", "list": [{"customer": 7}]},
        becomes='- send_email: {userId: "7", shop: uk}',
    ),
    "header": Shown(
        says="A header of the request, in any case.",
        rules=_mail("topic: $header.X-Topic"),
        body={"customer": 7},
        headers={"x-topic": "orders/create"},
        becomes='- send_email: {userId: "7", topic: orders/create}',
    ),
    "query": Shown(
        says="The query of the address that the sender called.",
        rules=_mail("shop: $query.shop"),
        body={"customer": 7},
        query={"shop": "uk"},
        becomes='- send_email: {userId: "7", shop: uk}',
    ),
    "path": Shown(
        says="A named part of the address.",
        rules=_mail("brand: $path.brand", before='path: "{brand}"\n'),
        body={"customer": 7},
        path="uk",
        becomes='- send_email: {userId: "7", brand: uk}',
    ),
    "asset": Shown(
        says="The asset's code at the destination that the command goes to.",
        rules='path: "{brand}"\ndestination: $path.brand\nrules:\n  - name: Welcome\n'
        "    send_email: {userId: $.customer, assetId: $asset.welcome}\n",
        body={"customer": 7},
        path="uk",
        becomes='- send_email: {userId: "7", assetId: 202601-UK-WELCOME}',
    ),
    "journey": Shown(
        says="The journey's id at that destination.",
        rules="rules:\n  - name: Welcome\n    start_journey:\n      userId: $.customer\n"
        "      properties: {journeyIdToTrigger: $journey.onboarding}\n",
        body={"customer": 7},
        becomes='- start_journey: {userId: "7", properties: {journeyIdToTrigger: 6046429d73096e3b2dca973d}}',
    ),
    "webhook": Shown(
        says="When and where the webhook was received.",
        rules=_mail("received: $webhook.received_at | date", "from: $webhook.source"),
        body={"customer": 7},
        becomes='- send_email: {userId: "7", received: 2026-01-05T10:00:00.000Z, from: shop}',
    ),
    "fetch": SOURCES["fetch"],
    "env": Shown(
        says="A secret by its name; the value stays out of the file.",
        rules="verify:\n  header: {name: X-Token, secret: $env.SHOP_SECRET}\n" + _mail(),
        body={"customer": 7},
        becomes='- send_email: {userId: "7"}',
        environ={"SHOP_SECRET": "a-secret"},
    ),
}
"""By root; ``$`` is the body."""

GROUP_SUMMARIES: Mapping[str, str] = {
    "any": "a list of mappings; one of them must hold",
    "all": "a list of mappings; each must hold",
    "not": "a mapping that must not hold",
}
_SENT = '- send_email: {userId: "7"}'


def _when(*lines: str) -> str:
    head = "rules:\n  - name: Order\n    when:\n" + "".join(f"      {line}\n" for line in lines)
    return head + "    send_email: {userId: $.customer, assetId: ORDER}\n"


GROUP_EXAMPLES: Mapping[str, Shown] = {
    "any": Shown(
        says="Paid, or of no cost at all.",
        rules=_when("any:", "  - $.status: paid", "  - $.total: 0"),
        body={"customer": 7, "status": "open", "total": "0.00"},
        becomes=_SENT,
    ),
    "all": Shown(
        says="Two tests of one value.",
        rules=_when("all:", "  - $.tags: new", "  - $.tags: vip"),
        body={"customer": 7, "tags": ["vip", "new"]},
        becomes=_SENT,
    ),
    "not": Shown(
        says="Everything but test orders from the till.",
        rules=_when("not: {$.test: true, $.channel: till}"),
        body={"customer": 7, "test": True, "channel": "web"},
        becomes=_SENT,
    ),
}


CONDITION_EXAMPLES: Mapping[str, Tested] = {
    "eq": Tested(written="{eq: 10}", holds=(10, "10", "10.00", [3, 10]), fails=(11, "ten", True, None, MISSING)),
    "ne": Tested(written="{ne: paid}", holds=("open", None, MISSING, []), fails=("paid", ["open", "paid"])),
    "in": Tested(written="{in: [paid, authorized]}", holds=("paid", ["x", "authorized"]), fails=("open", MISSING)),
    "not_in": Tested(written="{not_in: [paid, void]}", holds=("open", MISSING), fails=("paid", ["open", "void"])),
    "exists": Tested(written="{exists: true}", holds=("x", 0, False, [0]), fails=(None, "", [], {}, MISSING)),
    "is_null": Tested(written="{is_null: true}", holds=(None,), fails=("", 0, MISSING)),
    "gt": Tested(written="{gt: 10}", holds=(11, "10.01"), fails=(10, "ten", MISSING)),
    "gte": Tested(written="{gte: 10}", holds=(10, "10.00", 11), fails=(9, None, MISSING)),
    "lt": Tested(written="{lt: 10}", holds=(9, "9.99", -1), fails=(10, "", MISSING)),
    "lte": Tested(written="{lte: 10}", holds=(10, "10"), fails=(11, MISSING)),
    "contains": Tested(written="{contains: gift}", holds=("a gift card",), fails=("Gift", MISSING)),
    "starts_with": Tested(written="{starts_with: order/}", holds=("order/paid",), fails=("reorder/paid", MISSING)),
    "ends_with": Tested(written="{ends_with: .created}", holds=("order.created",), fails=("order.updated", MISSING)),
    "matches": Tested(written='{matches: "^[A-Z]{2}[0-9]+$"}', holds=("GB12",), fails=("gb12", "GB", MISSING)),
    "before": Tested(
        written="{before: 2026-01-01T00:00:00Z}",
        holds=("2025-12-31T23:59:59Z", 1767225599),
        fails=("2026-01-01T00:00:00Z", "soon", MISSING),
    ),
    "after": Tested(
        written="{after: 2026-01-01T00:00:00Z}",
        holds=("2026-01-01T02:00:00+01:00",),
        fails=("2026-01-01T00:30:00+01:00", MISSING),
    ),
}
"""By operator of conditions."""
