"""The filters of the rules language: what stands behind ``|`` in an expression.

Each is one pure function with its parameters and examples, registered in the module of its subject. To add one, write
it there with ``@register``; its examples are its first tests and its part of the reference.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from types import MappingProxyType

from gateway.rules.filters import (
    contact,
    encodings,
    lists,
    money,
    numbers,
    order,
    presence,
    selection,
    tables,
    text,
    times,
)
from gateway.rules.filters.filter import REGISTER, Example, Filter, Param
from gateway.rules.values import RequiredMissing, Unreadable

__all__ = [
    "FILTERS", "SUBJECTS", "Example", "Filter", "Param", "RequiredMissing", "Unreadable", "suggest",
]  # fmt: skip

FILTERS: Mapping[str, Filter] = MappingProxyType(REGISTER)
"""By name."""

SUBJECTS: Mapping[str, tuple[str, ...]] = {
    title: tuple(name for name, one in REGISTER.items() if one.function.__module__ == module.__name__)
    for title, module in {
        "Presence": presence,
        "Text": text,
        "Numbers": numbers,
        "Money": money,
        "Lists and objects": lists,
        "Order": order,
        "Selection": selection,
        "Times": times,
        "Contacts": contact,
        "Tables": tables,
        "Encodings": encodings,
    }.items()
}
"""The names by subject, in the order of the reference."""

# What Liquid, Jinja and JavaScript call these.
_ELSEWHERE = {
    "upcase": "upper", "uppercase": "upper", "toupper": "upper", "downcase": "lower", "lowercase": "lower",
    "tolower": "lower", "strip": "trim", "lstrip": "trim", "rstrip": "trim", "title": "capitalize", "uniq": "unique",
    "distinct": "unique", "length": "size", "count": "size", "len": "size", "to_json": "json", "tojson": "json",
    "from_json": "parse_json", "fromjson": "parse_json", "int": "integer", "to_integer": "integer", "float": "number",
    "decimal": "number", "str": "string", "to_string": "string", "bool": "boolean", "strftime": "date",
    "date_format": "date", "format_date": "date", "match": "extract", "regex": "extract", "filter": "where",
    "select": "where", "collect": "map", "multiply": "times", "divide": "divided_by", "add": "plus",
    "subtract": "minus", "sha256": "hash", "md5": "hash", "sha1": "hash", "urlencode": "url_encode",
    "base64_encode": "base64", "b64encode": "base64", "striptags": "strip_html", "currency": "money",
    "e164": "phone", "mail": "email", "substr": "slice", "substring": "slice", "sort_by": "sort", "to_list": "list",
    "array": "list", "fallback": "default", "or": "default", "coalesce": "default", "cents": "major",
}  # fmt: skip

_MINOR_UNIT = re.compile(r"cent(?:s|_|$)|pence|penn|minor")


def suggest(name: str) -> str | None:
    """The filter that somebody who wrote ``name`` may have meant: known elsewhere by that name, or spelt nearly so."""
    lower = name.lower()
    if lower in REGISTER:
        return lower
    if lower in _ELSEWHERE:
        return _ELSEWHERE[lower]
    if _MINOR_UNIT.search(lower):
        return "major"
    near = difflib.get_close_matches(lower, [*REGISTER, *_ELSEWHERE], n=1, cutoff=0.7)
    return _ELSEWHERE.get(near[0], near[0]) if near else None
