"""Filters that write text in another way: digests, URLs, base64, plain text out of HTML."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from typing import Any
from urllib.parse import quote_plus

from gateway.rules.filters.filter import MAX_TEXT, Example, Param, bounded_text, register, text_of
from gateway.rules.values import Unreadable, describe

_TEXT = "text, a number, a boolean"
_ALGORITHMS = ("sha256", "sha512", "sha1", "md5")


def _utf8(value: Any) -> bytes:
    return text_of(value).encode("utf-8", "replace")


@register(
    "hash",
    summary="A digest of the text's UTF-8 bytes, as audiences of advertisers take it; not for passwords.",
    takes=_TEXT,
    gives="text",
    params=(
        Param(
            name="algorithm",
            kind="choice",
            choices=_ALGORITHMS,
            required=False,
            default="sha256",
            summary="sha256 unless said, or sha512, sha1, md5",
        ),
        Param(
            name="encoding",
            kind="choice",
            choices=("hex", "base64"),
            required=False,
            default="hex",
            summary="hex unless said, or base64",
        ),
    ),
    examples=(
        Example(
            expression="$.email | trim | lower | hash",
            body={"email": " Ann@Example.com"},
            result=hashlib.sha256(b"ann@example.com").hexdigest(),
        ),
        Example(expression="$.email | hash('md5')", body={"email": ""}, result="d41d8cd98f00b204e9800998ecf8427e"),
        Example(expression="$.email | hash", body={"email": None}, warns=True),
    ),
)
def hash_(value: Any, algorithm: str, encoding: str) -> str:
    digest = hashlib.new(algorithm, _utf8(value), usedforsecurity=False).digest()
    return digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()


@register(
    "url_encode",
    summary="The text as a part of a URL's query: what has a meaning there is escaped, a space becomes +.",
    takes=_TEXT,
    gives="text",
    examples=(
        Example(expression="$.email | url_encode", body={"email": "ann+x@example.com"}, result="ann%2Bx%40example.com"),
        Example(expression="$.name | url_encode", body={"name": "Zoë & co"}, result="Zo%C3%AB+%26+co"),
        Example(expression="$.name | url_encode", body={"name": 12}, result="12"),
    ),
)
def url_encode(value: Any) -> str:
    return bounded_text(quote_plus(_utf8(value)))


@register(
    "base64",
    summary="The text's UTF-8 bytes in base64, with + and / and padding.",
    takes=_TEXT,
    gives="text",
    examples=(
        Example(expression="$.id | base64", body={"id": "gid://shop/1"}, result="Z2lkOi8vc2hvcC8x"),
        Example(expression="$.id | base64", body={"id": ""}, result=""),
    ),
)
def base64_(value: Any) -> str:
    return bounded_text(base64.b64encode(_utf8(value)).decode())


@register(
    "base64_decode",
    summary="The text that stands in base64 or base64url, with padding or without: | base64_decode | parse_json reads "
    "JSON that a sender wrapped so.",
    takes="text",
    gives="text",
    examples=(
        Example(
            expression="$.message.data | base64_decode | parse_json | get('orderId')",
            body={"message": {"data": "eyJvcmRlcklkIjogN30="}},
            result=7,
        ),
        Example(expression="$.id | base64_decode", body={"id": "Z2lkOi8vc2hvcC8x"}, result="gid://shop/1"),
        Example(expression="$.id | base64_decode", body={"id": "not base64!"}, warns=True),
        Example(expression="$.id | base64_decode", body={"id": "/w=="}, warns=True),
    ),
)
def base64_decode(value: Any) -> str:
    if not isinstance(value, str):
        raise Unreadable(f"found {describe(value)}; takes text in base64")
    # Lines of 76 characters, as e-mail has them, and the two signs of base64url.
    letters = "".join(value.split()).replace("-", "+").replace("_", "/").rstrip("=")
    try:
        decoded = base64.b64decode(letters + "=" * (-len(letters) % 4), validate=True)
        return bounded_text(decoded.decode())
    except UnicodeDecodeError:
        raise Unreadable("what stands in base64 is no text in UTF-8") from None
    except ValueError:
        raise Unreadable(f"found {describe(value)}, which is not base64") from None


# What has no text for people in it, up to its own end.
_HIDDEN = {name: re.compile(f"</{name}", re.IGNORECASE) for name in ("script", "style")}
_TAG = re.compile(r"/?([A-Za-z][A-Za-z0-9:-]{0,40})")
_STOP = re.compile(r">|=\s*([\"'])")


@register(
    "strip_html",
    summary="The text of HTML: no tags, comments, scripts or styles, entities decoded. The result is plain text, not "
    "safe HTML: '&lt;b&gt;' becomes '<b>'.",
    takes=_TEXT,
    gives="text",
    examples=(
        Example(expression="$.note | strip_html", body={"note": "<p>Tea &amp; <b>cake</b></p>"}, result="Tea & cake"),
        Example(expression="$.note | strip_html", body={"note": "Hi<script>x < 1</script>!"}, result="Hi!"),
        Example(expression="$.note | strip_html", body={"note": "1 < 2"}, result="1 < 2"),
        Example(expression="$.note | strip_html", body={"note": ""}, result=""),
    ),
)
def strip_html(value: Any) -> str:
    # Not nh3: it builds the tree, and 200,000 nested <div> (1 MB) took it 85 s; this reads once, from left to right.
    text = text_of(value)
    if len(text) > MAX_TEXT:
        raise Unreadable(f"found a text of {len(text):,} characters; takes at most {MAX_TEXT:,}")
    parts: list[str] = []
    position = 0
    while (start := text.find("<", position)) >= 0:
        parts.append(text[position:start])
        position = _after_tag(text, start)
        if position == start:
            parts.append("<")
            position += 1
    parts.append(text[position:])
    try:
        return html.unescape("".join(parts))
    except ValueError:
        raise Unreadable(f"found {describe(value)}, which holds a character reference of thousands of digits") from None


def _after_tag(text: str, start: int) -> int:
    """Where the tag or comment at ``start`` ends, or ``start`` if there is none. What never ends goes to the end."""
    if text.startswith("<!--", start):
        end = text.find("-->", start + 4)
        return len(text) if end < 0 else end + 3
    tag = _TAG.match(text, start + 1)
    if not tag and text[start + 1 : start + 2] not in ("!", "?", "/"):
        return start
    end = _tag_end(text, start + 1)
    closing = _HIDDEN.get(tag[1].lower()) if tag and text[start + 1] != "/" else None
    if closing:
        last = closing.search(text, end)
        return _tag_end(text, last.end()) if last else len(text)
    return end


def _tag_end(text: str, position: int) -> int:
    """Behind the next ``>`` that stands outside of an attribute's quotes; the end where there is none."""
    while stop := _STOP.search(text, position):
        if stop[1] is None:
            return stop.end()
        close = text.find(stop[1], stop.end())
        position = stop.end() if close < 0 else close + 1
    return len(text)
