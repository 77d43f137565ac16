"""Examples of the keys of a source and of a rule: what the reference shows, and what a test runs.

An example is a piece of a rules file, a webhook and the commands that it becomes, written as ``expect`` writes them. To
add one for a new key, add an entry with its name here; ``make docs`` writes it into docs/reference/.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.rules.reference.shown import Shown

_WELCOME = "rules:\n  - name: Welcome\n    send_email: {userId: $.customer, assetId: WELCOME}\n"
_WELCOMED = '- send_email: {userId: "7", assetId: WELCOME}'
_SEVEN = {"customer": 7}

SOURCES: Mapping[str, Shown] = {
    "source": Shown(
        says="Senders post to /hooks/shop.",
        rules="source: shop\nverify: none\n" + _WELCOME, body=_SEVEN, becomes=_WELCOMED,
    ),
    "title": Shown(
        says="People see 'The web shop' where the address says shop.",
        rules="title: The web shop\n" + _WELCOME, body=_SEVEN, becomes=_WELCOMED,
    ),
    "path": Shown(
        says="Senders post to /hooks/shop/uk, /hooks/shop/ie and so on; $path.brand is what stands there.",
        rules='path: "{brand}"\nrules:\n  - name: Welcome\n    send_email:\n      userId: $.customer\n'
        "      assetId: WELCOME\n      brand: $path.brand\n",
        body=_SEVEN, path="uk", becomes='- send_email: {userId: "7", brand: uk}',
    ),
    "destination": Shown(
        says="The brand in the address is the destination, so one file serves many brands.",
        rules='path: "{brand}"\ndestination: $path.brand\n' + _WELCOME,
        body=_SEVEN, path="uk", becomes='- send_email: {userId: "7"}\n  destination: uk',
    ),
    "verify": Shown(
        says="Stripe's signature is checked with the secret in STRIPE_SECRET; whatever fails is refused. "
        "(Examples need no signature.)",
        rules="verify: stripe\n" + _WELCOME, body=_SEVEN, becomes=_WELCOMED,
    ),
    "challenge": Shown(
        says="WooCommerce tries the address, unsigned, when a webhook is saved: that is answered, and not kept.",
        rules="verify: woocommerce\nchallenge: woocommerce\n" + _WELCOME, body=_SEVEN, becomes=_WELCOMED,
    ),
    "public_url": Shown(
        says="Square signs the address too, so the file says how it was registered there.",
        rules="verify: square\npublic_url: https://hooks.example.com/hooks/shop\n" + _WELCOME,
        body=_SEVEN, becomes=_WELCOMED,
    ),
    "dedup_key": Shown(
        says="Two webhooks with one event id are one: the second is counted and makes nothing. "
        "A list such as [$header.X-Topic, $.event_id] takes all of them together.",
        rules="dedup_key: $.event_id\n" + _WELCOME,
        body={"event_id": "e-41", "customer": 7}, becomes=_WELCOMED, facts={"dedup_key": "e-41"},
    ),
    "dedup_within": Shown(
        says="This sender repeats for three days, and numbers its events anew each month.",
        rules="dedup_key: $.number\ndedup_within: 7d\n" + _WELCOME,
        body={"number": 41, "customer": 7}, becomes=_WELCOMED, facts={"dedup_key": "41"},
    ),
    "event_type": Shown(
        says="Lists and metrics show what kind of webhook it was.",
        rules="event_type: $.type\n" + _WELCOME,
        body={"type": "customer.created", "customer": 7}, becomes=_WELCOMED, facts={"event_type": "customer.created"},
    ),
    "event_time": Shown(
        says="When it happened at the sender, for lists and for those who ask why mail came late. "
        "A time that can't be read is a warning in the trace, and stops nothing.",
        rules="event_time: $.created\n" + _WELCOME,
        body={"created": 1767607140, "customer": 7}, becomes=_WELCOMED,
        facts={"event_time": "2026-01-05T09:59:00.000Z"},
    ),
    "events": Shown(
        says="The sender posts lists. Each element is a webhook of its own, with its own id, dedup key, state and "
        "commands; $ is the element everywhere in the file, and $batch the whole body.",
        rules="events: $.events[*]\ndedup_key: $.id\nignore: {$.kind: ping}\nrules:\n  - name: Welcome\n"
        "    send_email: {userId: $.customer, assetId: WELCOME, shop: $batch.shop}\n",
        body={"shop": "uk", "events": [{"id": 1, "customer": 7}, {"id": 2, "kind": "ping"}, {"id": 3, "customer": 8}]},
        becomes='- send_email: {userId: "7", shop: uk}\n- send_email: {userId: "8", shop: uk}',
    ),
    "ignore": Shown(
        says="Test webhooks are kept as ignored and make nothing.",
        rules="ignore: {$.test: true}\n" + _WELCOME, body={"test": True, "customer": 7}, state="ignored",
    ),
    "body": Shown(
        says="Slack puts JSON into the field 'payload' of a form. With body: form, $.payload would be its text.",
        rules="body: {form_field: payload, as: json}\n" + _WELCOME, body={"file": "samples/payload.form"},
        files={"samples/payload.form": "token=x&payload=%7B%22customer%22%3A+7%7D"}, becomes=_WELCOMED,
    ),
    "zone": Shown(
        says="The sender writes times without a zone and means London's clock.",
        rules="zone: Europe/London\nrules:\n  - name: Booked\n    send_email:\n      userId: $.customer\n"
        "      assetId: BOOKED\n      startsAt: $.starts | date\n",
        body={"customer": 7, "starts": "2026-07-01 18:30"},
        becomes='- send_email: {userId: "7", startsAt: 2026-07-01T17:30:00.000Z}',
    ),
    "let": Shown(
        says="A name for what several rules need; a later name may use an earlier one.",
        rules="let:\n  email: $.email | email | lower\n  customer: $.id | ignore(0) | default($let.email)\n"
        "rules:\n  - name: Welcome\n    identify:\n      userId: $let.customer\n      traits: {email: $let.email}\n",
        body={"id": 0, "email": "Ada@Example.com"},
        becomes="- identify: {userId: ada@example.com, traits: {email: ada@example.com}}",
    ),
    "tables": Shown(
        says="What a code means; a table of two keys and more is better kept in a CSV file beside this one.",
        rules="tables:\n  shipping: {exp: Express, std: Standard}\n  tiers: tiers.csv\nrules:\n  - name: Shipped\n"
        "    send_email:\n      userId: $.customer\n      assetId: SHIPPED\n"
        "      method: $.method | lookup('shipping')\n      tier: $.country | lookup('tiers', $.plan)\n",
        files={"tiers.csv": "country,plan,tier\nGB,pro,gold\nIE,pro,silver\n"},
        body={"customer": 7, "method": "exp", "country": "IE", "plan": "pro"},
        becomes='- send_email: {userId: "7", method: Express, tier: silver}',
    ),
    "fetch": Shown(
        says="The webhook holds only the order's number; the order itself is got from the shop's API.",
        rules="fetch:\n  order:\n    get: https://api.example.com/orders/{{ $.order_id }}\n"
        "    bearer: $env.SHOP_TOKEN\n"
        "rules:\n  - name: Order\n    send_email:\n      userId: $fetch.order.customer\n      assetId: ORDER\n"
        "      total: $fetch.order.total\n",
        body={"order_id": 1001}, fetched={"order": {"customer": 7, "total": "49.90"}},
        becomes='- send_email: {userId: "7", total: "49.90"}', environ={"SHOP_TOKEN": "a-token"},
    ),
    "redact": Shown(
        says="The card's number is taken out before anything is stored or shown. A rule that reads such a path is a "
        "mistake that `gateway check` finds.",
        rules="redact: [$.card.number, $header.X-Person]\nrules:\n  - name: Paid\n"
        "    track: {userId: $.customer, event: Paid, properties: {card: $.card}}\n",
        body={"customer": 7, "card": {"brand": "visa", "number": "4242424242424242"}},
        becomes='- track: {userId: "7", properties: {card: {brand: visa, number: "[redacted]"}}}',
    ),
    "respond": Shown(
        says="This sender wants a body of its own choosing before it believes that its webhook arrived.",
        rules='respond: {body: "[accepted]"}\n' + _WELCOME, body=_SEVEN, becomes=_WELCOMED,
    ),
    "retention": Shown(
        says="What this source sent is kept for a week once all that became of it is over.",
        rules="retention: 7d\n" + _WELCOME, body=_SEVEN, becomes=_WELCOMED,
    ),
    "limits": Shown(
        says="A larger body is refused with 413 before it is read, and what comes faster with 429; 1,000,000 bytes and "
        "any rate where nothing is said.",
        rules="limits: {body: 5000000, rate: 50/s}\n" + _WELCOME, body=_SEVEN, becomes=_WELCOMED,
    ),
    "defaults": Shown(
        says="Every rule of the file waits an hour, but for those that say otherwise.",
        rules="defaults: {delay: 1h}\n" + _WELCOME, body=_SEVEN,
        becomes='- send_email: {userId: "7"}\n  not_before: 2026-01-05T11:00:00Z',
    ),
    "rules": Shown(
        says="Each rule that matches makes its command; without rules, what arrives is only kept.",
        rules=_WELCOME + "  - name: Tell sales\n    track: {userId: $.customer, event: Customer Created}\n",
        body=_SEVEN,
        becomes='- send_email: {userId: "7"}\n  rule: Welcome\n- track: {userId: "7", event: Customer Created}',
    ),
    "examples": Shown(
        says="`gateway test` sends the request to the rules and compares; see the page about rules files.",
        rules=_WELCOME + "examples:\n  - name: a customer is welcomed\n    request: {body: {customer: 7}}\n"
        '    expect:\n      - send_email: {userId: "7"}\n  - name: nobody to welcome\n    request: {body: {}}\n'
        "    expect_error: {rule: Welcome, field: userId}\n",
        body=_SEVEN, becomes=_WELCOMED,
    ),
}  # fmt: skip
"""By source key."""


def _rule(*lines: str, name: str = "Order") -> str:
    return f"rules:\n  - name: {name}\n" + "".join(f"    {line}\n" for line in lines)


_MAIL = "send_email: {userId: $.customer, assetId: ORDER}"
_MAILED = '- send_email: {userId: "7", assetId: ORDER}'
_ORDER = {"customer": 7, "id": 1001}

RULES: Mapping[str, Shown] = {
    "name": Shown(
        says="The name stands in lists, in traces and beside each command.",
        rules=_rule(_MAIL, name="Order confirmation"), body=_ORDER, becomes=_MAILED + "\n  rule: Order confirmation",
    ),
    "id": Shown(
        says="The name can change now: commands stay known by the id.",
        rules=_rule("id: order-confirmation", _MAIL, name="Order confirmation (new wording)"),
        body=_ORDER, becomes=_MAILED + "\n  rule: order-confirmation",
    ),
    "when": Shown(
        says="All conditions must hold; see the page about conditions.",
        rules=_rule("when:", "  $.status: [paid, authorized]", "  $.total: {gte: 10}", _MAIL),
        body={"customer": 7, "status": "paid", "total": "49.90"}, becomes=_MAILED,
    ),
    "let": Shown(
        says="Named values for this rule alone.",
        rules=_rule("let: {first: $.name | split(' ') | first}", "send_email:", "  userId: $.customer",
                    "  assetId: ORDER", "  greeting: Hello {{ $let.first }}"),
        body={"customer": 7, "name": "Ada Lovelace"}, becomes='- send_email: {userId: "7", greeting: Hello Ada}',
    ),
    "for_each": Shown(
        says="One command for each ticket, each with its own fate.",
        rules=_rule("for_each: $.tickets[*]", "send_email: {userId: $item.holder, assetId: TICKET, seat: $item.seat}"),
        body={"tickets": [{"holder": 7, "seat": "A1"}, {"holder": 8, "seat": "A2"}]},
        becomes='- send_email: {userId: "7", seat: A1}\n- send_email: {userId: "8", seat: A2}',
    ),
    "key": Shown(
        says="A ticket keeps its identity when the webhook is run again with its tickets in another order.",
        rules=_rule("for_each: $.tickets[*]", "key: $item.id", "send_email: {userId: $item.holder, assetId: TICKET}"),
        body={"tickets": [{"id": "t-9", "holder": 7}]}, becomes='- send_email: {userId: "7"}',
    ),
    "identify": Shown(
        says="Intilery learns who the customer is; a command reaches only a customer who was identified before.",
        rules=_rule("identify:", "  userId: $.customer", "  traits: {email: $.email, phone: $.phone}", _MAIL),
        body={"customer": 7, "email": "ada@example.com", "phone": None},
        becomes='- identify: {userId: "7", traits: {$exact: {email: ada@example.com}}}\n' + _MAILED,
    ),
    "send_email": Shown(
        says="Whatever stands beside userId, assetId and timestamp is data for the asset.",
        rules=_rule("send_email:", "  userId: $.customer", "  assetId: $asset.order", "  timestamp: $.created",
                    "  order: {number: $.id, total: $.total | number}"),
        body={"customer": 7, "id": 1001, "total": "49.90", "created": "2026-01-05T10:59:58+01:00"},
        becomes='- send_email:\n    userId: "7"\n    assetId: 202601-ORDER\n    timestamp: 2026-01-05T09:59:58.000Z\n'
        "    order: {number: 1001, total: 49.90}",
    ),
    "send_sms": Shown(
        says="A text message; the customer's phone is the one that Intilery knows.",
        rules=_rule("send_sms: {userId: $.customer, assetId: PARCEL, code: $.code}"),
        body={"customer": 7, "code": "4711"}, becomes='- send_sms: {userId: "7", assetId: PARCEL, code: "4711"}',
    ),
    "send_print": Shown(
        says="A letter.",
        rules=_rule("send_print: {userId: $.customer, assetId: LETTER}"), body=_ORDER,
        becomes='- send_print: {userId: "7", assetId: LETTER}',
    ),
    "send_push": Shown(
        says="A push notification.",
        rules=_rule("send_push: {userId: $.customer, assetId: PUSH}"), body=_ORDER,
        becomes='- send_push: {userId: "7", assetId: PUSH}',
    ),
    "start_journey": Shown(
        says="The journey's id comes from the destination, so that each brand can have its own.",
        rules=_rule("start_journey:", "  userId: $.customer",
                    "  properties: {journeyIdToTrigger: $journey.onboarding}", "  plan: $.plan"),
        body={"customer": 7, "plan": "pro"},
        becomes='- start_journey:\n    userId: "7"\n    properties: {journeyIdToTrigger: 6046429d73096e3b2dca973d}\n'
        "    plan: pro",
    ),
    "track": Shown(
        says="A plain event: something that happened, for segments and journeys.",
        rules=_rule("track:", "  userId: $.customer", "  event: Order Completed", "  properties: {orderId: $.id}"),
        body=_ORDER, becomes='- track: {userId: "7", event: Order Completed, properties: {orderId: 1001}}',
    ),
    "cancel": Shown(
        says="The reminder of a cancelled booking is withdrawn while it waits.",
        rules=_rule('cancel: "reminder/{{ $.booking }}"', name="Booking cancelled"),
        body={"booking": "b-3"}, facts={"cancelled": "reminder/b-3"}, state="translated",
    ),
    "destination": Shown(
        says="This rule's command goes to another destination than the rest of the file.",
        rules=_rule("destination: uk", _MAIL), body=_ORDER, becomes=_MAILED + "\n  destination: uk",
    ),
    "once": Shown(
        says="However many webhooks speak of this order, the customer gets one message.",
        rules=_rule("once: $.id", _MAIL), body=_ORDER, becomes=_MAILED, facts={"once": "1001"},
    ),
    "within": Shown(
        says="At most one message a week to a customer.",
        rules=_rule("once: $.customer", "within: 7d", _MAIL), body=_ORDER, becomes=_MAILED,
        facts={"once": "7 until 2026-01-12T10:00:00.000Z"},
    ),
    "shared": Shown(
        says="Two rules that both welcome: whichever comes first does it.",
        rules=_rule("when: {$.kind: order}", "once: $.customer", "shared: welcome", _MAIL)
        + "  - name: Account\n    when: {$.kind: account}\n    once: $.customer\n    shared: welcome\n"
        "    send_email: {userId: $.customer, assetId: WELCOME}\n",
        body={"kind": "order", "customer": 7}, becomes=_MAILED, facts={"once": "7"},
    ),
    "delay": Shown(
        says="Three days after it was received.",
        rules=_rule("delay: 3d", _MAIL), body=_ORDER,
        becomes=_MAILED + "\n  state: waiting\n  not_before: 2026-01-08T10:00:00Z",
    ),
    "at": Shown(
        says="A day before the appointment.",
        rules=_rule('at: $.starts | date_add("-24h")', _MAIL), body={"customer": 7, "starts": "2026-01-09T15:00:00Z"},
        becomes=_MAILED + "\n  not_before: 2026-01-08T15:00:00Z",
    ),
    "if_past": Shown(
        says="The appointment is in an hour, so the reminder of the day before is not sent at all.",
        rules=_rule('at: $.starts | date_add("-24h")', "if_past: skip", _MAIL),
        body={"customer": 7, "starts": "2026-01-05T11:00:00Z"}, becomes=_MAILED + "\n  state: suppressed",
    ),
    "name_as": Shown(
        says="When the booking moves, the new reminder takes the place of the one that waits.",
        rules=_rule('name_as: "reminder/{{ $.booking }}"', 'at: $.starts | date_add("-24h")', _MAIL, name="Reminder"),
        body={"booking": "b-3", "customer": 7, "starts": "2026-01-09T15:00:00Z"},
        becomes=_MAILED + "\n  not_before: 2026-01-08T15:00:00Z", facts={"name": "reminder/b-3"},
    ),
    "limit": Shown(
        says="No more than three a day for one customer, whatever happens.",
        rules=_rule("limit: {per: $.customer, at_most: 3, within: 1d}", _MAIL), body=_ORDER, becomes=_MAILED,
        facts={"limit": "3 for 7 in 86400 s"},
    ),
    "quiet_hours": Shown(
        says="At 10:00 in London it is 21:00 in Auckland: held until the morning there.",
        rules=_rule('quiet_hours: {from: "20:00", to: "08:00", zone: Pacific/Auckland}', _MAIL),
        body=_ORDER, becomes=_MAILED + "\n  state: waiting\n  not_before: 2026-01-05T19:00:00Z",
    ),
    "expires": Shown(
        says="A code that is two hours old helps nobody: then it is not sent any more.",
        rules=_rule("expires: 2h", _MAIL), body=_ORDER, becomes=_MAILED + "\n  expires_at: 2026-01-05T12:00:00Z",
    ),
    "identify_once": Shown(
        says="Ten orders in a minute tell Intilery once who the customer is, unless something about them changed.",
        rules=_rule("identify_once: 10m", "identify: {userId: $.customer}", _MAIL), body=_ORDER,
        becomes='- identify: {userId: "7"}\n' + _MAILED,
    ),
    "priority": Shown(
        says="Leaves before what waits with a lower priority.",
        rules=_rule("priority: 10", _MAIL), body=_ORDER, becomes=_MAILED, facts={"priority": "10"},
    ),
    "on_unknown_outcome": Shown(
        says="Where the connection broke after the command was written, a person decides, so nobody gets it twice.",
        rules=_rule("on_unknown_outcome: hold", _MAIL), body=_ORDER, becomes=_MAILED, facts={"on_unknown": "hold"},
    ),
    "stop": Shown(
        says="The second rule is for everybody else.",
        rules=_rule("when: {$.vip: true}", "stop: true", "send_email: {userId: $.customer, assetId: VIP}", name="VIP")
        + "  - name: Everybody\n    send_email: {userId: $.customer, assetId: ORDER}\n",
        body={"vip": True, "customer": 7}, becomes='- send_email: {userId: "7", assetId: VIP}',
    ),
    "enabled": Shown(
        says="The rule stays in the file and does nothing.",
        rules=_rule("enabled: false", _MAIL), body=_ORDER, state="unmatched",
    ),
    "mode": Shown(
        says="What would be sent is recorded and can be looked at; nothing leaves.",
        rules=_rule("mode: dry_run", _MAIL), body=_ORDER, becomes=_MAILED + "\n  state: dry_run",
    ),
}  # fmt: skip
"""By rule key."""
