"""The page of the reference about a source: its keys, those of fetch, those of its examples."""

from __future__ import annotations

from gateway.rules.examples import ERROR_KEYS, EXAMPLE_KEYS, FACTS, REQUEST_KEYS
from gateway.rules.keys import FETCH_KEYS, LOGIN_KEYS, OAUTH_KEYS, SOURCE_KEYS
from gateway.rules.reference.key_examples import SOURCES
from gateway.rules.reference.markdown import cell, keys, page
from gateway.rules.reference.request_sections import bodies, challenges, requests
from gateway.rules.schema.examples import EXAMPLE_WORDS

_EXAMPLES = """\
examples:
  - name: a customer is welcomed tomorrow
    now: 2026-01-05T10:00:00Z
    request: {headers: {X-Topic: created}, body: {customer: 7}}
    expect:
      - send_email: {userId: "7", assetId: WELCOME}
        not_before: 2026-01-06T10:00:00Z
  - name: a webhook without a customer is kept with the reason
    request: {headers: {X-Topic: created}, body: {}}
    expect_error: {rule: Welcome, field: userId}
  - name: another topic makes nothing
    request: {headers: {X-Topic: deleted}, body: {customer: 7}}
    expect: []
    expect_state: unmatched
"""
EXAMPLES_FILE = f"""\
source: shop
verify: none
rules:
  - name: Welcome
    when: {{$header.X-Topic: created}}
    delay: 1d
    send_email: {{userId: $.customer, assetId: WELCOME}}
{_EXAMPLES}"""
"""The examples that are shown, with the rules that they are of."""


def source_page() -> str:
    """``source.md``."""
    return "\n".join(
        [
            *page(
                "A source",
                "One file in the rules folder is one source. `source` and `verify` are needed; the rest is as you "
                "need it. A file with nothing but these two records what arrives, so that a sender can be pointed at "
                "the gateway before any rule is written.",
            ),
            *keys(SOURCE_KEYS, SOURCES),
            *bodies(),
            *challenges(),
            *requests(),
            *_fetch(),
            *_example_keys(),
        ]
    )


def _fetch() -> list[str]:
    lines = ["## Keys of `fetch`", "", "Each thing to get has a name, and one of `get` and `post`.", ""]
    for title, table in (("", FETCH_KEYS), ("`basic`", LOGIN_KEYS), ("`oauth`", OAUTH_KEYS)):
        lines += [f"Under {title}:", ""] if title else []
        lines += ["| key | |", "|---|---|", *(f"| `{key}` | {cell(text)} |" for key, text in table.items()), ""]
    return lines


def _example_keys() -> list[str]:
    lines = [
        "## Keys of an example",
        "",
        "An example has a `request` and at least one of the keys that begin with `expect`.",
        "",
    ]
    for title, names in (("", EXAMPLE_KEYS), ("`request`", REQUEST_KEYS)):
        lines += [f"Under {title}:", ""] if title else []
        lines += ["| key | |", "|---|---|", *(f"| `{key}` | {cell(EXAMPLE_WORDS.get(key, ''))} |" for key in names), ""]
    facts, errors = (", ".join(f"`{name}`" for name in names) for names in (FACTS, ERROR_KEYS))
    lines += [f"Beside a command in `expect` may stand: {facts}.", "", f"Under `expect_error` may stand: {errors}.", ""]
    lines += ["```yaml fragment", _EXAMPLES.rstrip(), "```", ""]
    return lines
