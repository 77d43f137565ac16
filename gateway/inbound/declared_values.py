"""The values under ``verify``: texts, choices, lengths, credentials and keys, each read or refused in precise words."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from gateway.errors import GatewayError
from gateway.inbound.schemes import PublicKey, env_name

Path = tuple[str | int, ...]
Given = Mapping[Any, object]
Files = Mapping[str, str]
"""The texts of the rules folder, by name: public keys and certificates stand beside the rules."""

KEY_FILES: Final = (".pem", ".crt", ".jwks")
"""The ends of the names of files that hold public keys, certificates and sets of keys."""

_LENGTH = re.compile(r"(\d{1,6})\s*(s|m|h|d)")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_PATH_PART = re.compile(r"\$path\.([A-Za-z_][A-Za-z0-9_]*)")


class SchemeProblem(GatewayError):
    """A ``verify`` key can't be read. ``path`` leads from it to what is wrong: keys and list indexes."""

    def __init__(self, path: Path, message: str) -> None:
        super().__init__(message)
        self.path = path
        self.message = message


def mapping(value: object, path: Path, what: str) -> Given:
    """A mapping."""
    if not isinstance(value, Mapping):
        raise SchemeProblem(path, f"found {kind_of(value)}; {what} takes a mapping")
    return value


def text(given: Given, key: str, path: Path) -> str:
    """A text under a key; only ``prefix`` may be empty."""
    found = given[key]
    if not isinstance(found, str) or (not found and key != "prefix"):
        raise SchemeProblem((*path, key), f"found {kind_of(found)}; {key} takes a text")
    return found


def texts(given: Given, key: str, path: Path) -> tuple[str, ...]:
    """A text under a key, or a list of them."""
    found = given[key]
    entries = found if isinstance(found, list | tuple) else [found]
    if not entries:
        raise SchemeProblem((*path, key), f"found an empty list; {key} takes one text at least")
    for index, entry in enumerate(entries):
        if not isinstance(entry, str) or not entry:
            place = (*path, key, index) if entries is found else (*path, key)
            raise SchemeProblem(place, f"found {kind_of(entry)}; {key} takes a text, or a list of them")
    return tuple(entries)


def flag(given: Given, key: str, path: Path) -> bool:
    """True or false."""
    found = given[key]
    if not isinstance(found, bool):
        raise SchemeProblem((*path, key), f"found {kind_of(found)}; {key} takes true or false")
    return found


def choice(given: Given, key: str, allowed: Iterable[str], path: Path) -> str:
    """One of several words."""
    return known(given[key], allowed, (*path, key), key)


def dotted(found: str, path: Path, *, stars: bool = False) -> str:
    """A dotted path; with ``stars`` one that may go through every element of a list."""
    names = found.split(".")
    if not all(names) or "$" in found or (not stars and "*" in names):
        example = "items.*.token" if stars else "meta.token"
        raise SchemeProblem(path, f"found {found!r}; allowed: a plain dotted path such as {example}")
    return found


def length(found: object, path: Path) -> int | None:
    """Seconds, or None for ``none``."""
    if found == "none":
        return None
    seconds = 0
    if isinstance(found, int) and not isinstance(found, bool):
        seconds = found
    elif isinstance(found, str) and (match := _LENGTH.fullmatch(found.strip())):
        seconds = int(match.group(1)) * _SECONDS[match.group(2)]
    if seconds <= 0:
        raise SchemeProblem(path, f"found {found!r}; allowed: a length such as 5m or 300s, or none")
    return seconds


def path_part(found: object, path: Path) -> str:
    """The name of a part of the source's path, ``$path.NAME``."""
    match = _PATH_PART.fullmatch(found) if isinstance(found, str) else None
    if match is None:
        raise SchemeProblem(path, f"found {found!r}; allowed: $path.NAME, a named part of the source's path")
    return match.group(1)


def secrets(given: Given, key: str, path: Path) -> tuple[str, ...]:
    """The names of credentials: one, or a list of which any may match."""
    found = given[key]
    entries = found if isinstance(found, list | tuple) else [found]
    if not entries:
        raise SchemeProblem((*path, key), "an empty list of secrets verifies nothing; name one as $env.NAME")
    names = []
    for index, entry in enumerate(entries):
        name = env_name(entry) if isinstance(entry, str) else None
        if name is None:
            place = (*path, key, index) if entries is found else (*path, key)
            # The text is not shown: it may be the secret itself.
            raise SchemeProblem(place, "a secret never stands in a rules file: name it as $env.NAME")
        names.append(name)
    return tuple(names)


def public_keys(given: Given, key: str, path: Path, files: Files) -> tuple[PublicKey, ...]:
    """Public keys: credentials, or files of the rules folder; one, or a list of which any may match."""
    found = given[key]
    entries = found if isinstance(found, list | tuple) else [found]
    if not entries:
        raise SchemeProblem((*path, key), f"an empty list verifies nothing; {_KEY_ALLOWED}")
    return tuple(
        one_key(entry, (*path, key, index) if entries is found else (*path, key), files)
        for index, entry in enumerate(entries)
    )


_KEY_ALLOWED = "allowed: $env.NAME, or the name of a file beside this one such as sender.pem"


def one_key(found: object, path: Path, files: Files) -> PublicKey:
    """A credential, or a file of the rules folder with its text."""
    if not isinstance(found, str):
        raise SchemeProblem(path, f"found {kind_of(found)}; {_KEY_ALLOWED}")
    if (name := env_name(found)) is not None:
        return PublicKey(name)
    if not found.endswith(KEY_FILES) or len(found) > 200:
        raise SchemeProblem(path, f"a key stands in a credential or a file ({', '.join(KEY_FILES)}); {_KEY_ALLOWED}")
    if found not in files:
        held = [name for name in files if name.endswith(KEY_FILES)]
        raise SchemeProblem(path, f"there is no file {found!r} beside this one{meant(found, held)}")
    return PublicKey(found, files[found])


def check_keys(given: Given, allowed: Iterable[str], path: Path, *, required: Iterable[str] = ()) -> None:
    """Refuse keys that are not known, and those that lack."""
    allowed, required = tuple(allowed), tuple(required)
    for key in given:
        known(key, allowed, (*path, str(key)), "key")
    for key in required:
        if key not in given:
            raise SchemeProblem(path, f"{key} is missing; needed: {', '.join(required)}")


def known(found: object, allowed: Iterable[str], path: Path, what: str) -> str:
    """One of the names that are allowed."""
    names = tuple(allowed)
    if isinstance(found, str) and found in names:
        return found
    shown = repr(found) if isinstance(found, str) else kind_of(found)
    raise SchemeProblem(path, f"unknown {what} {shown}; allowed: {', '.join(names)}{meant(found, names)}")


def meant(found: object, allowed: Iterable[str]) -> str:
    """``; did you mean …?`` for the nearest of what is allowed, or nothing."""
    close = difflib.get_close_matches(str(found).lower()[:100], tuple(allowed), n=1, cutoff=0.6)
    return f"; did you mean {close[0]}?" if close else ""


def kind_of(value: object) -> str:
    """What a value is, in words; never the value."""
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
