"""What looks like a mistake and is none: each of these loads, without a warning."""

from __future__ import annotations

from tests.rules.mistakes.mistake import GOOD, HEAD, SEND, rule, rules, two, value, when

FINE: tuple[tuple[str, str | dict[str, str | bytes]], ...] = (
    ("command in another case", rule("Send_Email: {userId: $.id, assetId: A1}")),
    ("event in other case", rule("send_email: {event: Send_Email, userId: $.id, assetId: A1}")),
    ("destination none", two(rule(SEND))),
    ("bom", "\ufeff" + GOOD),
    ("crlf", GOOD.replace("\n", "\r\n")),
    ("template unquoted mid", value("Hello {{ $.name }}")),
    ("hash3", value('"x" #5')),
    ("hash4", value("$.a # comment")),
    ("json", '{"source": "shop", "verify": "none"}'),
    ("bounds fine", when("$.total: {gte: 5, lte: 5}")),
    ("exists true beside a list of null", when("$.a: {exists: true, eq: null}")),
    ("list fine", when("all: [{'$.a[*]': paid}, {$.b: 1}]")),
    (
        "stop narrower fine",
        rules(
            "name: A\nwhen: {$.t: x, $.u: 1}\nstop: true\n" + SEND,
            "name: B\nwhen: {$.t: x}\n" + SEND.replace("A1", "A2"),
        ),
    ),
    ("copies delay fine", rules("name: A\nwhen: {$.t: x}\n" + SEND, "name: B\nwhen: {$.t: x}\ndelay: 5d\n" + SEND)),
    ("unfilled ok", value("'{{ $.a }} costs $.50 and $5'")),
    ("true is the text of a form", "body: form\n" + when("$.a: 'true'")),
    ("true is the text of a header", when("$header.X-Test: 'true'")),
    ("true is what a filter gives", when("$.a | string: 'true'")),
    ("dots are no path", value("shop.example.com")),
    (
        "an asset's name that is a code in one of two",
        two(rule("destination: $.brand\n" + SEND.replace("A1", "order-confirmation"))),
    ),
    (
        "lists where lists are taken",
        rule(
            "when: {'$.items[*].sku': {starts_with: A}}\n"
            "send_email:\n"
            "  userId: \"$.answers[?(@.type == 'email')].email | first | email | lower\"\n"
            "  assetId: A1\n"
            "  skus: $.items[*].sku\n"
            "  line: \"{{ $.items[*].sku | compact | join(', ') }}\"\n"
            "  total: $.items[*].price | sum | round(2)\n"
            "  count: $..sku | unique | size | plus(1)\n"
            "  text: $.items[0:2] | json | truncate(100)\n"
            "  one: $.items[-1].sku | upper\n"
            "  named: $['a,b']['c:d*'] | upper\n"
            "  maybe: $.items | upper\n"
        ),
    ),
    (
        "a rule's let hides a list of that name",
        HEAD + "let: {a: '$.items[*].sku'}\nrules:\n  - name: A\n    let: {a: $.sku}\n"
        "    send_email: {userId: $.id, assetId: A1, a: $let.a | upper}\n"
        "  - name: B\n    let: {b: '$.items[*].sku'}\n    send_sms: {userId: $.id, assetId: A1, b: $let.b, c: $let.a}\n"
        "  - name: C\n    let: {b: $.sku}\n    send_print: {userId: $.id, assetId: A1, b: $let.b | upper}\n",
    ),
    ("a slice in a key", when("'$.items[0:2]': 1")),
    ("a comment, and the value below", rule("when: #why\n  $.a: 1\n" + SEND)),
    ("quote in key", HEAD + "rules:\n  - name: A\n    when:\n      $.items[?(@.a == 'x')].b: 1\n    " + SEND + "\n"),
)
