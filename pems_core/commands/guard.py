"""`pems guard`: give a house's devices back if its engine cannot."""

import asyncio
import logging
import os
import signal
from contextlib import suppress
from pathlib import Path

import click

from pems_core.runtime.guard_process import GuardProcess
from pems_core.runtime.state_folder import write_json

from .options import house_option
from .run import blueprint_of


@click.command()
@house_option
@click.option("--session", default="", hidden=True, help="Watch this engine only, and end with it.")
def guard(house: Path, session: str) -> None:
    """Watch the engine of a house from outside, and give its devices back if it dies or hangs.

    `pems run` starts one; under systemd it is a unit of its own, beside `pems run --no-guard`.
    """
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    blueprint = blueprint_of(house)
    blueprint.folder.make()
    with suppress(OSError):  # it guards on a full disk, too
        write_json(blueprint.folder.guard, {"pid": os.getpid(), "session": session})
    asyncio.run(_watch(GuardProcess(blueprint, session)))


async def _watch(process: GuardProcess) -> None:
    task = asyncio.ensure_future(process.run())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel)
    # A terminal that closes takes the engine with it, and then the guard is needed most.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        await task
    except asyncio.CancelledError:
        click.echo("ended")
