"""Rules, commands, timing, destinations, tables."""

# ruff: noqa: E501 - a message stands in one line, as it is printed

from __future__ import annotations

from gateway.rules.keys import SENDING_KEYS
from tests.rules.mistakes.mistake import HEAD, SEND, Mistake, rule, source, two, value, when

RULE_BODIES = (
    Mistake(
        "two rules one name",
        rule(SEND, "  - name: Order\n    " + SEND + "\n"),
        ("6:11: two rules have the name 'Order'; the first is in line 4; give this one a name of its own",),
    ),
    Mistake(
        "two rules one id",
        rule("id: x\n" + SEND, "  - name: Other\n    id: x\n    " + SEND + "\n"),
        ("8:9: two rules have the id 'x'; the first is in line 5; give this one an id of its own",),
    ),
    Mistake(
        "rule no name", HEAD + "rules:\n  - " + SEND + "\n", ("4:5: the rule has no name; name: says what it is for",)
    ),
    Mistake(
        "rule is text",
        HEAD + "rules:\n  - Order\n",
        ("4:5: a rule is a mapping with a name and a command; found 'Order'",),
    ),
    Mistake("rules mapping", HEAD + "rules:\n  Order: {}\n", ("4:3: rules takes a list; found a mapping",)),
    Mistake(
        "no command",
        rule("when: {$.a: 1}"),
        ("4:5: the rule makes nothing; it needs one of " + ", ".join(SENDING_KEYS) + ", cancel, or identify",),
    ),
    Mistake(
        "two commands",
        rule(SEND + "\nsend_sms: {userId: $.id, assetId: A1}"),
        ("6:5: a rule makes one command; this one has send_email and send_sms; write a second rule",),
    ),
    Mistake(
        "missing assetId",
        rule("send_email:\n  userId: $.id"),
        ("5:5: send_email needs assetId; it stands nowhere under it",),
    ),
    Mistake(
        "missing userId",
        rule("send_email:\n  assetId: A1"),
        ("5:5: send_email needs userId; it stands nowhere under it",),
    ),
    Mistake(
        "missing both",
        rule("send_email:\n  name: x"),
        ("5:5: send_email needs userId and assetId; they stand nowhere under it",),
    ),
    Mistake(
        "assetid case",
        rule("send_email:\n  userid: $.id\n  assetID: A1"),
        (
            "6:7: send_email needs userId; found 'userid'; did you mean 'userId'?",
            "7:7: send_email needs assetId; found 'assetID'; did you mean 'assetId'?",
        ),
    ),
    Mistake(
        "missing journey",
        rule("start_journey: {userId: $.id}"),
        (
            "5:5: start_journey needs properties.journeyIdToTrigger; it stands nowhere under it (properties: {journeyIdToTrigger: …})",
        ),
    ),
    Mistake(
        "missing journey 2",
        rule("start_journey:\n  userId: $.id\n  properties: {journeyId: 5}"),
        ("7:20: start_journey needs journeyIdToTrigger; found 'journeyId'; did you mean 'journeyIdToTrigger'?",),
    ),
    Mistake(
        "journey at root",
        rule("start_journey:\n  userId: $.id\n  journeyIdToTrigger: 5"),
        ("7:7: start_journey needs journeyIdToTrigger under properties:; found 'journeyIdToTrigger' beside it",),
    ),
    Mistake("missing event", rule("track: {userId: $.id}"), ("5:5: track needs event; it stands nowhere under it",)),
    Mistake(
        "event wrong",
        rule("send_email: {event: send_sms, userId: $.id, assetId: A1}"),
        ("5:25: the event of send_email is always send_email; found 'send_sms'; delete the key",),
    ),
    Mistake(
        "track command",
        rule("track: {event: send_email, userId: $.id}"),
        ("5:20: 'send_email' is a command; write it as the rule's own key: send_email:",),
    ),
    Mistake(
        "track free",
        rule("track: {event: Bought, userId: $.id, total: $.x}"),
        ("5:42: track has no field 'total'; your own data stands under properties:",),
    ),
    Mistake(
        "identify free",
        rule("identify: {userId: $.id, email: $.email}"),
        ("5:30: identify has no field 'email'; your own data stands under traits:",),
    ),
    Mistake(
        "merge reserved",
        rule("send_email:\n  userId: $.id\n  assetId: A1\n  $merge: {userId: $.x}"),
        ("8:16: 'userId' can't come out of $merge; it stands under the command itself",),
    ),
    Mistake(
        "merge into a plain event",
        rule("track: {event: Bought, userId: $.id, $merge: $.order}"),
        ("5:42: track takes its own fields only; $merge stands under properties:",),
    ),
    Mistake(
        "merge into an identify",
        rule("identify: {userId: $.id, $merge: $.customer}"),
        ("5:30: identify takes its own fields only; $merge stands under traits:",),
    ),
    Mistake(
        "messageId",
        rule("send_email: {userId: $.id, assetId: A1, messageId: $.id}"),
        ("5:45: messageId is always the command's id, which the gateway sends by itself; delete the key",),
    ),
    Mistake(
        "command expression",
        rule("send_email: $.mail"),
        ("5:17: send_email takes a mapping, the JSON that is sent; found '$.mail'",),
    ),
    Mistake(
        "command empty", rule("send_email:"), ("5:5: send_email takes a mapping, the JSON that is sent; found nothing",)
    ),
    Mistake(
        "command list",
        rule("send_email: [a]"),
        ("5:5: send_email takes a mapping, the JSON that is sent; found a list",),
    ),
    Mistake(
        "command literal",
        rule("send_email: {$literal: {a: 1}}"),
        (
            "5:18: '$literal' can't make a whole command; its fields are written one by one, and $merge adds data to them",
        ),
    ),
    Mistake(
        "userId list", rule("send_email: {userId: [1], assetId: A1}"), ("5:26: userId takes one value; found a list",)
    ),
    Mistake(
        "userId none",
        rule("send_email: {userId: none, assetId: A1}"),
        ("5:26: userId: text 'none' is not a customer's id; it is text or a number that names one customer",),
    ),
    Mistake(
        "userId empty", rule("send_email: {userId: , assetId: A1}"), ("5:18: userId is empty; send_email needs it",)
    ),
    Mistake(
        "userId true",
        rule("send_email: {userId: true, assetId: A1}"),
        ("5:26: userId: true is not a customer's id; it is text or a number that names one customer",),
    ),
    Mistake(
        "userId and anon",
        rule("identify: {userId: $.id, anonymousId: $.b}"),
        ("5:30: userId and anonymousId both name the customer; one of them is enough",),
    ),
    Mistake(
        "timestamp",
        rule("send_email: {userId: $.id, assetId: A1, timestamp: yesterday}"),
        (
            "5:56: timestamp: text 'yesterday' is no time that can be read; allowed: ISO 8601 such as 2026-01-05T10:00:00Z, Unix seconds or milliseconds, a mail date such as Mon, 05 Jan 2026 10:00:00 +0000, or another form with date(from: '%d/%m/%Y')",
        ),
    ),
    Mistake(
        "timestamp zone",
        rule("send_email: {userId: $.id, assetId: A1, timestamp: 2024-05-06T10:00:00}"),
        (
            "5:56: timestamp: text '2024-05-06T10:00:00' is a time without a zone; say zone: Europe/London for the source, or date(zone: 'Europe/London')",
        ),
    ),
    Mistake(
        "traits list", rule("identify: {userId: $.id, traits: [a]}"), ("5:38: traits takes a mapping; found a list",)
    ),
    Mistake(
        "prefs",
        rule("identify: {userId: $.id, traits: {marketingPreferences: {email: true}}}"),
        ("5:61: marketingPreferences holds channels: a list of {channel, subscribed}",),
    ),
    Mistake(
        "op misspelt",
        value("{$eech: '$.items[*]', $as: {a: 1}}"),
        (
            "8:15: '$eech' is not an operator; allowed: $each, $as, $literal, $merge, $pick, $omit, $from; did you mean '$each'?",
        ),
    ),
    Mistake(
        "each alone",
        value("{$each: '$.items[*]'}"),
        ("8:15: $each stands together with $as and nothing else; found $each",),
    ),
    Mistake("pick", value("{$pick: a, $from: $.b}"), ("8:22: $pick takes a list of keys; found 'a'",)),
    Mistake(
        "beside",
        value("{$literal: a, b: 1}"),
        ("8:28: 'b' can't stand beside $literal; only $merge takes further keys",),
    ),
    Mistake(
        "delay",
        rule("delay: soon\n" + SEND),
        (
            "5:12: delay: 'soon' is no length of time; allowed: numbers with s, m, h, d or w, such as '90s', '30m', '1h30m', '7d', '-24h'",
        ),
    ),
    Mistake(
        "delay neg",
        rule("delay: -5m\n" + SEND),
        ("5:12: delay goes forward in time; found -5m; for a time before another use at: with date_add",),
    ),
    Mistake(
        "delay unit",
        rule("delay: 5 minutes\n" + SEND),
        (
            "5:12: delay: '5 minutes' is no length of time; allowed: numbers with s, m, h, d or w, such as '90s', '30m', '1h30m', '7d', '-24h'; did you mean '5m'?",
        ),
    ),
    Mistake(
        "delay bare",
        rule("delay: 30\n" + SEND),
        (
            "5:12: delay: '30' is no length of time; allowed: numbers with s, m, h, d or w, such as '90s', '30m', '1h30m', '7d', '-24h'; did you mean '30m'?",
        ),
    ),
    Mistake(
        "delay list",
        rule("delay: [5m]\n" + SEND),
        ("5:12: delay takes a length of time such as 30m, 2h or 7d; found a list",),
    ),
    Mistake(
        "expires",
        rule("expires: 2 hourz\n" + SEND),
        (
            "5:14: expires: '2 hourz' is no length of time; allowed: numbers with s, m, h, d or w, such as '90s', '30m', '1h30m', '7d', '-24h'",
        ),
    ),
    Mistake(
        "zone",
        source("zone: Europe/Londn"),
        (
            "3:7: 'Europe/Londn' is not a time zone; allowed: names such as Europe/London or UTC; did you mean 'Europe/London'?",
        ),
    ),
    Mistake(
        "zone abbreviation",
        source("zone: GMT+1"),
        ("3:7: 'GMT+1' is not a time zone; allowed: names such as Europe/London or UTC",),
    ),
    Mistake(
        "priority",
        rule("priority: high\n" + SEND),
        ("5:15: priority takes a whole number from -1000 to 1000; found 'high'",),
    ),
    Mistake(
        "priority range",
        rule("priority: 5000\n" + SEND),
        ("5:15: priority takes a whole number from -1000 to 1000; found the number 5000",),
    ),
    Mistake(
        "mode",
        rule("mode: dryrun\n" + SEND),
        ("5:11: mode takes live, dry_run or shadow; found 'dryrun'; did you mean 'dry_run'?",),
    ),
    Mistake(
        "unknown outcome",
        rule("on_unknown_outcome: retrry\n" + SEND),
        ("5:25: on_unknown_outcome takes retry, hold or verify; found 'retrry'; did you mean 'retry'?",),
    ),
    Mistake("stop", rule("stop: yes\n" + SEND), ("5:11: stop takes true or false; found 'yes'; write: true",)),
    Mistake(
        "enabled",
        rule("enabled: 'false'\n" + SEND),
        ("5:15: enabled takes true or false; found 'false'; without quotes: false",),
    ),
    Mistake("at and delay", rule("at: $.starts_at\ndelay: 5m\n" + SEND), ("5:5: a rule has delay or at, not both",)),
    Mistake(
        "at text",
        rule("at: tomorrow\n" + SEND),
        ("5:9: at takes an expression that gives a time, such as $.starts_at; found 'tomorrow'",),
    ),
    Mistake(
        "if_past",
        rule("if_past: skip\n" + SEND),
        ("5:5: if_past says what to do with a past at, and this rule has no at",),
    ),
    Mistake(
        "if_past value", rule("at: $.x\nif_past: drop\n" + SEND), ("6:14: if_past takes send or skip; found 'drop'",)
    ),
    Mistake(
        "key without for_each",
        rule("key: $.id\n" + SEND),
        ("5:5: key identifies an element of for_each, and this rule has no for_each",),
    ),
    Mistake(
        "for_each text",
        rule("for_each: items\n" + SEND),
        ("5:15: for_each takes an expression such as $.items[*]; found 'items'",),
    ),
    Mistake(
        "destination misspelt",
        two(rule("destination: ukk\n" + SEND)),
        ("shop.yaml:5:18: there is no destination 'ukk'; known: uk, ie, default; did you mean 'uk'?",),
    ),
    Mistake(
        "destination list",
        two(rule("destination: [uk]\n" + SEND)),
        ("shop.yaml:5:18: destination takes a name or an expression; found a list",),
    ),
    Mistake(
        "asset misspelt",
        two(rule("destination: uk\nsend_email:\n  userId: $.id\n  assetId: $asset.order-confirmatoin")),
        (
            "shop.yaml:8:16: the destination 'uk' lists no asset 'order-confirmatoin'; listed: order-confirmation, reminder; did you mean 'order-confirmation'?",
        ),
    ),
    Mistake(
        "asset lacking",
        two(rule("destination: ie\nsend_email:\n  userId: $.id\n  assetId: $asset.order-confirmation")),
        ("shop.yaml:8:16: the destination 'ie' lists no asset 'order-confirmation'; listed: reminder",),
    ),
    Mistake(
        "asset lacking expr",
        two(rule("destination: $.brand\nsend_email:\n  userId: $.id\n  assetId: $asset.order-confirmation")),
        (
            "shop.yaml:8:16: the destinations 'ie' and 'default' list no asset 'order-confirmation', and destination: may choose it",
        ),
    ),
    Mistake(
        "journey lacking expr",
        two(
            rule(
                "destination: $.brand\nstart_journey:\n  userId: $.id\n  properties: {journeyIdToTrigger: $journey.welcome}"
            )
        ),
        (
            "shop.yaml:8:40: the destinations 'ie' and 'default' list no journey 'welcome', and destination: may choose it",
        ),
    ),
    Mistake(
        "asset in when",
        when("$asset.x: 1"),
        ("6:7: $asset.x is known only under a command: it is the chosen destination's",),
    ),
    Mistake(
        "source name",
        "source: My Shop\nverify: none\n",
        ("1:9: a source's name is lower-case letters, digits, - and _, at most 64; found 'My Shop'",),
    ),
    Mistake("source missing", "verify: none\n", ("1:1: the file names no source; it begins with source: NAME",)),
    Mistake(
        "source list",
        "source: [a]\nverify: none\n",
        ("1:9: a source's name is lower-case letters, digits, - and _, at most 64; found a list",),
    ),
    Mistake(
        "body",
        source("body: jsn"),
        ("3:7: body takes json, form, ndjson, multipart, xml, text or jwt; found 'jsn'; did you mean 'json'?",),
    ),
    Mistake("path", source("path: '{brand}/{brand}'"), ("3:16: the part {brand} stands twice",)),
    Mistake(
        "path2",
        source("path: 'orders/{brand'"),
        ("3:15: '{brand' is not a segment of a path; allowed: plain text or {name}, as in '{brand}/orders'",),
    ),
    Mistake(
        "dedup_key",
        source("dedup_key: id"),
        ("3:12: dedup_key takes an expression such as $.id, or a list of them; found 'id'",),
    ),
    Mistake(
        "event_type list",
        source("event_type: [$.a, $.b]"),
        ("3:13: event_type takes an expression such as $.id; found a list",),
    ),
    Mistake("title", source("title: [a]"), ("3:8: title takes text; found a list",)),
    Mistake(
        "ignore",
        source("ignore: $.test"),
        ("3:9: conditions are a mapping of expression to test, such as {$.status: paid}; found '$.test'",),
    ),
    Mistake("tables list", source("tables: [a]"), ("3:9: tables takes a mapping of names to tables; found a list",)),
    Mistake(
        "table text",
        source("tables: {brands: brands.txt}"),
        ("3:18: a table is a mapping of key to value, or the name of a .csv file; found 'brands.txt'",),
    ),
    Mistake(
        "table empty",
        source("tables: {brands: {}}"),
        ("3:18: table brands is empty; it takes a mapping of key to value",),
    ),
    Mistake(
        "table csv missing",
        source("tables: {brands: brand.csv}"),
        ("3:18: there is no file 'brand.csv' beside this one",),
    ),
    Mistake(
        "table csv ragged",
        {"shop.yaml": source("tables: {brands: brands.csv}"), "brands.csv": "code,name\nuk,UK\nie\n"},
        ("shop.yaml:3:18: table brands, row 3 has 1 cells; it takes 2: code, name",),
    ),
    Mistake(
        "table csv one col",
        {"shop.yaml": source("tables: {brands: brands.csv}"), "brands.csv": "code\nuk\n"},
        ("shop.yaml:3:18: table brands, row 1 has one column; it takes at least two: keys, then the value",),
    ),
    Mistake(
        "table csv near",
        {"shop.yaml": source("tables: {brands: brand.csv}"), "brands.csv": "code,name\nuk,UK\n"},
        ("shop.yaml:3:18: there is no file 'brand.csv' beside this one; did you mean 'brands.csv'?",),
    ),
)
