"""What YAML makes of a file: its traps, and files that are none."""

# ruff: noqa: E501 - a message stands in one line, as it is printed

from __future__ import annotations

from gateway.rules.filters import FILTERS
from tests.rules.mistakes.mistake import DESTINATIONS, GOOD, HEAD, SEND, Mistake, rule, source, two, value, when

_FLOW_LIST = "in { } style YAML ends a value at '['; quote the expression;"

YAML_TEXT = (
    Mistake(
        "dup key",
        "source: shop\nverify: none\ntitle: a\ntitle: b\n",
        ("4:1: the key 'title' stands twice; the first is in line 3",),
    ),
    Mistake("dup key nested", value("{a: 1, a: 2}"), ("8:21: the key 'a' stands twice; the first is in line 8",)),
    Mistake(
        "tab indent", HEAD + "rules:\n\t- name: a\n", ("4:1: a tab in the indentation; only spaces are allowed there",)
    ),
    Mistake(
        "tab indent 2",
        HEAD + "rules:\n  - name: a\n\tsend_email: {}\n",
        ("5:1: a tab in the indentation; only spaces are allowed there",),
    ),
    Mistake("tab after colon", "source:\tshop\nverify: none\n", ("1:8: a tab; only spaces are allowed here",)),
    Mistake(
        "crlf err",
        value("$.a | uper").replace("\n", "\r\n"),
        ("8:20: there is no filter 'uper'; did you mean 'upper'?",),
    ),
    Mistake(
        "anchor",
        value("&x 5"),
        ("8:14: YAML reads & as an anchor, which is not allowed; quote the text; write: total: '&x 5'",),
    ),
    Mistake(
        "alias",
        value("*x"),
        ("8:14: YAML reads * as an alias, which is not allowed; quote the text; write: total: '*x'",),
    ),
    Mistake(
        "anchor map",
        "source: shop\nverify: none\ndefaults: &d\n  priority: 1\n",
        ("3:11: an anchor (&name) is not allowed; delete it",),
    ),
    Mistake("merge key", value("{<<: {a: 1}}"), ("8:15: a merge key (<<) is not allowed; write the keys out",)),
    Mistake(
        "tag",
        value("!str 5"),
        ("8:14: YAML reads ! as a tag, which is not allowed; quote the text; write: total: '!str 5'",),
    ),
    Mistake(
        "tag2",
        value("!!int 5"),
        ("8:14: YAML reads ! as a tag, which is not allowed; quote the text; write: total: '!!int 5'",),
    ),
    Mistake(
        "second doc", GOOD + "---\n" + GOOD, ("6:1: a second document ('---') in the file; one file holds one source",)
    ),
    Mistake(
        "not utf8",
        {"shop.yaml": GOOD.encode() + b"title: caf\xe9\n"},
        ("6:11: a byte here (E9) is not UTF-8 text; save the file as UTF-8",),
    ),
    Mistake("utf16", {"shop.yaml": GOOD.encode("utf-16")}, ("1:1: the file is UTF-16 text; save it as UTF-8",)),
    Mistake("empty", "", ("1:1: the file is empty; a rules file begins with source: NAME",)),
    Mistake("comment only", "# nothing\n", ("1:1: the file is empty; a rules file begins with source: NAME",)),
    Mistake(
        "list", "- source: shop\n", ("1:1: a rules file is a mapping that begins with source: NAME; found a list",)
    ),
    Mistake("text top", "hello\n", ("1:1: a rules file is a mapping that begins with source: NAME; found 'hello'",)),
    Mistake(
        "template unquoted", value("{{ $.name }}"), ("8:14: a template stands in quotes; write: total: '{{ $.name }}'",)
    ),
    Mistake(
        "template unquoted2",
        value("{{ $.name }} x"),
        ("8:14: a template stands in quotes; write: total: '{{ $.name }} x'",),
    ),
    Mistake(
        "template mid flow",
        value("{a: Hello {{ $.name }}}"),
        ("8:24: a template stands in quotes; write: total: {a: 'Hello {{ $.name }}'}",),
    ),
    Mistake(
        "template flow",
        value("{a: {{ $.name }}, b: 1}"),
        ("8:18: a template stands in quotes; write: total: {a: '{{ $.name }}', b: 1}",),
    ),
    Mistake(
        "star in a key",
        when("any: [{$.items[*].sku: A1}, {$.b: 1}]"),
        (f"6:21: {_FLOW_LIST} write: any: [{{'$.items[*].sku': A1}}, {{$.b: 1}}]",),
    ),
    Mistake(
        "star", value("[*]"), ("8:15: YAML reads * as an alias; a path begins with $; write: total: '$.items[*]'",)
    ),
    Mistake(
        "star 2", value("$.items[*] | x"), ("8:27: there is no filter 'x'; allowed: " + ", ".join(sorted(FILTERS)),)
    ),
    Mistake(
        "star 3",
        rule("for_each: [*]\n" + SEND),
        ("5:16: YAML reads * as an alias; a path begins with $; write: for_each: '$.items[*]'",),
    ),
    Mistake(
        "star flow",
        value("{a: $.items[*].b}"),
        ("8:25: in { } style YAML ends a value at '['; quote the expression; write: total: {a: '$.items[*].b'}",),
    ),
    Mistake(
        "env",
        value("${NAME}"),
        (
            "8:14: '${NAME}' is not filled in; a secret is $env.NAME, and stands only where credentials do (verify, fetch)",
        ),
    ),
    Mistake(
        "env in text",
        value("hello ${NAME}"),
        ("warning 8:20: '${NAME}' is sent as it stands; to fill it in, write {{ $.NAME }}",),
    ),
    Mistake("$5", value("$5"), ("8:14: '$5' is not a path; text that starts with $ is written {$literal: '$5'}",)),
    Mistake(
        "$5 text",
        value("$5 off"),
        ("8:14: '$5 off' is not a path; text that starts with $ is written {$literal: '$5 off'}",),
    ),
    Mistake(
        "$ word",
        value("$name of"),
        ("8:14: '$name of' is not a path; text that starts with $ is written {$literal: '$name of'}",),
    ),
    Mistake(
        "flow comma",
        value("{total: $.a | round(2, 3)}"),
        (
            "8:35: in { } style YAML ends a value at ','; quote the expression; write: total: {total: '$.a | round(2, 3)'}",
        ),
    ),
    Mistake(
        "flow comma 2",
        value("{total: $.a | plus(2, 3), x: 1}"),
        (
            "8:34: in { } style YAML ends a value at ','; quote the expression; write: total: {total: '$.a | plus(2, 3)', x: 1}",
        ),
    ),
    Mistake(
        "flow comma quote",
        value("{total: $.a | default('a, b')}"),
        (
            "8:38: in { } style YAML ends a value at ','; quote the expression; write: total: {total: \"$.a | default('a, b')\"}",
        ),
    ),
    Mistake(
        "flow brackets",
        value("{x: $.items[0]}"),
        ("8:25: in { } style YAML ends a value at '['; quote the expression; write: total: {x: '$.items[0]'}",),
    ),
    Mistake(
        "flow brackets 2",
        value("{x: $.items[0].sku}"),
        ("8:25: in { } style YAML ends a value at '['; quote the expression; write: total: {x: '$.items[0].sku'}",),
    ),
    Mistake(
        "flow filter",
        value("{x: $.items[?(@.a == 'b')].c}"),
        (
            "8:25: in { } style YAML ends a value at '['; quote the expression; write: total: {x: \"$.items[?(@.a == 'b')].c\"}",
        ),
    ),
    Mistake(
        "hash",
        value("$.a | default('Order #5') | upper"),
        (
            "8:35: ' #' begins a comment, so the rest of the line is lost; quote the value; write: total: \"$.a | default('Order #5') | upper\"",
        ),
    ),
    Mistake(
        "hash2",
        value("$.a | default('Order # 5') | upper"),
        (
            "8:35: ' #' begins a comment, so the rest of the line is lost; quote the value; write: total: \"$.a | default('Order # 5') | upper\"",
        ),
    ),
    Mistake(
        "hash5",
        value("$.a | plus(1 # 2)"),
        (
            "8:27: ' #' begins a comment, so the rest of the line is lost; quote the value; write: total: '$.a | plus(1 # 2)'",
        ),
    ),
    Mistake(
        "colon twice",
        value("note: this"),
        ("8:18: a second ': ' in one line; quote the value; write: total: 'note: this'",),
    ),
    Mistake(
        "colon arg",
        value("$.a | date(zone: 'Europe/London')"),
        ("8:29: a second ': ' in one line; quote the value; write: total: \"$.a | date(zone: 'Europe/London')\"",),
    ),
    Mistake(
        "colon text",
        value("Dear: friend"),
        ("8:18: a second ': ' in one line; quote the value; write: total: 'Dear: friend'",),
    ),
    Mistake("at sign", value("@foo"), ("8:14: text can't start with @ unless it is quoted; write: total: '@foo'",)),
    Mistake("backtick", value("`foo`"), ("8:14: text can't start with ` unless it is quoted; write: total: '`foo`'",)),
    Mistake("percent", value("%foo"), ("8:14: text can't start with % unless it is quoted; write: total: '%foo'",)),
    Mistake(
        "bang",
        value("!important"),
        ("8:14: YAML reads ! as a tag, which is not allowed; quote the text; write: total: '!important'",),
    ),
    Mistake(
        "amp",
        value("&c."),
        ("8:14: YAML reads & as an anchor, which is not allowed; quote the text; write: total: '&c.'",),
    ),
    Mistake("unclosed dq", value('"hello'), ('8:14: the quote " is not closed',)),
    Mistake("unclosed sq", value("'hello"), ("8:14: the quote ' is not closed",)),
    Mistake("unclosed flow", value("{a: 1"), ("8:14: '{' is not closed by '}'",)),
    Mistake("unclosed list", value("[1, 2"), ("8:14: '[' is not closed by ']'",)),
    Mistake("extra flow", value("{a: 1}}"), ("8:20: '}' closes nothing that is open here",)),
    Mistake(
        "sq inside", value("'it's'"), ("8:18: the quote ' ends the text before it is complete; write: total: \"it's\"",)
    ),
    Mistake(
        "dq inside",
        value('"say "hi" now"'),
        ('8:20: the quote " ends the text before it is complete; write: total: \'say "hi" now\'',),
    ),
    Mistake(
        "bad escape",
        value('"\\d+"'),
        ("8:15: '\\d' means nothing in double quotes; in single quotes a backslash is itself; write: total: '\\d+'",),
    ),
    Mistake(
        "indent",
        HEAD + "rules:\n  - name: a\n   send_email: {}\n",
        (
            "5:4: the indentation fits nothing above: this line begins in column 4, line 4 in column 5; keys that belong together begin in one column",
        ),
    ),
    Mistake(
        "indent2",
        "source: shop\n verify: none\n",
        (
            "2:2: this line is indented deeper than line 1, which holds a value already; keys that belong together begin in one column",
        ),
    ),
    Mistake(
        "no space colon",
        "source: shop\nverify:none\n",
        ("2:8: a space is missing behind the colon; write: verify: none",),
    ),
    Mistake(
        "no space colon2",
        "source:shop\nverify: none\n",
        ("1:8: a space is missing behind the colon; write: source: shop",),
    ),
    Mistake(
        "dash no space", HEAD + "rules:\n  -name: a\n", ("4:3: a space is missing behind the dash; write: - name: a",)
    ),
    Mistake(
        "missing colon",
        "source: shop\nverify\nrules: []\n",
        ("2:1: 'verify' is no key with a value; a line is 'key: value', or '- ' and an element",),
    ),
    Mistake(
        "nul", "source: shop\x00\nverify: none\n", ("1:13: a control character (U+0000) that can't be seen; delete it",)
    ),
    Mistake("deep", "a: " + "[" * 60 + "]" * 60, ("1:54: nested deeper than 50 levels",)),
    Mistake("smart quotes", value("“$.name”"), ("8:14: the quotes “ ” are those of a word processor; write '$.name'",)),
    Mistake(
        "smart quotes 2",
        value("$.a | default(‘x’)"),
        ("8:28: the quotes ‘ ’ are those of a word processor; write 'x'",),
    ),
    Mistake(
        "nbsp",
        "source: shop\n\u00a0verify: none\n",
        ("2:1: the blank here is no space (U+00A0, as web pages and word processors write it); type a space instead",),
    ),
    Mistake(
        "nbsp2",
        "source: shop\nverify:\u00a0none\n",
        ("2:8: the blank here is no space (U+00A0, as web pages and word processors write it); type a space instead",),
    ),
    Mistake(
        "key null",
        value("{a, b}"),
        ("8:15: the key 'a' has no value; in { } style each is key: value, with commas between",),
    ),
    Mistake(
        "question",
        value("? a"),
        ("8:14: YAML reads '? ' as the beginning of a key; quote the text; write: total: '? a'",),
    ),
    Mistake(
        "one source two files",
        {"a.yaml": GOOD, "b.yaml": GOOD},
        ("b.yaml:1:9: the source 'shop' stands in a.yaml already; one source has one file",),
    ),
    Mistake(
        "directive", "%YAML 1.1\n---\n" + GOOD, ("1:1: a line that begins with % is an instruction to YAML; delete it",)
    ),
    Mistake("null key", HEAD + ": x\n", ("3:1: a key is missing before the colon",)),
    Mistake("empty rules", HEAD + "rules:\n", ("3:1: rules takes a list; found nothing",)),
    Mistake(
        "when empty",
        rule("when:\n" + SEND),
        ("5:5: conditions are a mapping of expression to test, such as {$.status: paid}; found nothing",),
    ),
    Mistake("defaults list", source("defaults: [a]"), ("3:11: defaults takes a mapping of rule keys; found a list",)),
    Mistake(
        "dest none",
        {"shop.yaml": GOOD, "destinations.yaml": ""},
        ("destinations.yaml:1:1: a destinations file is a mapping with destinations: at the top",),
    ),
    Mistake(
        "dest top",
        {"shop.yaml": GOOD, "destinations.yaml": "uk: {}"},
        ("destinations.yaml:1:1: a destinations file has no key 'uk'; allowed: destinations",),
    ),
    Mistake(
        "dest rate",
        two(
            GOOD.replace("rules:", "destination: uk\nrules:"),
            DESTINATIONS.replace("    client_id: acme\n", "    client_id: acme\n    rate: fast\n", 1),
        ),
        ("destinations.yaml:4:11: rate takes a number above 0; found 'fast'",),
    ),
    Mistake(
        "dest noclient",
        two(GOOD.replace("rules:", "destination: uk\nrules:"), DESTINATIONS.replace("    client_id: acme\n", "", 1)),
        (
            "destinations.yaml:2:3: the destination 'uk' has no client_id: the label before intilery.com in the login URL",
        ),
    ),
)
