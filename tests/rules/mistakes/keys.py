"""Keys that are not in the language, at every level of a file."""

from __future__ import annotations

from gateway.rules.examples import EXAMPLE_KEYS, REQUEST_KEYS
from gateway.rules.keys import RULE_KEYS, SENDING_KEYS, SOURCE_KEYS
from tests.rules.mistakes.mistake import DESTINATIONS, GOOD, SEND, Mistake, rule, source, two

KEYS = (
    Mistake(
        "source key misspelt",
        source("rule:\n  - name: A"),
        (
            "3:1: a source has no key 'rule'; did you mean 'rules'?",
            "4:5: the rule makes nothing; it needs one of " + ", ".join(SENDING_KEYS) + ", cancel, or identify",
        ),
    ),
    Mistake(
        "source key unknown",
        source("colour: red"),
        ("3:1: a source has no key 'colour'; allowed: " + ", ".join(SOURCE_KEYS),),
    ),
    Mistake(
        "rule key misspelt", rule("whne: {$.a: 1}\n" + SEND), ("5:5: a rule has no key 'whne'; did you mean 'when'?",)
    ),
    Mistake(
        "rule key unknown",
        rule("colour: red\n" + SEND),
        ("5:5: a rule has no key 'colour'; allowed: " + ", ".join(RULE_KEYS),),
    ),
    Mistake(
        "rule command misspelt",
        rule("send_mail: {userId: $.id, assetId: A1}"),
        ("5:5: a rule has no key 'send_mail'; did you mean 'send_email'?",),
    ),
    Mistake(
        "rule command unknown",
        rule("telephone: {userId: $.id}"),
        ("5:5: a rule has no key 'telephone'; allowed: " + ", ".join(RULE_KEYS),),
    ),
    Mistake(
        "defaults key",
        source("defaults: {when: {$.a: 1}}"),
        ("3:12: defaults has no key 'when'; did you mean 'within'?",),
    ),
    Mistake(
        "defaults misspelt",
        source("defaults: {prioriti: 1}"),
        ("3:12: defaults has no key 'prioriti'; did you mean 'priority'?",),
    ),
    Mistake(
        "limits key",
        source("limits: {boddy: 5}"),
        ("3:10: limits has no key 'boddy'; allowed: body, rate; did you mean 'body'?",),
    ),
    Mistake(
        "limits not map",
        source("limits: 5"),
        ("3:9: limits is a mapping with keys such as body, rate; found the number 5",),
    ),
    Mistake(
        "limits body text",
        source("limits: {body: 5MB}"),
        ("3:16: body takes a number of bytes from 1 to 100000000; found '5MB'",),
    ),
    Mistake(
        "destination key",
        two(GOOD, DESTINATIONS.replace("journeys", "jurneys")),
        ("destinations.yaml:6:5: a destination has no key 'jurneys'; did you mean 'journeys'?",),
    ),
    Mistake(
        "example key",
        rule(SEND, "examples:\n  - nam: one\n    expect: []\n    request: {body: {}}\n"),
        ("7:5: an example has no key 'nam'; allowed: " + ", ".join(EXAMPLE_KEYS) + "; did you mean 'name'?",),
    ),
    Mistake(
        "request key",
        rule(SEND, "examples:\n  - name: one\n    expect: []\n    request: {header: {}}\n"),
        ("9:15: a request has no key 'header'; allowed: " + ", ".join(REQUEST_KEYS) + "; did you mean 'headers'?",),
    ),
    Mistake(
        "expect unknown",
        rule(SEND, "examples:\n  - name: one\n    expect: [{send_mail: {}}]\n    request: {body: {}}\n"),
        (
            "8:15: 'send_mail' is not a command; allowed: "
            + ", ".join(SENDING_KEYS)
            + ", identify; did you mean 'send_email'?",
        ),
    ),
    Mistake(
        "expect_error unknown",
        rule(SEND, "examples:\n  - name: one\n    expect_error: {feld: x}\n    request: {body: {}}\n"),
        ("8:20: expect_error has no key 'feld'; allowed: rule, field, path, message, element; did you mean 'field'?",),
    ),
    Mistake(
        "example no expect",
        rule(SEND, "examples:\n  - name: one\n    request: {body: {}}\n"),
        ("7:5: the example expects nothing; it needs expect, expect_error or expect_state",),
    ),
    Mistake(
        "examples not a list", rule(SEND, "examples: {name: one}\n"), ("6:11: examples takes a list; found a mapping",)
    ),
)
