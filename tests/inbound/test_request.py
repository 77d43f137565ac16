"""The two types: what arrived, and what is known to come from the source."""

from __future__ import annotations

import ast
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.inbound.request import Request, Verified

GATEWAY = Path(__file__).parents[2] / "gateway"


def test_a_header_is_found_in_any_case_and_several_are_joined() -> None:
    request = Request(
        source="shop",
        headers=(("x-topic", "orders/create"), ("via", "one"), ("x-empty", ""), ("via", "two")),
        received_at=datetime(2026, 1, 5, tzinfo=UTC),
    )
    assert request.header("X-Topic") == "orders/create"
    assert request.header("VIA") == "one, two"
    assert request.header("x-empty") == ""
    assert request.header("x-absent") is None


def test_neither_can_be_changed() -> None:
    request = Request(source="shop", received_at=datetime(2026, 1, 5, tzinfo=UTC))
    with pytest.raises(AttributeError):
        request.body = b"other"  # type: ignore[misc]
    with pytest.raises(AttributeError):
        Verified(request=request, scheme="none").scheme = "other"  # type: ignore[misc]


def test_only_authentication_makes_a_verified() -> None:
    makers = {
        path.relative_to(GATEWAY).as_posix()
        for path in GATEWAY.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func).rpartition(".")[2] == "Verified"
    }
    assert makers == {"inbound/authentication.py"}
