"""Asking a destination whether its address and its token are good, because a person wants to know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gateway.errors import DeliveryError, SettingsError
from gateway.intilery.client import Client
from gateway.intilery.contract import Destination

View = dict[str, Any]


async def probe(
    client: Client, destination: Destination | None, name: str, credential: Callable[[str], str | None]
) -> DeliveryError | None:
    """Read one event of the account: None where that works.

    :raises SettingsError: there is no such destination, or it has no token.
    """
    if destination is None:
        raise SettingsError(f"destination {name}: the rules name no such destination")
    token = credential(destination.auth_token)
    if not token:
        raise SettingsError(f"destination {name}: {destination.auth_token} is not set")
    try:
        await client.probe(destination, token=token)
    except DeliveryError as error:
        return error
    return None


def probed(name: str, failure: DeliveryError | None) -> View:
    """``{"name", "passed", "status"?, "message"?}``."""
    view: View = {"name": name, "passed": failure is None}
    if failure is not None:
        view |= {"message": failure.message} | ({} if failure.status is None else {"status": failure.status})
    return view
