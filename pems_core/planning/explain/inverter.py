"""Reasons for what a hybrid inverter does: one for each run of steps that do the same."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pems_core.domain import HybridInverterSpec, Plan, Reason

from .battery import BUY, GRID, KEEP, SELL, SUN, BatteryBook, Use
from .prices import FLOWING_KW, Prices
from .store import MadeUp, Taken
from .words import Words, price

GRID_CHARGE, SUN_CHARGE, EXPORT, COVER, HOLD, REST = "grid charging", "storing", "export", "cover", "hold", "rest"
WORTH_TELLING_SHARE = 0.1
"""Of the energy of a run; smaller parts of where it goes are not told."""
HALF_A_CENT = 0.005
TOLD_KWH = 0.05
"""Less PV than this is not spoken of."""


@dataclass(frozen=True, slots=True)
class Run:
    mode: str
    action: str
    first: int
    last: int

    @property
    def steps(self) -> range:
        return range(self.first, self.last + 1)


def inverter_reasons(
    plan: Plan, device: str, spec: HybridInverterSpec, prices: Prices, words: Words
) -> dict[str, list[Reason]]:
    """Reasons by `<device>` (each run of its mode) and `<device>.grid_export`."""
    reasons = {f"{device}.grid_export": list(_feed_in(plan, device, prices, words))}
    if spec.battery is not None and device in plan.modes:
        book = BatteryBook(plan, prices.forecasts, device, spec, spec.battery)
        reasons[device] = [_reason(book, run, words) for run in mode_runs(book)]
    return {name: found for name, found in reasons.items() if found}


def mode_runs(book: BatteryBook) -> list[Run]:
    """Runs of equal mode that do the same with the battery; rest within a mode belongs to what it did before."""
    found: list[Run] = []
    for t, mode in enumerate(book.plan.modes[book.device]):
        action = _action(book, mode, t)
        before = found[-1] if found else None
        if before is not None and before.mode == mode and action in (before.action, REST):
            found[-1] = Run(mode, before.action, before.first, t)
        elif before is not None and before.mode == mode and before.action == REST:
            found[-1] = Run(mode, action, before.first, t)
        else:
            found.append(Run(mode, action, t, t))
    return found


def _action(book: BatteryBook, mode: str, t: int) -> str:
    """What is done with the battery, by the uses that have a price: flows too small for one are rest."""
    left, entered = list(book.leaving(t)), list(book.entering(t))
    if left and book.kw("discharge_kw", t) > book.kw("charge_kw", t):
        return EXPORT if any(use.kind == SELL for use in left) else COVER
    if entered:
        return GRID_CHARGE if book.kw("from_house_kw", t) > FLOWING_KW else SUN_CHARGE
    return HOLD if mode == "hold" else REST


def _reason(book: BatteryBook, run: Run, words: Words) -> Reason:
    tell = {GRID_CHARGE: _charging, SUN_CHARGE: _charging, EXPORT: _giving, COVER: _giving, HOLD: _holding}.get(
        run.action, _resting
    )
    text, saves = tell(book, run, words)
    return _timed(book.plan, text, saves, run.first, run.last)


def _timed(plan: Plan, text: str, saves: float | None, first: int, last: int) -> Reason:
    return Reason(text, saves, plan.horizon.starts[first], plan.horizon.ends[last])


def _charging(book: BatteryBook, run: Run, words: Words) -> tuple[str, float | None]:
    """Against never taking this energy in: the least valuable uses after it would be dropped."""
    uses = {t: list(book.entering(t)) for t in run.steps}
    paid = [use for step in uses.values() for use in step]
    without = book.with_less({t: sum(u.kwh for u in step) for t, step in uses.items() if step}, False)
    saves = without.cost - sum(use.value for use in paid)
    what = "grid charging" if run.action == GRID_CHARGE else "storing PV"
    text = f"{what} {_active(uses, words)} at {price(_mean_price(paid))}: "
    return f"{text}{_served(without, words)}, {_saved(saves, words)} after losses and wear", saves


def _giving(book: BatteryBook, run: Run, words: Words) -> tuple[str, float | None]:
    """Against keeping this energy for its best use after the run."""
    uses = {t: list(book.leaving(t)) for t in run.steps}
    if run.action == EXPORT:
        # What covers the house beside the export is not at stake.
        uses = {t: [use for use in step if use.kind == SELL] for t, step in uses.items()}
    earned = [use for step in uses.values() for use in step]
    kept = book.with_more({t: sum(u.kwh for u in step) for t, step in uses.items() if step})
    saves = sum(use.value for use in earned) + kept.cost
    ac_kwh = sum(use.kwh for use in earned) * book.battery.discharge_efficiency * book.inverter.inverting_efficiency
    what = "feeding in from the battery" if run.action == EXPORT else "covering the house from the battery"
    text = f"{what} {_active(uses, words)}, {ac_kwh:.1f} kWh at {price(_mean_price(earned))}"
    rather = _instead(kept, words)
    return f"{text}: {f'better than {rather}, ' if rather else ''}{_saved(saves, words)}", saves


def _holding(book: BatteryBook, run: Run, words: Words) -> tuple[str, float | None]:
    """Against self use: what it would cover now would be missing later."""
    text = f"hold {words.span(run.first, run.last)}"
    covered = book.would_cover(run.steps)
    if not covered:
        return _feeding_in(book, run, words)
    without = book.with_less({t: use.kwh for t, use in covered.items()}, True)
    saves = without.cost - sum(use.value for use in covered.values())
    text += f" at {price(_mean_price(covered.values()))}: {_served(without, words)}"
    return f"{text}, {_saved(saves, words)} after losses and wear", saves


def _feeding_in(book: BatteryBook, run: Run, words: Words) -> tuple[str, float | None]:
    """A hold with a surplus, against storing it as self use would."""
    text = f"hold {words.span(run.first, run.last)}"
    surplus = book.would_store(run.steps)
    if not surplus:
        return _keeping_room(book, run, words)
    stored = book.with_more({t: use.kwh for t, use in surplus.items()})
    saves = sum(use.value for use in surplus.values()) + stored.cost
    text += f": feeding PV in at {price(_mean_price(surplus.values()))} instead of storing it"
    rather = _instead(stored, words)
    return f"{text}{f' {rather}' if rather else ''}, {_saved(saves, words)}", saves


def _keeping_room(book: BatteryBook, run: Run, words: Words) -> tuple[str, float | None]:
    """A hold while PV is curtailed, against storing it as self use would."""
    text = f"hold {words.span(run.first, run.last)}"
    curtailed = book.would_store(run.steps, "curtailed_kw")
    if not curtailed:
        return f"{text}: the house takes what PV gives", None
    stored = book.with_more({t: use.kwh for t, use in curtailed.items()})
    rather = _instead(stored, words)
    text += ": room is kept and PV curtailed"
    return f"{text}{f' instead of {rather}' if rather else ''}, {_saved(stored.cost, words)}", stored.cost


def _resting(book: BatteryBook, run: Run, words: Words) -> tuple[str, float | None]:
    span = words.span(run.first, run.last)
    if book.above_floor_kwh[run.last] < 0.01 * book.battery.capacity_kwh:
        return f"{span}: the battery is at its reserve of {100 * book.battery.soc_min:.0f} %", None
    if book.below_ceiling_kwh[run.last] < 0.01 * book.battery.capacity_kwh:
        return f"{span}: the battery is full", None
    return f"{span}: the battery has nothing to do", None


def _feed_in(plan: Plan, device: str, prices: Prices, words: Words) -> Iterator[Reason]:
    """Feed-in switched off while it costs money, and PV that is fed in."""
    curtailed, exported = plan.dispatch.get(f"{device}.curtailed_kw"), plan.dispatch["grid.export_kw"]
    discharged = plan.dispatch.get(f"{device}.discharge_kw", (0.0,) * plan.horizon.steps)
    h = plan.horizon.step_h
    labels = []
    for t, sold_at in enumerate(prices.sold_at):
        if exported[t] > FLOWING_KW:
            labels.append("sun" if discharged[t] <= FLOWING_KW else "")
        else:
            labels.append("off" if sold_at < 0 else "limit" if curtailed and curtailed[t] > FLOWING_KW else "")
    edges = [0, *(t for t in range(1, len(labels)) if labels[t] != labels[t - 1]), len(labels)]
    for first, until in pairwise(edges):
        steps, label = range(first, until), labels[first]
        if not label:
            continue
        flow = exported if label == "sun" else curtailed or (0.0,) * plan.horizon.steps
        kwh = sum(flow[t] * h[t] for t in steps)
        if label != "off" and kwh < TOLD_KWH:
            continue
        worth = sum(flow[t] * h[t] * prices.sold_at[t] for t in steps)
        mean = worth / kwh if kwh else sum(prices.sold_at[t] for t in steps) / len(steps)
        text = {
            "sun": f"feeding PV in {words.span(first, until - 1)} at {price(mean)}: {kwh:.1f} kWh that nothing in the "
            f"house needs more, earns {words.money(worth)}",
            "off": f"export off {words.span(first, until - 1)}: feed-in costs {price(-mean)}, "
            + (f"{kwh:.1f} kWh of PV curtailed, {_saved(-worth, words)}" if kwh else "no surplus"),
            "limit": f"PV curtailed {words.span(first, until - 1)}: {kwh:.1f} kWh that nothing can take",
        }[label]
        yield _timed(plan, text, {"sun": worth, "off": -worth if kwh else None, "limit": None}[label], first, until - 1)


def _active(uses: Mapping[int, Sequence[Use]], words: Words) -> str:
    """The windows in which energy flows; the battery may rest in between."""
    return words.spans(t for t, step in uses.items() if step)


def _saved(amount: float, words: Words) -> str:
    if abs(amount) < HALF_A_CENT:
        return f"saves less than {words.money(2 * HALF_A_CENT)}"
    return f"saves {words.money(amount)}" if amount > 0 else f"costs {words.money(-amount)}"


def _mean_price(uses: Iterable[Use]) -> float:
    listed = list(uses)
    return sum(use.price_per_kwh * use.kwh for use in listed) / sum(use.kwh for use in listed)


def _served(without: MadeUp, words: Words) -> str:
    """What would be lost without the energy."""
    say = {
        BUY: "avoids {price} at {when}",
        SELL: "sells at {price} at {when}",
        GRID: "spares recharging at {price} at {when}",
        SUN: "so that PV worth {price} at {when} can be fed in",
        KEEP: "keeps {kwh:.1f} kWh for later at {price}",
    }
    return _told(without.taken, say, words) or "serves the house soon after"


def _instead(kept: MadeUp, words: Words) -> str:
    """What the energy would be used for if it stayed in the battery."""
    say = {
        BUY: "avoiding {price} at {when}",
        SELL: "feeding in at {price} at {when}",
        GRID: "buying less at {price} at {when}",
        SUN: "storing less PV worth {price} at {when}",
        KEEP: "keeping {kwh:.1f} kWh for later at {price}",
    }
    return _told(kept.taken, say, words)


def _told(taken: Sequence[Taken], say: dict[str, str], words: Words) -> str:
    """The kinds that make up most of the energy, most first."""
    by_kind: dict[str, list[Taken]] = {}
    for one in taken:
        by_kind.setdefault(one.option.kind, []).append(one)
    amounts = {kind: sum(one.kwh for one in found) for kind, found in by_kind.items()}
    total_kwh = sum(amounts.values())
    phrases = []
    for kind in sorted(by_kind, key=lambda kind: -amounts[kind])[:2]:
        if amounts[kind] < WORTH_TELLING_SHARE * total_kwh:
            continue
        mean = sum(one.option.price_per_kwh * one.kwh for one in by_kind[kind]) / amounts[kind]
        when = words.spans(one.option.t for one in by_kind[kind])
        phrases.append(say[kind].format(price=price(mean), when=when, kwh=amounts[kind]))
    return " and ".join(phrases)
