"""The part of the reference about one name, for ``gateway reference NAME``."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.inbound.declared import KINDS
from gateway.inbound.presets import PRESETS, default_secret, defaults
from gateway.rules.conditions import GROUPS
from gateway.rules.filters import FILTERS
from gateway.rules.keys import RULE_KEYS, SOURCE_KEYS
from gateway.rules.mapping import OPERATORS as OPERATOR_KEYS
from gateway.rules.operators import OPERATORS
from gateway.rules.reference.markdown import as_json, sentence
from gateway.rules.reference.pages import pages
from gateway.rules.reference.value_examples import CONDITION_EXAMPLES
from gateway.rules.roots import ROOTS


def entry(name: str) -> str | None:
    """The part of the reference about one key, filter, operator, root or preset, as Markdown; None: no such thing."""
    wanted = name.strip().removeprefix("|").strip()
    found = [
        part
        for file, text in pages().items()
        if file != "README.md"
        for part in _parts(text)
        if part.splitlines()[0].lstrip("#").strip().strip("`") in (wanted, f"${wanted}")
    ]
    if wanted in OPERATORS:
        found.append(_operator(wanted))
    if wanted in PRESETS:
        found.append(_preset(wanted))
    return "\n".join(found) or None


def names() -> list[str]:
    """Everything that :func:`entry` knows."""
    return sorted({*SOURCE_KEYS, *RULE_KEYS, *OPERATOR_KEYS, *OPERATORS, *GROUPS, *FILTERS, *ROOTS, *KINDS, *PRESETS})


def _parts(text: str) -> Iterable[str]:
    part: list[str] = []
    fenced = False
    for line in text.splitlines():
        fenced ^= line.startswith("```")
        if line.startswith("#") and not fenced:
            if part and part[0].startswith("###"):
                yield "\n".join(part)
            part = []
        part.append(line)
    if part and part[0].startswith("###"):
        yield "\n".join(part)


def _operator(name: str) -> str:
    lines = [f"### `{name}`", "", sentence(f"in conditions: {OPERATORS[name]}")]
    tested = CONDITION_EXAMPLES.get(name)
    if tested is not None:
        lines += ["", f"`$.value: {tested.written}`", ""]
        lines += [f"- holds for {as_json(value)}" for value in tested.holds]
        lines += [f"- fails for {as_json(value)}" for value in tested.fails]
    return "\n".join(lines)


def _preset(name: str) -> str:
    preset = PRESETS[name]
    lines = [f"### `{name}`", "", f"{preset.title}. `verify: {name}` reads `{default_secret(name)}`. It is:", ""]
    keys = ", ".join(f"{key}: {as_json(value)}" for key, value in defaults(name, {}).items())
    lines += ["```yaml fragment", "verify:", f"  {preset.kind}: {{{keys}}}", "```", ""]
    if preset.note:
        lines += [sentence(preset.note), ""]
    return "\n".join([*lines, f"Source: {preset.source}."])
