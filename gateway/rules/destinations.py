"""The destinations file: the accounts and brands that commands may go to. It is what makes staging or production.

destinations:
  uk:
    client_id: acme
    account_id: acmeuk
    auth_token: $env.INTILERY_UK_TOKEN
    assets: {order-confirmation: 202601-UK-ORDER}
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal

from gateway.intilery import contract
from gateway.intilery.contract import Destination
from gateway.rules.keys import check_keys
from gateway.rules.nodes import Node, YAMLFile

FILE = "destinations.yaml"
MISNAMED = ("destination.yaml", "destinations.yml", "destination.yml")
"""What the file is called by mistake."""
TOKEN = "INTILERY_AUTH_TOKEN"  # noqa: S105 - the credential's name, not a token
KEYS: Mapping[str, str] = {
    "client_id": "the label before intilery.com in the login URL",
    "account_id": "the label before client_id in the login URL; client_id unless given",
    "brand_id": "account_id in upper case, unless several brands are configured",
    "auth_token": "the account's or brand's token: $env.NAME",
    "url": "another address than INTILERY_URL, such as a sandbox",
    "rate": "requests a second; 100 unless given",
    "burst": "requests at once; 500 unless given",
    "assets": "names that rules use, to the asset codes of this account",
    "journeys": "names that rules use, to the journey ids of this account",
    "test_user": "a customer's id: every command goes to this one instead, and no identify is sent",
    "allow": "a list of customers' ids: only these are sent to, and the rest is recorded as suppressed",
}
_ENVIRONMENT = re.compile(r"\$env\.([A-Za-z_][A-Za-z0-9_]*)\Z")
_LABEL = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")
_ADDRESS = re.compile(r"([a-z0-9-]+)\.intilery\.com")
_NAME = re.compile(r"[A-Za-z0-9][\w-]{0,63}\Z")


def default_destination(environ: Mapping[str, str]) -> Destination | None:
    """The destination named ``default``, from the ``INTILERY_*`` settings, or None where no client id is set."""
    client = environ.get("INTILERY_CLIENT_ID", "").strip().lower()
    if not client:
        return None
    account = environ.get("INTILERY_ACCOUNT_ID", "").strip().lower() or client
    return Destination(
        name="default",
        client_id=client,
        account_id=account,
        brand_id=environ.get("INTILERY_BRAND_ID", "").strip() or account.upper(),
        auth_token=TOKEN,
        url=_url(environ),
        rate=_number(environ.get("INTILERY_RATE"), 100.0),
        burst=int(_number(environ.get("INTILERY_BURST"), 500)),
    )


UNCONFIGURED = Destination(
    name="default",
    client_id="",
    account_id="",
    brand_id="",
    auth_token=TOKEN,
    disabled="INTILERY_CLIENT_ID is not set",
)
"""Stands for the destination of rules that name none while nothing is configured: they load, and commands wait."""


def _url(environ: Mapping[str, str]) -> str:
    return environ.get("INTILERY_URL", "").strip() or "https://tracking.intilery.com"


def _number(text: str | None, default: float) -> float:
    # Settings are checked where they are read; here a bad one only must not break a rules check.
    try:
        return float(text) if text else default
    except ValueError:
        return default


def read_destinations(yaml: YAMLFile, environ: Mapping[str, str]) -> dict[str, Destination]:
    """The destinations of a file by name, after noting every problem in ``yaml``."""
    found: dict[str, Destination] = {}
    root = yaml.root
    if root is None or root.kind != "map":
        if not yaml.problems:
            yaml.problem_at(1, 1, "a destinations file is a mapping with destinations: at the top")
        return found
    top = check_keys(root, ("destinations",), "a destinations file", yaml.problem)
    if "destinations" not in top:
        if not yaml.problems:
            yaml.problem(root, "a destinations file is a mapping with destinations: at the top")
        return found
    _, named = top["destinations"]
    if named.kind != "map":
        yaml.problem(named, f"destinations takes a mapping of names to destinations; found {named.describe()}")
        return found
    for key, node in named.entries:
        if not _NAME.match(key.text):
            yaml.problem(key, f"a destination's name is letters, digits, - and _, at most 64; found {key.describe()}")
        elif key.text in KEYS and any(other.text not in KEYS for other, _ in named.entries):
            yaml.problem(key, f"'{key.text}' stands beside the destinations; indent it under one of them")
        elif node.kind != "map":
            yaml.problem(node, f"a destination is a mapping with client_id and auth_token; found {node.describe()}")
        else:
            found[key.text] = _destination(yaml, key, node, environ)
    return found


def _destination(yaml: YAMLFile, key: Node, node: Node, environ: Mapping[str, str]) -> Destination:
    keys = check_keys(node, KEYS, "a destination", yaml.problem)
    for needed in ("client_id", "auth_token"):
        if needed not in keys and not node.partial:
            yaml.problem(key, f"the destination '{key.text}' has no {needed}: {KEYS[needed]}")

    def text(name: str, default: str) -> str:
        if name not in keys:
            return default
        value = keys[name][1]
        if value.kind != "scalar" or not value.text:
            yaml.problem(value, f"{name} takes text; found {value.describe()}")
            return default
        return value.text

    for name in ("client_id", "account_id"):
        label = keys[name][1] if name in keys else None
        if label is not None and label.kind == "scalar" and label.text and not _LABEL.match(label.text):
            address = _ADDRESS.search(label.text.lower())
            meant = address[1] if address else label.text.lower()
            hint = f"; did you mean '{meant}'?" if _LABEL.match(meant) else ""
            shape = f"{name} is one label of the login URL: lower-case letters, digits and -"
            yaml.problem(label, f"{shape}; found {label.describe()}{hint}")
    client = text("client_id", "")
    account = text("account_id", client)
    token = text("auth_token", "$env.UNSET")
    credential = _ENVIRONMENT.match(token)
    if credential is None and "auth_token" in keys:
        yaml.problem(
            keys["auth_token"][1],
            "auth_token is never written in a file; it takes $env.NAME, such as $env.INTILERY_UK_TOKEN",
        )
    test_user, allow = _test_user(yaml, keys), _allow(yaml, keys)
    if test_user is not None and allow is not None and test_user not in allow:
        yaml.problem(keys["allow"][1], f"test_user '{test_user}' is not in allow, so that nothing is sent; add it")
    return Destination(
        name=key.text,
        test_user=test_user,
        allow=allow,
        client_id=client,
        account_id=account,
        brand_id=text("brand_id", account.upper()),
        auth_token=credential[1] if credential else "UNSET",
        url=text("url", _url(environ)),
        rate=float(_positive(yaml, keys, "rate", 100)),
        burst=int(_positive(yaml, keys, "burst", 500)),
        assets=_codes(yaml, keys, "assets"),
        journeys=_codes(yaml, keys, "journeys"),
    )


def _positive(yaml: YAMLFile, keys: Mapping[str, tuple[Node, Node]], name: str, default: int) -> int | Decimal:
    if name not in keys:
        return default
    node = keys[name][1]
    if isinstance(node.value, bool) or not isinstance(node.value, int | Decimal) or node.value <= 0:
        yaml.problem(node, f"{name} takes a number above 0; found {node.describe()}")
        return default
    return node.value


def _test_user(yaml: YAMLFile, keys: Mapping[str, tuple[Node, Node]]) -> str | None:
    node = keys["test_user"][1] if "test_user" in keys else None
    return None if node is None or _is_null(node) else _customer(yaml, node, "test_user")


def _allow(yaml: YAMLFile, keys: Mapping[str, tuple[Node, Node]]) -> frozenset[str] | None:
    node = keys["allow"][1] if "allow" in keys else None
    if node is None or _is_null(node):
        return None
    if node.kind != "list":
        yaml.problem(node, f"allow takes a list of customers' ids; found {node.describe()}")
        return frozenset()
    found = (_customer(yaml, item, "allow") for item in node.items)
    return frozenset(id for id in found if id is not None)


def _is_null(node: Node) -> bool:
    return node.kind == "scalar" and node.value is None


def _customer(yaml: YAMLFile, node: Node, key: str) -> str | None:
    """A customer's id as it is written: ``0815`` keeps its zero."""
    if node.kind != "scalar" or contract.user_id(node.text) is None:
        yaml.problem(node, f"{key} takes a customer's id; found {node.describe()}")
        return None
    return node.text


def _codes(yaml: YAMLFile, keys: Mapping[str, tuple[Node, Node]], name: str) -> dict[str, str]:
    if name not in keys:
        return {}
    node = keys[name][1]
    if node.kind == "scalar" and node.value is None:
        return {}
    if node.kind != "map":
        yaml.problem(node, f"{name} takes a mapping of names to codes; found {node.describe()}")
        return {}
    codes: dict[str, str] = {}
    for key, value in node.entries:
        if value.kind != "scalar" or not value.text:
            yaml.problem(value, f"{name}: '{key.text}' takes a code; found {value.describe()}")
        else:
            codes[key.text] = value.text
    return codes
