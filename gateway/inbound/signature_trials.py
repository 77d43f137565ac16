"""Why a signature does not match: what goes wrong in practice, tried one after the other."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final, TypeAlias, get_args

import msgspec

from gateway.inbound.needs import needs_url
from gateway.inbound.readdressed import readdressed
from gateway.inbound.reencodings import reencodings
from gateway.inbound.request import Request
from gateway.inbound.schemes import Digest, Ecdsa, Ed25519, Encoding, Hmac, KeyForm, Rsa, Scheme
from gateway.inbound.sealing import is_credential
from gateway.inbound.secret_trials import found_elsewhere
from gateway.inbound.signed import placeholders_of
from gateway.inbound.trials import Cause, Diagnosis, Trials, mended_secrets, presets_by_header

_LENGTHS: Final = {16: "md5", 20: "sha1", 32: "sha256", 64: "sha512"}
_NO_SIGNATURE: Final = frozenset({"", "no-secret-provided", "none", "null", "undefined", "unsigned"})
"""Cal.com says the second; the others are what unset variables become."""
_SIGNATURE_NAME: Final = re.compile(r"signature|hmac|(?:^|[-_])(?:sign|sig|hash|digest)(?:$|[-_])", re.IGNORECASE)
_TOKEN: Final = re.compile(r"[A-Za-z0-9+/_-]{16,}={0,2}")
_HEX: Final = re.compile(r"(?:[0-9a-fA-F]{2})+")
_TEMPLATES: Final = (
    "{body}",
    "{timestamp}.{body}",
    "{timestamp}{body}",
    "{timestamp}:{body}",
    "v0:{timestamp}:{body}",
    "{id}.{timestamp}.{body}",
    "{url}{body}",
    "{url}{sorted_form}",
    "{method}{url}{body}{timestamp}",
)
REWRITING: Final = 32
"""How many bytes are hashed in the time that it takes to rewrite one."""
_TRIED: Final = 4
"""Of each: headers, and texts in one, that may be signatures."""

AnySignature: TypeAlias = Hmac | Digest | Ecdsa | Ed25519 | Rsa


def diagnose_signature(scheme: AnySignature, trials: Trials, others: Sequence[tuple[str, str]]) -> Diagnosis:
    """Of a request whose signature is refused."""
    return _Signature(scheme, trials, others).diagnosis()


class _Signature:
    def __init__(self, scheme: AnySignature, trials: Trials, others: Sequence[tuple[str, str]]) -> None:
        self._trials, self._others = trials, others
        self._scheme = scheme
        # The clock is a question of its own: everything else is tried without it.
        self._untimed = msgspec.structs.replace(self._scheme, tolerance=None)
        self._request = trials.request
        self._sent = _sent(self._scheme, self._request)

    def diagnosis(self) -> Diagnosis:
        if self._scheme.header is not None and self._sent is None:
            return self._absent()
        if self._sent is not None and self._sent.strip().lower() in _NO_SIGNATURE:
            where = f"header {self._scheme.header}"
            what = "is empty" if not self._sent.strip() else f"says {self._sent.strip()!a}"
            return _diagnosis(Cause.UNSIGNED, f"{where} {what}: the sender has no secret set for this address")
        if isinstance(self._scheme, Hmac | Digest) and not self._trials.secrets:
            return _diagnosis(Cause.SECRET, f"not set: {', '.join(self._trials.names)}")
        found = (
            self._time()
            or self._secret()
            or self._other_secret()
            or self._form()
            or self._body()
            or self._address()
            or self._template()
        )
        return found or self._mismatch()

    # -- there is no signature --------------------------------------------------------------------------------------

    def _absent(self) -> Diagnosis:
        wanted = self._scheme.header
        likely: list[str] = []
        for header in dict.fromkeys(name for name, _ in self._request.headers):
            senders = presets_by_header().get(header, [])
            for preset, scheme in senders[:_TRIED]:
                meant = self._with_own_secret(scheme)
                if meant is not None and self._trials.holds(scheme=meant):
                    return _diagnosis(
                        Cause.OTHER_SCHEME, f"header {header} is that of {preset}, and it matches: verify: {preset}"
                    )
            if senders:
                names = " or ".join(preset for preset, _ in senders)
                likely.append(f"header {header} looks like that of {names}: does the source verify: {senders[0][0]}?")
        if likely:
            return _diagnosis(Cause.OTHER_SCHEME, *likely)
        if place := found_elsewhere(self._trials):
            return _diagnosis(Cause.OTHER_SCHEME, f"{place}: this sender shows its secret and signs nothing")
        named = [name for name, _ in self._request.headers if _SIGNATURE_NAME.search(name)]
        for header in named[:_TRIED]:
            if self._trials.holds(scheme=msgspec.structs.replace(self._untimed, header=header)):
                return _diagnosis(Cause.FORM, f"the signature that matches is in header {header} (header: {header})")
        if named:
            return _diagnosis(Cause.ABSENT, f"there is no header {wanted}; named like one: {_listed(named)}")
        credentials = [name for name, _ in self._request.headers if is_credential(name)]
        if credentials:
            return _diagnosis(
                Cause.ABSENT, f"nothing looks like a signature; credentials are in: {_listed(credentials)}"
            )
        return _diagnosis(
            Cause.ABSENT,
            "no header looks like a signature: the sender has no secret set for this address, or a proxy drops it",
        )

    def _with_own_secret(self, preset: Scheme) -> Scheme | None:
        """Another sender's scheme with the secrets of this one."""
        if isinstance(preset, Hmac) and isinstance(self._scheme, Hmac):
            return msgspec.structs.replace(preset, secret=self._scheme.secret, per=self._scheme.per, tolerance=None)
        return None

    # -- there is one -----------------------------------------------------------------------------------------------

    def _time(self) -> Diagnosis | None:
        scheme = self._scheme
        if scheme.timestamp_header is not None and self._request.header(scheme.timestamp_header) is None:
            return _diagnosis(
                Cause.TIMESTAMP,
                f"header {scheme.timestamp_header} is absent: a proxy drops it, or it is another sender",
            )
        if scheme.tolerance is None or not self._trials.holds(scheme=self._untimed):
            return None
        for unit in ("s", "ms", "iso"):
            other = msgspec.structs.replace(scheme, timestamp_unit=unit)
            if unit != scheme.timestamp_unit and self._trials.holds(scheme=other):
                return _diagnosis(
                    Cause.TIMESTAMP,
                    f"the signature matches; its time is written as {_UNITS[unit]} (timestamp_unit: {unit})",
                )
        return _diagnosis(
            Cause.TIMESTAMP,
            "the signature matches: only its time is refused. An old request that was sent again, or a clock that is "
            "wrong, here or there",
        )

    def _secret(self) -> Diagnosis | None:
        for name, value in self._trials.secrets:
            for words, meant in mended_secrets(value):
                if self._matches(secret=meant):
                    return self._found(Cause.SECRET, f"it matches if {name} is taken {words}", secret=meant)
        for form in get_args(KeyForm) if isinstance(self._scheme, Hmac) else ():
            key = msgspec.structs.replace(self._untimed, key=form)
            if form != getattr(self._scheme, "key", None) and self._matches(scheme=key):
                names = " or ".join(self._trials.names)
                return self._found(Cause.SECRET, f"it matches if {names} is read as {form} (key: {form})", scheme=key)
        return None

    def _other_secret(self) -> Diagnosis | None:
        for name, whose in self._others:
            value = self._trials.value(name)
            if value is not None and self._matches(secret=value):
                return self._found(Cause.OTHER_SECRET, f"it matches with {name}, {whose}", secret=value)
        return None

    def _form(self) -> Diagnosis | None:
        scheme, sent = self._scheme, self._sent
        if scheme.header is None or sent is None:
            return None
        beside = "" if scheme.parse is None or scheme.parse.timestamp is None else _timestamp_in(sent, scheme)
        for token in _TOKEN.findall(sent)[:_TRIED]:
            for reading in _readings(token, scheme):
                value = scheme.prefix + reading.text
                if scheme.parse is not None:
                    entries = [f"{scheme.parse.timestamp}={beside}"] if beside else []
                    value = (scheme.separator or ",").join([*entries, f"{scheme.parse.signature}={value}"])
                change = {
                    "scheme": msgspec.structs.replace(self._untimed, **reading.keys),
                    "request": _with_header(self._request, scheme.header, value),
                }
                if self._matches(**change):
                    told = "; ".join(self._differences(token, reading))
                    return self._found(
                        Cause.FORM, f"the signature is right, but {told or 'other text is around it'}", **change
                    )
        return None

    def _differences(self, token: str, reading: _Reading) -> Iterator[str]:
        """How what was sent is written otherwise than the rules file says."""
        scheme, sent = self._scheme, self._sent or ""
        for name, found in reading.keys.items():
            if found != (wanted := getattr(scheme, name)):
                yield f"it is {found} where {wanted} was expected ({name}: {found})"
        if reading.text != token:
            yield "it lacks its padding (=)"
        before = sent[: sent.index(token)]
        if scheme.parse is None and scheme.separator is None and before != scheme.prefix:
            yield f"it begins with {before[:20]!a}, not with {scheme.prefix!a} (prefix)"

    def _body(self) -> Diagnosis | None:
        covered = placeholders_of(self._scheme.signed)
        if not any("body" in name or name == "sorted_form" for name in covered):
            return None
        for words, body in reencodings(self._request):
            if self._trials.short:
                break
            request = msgspec.structs.replace(self._request, body=body)
            if self._matches(request=request, effort=REWRITING * len(body)):
                return self._found(
                    Cause.BODY_CHANGED,
                    f"it matches the body {words}: what arrived was re-encoded on its way, by a proxy or by the tool "
                    "that sent it",
                    request=request,
                )
        return None

    def _address(self) -> Diagnosis | None:
        if not needs_url(self._scheme):
            return None
        for words, request in readdressed(self._request):
            if self._matches(request=request):
                return self._found(
                    Cause.ADDRESS,
                    f"it matches the address {words}: public_url is not what the sender has",
                    request=request,
                )
        return None

    def _template(self) -> Diagnosis | None:
        for template in _TEMPLATES:
            scheme = msgspec.structs.replace(self._untimed, signed=template)
            if template != self._scheme.signed and self._matches(scheme=scheme):
                return self._found(
                    Cause.FORM,
                    f"it matches over {template}, and the rules file says {self._scheme.signed} (signed)",
                    scheme=scheme,
                )
        return None

    def _mismatch(self) -> Diagnosis:
        findings = []
        coding = (self._request.header("content-encoding") or "").strip().lower()
        if coding in ("gzip", "x-gzip") and self._request.body[:2] != b"\x1f\x8b":
            findings.append(f"Content-Encoding says {coding} and the body is not: a proxy decompressed what was signed")
        names = " or ".join(self._trials.names)
        likely = f"the sender's secret is not the one in {names}" if names else "it was signed with another key"
        tried = "not everything was tried, for the body is large; " if self._trials.short else ""
        findings.append(f"{tried}nothing that was tried matches: most likely {likely}")
        return Diagnosis(cause=Cause.MISMATCH, findings=tuple(findings))

    def _matches(self, **change: Any) -> bool:
        return self._trials.holds(**({"scheme": self._untimed} | change))

    def _found(self, cause: Cause, text: str, **change: Any) -> Diagnosis:
        """What was found, and whether the time would be refused even so."""
        if self._scheme.tolerance is not None:
            timed = msgspec.structs.replace(change.get("scheme", self._untimed), tolerance=self._scheme.tolerance)
            if not self._trials.holds(**(change | {"scheme": timed})):
                return _diagnosis(cause, text, "its time is outside the tolerance as well")
        return _diagnosis(cause, text)


_UNITS: Final = {"s": "seconds", "ms": "milliseconds", "iso": "ISO 8601"}


def _diagnosis(cause: Cause, *findings: str) -> Diagnosis:
    return Diagnosis(cause=cause, findings=findings)


def _sent(scheme: AnySignature, request: Request) -> str | None:
    """What the header holds; of a row of numbered ones the first."""
    if scheme.header is None:
        return None
    if scheme.header.endswith("*"):
        beginning = scheme.header[:-1].lower()
        return next((value for name, value in request.headers if name.startswith(beginning)), None)
    return request.header(scheme.header)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"{name[:60]}" for name in list(dict.fromkeys(names))[:_TRIED])


def _with_header(request: Request, name: str, value: str) -> Request:
    wanted = name.lower()
    kept = tuple(header for header in request.headers if header[0] != wanted)
    return msgspec.structs.replace(request, headers=(*kept, (wanted, value)))


def _timestamp_in(sent: str, scheme: AnySignature) -> str:
    name = scheme.parse.timestamp if scheme.parse is not None and scheme.parse.timestamp else "t"
    found = re.search(rf"(?:^|[,;\s]){re.escape(name)}=([^,;\s]+)", sent) or re.search(r"\b(\d{10,13})\b", sent)
    return "" if found is None else found[1]


class _Reading(msgspec.Struct, frozen=True):
    """What a text may be a signature of."""

    text: str
    """With its padding."""
    keys: dict[str, str]
    """The keys of a scheme that would read it."""


def _readings(token: str, scheme: AnySignature) -> Iterator[_Reading]:
    """Of a hash the length tells the algorithm; a signature with a public key may have any length."""
    plain = token.rstrip("=")
    texts: list[tuple[Encoding, str, int]] = []
    if _HEX.fullmatch(token):
        texts.append(("hex", token, len(token) // 2))
    if not set(plain) & set("-_"):
        texts.append(("base64", plain + "=" * (-len(plain) % 4), len(plain) * 3 // 4))
    if not set(plain) & set("+/"):
        texts.append(("base64url", token, len(plain) * 3 // 4))
    for encoding, text, length in texts:
        if not isinstance(scheme, Hmac | Digest):
            yield _Reading(text, {"encoding": encoding})
        elif length in _LENGTHS:
            yield _Reading(text, {"encoding": encoding, "algorithm": _LENGTHS[length]})
