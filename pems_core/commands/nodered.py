"""`pems nodered`: Node-RED in front of PEMS."""

import asyncio
import os
import signal
from pathlib import Path

import click

from pems_core.config import EMBEDDED, ConfigError, MqttSection, SiteSection, StateSection, load_section
from pems_core.nodered import NodeRed, install, program
from pems_core.nodered.installed import NotInstalled

from .options import house_option


@click.command()
@house_option
@click.option("--port", type=click.IntRange(1, 65535), default=1880, show_default=True, help="Port of the pages.")
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
def nodered(house: Path, port: int, host: str) -> None:
    """Run Node-RED in front of PEMS, until Ctrl-C: flows, pages, manual overrides.

    It is installed first if it is not there yet. Its flows are copied to the state folder of the house, where they are
    the operator's own. Passwords come from the environment; see docs/node-red.md.
    """
    mqtt = load_section(house, "mqtt", MqttSection, os.environ)
    if mqtt.url == EMBEDDED:
        raise ConfigError([f'mqtt.url: found "{EMBEDDED}"; allowed for Node-RED: the address of a broker'])
    state = load_section(house, "state", StateSection, os.environ)
    site = load_section(house, "site", SiteSection, os.environ)
    try:
        program()
    except NotInstalled:
        click.echo("Installing Node-RED; this takes a minute.")
        install()
    secrets = {} if mqtt.password is None else {"PEMS_MQTT_PASSWORD": mqtt.password.get_secret_value()}
    front = NodeRed(
        mqtt.url,
        site.name,
        state.path(house.parent) / "node-red",
        prefix=mqtt.prefix,
        port=port,
        host=host,
        environ={**({"PEMS_MQTT_USER": mqtt.user} if mqtt.user else {}), **secrets},
    )
    code = asyncio.run(_serve(front))
    if code:
        raise click.ClickException(f"Node-RED ended with {code}; see {front.log}")


async def _serve(front: NodeRed) -> int:
    """Serve until a signal comes, or Node-RED ends by itself; with what code then."""
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    async with front.serving():
        click.echo(f"Pages: {front.pages}")
        click.echo(f"Log:   {front.log}")
        ended, told = asyncio.create_task(front.ended()), asyncio.create_task(asked.wait())
        await asyncio.wait([ended, told], return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        return ended.result() if ended.done() else 0
