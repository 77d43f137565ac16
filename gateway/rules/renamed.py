"""Rules that have another id than in the version before and are the same otherwise.

A command is known by its rule's id, and so are the keys of ``once``: under a new id both begin anew.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.rules.destinations import FILE
from gateway.rules.lint import frozen
from gateway.rules.nodes import Node, YAMLFile
from gateway.rules.problems import Problem

_NAMES = ("name", "id")


def renames(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[Problem, ...]:
    """A warning for each rule of ``after`` that is a rule of ``before`` under another id.

    Both are the files of a version. A rule that was changed besides is a new one as far as anybody can tell.
    """
    changed = [name for name, text in after.items() if _is_source(name) and before.get(name) != text]
    if not changed:
        return ()
    old = dict(_rules(YAMLFile(name, text)) for name, text in before.items() if _is_source(name))
    found: list[Problem] = []
    for name in sorted(changed):
        yaml = YAMLFile(name, after[name])
        source, rules = _rules(yaml)
        known = old.get(source, {})
        gone = {_content(rule): id for id, rule in known.items() if id not in rules}
        for id, rule in rules.items():
            was = gone.get(_content(rule)) if id not in known else None
            if was is not None:
                found.append(_warning(yaml, rule.get("id") or rule.get("name") or rule, id, was))
    return tuple(found)


def _warning(yaml: YAMLFile, place: Node, id: str, was: str) -> Problem:
    return Problem(
        file=yaml.file,
        line=place.line,
        column=place.column,
        message=f"the rule '{id}' was '{was}' before. What was sent, and its once keys, are known by the rule's id, "
        f"so a repeat or a replay may send it again; to keep them, write id: {was}",
        source=yaml.line(place.line),
    )


def _is_source(name: str) -> bool:
    return name.endswith(".yaml") and name != FILE


def _rules(yaml: YAMLFile) -> tuple[str, dict[str, Node]]:
    """The source of a file, and its rules by id."""
    root = yaml.root
    source = root.get("source") if root is not None else None
    rules = root.get("rules") if root is not None else None
    named = ((rule.get("id") or rule.get("name"), rule) for rule in (rules.items if rules is not None else ()))
    return source.text if source is not None else "", {id.text: rule for id, rule in named if id is not None}


def _content(rule: Node) -> object:
    return frozenset((key.text, frozen(value)) for key, value in rule.entries if key.text not in _NAMES)
