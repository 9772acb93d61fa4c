"""Options that several commands share."""

from pathlib import Path

import click

house_option = click.option(
    "--house",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("pems.toml"),
    show_default=True,
    help="The house file.",
)
"""`--house FILE`; whether the file is there is told by load_config, with all other faults."""
