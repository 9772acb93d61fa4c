"""`pems replay`: plan a recorded cycle again."""

from pathlib import Path

import click

from pems_core.domain import PemsError
from pems_core.hindsight.replay import Replayed, house_of
from pems_core.hindsight.replay import replay as plan_again

from .ledger_options import cycle_named, ledger_options, opened

SHOWN = 5
"""Differences of a plan that are told."""


class NotTheSame(PemsError):
    """A plan came out otherwise, though nothing speaks for it."""


@click.command()
@ledger_options
@click.argument("cycle")
@click.option("--count", type=click.IntRange(1), default=1, show_default=True, help="So many cycles from there on.")
def replay(house: Path | None, ledger: Path | None, cycle: str, count: int) -> None:
    """Plan CYCLE again from what was known then: its number, or a time at which its plan was in force.

    Says whether the plan is the same to the last bit, and if not, where it differs.
    """
    built, kept = opened(house, ledger)
    wrong = 0
    with kept:
        first = cycle_named(cycle, kept, built)
        for number in range(first, first + count):
            recorded = kept.cycle(number)
            done = plan_again(recorded, house_of(recorded, built))
            tell(done, f"{recorded.state.now:%Y-%m-%d %H:%M}Z, {recorded.plan.rung}")
            wrong += not done.same and not done.note
    if wrong:
        raise NotTheSame(f"{wrong} of {count} plans are not the same")


def tell(done: Replayed, when: str) -> None:
    verdict = "the same to the last bit" if done.same else f"{len(done.differences)} values differ"
    click.echo(f"cycle {done.number} of {when}: {verdict}" + (f" ({done.note})" if done.note else ""))
    for difference in done.differences[:SHOWN]:
        click.echo(f"  {difference}")
