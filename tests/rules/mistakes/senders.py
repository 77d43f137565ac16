"""What a source says about its sender: the kind of the body, the challenge."""

# ruff: noqa: E501 - a message stands in one line, as it is printed

from __future__ import annotations

from tests.rules.mistakes.mistake import HEAD, Mistake

_ALL = "adobe, asana, aws_sns, circle, cloudevents, dropbox, intercom, mailchimp, mandrill, meta, microsoft_graph, mindbody, slack, trello, woocommerce, x, xero, zoom, echo_query, echo_field, echo_header, hmac, probe, form_ping, empty_list, visit, allow_origin"
_KINDS = "json, form, ndjson, multipart, xml, text or jwt"


def source(line: str) -> str:
    return f"{HEAD}{line}\n"


SENDERS = (
    Mistake(
        "body list",
        source("body: [json]"),
        (
            f"3:7: body takes {_KINDS}; found a list; or a mapping: {{form_field: NAME, as: json}} and {{as: xml, lists: [NAME]}}",
        ),
    ),
    Mistake(
        "body empty mapping",
        source("body: {}"),
        ("3:7: body is empty; it takes a kind such as ndjson, or form_field, as, lists",),
    ),
    Mistake(
        "body key",
        source("body: {form_feld: payload}"),
        ("3:8: body has no key 'form_feld'; allowed: form_field, as, lists; did you mean 'form_field'?",),
    ),
    Mistake(
        "body as",
        source("body: {form_field: payload, as: jsn}"),
        (f"3:33: as takes {_KINDS}; found 'jsn'; did you mean 'json'?",),
    ),
    Mistake(
        "body multipart within",
        source("body: {form_field: payload, as: multipart}"),
        ("3:33: a field holds no multipart; allowed: json, form, ndjson, xml, text, jwt",),
    ),
    Mistake(
        "body lists of json",
        source("body: {as: json, lists: [item]}"),
        ("3:18: lists names XML elements, and this is read as json; allowed: as: xml",),
    ),
    Mistake(
        "body lists prefix",
        source("body: {as: xml, lists: ['s:item']}"),
        ("3:26: 's:item' is not the name of an XML element; the prefix of a namespace is left out",),
    ),
    Mistake(
        "body lists empty",
        source("body: {as: xml, lists: []}"),
        ("3:24: lists takes names of XML elements, such as [item]; found an empty list",),
    ),
    Mistake(
        "challenge misspelt", source("challenge: slak"), ("3:12: there is no challenge 'slak'; did you mean 'slack'?",)
    ),
    Mistake("challenge number", source("challenge: 7"), (f"3:12: there is no challenge '7'; allowed: {_ALL}",)),
    Mistake(
        "challenge kind alone",
        source("challenge: echo_query"),
        ("3:12: echo_query needs its keys: write it as a mapping, echo_query: {…}",),
    ),
    Mistake("challenge lacks", source("challenge: {echo_query: {}}"), ("3:12: echo_query needs name",)),
    Mistake(
        "challenge empty list",
        source("challenge: []"),
        ("3:12: challenge is an empty list; leave it out, or name one such as slack",),
    ),
    Mistake(
        "challenge key",
        source("challenge: {echo_query: {name: c, methd: GET}}"),
        (
            "3:35: echo_query has no key 'methd'; allowed: name, as, method, where, token, secret; did you mean 'method'?",
        ),
    ),
    Mistake(
        "challenge visits anywhere",
        source("challenge: {visit: {field: url, hosts: '*.com'}}"),
        (
            "3:41: hosts takes names of hosts, such as api.example.com; * may stand for a whole label, never for the last two; found '*.com'",
        ),
    ),
    Mistake(
        "challenge visits a part of a label",
        source("challenge: {aws_sns: {hosts: [sns.amazonaws.com, 'sns*.amazonaws.com']}}"),
        (
            "3:51: hosts takes names of hosts, such as api.example.com; * may stand for a whole label, never for the last two; found 'sns*.amazonaws.com'",
        ),
    ),
    Mistake("challenge visits nowhere", source("challenge: {visit: {field: url}}"), ("3:20: visit needs hosts",)),
    Mistake(
        "challenge as",
        source("challenge: {echo_query: {name: c, as: xml}}"),
        ("3:39: as takes text or json; found 'xml'",),
    ),
    Mistake(
        "challenge secret in the file",
        source("challenge: {meta: {secret: hunter2}}"),
        ("3:28: a secret never stands in a rules file: name it as $env.NAME",),
    ),
    Mistake(
        "challenge token without secret",
        source("challenge: {echo_query: {name: c, token: t}}"),
        ("3:25: token names the parameter that must equal secret: both stand here, or none",),
    ),
    Mistake(
        "challenge hmac of two",
        source("challenge: {hmac: {secret: $env.X, answer: {a: '{hmac}'}, query: q, field: f}}"),
        ("3:19: hmac needs one of query and field",),
    ),
    Mistake(
        "challenge hmac answer",
        source("challenge: {hmac: {secret: $env.X, answer: {a: b}, query: q}}"),
        ("3:44: answer says nowhere {hmac}: the sender waits for it",),
    ),
    Mistake(
        "challenge hmac signed query",
        source("challenge: {hmac: {secret: $env.X, answer: {a: '{hmac}'}, query: q, signed: true}}"),
        ("3:19: what comes in the query is a GET, and no sender signs it; signed is for field",),
    ),
    Mistake(
        "challenge probe",
        source("challenge: {probe: {methods: POST}}"),
        ("3:30: methods takes HEAD, GET; found 'POST'",),
    ),
    Mistake(
        "challenge header",
        source("challenge: {echo_header: {name: Set-Cookie}}"),
        ("3:33: 'Set-Cookie' is not a header that can be sent back",),
    ),
    Mistake(
        "challenge field",
        source("challenge: {echo_field: {field: $.challenge}}"),
        ("3:33: field takes a plain dotted path such as payload.token; found '$.challenge'",),
    ),
    Mistake(
        "challenge rate",
        source("challenge: {allow_origin: {rate: 0}}"),
        ("3:34: rate takes requests per minute, 1 to 1000000; found the number 0",),
    ),
    Mistake(
        "challenge signed",
        source("challenge: {slack: {signed: maybe}}"),
        ("3:29: signed takes true or false; found 'maybe'",),
    ),
    Mistake(
        "challenge unknown",
        source("challenge: {twitch: {}}"),
        (f"3:13: challenge has no key 'twitch'; allowed: {_ALL}",),
    ),
)
