"""Other addresses that a sender may have been given, for those that sign theirs: for the signature debugger."""

from __future__ import annotations

from itertools import product
from operator import itemgetter
from urllib.parse import urlsplit

import msgspec

from gateway.inbound.request import Request


def readdressed(request: Request) -> list[tuple[str, Request]]:
    """The request as if the sender had been given another address, with what is different in it: the likelier first."""
    if request.url is None:
        return []
    registered = urlsplit(request.url)
    schemes = [(name, f"with {name}://" if name != registered.scheme else "") for name in ("https", "http")]
    path = f"/hooks/{request.source}" + (f"/{request.path}" if request.path else "")
    hosts = [(registered.netloc, registered.path, "")]
    for header in ("x-forwarded-host", "host"):
        told = (request.header(header) or "").strip()
        hosts += [(told, path, f"at the host of header {header}, {told[:60]!a}")] if told else []
    queries = [(request.query, ""), ("", "without the query" if request.query else "")]
    found: list[tuple[int, str, Request]] = []
    for host, place, of_host in hosts:
        for (scheme, of_scheme), (netloc, of_port), (ending, of_slash), (query, of_query) in product(
            schemes, _ports(host), [(place, ""), _slash(place)], queries
        ):
            words = [text for text in (of_scheme, of_host, of_port, of_slash, of_query) if text]
            changed = msgspec.structs.replace(request, url=f"{scheme}://{netloc}{ending}", query=query)
            found.append((len(words), ", ".join(words), changed))
    return [(words, changed) for count, words, changed in sorted(found, key=itemgetter(0)) if count]


def _ports(host: str) -> list[tuple[str, str]]:
    name, _, port = host.partition(":")
    others = (
        [(name, "without its port")] if port else [(f"{name}:{usual}", f"with port {usual}") for usual in (443, 80)]
    )
    return [(host, ""), *others]


def _slash(path: str) -> tuple[str, str]:
    if path.endswith("/"):
        return path.removesuffix("/"), "without the slash at its end"
    return f"{path}/", "with a slash at its end"
