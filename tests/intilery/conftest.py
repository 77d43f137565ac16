"""Which event loops the tests here run on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import pytest


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The client's tests run on both loops: the gateway serves on uvloop, whose sockets fail in words of their own."""
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"asyncio": asyncio.new_event_loop}
    if item.path.name == "test_client.py":
        try:
            import uvloop
        except ImportError:  # there is none for Windows
            return loops
        loops["uvloop"] = uvloop.new_event_loop
    return loops
