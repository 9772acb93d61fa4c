"""The `pems` command; each subcommand is a module of `pems_core.commands`."""

from typing import Any

import click

from .commands.check import check
from .commands.demo import demo
from .commands.guard import guard
from .commands.override import override
from .commands.plan import plan
from .commands.plugins import plugins
from .commands.release import release
from .commands.run import run
from .commands.simulate import simulate
from .commands.stage import stage
from .commands.stop import stop
from .domain import BadSeries, ConfigError, PemsError

WRONG_INPUT = 2
FAILED = 1


class Commands(click.Group):
    """Tells what PEMS knows to be wrong in one line a fault, without a traceback unless `--debug` is given."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PemsError as error:
            if ctx.params["debug"]:
                raise
            click.echo(str(error), err=True)
            ctx.exit(WRONG_INPUT if isinstance(error, ConfigError | BadSeries) else FAILED)


@click.group(cls=Commands)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(package_name="pems", message="%(prog)s %(version)s")
def pems(debug: bool) -> None:
    """Plan and run the energy of one house."""


for command in (check, demo, guard, override, plan, plugins, release, run, simulate, stage, stop):
    pems.add_command(command)


def main() -> None:
    pems(prog_name="pems")


if __name__ == "__main__":
    main()
