"""The ``verify`` key of a rules file, read into a scheme, with a precise word for whatever is wrong in it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, get_args

from gateway.errors import GatewayError
from gateway.inbound.presets import PRESETS, default_secret
from gateway.inbound.schemes import (
    Algorithm,
    AllOf,
    AnyOf,
    Basic,
    Bearer,
    Body,
    Encoding,
    Header,
    Hmac,
    KeyForm,
    NoVerification,
    Parse,
    Query,
    Scheme,
    TimestampUnit,
    env_name,
)
from gateway.inbound.signed import PLACEHOLDERS, TemplateProblem, compile_signed, placeholders_of

Path = tuple[str | int, ...]

KINDS: Final = ("hmac", "basic", "bearer", "header", "query", "body")
"""The schemes that a rules file can spell out."""

_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "algorithm": get_args(Algorithm),
    "encoding": get_args(Encoding),
    "key": get_args(KeyForm),
    "timestamp_unit": get_args(TimestampUnit),
}
_TEXTS: Final = ("header", "signature_path", "prefix", "separator", "timestamp_header", "timestamp_path", "id_header")
_HMAC_KEYS: Final = (*_TEXTS, *_CHOICES, "signed", "parse", "tolerance", "secret", "per")
_LENGTH = re.compile(r"(\d{1,6})\s*(s|m|h|d)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PATH_PART = re.compile(r"\$path\.([A-Za-z_][A-Za-z0-9_]*)")


class SchemeProblem(GatewayError):
    """A ``verify`` key can't be read. ``path`` leads from it to what is wrong: keys and list indexes."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


def scheme_from(value: object) -> Scheme:
    """The scheme that the plain YAML value of a ``verify`` key describes; :class:`SchemeProblem` where it does not.

    A preset's name; a mapping, which needs all that it names; a list, which needs any; ``none``.
    """
    return NoVerification() if value == "none" else _scheme(value, ())


def _scheme(value: object, path: Path) -> Scheme:
    match value:
        case "none":
            raise SchemeProblem(path, "none may only stand alone: beside a secret it would let unsigned requests in")
        case str():
            if value in KINDS:
                raise SchemeProblem(path, f"{value} needs its keys: write it as a mapping, {value}: {{…}}")
            _known(value, PRESETS, path, "verification")
            return _hmac({}, path, preset=value)
        case Mapping():
            if not value:
                raise SchemeProblem(path, "an empty mapping verifies nothing; for that write none")
            schemes = tuple(_named(str(name), inner, (*path, str(name))) for name, inner in value.items())
            return schemes[0] if len(schemes) == 1 else AllOf(schemes)
        case list() | tuple():
            if not value:
                raise SchemeProblem(path, "an empty list verifies nothing; for that write none")
            schemes = tuple(_scheme(inner, (*path, index)) for index, inner in enumerate(value))
            return schemes[0] if len(schemes) == 1 else AnyOf(schemes)
        case _:
            raise SchemeProblem(path, f"found {_kind(value)}; allowed: a preset's name, a mapping, a list, none")


def _named(name: str, value: object, path: Path) -> Scheme:
    if name == "none":
        raise SchemeProblem(path, "none may only stand alone, as in verify: none")
    _known(name, (*KINDS, *PRESETS), path, "verification")
    if value is None and name in PRESETS:
        value = {}
    if not isinstance(value, Mapping):
        raise SchemeProblem(path, f"found {_kind(value)}; {name} takes a mapping")
    match name:
        case "hmac":
            return _hmac(value, path, preset=None)
        case "basic":
            _keys(value, ("user", "password"), path)
            return Basic(user=_text(value, "user", path), password=_secrets(value, "password", path))
        case "bearer":
            _keys(value, ("secret",), path)
            return Bearer(secret=_secrets(value, "secret", path))
        case "header":
            _keys(value, ("name", "secret"), path)
            return Header(name=_text(value, "name", path), secret=_secrets(value, "secret", path))
        case "query":
            _keys(value, ("name", "secret"), path)
            return Query(name=_text(value, "name", path), secret=_secrets(value, "secret", path))
        case "body":
            _keys(value, ("path", "secret"), path)
            place = _dotted(_text(value, "path", path), (*path, "path"))
            return Body(path=place, secret=_secrets(value, "secret", path))
        case _:
            return _hmac(value, path, preset=name)


def _hmac(given: Mapping[Any, object], path: Path, *, preset: str | None) -> Hmac:
    _keys(given, _HMAC_KEYS, path, required=())
    value: dict[str, Any] = {**(PRESETS[preset] if preset else {}), **given}
    read: dict[str, Any] = {"preset": preset}
    for key in _TEXTS:
        if key in value:
            read[key] = _text(value, key, path)
    for key in ("signature_path", "timestamp_path"):
        if key in read:
            read[key] = _dotted(read[key], (*path, key))
    for key, allowed in _CHOICES.items():
        if key in value:
            read[key] = _known(value[key], allowed, (*path, key), key)
    if "signed" in value:
        read["signed"] = _signed(_text(value, "signed", path), (*path, "signed"))
    if "parse" in value:
        read["parse"] = _parse(value["parse"], (*path, "parse"))
    if "tolerance" in value:
        read["tolerance"] = _tolerance(value["tolerance"], (*path, "tolerance"))
    if "per" in value:
        read["per"] = _per(value["per"], (*path, "per"))
    if "secret" in value:
        read["secret"] = _secrets(value, "secret", path)
    elif preset is not None:
        read["secret"] = (default_secret(preset),)
    else:
        raise SchemeProblem(path, "secret is missing: name it as $env.NAME")
    scheme = Hmac(**read)
    _sound(scheme, path)
    return scheme


def _sound(scheme: Hmac, path: Path) -> None:
    """The keys must make sense together: each reader has its source, and a time that is trusted is signed."""
    if (scheme.header is None) == (scheme.signature_path is None):
        raise SchemeProblem(path, "say where the signature stands: either header or signature_path")
    beside = scheme.parse.timestamp if scheme.parse else None
    sources = [source for source in (scheme.timestamp_header, scheme.timestamp_path, beside) if source is not None]
    if len(sources) > 1:
        raise SchemeProblem(path, "the timestamp has one place: timestamp_header, timestamp_path or parse.timestamp")
    used = placeholders_of(scheme.signed)
    if "timestamp" in used and not sources:
        raise SchemeProblem(
            (*path, "signed"), "{timestamp} has no source: add timestamp_header, timestamp_path or parse.timestamp"
        )
    if "id" in used and scheme.id_header is None:
        raise SchemeProblem((*path, "signed"), "{id} has no source: add id_header")
    if scheme.tolerance is None:
        return
    if not sources:
        raise SchemeProblem(
            (*path, "tolerance"), "tolerance needs a timestamp: timestamp_header, timestamp_path or parse.timestamp"
        )
    as_header = f"header.{scheme.timestamp_header}".lower()
    covered = (
        "timestamp" in used
        or as_header in (name.lower() for name in used)
        or (scheme.timestamp_path is not None and ("body" in used or f"body.{scheme.timestamp_path}" in used))
    )
    if not covered:
        raise SchemeProblem((*path, "signed"), "tolerance trusts a timestamp that is not signed: add {timestamp}")


def _signed(template: str, path: Path) -> str:
    try:
        compile_signed(template)
    except TemplateProblem as problem:
        allowed = f"allowed: {' '.join(PLACEHOLDERS)}"
        raise SchemeProblem(path, f"{problem}; {allowed}{_meant(problem.found, PLACEHOLDERS)}") from None
    if not placeholders_of(template):
        raise SchemeProblem(path, "the template holds no placeholder, so one signature would fit every request")
    return template


def _parse(value: object, path: Path) -> Parse:
    if not isinstance(value, Mapping):
        raise SchemeProblem(path, f"found {_kind(value)}; parse takes a mapping of signature and timestamp")
    _keys(value, ("signature", "timestamp"), path, required=("signature",))
    timestamp = _text(value, "timestamp", path) if "timestamp" in value else None
    return Parse(signature=_text(value, "signature", path), timestamp=timestamp)


def _tolerance(value: object, path: Path) -> int | None:
    if value == "none":
        return None
    seconds = 0
    if isinstance(value, int) and not isinstance(value, bool):
        seconds = value
    elif isinstance(value, str) and (match := _LENGTH.fullmatch(value.strip())):
        seconds = int(match.group(1)) * _SECONDS[match.group(2)]
    if seconds <= 0:
        raise SchemeProblem(path, f"found {value!r}; allowed: a length such as 5m or 300s, or none")
    return seconds


def _per(value: object, path: Path) -> str:
    match = _PATH_PART.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise SchemeProblem(path, f"found {value!r}; allowed: $path.NAME, a named part of the source's path")
    return match.group(1)


def _secrets(value: Mapping[Any, object], key: str, path: Path) -> tuple[str, ...]:
    given = value[key]
    entries = given if isinstance(given, (list, tuple)) else [given]
    if not entries:
        raise SchemeProblem((*path, key), "an empty list of secrets verifies nothing; name one as $env.NAME")
    names = []
    for index, entry in enumerate(entries):
        name = env_name(entry) if isinstance(entry, str) else None
        if name is None:
            place = (*path, key, index) if entries is given else (*path, key)
            # The text is not shown: it may be the secret itself.
            raise SchemeProblem(place, "a secret never stands in a rules file: name it as $env.NAME")
        names.append(name)
    return tuple(names)


def _text(value: Mapping[Any, object], key: str, path: Path) -> str:
    found = value[key]
    if not isinstance(found, str) or (not found and key != "prefix"):
        raise SchemeProblem((*path, key), f"found {_kind(found)}; {key} takes a text")
    return found


def _dotted(text: str, path: Path) -> str:
    if not all(text.split(".")) or "$" in text:
        raise SchemeProblem(path, f"found {text!r}; allowed: a plain dotted path such as meta.token")
    return text


def _keys(
    value: Mapping[Any, object], allowed: Iterable[str], path: Path, *, required: Iterable[str] | None = None
) -> None:
    allowed = tuple(allowed)
    for key in value:
        _known(key, allowed, (*path, str(key)), "key")
    for key in allowed if required is None else required:
        if key not in value:
            raise SchemeProblem(
                path, f"{key} is missing; needed: {', '.join(allowed if required is None else required)}"
            )


def _known(found: object, allowed: Iterable[str], path: Path, what: str) -> str:
    names = tuple(allowed)
    if isinstance(found, str) and found in names:
        return found
    shown = repr(found) if isinstance(found, str) else _kind(found)
    raise SchemeProblem(path, f"unknown {what} {shown}; allowed: {', '.join(names)}{_meant(found, names)}")


def _meant(found: object, allowed: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(found).lower(), tuple(allowed), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def _kind(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case "":
            return "an empty text"
        case bool():
            return "a boolean"
        case str():
            return "a text"
        case Mapping():
            return "a mapping"
        case list() | tuple():
            return "a list"
        case _:
            return "a number"
