"""The contracts between the core and its plugins."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol, runtime_checkable

from .domain import (
    Alert,
    Command,
    Control,
    Decision,
    Equipment,
    Executed,
    Forecast,
    Forecasts,
    History,
    Horizon,
    Learned,
    Plan,
    Reading,
    Readings,
    Receipt,
    SiteState,
    SourceKind,
    Step,
    Value,
    Vintage,
)
from .planning.model import DispatchModel
from .transport.lines import Lines


@runtime_checkable
class ModelPart(Protocol):
    """Something that has a say in the dispatch model."""

    def add_to_model(self, model: DispatchModel, state: SiteState, forecasts: Forecasts) -> None:
        """Add flows [kW], limits and costs [currency] to the model."""


@runtime_checkable
class Device(ModelPart, Protocol):
    """Something in the house that is measured and can be told what to do.

    A device does no input or output: readings in, values out.
    """

    @property
    def name(self) -> str: ...

    @property
    def balances(self) -> bool:
        """True for a device that sees the rest of the house's load and balances it, as a hybrid inverter does."""

    @property
    def equipment(self) -> Equipment:
        """What it is in physical terms; the simulated house is built from it."""

    def controls(self) -> Sequence[Control]:
        """The catalogue of what it can be told."""

    def state(self, readings: Readings, before: object | None = None) -> object:
        """Its state now.

        :param before: its state in the last cycle, for what must be estimated over time.
        :raises StaleReading: if a reading without which it cannot be planned is not fresh.
        """

    def settings(self, plan: Plan, t: int) -> Mapping[str, Value]:
        """The value of each control that brings step `t` of the plan about."""

    def encode(
        self, settings: Mapping[str, Value], valid_from: datetime, valid_until: datetime, state: SiteState
    ) -> Sequence[Command]:
        """The messages that bring settings (by control) about, in the order in which to send them, and at once.

        All controls of a device come together, because devices take them together: an inverter's power rate goes
        to the registers of the mode that it is for, and before it. A control that is left out goes to the
        device's own default, as in `execute`, so that what was checked is what is sent. The same arguments give
        the same messages with the same ids.

        :param valid_from: since when the settings hold.
        :param valid_until: when they end; no message is to be sent after it, and what the device can end by
            itself ends then.
        :param state: of the house, with `now`.
        :raises BadSetting: if a control is unknown or a value is not allowed; one line a fault.
        """

    def release(self) -> Sequence[Command]:
        """The messages that give the device back to its own control; empty only if it has no controls."""

    def execute(self, settings: Mapping[str, Value], state: object, step: Step) -> Executed:
        """What it will really do in one step with these settings (by control), from this state."""


@runtime_checkable
class Identifiable(Protocol):
    """A device whose physical numbers may turn out to be others than the house file says."""

    def equip(self, equipment: Equipment) -> None:
        """Estimate, plan and execute with these numbers from now on; names, powers and limits are as they were."""


@runtime_checkable
class Strategy(Protocol):
    """What a household wants. It adds costs and limits to the model..."""

    @property
    def name(self) -> str: ...

    def add_to_model(self, model: DispatchModel, state: SiteState, forecasts: Forecasts) -> None:
        """Add this aim's costs [currency] and limits to the model."""


@runtime_checkable
class RuleBased(Protocol):
    """...or decides without a solver: a baseline, and the fallback when no plan can be made."""

    @property
    def name(self) -> str: ...

    def decide(self, devices: Sequence[Device], state: SiteState, forecasts: Forecasts, t: int) -> Sequence[Decision]:
        """What to tell the devices in step `t` of the horizon, at whose start the house is in `state`."""


class Forecaster(Protocol):
    """Something that predicts one or more series."""

    @property
    def name(self) -> str: ...

    @property
    def series(self) -> Sequence[str]:
        """The names of the series it gives."""

    async def forecast(self, horizon: Horizon, state: SiteState, history: History) -> Mapping[str, Forecast]:
        """The series it can give now, by name; a series left out is taken from the next in the chain."""


class Source(Protocol):
    """Somebody outside who says what will be: a weather service, a power exchange, a bank."""

    @property
    def name(self) -> str: ...

    @property
    def kind(self) -> SourceKind:
        """What it is asked for; sources of one kind stand in for each other."""

    @property
    def place(self) -> int:
        """In the chain of its kind, the lowest first."""

    @property
    def calls_per_fetch(self) -> int:
        """Requests that one fetch costs."""

    @property
    def calls_per_day(self) -> int:
        """Requests that it may be sent in 24 h."""

    async def fetch(self, now: datetime) -> Vintage:
        """What it says now, about now and the time to come.

        :raises NoAnswer: if it says nothing that can be used.
        """


@runtime_checkable
class Learner(Protocol):
    """A forecaster that also learns from history; what it has learned is kept for it, in versions."""

    @property
    def model(self) -> str:
        """The name under which its versions are kept."""

    def learn(self, history: History) -> Learned:
        """What the history teaches, with its errors on days that were not learned from.

        Runs in a process of its own and may take minutes.

        :raises PemsError: if nothing can be learned from it.
        """

    def adopt(self, content: Mapping[str, Any] | None) -> None:
        """Use what was learned; None: do without.

        A shallow copy that adopts something else leaves this one as it was: versions are tried side by side.

        :raises OutdatedModel: if this code can do nothing with it, as one of before; it is then learned anew.
        """


@runtime_checkable
class Transport(Protocol):
    """A way to reach devices: a conversation in the words of one brand, over lines that the core keeps up."""

    @property
    def name(self) -> str: ...

    @property
    def devices(self) -> Sequence[str]:
        """The devices whose commands it carries; none if it only listens."""

    async def run(self, lines: Lines) -> None:
        """Listen, poll and probe until cancelled. Whatever fails on the way is an alert, not an end."""

    async def send(self, command: Command) -> Receipt:
        """Carry one command out, once, and read back what can be read back at once.

        What already is as commanded is not written again. Called for one command at a time, in order.

        :return: `sent` if nobody can say more, `acked`, `readback_ok`, `rejected` or `no_effect`, with what was seen.
        :raises NotDelivered: if it is not known to have arrived; it may be sent again.
        :raises NotNow: if it is refused for a cause that passes, as a clock that is off; it is sent again later.
        :raises WornOut: if the memory that it writes has no writes left today.
        """

    async def check(self, command: Command) -> Receipt:
        """Whether what a command said still holds, without writing: `readback_ok`, `reverted`, or `sent` if unknown.

        :raises NotDelivered: if it could not be read.
        """

    async def beat(self, count: int) -> None:
        """Tell devices that watch PEMS that it is well: called only while the whole loop is, with a growing count.

        :raises NotDelivered: if it could not be said.
        """

    def readings(self) -> Mapping[str, Reading]:
        """The newest reading of each point heard on it; what is broken is `suspect` or `missing`, never a zero."""

    @property
    def alerts(self) -> Sequence[Alert]:
        """What is wrong now."""
