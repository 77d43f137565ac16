"""Fuzzing by coverage, with atheris: ``python -m tests.fuzz body|proof|wire [options of libFuzzer]``. See README.md."""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

import atheris


def main() -> None:
    """Fuzz one property until told to stop."""
    if len(sys.argv) < 2 or sys.argv[1] not in ("body", "proof", "wire"):
        sys.exit("usage: python -m tests.fuzz body|proof|wire [-max_total_time=60] [-max_len=4096] [corpus folder]")
    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=["gateway"]):
        from tests.fuzz import properties, seeds
    logging.disable(logging.CRITICAL)
    if not [word for word in sys.argv[1:] if not word.startswith("-")]:
        sys.argv.append(_corpus({"body": seeds.bodies, "proof": seeds.proofs, "wire": seeds.wires}[name]()))
    if name == "wire":
        _wire()
    else:
        atheris.Setup(sys.argv, properties.a_body if name == "body" else properties.a_proof)
        atheris.Fuzz()


def _corpus(seeds: Iterable[bytes]) -> str:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    for number, seed in enumerate(seeds):
        (folder / f"seed-{number:03}").write_bytes(seed)
    return str(folder)


def _wire() -> None:
    from tests import shop
    from tests.fuzz.properties import on_the_wire, statuses

    folder = Path(tempfile.mkdtemp())
    open_source = "source: open\nverify: none\nchallenge: [meta, slack, aws_sns, zoom, cloudevents]\n"
    shop.write_rules(
        folder / "rules",
        rules={"open.yaml": open_source, "shop.yaml": shop.RULES, "destinations.yaml": shop.DESTINATIONS},
    )
    app = shop.shop_app(folder, GATEWAY_ROLE="receive", META_VERIFY_TOKEN="m", ZOOM_SECRET="z")
    with asyncio.Runner() as runner:
        lifespan = app.router.lifespan_context(app)
        runner.run(lifespan.__aenter__())
        run = on_the_wire(app)

        def one(data: bytes) -> None:
            found = statuses(runner.run(run(data)))
            assert all(status < 500 for status in found), found

        atheris.Setup(sys.argv, one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
