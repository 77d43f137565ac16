"""Other ways in which the same body may have been written when it was signed, before a proxy re-encoded it.

For the signature debugger: bytes that nobody has believed yet are rearranged and never parsed into anything that is
used. Everything here takes time in proportion to the body, whatever stands in it.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from json.encoder import encode_basestring_ascii
from typing import Final

from gateway.inbound.request import Request

_TOKENS: Final = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[^"\s]+', re.DOTALL)
"""Strings (an end that is missing is allowed, or each quote would be looked for to the end), and what is between."""
_ASIDE: Final = (('"', "\x01"), ("\\", "\x02"), ("\n", "\x03"), ("\r", "\x04"), ("\t", "\x05"))
_ESCAPED: Final = re.compile(r"(?<!\\)((?:\\\\)*)\\u([0-9a-fA-F]{4})")
_FORM: Final = "application/x-www-form-urlencoded"
MAX_JSON: Final = 65_536
"""Bytes of a JSON body that is written in other ways; there are dozens of them."""
_INFLATED: Final = 4_000_000
"""Bytes that a compressed body is decompressed to at most."""


def reencodings(request: Request) -> Iterator[tuple[str, bytes]]:
    """Each other body, with the words that fit "the signature matches the body …". The likelier ones come first."""
    seen = {hash(request.body)}
    for words, body in _all(request):
        if hash(body) not in seen:
            seen.add(hash(body))
            yield words, body


def _all(request: Request) -> Iterator[tuple[str, bytes]]:
    body = request.body
    yield from _newlines(body)
    yield from _compression(request)
    if body.lstrip()[:1] in (b"{", b"[") and len(body) <= MAX_JSON:
        yield from _json(body)
    if (request.header("content-type") or "").partition(";")[0].strip().lower() == _FORM:
        yield from _form(body)
    yield from _charsets(body)


def _newlines(body: bytes) -> Iterator[tuple[str, bytes]]:
    yield "without the newline at its end", body.rstrip(b"\r\n")
    yield "with a newline at its end", body + b"\n"
    yield "with a newline (CRLF) at its end", body + b"\r\n"
    yield "with lines that end in LF, not CRLF", body.replace(b"\r\n", b"\n")
    yield "with lines that end in CRLF, not LF", body.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    yield "without the spaces around it", body.strip()


def _compression(request: Request) -> Iterator[tuple[str, bytes]]:
    coding = (request.header("content-encoding") or "").strip().lower()
    if coding in ("gzip", "x-gzip", "deflate"):
        try:
            plain = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(request.body, _INFLATED)
        except zlib.error:
            return
        yield f"as it was before the {coding} compression", plain


def _json(body: bytes) -> Iterator[tuple[str, bytes]]:
    tokens: list[bytes] = _TOKENS.findall(body)
    layouts = (
        ("", body),
        ("without spaces between its parts (minified)", b"".join(tokens)),
        ("with a space behind each comma and colon", b"".join(map(_spaced, tokens))),
        ("indented by 2", _indented(tokens, 2)),
        ("indented by 4", _indented(tokens, 4)),
    )
    for layout, laid_out in layouts:
        for letters, lettered in (("", laid_out), *_letters(laid_out)):
            for slashes, slashed in (("", lettered), *_slashes(lettered)):
                words = [text for text in (layout, letters, slashes) if text]
                if words and slashed:
                    yield " and ".join(words), slashed


def _spaced(token: bytes) -> bytes:
    return token if token[:1] == b'"' else token.replace(b",", b", ").replace(b":", b": ")


def _indented(tokens: list[bytes], width: int) -> bytes:
    """As ``JSON.stringify`` and Python's ``json`` indent; empty where that would be many times as long."""
    made: list[bytes] = []
    depth, room = 0, 8 * sum(map(len, tokens)) + 1000
    for token in tokens:
        for part in (token,) if token[:1] == b'"' else map(_byte, token):
            if part in (b"}", b"]"):
                depth -= 1
                # An empty object or list stays together.
                line = b"" if made and made[-1] in (b"{", b"[") else b"\n" + b" " * (depth * width)
            else:
                line = b"\n" + b" " * (depth * width) if made and made[-1] in (b"{", b"[", b",") else b""
                depth += part in (b"{", b"[")
            made += (line, part) if line else (part,)
            if part == b":":
                made.append(b" ")
            room -= len(line) + len(part)
            if room < 0:
                return b""
    return b"".join(made)


def _byte(number: int) -> bytes:
    return bytes((number,))


def _letters(body: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return
    yield "with its special characters as \\u escapes", _escaped(text).encode()
    unescaped = _ESCAPED.sub(_unescape, text).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    yield "with its special characters as they are, not as \\u escapes", unescaped.encode()


def _escaped(text: str) -> str:
    """The text with all that is not ASCII as ``\\u`` escapes. Python's own encoder is many times as fast as a regular
    expression, but would escape JSON's own characters too: those stand aside meanwhile."""
    for character, aside in _ASIDE:
        text = text.replace(character, aside)
    text = encode_basestring_ascii(text)[1:-1]
    for character, aside in _ASIDE:
        text = text.replace(f"\\u{ord(aside):04x}", character)
    return text


def _unescape(found: re.Match[str]) -> str:
    code = int(found[2], 16)
    return found[0] if code < 0x80 else found[1] + chr(code)


def _slashes(body: bytes) -> Iterator[tuple[str, bytes]]:
    plain = body.replace(b"\\/", b"/")
    yield "with its slashes escaped (\\/)", plain.replace(b"/", b"\\/")
    yield "with its slashes as they are, not escaped", plain


def _form(body: bytes) -> Iterator[tuple[str, bytes]]:
    yield "with its fields in the order of their names", b"&".join(sorted(body.split(b"&")))
    yield "with its spaces as %20", body.replace(b"+", b"%20")
    yield "with its spaces as +", body.replace(b"%20", b"+")
    yield "with its percent codes in small letters", _percent(body, bytes.lower)
    yield "with its percent codes in capital letters", _percent(body, bytes.upper)


def _percent(body: bytes, change: Callable[[bytes], bytes]) -> bytes:
    return re.sub(rb"%[0-9a-fA-F]{2}", lambda found: change(found[0]), body)


def _charsets(body: bytes) -> Iterator[tuple[str, bytes]]:
    yield "without the byte order mark", body.removeprefix(b"\xef\xbb\xbf")
    if not body.isascii():
        yield "in UTF-8, not in ISO 8859-1", body.decode("latin-1").encode()
        yield "in ISO 8859-1, not in UTF-8", body.decode(errors="replace").encode("latin-1", "replace")
