"""A mistake, and the pieces of files that the tables of mistakes are written with."""

from __future__ import annotations

import msgspec

Files = dict[str, str | bytes]
"""A rules folder: texts by file name."""


class Mistake(msgspec.Struct, frozen=True):
    """A file (or a folder of files) and all that ``load`` says about it."""

    name: str
    files: str | Files
    """A text alone is ``shop.yaml``."""
    said: tuple[str, ...]
    """Each problem as ``line:column: message`` (with the file before it in a folder); warnings begin with the word."""


HEAD = "source: shop\nverify: none\n"
SEND = "send_email: {userId: $.id, assetId: A1}"
DESTINATIONS = """\
destinations:
  uk:
    client_id: acme
    auth_token: $env.UK_TOKEN
    assets: {order-confirmation: 202601-UK-ORDER, reminder: 202601-UK-REMINDER}
    journeys: {welcome: 604}
  ie:
    client_id: acme
    auth_token: $env.IE_TOKEN
    assets: {reminder: 202601-IE-REMINDER}
"""


def rule(body: str, tail: str = "") -> str:
    """A file with one rule, whose keys begin in line 5, column 5; its name stands in line 4."""
    lines = body.strip("\n").split("\n")
    return f"{HEAD}rules:\n  - name: Order\n" + "".join(f"    {line}\n" if line else "\n" for line in lines) + tail


def rules(*bodies: str) -> str:
    """A file with several rules; the first begins in line 4, column 5."""
    text = f"{HEAD}rules:\n"
    for body in bodies:
        first, *others = body.strip("\n").split("\n")
        text += f"  - {first}\n" + "".join(f"    {line}\n" for line in others)
    return text


def value(text: str) -> str:
    """A file with one value of a command, in line 8 from column 14."""
    return rule(f"send_email:\n  userId: $.id\n  assetId: A1\n  total: {text}")


def when(text: str) -> str:
    """A file with one rule, whose conditions begin in line 6, column 7."""
    return rule(f"when:\n  {text}\n{SEND}")


def source(text: str) -> str:
    """A file without rules; the text begins in line 3."""
    return f"{HEAD}{text.strip(chr(10))}\n"


GOOD = rule(SEND)


def two(text: str, destinations: str = DESTINATIONS) -> Files:
    """A folder with a destinations file."""
    return {"shop.yaml": text, "destinations.yaml": destinations}
