"""The samples of the ready sources as their senders would send them: signed, and fresh each time."""

from __future__ import annotations

import re
import secrets
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import quote

import msgspec

from gateway.errors import Unparseable
from gateway.inbound.arrival import arrival_of, filled_url, named_parts
from gateway.inbound.authentication import sign
from gateway.inbound.body import read_body
from gateway.model import Webhook, new_webhook_id
from gateway.rules import Ruleset, Source, Translation
from gateway.rules.batch import translate_request
from gateway.rules.examples import ExampleRequest, requests

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(.*)")


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """One request, not signed yet."""

    source: Source
    name: str
    path: str
    """Behind ``/hooks/{source}/``."""
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def address(self) -> str:
        """Where it is posted to: path and query."""
        behind = f"/{self.path}" if self.path else ""
        return f"/hooks/{quote(self.source.name)}{behind}" + (f"?{self.query}" if self.query else "")


def samples(ruleset: Ruleset, folder: Path) -> Iterator[Sample]:
    """Each sample file of each source, with the headers, path and query of an example that shows it.

    Where several do, that one which makes the most commands.
    """
    for source in ruleset.sources.values():
        shown: dict[bytes, Sample] = {}
        files = {path.read_bytes() for path in (folder / "samples" / source.name).glob("*") if path.is_file()}
        for request in requests(source, folder):
            if request.body in files:
                sample = _sample(source, request)
                known = shown.get(sample.body)
                if known is None or commands_of(sample) > commands_of(known):
                    shown[sample.body] = sample
        yield from shown.values()


def _sample(source: Source, request: ExampleRequest) -> Sample:
    headers = {"content-type": "application/json", **dict(request.headers)}
    return Sample(
        source=source,
        name=request.name,
        path=request.path.strip("/"),
        query=request.query,
        headers=headers,
        body=request.body,
    )


def signed(
    sample: Sample,
    *,
    credential: Callable[[str], str | None],
    now: datetime,
    id_: str | None = None,
    private_key: str | None = None,
) -> Sample:
    """The sample with what proves where it comes from; ``private_key`` is PEM text.

    :raises SettingsError: its secret is unset, or its sender signs with a private key.
    """
    source = sample.source
    parts = named_parts(source.path, sample.path) or {}
    proof = sign(
        source.verify,
        body=sample.body,
        headers=sample.headers,
        credential=credential,
        now=now,
        url=filled_url(source.public_url, parts),
        path=sample.path,
        query=sample.query,
        source=source.name,
        id=id_ if id_ is not None else f"msg_{secrets.token_hex(12)}",
        parts=parts,
        private_key=private_key,
    )
    return msgspec.structs.replace(
        sample, headers={**sample.headers, **proof.headers}, body=proof.body, query=proof.query
    )


def freshened(sample: Sample) -> Sample:
    """The sample as another occurrence of the same kind: what its dedup key is made of is new.

    Where the key can't be found in headers or body the sample stays as it is, and will be a duplicate.
    """
    key = dedup_key_of(sample)
    if key is None:
        return sample
    parts = _parts(key) if len(sample.source.dedup_key) > 1 else [key]
    headers, text = dict(sample.headers), sample.body.decode("utf-8", "surrogateescape")
    for part in parts:
        fresh = _another(part)
        if fresh is None:
            continue
        headers = {name: fresh if value == part else value for name, value in headers.items()}
        if part.isdecimal():  # a number, alone or in quotes, and not a piece of a longer one
            text = re.sub(rf'(?<=[:\s\[,"]){part}(?=[\s,\]}}"])', fresh, text)
        else:
            text = text.replace(part, fresh)
    return msgspec.structs.replace(sample, headers=headers, body=text.encode("utf-8", "surrogateescape"))


def commands_of(sample: Sample) -> int:
    """How many commands the sample becomes."""
    translation = _translation(sample)
    return 0 if translation is None else len(translation.commands)


def dedup_key_of(sample: Sample) -> str | None:
    """What its source tells repeats by, or None where that is nothing."""
    translation = _translation(sample)
    return None if translation is None else translation.dedup_key


def _translation(sample: Sample) -> Translation | None:
    """What the sample would become, or None where it can't be read."""
    webhook = Webhook(
        id=new_webhook_id(),
        source=sample.source.name,
        received_at=datetime.now(UTC),
        path=sample.path,
        query=sample.query,
        headers=tuple((name.lower(), value) for name, value in sample.headers.items()),
        body=sample.body,
    )
    try:
        body = read_body(webhook, sample.source)
    except Unparseable:
        return None
    arrival = arrival_of(webhook, body=body, path=named_parts(sample.source.path, sample.path) or {})
    return translate_request(sample.source, arrival, now=webhook.received_at)


def _parts(key: str) -> list[str]:
    """The parts of a key that is made of several: each stands behind its length, ``4:abcd|1:x``."""
    parts = []
    while key:
        length, _, rest = key.partition(":")
        parts.append(rest[: int(length)])
        key = rest[int(length) + 1 :]
    return parts


def _another(part: str) -> str | None:
    """A new value of the same form, or None for a word, such as an event type."""
    if _UUID.search(part):
        return _UUID.sub(lambda _: str(uuid.uuid4()), part)
    if moment := _MOMENT.fullmatch(part):
        return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S") + moment[1]
    if part.isdecimal():
        return str(secrets.randbelow(9) + 1) + "".join(str(secrets.randbelow(10)) for _ in part[1:])
    if any(char.isdigit() for char in part):
        return re.sub(r"\d", lambda _: str(secrets.randbelow(10)), part)
    return None
