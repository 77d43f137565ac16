"""NDJSON (also called JSON Lines) to a list: one JSON value a line, blank lines are skipped."""

from __future__ import annotations

from typing import Final

from gateway.errors import Unparseable
from gateway.inbound.charsets import text_of
from gateway.inbound.exact_json import read_json
from gateway.model import JSON

MAX_LINES: Final = 10_000


def read_ndjson(body: bytes, charset: str | None = None) -> JSON:
    """The values in order; :class:`~gateway.errors.Unparseable` names the line that is no JSON, or too many."""
    if body.count(b"\n") > 2 * MAX_LINES:
        raise Unparseable(f"the body has over {2 * MAX_LINES:,} lines; at most {MAX_LINES:,} are read")
    text = text_of(body, charset).encode()
    # Only \n and \r\n end a line: what else Unicode calls a line break may stand within a JSON string.
    lines = [(number, line) for number, line in enumerate(text.split(b"\n"), start=1) if line and not line.isspace()]
    if len(lines) > MAX_LINES:
        raise Unparseable(f"the body has {len(lines):,} lines; at most {MAX_LINES:,} are read")
    values: list[JSON] = []
    for number, line in lines:
        try:
            values.append(read_json(line))
        except Unparseable as error:
            raise Unparseable(f"line {number}: {error}".replace("the body", "the line")) from None
    return values


def looks_like_ndjson(body: bytes) -> bool:
    """Whether a body that is no JSON may be this: its first two lines each begin and end as a JSON object does."""
    lines = [line for line in body.strip().split(b"\n", 3)[:3] if not line.isspace()][:2]
    return len(lines) == 2 and all(line.strip()[:1] == b"{" and line.strip()[-1:] == b"}" for line in lines)
