"""What a log line looks like: for machines, and for a person at a terminal."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, Any

import msgspec


class JSONLines(logging.Formatter):
    """One JSON object a line: at, level, logger, message, and the record's own fields."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update(getattr(record, "fields", {}))
        if record.exc_info:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
        # A message may quote what a sender sent, lone surrogates too: those are replaced, never raised over.
        return msgspec.json.encode(_writable(line)).decode()


class Text(logging.Formatter):
    """For a person at a terminal: local time, level, message, fields."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).astimezone().strftime("%H:%M:%S")
        fields = "".join(f" {key}={value}" for key, value in getattr(record, "fields", {}).items() if value)
        # What a sender made us quote must not begin a line of its own.
        message = record.getMessage().replace("\r", "\\r").replace("\n", "\\n")
        line = f"{at} {record.levelname.lower():<7} {message}{fields}"
        if record.exc_info:
            line += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        return line.encode("utf-8", "replace").decode()


def _writable(line: Mapping[str, Any]) -> dict[str, str | int | float]:
    """Without what is empty; numbers stay numbers."""
    return {
        key: value if type(value) in (int, float) else str(value).encode("utf-8", "replace").decode()
        for key, value in line.items()
        if value is not None and value != ""
    }


def configure_logging(*, format: str, level: str, stream: IO[str] | None = None) -> None:
    """Send every log line of this process to ``stream`` (stderr). ``format`` is ``auto``, ``text`` or ``json``."""
    stream = sys.stderr if stream is None else stream
    as_text = format == "text" or (format == "auto" and stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Text() if as_text else JSONLines())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Their info lines are about themselves, or one per request.
    for name in ("httpx", "uvicorn", "watchfiles"):
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))
    # It warns of each connection that is lost or can't be made; what came of that the gateway says itself.
    logging.getLogger("psycopg").setLevel(max(logging.ERROR, root.level))
