"""``gateway sandbox``: the stand-in Intilery server, alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from gateway.cli.output import json_option, print_line


@click.command(short_help="A stand-in for Intilery, alone.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=9090, show_default=True, type=click.IntRange(0, 65535), help="Port; 0: any free one.")
@click.option("--rate", default=100.0, show_default=True, help="Requests a second of one address; 0: no limit.")
@click.option("--burst", default=500, show_default=True, type=click.IntRange(1), help="Requests at once.")
@click.option("--token", default="sandbox", show_default=True, help="The auth-token that it takes.")
@click.option("--strict-identify", is_flag=True, help="Refuse commands for customers who were never identified.")
@click.option("--identify-delay", default=0.5, show_default=True, help="Seconds until an identify is known.")
@click.option("--faults", metavar="JSON", help="What goes wrong from the start; see below.")
@json_option
def sandbox(
    host: str,
    port: int,
    rate: float,
    burst: int,
    token: str,
    strict_identify: bool,
    identify_delay: float,
    faults: str | None,
    as_json: bool,
) -> None:
    """A stand-in for Intilery: the same limits, validation and errors; nothing that it accepts goes anywhere.

    Point a gateway at it with INTILERY_URL. What it accepted is at /_sandbox/calls.

    Faults are a JSON object, here or as POST /_sandbox/faults: delay (seconds), unauthorised, refuse_users (a list),
    drop, answer_status (300 to 599), retry_after, success_false, accept_then_drop; with probability (0 to 1) and next,
    how many calls are met. The operating guide has each. {} ends them.

    \b
    Examples:
      gateway sandbox --port 9090 --rate 20 --burst 40
      gateway sandbox --faults '{"answer_status": 503, "probability": 0.2}'
    """
    import msgspec

    from gateway.cli.server import bind, run
    from gateway.intilery.sandbox import Faults, create_sandbox

    try:
        asked = msgspec.json.decode(faults, type=Faults) if faults else None
    except msgspec.DecodeError as error:
        allowed = ", ".join(Faults.__struct_fields__)
        raise click.BadParameter(f"{error}; allowed: an object of {allowed}", param_hint="--faults") from error
    app = create_sandbox(
        rate=rate or None,
        burst=burst,
        token=token,
        identify_delay=identify_delay,
        strict_identify=strict_identify,
        faults=asked,
    )
    raise SystemExit(run(_serve(app, bind(host, port), token=token, as_json=as_json)))


async def _serve(app: Any, bound: Any, *, token: str, as_json: bool) -> int:
    from gateway.cli.server import address_of, serving, stop_signals

    with stop_signals() as stopped:
        async with serving(app, bound, grace=timedelta(seconds=1)):
            address = address_of(bound)
            if as_json:
                print_line({"address": address, "token": token})
            else:
                click.echo(f"sandbox at {click.style(address, bold=True)}")
                click.echo(f"  a gateway sends here with INTILERY_URL={address} INTILERY_AUTH_TOKEN={token}")
                click.echo(f"  what it accepted: {address}/_sandbox/calls")
            await stopped.wait()
    return 0
