"""A rules file drafted from one payload, so that a person corrects guesses and does not begin with an empty page.

A draft never accepts what is unsigned, never sends (its rule is ``mode: dry_run``), says of every guess that it is one,
loads without a problem, and its example passes.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from gateway.errors import RulesError
from gateway.inbound.authentication import verify
from gateway.inbound.forms import looks_like_form
from gateway.inbound.payloads import parse
from gateway.inbound.request import Request
from gateway.inbound.schemes import NoVerification
from gateway.inbound.xml_body import looks_like_xml
from gateway.rules.draft import text
from gateway.rules.draft.events import dedup_key_of, kind_of
from gateway.rules.draft.finder import Guess
from gateway.rules.draft.guesses import Guesses, guesses_of
from gateway.rules.draft.senders import Proof, proof_of
from gateway.rules.examples import CONTENT_TYPES
from gateway.rules.load import load_files
from gateway.rules.model import Arrival, Source, Translation
from gateway.rules.nodes import YAMLFile
from gateway.rules.translate import translate

_MINOR_UNITS = frozenset(("stripe", "square", "gocardless", "adyen"))
"""Senders that document whole numbers of the smallest unit."""
_decode = msgspec.json.Decoder(float_hook=Decimal).decode


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A drafted rules file."""

    source: str
    text: str
    """Of the rules file."""
    sample: str
    """Where its example looks for the payload, relative to the rules folder."""
    proof: Proof
    guesses: tuple[Guess, ...]
    """What was guessed, in the order of the file."""
    has_rule: bool
    """False where no customer was found: then the source only records."""
    secrets: tuple[str, ...]


def draft(
    source: str,
    body: bytes,
    *,
    headers: Mapping[str, str],
    now: datetime,
    path: str = "",
    ready: frozenset[str] = frozenset(),
    destination: str | None = None,
    beginning: str = "",
) -> Draft:
    """Draft a rules file for ``source`` from one request.

    ``headers`` are those that came with it, as far as they are known. ``ready`` are the names of the ready sources.
    ``destination`` is said where the rules folder has no default one. ``beginning`` is the text of a
    rules file without rules and examples, which is kept: only what it does not say is drafted; ``path`` is what stood
    behind ``/hooks/{source}/``.

    :raises Unparseable: the body is of no kind that the gateway reads.
    :raises RulesError: no rules file can be made, such as of a source's name that is none.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    sample = f"samples/{source}/drafted{_suffix(body, lower)}"
    parsed = _parsed(source, body, sample, now)
    writer = _Writer(
        source,
        parsed,
        lower,
        sample=sample,
        now=now,
        path=path.strip("/"),
        ready=ready,
        destination=destination,
        beginning=beginning,
    )
    proof = writer.proof
    for with_rule in (True, False):
        written = writer.write(with_rule=with_rule)
        if written is None:
            continue
        content, guesses, loaded = written
        return Draft(
            source=source,
            text=content,
            sample=sample,
            proof=proof,
            guesses=guesses,
            has_rule=with_rule,
            secrets=loaded.secrets,
        )
    raise AssertionError("a source without rules always loads, or load_files said why not")


class _Writer:
    """Writes a draft of one payload, with a rule or without."""

    def __init__(
        self,
        source: str,
        parsed: Any,
        headers: Mapping[str, str],
        *,
        sample: str,
        now: datetime,
        path: str,
        ready: frozenset[str],
        destination: str | None,
        beginning: str,
    ) -> None:
        self.source = source
        self.parsed = parsed
        self.headers = headers
        self.sample = sample
        self.now = now
        self.path = path
        self.beginning = beginning
        root = YAMLFile("kept.yaml", beginning).root if beginning else None
        self.said = frozenset(key.text for key, _ in root.entries) if root is not None else frozenset()
        self.destination = destination if "destination" not in self.said else None
        self.proof = proof_of(source, parsed, headers)
        self.ready = self.proof.sender in ready
        self.listed = isinstance(parsed, list) and bool(parsed) and isinstance(parsed[0], dict)
        self.document = parsed[0] if self.listed else parsed
        self.kind = kind_of(self.document, headers, self.proof.sender)

    def write(self, *, with_rule: bool) -> tuple[str, tuple[Guess, ...], Source] | None:
        """The text, its guesses and its source; None where a rule can't be made of this payload."""
        found = guesses_of(
            self.document, root="$item" if self.listed else "$", minor_units=self.proof.sender in _MINOR_UNITS
        )
        if with_rule and not found.has_customer:
            return None
        if self.beginning:
            lines = text.kept(self.beginning, sample=self.sample, now=self.now)
        else:
            lines = text.head(source=self.source, sample=self.sample, proof=self.proof, ready=self.ready, now=self.now)
        if self.destination is not None:
            lines += ["# guess: the first of your destinations", f"destination: {text.scalar(self.destination)}", ""]
        own, noted = self._own()
        lines += own
        if with_rule:
            lines += self._rule(found)
            noted += found.all
        else:
            lines += [
                "# No customer was found in this payload, so no rule was drafted: a command needs a userId. The source",
                "# records what arrives, and a rule that finds its customer can be run over it.",
                "rules: []",
            ]
        content = "\n".join(lines) + "\n"
        try:
            loaded = load_files({f"{self.source}.yaml": content, **self._beside()}, environ={}).sources[self.source]
        except RulesError:
            if with_rule:
                return None
            raise
        used = {name: value for name, value in self.headers.items() if f"$header.{name}" in content.lower()}
        became = self._translated(loaded, used)
        if with_rule and (became.errors or not became.commands):
            return None
        commands = [(command.command, _shown(command.body)) for command in became.commands]
        lines += text.example(
            sample=self.sample,
            path=self.path,
            headers=used,
            now=self.now,
            commands=commands,
            state=str(became.state),
        )
        return "\n".join(lines) + "\n", tuple(noted), loaded

    def _beside(self) -> dict[str, str]:
        """Stands for the destinations file while the draft is tried."""
        if self.destination is None:
            return {}
        name = text.quoted(self.destination)
        return {"destinations.yaml": f"destinations: {{{name}: {{client_id: a, auth_token: $env.A}}}}\n"}

    def _own(self) -> tuple[list[str], list[Guess]]:
        """The source's own keys: what kind of webhook, and what a repeat is known by."""
        lines: list[str] = []
        noted: list[Guess] = []
        kind = None
        if self.kind is not None:
            path = self.kind.path
            kind = f"$[0]{path[1:]}" if self.listed and not path.startswith("$header.") else path
            noted.append(Guess(what="kind of webhook", value=kind, why=self.kind.why))
            if "event_type" in self.said:
                noted.clear()
            else:
                lines += [text.guessed(0, "event_type", noted[-1])]
        if "dedup_key" in self.said:
            return [*lines, ""], noted
        key = dedup_key_of(self.parsed, self.headers, kind=kind, sender=self.proof.sender)
        if key is None:
            lines += [
                "# No id of the webhook itself was found. Without dedup_key: two that are equal to the last character",
                "# within 24 hours are one.",
            ]
        else:
            parts, why = key
            noted.append(Guess(what="what a repeat is known by", value=", ".join(parts), why=why))
            value = parts[0] if len(parts) == 1 else None
            written = text.scalar(value) if value is not None else f"[{', '.join(text.quoted(part) for part in parts)}]"
            lines += [f"# guess: what a repeat is known by, {why}", f"dedup_key: {written}"]
        return [*lines, ""], noted

    def _rule(self, found: Guesses) -> list[str]:
        kind = self.kind
        when = (kind.path, kind.value) if kind is not None and kind.value is not None else None
        for_each = None
        if self.listed:
            for_each = "$[*]"
            if when is not None and not when[0].startswith("$header."):
                # Of a list each element has its own kind, so the elements are chosen and not the webhook.
                if when[0].count(".") == 1 and "'" not in when[1] + when[0]:
                    for_each = f"$[?(@.{when[0][2:]} == '{when[1]}')]"
                when = None
        name = (when[1] if when is not None else self.source).replace("_", " ").replace("/", " ")
        return text.rule(found, name=f"Drafted for {name}", when=when, for_each=for_each)

    def _parts(self, source: Source) -> dict[str, str]:
        template = source.path.split("/") if source.path else []
        return {want[1:-1]: part for want, part in zip(template, self.path.split("/"), strict=False) if want[:1] == "{"}

    def _translated(self, source: Source, headers: Mapping[str, str]) -> Translation:
        arrival = Arrival(
            webhook_id="0" * 32,
            source=self.source,
            body=self.parsed,
            headers=headers,
            query={},
            path=self._parts(source),
            received_at=self.now,
        )
        return translate(source, arrival, now=self.now)


def _shown(body: bytes) -> dict[str, Any]:
    """What the example expects of a command: who, what, and the traits."""
    whole = _decode(body)
    return {key: whole[key] for key in ("userId", "assetId", "traits") if key in whole}


def _suffix(body: bytes, headers: Mapping[str, str]) -> str:
    if body.removeprefix(codecs.BOM_UTF8).lstrip()[:1] in (b"{", b"["):
        return ".json"
    if looks_like_xml(body):
        return ".xml"
    form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded") or looks_like_form(body)
    return ".form" if form else ".txt"


def _parsed(source: str, body: bytes, sample: str, now: datetime) -> Any:
    """The body as the draft's example will read it from its file."""
    content_type = CONTENT_TYPES[sample[sample.rindex(".") :]]
    request = Request(source=source, headers=(("content-type", content_type),), body=body, received_at=now)
    return parse(verify(NoVerification(), request, credential=lambda _name: None, now=now))
