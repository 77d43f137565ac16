"""The pages of docs/reference/, from the tables that the loader reads. ``make docs`` writes them, a test compares."""

from __future__ import annotations

from gateway.intilery.contract import FIELDS
from gateway.rules.conditions import GROUPS
from gateway.rules.destinations import KEYS as DESTINATION_KEYS
from gateway.rules.filters import FILTERS, SUBJECTS, Example, Filter
from gateway.rules.keys import DEFAULT_KEYS, RULE_KEYS
from gateway.rules.mapping import OPERATORS as OPERATOR_KEYS
from gateway.rules.operators import OPERATORS
from gateway.rules.reference.key_examples import RULES
from gateway.rules.reference.markdown import as_json, at_work, cell, code, keys, page, sentence
from gateway.rules.reference.shown import DESTINATIONS, RECEIVED
from gateway.rules.reference.source_page import source_page
from gateway.rules.reference.value_examples import (
    CONDITION_EXAMPLES,
    GROUP_EXAMPLES,
    GROUP_SUMMARIES,
    OPERATOR_EXAMPLES,
    OPERATOR_SUMMARIES,
    ROOT_EXAMPLES,
)
from gateway.rules.reference.verify_pages import senders_page, verify_page
from gateway.rules.roots import ROOTS
from gateway.rules.schema.calls import FIELD_WORDS
from gateway.rules.steps import usage
from gateway.rules.values import MISSING

_MADE = "<!-- Made by `make docs` from the code; what is changed here by hand is lost. -->\n\n"


_READING = (
    f"A webhook of an example is received at {RECEIVED}. What it becomes is written as in `expect`: the fields that "
    "are listed are so, and others may stand beside them. Where an example names a destination, an asset or a "
    "journey, this file stands beside it:"
)


def pages() -> dict[str, str]:
    """Every page by its file's name."""
    made = {
        "README.md": _contents(),
        "source.md": source_page(),
        "rule.md": _rule(),
        "values.md": _values(),
        "conditions.md": _conditions(),
        "filters.md": _filters(),
        "verify.md": verify_page(),
        "senders.md": senders_page(),
        "destinations.md": _destinations(),
    }
    return {name: _MADE + text.rstrip("\n") + "\n" for name, text in made.items()}


# -- the pages -------------------------------------------------------------------------------------------------------


def _contents() -> str:
    return "\n".join(
        [
            *page(
                "Reference of the rules language",
                "Every key, value, condition and filter, each with an example that a test runs. To learn the language, "
                "begin with [writing rules](../rules.md); `gateway reference NAME` prints the part about one name.",
            ),
            "- [A source](source.md): the keys of a rules file",
            "- [A rule](rule.md): its keys, and the commands with their fields",
            "- [Values](values.md): paths, templates, operator keys",
            "- [Conditions](conditions.md): `when` and `ignore`",
            "- [Filters](filters.md): what stands behind `|`",
            "- [Verification](verify.md): schemes, and what a signature may cover",
            "- [Senders](senders.md): what is known about each, and its preset",
            "- [Destinations](destinations.md): `destinations.yaml`",
            "",
            "## How to read the examples",
            "",
            _READING,
            "",
            "```yaml",
            DESTINATIONS.rstrip(),
            "```",
        ]
    )


def _rule() -> str:
    lines = page(
        "A rule",
        "A rule has a `name`, its conditions under `when`, and one command: "
        + ", ".join(f"`{name}`" for name in FIELDS if name != "identify")
        + " or `cancel`. `identify` stands beside it, or alone.",
        "What a rule says of time and number applies in this order: `once`, `delay` or `at`, `quiet_hours`, `limit`, "
        "`expires`. It governs the command; its `identify` leaves at once.",
        f"Under `defaults` of the source may stand: {', '.join(f'`{key}`' for key in DEFAULT_KEYS)}.",
    )
    lines += keys(RULE_KEYS, RULES)
    lines += ["## Fields of the commands", "", "What stands under a command is the JSON that is sent to Intilery.", ""]
    for name, fields in FIELDS.items():
        more = "; any other key is data for the asset or journey" if fields.free else ""
        lines += [f"`{name}`{more}:", "", "| field | needed | |", "|---|---|---|"]
        for field in (*fields.required, *fields.optional):
            needed = "yes" if field in fields.required else ""
            lines.append(f"| `{field}` | {needed} | {cell(FIELD_WORDS.get(field, ''))} |")
        lines.append("")
    return "\n".join(lines)


def _values() -> str:
    lines = page(
        "Values",
        "A value in a rules file is a **template** if it holds `{{ }}`, else an **expression** if it begins with `$`, "
        "else **itself**. Objects and lists nest, with expressions at any place.",
        "An expression is a path and then any number of [filters](filters.md): `$.customer.email | trim | lower`. "
        'A template is text with expressions in it, always in quotes: `"order/{{ $.id }}"`. A template with '
        "nothing inside is missing, unless that expression ends in `default`.",
        "A path that can name one place gives the value there. A path with `[*]`, `..`, a slice such as `[0:2]` or "
        "`[?(...)]` gives a list; `| first` takes one, and a filter that takes no list is refused behind it. Inside "
        "`[?(...)]`, `@` is the element, and what it is compared with stands on the right: "
        "`[?(@.type == 'email' && @.verified)]`.",
        "What a payload does not have is *missing*, and its key is left out. *Nothing* is missing, null, empty text, "
        "an empty list or an empty object; 0 and false are something. A field that is needed (`userId`, `assetId`) "
        "and is nothing makes the rule an error for that webhook: nothing is sent, and the webhook keeps the reason.",
        "Text that begins with `$` and is no path is written `{$literal: $5}`.",
    )
    lines += ["## Where a path begins", ""]
    lines += ["### `$`", "", "The body of the webhook.", "", *at_work(ROOT_EXAMPLES["$"])]
    for root, text in ROOTS.items():
        lines += [f"### `${root}`", "", sentence(text), ""]
        lines += at_work(ROOT_EXAMPLES[root]) if root in ROOT_EXAMPLES else []
    lines += ["## Operator keys", "", "Keys that begin with `$` make a value; they never clash with data.", ""]
    for key in OPERATOR_KEYS:
        lines += [f"### `{key}`", "", sentence(OPERATOR_SUMMARIES.get(key, "")), ""]
        lines += at_work(OPERATOR_EXAMPLES[key]) if key in OPERATOR_EXAMPLES else []
    return "\n".join(lines)


def _conditions() -> str:
    lines = page(
        "Conditions",
        "`when` and `ignore` hold a mapping of expression to test, and all of it must hold. A value alone tests "
        "equality, a list that one of it is equal, a mapping holds operators, which must all hold.",
        "```yaml fragment\nwhen:\n  $.status: paid\n  $.currency: [EUR, GBP]\n  $.total: {gte: 10, lt: 1000}\n"
        '  $.customer.email | lower: {ends_with: "@example.com"}\n```',
        "Where the value is a list, one of its elements must pass; `ne` and `not_in` mean that none is equal. What is "
        "missing fails every test but `exists: false`, `ne` and `not_in`. Equality is numeric when one side is a "
        'number and the other reads as one: `10` equals `"10.00"`. A number in quotes tests for '
        "that very text. A condition never fails on odd data: it holds or it does not.",
    )
    lines += ["## Operators", "", "| operator | the value | holds for | fails for |", "|---|---|---|---|"]
    for name, text in OPERATORS.items():
        tested = CONDITION_EXAMPLES.get(name)
        if tested is None:
            lines.append(f"| `{name}` | {cell(text)} | | |")
            continue
        holds, fails = (", ".join(code(as_json(value)) for value in some) for some in (tested.holds, tested.fails))
        lines.append(f"| {code(tested.written)} | {cell(text)} | {holds} | {fails} |")
    lines += ["", "## Groups", ""]
    for name in GROUPS:
        lines += [f"### `{name}`", "", sentence(GROUP_SUMMARIES.get(name, "")), ""]
        lines += at_work(GROUP_EXAMPLES[name]) if name in GROUP_EXAMPLES else []
    return "\n".join(lines)


def _filters() -> str:
    lines = page(
        "Filters",
        "Filters stand behind a path and each other: `$.customer.email | trim | lower`. Arguments stand in brackets: "
        "numbers, text in single quotes, `true`, `false`, `null`, a list, a path, or `name: value`.",
        "A filter that can't read its input gives missing, and a warning that `gateway try` shows; `| required` makes "
        "that an error. What is missing passes through every filter but "
        + ", ".join(f"`{name}`" for name, one in FILTERS.items() if one.takes_missing)
        + ".",
    )
    for subject, listed in SUBJECTS.items():
        links = ", ".join(f"[`{name}`](#{name})" for name in listed)
        lines += [f"- {subject}: {links}"]
    for subject, listed in SUBJECTS.items():
        lines += ["", f"## {subject}"]
        for name in listed:
            lines += ["", *_filter(FILTERS[name])]
    return "\n".join(lines)


def _filter(one: Filter) -> list[str]:
    lines = [f"### `{one.name}`", "", one.summary, "", f"`{usage(one)}` takes {one.takes}; gives {one.gives}.", ""]
    for param in one.params:
        allowed = f": {', '.join(f'`{choice}`' for choice in param.choices)}" if param.choices else ""
        many = ", any number of them" if param.many else ""
        optional = "" if param.required else " (may be left out)"
        lines.append(f"- `{param.name}`{optional} {param.summary}{allowed}{many}")
    if one.params:
        lines.append("")
    lines += ["| expression | body | gives |", "|---|---|---|", *(_example(example) for example in one.examples)]
    return lines


def _example(example: Example) -> str:
    body = as_json(example.body)
    beside = [f"zone: {example.zone}"] if example.zone else []
    beside += [f"table {name}: {as_json(rows)}" for name, rows in example.tables.items()]
    around = "".join(f" ({code(text)})" for text in beside)
    gives = "missing" if example.result is MISSING else code(as_json(example.result))
    warning = ", with a warning" if example.warns else ""
    return f"| {code(example.expression)} | {code(body)}{around} | {gives}{warning} |"


def _destinations() -> str:
    lines = page(
        "Destinations",
        "`destinations.yaml` in the rules folder names the accounts and brands that commands go to. It is what makes "
        "staging or production: the rules say `$asset.order`, and each destination says which asset that is. Rules "
        "that name no destination go to the one named `default`, which the `INTILERY_` settings make where the file "
        "does not.",
        f"```yaml\n{DESTINATIONS.rstrip()}\n```",
    )
    lines += ["| key | |", "|---|---|", *(f"| `{key}` | {cell(text)} |" for key, text in DESTINATION_KEYS.items())]
    return "\n".join(lines)
