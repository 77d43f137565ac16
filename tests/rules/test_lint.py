"""The checks of conditions are sound: what is called impossible never holds, and what is called implied always does."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.rules.conditions import compile_conditions
from gateway.rules.contradictions import contradictions, implies, read_conditions, two_values
from gateway.rules.nodes import Node, YAMLFile
from gateway.rules.scope import Names, Scope
from tests.effort import tries

CONSTANTS = (
    "1",
    "2",
    "3",
    '"2"',
    "2.0",
    "a",
    "ab",
    '""',
    "null",
    "true",
    "2026-01-05T10:00:00Z",
    "2026-01-06T10:00:00Z",
)
SCALARS: tuple[Any, ...] = (
    1,
    2,
    3,
    "1",
    "2",
    "2.0",
    "a",
    "ab",
    "",
    None,
    True,
    False,
    "2026-01-05T12:00:00Z",
    {},
    {"x": 1},
    [],
)

constants = st.sampled_from(CONSTANTS)
operands = st.one_of(
    st.tuples(
        st.sampled_from(
            ["eq", "ne", "gt", "gte", "lt", "lte", "contains", "starts_with", "ends_with", "before", "after"]
        ),
        constants,
    ),
    st.tuples(
        st.sampled_from(["in", "not_in"]),
        st.lists(constants, min_size=1, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
    ),
    st.tuples(st.sampled_from(["exists", "is_null"]), st.sampled_from(["true", "false"])),
)
tests = st.lists(operands, min_size=1, max_size=3, unique_by=lambda one: one[0]).map(
    lambda found: "{" + ", ".join(f"{name}: {operand}" for name, operand in found) + "}"
)
mappings = st.dictionaries(st.sampled_from(["$.a", "$.b"]), st.one_of(tests, constants), min_size=0, max_size=2).map(
    lambda found: "{" + ", ".join(f"{path}: {test}" for path, test in found.items()) + "}"
)
conditions = st.one_of(
    mappings,
    st.tuples(mappings, mappings).map(lambda two: f"{{all: [{two[0]}, {two[1]}]}}"),
    st.tuples(mappings, mappings).map(lambda two: f"{{any: [{two[0]}, {two[1]}], not: {{$.b: 1}}}}"),
    st.tuples(mappings, mappings).map(lambda two: f"{{all: [{two[0]}], not: {two[1]}}}"),
)
values = st.one_of(st.sampled_from(SCALARS), st.lists(st.sampled_from(SCALARS), max_size=3))
bodies = st.fixed_dictionaries({}, optional={"a": values, "b": values})
thorough = settings(max_examples=tries(500), deadline=None)


def node(text: str) -> Node:
    yaml = YAMLFile("shop.yaml", text)
    assert yaml.problems == []
    assert yaml.root is not None
    return yaml.root


def holds(text: str, body: Any) -> bool | None:
    """Whether compiled conditions hold, or None where they can't be compiled."""
    problems: list[str] = []

    def report(_where: Node, message: str, *, at: int = 0) -> None:
        problems.append(f"{at}: {message}")

    compiled = compile_conditions(node(text), Names(), report)
    if problems:
        return None
    return compiled.holds(Scope(body=body, headers={}, query={}, path={}, webhook={}, lets=0))


@thorough
@given(tests, values)
def test_what_is_called_impossible_never_holds(test: str, value: Any) -> None:
    text = f"{{$.a: {test}}}"
    (read,) = read_conditions(node(text)).tests
    if contradictions(read):
        assert not holds(text, {"a": value})
        assert not holds(text, {})


@thorough
@given(conditions, conditions, bodies)
def test_what_is_called_implied_holds(these: str, others: str, body: Any) -> None:
    if implies(read_conditions(node(these)), read_conditions(node(others))) and holds(these, body):
        assert holds(others, body) is not False


@thorough
@given(constants, constants, values)
def test_what_is_asked_for_two_values_is_a_list(one: str, other: str, value: Any) -> None:
    text = f"{{all: [{{$.a: {one}}}, {{$.a: {other}}}]}}"
    if two_values(read_conditions(node(text))):
        assert isinstance(value, list) or not holds(text, {"a": value})


@given(conditions)
def test_conditions_imply_themselves(text: str) -> None:
    read = read_conditions(node(text))
    assert implies(read, read)
    assert read.key == read_conditions(node(text)).key
