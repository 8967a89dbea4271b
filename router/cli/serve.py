"""fallback-lab serve: the endpoint alone, without pages."""

from __future__ import annotations

import os
from pathlib import Path

import click

from router.config.loading import load_config
from router.config.origins import is_loopback


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8502, show_default=True, type=click.IntRange(1, 65_535), help="The port.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64), help="Processes that share it.")
@click.pass_obj
def serve(config_path: Path, host: str, port: int, workers: int) -> None:
    """Serve the chains over HTTP: POST /v1/chat/completions, /v1/messages, /v1/responses; GET /v1/models, /metrics.

    Beyond this machine only with keys for its callers (`server: {keys: …}` in models.yaml).
    """
    from router.server.serve import listening_on  # noqa: PLC0415  # a server's libraries, for this command alone
    from router.server.serve import serve as serve_until_stopped  # noqa: PLC0415  # the same

    config = load_config(config_path)
    if not is_loopback(host) and not config.server.keys:
        raise click.UsageError(
            f"{host} can be reached from other machines, and anyone there could spend your keys. Name keys for"
            f" callers in {config_path} first (`server: {{keys: …}}`): docs/endpoint.md."
        )
    try:
        listening = listening_on(host, port)
    except OSError as error:
        raise click.UsageError(
            f"Cannot listen on {host}:{port}: {error.strerror}. Choose another address or port."
        ) from None
    os.environ["FALLBACK_LAB_CONFIG"] = str(config_path.absolute())
    where = f"[{host}]" if ":" in host else host
    click.echo(f"Serving {config_path} at http://{where}:{port}/v1. Ctrl+C ends it.", err=True)
    serve_until_stopped(listening, workers)
