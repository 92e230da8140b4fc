"""`python -m loopctl.catcher --host H --http-port P --smtp-port Q --data DIR`: runs until SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from loopctl.catcher import api, hubspot, mail, pages, slack
from loopctl.catcher.faults import Faults
from loopctl.catcher.parts import Parts
from loopctl.catcher.press import Presser
from loopctl.catcher.store import Store
from loopctl.paths import SIGNING_SECRET

LOCAL_SIGNING_SECRET = "local-slack-signing-secret"  # noqa: S105  (notify refuses it in production)
INTERACTIONS = "/v1/slack/interactions"
NOTIFY_BELOW = 5
"""The catcher's port less this is notify's (BASE + 10 and BASE + 5)."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m loopctl.catcher", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--http-port", type=int, default=8110)
    parser.add_argument("--smtp-port", type=int, default=8125)
    parser.add_argument("--data", type=Path, default=Path(".loop/catcher"))
    parser.add_argument("--interactions-url", default="", help="where pressed Slack buttons are sent")
    return parser.parse_args()


def build(parts: Parts) -> FastAPI:
    """The catcher's HTTP side."""
    app = FastAPI(title="The catcher", description="What people would have received.", version="1")
    app.state.parts = parts
    app.state.slack = slack.SlackApi(parts.store)
    for router in (api.router, slack.router, hubspot.router, pages.router):
        app.include_router(router)
    return app


async def serve(options: argparse.Namespace) -> None:
    store, faults = Store(options.data), Faults()
    default_url = f"http://{options.host}:{options.http_port - NOTIFY_BELOW}{INTERACTIONS}"
    presser = Presser(
        store, options.interactions_url or default_url, os.environ.get(SIGNING_SECRET) or LOCAL_SIGNING_SECRET
    )
    smtp = await mail.serve(store, faults, options.host, options.smtp_port)
    config = uvicorn.Config(
        build(Parts(store, faults, presser)),
        host=options.host,
        port=options.http_port,
        log_level="warning",
        timeout_graceful_shutdown=2,
    )
    try:
        await uvicorn.Server(config).serve()
    finally:
        smtp.close()
        store.close()


def main() -> None:
    options = arguments()
    try:
        asyncio.run(serve(options))
    except OSError as error:
        sys.exit(
            f"the catcher cannot listen on {options.host}, ports {options.http_port} and {options.smtp_port}: {error}"
        )


if __name__ == "__main__":
    main()
