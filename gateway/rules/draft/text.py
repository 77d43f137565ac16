"""A draft as YAML: written line by line, so that each guess has its comment."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from gateway.intilery.contract import timestamp
from gateway.rules.draft.finder import Guess
from gateway.rules.draft.guesses import Guesses
from gateway.rules.draft.senders import Proof
from gateway.rules.lint import PLACEHOLDER
from gateway.rules.schema import MODELINE

_PLAIN = re.compile(r"[A-Za-z$][^\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]*\Z")
_RESERVED = frozenset(("true", "false", "null", "yes", "no", "on", "off"))


def scalar(text: str) -> str:
    """Text as a YAML scalar in block style: plain where that is safe, else in quotes."""
    safe = _PLAIN.match(text) and text.isprintable() and text == text.strip() and text.lower() not in _RESERVED
    return text if safe and ": " not in text and " #" not in text and not text.endswith(":") else quoted(text)


def quoted(text: str) -> str:
    """Text in double quotes, what can't be printed escaped as YAML does."""
    written = json.dumps(text, ensure_ascii=False)
    return "".join(
        char if char.isprintable() else f"\\U{ord(char):08x}" if ord(char) > 0xFFFF else f"\\u{ord(char):04x}"
        for char in written
    )


def flow(value: Any) -> str:
    """A JSON value in one line of YAML."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(key)}: {flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(flow(one) for one in value) + "]"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else str(value)


def guessed(indent: int, key: str, guess: Guess, *, value: str | None = None) -> str:
    """A line with what was guessed, and above it why."""
    space = " " * indent
    written = scalar(guess.value if value is None else value)
    return f"{space}# guess: {guess.what}, {guess.why}\n{space}{key}: {written}"


def head(*, source: str, sample: str, proof: Proof, ready: bool, now: datetime) -> list[str]:
    """The first lines: where the draft comes from, and how the source verifies."""
    lines = [
        MODELINE,
        f"# Drafted from one payload ({sample}) on {timestamp(now)[:10]}. Every line under '# guess:' was guessed:",
        "# look at each. The sample is the payload as it came: put other names into it before you share it.",
        "",
        f"source: {source}",
        f"title: {scalar(source.replace('-', ' ').replace('_', ' ').capitalize())}",
        "",
    ]
    if ready and proof.sender is not None:
        lines += [f"# {proof.sender} has ready rules: gateway add {proof.sender}"]
    if proof.sender is not None:
        lines += [f"# guess: {proof.why}; whatever has another signature is refused"]
    else:
        lines += [
            f"# guess: {proof.why}.",
            "# NOT SURE: look up in the sender's documentation how its webhooks are signed, and say so here.",
            "# What does not fit is refused, not accepted.",
        ]
    if proof.by_address:
        lines += [f"# Until then the address to paste at the sender is .../hooks/{source}?token=THE-SECRET"]
    lines += [f"verify: {proof.lines[0]}".rstrip(), *proof.lines[1:]]
    if proof.needs_url:
        lines += ["# the address exactly as it is registered at the sender: it is signed too"]
        lines += [f"public_url: https://YOUR-GATEWAY/hooks/{source}"]
    return [*lines, ""]


def kept(beginning: str, *, sample: str, now: datetime) -> list[str]:
    """What stood in the file, as it stood, and where the rest comes from."""
    return [
        *beginning.rstrip().splitlines(),
        "",
        f"# Drafted from one payload ({sample}) on {timestamp(now)[:10]}: all below. Every line under '# guess:' was",
        "# guessed: look at each. The sample is the payload as it came: put other names into it before you share it.",
        "",
    ]


def rule(guesses: Guesses, *, name: str, when: tuple[str, str] | None, for_each: str | None) -> list[str]:
    """The drafted rule: it identifies the customer and records what it would send. Needs a customer."""
    lines = ["rules:", f"  - name: {scalar(name)}"]
    lines += ["    # records what it would send and sends nothing: take this line out when the guesses are right"]
    lines += ["    mode: dry_run"]
    if when is not None:
        lines += ["    when:", "      # guess: the kind of webhook that this payload is"]
        lines += [f"      {scalar(when[0])}: {scalar(when[1])}"]
    if for_each is not None:
        lines += ["    # the body is a list: one command for each of its elements", f"    for_each: {quoted(for_each)}"]
    lines += ["    let:", *_lets(guesses)]
    traits = [("email", "$let.email")] if guesses.email is not None else []
    lines += ["    identify:", "      userId: $let.customer", "      traits:"]
    lines += [f"        {key}: {value}" for key, value in traits]
    for key, guess in (
        ("phone", guesses.phone), ("firstName", guesses.first), ("lastName", guesses.last), ("name", guesses.full),
    ):  # fmt: skip
        if guess is not None:
            lines.append(guessed(8, key, guess))
    if lines[-1] == "      traits:":
        lines.pop()
    lines += ["    send_email:", "      userId: $let.customer", "      # the code of the asset, as Intilery shows it"]
    lines += [f"      assetId: {PLACEHOLDER}"]
    if guesses.time is not None:
        lines.append(guessed(6, "timestamp", guesses.time))
    if guesses.data or guesses.lines is not None:
        lines += ["      # what the asset can use", "      data:"]
        lines += [guessed(8, key, guess) for key, guess in guesses.data.items()]
    if guesses.lines is not None:
        lines += [
            "        # guess: lines of the order, by their keys",
            "        items:",
            f"          $each: {scalar(guesses.lines.value)}",
            "          $as:",
            *(f"            {key}: {scalar(path)}" for key, path in guesses.line.items()),
        ]
    return lines


def _lets(guesses: Guesses) -> Iterable[str]:
    email, customer = guesses.email, guesses.customer
    if email is not None:
        yield guessed(6, "email", email)
    if customer is not None:
        more = " | default($let.email)" if email is not None else ""
        yield guessed(6, "customer", customer, value=customer.value + more)
    elif email is not None:
        yield "      # guess: no number of a customer was found, so it is the e-mail address; the userId must be the"
        yield "      # one that your own database and Intilery know"
        yield "      customer: $let.email"
    elif guesses.phone is not None:
        yield "      # guess: no number of a customer was found, so it is the phone number"
        yield f"      customer: {scalar(guesses.phone.value)}"


def example(
    *,
    sample: str,
    path: str,
    headers: dict[str, str],
    now: datetime,
    commands: list[tuple[str, dict[str, Any]]],
    state: str,
) -> list[str]:
    """The examples section: the payload, and what it becomes today."""
    lines = [
        "",
        "examples:",
        "  - name: the payload that this was drafted from",
        f"    now: {timestamp(now)}",
        "    request:",
    ]
    if path:
        lines += [f"      path: {quoted(path)}"]
    if headers:
        lines += [f"      headers: {flow(headers)}"]
    lines += [f"      body: {{file: {quoted(sample)}}}"]
    if not commands:
        return [*lines, "    expect: []", f"    expect_state: {state}"]
    lines += ["    expect:"]
    for command, fields in commands:
        lines += [f"      - {command}: {flow(fields)}"]
    return lines
