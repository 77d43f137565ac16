"""The ``challenge`` of a rules file: what the sender asks of the address, as nodes.

challenge: slack
challenge: [trello, {echo_query: {name: challenge}}]
challenge:
  meta: {secret: $env.MY_VERIFY_TOKEN}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from gateway.inbound.challenge_kinds import (
    AllowOrigin,
    Challenge,
    EchoField,
    EchoHeader,
    EchoQuery,
    EmptyList,
    FormPing,
    HashToken,
    Probe,
    Visit,
)
from gateway.inbound.challenge_presets import CHALLENGES
from gateway.inbound.schemes import env_name
from gateway.rules.keys import CHALLENGE_KEYS, check_keys
from gateway.rules.nodes import Node, truth_hint
from gateway.rules.problems import choices, did_you_mean
from gateway.rules.readings import Entries, Reader

_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "echo_query": ("name",),
    "echo_field": ("field",),
    "echo_header": ("name",),
    "hmac": ("secret", "answer"),
    "form_ping": ("field",),
    "empty_list": ("field",),
    "visit": ("field", "hosts"),
}
_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "as": ("text", "json"),
    "method": ("GET", "POST"),
    "algorithm": ("sha1", "sha256", "sha512"),
    "encoding": ("hex", "base64"),
}
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+\Z")
_ORIGIN = re.compile(r"[A-Za-z0-9.:/_-]{1,253}\Z")
_HOSTS = re.compile(r"(?:(?:\*|[a-z0-9-]{1,63})\.)*[a-z0-9-]{1,63}\.[a-z]{2,63}\Z")
_HOLE = re.compile(r"\{[^{}]*\}")
_OURS = frozenset({"content-type", "content-length", "transfer-encoding", "connection", "set-cookie", "location"})


def compile_challenges(keys: Entries, reader: Reader) -> tuple[Challenge, ...]:
    """The challenges of a source, in order; empty where there are none, or they can't be read."""
    if "challenge" not in keys:
        return ()
    node = keys["challenge"][1]
    if node.kind == "list":
        if not node.items:
            reader.report(node, "challenge is an empty list; leave it out, or name one such as slack")
        return tuple(found for item in node.items for found in _one(item, reader))
    return _one(node, reader)


def _one(node: Node, reader: Reader) -> tuple[Challenge, ...]:
    if node.kind == "scalar" and node.text:
        if node.text in CHALLENGES:
            found = _compiled(*_row(node.text), {}, node, reader)
            return () if found is None else (found,)
        if node.text in CHALLENGE_KEYS:
            reader.report(node, f"{node.text} needs its keys: write it as a mapping, {node.text}: {{…}}")
        else:
            reader.report(node, f"there is no challenge '{node.text}'{choices(node.text, _names())}")
        return ()
    if node.kind != "map" or not node.entries:
        reader.report(
            node, f"challenge takes a sender's name such as slack, a mapping, or a list; found {node.describe()}"
        )
        return ()
    entries = check_keys(node, _names(), "challenge", reader.report)
    found_all: list[Challenge] = []
    for name, (_, value) in entries.items():
        kind, preset = _row(name) if name in CHALLENGES else (name, {})
        given: Entries = {}
        if value.kind != "map" and not (value.kind == "scalar" and value.value is None):
            reader.report(value, f"{name} takes a mapping; found {value.describe()}")
            continue
        if value.kind == "map":
            given = check_keys(value, CHALLENGE_KEYS[kind], name, reader.report)
        lacking = [key for key in _NEEDED.get(kind, ()) if key not in given and key not in preset]
        if kind == "hmac" and len({"query", "field"} & (given.keys() | preset.keys())) != 1:
            lacking.append("one of query and field")
        if lacking:
            reader.report(value if given else node, f"{name} needs {' and '.join(lacking)}")
            continue
        found = _compiled(kind, preset, given, value, reader)
        if found is not None:
            found_all.append(found)
    return tuple(found_all)


def _names() -> tuple[str, ...]:
    return (*sorted(CHALLENGES), *CHALLENGE_KEYS)


def _row(name: str) -> tuple[str, Mapping[str, Any]]:
    return CHALLENGES[name]


def _compiled(kind: str, preset: Mapping[str, Any], given: Entries, node: Node, reader: Reader) -> Challenge | None:
    before = len(reader.yaml.problems)
    read: dict[str, Any] = {key: _preset_value(key, value) for key, value in preset.items()}
    for key, (_, value) in given.items():
        read[key] = _value(kind, key, value, reader)
    if ("token" in read) != ("secret" in read) and kind == "echo_query":
        reader.report(node, "token names the parameter that must equal secret: both stand here, or none")
    if read.get("signed") and "query" in read:
        reader.report(node, "what comes in the query is a GET, and no sender signs it; signed is for field")
    if len(reader.yaml.problems) > before:
        return None
    if "as" in read:
        read["as_"] = read.pop("as")
    match kind:
        case "echo_query":
            return EchoQuery(**read)
        case "echo_field":
            return EchoField(**read)
        case "echo_header":
            return EchoHeader(**read)
        case "hmac":
            return HashToken(**{"signed": read.get("field") is not None, **read})
        case "probe":
            return Probe(**read)
        case "form_ping":
            return FormPing(**read)
        case "empty_list":
            return EmptyList(**read)
        case "visit":
            return Visit(**read)
        case _:
            return AllowOrigin(**read)


def _preset_value(key: str, value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple(value.items())
    if isinstance(value, list):
        return tuple(value)
    return (value,) if key == "secret" else value


def _value(kind: str, key: str, node: Node, reader: Reader) -> Any:
    """What a key of a challenge says; a problem is reported, and then whatever is returned is not used."""
    if key in _CHOICES:
        allowed = _CHOICES[key]
        if node.kind != "scalar" or node.text not in allowed:
            near = did_you_mean(node.text, allowed) if node.kind == "scalar" else ""
            reader.report(node, f"{key} takes {' or '.join(allowed)}; found {node.describe()}{near}")
        return node.text
    match key:
        case "secret":
            return _secrets(node, reader)
        case "where" | "answer":
            return _pairs(key, node, reader)
        case "methods":
            return _texts(key, node, reader, "HEAD, GET", lambda text: text in ("GET", "HEAD"))
        case "origins":
            origins = _texts(key, node, reader, "names of hosts", lambda text: bool(_ORIGIN.match(text)))
            return tuple(origin.lower() for origin in origins)
        case "hosts":
            what = "names of hosts, such as api.example.com; * may stand for a whole label, never for the last two"
            return _texts(key, node, reader, what, lambda text: bool(_HOSTS.match(text)))
        case "signed":
            if not isinstance(node.value, bool):
                reader.report(node, f"signed takes true or false; found {node.describe()}{truth_hint(node)}")
            return node.value
        case "rate":
            if not isinstance(node.value, int) or isinstance(node.value, bool) or not 0 < node.value <= 1_000_000:
                reader.report(node, f"rate takes requests per minute, 1 to 1000000; found {node.describe()}")
            return node.value
    if node.kind != "scalar" or not node.text:
        reader.report(node, f"{key} takes a name; found {node.describe()}")
    elif key == "field" and (node.text.startswith("$") or not all(node.text.split("."))):
        reader.report(node, f"field takes a plain dotted path such as payload.token; found {node.describe()}")
    elif kind == "echo_header" and (not _HEADER.match(node.text) or node.text.lower() in _OURS):
        reader.report(node, f"{node.describe()} is not a header that can be sent back")
    return node.text


def _secrets(node: Node, reader: Reader) -> tuple[str, ...]:
    items = node.items if node.kind == "list" else (node,)
    names: list[str] = []
    for item in items:
        name = env_name(item.text) if item.kind == "scalar" else None
        if name is None:
            # The text is not shown: it may be the secret itself.
            reader.report(item, "a secret never stands in a rules file: name it as $env.NAME")
        else:
            names.append(name)
    if not items:
        reader.report(node, "secret is an empty list; name one as $env.NAME")
    return tuple(names)


def _pairs(key: str, node: Node, reader: Reader) -> tuple[tuple[str, str], ...]:
    if node.kind != "map" or not node.entries or any(value.kind != "scalar" for _, value in node.entries):
        what = "what must stand where" if key == "where" else "the JSON that is answered"
        reader.report(node, f"{key} takes a mapping of names to texts: {what}; found {node.describe()}")
        return ()
    if key == "answer":
        for _, value in node.entries:
            for hole in _HOLE.findall(value.text):
                if hole not in ("{token}", "{hmac}"):
                    reader.report(value, f"{hole} stands for nothing; allowed: {{token}}, {{hmac}}")
        if not any("{hmac}" in value.text for _, value in node.entries):
            reader.report(node, "answer says nowhere {hmac}: the sender waits for it")
    return tuple((name.text, value.text) for name, value in node.entries)


def _texts(key: str, node: Node, reader: Reader, allowed: str, fits: Any) -> tuple[str, ...]:
    items = node.items if node.kind == "list" else (node,)
    if not items:
        reader.report(node, f"{key} is an empty list; allowed: {allowed}")
    for item in items:
        if item.kind != "scalar" or not fits(item.text):
            reader.report(item, f"{key} takes {allowed}; found {item.describe()}")
    return tuple(item.text for item in items)
