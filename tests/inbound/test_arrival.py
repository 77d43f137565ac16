"""What rules see of a webhook, and what stands for a dedup key that is missing."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.inbound.arrival import fallback_key, named_parts, named_values
from gateway.inbound.body import joined_headers
from gateway.model import Webhook


@pytest.mark.parametrize(
    ("template", "path", "parts"),
    [
        (None, "", {}),
        (None, "/", {}),
        (None, "more", None),
        ("{brand}", "uk", {"brand": "uk"}),
        ("{brand}", "uk/", {"brand": "uk"}),
        ("{brand}", "", None),
        ("{brand}", "/", None),
        ("{brand}", "uk/more", None),
        ("{brand}", "a%2Fb", {"brand": "a/b"}),
        ("{brand}", "%C3%A9t%C3%A9", {"brand": "été"}),
        ("{brand}/orders", "uk/orders", {"brand": "uk"}),
        ("{brand}/orders", "uk/parcels", None),
        ("{brand}/{shop}", "uk//", None),
        ("shops/{shop}", "shops/7", {"shop": "7"}),
    ],
)
def test_named_parts(template: str | None, path: str, parts: dict[str, str] | None) -> None:
    assert named_parts(template, path) == parts


def test_headers_of_one_name_are_joined_as_http_does() -> None:
    assert joined_headers([("a", "1"), ("b", "2"), ("a", "3")]) == {"a": "1, 3", "b": "2"}


@pytest.mark.parametrize(
    ("query", "values"),
    [
        ("", {}),
        ("a=1&b=&c", {"a": "1", "b": "", "c": ""}),
        ("a=1&a=2", {"a": ["1", "2"]}),
        ("a=%C3%A9+x&b=%FF", {"a": "é x", "b": "\ufffd"}),
    ],
)
def test_query_values(query: str, values: dict[str, str | list[str]]) -> None:
    assert named_values(query) == values


def test_no_two_requests_share_a_fallback_key() -> None:
    def key(path: str, query: str, body: bytes) -> str:
        now = datetime(2026, 1, 5, tzinfo=UTC)
        return fallback_key(Webhook(id="0", source="s", received_at=now, path=path, query=query, body=body))

    requests = [
        ("a", "b", b"c"),
        ("ab", "", b"c"),
        ("a", "", b"bc"),
        ("", "ab", b"c"),
        ("", "", b"abc"),
        ("a", "b", b""),
    ]
    assert len({key(*request) for request in requests}) == len(requests)
    assert key("a", "b", b"c") == key("a", "b", b"c")
