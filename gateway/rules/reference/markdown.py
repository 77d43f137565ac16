"""The pieces that the pages of the reference are made of: examples, tables of keys, cells."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from gateway.rules.reference.shown import Shown
from gateway.rules.values import MISSING

_encode = msgspec.json.Encoder(decimal_format="number").encode


def as_json(value: Any) -> str:
    return _encode(value).decode() if value is not MISSING else "missing"


def cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def code(text: str) -> str:
    """Inline code for a cell of a table. A bar is escaped there, in code too."""
    return f"`{cell(text)}`"


def spaced(value: Any) -> str:
    """JSON as a person writes it in one line."""
    return json.dumps(json.loads(as_json(value)), ensure_ascii=False)


def at_work(shown: Shown) -> list[str]:
    lines = [shown.says, "", "```yaml fragment", shown.rules.rstrip(), "```", ""]
    lines += [f"`{name}`:\n\n```text\n{text.rstrip()}\n```\n" for name, text in shown.files.items()]
    if "\nexamples:" in shown.rules:
        return lines
    with_what = [f"`{key}: {value}`" for key, value in shown.headers.items()]
    if shown.query:
        with_what.append("the query " + "`" + "&".join(f"{key}={value}" for key, value in shown.query.items()) + "`")
    if shown.path:
        with_what.append(f"the address `/hooks/shop/{shown.path}`")
    around = f" with {' and '.join(with_what)}" if with_what else ""
    if "file" not in shown.body:
        lines += [f"A webhook{around}:", "", "```json", spaced(shown.body), "```", ""]
    if shown.fetched:
        lines += ["with this answer of the API:", "", "```json", spaced(dict(shown.fetched)), "```", ""]
    if shown.becomes != "[]":
        lines += ["becomes", "", "```yaml fragment", shown.becomes, "```", ""]
    elif shown.state is not None and "cancelled" not in shown.facts:
        lines += [f"makes nothing; its state is `{shown.state}`.", ""]
    facts = {
        "dedup_key": "The key is", "event_type": "The event type is", "event_time": "It happened at",
        "once": "The key is", "limit": "The limit is",
        "name": "The command's name is", "priority": "The priority is", "on_unknown": "The policy is",
        "cancelled": "withdraws the command named",
    }  # fmt: skip
    lines += [line for fact, text in shown.facts.items() for line in (f"{facts[fact]} `{text}`.", "")]
    return lines


def keys(table: Mapping[str, str], examples: Mapping[str, Shown]) -> list[str]:
    lines = ["| key | |", "|---|---|", *(f"| [`{key}`](#{key}) | {cell(text)} |" for key, text in table.items()), ""]
    for key, text in table.items():
        lines += [f"### `{key}`", "", sentence(text), ""]
        lines += at_work(examples[key]) if key in examples else []
    return lines


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "}")) else ".")


def page(title: str, *paragraphs: str) -> list[str]:
    lines = [f"# {title}", ""]
    for paragraph in paragraphs:
        lines += [paragraph, ""]
    return lines
