"""Filters of text. They count characters (code points), and read numbers and booleans as text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from gateway.rules.filters.filter import (
    MAX_ELEMENTS,
    MAX_TEXT,
    Example,
    Param,
    bounded_text,
    elements,
    register,
    text_of,
)
from gateway.rules.values import MISSING, Unreadable, as_text, describe

_TEXT = "text, a number, a boolean"


@register(
    "upper",
    summary="Capital letters.",
    takes=_TEXT,
    gives="text",
    examples=(
        Example(expression="$.code | upper", body={"code": "summer24"}, result="SUMMER24"),
        Example(expression="$.code | upper", body={"code": "straße"}, result="STRASSE"),
        Example(expression="$.code | upper", body={"code": None}, warns=True),
    ),
)
def upper(value: Any) -> str:
    return bounded_text(text_of(value).upper())


@register(
    "lower",
    summary="Small letters.",
    takes=_TEXT,
    gives="text",
    examples=(
        Example(expression="$.email | lower", body={"email": "Ann@Example.COM"}, result="ann@example.com"),
        Example(expression="$.email | lower", body={"email": ""}, result=""),
    ),
)
def lower(value: Any) -> str:
    return bounded_text(text_of(value).lower())


@register(
    "capitalize",
    summary="The first character as a capital, all others small, as Liquid does.",
    takes=_TEXT,
    gives="text",
    examples=(
        Example(expression="$.name | capitalize", body={"name": "aNN mARIE"}, result="Ann marie"),
        Example(expression="$.name | capitalize", body={"name": ""}, result=""),
    ),
)
def capitalize(value: Any) -> str:
    return bounded_text(text_of(value).capitalize())


@register(
    "trim",
    summary="No white space at the start and the end.",
    takes=_TEXT,
    gives="text",
    examples=(
        Example(expression="$.name | trim", body={"name": "  Ann \n"}, result="Ann"),
        Example(expression="$.name | trim", body={"name": "   "}, result=""),
    ),
)
def trim(value: Any) -> str:
    return text_of(value).strip()


@register(
    "truncate",
    summary="At most so many characters, the ellipsis included, as Liquid counts.",
    takes=_TEXT,
    gives="text",
    params=(
        Param(
            name="length",
            kind="integer",
            required=False,
            default=50,
            least=0,
            most=MAX_TEXT,
            summary="the most characters, 50 unless said",
        ),
        Param(name="ellipsis", kind="text", required=False, default="...", summary="stands for what is cut off"),
    ),
    examples=(
        Example(expression="$.title | truncate(12)", body={"title": "A walk in the park"}, result="A walk in..."),
        Example(expression="$.title | truncate(6, '')", body={"title": "A walk in the park"}, result="A walk"),
        Example(expression="$.title | truncate(12)", body={"title": "Short"}, result="Short"),
        Example(expression="$.title | truncate(2)", body={"title": "A walk"}, result="..."),
    ),
)
def truncate(value: Any, length: int, ellipsis: str) -> str:
    text = text_of(value)
    if len(text) <= length:
        return text
    return bounded_text(text[: max(length - len(ellipsis), 0)] + ellipsis)


@register(
    "replace",
    summary="Every occurrence of a text by another; the text is plain, no pattern.",
    takes=_TEXT,
    gives="text",
    params=(
        Param(name="text", kind="text", summary="what to look for"),
        Param(name="by", kind="text", required=False, default="", summary="what to put there, nothing unless said"),
    ),
    examples=(
        Example(expression="$.number | replace('#', '')", body={"number": "#1001"}, result="1001"),
        Example(expression="$.price | replace('.', ',')", body={"price": Decimal("9.50")}, result="9,50"),
        Example(expression="$.number | replace('#')", body={"number": "1001"}, result="1001"),
    ),
)
def replace(value: Any, text: str, by: str) -> str:
    whole = text_of(value)
    if not text:
        raise Unreadable("the text to look for is empty")
    if len(by) > len(text) and len(whole) + whole.count(text) * (len(by) - len(text)) > MAX_TEXT:
        raise Unreadable(f"the result has over {MAX_TEXT:,} characters")
    return whole.replace(text, by)


@register(
    "extract",
    summary="What a regular expression finds first: its first group, or all of it where it has none; missing if it "
    "finds nothing. The syntax is that of RE2, which has no lookaround and runs in linear time.",
    takes=_TEXT,
    gives="text",
    params=(
        Param(name="pattern", kind="regex", summary="a regular expression"),
        Param(
            name="group",
            kind="value",
            required=False,
            default=None,
            summary="another group: its number (0 is all of it) or its name",
        ),
    ),
    examples=(
        Example(expression="$.ref | extract('ORD-([0-9]+)')", body={"ref": "Order ORD-1001"}, result="1001"),
        Example(expression="$.ref | extract('[0-9]+')", body={"ref": 1001}, result="1001"),
        Example(expression="$.ref | extract('ORD-([0-9]+)', 0)", body={"ref": "Order ORD-1001"}, result="ORD-1001"),
        Example(expression="$.ref | extract('ORD-([0-9]+)')", body={"ref": "none"}),
    ),
)
def extract(value: Any, pattern: Any, group: Any) -> Any:
    text = text_of(value)
    try:
        found = pattern.search(text)
    except UnicodeEncodeError:
        raise Unreadable(f"found {describe(value)}, which holds half a character (a lone surrogate)") from None
    if group is None:
        group = 1 if pattern.groups else 0
    if isinstance(group, bool) or not (
        group in pattern.groupindex
        if isinstance(group, str)
        else isinstance(group, int) and 0 <= group <= pattern.groups
    ):
        names = ", ".join(pattern.groupindex)
        raise Unreadable(
            f"the pattern has no group {as_text(group)}; allowed: 0 to {pattern.groups}{', ' + names if names else ''}"
        )
    part = found.group(group) if found else None
    return MISSING if part is None else part


@register(
    "split",
    summary="A list of the parts between separators; ' ' splits at any white space, '' into characters, and empty "
    "parts at the end are left out, as Liquid does.",
    takes=_TEXT,
    gives="a list of text",
    params=(Param(name="separator", kind="text", summary="stands between the parts"),),
    examples=(
        Example(expression="$.tags | split(', ')", body={"tags": "vip, uk, new"}, result=["vip", "uk", "new"]),
        Example(expression="$.tags | split(',')", body={"tags": "a,,b,,"}, result=["a", "", "b"]),
        Example(expression="$.name | split(' ') | last", body={"name": "Ann  Marie Lee"}, result="Lee"),
        Example(expression="$.tags | split(',')", body={"tags": ""}, result=[]),
    ),
)
def split(value: Any, separator: str) -> list[str]:
    text = text_of(value)
    if (text.count(separator) if separator else len(text)) >= MAX_ELEMENTS:
        raise Unreadable(f"the text has over {MAX_ELEMENTS:,} parts")
    if separator == " ":
        return text.split()
    parts = text.split(separator) if separator else list(text)
    while parts and not parts[-1]:
        parts.pop()
    return parts


@register(
    "join",
    summary="The elements of a list as one text; null counts as empty text (compact leaves it out).",
    takes="a list of text, numbers, booleans, null",
    gives="text",
    params=(
        Param(
            name="separator", kind="text", required=False, default=" ", summary="stands between, a space unless said"
        ),
    ),
    examples=(
        Example(expression="$.tags | join(', ')", body={"tags": ["vip", "uk"]}, result="vip, uk"),
        Example(expression="$.tags | join('/')", body={"tags": [1, None, "x"]}, result="1//x"),
        Example(expression="$.tags | join(', ')", body={"tags": []}, result=""),
        Example(expression="$.tags | join(', ')", body={"tags": "vip"}, result="vip"),
        Example(expression="$.tags | join(', ')", body={"tags": [["a"]]}, warns=True),
    ),
)
def join(value: Any, separator: str) -> str:
    parts: list[str] = []
    length = 0
    for element in elements(value):
        part = "" if element is None else as_text(element)
        if part is None:
            raise Unreadable(f"element {len(parts)} is {describe(element)}; takes text, numbers, booleans")
        length += len(part) + len(separator)
        if length > MAX_TEXT + len(separator):
            raise Unreadable(f"the result has over {MAX_TEXT:,} characters")
        parts.append(part)
    return separator.join(parts)
