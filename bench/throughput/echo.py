"""The yardstick: a bare Starlette application that reads a body and answers JSON, on the same uvicorn."""

from __future__ import annotations

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route


async def echo(request: Request) -> JSONResponse:
    """Answer how many bytes came."""
    body = await request.body()
    return JSONResponse({"bytes": len(body)})


app = Starlette(routes=[Route("/{rest:path}", echo, methods=["GET", "POST"])])

if __name__ == "__main__":
    uvicorn.run(
        app,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="error",
    )
