"""The `pems` command; each subcommand is a module of `pems_core.commands`."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from time import perf_counter
from typing import Any

import click

from .domain import BadSeries, ConfigError, PemsError

WRONG_INPUT = 2
FAILED = 1


COMMANDS = {
    "check": "Check a house file, or with --connect the house itself, without a write.",
    "demo": "Run the example house live: no configuration, no hardware.",
    "explain": "Say why the house did something, and what something else would have cost.",
    "forecast": "Show what is expected, by whom and how sure; or how good it was.",
    "guard": "Watch an engine from outside, and give its devices back if it dies or hangs.",
    "history": "Show what is known of the past, and take more from a database.",
    "models": "Show what was learned and which version is in use, and choose another.",
    "nodered": "Run Node-RED in front of PEMS: flows, pages, manual overrides.",
    "override": "Set a control by hand for some time, whatever the plan says.",
    "plan": "Make one plan and say why it does what it does.",
    "plugins": "List the plugins, what they give, and what is wrong with them.",
    "release": "Give devices back to their own control and only observe them.",
    "replay": "Plan a recorded cycle again, and compare it to the last bit.",
    "report": "Look back on a day, week or month: money, comfort, plans and reality.",
    "run": "Run a house live, until Ctrl-C or SIGTERM; then give its devices back.",
    "simulate": "Let a strategy run a simulated house, and say what it saved.",
    "stage": "Show or set how far each device is trusted.",
    "stop": "Give all devices back at once, and command nothing until a reset.",
    "train": "Learn models anew from what the house has measured.",
}
"""What `pems --help` says of each; it is a module of `pems_core.commands` with a command of the same name."""


class OnDemand(Mapping[str, click.Command]):
    """The commands by name; each is imported when it is asked for.

    Who says `pems stop` shall not wait for what draws pictures.
    """

    def __getitem__(self, name: str) -> click.Command:
        if name not in COMMANDS:
            raise KeyError(name)
        command: click.Command = vars(import_module(f"{__package__}.commands.{name}"))[name]
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(COMMANDS)

    def __len__(self) -> int:
        return len(COMMANDS)


class Commands(click.Group):
    """Tells what PEMS knows to be wrong in one line a fault, without a traceback unless `--debug` is given."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = OnDemand()  # type: ignore[assignment]  # nobody adds to them

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        ctx.meta["pems_core.cli.asked_s"] = perf_counter()
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


def main() -> None:
    pems(prog_name="pems")


if __name__ == "__main__":
    main()
