"""Names that are not known: filters, tables, named values, roots, parts of the path; and what conditions ask."""

# ruff: noqa: E501 - a message stands in one line, as it is printed

from __future__ import annotations

from gateway.rules.filters import FILTERS
from gateway.rules.operators import OPERATORS
from tests.rules.mistakes.mistake import SEND, Mistake, rule, source, value, when

NAMES = (
    Mistake("filter misspelt", value("$.a | roun(2)"), ("8:20: there is no filter 'roun'; did you mean 'round'?",)),
    Mistake(
        "filter of elsewhere",
        value("$.a | uppercase"),
        ("8:20: there is no filter 'uppercase'; did you mean 'upper'?",),
    ),
    Mistake(
        "filter unknown",
        value("$.a | zzzqqq"),
        ("8:20: there is no filter 'zzzqqq'; allowed: " + ", ".join(sorted(FILTERS)),),
    ),
    Mistake("filter missing", value("$.a | | upper"), ("8:19: the name of a filter is missing behind |",)),
    Mistake("filter missing end", value("$.a |"), ("8:19: the name of a filter is missing behind |",)),
    Mistake(
        "filter syntax", value("$.a | up-per"), ("8:20: not a filter: 'up-per'; a filter is name or name(arguments)",)
    ),
    Mistake(
        "table misspelt",
        value("$.a | lookup(brans)").replace("rules:", "tables: {brands: {a: 1}}\nrules:"),
        ("9:27: there is no table 'brans'; known: brands; did you mean 'brands'?",),
    ),
    Mistake(
        "table none", value("$.a | lookup(brands)"), ("8:27: there is no table 'brands'; the file has no tables:",)
    ),
    Mistake(
        "let misspelt",
        value("$let.emial").replace("rules:", "let: {email: $.email}\nrules:"),
        ("9:14: $let.emial is not named above; known here: email; did you mean 'email'?",),
    ),
    Mistake("let none", value("$let.email"), ("8:14: $let.email is not named above; known here: none",)),
    Mistake(
        "let before",
        value("1").replace("rules:", "let: {a: $let.b, b: $.b}\nrules:"),
        ("3:10: $let.b is named later, in line 3; a let reads only those above it",),
    ),
    Mistake(
        "let itself",
        value("1").replace("rules:", "let: {a: $let.a}\nrules:"),
        ("3:10: $let.a reads itself; a let reads only those above it",),
    ),
    Mistake("let not map", source("let: [a]"), ("3:6: let takes a mapping of names to values; found a list",)),
    Mistake("let name", source("let: {'a b': $.x}"), ("3:8: 'a b' is not a name; allowed: letters, digits, _ and -",)),
    Mistake("root misspelt", value("$headers.X-Topic"), ("8:14: $headers is not known; did you mean '$header'?",)),
    Mistake("root misspelt 2", value("$itme.sku"), ("8:14: $itme is not known; did you mean '$item'?",)),
    Mistake(
        "root unknown",
        value("$colour.red"),
        (
            "8:14: $colour is not known; a field of the body is $.colour; other roots: $item, $outer, $let, $header, $query, $path, $batch, $fetch, $asset, $journey, $webhook",
        ),
    ),
    Mistake("root in other case", value("$Header.X"), ("8:14: $Header is not known; did you mean '$header'?",)),
    Mistake(
        "no dot",
        value("$name"),
        (
            "8:14: $name is not known; a field of the body is $.name; other roots: $item, $outer, $let, $header, $query, $path, $batch, $fetch, $asset, $journey, $webhook",
        ),
    ),
    Mistake(
        "header without name", value("$header"), ("8:14: $header needs a name: $header.NAME (a header of the request)",)
    ),
    Mistake(
        "header brackets path", value("$header.X-Shop.id"), ("8:28: $header.X-Shop is one value; '.id' can't follow",)
    ),
    Mistake(
        "webhook fact",
        value("$webhook.recieved_at"),
        (
            "8:14: $webhook.recieved_at is not known; allowed: id, received_at, source, event_type; did you mean 'received_at'?",
        ),
    ),
    Mistake(
        "path part",
        value("$path.brnd").replace("rules:", "path: '{brand}'\nrules:"),
        ("9:14: $path.brnd is not a part of the path; known: brand; did you mean 'brand'?",),
    ),
    Mistake(
        "path none",
        value("$path.brand"),
        ("8:14: $path.brand is not a part of the path; the source has no path: with parts, such as path: '{brand}'",),
    ),
    Mistake("fetch none", value("$fetch.order.email"), ("8:14: $fetch.order is not fetched; the source has no fetch",)),
    Mistake(
        "env in body",
        value("$env.SECRET"),
        ("8:14: $env holds secrets and stands only where credentials do (verify, fetch, destinations)",),
    ),
    Mistake("batch", value("$batch.id"), ("8:14: $batch is known only where the source says events",)),
    Mistake("item outside", value("$item.sku"), ("8:14: $item is known only inside for_each or $each",)),
    Mistake(
        "outer outside",
        value("{$each: '$.items[*]', $as: {a: $outer.id}}"),
        ("8:45: $outer is known only inside a $each inside of for_each or of another $each",),
    ),
    Mistake(
        "item in when",
        rule("when: {$item.a: 1}\nfor_each: $.items[*]\n" + SEND),
        ("5:12: $item is known only inside for_each or $each",),
    ),
    Mistake(
        "operator misspelt", when("$.total: {greater: 5}"), ("6:17: 'greater' is not an operator; did you mean 'gt'?",)
    ),
    Mistake("operator misspelt2", when("$.total: {gtt: 5}"), ("6:17: 'gtt' is not an operator; did you mean 'gt'?",)),
    Mistake("operator symbol", when("$.total: {'>': 5}"), ("6:18: '>' is not an operator; did you mean 'gt'?",)),
    Mistake(
        "when text",
        rule("when: $.a\n" + SEND),
        ("5:11: conditions are a mapping of expression to test, such as {$.status: paid}; found '$.a'",),
    ),
    Mistake(
        "when key without $",
        when("status: paid"),
        ("6:7: 'status' is not a condition; allowed: an expression such as $.status, any, all, not",),
    ),
    Mistake(
        "when key none",
        when("an: [{$.a: 1}]"),
        ("6:7: 'an' is not a condition; allowed: an expression such as $.an, any, all, not; did you mean 'any'?",),
    ),
    Mistake(
        "any mapping", when("any: {$.a: 1}"), ("6:12: any takes a list of mappings of conditions; found a mapping",)
    ),
    Mistake("empty test", when("$.a: {}"), ("6:12: an empty mapping tests nothing; allowed: " + ", ".join(OPERATORS),)),
    Mistake(
        "in scalar",
        when("$.a: {in: 5}"),
        ("6:17: in takes a list of values, such as [paid, authorized]; found the number 5",),
    ),
    Mistake("in empty", when("$.a: {in: []}"), ("6:17: in takes a list of values; with an empty list it never holds",)),
    Mistake(
        "list empty",
        when("$.a: []"),
        ("6:12: nothing equals one of an empty list, so this never holds; list what is allowed",),
    ),
    Mistake(
        "exists text",
        when("$.a: {exists: 'yes'}"),
        ("6:22: exists takes true or false; found 'yes'; without quotes: true",),
    ),
    Mistake("exists yes", when("$.a: {exists: yes}"), ("6:21: exists takes true or false; found 'yes'; write: true",)),
    Mistake(
        "regex backreference",
        when("$.a: {matches: '(a)\\1'}"),
        ("6:26: a regular expression can't refer back to a group ('\\1'); allowed is the syntax of RE2",),
    ),
    Mistake(
        "regex lookahead",
        when("$.a: {matches: '(?!a)b'}"),
        (
            "6:23: a regular expression can't look ahead or behind ('(?!'); allowed is the syntax of RE2; ask with a second test, or not:",
        ),
    ),
    Mistake(
        "regex lookbehind",
        when("$.a: {matches: '(?<=a)b'}"),
        (
            "6:23: a regular expression can't look ahead or behind ('(?<='); allowed is the syntax of RE2; ask with a second test, or not:",
        ),
    ),
    Mistake("regex bracket", when("$.a: {matches: '(a'}"), ("6:23: ')' is missing in the regular expression '(a'",)),
    Mistake(
        "regex range",
        when("$.a: {matches: '[z-a]'}"),
        ("6:24: the regular expression has a range that does not go upward: 'z-a'; allowed is the syntax of RE2",),
    ),
    Mistake(
        "regex star",
        when("$.a: {matches: '*a'}"),
        (
            "6:23: the regular expression has nothing before the * + or ? that repeats it: '*'; allowed is the syntax of RE2",
        ),
    ),
    Mistake(
        "before",
        when("$.a: {before: tomorrow}"),
        ("6:21: before takes a time such as 2026-01-05T10:00:00Z; found 'tomorrow'",),
    ),
    Mistake(
        "before format",
        when("$.a: {before: 05/06/2024}"),
        ("6:21: before takes a time such as 2026-01-05T10:00:00Z; found '05/06/2024'",),
    ),
    Mistake(
        "before no zone",
        when("$.a: {before: 2024-05-06 10:00}"),
        (
            "6:21: before takes a time such as 2026-01-05T10:00:00Z; found '2024-05-06 10:00'; it needs a zone: Z or +01:00 at its end, or zone: Europe/London for the source",
        ),
    ),
    Mistake("nested test", when("$.a: {eq: {x: 1}}"), ("6:17: eq takes one value; found a mapping",)),
    Mistake("list of maps", when("$.a: [{x: 1}]"), ("6:13: a condition compares with one value; found a mapping",)),
    Mistake("gt list", when("$.a: {gt: [1]}"), ("6:17: gt takes one value; found a list",)),
    Mistake("gt nothing", when("$.a: {gt: }"), ("6:13: gt takes a value; found nothing",)),
)
