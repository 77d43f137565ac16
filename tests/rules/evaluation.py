"""Evaluating one expression of a body through the compiler that serves, and whole files by the front door."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from gateway.errors import RulesError
from gateway.model import MappingProblem, WebhookState
from gateway.rules import Arrival, Source, Translation, load_files, translate
from gateway.rules.expressions import compile_expression
from gateway.rules.scope import Names, Scope
from gateway.rules.tables import table_from_mapping
from gateway.rules.values import MISSING


def run(
    expression: str, body: Any, *, tables: dict[str, Any] | None = None, zone: str | None = None
) -> tuple[Any, list[str]]:
    """What an expression gives, and its warnings, through the compiler that serves."""
    names = Names(
        tables={name: table_from_mapping(name, rows) for name, rows in (tables or {}).items()},
        zone=ZoneInfo(zone) if zone else None,
    )
    compiled = compile_expression(expression, names)
    scope = Scope(body=body, headers={}, query={}, path={}, webhook={}, lets=0)
    return compiled.evaluate(scope), [warning.message for warning in scope.warnings]


def value(expression: str, body: Any, *, zone: str | None = None) -> Any:
    """What an expression gives, without a warning."""
    result, warnings = run(expression, body, zone=zone)
    assert warnings == []
    return result


def warning(expression: str, body: Any) -> str:
    """The one warning of an expression that gives missing."""
    result, warnings = run(expression, body)
    assert result is MISSING
    assert len(warnings) == 1
    return warnings[0]


def same(left: Any, right: Any) -> bool:
    """Whether two values are the same JSON: types and digits too."""
    return repr(left) == repr(right)


# -- whole files, by the front door: YAML in, commands out ------------------------------------------------------------

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


def source_of(text: str, *, environ: Mapping[str, str] | None = None, **beside: str) -> Source:
    """The one source of a rules file; what it must have and the test does not care about is filled in."""
    text = textwrap.dedent(text)
    head = "".join(
        f"{line}\n" for line in ("source: s", "verify: none") if f"\n{line.split(':')[0]}:" not in f"\n{text}"
    )
    files = {"s.yaml": head + text, **{name.replace("_", "."): one for name, one in beside.items()}}
    (source,) = load_files(files, environ=environ or {}).sources.values()
    return source


def problems_of(text: str) -> str:
    """What keeps a file from being loaded."""
    try:
        source_of(text)
    except RulesError as error:
        return str(error)
    return ""


def translated(text: str | Source, body: Any = None, **arrival: Any) -> Translation:
    """What a webhook becomes. ``arrival``: headers, query, path, webhook_id, received_at; and trace."""
    source = source_of(text) if isinstance(text, str) else text
    trace = arrival.pop("trace", False)
    whole: dict[str, Any] = {
        "webhook_id": "0" * 32,
        "headers": {},
        "query": {},
        "path": {},
        "received_at": NOW,
    } | arrival
    return translate(source, Arrival(source=source.name, body=body, **whole), now=NOW, trace=trace)


def rule_of(fields: str, *, call: str = "send_email", more: str = "") -> str:
    """A file with one rule, whose call has these fields beside what it needs."""
    needed = {
        "send_email": "userId: u\nassetId: a\n", "identify": "userId: u\n", "track": "userId: u\nevent: Order Made\n",
    }[call]  # fmt: skip
    needed = "".join(f"{line}\n" for line in needed.splitlines() if f"{line.split(':')[0]}:" not in fields)
    under = textwrap.indent(needed + textwrap.dedent(fields).strip("\n"), "      ")
    return f"{textwrap.dedent(more)}\nrules:\n  - name: r\n    {call}:\n{under}\n"


def bodies(translation: Translation) -> list[Any]:
    """The bodies of the commands, decoded exactly."""
    return [_decode(command.body) for command in translation.commands]


def sent(fields: str, body: Any = None, *, call: str = "send_email", more: str = "", **arrival: Any) -> Any:
    """What one rule sends: the body that is posted, without what every call has. Nothing may go wrong."""
    translation = translated(rule_of(fields, call=call, more=more), body, **arrival)
    assert translation.errors == (), translation.errors
    (made,) = bodies(translation)
    return {key: one for key, one in made.items() if key not in ("userId", "event", "assetId", "messageId")}


def refused(fields: str, body: Any = None, *, call: str = "send_email", more: str = "") -> MappingProblem:
    """Why one rule sends nothing."""
    translation = translated(rule_of(fields, call=call, more=more), body)
    assert translation.commands == ()
    assert translation.state is WebhookState.UNTRANSLATABLE
    (problem,) = translation.errors
    assert problem.message == translation.reason
    return problem


def holds(when: str, body: Any = None, **arrival: Any) -> bool:
    """Whether a rule matches."""
    text = "rules:\n  - name: r\n    when:\n" + textwrap.indent(textwrap.dedent(when).strip("\n"), "      ")
    translation = translated(text + "\n    send_email: {userId: u, assetId: a}\n", body, trace=True, **arrival)
    matched = translation.matched == ("r",)
    assert translation.trace[0].matched is matched
    assert translation.warnings == ()
    return matched
