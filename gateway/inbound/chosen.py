"""Which secrets a request's own address chooses: ``per: $path.brand`` reads ``SHOP_SECRET_UK`` for the brand ``uk``."""

from __future__ import annotations

import re

from gateway.errors import AuthenticationFailed
from gateway.inbound.schemes import Parts

_PART = re.compile(r"[A-Za-z0-9_-]+")


def suffix_of(per: str | None, parts: Parts) -> str:
    """What is put behind a credential's name; nothing where ``per`` is None.

    :raises AuthenticationFailed: the path holds no such part, or one that names no secret.
    """
    if per is None:
        return ""
    part = parts.get(per)
    if not part:
        raise AuthenticationFailed(f"the path holds no {per}, which chooses the secret")
    suffix = part.upper().replace("-", "_")
    # A stranger chooses this part, and NAME_UK_FILE holds no secret: it is the address of the file that does.
    if not _PART.fullmatch(part) or suffix == "FILE" or suffix.endswith("_FILE"):
        raise AuthenticationFailed(
            f"{per} of the path names no secret; allowed: letters, digits, - and _, not FILE at the end"
        )
    return f"_{suffix}"


def chosen(names: tuple[str, ...], per: str | None, parts: Parts) -> tuple[str, ...]:
    """The credentials' whole names.

    :raises AuthenticationFailed: as :func:`suffix_of`.
    """
    if per is None:
        return names
    suffix = suffix_of(per, parts)
    return tuple([name + suffix for name in names])
