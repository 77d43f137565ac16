"""What somebody wrote who knew the product from its pages alone."""

# ruff: noqa: E501 - a message stands in one line, as it is printed

from __future__ import annotations

from tests.rules.mistakes.mistake import DESTINATIONS, GOOD, HEAD, SEND, Mistake, rule, source, two, value, when

_UK = "    client_id: acme\n    auth_token: $env.UK_TOKEN\n"
_ZONE = "is not a time zone; allowed: names such as Europe/London or UTC; did you mean 'Europe/London'?"
_LABEL = "is one label of the login URL: lower-case letters, digits and -"
_STATES = "translated, unmatched, ignored, untranslatable or unparseable"

NEWCOMERS = (
    # -- YAML
    Mistake(
        "condition without a space, another below",
        when("$.type:charge.refunded\n  $.a: 1"),
        ("6:14: a space is missing behind the colon; write: $.type: charge.refunded",),
    ),
    Mistake(
        "condition without a space, alone",
        when("$.type:charge.refunded"),
        ("6:14: a space is missing behind the colon; write: $.type: charge.refunded",),
    ),
    Mistake(
        "condition without a space, another above",
        when("$.a: 1\n  $.items[0].type:charge.refunded"),
        ("7:23: a space is missing behind the colon; write: $.items[0].type: charge.refunded",),
    ),
    Mistake(
        "name is a comment",
        HEAD + f"rules:\n  - name: #1 Payment\n    {SEND}\n",
        ("4:11: text that starts with # is a comment; quote it; write: - name: '#1 Payment'",),
    ),
    Mistake(
        "name is a comment, below its command",
        HEAD + f"rules:\n  - {SEND}\n    name: #1 Payment\n",
        ("5:11: text that starts with # is a comment; quote it; write: name: '#1 Payment'",),
    ),
    Mistake(
        "value is a comment",
        value("#42"),
        ("8:14: text that starts with # is a comment; quote it; write: total: '#42'",),
    ),
    Mistake(
        "time in curly quotes",
        rule(f"{SEND}\nquiet_hours:\n  from: “21:00”\n  to: ‘08:00’\n  zone: Europe/London"),
        (
            "7:13: the quotes “ ” are those of a word processor; write '21:00'",
            "8:11: the quotes ‘ ’ are those of a word processor; write '08:00'",
        ),
    ),
    # -- expressions
    Mistake(
        "all of a text is a path in braces",
        value("'{$.a.b}'"),
        ("warning 8:16: '$.a.b' is sent as it stands; to fill it in, write $.a.b",),
    ),
    Mistake(
        "all of a text is a variable",
        value("' ${total}'"),
        ("warning 8:16: '${total}' is sent as it stands; to fill it in, write $.total",),
    ),
    Mistake(
        "a path in a text",
        value("costs $.a.b"),
        ("warning 8:20: '$.a.b' is sent as it stands; to fill it in, write {{ $.a.b }}",),
    ),
    Mistake(
        "path without its root",
        rule("send_email:\n  userId: $.data.id\n  assetId: A1\n  currency: data.object.currency"),
        ("warning 8:17: 'data.object.currency' is sent as it stands; to fill it in, write $.data.object.currency",),
    ),
    Mistake(
        "two bars", value("$.a || $.b"), ("8:18: || is for conditions inside [?()]; a filter stands behind one |",)
    ),
    Mistake("division", value("$.a / 100"), ("8:18: arithmetic is done by filters: divided_by(100)",)),
    Mistake("division without spaces", value("$.a.b/100"), ("8:19: arithmetic is done by filters: divided_by(100)",)),
    Mistake(
        "division behind a filter",
        value("$.a | number / 100"),
        ("8:27: arithmetic is done by filters: divided_by(100)",),
    ),
    Mistake(
        "cents_to_pounds",
        value("$.a | cents_to_pounds"),
        ("8:20: there is no filter 'cents_to_pounds'; did you mean 'major'?",),
    ),
    Mistake("pence", value("$.a | pence"), ("8:20: there is no filter 'pence'; did you mean 'major'?",)),
    Mistake("minor", value("$.a | minor"), ("8:20: there is no filter 'minor'; did you mean 'major'?",)),
    Mistake(
        "btc",
        value("$.a | major('btc')"),
        ("8:26: major: currency: text 'btc' is no currency; allowed: a code of ISO 4217 such as 'GBP'",),
    ),
    Mistake(
        "letters of a currency turned",
        value("$.a | major('eru')"),
        (
            "8:26: major: currency: text 'eru' is no currency; allowed: a code of ISO 4217 such as 'GBP'; did you mean 'EUR'?",
        ),
    ),
    # -- keys
    Mistake(
        "sms", rule("sms: {userId: $.id, assetId: A1}"), ("5:5: a rule has no key 'sms'; did you mean 'send_sms'?",)
    ),
    Mistake(
        "email",
        rule("email: {userId: $.id, assetId: A1}"),
        ("5:5: a rule has no key 'email'; did you mean 'send_email'?",),
    ),
    Mistake(
        "push", rule("push: {userId: $.id, assetId: A1}"), ("5:5: a rule has no key 'push'; did you mean 'send_push'?",)
    ),
    Mistake(
        "letter",
        rule("letter: {userId: $.id, assetId: A1}"),
        ("5:5: a rule has no key 'letter'; did you mean 'send_print'?",),
    ),
    Mistake(
        "journey",
        rule("journey: {userId: $.id, properties: {journeyIdToTrigger: 6}}"),
        ("5:5: a rule has no key 'journey'; did you mean 'start_journey'?",),
    ),
    Mistake(
        "once of a source", source("once: $.id"), ("3:1: 'once' stands in a rule, or under defaults: for all rules",)
    ),
    Mistake(
        "delay of a source", source("delay: 5m"), ("3:1: 'delay' stands in a rule, or under defaults: for all rules",)
    ),
    Mistake(
        "quiet hours of a source",
        source("quiet_hours: {from: '21:00', to: '08:00', zone: UTC}"),
        ("3:1: 'quiet_hours' stands in a rule, or under defaults: for all rules",),
    ),
    Mistake("command of a source", source("send_email: {}"), ("3:1: 'send_email' stands in a rule, under rules:",)),
    # -- values
    Mistake("zone is a city", source("zone: London"), (f"3:7: 'London' {_ZONE}",)),
    Mistake(
        "zone of quiet hours is a city",
        rule(f"{SEND}\nquiet_hours: {{from: '21:00', to: '08:00', zone: London}}"),
        (f"6:53: 'London' {_ZONE}",),
    ),
    Mistake(
        "quiet hours lack two",
        rule(f"{SEND}\nquiet_hours: {{zone: Europe/London}}"),
        ("6:5: quiet_hours needs from, to and a zone; from and to are missing",),
    ),
    Mistake(
        "quiet hours lack one",
        rule(f"{SEND}\nquiet_hours: {{from: '21:00', zone: Europe/London}}"),
        ("6:5: quiet_hours needs from, to and a zone; to is missing",),
    ),
    Mistake(
        "limit lacks two",
        rule(f"{SEND}\nlimit: {{per: $.id}}"),
        ("6:5: limit needs per, at_most, within; at_most and within are missing",),
    ),
    Mistake(
        "at_most in quotes",
        rule(f"{SEND}\nlimit: {{per: $.id, at_most: '3', within: 1d}}"),
        ("6:34: at_most takes a whole number from 1; found '3'; without quotes: 3",),
    ),
    Mistake(
        "boolean in quotes",
        when('$.livemode: "false"'),
        ("warning 6:20: text 'false' never equals the boolean false; write it without quotes",),
    ),
    Mistake(
        "boolean in quotes, of an operator",
        when("not: {$.livemode: {in: ['true', x]}}"),
        ("warning 6:32: text 'true' never equals the boolean true; write it without quotes",),
    ),
    Mistake(
        "boolean in quotes, ignored",
        source("ignore: {$.livemode: 'false'}"),
        ("warning 3:23: text 'false' never equals the boolean false; write it without quotes",),
    ),
    Mistake(
        "expect_state",
        GOOD + "examples:\n  - {name: a, request: {body: {}}, expect_state: ignore}\n",
        (f"7:50: expect_state takes {_STATES}; found 'ignore'; did you mean 'ignored'?",),
    ),
    # -- destinations
    Mistake(
        "asset by its name",
        two(rule("destination: uk\nsend_email: {userId: $.id, assetId: order-confirmation}")),
        (
            "warning shop.yaml:6:41: 'order-confirmation' is sent as it stands, and the destination lists an asset of that name; did you mean $asset.order-confirmation?",
        ),
    ),
    Mistake(
        "assets beside the destinations",
        two(rule(f"destination: uk\n{SEND}"), f"destinations:\n  uk:\n{_UK}  assets:\n    a: b\n"),
        ("destinations.yaml:5:3: 'assets' stands beside the destinations; indent it under one of them",),
    ),
    Mistake(
        "destination.yaml",
        {"shop.yaml": rule(f"destination: uk\n{SEND}"), "destination.yaml": DESTINATIONS},
        ("destination.yaml:1:1: the file of destinations is named destinations.yaml; rename this one",),
    ),
    Mistake(
        "destinations.yml",
        {"shop.yaml": rule(f"destination: uk\n{SEND}"), "destinations.yml": DESTINATIONS},
        ("destinations.yml:1:1: the file of destinations is named destinations.yaml; rename this one",),
    ),
    Mistake(
        "destinations in a source's file",
        {**two(rule(f"destination: uk\n{SEND}")), "staging.yaml": DESTINATIONS},
        ("staging.yaml:1:1: destinations stand in a file named destinations.yaml, and this is a source's",),
    ),
    Mistake(
        "client_id is an address",
        two(rule(f"destination: uk\n{SEND}"), DESTINATIONS.replace("acme", "https://acme.intilery.com", 1)),
        (f"destinations.yaml:3:16: client_id {_LABEL}; found 'https://acme.intilery.com'; did you mean 'acme'?",),
    ),
    Mistake(
        "client_id in capitals",
        two(rule(f"destination: uk\n{SEND}"), DESTINATIONS.replace("acme", "ACME", 1)),
        (f"destinations.yaml:3:16: client_id {_LABEL}; found 'ACME'; did you mean 'acme'?",),
    ),
    Mistake(
        "account_id is a name",
        two(rule(f"destination: uk\n{SEND}"), DESTINATIONS.replace("acme\n", "acme\n    account_id: My Shop\n", 1)),
        (f"destinations.yaml:4:17: account_id {_LABEL}; found 'My Shop'",),
    ),
)
