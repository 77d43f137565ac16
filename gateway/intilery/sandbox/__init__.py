"""A stand-in for Intilery's tracking API: the documented addresses, validation, limits, delays and errors, and faults.

Tests, the demo and benchmarks deliver to it; nothing that it accepts goes anywhere. :func:`create_sandbox` gives the
application, its ``state.sandbox`` the :class:`Sandbox` behind it: what was accepted, and the switch for faults.

Where the documentation is silent, or its pages disagree, the sandbox decides:

- A command for a customer who was never identified (or less than ``identify_delay`` ago) is accepted with a ``200``, as
  commands are only queued, and recorded as not reached, with the reason. ``strict_identify`` makes it a ``400``.
- No token, or one that nobody has: ``401``. A token of another account: ``403``. A client or account that is not lower
  case, a brand that is not upper case, an account that is not among ``accounts``: ``404``.
- The limit counts reads and posts of one address (client, account, brand) together.
- Commands in a batch are refused. A batch is accepted or refused whole; its ``eventId`` is that of its first call.
- A successful read answers ``{"data": [event, …]}``; an event is shown by ``calls.shown``.
- A profile exists from the first identify. Events of an unknown profile are ``404 not_found``.
"""

from __future__ import annotations

from gateway.intilery.sandbox.app import create_sandbox
from gateway.intilery.sandbox.calls import Call
from gateway.intilery.sandbox.faults import Faults
from gateway.intilery.sandbox.state import Sandbox

__all__ = ["Call", "Faults", "Sandbox", "create_sandbox"]
