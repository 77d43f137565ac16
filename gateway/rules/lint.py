"""What is wrong, or odd, in rules that can all be read: conditions that never hold, rules that never run, copies.

It is a **problem**, which keeps the folder from being served, where the file is certainly not what its author means:

- the tests of one expression exclude each other (``{gt: 5, lt: 3}``, ``eq`` and ``ne`` of one value, ``exists: false``
  beside a comparison), or ``not`` excludes what stands beside it
- a rule is never looked at: an earlier one says ``stop`` and matches whenever this one would, or the source's
  ``ignore`` holds whenever it matches
- an example has keys that mean nothing, or expects nothing

It is a **warning** where a person may mean it:

- one expression is asked for two different values in ``all``, which only a list can meet
- two rules of one file make the same command under the same conditions: the customer gets it twice
- rules of two files are equal: two sources get different webhooks, but one event may reach both
- a ``let`` or a table that nothing reads
- a rule whose name differs from another's only in capitals, blanks or dashes
- a condition that compares a field of JSON with ``"true"`` in quotes
- text that is a path without its ``$.``, or holds ``$.name`` or ``${NAME}`` outside of ``{{ }}``, and so would be
  sent as it stands
- a rule that is live and holds what was drafted in the place of a code

What is decided is decided from constants alone; an operand out of the payload is never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gateway.intilery.contract import CALLS
from gateway.rules.conditions import GROUPS
from gateway.rules.contradictions import Conditions, contradictions, implies, read_conditions, two_values
from gateway.rules.examples import ERROR_KEYS, EXAMPLE_KEYS, FACTS, REQUEST_KEYS
from gateway.rules.keys import check_keys
from gateway.rules.nodes import Node, YAMLFile
from gateway.rules.problems import choices, did_you_mean

PLACEHOLDER = "PUT-THE-ASSET-CODE-HERE"
"""What a drafted rule holds where its author puts the code of an asset."""
_UNFILLED = re.compile(
    r"\$\{\w+\}|\$\.[A-Za-z_][\w.]*|\$(?:let|item|outer|header|query|path|asset|journey|webhook)\.[A-Za-z_][\w.-]*"
)
_BARE_PATH = re.compile(r"[A-Za-z_]\w*(?:\[[0-9*]+\]|\.[A-Za-z_]\w*)+\Z")
_FIELD = re.compile(r"\$\.([A-Za-z_]\w*)[.\[]")
_OF_JSON = re.compile(r"\$(?:[.\[]|item\b|outer\b|batch\b|fetch\b)")
_STATES = ("translated", "unmatched", "ignored", "untranslatable", "unparseable")
"""What may become of the webhook of an example."""
_LET = re.compile(r"\$let(?:\.|\[['\"])([\w-]+)")
_TABLE = re.compile(r"lookup\(\s*(?:table\s*:\s*)?['\"]?([\w-]+)")
_WHEN_AND_WHERE = ("let", "for_each", "destination", "delay", "at", "name_as", "identify", "mode")
"""What may make two rules of one command and one body differ on purpose."""


def lint(yaml: YAMLFile) -> None:
    """Check one file. What speaks of several rules waits until each of them can be read."""
    root = yaml.root
    if root is None or root.kind != "map":
        return
    ignore = read_conditions(root.get("ignore"))
    rules = _rules(root)
    if not yaml.problems:
        _check_reach(yaml, rules, ignore)
        _check_copies(yaml, rules)
        _check_names(yaml, rules)
        _check_use(yaml, root)
    _check_conditions(yaml, ignore)
    for rule in rules:
        _check_conditions(yaml, rule.conditions)
    fields = frozenset(
        name
        for key, value in root.entries
        if key.text != "examples"
        for text in _texts(value)
        for name in _FIELD.findall(text)
    )
    as_text = root.get("body")
    if as_text is None or (as_text.get("as") or as_text).text in ("json", "ndjson", "jwt"):
        for conditions in (root.get("ignore"), *(rule.value("when") for rule in rules)):
            if conditions is not None:
                _check_truths(yaml, conditions)
    for rule in rules:
        if rule.says("mode", "dry_run") or rule.says("enabled", "false"):
            continue
        for call in CALLS:
            body = rule.value(call)
            if body is not None:
                _check_texts(yaml, body, fields)
    _check_examples(yaml, root)


def lint_together(files: Sequence[YAMLFile]) -> None:
    """Check the files of one folder against each other."""
    first: dict[object, tuple[YAMLFile, _Rule]] = {}
    for yaml in files:
        root = yaml.root
        if root is None or root.kind != "map":
            continue
        sender = tuple(frozen(root.get(key)) for key in ("let", "destination", "events")), _kind(root.get("verify"))
        for rule in _rules(root):
            if rule.command is None or rule.says("enabled", "false"):
                continue
            known = first.setdefault((sender, rule.what), (yaml, rule))
            if known[0] is not yaml:
                yaml.warning(
                    rule.place,
                    f"the rule '{rule.name}' is equal to '{known[1].name}' in {known[0].file}, line "
                    f"{known[1].node.line}; where one event reaches both sources, the customer gets it twice",
                )


def _kind(verify: Node | None) -> object:
    """What a source verifies by: two presets are two senders."""
    if verify is None:
        return None
    return frozenset(key.text for key, _ in verify.entries) or verify.text


def _rules(root: Node) -> list[_Rule]:
    rules = root.get("rules")
    return [_Rule(node, root.get("defaults")) for node in (rules.items if rules else ()) if node.kind == "map"]


class _Rule:
    """A rule as these checks see it."""

    def __init__(self, node: Node, defaults: Node | None) -> None:
        self.node = node
        self.defaults = defaults
        self.conditions = read_conditions(node.get("when"))
        self.command = next(
            (name for key, _ in node.entries if (name := key.text.lower()) in CALLS and name != "identify"), None
        )

    def value(self, key: str) -> Node | None:
        return next((value for name, value in self.node.entries if name.text.lower() == key), None)

    def says(self, key: str, *texts: str) -> bool:
        value = self.value(key) or (self.defaults.get(key) if self.defaults is not None else None)
        return value is not None and value.text.lower() in texts

    @property
    def name(self) -> str:
        name = self.value("name")
        return name.text if name is not None and name.text else f"line {self.node.line}"

    @property
    def place(self) -> Node:
        return self.value("name") or self.node

    @property
    def what(self) -> object:
        """Equal for rules that make the same command of the same webhooks at the same time."""
        body = self.value(self.command) if self.command else None
        others = [(key, frozen(value)) for key in _WHEN_AND_WHERE if (value := self.value(key)) is not None]
        return (self.command, frozen(body), self.conditions.key, tuple(others))


def frozen(node: Node | None) -> object:
    """A value that is equal for equal YAML, wherever it stands and in whichever order its keys are written."""
    if node is None:
        return None
    if node.kind == "map":
        return frozenset((key.text, frozen(value)) for key, value in node.entries)
    if node.kind == "list":
        return tuple(frozen(item) for item in node.items)
    return (node.text, node.quoted and not isinstance(node.value, str))


# -- conditions ----------------------------------------------------------------------------------------------------


def _check_conditions(yaml: YAMLFile, conditions: Conditions) -> None:
    for inner in conditions.every():
        for test in inner.tests:
            for place, message in contradictions(test):
                yaml.problem(place, message)
        for test, other in two_values(inner):
            yaml.warning(
                other.place,
                f"{other.path} is asked for {other.words()} here and for {test.words()} in line {test.place.line}; "
                "both hold only where it is a list",
            )
        for excluded in inner.excluded:
            if excluded.tests and not excluded.groups and not excluded.excluded and implies(inner, excluded):
                yaml.problem(
                    excluded.tests[0].place, "this never holds: not excludes what the conditions beside it ask for"
                )


def _check_truths(yaml: YAMLFile, node: Node) -> None:
    """Conditions that compare a field of JSON with the text ``"true"``: a boolean never equals it."""
    for item in node.items:
        _check_truths(yaml, item)
    for key, value in node.entries:
        if key.text in GROUPS:
            _check_truths(yaml, value)
        elif _OF_JSON.match(key.text) and "|" not in key.text:
            asked = [inner for name, inner in value.entries if name.text in ("eq", "ne", "in", "not_in")] or [value]
            for operand in (one for inner in asked for one in (inner, *inner.items)):
                if operand.quoted and operand.text.lower() in ("true", "false"):
                    yaml.warning(
                        operand,
                        f"text '{operand.text}' never equals the boolean {operand.text.lower()}; "
                        "write it without quotes",
                    )


def _check_reach(yaml: YAMLFile, rules: Sequence[_Rule], ignore: Conditions) -> None:
    """Rules that are never looked at."""
    stops: list[_Rule] = []
    for rule in rules:
        if rule.says("enabled", "false"):
            continue
        earlier = next((one for one in stops if implies(rule.conditions, one.conditions)), None)
        if earlier is not None:
            yaml.problem(
                rule.place,
                f"the rule '{rule.name}' is never looked at: '{earlier.name}' (line {earlier.node.line}) matches "
                "whenever it would, and says stop; put this rule before it, or narrow the other's when",
            )
        elif ignore.tests and rule.conditions.tests and implies(rule.conditions, ignore):
            yaml.problem(
                rule.place, f"the rule '{rule.name}' never runs: the source's ignore holds whenever its when does"
            )
        if rule.says("stop", "true") and not rule.says("mode", "shadow", "dry_run"):
            stops.append(rule)


# -- copies and names ----------------------------------------------------------------------------------------------


def _check_copies(yaml: YAMLFile, rules: Sequence[_Rule]) -> None:
    first: dict[object, _Rule] = {}
    for rule in rules:
        if rule.command is None or rule.says("enabled", "false"):
            continue
        known = first.setdefault(rule.what, rule)
        if known is not rule:
            yaml.warning(
                rule.place,
                f"the rule '{rule.name}' makes the same {rule.command} under the same conditions as '{known.name}' "
                f"(line {known.node.line}); the customer gets it twice",
            )


def _check_names(yaml: YAMLFile, rules: Sequence[_Rule]) -> None:
    first: dict[str, _Rule] = {}
    for rule in rules:
        plain = re.sub(r"[\s_-]+", " ", rule.name).strip().casefold()
        known = first.setdefault(plain, rule)
        if known.name != rule.name:
            yaml.warning(
                rule.place,
                f"the name '{rule.name}' is almost that of the rule '{known.name}' in line {known.node.line}; "
                "people will take one for the other",
            )


def _check_use(yaml: YAMLFile, root: Node) -> None:
    """Values and tables that nothing reads."""
    entries = [value for key, value in root.entries if key.text != "examples"]
    texts = [text for value in entries for text in _texts(value)]
    _check_lets(yaml, root.get("let"), {name for text in texts for name in _LET.findall(text)})
    for rule in _rules(root):
        own = {name for text in _texts(rule.node) for name in _LET.findall(text)}
        _check_lets(yaml, rule.node.get("let"), own)
    tables = root.get("tables")
    looked_up = {name for text in texts for name in _TABLE.findall(text)}
    for key, _ in tables.entries if tables is not None else ():
        if key.text not in looked_up:
            yaml.warning(key, f"nothing looks up the table '{key.text}'")


def _check_lets(yaml: YAMLFile, lets: Node | None, used: set[str]) -> None:
    for key, _ in lets.entries if lets is not None else ():
        if key.text not in used:
            yaml.warning(key, f"nothing reads $let.{key.text}")


def _texts(node: Node) -> Iterator[str]:
    """Every text of a value, keys too (those of conditions are expressions)."""
    if node.kind == "scalar":
        yield node.text
    for item in node.items:
        yield from _texts(item)
    for key, value in node.entries:
        yield key.text
        yield from _texts(value)


def _check_texts(yaml: YAMLFile, node: Node, fields: frozenset[str]) -> None:
    """Text that looks as if something were to be filled in; ``fields`` are those of the body that the file reads."""
    for key, value in node.entries:
        if key.text != "$literal":
            _check_texts(yaml, value, fields)
    for item in node.items:
        _check_texts(yaml, item, fields)
    if node.kind != "scalar" or not isinstance(node.value, str):
        return
    if node.text.startswith("$") and "{{" not in node.text:
        return
    if node.text == PLACEHOLDER:
        yaml.warning(node, "the place that was drafted for a code is not filled in; write the code that Intilery shows")
        return
    outside = re.sub(r"\{\{.*?\}\}", lambda hole: " " * len(hole[0]), node.text, flags=re.DOTALL)
    found = _UNFILLED.search(outside)
    if found:
        path = found[0].rstrip(".")
        meant = path if not path.startswith("${") else f"$.{path[2:-1]}"
        # Where there is nothing else, the value itself is meant: a template would make text of a number or a list.
        write = meant if node.text.strip() in (path, f"{{{path}}}") else f"{{{{ {meant} }}}}"
        yaml.warning(node, f"'{path}' is sent as it stands; to fill it in, write {write}", at=found.start())
    elif _BARE_PATH.match(node.text) and not node.quoted and re.split(r"[.\[]", node.text)[0] in fields:
        yaml.warning(node, f"'{node.text}' is sent as it stands; to fill it in, write $.{node.text}")


# -- examples ------------------------------------------------------------------------------------------------------


def _check_examples(yaml: YAMLFile, root: Node) -> None:
    examples = root.get("examples")
    if examples is None:
        return
    if examples.kind != "list":
        yaml.problem(examples, f"examples takes a list; found {examples.describe()}")
        return
    for node in examples.items:
        keys = check_keys(node, EXAMPLE_KEYS, "an example", yaml.problem)
        if node.kind != "map":
            continue
        if "request" not in keys and not node.partial:
            yaml.problem(node, "the example has no request: what the sender would send, with headers and a body")
        if not {"expect", "expect_error", "expect_state"} & keys.keys() and not node.partial:
            yaml.problem(node, "the example expects nothing; it needs expect, expect_error or expect_state")
        if "request" in keys:
            check_keys(keys["request"][1], REQUEST_KEYS, "a request", yaml.problem)
        if "expect_error" in keys:
            check_keys(keys["expect_error"][1], ERROR_KEYS, "expect_error", yaml.problem)
        state = keys["expect_state"][1] if "expect_state" in keys else None
        if state is not None and state.text not in _STATES:
            takes = f"{', '.join(_STATES[:-1])} or {_STATES[-1]}"
            hint = did_you_mean(state.text, _STATES)
            yaml.problem(state, f"expect_state takes {takes}; found {state.describe()}{hint}")
        if "expect" in keys:
            _check_expected(yaml, keys["expect"][1])


def _check_expected(yaml: YAMLFile, node: Node) -> None:
    if node.kind != "list":
        yaml.problem(node, f"expect takes a list of commands, or [] for none; found {node.describe()}")
        return
    for item in node.items:
        if item.kind != "map":
            yaml.problem(item, f"an expected command is a mapping such as send_email: {{…}}; found {item.describe()}")
            continue
        if not any(key.text.lower() in CALLS for key, _ in item.entries):
            found = next((key for key, _ in item.entries if key.text not in FACTS), None)
            yaml.problem(
                found or item,
                (f"'{found.text}' is not a command" if found else "no command is expected here")
                + choices(found.text if found else "", CALLS),
            )
            continue
        for key, _ in item.entries:
            if key.text.lower() not in CALLS and key.text not in FACTS:
                yaml.problem(key, f"'{key.text}' can't stand beside a command{choices(key.text, FACTS)}")
