"""Form bodies: nested keys, lists, repeats, contradictions, limits."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import Unparseable
from gateway.inbound.forms import MAX_FIELDS, looks_like_form, read_form


@pytest.mark.parametrize(
    ("body", "value"),
    [
        ("a=1&b=", {"a": "1", "b": ""}),
        ("a", {"a": ""}),
        ("a=1+2%203&b=%C3%AB", {"a": "1 2 3", "b": "ë"}),
        ("data[merges][EMAIL]=a%40b.c&data[id]=1", {"data": {"merges": {"EMAIL": "a@b.c"}, "id": "1"}}),
        ("data%5Bmerges%5D%5BFNAME%5D=Zo%C3%AB", {"data": {"merges": {"FNAME": "Zoë"}}}),
        ("x[]=1&x[]=2", {"x": ["1", "2"]}),
        ("x[]=1", {"x": ["1"]}),
        ("x=1&x=2&x=3", {"x": ["1", "2", "3"]}),
        ("a[b]=1&a[b]=2", {"a": {"b": ["1", "2"]}}),
        ("a[b][]=1&a[b][]=2", {"a": {"b": ["1", "2"]}}),
        ("i[0][s]=a&i[0][q]=1&i[1][s]=b", {"i": [{"s": "a", "q": "1"}, {"s": "b"}]}),
        ("i[1]=b&i[0]=a", {"i": ["a", "b"]}),
        ("i[1]=b&i[3]=a", {"i": {"1": "b", "3": "a"}}),
        ("i[01]=b", {"i": {"01": "b"}}),
        ("i[][s]=a&i[][q]=1&i[][s]=b&i[][q]=2", {"i": [{"s": "a", "q": "1"}, {"s": "b", "q": "2"}]}),
        ("i[][]=a&i[][]=b", {"i": [["a"], ["b"]]}),
        ("i[0]=a&i[]=b", {"i": ["a", "b"]}),
        ("0=a&1=b", {"0": "a", "1": "b"}),
        # Contradictions and odd brackets stand as they were written.
        ("a=1&a[b]=2", {"a": "1", "a[b]": "2"}),
        ("a[b]=2&a=1", {"a": "1", "a[b]": "2"}),
        ("a=1&a[]=2", {"a": "1", "a[]": "2"}),
        ("a=1&a=2&a[b]=3&a[b]=4", {"a": ["1", "2"], "a[b]": ["3", "4"]}),
        ("a[b]=1&a[b][c]=2", {"a": {"b": "1"}, "a[b][c]": "2"}),
        ("a[b][c]=2&a[b]=1", {"a": {"b": {"c": "2"}}, "a[b]": "1"}),
        ("a[b=1&a]b[=2&[c]=3&a[b]c=4&a[[b]]=5", {"a[b": "1", "a]b[": "2", "[c]": "3", "a[b]c": "4", "a[[b]]": "5"}),
        ("=1", {"": "1"}),
        ("a=%ED%A0%80", {"a": "\ufffd\ufffd\ufffd"}),
        ("a=%00", {"a": "\x00"}),
        ("a=b=c&&d=e\r\n", {"a": "b=c", "d": "e"}),
    ],
)
def test_what_a_form_says(body: str, value: object) -> None:
    assert read_form(body.encode()) == value


def test_charsets() -> None:
    assert read_form(b"a=caf%E9", "iso-8859-1") == {"a": "café"}
    assert read_form(b"a=caf\xe9", "windows-1252") == {"a": "café"}
    assert read_form(b"a=caf%C3%A9", "iso-8859-1") == {"a": "café"}
    assert read_form(b"a=caf%E9") == {"a": "caf\ufffd"}


def test_limits() -> None:
    assert len(str(read_form(b"a=1&" * (MAX_FIELDS - 1) + b"a=1"))) > MAX_FIELDS
    with pytest.raises(Unparseable, match=f"the form has {MAX_FIELDS + 1} fields; at most {MAX_FIELDS} are read"):
        read_form(b"a=1&" * MAX_FIELDS + b"a=1")
    assert read_form(b"a" + b"[b]" * 32 + b"=1")
    with pytest.raises(Unparseable, match="nests 33 levels; at most 32"):
        read_form(b"a" + b"[b]" * 33 + b"=1")


@pytest.mark.parametrize(
    ("body", "shaped"),
    [
        (b"id=tr_1", True),
        (b"a[b]=1&c=%20x+y", True),
        (b"data%5Bid%5D=&x=1\r\n", True),
        (b"hello", False),
        (b"a = b", False),
        (b'{"a":1}', False),
        (b"<a b=c>", False),
        (b"a=b&", False),
        (b"=b", False),
        (b"a=1\nb=2", False),
    ],
)
def test_what_is_written_as_a_form(body: bytes, shaped: bool) -> None:
    assert looks_like_form(body) is shaped


@given(st.dictionaries(st.text(min_size=1).filter(lambda key: "[" not in key and "]" not in key), st.text()))
def test_plain_fields_survive(fields: dict[str, str]) -> None:
    assert read_form(urlencode(fields).encode()) == fields


@given(st.lists(st.tuples(st.text(alphabet="ab01[]", max_size=9), st.text(alphabet="xyz", max_size=2)), max_size=12))
def test_no_value_is_dropped(pairs: list[tuple[str, str]]) -> None:
    def leaves(value: object) -> list[str]:
        match value:
            case dict():
                return [leaf for inner in value.values() for leaf in leaves(inner)]
            case list():
                return [leaf for inner in value for leaf in leaves(inner)]
            case _:
                assert isinstance(value, str)
                return [value]

    body = urlencode(pairs).encode()
    assert sorted(leaves(read_form(body))) == sorted(value for _, value in pairs)


@given(
    st.binary(max_size=80) | st.text(alphabet="ab[]=&%0", max_size=60).map(str.encode), st.none() | st.text(max_size=8)
)
def test_any_bytes_are_some_form(body: bytes, charset: str | None) -> None:
    value = read_form(body, charset)
    assert isinstance(value, dict)
    str(value).encode()
