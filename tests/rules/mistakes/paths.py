"""Paths and templates; each position is inside of the value."""

# ruff: noqa: E501 - a message stands in one line, as it is printed

from __future__ import annotations

from tests.rules.mistakes.mistake import Mistake, value

PATHS = (
    Mistake("path position", value("$.items[0.sku"), ("/tmp/tmppxtxs5es/8:21: '[' is not closed by ']'",)),
    Mistake(
        "path dot dot end",
        value("$.items.."),
        ("/tmp/tmpczi5901o/8:22: a path does not end with a dot; a name follows it",),
    ),
    Mistake(
        "path name quotes",
        value("$.first-name.x y"),
        ("/tmp/tmp73pdy7ax/8:27: a name with a space needs quotes and brackets: $.first-name['x y']",),
    ),
    Mistake(
        "path space",
        value("$.first name"),
        ("/tmp/tmpmsc761h0/8:16: a name with a space needs quotes and brackets: $['first name']",),
    ),
    Mistake(
        "path dash",
        value("$.order.first name | upper"),
        ("/tmp/tmp4pal9e07/8:22: a name with a space needs quotes and brackets: $.order['first name']",),
    ),
    Mistake(
        "path arithmetic",
        value("$.a + $.b"),
        ("/tmp/tmpjjc2_7bx/8:18: arithmetic is done by filters: plus, minus, times, divided_by",),
    ),
    Mistake(
        "path arithmetic *",
        value("$.a * 2"),
        ("/tmp/tmpbw763p03/8:18: arithmetic is done by filters: plus, minus, times, divided_by",),
    ),
    Mistake(
        "path empty bracket",
        value("$.items[]"),
        ("/tmp/tmp0ug0sq9k/8:21: [] is empty; all elements are [*], the first is [0]",),
    ),
    Mistake(
        "path regex",
        value("\"$.items[?(@.a =~ 'x')].b\""),
        (
            "/tmp/tmp87e8dgzj/8:29: =~ is not in the language; test with the condition matches, or select with the filter where",
        ),
    ),
    Mistake("path quoted pos", value('"$.items[?(@.a = = 1)].b"'), ("/tmp/tmp0zdawqfa/8:29: '= =' is written '=='",)),
    Mistake(
        "path single eq",
        value("'$.items[?(@.a == paid)]'"),
        ("/tmp/tmpxmchd5a5/8:32: paid is text, and text in a comparison stands in quotes: 'paid'",),
    ),
    Mistake(
        "path and", value("'$.items[?(@.a == 1 & @.b == 2)]'"), ("/tmp/tmp7da8l56y/8:34: write && between conditions",)
    ),
    Mistake(
        "path union",
        value("$.a|$.b"),
        ("/tmp/tmpzws5rn3n/8:18: '$.b' is a path, and | takes a filter; as a fallback it is: | default($.b)",),
    ),
    Mistake(
        "path backtick",
        value("$.items.`len`"),
        ("/tmp/tmp7v9_s1_4/8:22: '`len`' is not in the language; use the filter size",),
    ),
    Mistake(
        "path parent",
        value("$.items.`parent`"),
        ("/tmp/tmp_2l0w5ar/8:22: `parent` is not in the language; begin the path further up",),
    ),
    Mistake(
        "path where",
        value("$.items where name"),
        ("/tmp/tmp3b1n_3tw/8:22: 'where' is not in the language; use [?()] or the filter where",),
    ),
    Mistake(
        "path word where",
        value("$.where.x"),
        ("/tmp/tmpdwjube2i/8:16: 'where' is a word of jsonpath; as a name it stands in quotes: $['where']",),
    ),
    Mistake(
        "path in template", value('"Order {{ $.items[0.sku }} x"'), ("/tmp/tmpzen6w6s2/8:31: '[' is not closed by ']'",)
    ),
    Mistake(
        "path in template 2",
        value('"Dear {{ $.name | uper }}, {{ $.x }}"'),
        ("/tmp/tmpb5fh5s3a/8:32: there is no filter 'uper'; did you mean 'upper'?",),
    ),
    Mistake(
        "path in template esc",
        value('"\\"Dear\\" {{ $.name | uper }}"'),
        ("/tmp/tmpbrs330i1/8:36: there is no filter 'uper'; did you mean 'upper'?",),
    ),
    Mistake(
        "path in single esc",
        value("'it''s {{ $.name | uper }}'"),
        ("/tmp/tmpaeot_rga/8:33: there is no filter 'uper'; did you mean 'upper'?",),
    ),
    Mistake("path in arg", value("$.a | default($.b[0.c) | upper"), ("/tmp/tmpnaujxhpo/8:35: ')' closes nothing",)),
    Mistake(
        "path in block",
        value("|\n        Dear\n        {{ $.name | uper }}\n"),
        ("/tmp/tmp5g41hn0p/10:25: there is no filter 'uper'; did you mean 'upper'?",),
    ),
    Mistake(
        "path in folded",
        value(">-\n        $.name\n        | uper\n"),
        ("/tmp/tmpdke99yck/10:15: there is no filter 'uper'; did you mean 'upper'?",),
    ),
    Mistake(
        "path in plain multi",
        value("$.name\n        | uper\n"),
        ("/tmp/tmplt2r2vsw/9:15: there is no filter 'uper'; did you mean 'upper'?",),
    ),
    Mistake(
        "template empty",
        value("'{{ }}'"),
        ("/tmp/tmpovzth2t6/8:15: {{ }} is empty; it takes an expression such as {{ $.name }}",),
    ),
    Mistake("template open", value("'Hello {{ $.name'"), ("/tmp/tmp39m1qype/8:21: '{{' is not closed by '}}'",)),
    Mistake(
        "template not expr",
        value("'Hello {{ name }}'"),
        ("/tmp/tmpie18g832/8:24: an expression begins with a path such as $.name; found 'name'",),
    ),
    Mistake(
        "template close", value("'Hello }} name {{ $.a }'"), ("/tmp/tmpcue7kycf/8:29: '{{' is not closed by '}}'",)
    ),
    Mistake(
        "template let",
        value("'{{ $let.nme }}'"),
        ("/tmp/tmpznucyltp/8:18: $let.nme is not named above; known here: none",),
    ),
)
