"""Mistakes in what a source says about its requests: events, event_time, redact, respond, limits, retention."""

from __future__ import annotations

from tests.rules.mistakes.mistake import Mistake, rule, source

REQUESTS = (
    Mistake(
        "events text",
        source("events: all"),
        ("3:9: events takes a path to a list, such as $[*] or $.events[*]; found 'all'",),
    ),
    Mistake(
        "events filter",
        source("events: $.items | compact"),
        ("3:16: events takes a path alone, such as $.events[*]; a filter can't follow",),
    ),
    Mistake(
        "events of a header",
        source("events: $header.X-Events"),
        ("3:9: events names a list in the body, such as $[*] or $.events[*]; found $header.X-Events",),
    ),
    Mistake(
        "events union",
        source("events: $.a + $.b"),
        ("3:13: arithmetic is done by filters: plus, minus, times, divided_by",),
    ),
    Mistake(
        "batch without events",
        rule("send_email: {userId: $batch.id, assetId: A1}"),
        ("5:26: $batch is known only where the source says events",),
    ),
    Mistake(
        "event time text",
        source("event_time: created"),
        ("3:13: event_time takes an expression such as $.id; found 'created'",),
    ),
    Mistake(
        "event time of two",
        source("event_time: [$.a, $.b]"),
        ("3:13: event_time takes an expression such as $.id; found a list",),
    ),
    Mistake(
        "redact text",
        source("redact: card"),
        ("3:9: redact takes a list of paths such as $.card.number; found 'card'",),
    ),
    Mistake(
        "redact filter in path",
        source("redact: ['$.items[?(@.a == 1)].card']"),
        ("3:11: redact takes names, indexes, [*] and ..; filters and slices select too little to be safe",),
    ),
    Mistake(
        "redact slice",
        source("redact: ['$.items[0:2]']"),
        ("3:11: redact takes names, indexes, [*] and ..; filters and slices select too little to be safe",),
    ),
    Mistake(
        "redact all",
        source("redact: [$]"),
        ("3:10: $ is the whole body; redact names places in it, such as $.card.number",),
    ),
    Mistake(
        "redact query",
        source("redact: [$query.token]"),
        ("3:10: redact takes paths of the body such as $.card.number, and $header.NAME",),
    ),
    Mistake(
        "redact batch without events",
        source("redact: [$batch.token]"),
        ("3:10: $batch is known only where the source says events",),
    ),
    Mistake("redact bad path", source("redact: ['$.a[']"), ("3:14: '[' and ']' do not pair",)),
    Mistake(
        "rule reads what is redacted",
        rule(
            "when:\n  $.card.brand: visa\nsend_email:\n  userId: $.id\n  assetId: A1\n"
            "  last: \"ends {{ $.card['number'] | slice(-4) }}\"",
            "redact: [$.card]\n",
        ),
        (
            "6:7: $.card.brand can't be read here: redact takes $.card out",
            "10:22: $.card['number'] can't be read here: redact takes $.card out",
        ),
    ),
    Mistake(
        "rule reads the secret of verify",
        "source: s\nverify:\n  body: {path: auth.token, secret: $env.S}\ndedup_key: $.auth.token\n",
        ("4:12: $.auth.token can't be read here: verify takes $.auth.token out",),
    ),
    Mistake(
        "secret in a body that is no json",
        "source: s\nverify:\n  body: {path: token, secret: $env.S}\nbody: text\n",
        ("3:3: verify reads token of a JSON body, and body says it is something else",),
    ),
    Mistake(
        "key reads what is redacted",
        source("redact: [$..email, $header.X-Person]\ndedup_key: [$.person.email, $header.x-person]"),
        (
            "4:13: $.person.email can't be read here: redact takes $..email out",
            "4:29: $header.x-person can't be read here: redact takes $header.X-Person out",
        ),
    ),
    Mistake(
        "let reads what is redacted",
        source("redact: ['$.people[*].ssn']\nlet: {ssn: '$.people[0].ssn'}"),
        ("4:13: $.people[0].ssn can't be read here: redact takes $.people[*].ssn out",),
    ),
    Mistake(
        "batch reads what is redacted",
        source("events: $[*]\nredact: [$batch.token]\nevent_type: $batch.token.kind"),
        ("5:13: $batch.token.kind can't be read here: redact takes $batch.token out",),
    ),
    Mistake(
        "respond text",
        source("respond: ok"),
        ("3:10: respond is a mapping with keys such as status, headers, body; found 'ok'",),
    ),
    Mistake(
        "respond status",
        source("respond: {status: 302}"),
        ("3:19: status takes a number from 200 to 299, for it is stored by then; found the number 302",),
    ),
    Mistake(
        "respond key",
        source("respond: {header: {A: b}}"),
        ("3:11: respond has no key 'header'; allowed: status, headers, body; did you mean 'headers'?",),
    ),
    Mistake(
        "respond list",
        source("respond: {body: [accepted]}"),
        ("3:17: body takes text or a mapping; found a list; text such as '[accepted]' stands in quotes",),
    ),
    Mistake(
        "respond 204 with body",
        source("respond: {status: 204, body: ok}"),
        ("3:30: an answer of status 204 has no body (RFC 9110); leave body out, or take 200",),
    ),
    Mistake(
        "respond header name",
        source("respond: {headers: {'X Y': b}}"),
        ("3:22: 'X Y' is not the name of a header; allowed: letters, digits and -, as in X-Request-Id",),
    ),
    Mistake(
        "respond header of ours",
        source("respond: {headers: {Content-Length: '3'}}"),
        ("3:21: the header Content-Length is the gateway's own; leave it out",),
    ),
    Mistake(
        "respond header lines",
        source('respond: {headers: {X-A: "b\\r\\nX-C: d"}}'),
        ("3:27: a header holds one line of Latin letters, digits and signs",),
    ),
    Mistake(
        "respond reads an element",
        source("events: $[*]\nrespond: {body: '{{ $.id }}'}"),
        ("4:1: respond speaks of the whole request, and $ is one element of it; write $batch for the body",),
    ),
    Mistake(
        "respond reads an element by a let",
        source("events: $[*]\nlet: {id: $.id}\nrespond: {body: $let.id}"),
        ("5:1: respond speaks of the whole request, and $ is one element of it; write $batch for the body",),
    ),
    Mistake(
        "respond reads what is fetched",
        source("fetch: {order: {get: 'https://api.example.com/1'}}\nrespond: {body: $fetch.order.id}"),
        ("4:1: respond is sent at once, and what is fetched comes later; leave $fetch out",),
    ),
    Mistake(
        "rate text",
        source("limits: {rate: fast}"),
        ("3:16: rate takes requests a second, such as 50 or 50/s, or 600/m; found 'fast'",),
    ),
    Mistake(
        "rate zero",
        source("limits: {rate: 0}"),
        ("3:16: rate takes requests a second, such as 50 or 50/s, or 600/m; found the number 0",),
    ),
    Mistake(
        "rate by day",
        source("limits: {rate: 10/d}"),
        ("3:16: rate takes requests a second, such as 50 or 50/s, or 600/m; found '10/d'",),
    ),
    Mistake(
        "retention number",
        source("retention: 30"),
        (
            (
                "3:12: retention: '30' is no length of time; allowed: numbers with s, m, h, d or w, such as '90s', "
                "'30m', '1h30m', '7d', '-24h'; did you mean '30m'?"
            ),
        ),
    ),
    Mistake(
        "dedup months",
        source("dedup_within: 3mo"),
        ("3:15: dedup_within takes weeks, days, hours or minutes, not months; 90d is three of them",),
    ),
    Mistake(
        "dedup nothing",
        source("dedup_within: 0s"),
        ("3:15: dedup_within takes 1s or more; found a length of nothing",),
    ),
    Mistake(
        "retention months",
        source("retention: 3mo"),
        ("3:12: retention takes weeks, days, hours or minutes, not months; 90d is three of them",),
    ),
    Mistake(
        "retention too short",
        source("retention: 5m"),
        ("3:12: retention takes 1h or more, for lists and replays need what came in; found 5m",),
    ),
)
