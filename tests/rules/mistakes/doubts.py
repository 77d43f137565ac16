"""Rules that can be read and are wrong or odd; many mistakes at once; one mistake that others hang on."""

# ruff: noqa: E501 - a message stands in one line, as it is printed

from __future__ import annotations

from tests.rules.mistakes.mistake import DESTINATIONS, HEAD, SEND, Mistake, rules, value, when

DOUBTS = (
    Mistake(
        "a path before a template",
        value('"$.total {{ $.currency }}"'),
        ("warning 8:15: '$.total' is sent as it stands; to fill it in, write {{ $.total }}",),
    ),
    Mistake(
        "bounds", when("$.total: {gt: 5, lt: 3}"), ("6:24: this never holds: no number is more than 5 and less than 3",)
    ),
    Mistake(
        "bounds equal",
        when("$.total: {gte: 5, lt: 5}"),
        ("6:25: this never holds: no number is at least 5 and less than 5",),
    ),
    Mistake(
        "eq and ne",
        when("$.a: {eq: paid, ne: paid}"),
        ("6:23: this never holds: ne excludes what is asked for beside it",),
    ),
    Mistake(
        "in and not_in",
        when("$.a: {in: [paid, open], not_in: [open, paid, void]}"),
        ("6:31: this never holds: not_in excludes what is asked for beside it",),
    ),
    Mistake(
        "in and eq",
        when("$.a: {eq: paid, in: [open, void]}"),
        ("6:23: this never holds: one of open, void leaves out what eq asks for",),
    ),
    Mistake(
        "exists false",
        when("$.a: {exists: false, gt: 5}"),
        ("6:13: this never holds: exists: false asks for nothing, and gt for something",),
    ),
    Mistake(
        "is_null",
        when("$.a: {is_null: true, eq: 5}"),
        ("6:13: this never holds: is_null: true asks for null, and eq for something else",),
    ),
    Mistake("eq bound", when("$.a: {eq: 3, gt: 5}"), ("6:20: this never holds: 3 is not more than 5",)),
    Mistake(
        "after before",
        when("$.a: {after: 2026-02-01T00:00:00Z, before: 2026-01-01T00:00:00Z}"),
        ("6:42: this never holds: no time is after the later and before the earlier of these two",),
    ),
    Mistake(
        "eq prefix",
        when("$.a: {eq: paid, starts_with: open}"),
        ("6:23: this never holds: what is asked for beside it does not start with 'open'",),
    ),
    Mistake(
        "not contradiction",
        when("$.a: paid\n  not: {$.a: paid}"),
        ("7:13: this never holds: not excludes what the conditions beside it ask for",),
    ),
    Mistake(
        "two values",
        when("$.a: paid\n  all: [{$.a: open}]"),
        ("warning 7:14: $.a is asked for open here and for paid in line 6; both hold only where it is a list",),
    ),
    Mistake(
        "two values in all",
        when("all: [{$.a: paid}, {'$.a ': [open, void]}]"),
        (
            "warning 6:28: $.a is asked for one of open, void here and for paid in line 6; both hold only where it is a list",
        ),
    ),
    Mistake(
        "in any",
        when("any: [{$.a: {gt: 5, lt: 3}}, {$.b: 1}]"),
        ("6:27: this never holds: no number is more than 5 and less than 3",),
    ),
    Mistake(
        "stop again",
        rules(
            "name: A\nwhen: {$.t: [x, y]}\nstop: true\n" + SEND,
            "name: B\nwhen: {$.t: x, $.u: 1}\n" + SEND.replace("A1", "A2"),
        ),
        (
            "8:11: the rule 'B' is never looked at: 'A' (line 4) matches whenever it would, and says stop; put this rule before it, or narrow the other's when",
        ),
    ),
    Mistake(
        "stop without when",
        rules("name: A\nstop: true\n" + SEND, "name: B\n" + SEND.replace("A1", "A2")),
        (
            "7:11: the rule 'B' is never looked at: 'A' (line 4) matches whenever it would, and says stop; put this rule before it, or narrow the other's when",
        ),
    ),
    Mistake(
        "ignored",
        HEAD + "ignore: {$.test: true}\nrules:\n  - name: A\n    when: {$.test: true, $.a: 1}\n    " + SEND + "\n",
        ("5:11: the rule 'A' never runs: the source's ignore holds whenever its when does",),
    ),
    Mistake(
        "copies",
        rules("name: A\nwhen: {$.t: x}\n" + SEND, "name: B\nwhen: {$.t: x}\n" + SEND),
        (
            "warning 7:11: the rule 'B' makes the same send_email under the same conditions as 'A' (line 4); the customer gets it twice",
        ),
    ),
    Mistake(
        "copies two files",
        {
            "a.yaml": rules("name: A\nwhen: {$.t: x}\n" + SEND),
            "b.yaml": rules("name: B\nwhen: {$.t: x}\n" + SEND).replace("shop", "till"),
        },
        (
            "warning b.yaml:4:11: the rule 'B' is equal to 'A' in a.yaml, line 4; where one event reaches both sources, the customer gets it twice",
        ),
    ),
    Mistake(
        "unused",
        HEAD
        + "let: {a: $.a, b: $let.a}\ntables: {t: {x: 1}}\nrules:\n  - name: A\n    let: {c: $.c}\n    "
        + SEND
        + "\n",
        (
            "warning 3:15: nothing reads $let.b",
            "warning 4:10: nothing looks up the table 't'",
            "warning 7:11: nothing reads $let.c",
        ),
    ),
    Mistake(
        "names",
        rules("name: Order paid\nwhen: {$.t: 1}\n" + SEND, "name: order-paid\nwhen: {$.t: 2}\n" + SEND),
        (
            "warning 7:11: the name 'order-paid' is almost that of the rule 'Order paid' in line 4; people will take one for the other",
        ),
    ),
    Mistake(
        "unfilled",
        value("Dear $.name, hello"),
        ("warning 8:19: '$.name' is sent as it stands; to fill it in, write {{ $.name }}",),
    ),
    Mistake(
        "unfilled2",
        value("Dear ${NAME}"),
        ("warning 8:19: '${NAME}' is sent as it stands; to fill it in, write {{ $.NAME }}",),
    ),
    Mistake(
        "many files",
        {
            "a.yaml": value("$.a | uper"),
            "b.yaml": value("$.b | lowr").replace("shop", "till").replace("assetId: A1", "assetid: A1"),
            "destinations.yaml": DESTINATIONS.replace("journeys", "jurneys"),
        },
        (
            "a.yaml:8:20: there is no filter 'uper'; did you mean 'upper'?",
            "b.yaml:7:7: send_email needs assetId; found 'assetid'; did you mean 'assetId'?",
            "b.yaml:8:20: there is no filter 'lowr'; did you mean 'lower'?",
            "destinations.yaml:6:5: a destination has no key 'jurneys'; did you mean 'journeys'?",
        ),
    ),
    Mistake(
        "two traps",
        HEAD
        + "title: Shop: London\nlet: {a: $.items[0], b: $.x | round(2, 3)}\nrules:\n  - name: {{ $.x }}\n    send_email:\n      userId: $.a | uper\n      assetId: A1\n",
        (
            "3:12: a second ': ' in one line; quote the value; write: title: 'Shop: London'",
            "4:17: in { } style YAML ends a value at '['; quote the expression; write: let: {a: '$.items[0]', b: '$.x | round(2, 3)'}",
            "6:11: a template stands in quotes; write: - name: '{{ $.x }}'",
            "8:21: there is no filter 'uper'; did you mean 'upper'?",
        ),
    ),
    Mistake(
        "broken let",
        HEAD + "let: {a: $.x | uper}\nrules:\n  - name: A\n    send_email: {userId: $let.a, assetId: A1}\n",
        ("3:16: there is no filter 'uper'; did you mean 'upper'?",),
    ),
    Mistake(
        "broken table",
        HEAD + "tables: {t: {}}\nrules:\n  - name: A\n    send_email: {userId: $.x | lookup(t), assetId: A1}\n",
        ("3:13: table t is empty; it takes a mapping of key to value",),
    ),
    Mistake(
        "broken destination",
        HEAD + "destination: lodon\nrules:\n  - name: A\n    " + SEND + "\n  - name: B\n    " + SEND + "\n",
        ("3:14: there is no destination 'lodon'; known: default",),
    ),
    Mistake(
        "broken zone",
        HEAD
        + "zone: Europe/Lodon\nrules:\n  - name: A\n    send_email: {userId: $.x, assetId: A1, timestamp: 2026-01-05T10:00:00}\n",
        (
            "3:7: 'Europe/Lodon' is not a time zone; allowed: names such as Europe/London or UTC; did you mean 'Europe/London'?",
        ),
    ),
    Mistake(
        "broken path",
        HEAD + "path: 'x/{brand'\nrules:\n  - name: A\n    send_email: {userId: $path.brand, assetId: A1}\n",
        ("3:10: '{brand' is not a segment of a path; allowed: plain text or {name}, as in '{brand}/orders'",),
    ),
    Mistake(
        "broken default",
        HEAD
        + "defaults: {delay: soon}\nrules:\n  - name: A\n    "
        + SEND
        + "\n  - name: B\n    "
        + SEND.replace("A1", "A2")
        + "\n",
        (
            "3:19: delay: 'soon' is no length of time; allowed: numbers with s, m, h, d or w, such as '90s', '30m', '1h30m', '7d', '-24h'",
        ),
    ),
    Mistake("verfy", "source: shop\nverfy: none\n", ("2:1: a source has no key 'verfy'; did you mean 'verify'?",)),
    Mistake(
        "no name, more",
        HEAD + "rules:\n  - send_email: {userId: $.a | uper, assetId: A1}\n    priority: high\n",
        (
            "4:5: the rule has no name; name: says what it is for",
            "4:32: there is no filter 'uper'; did you mean 'upper'?",
            "5:15: priority takes a whole number from -1000 to 1000; found 'high'",
        ),
    ),
    Mistake(
        "secret unset",
        {"shop.yaml": "source: shop\nverify:\n  stripe: {secret: $env.SHOP_SECRET}\n"},
        ("warning 3:20: source 'shop' is disabled: SHOP_SECRET is not set (nor SHOP_SECRET_FILE)",),
    ),
    Mistake(
        "secret unset preset",
        {"shop.yaml": "source: shop\nverify: stripe\n"},
        ("warning 2:1: source 'shop' is disabled: STRIPE_SECRET is not set (nor STRIPE_SECRET_FILE)",),
    ),
    Mistake(
        "key trap in when",
        HEAD + "rules:\n  - name: A\n    when: {$.items[0].sku: x}\n    " + SEND + "\n",
        ("5:19: in { } style YAML ends a value at '['; quote the expression; write: when: {'$.items[0].sku': x}",),
    ),
    Mistake(
        "multi line flow",
        HEAD
        + "rules:\n  - name: A\n    send_email: {\n      userId: $.id,\n      assetId: $.a | default('x, y')\n    }\n",
        (
            "7:32: in { } style YAML ends a value at ','; quote the expression; write: assetId: \"$.a | default('x, y')\"",
        ),
    ),
    Mistake(
        "multi line flow2",
        HEAD + "rules:\n  - name: A\n    send_email: {\n      userId: $.items[0].id,\n      assetId: A1\n    }\n",
        ("6:22: in { } style YAML ends a value at '['; quote the expression; write: userId: '$.items[0].id',",),
    ),
    Mistake(
        "list of templates",
        value("[{{ $.a }}, b]"),
        ("8:15: a template stands in quotes; write: total: ['{{ $.a }}', b]",),
    ),
    Mistake(
        "list item template",
        HEAD
        + "rules:\n  - name: A\n    send_email:\n      userId: $.id\n      assetId: A1\n      x:\n        - {{ $.a }} and more\n        - b\n",
        ("9:11: a template stands in quotes; write: - '{{ $.a }} and more'",),
    ),
    Mistake(
        "template with quote",
        value("{{ $.a | default('x') }}"),
        ("8:14: a template stands in quotes; write: total: \"{{ $.a | default('x') }}\"",),
    ),
    Mistake(
        "block scalar arrow",
        value("> 5 items"),
        ("8:14: YAML reads > as the beginning of a block of text; quote the text; write: total: '> 5 items'",),
    ),
    Mistake(
        "pipe",
        value("| upper"),
        ("8:14: YAML reads | as the beginning of a block of text; quote the text; write: total: '| upper'",),
    ),
    Mistake(
        "list on key",
        HEAD + "rules: - name: a\n",
        ("3:8: a list begins in a line of its own below its key, each element after '- '; or write [a, b]",),
    ),
    Mistake("wide", value("'漢字 {{ $.a | uper }}'"), ("8:27: there is no filter 'uper'; did you mean 'upper'?",)),
    Mistake(
        "negative env",
        HEAD + "let: {t: $env.TOKEN}\n",
        ("3:10: $env holds secrets and stands only where credentials do (verify, fetch, destinations)",),
    ),
    Mistake(
        "verify string",
        "source: shop\nverify: 'stripe '\n",
        ("2:10: unknown verification 'stripe '; did you mean stripe?",),
    ),
)
