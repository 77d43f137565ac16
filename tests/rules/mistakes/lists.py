"""What surely gives a list, where one value is needed."""

from __future__ import annotations

from tests.rules.mistakes.mistake import HEAD, SEND, Mistake, rule, value, when

_TAKES_TEXT = "takes text, a number, a boolean; take one of it with | first, or make one text of it with | join(', ')"
_TEMPLATE = "take one of it with | first, or make one text of it with | join(', ')"
_TAKES_NUMBER = "takes a number, or text that is one; take one of it with | first, or add it up with | sum"
_HAS_NO_X = "and only what stands in it has a .x; take the first with $let.skus[0].x, or all with $let.skus[*].x"

LISTS = (
    Mistake(
        "list all elements",
        value("$.items[*].sku | upper"),
        (f"8:31: $.items[*].sku gives a list, and upper {_TAKES_TEXT}",),
    ),
    Mistake("list every depth", value("$..sku | upper"), (f"8:23: $..sku gives a list, and upper {_TAKES_TEXT}",)),
    Mistake("list slice", value("$.items[0:2] | trim"), (f"8:29: $.items[0:2] gives a list, and trim {_TAKES_TEXT}",)),
    Mistake(
        "list selection",
        value("\"$.answers[?(@.type == 'email')].email | email\""),
        (f"8:55: $.answers[?(@.type == 'email')].email gives a list, and email takes text; {_TEMPLATE}",),
    ),
    Mistake(
        "list behind default",
        value("$.items[*].sku | default('none') | upper"),
        (f"8:49: $.items[*].sku | default('none') gives a list, and upper {_TAKES_TEXT}",),
    ),
    Mistake(
        "list of a filter",
        value("$.tags | split(',') | trim"),
        (f"8:36: $.tags | split(',') gives a list, and trim {_TAKES_TEXT}",),
    ),
    Mistake(
        "list for a number",
        value("$.items[*].price | number"),
        (f"8:33: $.items[*].price gives a list, and number {_TAKES_NUMBER}",),
    ),
    Mistake(
        "list for a time",
        value("$.items[*].at | date('%Y')"),
        ("8:30: $.items[*].at gives a list, and date takes a time; take one of it with | first",),
    ),
    Mistake(
        "list in a template",
        value('"{{ $.id }}: {{ $.items[*].sku }}"'),
        (f"8:30: a template takes text and numbers, and $.items[*].sku gives a list; {_TEMPLATE}",),
    ),
    Mistake(
        "list in a condition",
        when("$.items[*].sku | lower: a"),
        (f"6:24: $.items[*].sku gives a list, and lower {_TAKES_TEXT}",),
    ),
    Mistake(
        "list as userId",
        rule("send_email:\n  userId: $.ids[*]\n  assetId: A1"),
        ("6:15: userId takes one value, and $.ids[*] gives a list; take one of it with | first",),
    ),
    Mistake(
        "list as a moment",
        rule("at: $.slots[*].start\nsend_email: {userId: $.id, assetId: A1}"),
        ("5:9: at takes a time, and $.slots[*].start gives a list; take one of it with | first",),
    ),
    Mistake(
        "list as a key",
        rule(f"once: $.items[*].id\n{SEND}"),
        ("5:11: once takes text or a number, and $.items[*].id gives a list; take one of it with | first",),
    ),
    Mistake(
        "list by let",
        HEAD + "let:\n  skus: $.items[*].sku\nrules:\n  - name: A\n    let: {own: $let.skus}\n    send_email:\n"
        "      userId: $.id\n      assetId: A1\n      sku: $let.own | upper\n      first: $let.skus[0].x\n"
        "      all: $let.skus.x\n",
        (
            f"11:23: $let.own gives a list, and upper {_TAKES_TEXT}",
            f"13:21: $let.skus is a list, {_HAS_NO_X}",
        ),
    ),
)
