"""Arguments of filters."""

# ruff: noqa: E501 - a message stands in one line, as it is printed

from __future__ import annotations

from tests.rules.mistakes.mistake import Mistake, value

ARGUMENTS = (
    Mistake(
        "argument type",
        value("$.a | round('two')"),
        ("8:26: round: digits: text 'two' is no whole number; allowed: a whole number such as 3",),
    ),
    Mistake(
        "argument count",
        value("$.a | round(2, 3)"),
        ("8:29: round takes one argument; '3' is one too many: round(digits?)",),
    ),
    Mistake("argument none", value("$.a | upper(1)"), ("8:26: upper takes no arguments; '1' is one too many: upper",)),
    Mistake("argument needed", value("$.a | plus"), ("8:20: plus needs 'number' (what is added): plus(number)",)),
    Mistake(
        "argument name",
        value("$.a | round(digit: 2)"),
        ("8:31: a second ': ' in one line; quote the value; write: total: '$.a | round(digit: 2)'",),
    ),
    Mistake(
        "argument unquoted",
        value("$.a | default(none at all)"),
        ("8:28: not an argument: none at all; allowed: a number, 'text', true, false, null, a JSON list, a path",),
    ),
    Mistake("argument word", value("$.a | default(none)"), ("8:28: default: text stands in quotes: 'none'",)),
    Mistake("argument empty", value("$.a | replace('a', , 'b')"), ("8:33: an argument is missing between commas",)),
    Mistake(
        "argument range",
        value("$.a | truncate(-5)"),
        ("8:29: truncate: length: the number -5 is out of range; allowed: 0 to 1000000",),
    ),
    Mistake(
        "argument zone",
        value("$.a | date('iso', zone: 'Europe/Londn')"),
        (
            "8:36: a second ': ' in one line; quote the value; write: total: \"$.a | date('iso', zone: 'Europe/Londn')\"",
        ),
    ),
    Mistake(
        "argument currency",
        value("$.a | money('EURO')"),
        ("8:26: money: currency: text 'EURO' is no currency; allowed: a code of ISO 4217 such as 'GBP'",),
    ),
    Mistake(
        "argument region",
        value("$.a | phone('England')"),
        ("8:26: phone: region: text 'England' is no country; allowed: a code of ISO 3166 such as 'GB'",),
    ),
    Mistake(
        "argument choice",
        value("$.a | hash('sha3')"),
        ("8:25: hash: algorithm: text 'sha3' is not known; allowed: sha256, sha512, sha1, md5; did you mean 'sha1'?",),
    ),
    Mistake(
        "argument regex",
        value("$.a | extract('(?=a)')"),
        (
            "8:28: extract: pattern: '(?=a)' is no regular expression: invalid perl operator: (?=; allowed: the syntax of RE2 (without lookaround and references back)",
        ),
    ),
    Mistake(
        "argument path in args",
        value("$.a | default($.b..)"),
        ("8:32: a path does not end with a dot; a name follows it",),
    ),
    Mistake(
        "argument duration",
        value("$.a | date_add('3 fortnights')"),
        (
            "8:29: date_add: length: '3 fortnights' is no length of time; allowed: numbers with s, m, h, d or w, such as '90s', '30m', '1h30m', '7d', '-24h'",
        ),
    ),
    Mistake("quote not closed", value("$.a | default('x)"), ("8:28: the quote ' is not closed",)),
    Mistake("bracket not closed", value("$.a | default('x'"), ("8:27: '(' is not closed by ')'",)),
    Mistake("bracket too many", value("$.a | default('x'))"), ("8:32: ')' closes nothing",)),
)
