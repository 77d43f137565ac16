"""JSON is read exactly, mended where only a character is broken, and refused with a reason otherwise."""

from __future__ import annotations

import inspect
import json
import sys
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import Unparseable
from gateway.inbound.exact_json import MAX_DEPTH, read_json


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"null", None),
        (b" \r\n[1, true, false]\t", [1, True, False]),
        (b"12345678901234567890123456", 12345678901234567890123456),
        (b"-12345678901234567890123456", -12345678901234567890123456),
        (b"0.10", Decimal("0.10")),
        (b"1E5", Decimal("1E+5")),
        (b"1e400", Decimal("1e400")),
        (b"1e1000", Decimal("1e1000")),
        (b"1e-0001000", Decimal("1e-1000")),
        (b"9" * 1000, int("9" * 1000)),
        (b"-0." + b"1" * 999, Decimal("-0." + "1" * 999)),
        (b'"\\u0000"', "\x00"),
        (b'"\\ud83d\\ude00"', "😀"),
        (b'"\xf0\x9f\x98\x80"', "😀"),
        # Of two equal keys the last counts.
        (b'{"a": 1, "b": 2, "a": 3}', {"a": 3, "b": 2}),
        (b"\xef\xbb\xbf{}", {}),
        ('{"é": 1}'.encode("utf-16"), {"é": 1}),
        # A string may hold what a number may not.
        (b'"' + b"1" * 5000 + b'"', "1" * 5000),
        (b'["' + b"[" * 300 + b'\\"", "]"]', ["[" * 300 + '"', "]"]),
        (b"[" + b"[]," * 500 + b"1]", [*([[]] * 500), 1]),
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, "deep"),
        (b'["' + b"[]" * 500_001 + b'"]', ["[]" * 500_001]),
    ],
)
def test_what_is_read(body: bytes, value: object) -> None:
    found = read_json(body)
    if value == "deep":
        assert len(str(found)) == 2 * MAX_DEPTH
    else:
        assert found == value
        assert type(found) is type(value)
        assert str(found) == str(value)


@pytest.mark.parametrize(
    ("body", "charset", "value"),
    [
        (b'"a\\ud83d"', None, "a\ufffd"),
        (b'"\\ude00b"', None, "\ufffdb"),
        (b'"\\uD83D\\uD83D\\uDE00"', None, "\ufffd😀"),
        (b'"\\ud83d\\u0041"', None, "\ufffdA"),
        (b'"\\\\ud83d \\ud83d"', None, "\\ud83d \ufffd"),
        (b'{"\\ud800": "\\udfff"}', None, {"\ufffd": "\ufffd"}),
        (b'"a\xf0\x9f\x98"', None, "a\ufffd"),
        (b'"\xed\xa0\x80"', None, "\ufffd\ufffd\ufffd"),
        (b'"caf\xe9"', None, "caf\ufffd"),
        (b'"caf\xe9"', "iso-8859-1", "café"),
        (b'"caf\xe9 \x80"', "windows-1252", "café €"),
        # UTF-8 under another name is UTF-8 all the same.
        (b'"caf\xc3\xa9"', "iso-8859-1", "café"),
        (b'"caf\xe9"', "unicode_escape", "caf\ufffd"),
        (b'"caf\xe9"', "no-such-charset", "caf\ufffd"),
        (b'"caf\xe9"', "nul\x00", "caf\ufffd"),
        (b'["\xe9", 0.10, 12345678901234567890123456]', None, ["\ufffd", Decimal("0.10"), 12345678901234567890123456]),
    ],
)
def test_a_broken_character_loses_no_webhook(body: bytes, charset: str | None, value: object) -> None:
    assert read_json(body, charset) == value


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "it ends after 0 bytes, before its value is complete"),
        (b'{"a": 1', "it ends after 7 bytes, before its value is complete"),
        (b'"\\ud83d', "it ends after 7 bytes"),
        (b'{"a":NaN}', "invalid character at byte 5, found NaN"),
        (b"[Infinity]", "found Infinity"),
        (b"[-Infinity]", "at byte 2, found Infinity"),
        (b"<xml/>", "invalid character at byte 0, found '<' (XML or HTML?)"),
        (b"{'a': 1}", 'object keys must be strings at byte 1, found "\'"'),
        (b"[1,]", "trailing comma in array at byte 3, found ']'"),
        (b'{"a":1} x', "trailing characters at byte 8, found 'x'"),
        (b'{"a":1}\n{"a":2}', "trailing characters"),
        (b'"a\nb"', "invalid character at byte 2, found byte 0x0a"),
        (b"01", "invalid number at byte 1, found '1'"),
        (b"1.", "invalid number at byte 2, found the end"),
        (b"\x00", "found byte 0x00"),
        (b"\xff", "found a byte that is no text in its charset"),
        (b"// c\n1", "found '/'"),
        (b"hello", "found 'h'"),
        (b"[" * 100_000, f"deeper than {MAX_DEPTH} levels"),
        (b'{"a":' * 201 + b"1" + b"}" * 201, f"deeper than {MAX_DEPTH} levels"),
        (b'["[",' * 201 + b"1" + b"]" * 201, f"deeper than {MAX_DEPTH} levels"),
        (b"[" + b"1" * 1001 + b"]", "the number at byte 1 of the body has 1001 digits; at most 1000 are read"),
        (b'["1111", ' + b"-" + b"1" * 5000 + b"]", "at byte 10 of the body has 5000 digits"),
        (b"[" + b"1" * 600 + b"." + b"1" * 600 + b"]", "the number at byte 1 of the body has 1200 digits"),
        (b'{"a": 1e1000000}', "the number at byte 6 of the body has an exponent beyond ±1000"),
        (b'{"e": "1e9999", "a": [1.5, 1E+1001]}', "the number at byte 27 of the body has an exponent beyond ±1000"),
        (b"1e-1001", "an exponent beyond ±1000"),
        (b"1e" + b"9" * 5000, "an exponent beyond ±1000"),
        (b'["\xff", 1e1001]', "an exponent beyond ±1000"),
        (b"[" + b"[]," * 500_000 + b"1]", "over 500,000 lists and objects"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_where(body: bytes, reason: str) -> None:
    with pytest.raises(Unparseable) as refused:
        read_json(body)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    "body",
    [
        b'"' + b'\\"' * 200_000,
        (b"0" * 1000 + b"x") * 500,
        b"[" * 200_000 + b"]" * 200_000,
        b'"' + b"\\ud800" * 50_000 + b'"',
        b"[" + b'"[",' * 50_000 + b"1]",
        b"\\" * 200_000,
    ],
)
def test_hostile_bodies_come_to_an_end(body: bytes) -> None:
    # Each of these is quadratic for a careless expression: it would not end within the patience of a test run.
    try:
        read_json(body)
    except Unparseable as refused:
        assert "the body" in str(refused)  # noqa: PT017  either end is right, and both are the end


def test_a_stack_that_is_nearly_full_is_no_crash() -> None:
    def deeper(left: int) -> object:
        return deeper(left - 1) if left else read_json(b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)

    used = len(inspect.stack())
    with pytest.raises(Unparseable, match="nests too deep"):
        deeper(sys.getrecursionlimit() - used - 100)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.decimals(allow_nan=False, allow_infinity=False).filter(lambda number: abs(number.adjusted()) < 900),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=20,
)


def written(value: Any) -> str:
    """A JSON text, by other code than ours."""
    match value:
        case Decimal():
            return str(value)
        case list():
            return "[" + ", ".join(map(written, value)) + "]"
        case dict():
            return "{" + ", ".join(f"{json.dumps(key)}: {written(inner)}" for key, inner in value.items()) + "}"
        case _:
            return json.dumps(value)


def plain(value: Any) -> bool:
    match value:
        case None | bool() | int() | Decimal():
            return True
        case str():
            return value.encode() is not None
        case list():
            return all(map(plain, value))
        case dict():
            return all(isinstance(key, str) and plain(key) and plain(inner) for key, inner in value.items())
        case _:
            return False


@given(values)
def test_every_value_survives_exactly(value: object) -> None:
    found = read_json(written(value).encode())
    assert found == value
    assert plain(found)


@given(
    st.binary(max_size=60)
    | st.text(alphabet='{}[]":,\\u dD8aAeE+-.0123456789\nNI', max_size=60).map(str.encode)
    | values.map(lambda value: written(value).encode()[:-1]),
    st.none() | st.sampled_from(["utf-8", "latin-1", "utf-16", "shift_jis", "hex", "idna", ""]) | st.text(max_size=5),
)
@example(b'"\\uD800\\uD800\\uDC00\\', None)
def test_nothing_but_unparseable_is_raised_and_nothing_but_plain_values_come(body: bytes, charset: str | None) -> None:
    try:
        value = read_json(body, charset)
    except Unparseable as refused:
        assert str(refused).startswith(("the body", "the number"))  # noqa: PT017  either end is right
    else:
        assert plain(value)
