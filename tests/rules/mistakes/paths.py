"""Paths and templates; each position is inside of the value."""

from __future__ import annotations

from tests.rules.mistakes.mistake import Mistake, value

PATHS = (
    Mistake("path position", value("$.items[0.sku"), ("8:21: '[' is not closed by ']'",)),
    Mistake("path dot dot end", value("$.items.."), ("8:22: a path does not end with a dot; a name follows it",)),
    Mistake(
        "path name quotes",
        value("$.first-name.x y"),
        ("8:27: a name with a space needs quotes and brackets: $.first-name['x y']",),
    ),
    Mistake(
        "path space", value("$.first name"), ("8:16: a name with a space needs quotes and brackets: $['first name']",)
    ),
    Mistake(
        "path dash",
        value("$.order.first name | upper"),
        ("8:22: a name with a space needs quotes and brackets: $.order['first name']",),
    ),
    Mistake(
        "path arithmetic", value("$.a + $.b"), ("8:18: arithmetic is done by filters: plus, minus, times, divided_by",)
    ),
    Mistake(
        "path arithmetic *", value("$.a * 2"), ("8:18: arithmetic is done by filters: plus, minus, times, divided_by",)
    ),
    Mistake("path empty bracket", value("$.items[]"), ("8:21: [] is empty; all elements are [*], the first is [0]",)),
    Mistake(
        "path regex",
        value("\"$.items[?(@.a =~ 'x')].b\""),
        ("8:29: =~ is not in the language; test with the condition matches, or select with the filter where",),
    ),
    Mistake("path quoted pos", value('"$.items[?(@.a = = 1)].b"'), ("8:29: '= =' is written '=='",)),
    Mistake(
        "path single eq",
        value("'$.items[?(@.a == paid)]'"),
        ("8:32: paid is text, and text in a comparison stands in quotes: 'paid'",),
    ),
    Mistake(
        "path bare word",
        value("\"$.items[?(@.n > 0 && type == 'email')].b\""),
        ("8:36: a field of the element begins with @ inside [?()]; write @.type == 'email'",),
    ),
    Mistake(
        "path bare word alone",
        value("$.items[?paid].b"),
        ("8:23: a field of the element begins with @ inside [?()]; write @.paid",),
    ),
    Mistake(
        "path bare steps",
        value('"$.items[?(!a.b[0])].b"'),
        ("8:26: a field of the element begins with @ inside [?()]; write @.a.b[0]",),
    ),
    Mistake(
        "path text on the left",
        value("\"$.items[?('email' == @.type)].b\""),
        ("8:25: what is compared with stands on the right: @.type == …",),
    ),
    Mistake("path one =", value("\"$.items[?(@.type = 'email')].b\""), ("8:32: = in a comparison is written ==",)),
    Mistake(
        "path word and",
        value("\"$.items[?(@.a == 'x and y' and @.b == 1)].b\""),
        ("8:42: 'and' between conditions is written &&",),
    ),
    Mistake(
        "path word or",
        value('"$.items[?(@.a == 1 or @.b == 1)].b"'),
        ("8:34: 'or' between conditions is written ||",),
    ),
    Mistake("path word not", value('"$.items[?(not @.a)].b"'), ("8:25: 'not' before a condition is written !",)),
    Mistake(
        "path word in",
        value('"$.items[?(@.a in (1, 2))].b"'),
        ("8:29: 'in' is not in the language; write @.a == 'x' || @.a == 'y'",),
    ),
    Mistake(
        "path ===",
        value('"$.items[?(@.a === 1)].b"'),
        ("8:30: '===' and '!==' are those of JavaScript; write == or !=",),
    ),
    Mistake(
        "path function",
        value('"$.items[?(length(@.a) > 1)].b"'),
        ("8:25: functions are not in the language; select with the filter where, or test in when",),
    ),
    Mistake("path and", value("'$.items[?(@.a == 1 & @.b == 2)]'"), ("8:34: write && between conditions",)),
    Mistake(
        "path union",
        value("$.a|$.b"),
        ("8:18: '$.b' is a path, and | takes a filter; as a fallback it is: | default($.b)",),
    ),
    Mistake("path backtick", value("$.items.`len`"), ("8:22: '`len`' is not in the language; use the filter size",)),
    Mistake(
        "path parent", value("$.items.`parent`"), ("8:22: `parent` is not in the language; begin the path further up",)
    ),
    Mistake(
        "path where",
        value("$.items where name"),
        ("8:22: 'where' is not in the language; use [?()] or the filter where",),
    ),
    Mistake(
        "path word where",
        value("$.where.x"),
        ("8:16: 'where' is a word of jsonpath; as a name it stands in quotes: $['where']",),
    ),
    Mistake("path in template", value('"Order {{ $.items[0.sku }} x"'), ("8:31: '[' is not closed by ']'",)),
    Mistake(
        "path in template 2",
        value('"Dear {{ $.name | uper }}, {{ $.x }}"'),
        ("8:32: there is no filter 'uper'; did you mean 'upper'?",),
    ),
    Mistake(
        "path in template esc",
        value('"\\"Dear\\" {{ $.name | uper }}"'),
        ("8:36: there is no filter 'uper'; did you mean 'upper'?",),
    ),
    Mistake(
        "path in single esc",
        value("'it''s {{ $.name | uper }}'"),
        ("8:33: there is no filter 'uper'; did you mean 'upper'?",),
    ),
    Mistake("path in arg", value("$.a | default($.b[0.c) | upper"), ("8:35: ')' closes nothing",)),
    Mistake(
        "path in block",
        value("|\n        Dear\n        {{ $.name | uper }}\n"),
        ("10:25: there is no filter 'uper'; did you mean 'upper'?",),
    ),
    Mistake(
        "path in folded",
        value(">-\n        $.name\n        | uper\n"),
        ("10:15: there is no filter 'uper'; did you mean 'upper'?",),
    ),
    Mistake(
        "path in plain multi",
        value("$.name\n        | uper\n"),
        ("9:15: there is no filter 'uper'; did you mean 'upper'?",),
    ),
    Mistake("template empty", value("'{{ }}'"), ("8:15: {{ }} is empty; it takes an expression such as {{ $.name }}",)),
    Mistake("template open", value("'Hello {{ $.name'"), ("8:21: '{{' is not closed by '}}'",)),
    Mistake(
        "template not expr",
        value("'Hello {{ name }}'"),
        ("8:24: an expression begins with a path such as $.name; found 'name'",),
    ),
    Mistake("template close", value("'Hello }} name {{ $.a }'"), ("8:29: '{{' is not closed by '}}'",)),
    Mistake("template let", value("'{{ $let.nme }}'"), ("8:18: $let.nme is not named above; known here: none",)),
)
