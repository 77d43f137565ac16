"""The examples of a rules file, run as tests: a request, and the commands that it must become.

An example speaks of translation, so its request needs no signature. Listed keys must match and others are free;
``$exact`` forbids others. The list of commands is complete and in order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from gateway.errors import Unparseable
from gateway.inbound.authentication import verify
from gateway.inbound.exact_json import read_json
from gateway.inbound.payloads import parse
from gateway.inbound.request import Request
from gateway.inbound.schemes import NoVerification
from gateway.intilery.contract import CALLS
from gateway.model import Command, WebhookState
from gateway.rules.batch import translate_request
from gateway.rules.fetches import FetchRequest
from gateway.rules.fetching import translate_canned
from gateway.rules.keys import check_keys
from gateway.rules.mapping import Report
from gateway.rules.model import Arrival, Ruleset, Source, Translation
from gateway.rules.moments import moment
from gateway.rules.nodes import Node
from gateway.rules.problems import choices
from gateway.rules.scope import Codes
from gateway.rules.values import MISSING, describe

EXAMPLE_KEYS = ("name", "now", "request", "fetched", "expect", "expect_error", "expect_state")
REQUEST_KEYS = ("method", "path", "query", "headers", "body")
FACTS = ("rule", "destination", "state", "not_before", "expires_at")
"""What may stand beside a command in ``expect``."""
ERROR_KEYS = ("rule", "field", "path", "message", "element")
CONTENT_TYPES = {
    ".json": "application/json",
    ".form": "application/x-www-form-urlencoded",
    ".xml": "application/xml",
    ".txt": "text/plain",
}
"""Of a body that stands in a file, by the end of its name."""
_WEBHOOK_ID = "0" * 32
_json = msgspec.json.Decoder(float_hook=Decimal)


class ExampleResult(msgspec.Struct, frozen=True, kw_only=True):
    """How one example ended."""

    source: str
    name: str
    file: str
    line: int
    passed: bool
    difference: str = ""
    """What was expected and what came, a line each; empty where it passed."""
    warnings: tuple[str, ...] = ()
    """Fields that were left out because a filter could not take their value, whether it passed or not."""


class ExampleRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request of an example, as it would come from the sender (without a signature)."""

    name: str
    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    """Names in lower case."""
    body: bytes


def run_examples(ruleset: Ruleset, folder: Path) -> Iterator[ExampleResult]:
    """Run every example of every source, in the order of the files. ``folder`` is where ``{file: …}`` is looked for."""
    for served in ruleset.sources.values():
        # Examples say what the rules make, whomever the destinations of this folder may reach.
        source = msgspec.structs.replace(served, tests={})
        for node in source.examples.items if source.examples is not None else ():
            name = node.get("name")
            differences, warnings = _differences(source, node, folder)
            yield ExampleResult(
                source=source.name,
                name=name.text if name is not None else f"the example in line {node.line}",
                file=source.file,
                line=node.line,
                passed=not differences,
                difference="\n".join(differences),
                warnings=tuple(warnings),
            )


def requests(source: Source, folder: Path) -> Iterator[ExampleRequest]:
    """The requests of a source's examples: what the demo sends. Those that can't be read are left out."""
    for node in source.examples.items if source.examples is not None else ():
        try:
            yield _request(node, folder)
        except ValueError:
            continue


# -- one example ---------------------------------------------------------------------------------------------------


def _differences(source: Source, node: Node, folder: Path) -> tuple[list[str], list[str]]:
    """What is not as expected, and what the rules left out on their way."""
    problems: list[str] = []

    def report(where: Node, message: str, *, at: int = 0) -> None:
        problems.append(f"line {where.line}: {message}")

    if node.kind != "map":
        return [f"an example is a mapping with a name, a request and expect; found {node.describe()}"], []
    keys = check_keys(node, EXAMPLE_KEYS, "an example", report)
    if not {"expect", "expect_error", "expect_state"} & keys.keys():
        problems.append("expects nothing; it needs expect, expect_error or expect_state")
    try:
        translation = _translation(source, node, folder, report)
    except (ValueError, Unparseable) as error:
        problems.append(str(error))
    if problems:
        return problems, []
    if "expect" in keys:
        problems.extend(_compare_commands(keys["expect"][1], translation, source.codes))
    elif "expect_error" in keys and translation.commands:
        problems.append(f"expected only an error; made {_listed(translation)}")
    if "expect_error" in keys:
        problems.extend(_compare_errors(keys["expect_error"][1], translation))
    elif translation.errors:
        problems.extend(f"mapping error in rule '{error.rule}': {error.message}" for error in translation.errors)
    if "expect_state" in keys and keys["expect_state"][1].text != translation.state:
        problems.append(f"expected the state {keys['expect_state'][1].text}; it is {translation.state}")
    return problems, [f"rule '{one.rule}', {one.path or one.field}: {one.message}" for one in translation.warnings]


def _translation(source: Source, node: Node, folder: Path, report: Report) -> Translation:
    now_node = node.get("now")
    now = moment(now_node.value, zone=source.zone) if now_node is not None else datetime.now(UTC)
    request = _request(node, folder)
    body_node = _at(node, "request", "body")
    if body_node is not None and body_node.get("file") is None:
        body = body_node.plain()
    else:
        body = _parsed(source, request, now)
    headers: dict[str, str] = {}
    for name, value in request.headers:
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    parts = _path_parts(source, request.path)
    query_node = _at(node, "request", "query")
    arrival = Arrival(
        webhook_id=_WEBHOOK_ID,
        source=source.name,
        body=body,
        headers=headers,
        query=query_node.plain() if query_node is not None and query_node.kind == "map" else {},
        path=parts,
        received_at=now,
    )
    given = _given(source, node, folder, report)
    asked: list[FetchRequest] = []

    def run(one: Arrival) -> Translation:
        return translate_canned(source, one, given, asked, now=now)

    translation = translate_request(source, arrival, now=now, run=run)
    for wanted in {one.fetch.name: one for one in asked}.values():
        if wanted.fetch.name not in given:
            report(
                node,
                f"fetch {wanted.fetch.name} applies ({wanted.fetch.method} {wanted.shown}) and the example has no "
                f"answer for it; add fetched: {{{wanted.fetch.name}: {{…}}}}, or null where it is not there",
            )
    names = {wanted.fetch.name for wanted in asked}
    for name in given:
        if name not in names:
            report(node, f"fetch {name} does not apply to this webhook, and the example has an answer for it")
    return translation


def _given(source: Source, node: Node, folder: Path, report: Report) -> dict[str, Any]:
    """The canned answers, by the fetch's name; ``{file: …}`` is one that stands beside."""
    wanted = node.get("fetched")
    if wanted is None:
        return {}
    if wanted.kind != "map":
        report(wanted, f"fetched takes a mapping of a fetch's name to its answer; found {wanted.describe()}")
        return {}
    known = [fetch.name for fetch in source.fetches]
    given: dict[str, Any] = {}
    for key, value in wanted.entries:
        if key.text not in known:
            report(key, f"the source fetches no '{key.text}'{choices(key.text, known, what='it fetches')}")
            continue
        file = value.get("file") if len(value.entries) == 1 else None
        given[key.text] = value.plain() if file is None else read_json(_read(folder, file.text))
    return given


def _path_parts(source: Source, path: str) -> dict[str, str]:
    template = source.path.split("/") if source.path else []
    given = path.strip("/").split("/") if path.strip("/") else []
    if len(template) != len(given):
        raise ValueError(f"the request's path is '{path}'; the source's is '{source.path or ''}'")
    return {want[1:-1]: text for want, text in zip(template, given, strict=True) if want.startswith("{")}


def _parsed(source: Source, request: ExampleRequest, now: datetime) -> Any:
    whole = Request(source=source.name, headers=request.headers, body=request.body, received_at=now)
    verified = verify(NoVerification(), whole, credential=lambda _name: None, now=now)
    return parse(verified, body_type=source.body)


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise ValueError(f"the file '{name}' can't be read: {error.strerror}; looked for in {folder}") from None


def _at(node: Node, *keys: str) -> Node | None:
    for key in keys:
        inner = node.get(key)
        if inner is None:
            return None
        node = inner
    return node


def _request(node: Node, folder: Path) -> ExampleRequest:
    name, wanted = node.get("name"), node.get("request")
    if wanted is None or wanted.kind != "map":
        raise ValueError("the example has no request; it takes headers, body, query, path, method")
    problems: list[str] = []
    keys = check_keys(wanted, REQUEST_KEYS, "a request", lambda where, message, at=0: problems.append(message))
    if problems:
        raise ValueError(problems[0])

    def text(key: str, default: str) -> str:
        return keys[key][1].text if key in keys else default

    headers: list[tuple[str, str]] = []
    if "headers" in keys:
        headers = [(name.text.lower(), value.text) for name, value in keys["headers"][1].entries]
    body = b""
    content_type = "application/json"
    if "body" in keys:
        given = keys["body"][1]
        file = given.get("file")
        if file is not None:
            path = folder / file.text
            content_type = CONTENT_TYPES.get(path.suffix, content_type)
            body = _read(folder, file.text)
        else:
            body = _encode(given.plain())
    if not any(name == "content-type" for name, _ in headers):
        headers.append(("content-type", content_type))
    query = keys["query"][1] if "query" in keys else None
    return ExampleRequest(
        name=name.text if name is not None else f"line {wanted.line}",
        method=text("method", "POST"),
        path=text("path", ""),
        query="&".join(f"{key.text}={value.text}" for key, value in query.entries) if query is not None else "",
        headers=tuple(headers),
        body=body,
    )


_encode: Callable[[Any], bytes] = msgspec.json.Encoder(decimal_format="number").encode


# -- comparing -----------------------------------------------------------------------------------------------------


def _listed(translation: Translation) -> str:
    return ", ".join(f"{command.command} (rule '{command.rule}')" for command in translation.commands) or "nothing"


def _compare_commands(expected: Node, translation: Translation, codes: Mapping[str, Codes]) -> list[str]:
    if expected.kind != "list":
        return [f"expect takes a list of commands, or [] for none; found {expected.describe()}"]
    found: list[str] = []
    commands = translation.commands
    if (forgotten := _forgotten_identify(expected, commands)) is not None:
        order = ", ".join(command.command for command in commands)
        made = f"made identify (rule '{forgotten.rule}') for '{forgotten.user_id}' too"
        return [f"{made}, and expect does not list it; list the identify first, in order: {order}"]
    if expected.items and translation.state is WebhookState.UNMATCHED:
        whys = [f"  {line.rule}: {line.why}" for line in translation.trace]
        return ["expected commands, and nothing was made: no rule matched", *whys]
    for number, item in enumerate(expected.items):
        call = next((key.text for key, _ in item.entries if key.text.lower() in CALLS), None)
        if call is None:
            found.append(
                f"line {item.line}: an expected command is a mapping such as send_email: {{userId: …}}; "
                f"allowed: {', '.join(CALLS)}"
            )
            continue
        if number >= len(commands):
            found.append(f"expected {call} as number {number + 1}; not made. Made: {_listed(translation)}")
            continue
        found.extend(_compare_command(item, call, commands[number], codes))
    found.extend(
        f"made {extra.command} (rule '{extra.rule}') for '{extra.user_id}', which is not expected"
        for extra in commands[len(expected.items) :]
    )
    return found


def _forgotten_identify(expected: Node, commands: Sequence[Command]) -> Command | None:
    """The first identify that was made, where all that expect lacks is the identifies."""
    wanted = [key.text.lower() for item in expected.items for key, _ in item.entries if key.text.lower() in CALLS]
    made = [command.command for command in commands]
    if not wanted or "identify" in wanted or wanted != [name for name in made if name != "identify"]:
        return None
    return next((command for command in commands if command.command == "identify"), None)


def _compare_command(item: Node, call: str, command: Command, codes: Mapping[str, Codes]) -> list[str]:
    if command.command != call.lower():
        return [f"expected {call}; made {command.command} (rule '{command.rule}')"]
    found: list[str] = []
    for key, value in item.entries:
        if key.text == call:
            wanted = _with_codes(value.plain(), codes[command.destination])
            found.extend(_compare(wanted, _json.decode(command.body), call))
        elif key.text not in FACTS:
            found.append(f"line {key.line}: '{key.text}' can't stand beside a command; allowed: {', '.join(FACTS)}")
        elif key.text in ("not_before", "expires_at"):
            actual = getattr(command, key.text)
            if actual is None or moment(value.value, zone=None) != actual:
                found.append(
                    f"{call}: {key.text}: expected {value.text}, found {actual.isoformat() if actual else 'none'}"
                )
        elif str(getattr(command, key.text)) != value.text:
            found.append(f"{call}: {key.text}: expected {value.text}, found {getattr(command, key.text)}")
    return found


def _with_codes(expected: Any, codes: Codes) -> Any:
    """What is expected, with the destination's codes for ``$asset.NAME`` and ``$journey.NAME``: an example then holds
    for every destinations file."""
    if isinstance(expected, dict):
        return {key: _with_codes(value, codes) for key, value in expected.items()}
    if isinstance(expected, list):
        return [_with_codes(value, codes) for value in expected]
    if isinstance(expected, str) and expected.startswith(("$asset.", "$journey.")):
        kind, name = expected[1:].split(".", 1)
        listed: Mapping[str, str] = getattr(codes, kind)
        return listed.get(name, f"{expected} (not listed)")
    return expected


def _compare(expected: Any, actual: Any, where: str) -> list[str]:
    """What differs: listed keys must match, others are free."""
    if isinstance(expected, dict):
        if "$exact" in expected:
            wanted = expected["$exact"]
            if isinstance(wanted, dict) and isinstance(actual, dict):
                # What the gateway adds by itself is not for the author to list.
                more = actual.keys() - wanted.keys() - {"messageId", "event"}
                extra = [f"{where}.{key}: found {describe(actual[key])}, which $exact forbids" for key in sorted(more)]
                return extra + _compare(wanted, actual, where)
            return _compare(wanted, actual, where)
        if not isinstance(actual, dict):
            return [f"{where}: expected an object, found {describe(actual)}"]
        return [
            line
            for key, value in expected.items()
            for line in _compare(value, actual.get(key, MISSING), f"{where}.{key}")
        ]
    if isinstance(expected, list):
        if not isinstance(actual, list):
            return [f"{where}: expected a list, found {describe(actual)}"]
        lines = [
            line
            for number, (one, other) in enumerate(zip(expected, actual, strict=False))
            for line in _compare(one, other, f"{where}[{number}]")
        ]
        if len(expected) != len(actual):
            lines.append(f"{where}: expected {len(expected)} elements, found {len(actual)}")
        return lines
    if type(expected) is bool or type(actual) is bool or isinstance(expected, str) != isinstance(actual, str):
        same = expected is actual
    else:
        same = expected == actual
    return [] if same else [f"{where}: expected {describe(expected)}, found {describe(actual)}"]


def _compare_errors(expected: Node, translation: Translation) -> list[str]:
    problems: list[str] = []
    keys = check_keys(expected, ERROR_KEYS, "expect_error", lambda where, message, at=0: problems.append(message))
    if problems:
        return problems
    if not translation.errors:
        return ["expected a mapping error; there is none"]
    for error in translation.errors:
        if all(_error_matches(error, key, node) for key, (_, node) in keys.items()):
            return []
    return [
        f"no mapping error is as expected; found: rule '{error.rule}', field '{error.field}', "
        f"path '{error.path}': {error.message}"
        for error in translation.errors
    ]


def _error_matches(error: Any, key: str, node: Node) -> bool:
    actual: str = getattr(error, key)
    if key == "message":
        return node.text in actual
    # A field names all that stands under it: traits is the place of traits.email too.
    return actual == node.text or (key == "field" and actual.startswith((f"{node.text}.", f"{node.text}[")))
