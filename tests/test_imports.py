"""Imports run downward only (docs/architecture.md): every module under ``gateway/`` against one table."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# What each layer may import of our own, from the bottom up. ``name.*`` is a package and all in it; of two rows that
# fit a module, the longer one counts. A module that no row names fails: decide where it stands, then add it.
VOCABULARY = ("errors", "model", "terms")
AUTHENTICATION = (
    "inbound.authentication",
    "inbound.schemes",
    "inbound.presets",
    "inbound.declared",
    "inbound.signatures",
    "inbound.signed",
    "inbound.documents",
    "inbound.shared_secrets",
    "inbound.senders.*",
    "inbound.needs",
    "inbound.chosen",
    "inbound.hashes",
    "inbound.public_keys",
    "inbound.tokens",
    "inbound.origins",
    "inbound.signing",
    "inbound.declared_values",
    "inbound.declared_signatures",
    "inbound.declared_tokens",
)
DEBUGGER = (
    "inbound.diagnosis",
    "inbound.trials",
    "inbound.signature_trials",
    "inbound.secret_trials",
    "inbound.token_trials",
    "inbound.origin_trials",
    "inbound.reencodings",
    "inbound.readdressed",
    "inbound.sealing",
)
CHALLENGES = ("inbound.challenge_kinds", "inbound.challenges", "inbound.challenge_presets")
PAYLOADS = (
    "inbound.payloads",
    "inbound.charsets",
    "inbound.exact_json",
    "inbound.forms",
    "inbound.ndjson",
    "inbound.multipart",
    "inbound.xml_body",
    "inbound.jwt_payload",
)
LAYERS: dict[str, tuple[str, ...]] = {
    # The words that everybody uses.
    "gateway": (),
    "errors": (),
    "problem": ("errors",),
    "credentials": ("errors",),
    "tls": (),
    "terms": (),
    "backoff": (),
    "pacing": (),
    "model": ("errors", "terms"),
    "intilery": (),
    "intilery.contract": VOCABULARY,
    # Pure deciders.
    "intilery.answers": VOCABULARY,
    "intilery.seen": ("intilery.answers",),
    "delivery.retry": (*VOCABULARY, "backoff", "store"),
    "delivery.verify": (*VOCABULARY, "backoff", "store", "delivery.retry"),
    # A request, and what is known about senders. No rules, no store.
    "inbound": (),
    "inbound.request": VOCABULARY,
    **dict.fromkeys(AUTHENTICATION, (*VOCABULARY, "inbound.request", *AUTHENTICATION)),
    "inbound.signed": ("errors", "inbound.request", "inbound.schemes", "inbound.documents"),
    "inbound.documents": ("errors", "inbound.request", "inbound.exact_json", "inbound.charsets"),
    "inbound.signing": (*VOCABULARY, "inbound.request", "inbound.exact_json", *AUTHENTICATION),
    **dict.fromkeys(DEBUGGER, (*VOCABULARY, "inbound.request", *AUTHENTICATION, *DEBUGGER)),
    **dict.fromkeys(CHALLENGES, (*VOCABULARY, "inbound.request", "inbound.schemes", *PAYLOADS, *CHALLENGES)),
    **dict.fromkeys(PAYLOADS, (*VOCABULARY, "inbound.request", *PAYLOADS)),
    # A webhook becomes commands: no store, no client, no delivery, no settings.
    "rules.*": (
        *VOCABULARY,
        "rules.*",
        "intilery.contract",
        "inbound.request",
        *PAYLOADS,
        *AUTHENTICATION,
        *CHALLENGES,
    ),
    # The doors to the world, which never see each other.
    "store.*": (*VOCABULARY, "pacing", "store.*"),
    "intilery.client": (*VOCABULARY, "backoff", "intilery.contract", "intilery.answers", "intilery.seen", "tls"),
    "intilery.sandbox.*": (*VOCABULARY, "intilery.contract", "intilery.sandbox.*"),
    # The two verbs: one never sees the client, the other never the rules.
    "inbound.addresses": (),
    "inbound.answers_kept": (),
    "inbound.published_keys": (*VOCABULARY, "inbound.api_transport", "inbound.rates"),
    "inbound.compression": (),
    "inbound.api_transport": (*VOCABULARY, "inbound.addresses", "inbound.compression", "tls"),
    "inbound.api_client": (
        *VOCABULARY,
        "backoff",
        "rules.fetches",
        "inbound.answers_kept",
        "inbound.api_transport",
        *PAYLOADS,
    ),
    "inbound.thin": (*VOCABULARY, "rules.*", *PAYLOADS),
    "inbound.fetch": (*VOCABULARY, "backoff", "rules.*", "store", "inbound.*"),
    "inbound.arrival": (*VOCABULARY, "rules.*", "store", "inbound.*"),
    "inbound.body": (*VOCABULARY, "rules.*", "inbound.request", "inbound.compression", *PAYLOADS, *AUTHENTICATION),
    "inbound.batches": (*VOCABULARY, "rules.*", "store", "inbound.*"),
    "inbound.answers": ("rules.*", "store", "inbound.arrival", "inbound.body"),
    "inbound.rates": (),
    "inbound.places": ("errors",),
    "inbound.quarantine": (*VOCABULARY, "rules", "store", "inbound.*"),
    "inbound.release": (*VOCABULARY, "rules", "store", "inbound.*"),
    "inbound.visits": (*VOCABULARY, "backoff"),
    "inbound.exchange": (*VOCABULARY, "problem", "rules.respond", "store", "inbound.places"),
    "inbound.hooks": (*VOCABULARY, "rules", "inbound.arrival", "inbound.needs"),
    "inbound.received": (*VOCABULARY, "store"),
    "inbound.receive": (*VOCABULARY, "problem", "rules", "rules.respond", "store", "inbound.*"),
    "delivery": (*VOCABULARY, "store", "delivery.*"),
    "delivery.allowance": (*VOCABULARY, "pacing", "store", "intilery.contract"),
    "delivery.pauses": (*VOCABULARY, "store", "delivery"),
    "delivery.gate": (*VOCABULARY, "store", "intilery.contract", "delivery"),
    "delivery.lookups": (*VOCABULARY, "backoff", "store", "intilery.contract", "delivery.*"),
    "delivery.terms": ("backoff", "delivery"),
    "delivery.sending": (*VOCABULARY, "store", "intilery.contract", "delivery.*"),
    "delivery.lane": (*VOCABULARY, "backoff", "pacing", "store", "intilery.contract", "delivery.*"),
    "delivery.dispatch": (*VOCABULARY, "backoff", "store", "intilery.contract", "delivery.*"),
    # Those that wire. Only they read settings.
    "quantities": (),
    "settings": ("errors", "credentials", "quantities"),
    "telemetry.*": ("*",),
    "watch": ("rules",),
    "reload": (*VOCABULARY, "rules", "watch"),
    "differences": (*VOCABULARY, "store"),
    "candidate": (*VOCABULARY, "rules", "store", "inbound.arrival", "inbound.batches"),
    "shadow": (*VOCABULARY, "rules", "store", "candidate", "differences"),
    "pruning": (*VOCABULARY, "rules", "store"),
    "folders": ("rules", "rules.load", "settings"),
    "running": ("*",),
    "app": ("*",),
    "admin.*": ("*",),
    "cli.*": ("*",),
    "__main__": ("cli",),
}

WIRING = ("settings", "telemetry.*", "folders", "running", "app", "admin.*", "cli.*", "__main__")

# Names the tree in its docstring and the type of what RulesError carries; at run time it knows nobody.
ONLY_FOR_TYPES = {("errors", "rules.problems")}

# Pure layers: what they get is data, what they give is data.
PURE = (
    "errors",
    "model",
    "terms",
    "backoff",
    "pacing",
    "intilery.contract",
    "intilery.answers",
    "intilery.seen",
    "delivery.retry",
    "delivery.verify",
    "rules.*",
)
AT_LOAD = ("rules.load",)  # reads the folder and asks git for its revision, before anything is served
WORLD = {
    "aiohttp",
    "asyncio",
    "httpx",
    "psycopg",
    "socket",
    "sqlite3",
    "starlette",
    "subprocess",
    "threading",
    "uvicorn",
}


def module_name(path: Path, root: Path = ROOT) -> str:
    """``gateway/store/sqlite.py`` is ``store.sqlite``; a package is its directory; the top one is ``gateway``."""
    parts = path.relative_to(root / "gateway").with_suffix("").parts
    if parts[-1] == "__init__":
        parts = parts[:-1]
    return ".".join(parts) or "gateway"


MODULES = {module_name(path): path for path in sorted((ROOT / "gateway").rglob("*.py"))}


def fits(module: str, pattern: str) -> bool:
    if pattern == "*":
        return True
    if pattern.endswith(".*"):
        return module == pattern[:-2] or module.startswith(pattern[:-1])
    return module == pattern


def row_of(module: str) -> str | None:
    return max((row for row in LAYERS if fits(module, row)), key=len, default=None)


def imports(source: str, module: str, *, package: bool) -> Iterator[tuple[int, str, bool]]:
    """Each import anywhere in a source text: its line, what is imported, and whether it is for types only.

    What is imported is a module where that can be told: ``from gateway.store import Claim`` is ``gateway.store``,
    ``from gateway import settings`` is ``gateway.settings``.
    """
    tree = ast.parse(source)
    for_types = {
        id(node)
        for test in ast.walk(tree)
        if isinstance(test, ast.If) and ast.unparse(test.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")
        for statement in test.body
        for node in ast.walk(statement)
    }
    here = ["gateway"] if module == "gateway" else ["gateway", *module.split(".")]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, id(node) in for_types
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = node.level - 1 if package else node.level
                base = ".".join([*here[: len(here) - above], *([base] if base else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield node.lineno, full if full.removeprefix("gateway.") in MODULES else base, id(node) in for_types


def violations(source: str, module: str, *, package: bool = False) -> list[str]:
    row = row_of(module)
    if row is None:
        return [f"{module}: stands in no row of LAYERS"]
    found = []
    for line, name, for_types in imports(source, module, package=package):
        top, _, rest = name.partition(".")
        if top != "gateway":
            if top in WORLD and module not in AT_LOAD and any(fits(module, pure) for pure in PURE):
                found.append(f"{module}:{line}: is pure and imports {top}")
            continue
        target = rest or "gateway"
        if target in (module, "gateway") or (for_types and (module, target) in ONLY_FOR_TYPES):
            continue
        if not any(fits(target, allowed) for allowed in LAYERS[row]):
            found.append(f"{module}:{line}: imports {target}; allowed: {', '.join(LAYERS[row]) or 'nothing of ours'}")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_stands_below_it(module: str) -> None:
    path = MODULES[module]
    assert violations(path.read_text(encoding="utf-8"), module, package=path.name == "__init__.py") == []


def test_every_row_speaks_of_a_module_that_exists() -> None:
    assert [row for row in LAYERS if not any(fits(module, row) for module in MODULES)] == []


def test_only_what_wires_may_read_settings() -> None:
    readers = [row for row, allowed in LAYERS.items() if any(fits("settings", pattern) for pattern in allowed)]
    assert readers
    assert [row for row in readers if row not in WIRING] == []


@pytest.mark.parametrize(
    ("module", "source", "what"),
    [
        ("store.sqlite", "from gateway.intilery.client import Client", "store.sqlite:1: imports intilery.client"),
        ("store.sqlite", "import gateway.settings", "store.sqlite:1: imports settings"),
        ("inbound.receive", "from gateway.intilery import client", "inbound.receive:1: imports intilery.client"),
        ("delivery.dispatch", "def go():\n    from gateway.rules import load", "delivery.dispatch:2: imports rules"),
        ("delivery.dispatch", "from ..inbound.request import Request", "delivery.dispatch:1: imports inbound.request"),
        (
            "model",
            "if TYPE_CHECKING:\n    import gateway.store",
            "model:2: imports store",
        ),
        ("errors", "from gateway.rules.problems import Problem", "errors:1: imports rules.problems"),
        ("rules.translate", "from gateway import settings", "rules.translate:1: imports settings"),
        ("rules.translate", "import httpx", "rules.translate:1: is pure and imports httpx"),
        ("novelty", "", "novelty: stands in no row of LAYERS"),
        ("inbound.novelty", "", "inbound.novelty: stands in no row of LAYERS"),
    ],
)
def test_a_violation_is_found(module: str, source: str, what: str) -> None:
    [found] = violations(source, module)
    assert found.startswith(what)


def test_a_relative_import_of_a_package_starts_at_itself() -> None:
    [found] = violations("from ..settings import Settings", "store", package=True)
    assert found.startswith("store:1: imports settings")


def test_what_is_allowed_is_not_found() -> None:
    assert violations("from gateway.store import Claim\nfrom gateway.model import Command", "delivery.dispatch") == []
    assert violations("if TYPE_CHECKING:\n    from gateway.rules.problems import Problem", "errors") == []
