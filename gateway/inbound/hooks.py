"""Where hooks are: the address of a source, and the source of an address."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import unquote

from starlette.types import Scope

from gateway.errors import UnknownSource
from gateway.inbound.arrival import named_parts
from gateway.inbound.needs import unset_secrets
from gateway.rules import Ruleset, Source

HOOKS = "/hooks/"
"""The beginning of every path that is answered here."""


def addressed(ruleset: Ruleset, scope: Scope) -> tuple[Source, str, dict[str, str]]:
    """The source that a path names, what stands behind its name, still encoded, and the named parts of that.

    :raises UnknownSource: no source is there.
    """
    raw: bytes | None = scope.get("raw_path")
    path = raw.decode("latin-1") if raw is not None else scope["path"]
    name, _, rest = path.removeprefix(HOOKS).partition("/") if path.startswith(HOOKS) else ("", "", "")
    source = ruleset.sources.get(unquote(name) if "%" in name else name)
    if source is None:
        raise UnknownSource(f"no rules file has source: {name[:60]!a}", detail="There is no such source here.")
    parts = named_parts(source.path, rest)
    if parts is None:
        wanted = hook_path(source)
        raise UnknownSource(
            f"source {source.name} takes no path {rest[:60]!a}; allowed: {wanted}",
            detail=f"This source is at {wanted}.",
        )
    return source, rest, parts


def hook_path(source: Source) -> str:
    """Where a source posts to, its named parts in braces: ``/hooks/shopify/{brand}``."""
    return f"{HOOKS}{source.name}/{source.path}" if source.path else f"{HOOKS}{source.name}"


def unset_credentials(source: Source, credential: Callable[[str], str | None]) -> tuple[str, ...]:
    """The credentials for want of which a source is disabled: what it sends could not be verified, or not fetched."""
    unset = unset_secrets(source.verify, credential)
    for fetch in source.fetches:
        unset += tuple(name for name in fetch.secrets if not credential(name))
    return unset
