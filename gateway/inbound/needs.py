"""What a scheme needs besides the request: credentials, the registered address, keys that its sender publishes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

from gateway.inbound.hashes import UnusableKey, key_of
from gateway.inbound.public_keys import key_for, public_key
from gateway.inbound.schemes import (
    AllOf,
    AnyOf,
    Basic,
    Bearer,
    Body,
    Credential,
    Digest,
    Ecdsa,
    Ed25519,
    Header,
    Hmac,
    Jwt,
    PublicKey,
    Query,
    Rsa,
    Scheme,
    Signature,
    env_name,
)
from gateway.inbound.signed import credentials_in

_BODY_VALUE = re.compile(r"\{(?:body\.|raw\.|lines\()")

Group = tuple[str, ...]
"""Names of credentials of which one is enough."""


def parts_of(scheme: Scheme) -> Iterator[Scheme]:
    """The scheme itself, or all that a mapping or a list holds."""
    if isinstance(scheme, AllOf | AnyOf):
        for part in scheme.schemes:
            yield from parts_of(part)
    else:
        yield scheme


def groups_of(scheme: Scheme) -> tuple[Group, ...]:
    """The credentials that one scheme reads, in groups: of each group one has to be set."""
    match scheme:
        case Hmac() | Digest():
            groups: tuple[Group, ...] = (scheme.secret,)
        case Ecdsa() | Ed25519() | Rsa():
            groups = (_unwritten(scheme.public_key),)
        case Jwt():
            jwks = () if scheme.jwks is None or "://" in scheme.jwks.name else (scheme.jwks,)
            groups = (scheme.secret, _unwritten(scheme.public_key), _unwritten(jwks))
        case Header() | Bearer() | Query() | Body():
            groups = (scheme.secret,)
        case Basic():
            user = env_name(scheme.user)
            groups = ((user,) if user else (), scheme.password)
        case _:
            groups = ()
    if isinstance(scheme, Signature):
        groups += tuple((name,) for name in credentials_in(scheme.signed))
    return tuple(group for group in groups if group)


def _unwritten(keys: tuple[PublicKey, ...]) -> Group:
    """The credentials among public keys; none where a file holds one, which is then enough."""
    return () if any(key.text is not None for key in keys) else tuple(key.name for key in keys)


def secrets_of(scheme: Scheme) -> tuple[str, ...]:
    """The names of all the credentials that a scheme reads, each once, in order.

    With ``per`` these are the first halves of the names: the value of the path part completes them.
    """
    names = [name for part in parts_of(scheme) for group in groups_of(part) for name in group]
    return tuple(dict.fromkeys(names))


def unset_secrets(scheme: Scheme, credential: Credential) -> tuple[str, ...]:
    """The credentials for want of which nothing could be verified; a source is disabled while there are any.

    Of several secrets for one thing (rotation) one is enough. With ``per``, which secrets there are is only known when
    a request names its path part.
    """
    match scheme:
        case AllOf():
            unset = [name for part in scheme.schemes for name in unset_secrets(part, credential)]
            return tuple(dict.fromkeys(unset))
        case AnyOf():
            each = [unset_secrets(part, credential) for part in scheme.schemes]
            return () if () in each else tuple(dict.fromkeys(name for unset in each for name in unset))
    lacking = [group for group in _known_groups(scheme) if not any(map(credential, group))]
    return tuple(dict.fromkeys([name for group in lacking for name in group]))


@lru_cache(maxsize=1024)
def _known_groups(scheme: Scheme) -> tuple[Group, ...]:
    """The groups whose names are known beforehand. Remembered, for every request asks."""
    return () if per_of(scheme) is not None else groups_of(scheme)


def unusable_secrets(scheme: Scheme, credential: Credential) -> tuple[tuple[str, str], ...]:
    """The credentials that are set and can't be what the scheme reads them as, each with the reason, which shows
    nothing of them."""
    found: list[tuple[str, str]] = []
    for part in parts_of(scheme):
        for name, read in _read_as(part):
            if per_of(part) is None and (value := credential(name)):
                try:
                    read(value)
                except UnusableKey as error:
                    found.append((name, str(error)))
    return tuple(dict.fromkeys(found))


def _read_as(scheme: Scheme) -> Iterator[tuple[str, Callable[[str], object]]]:
    """What the credentials of one scheme are read with."""
    match scheme:
        case Hmac():
            form = scheme.key
            yield from ((name, lambda value: key_of(value, form)) for name in scheme.secret)
        case Ecdsa() | Ed25519() | Rsa():
            kind = type(scheme)
            yield from ((key.name, lambda text: key_for(kind, text)) for key in scheme.public_key if key.text is None)
        case Jwt():
            yield from ((key.name, public_key) for key in scheme.public_key if key.text is None)


def per_of(scheme: Scheme) -> str | None:
    """The named path part that chooses a scheme's secret."""
    found: str | None = getattr(scheme, "per", None)
    return found


def pers_of(scheme: Scheme) -> tuple[str, ...]:
    """The named path parts that choose secrets anywhere in a scheme."""
    found = [per for part in parts_of(scheme) if (per := per_of(part)) is not None]
    return tuple(dict.fromkeys(found))


def body_secrets(scheme: Scheme) -> tuple[str, ...]:
    """The dotted paths of the body at which shared secrets stand."""
    return tuple(dict.fromkeys(part.path for part in parts_of(scheme) if isinstance(part, Body)))


def reads(scheme: Scheme) -> frozenset[str]:
    """What schemes read the body as, to find a value in it: ``json``, ``form``; nothing where its bytes are all that
    counts."""
    found = set()
    for part in parts_of(scheme):
        if isinstance(part, Body):
            found.add("json")
        elif isinstance(part, Signature) and (
            part.signature_path or part.timestamp_path or _BODY_VALUE.search(part.signed)
        ):
            found.add(part.read_as)
    return frozenset(found)


def needs_url(scheme: Scheme) -> bool:
    """Whether the source must say its ``public_url``, because the sender signs it."""
    return any(isinstance(part, Signature) and "{url}" in part.signed for part in parts_of(scheme))


def key_addresses(scheme: Scheme) -> tuple[str, ...]:
    """The addresses of sets of keys, literal text of the rules file, that are fetched beforehand."""
    return tuple(
        part.jwks.name
        for part in parts_of(scheme)
        if isinstance(part, Jwt) and part.jwks is not None and "://" in part.jwks.name
    )


def certificate_hosts(scheme: Scheme) -> frozenset[str]:
    """The hosts at which a certificate may be asked for whose address travels in the request."""
    return frozenset(
        host
        for part in parts_of(scheme)
        if isinstance(part, Ecdsa | Ed25519 | Rsa) and part.published is not None
        for host in part.published.hosts
    )
