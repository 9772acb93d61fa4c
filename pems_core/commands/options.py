"""Options that several commands share."""

from collections.abc import Iterator
from math import isnan
from pathlib import Path
from typing import Any

import click

from pems_core.domain import ConfigError


class Share(click.FloatRange):
    """0 to 1. A plain range lets "nan" through, which is neither below nor above its ends."""

    def __init__(self) -> None:
        super().__init__(0, 1)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        found = float(super().convert(value, param, ctx))
        if isnan(found):
            self.fail(f"{found} is not in the range 0<=x<=1.", param, ctx)
        return found


HOUSE_HELP = "The house file. [pems.toml of this folder, else the example house]"
SEED = click.IntRange(0, 2**32 - 1)
"""What the random streams of generated series take."""

house_option = click.option(
    "--house",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("pems.toml"),
    show_default=True,
    help="The house file.",
)
"""`--house FILE`; whether the file is there is told by load_config, with all other faults."""

as_in_file_option = click.option(
    "--as-in-file", is_flag=True, help="Take rooms and battery as the house file has them, not as they were identified."
)


def require_writable(**files: Path | None) -> None:
    """Find out before the work is done whether its results can be written.

    :param files: by the name of their option, without dashes.
    :raises ConfigError: with one line for each file that cannot be written.
    """
    faults = [f"--{name}: {fault}" for name, path in files.items() if path is not None for fault in _unwritable(path)]
    if faults:
        raise ConfigError(faults)


def _unwritable(path: Path) -> Iterator[str]:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists()
        with path.open("ab"):
            pass
        if is_new:
            path.unlink()
    except OSError as error:
        yield f"found {str(path)!r}, {error.strerror}; allowed: a file that can be written"
