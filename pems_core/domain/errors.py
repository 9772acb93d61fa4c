"""What can go wrong, in words that name the place, what was found and what is allowed."""

from collections.abc import Iterable


class PemsError(Exception):
    """Base of every error that PEMS tells a person in one line a fault."""


class Faults(PemsError):
    """Several faults told together, one line each."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(self.faults))

    def __reduce__(self) -> tuple[type["Faults"], tuple[tuple[str, ...]]]:
        # An error may come from another process, and must tell the same there.
        return type(self), (self.faults,)


class ConfigError(Faults):
    """pems.toml cannot be used; the message has one line for each place to mend."""


class BadSeries(Faults):
    """A recorded or generated series cannot be used; one line a fault: row, column, found, allowed."""


class StaleReading(PemsError):
    """A point has not been heard from for longer than its user allows, or is missing or suspect."""


class MissingForecast(PemsError):
    """A series that a part of the house needs was forecast by nobody."""


class OutdatedModel(PemsError):
    """What was learned before is nothing that this code can use; it has to be learned anew."""


class NoPlan(PemsError):
    """No plan could be made in the time there was."""


class UnsafePlan(Faults):
    """The verifier found that a plan breaks physics, a device limit or a minimum time; one line each."""


class NotDelivered(PemsError):
    """A command did not reach its device."""


class NotNow(NotDelivered):
    """A device cannot be told this now, for a cause that passes; nothing was written."""


class WornOut(PemsError):
    """A write was not made: today's budget of the memory that it wears is used up."""


class BadSetting(Faults):
    """A device cannot be told this; the message has one line for each fault."""
