"""Whether the whole loop is well, which is what every heartbeat stands for."""

from dataclasses import dataclass, field

from pems_core.clock import Clock

PLANNING = "plan"
"""The part that makes plans."""


@dataclass
class Health:
    """Parts of the loop beat when they have done their work; one that is late makes the whole unhealthy.

    A timer that ticks beside a loop that hangs would tell devices that all is well.
    """

    clock: Clock
    _within_s: dict[str, float] = field(default_factory=dict)
    _beats_s: dict[str, float] = field(default_factory=dict)
    _faults: dict[str, str] = field(default_factory=dict)

    def expect(self, part: str, within_s: float) -> None:
        """A part has to beat within so much time [s of the clock], for the first time too."""
        self._within_s[part] = within_s
        self._beats_s.setdefault(part, self.clock.elapsed_s())

    def beat(self, part: str) -> None:
        self._beats_s[part] = self.clock.elapsed_s()

    def say(self, part: str, fault: str) -> None:
        """Something else is wrong with a part, until it is said to be right again (an empty text)."""
        if fault:
            self._faults[part] = fault
        else:
            self._faults.pop(part, None)

    @property
    def faults(self) -> tuple[str, ...]:
        """What is wrong, one line each."""
        return self.faults_but()

    def faults_but(self, *parts: str) -> tuple[str, ...]:
        """What is wrong apart from some parts, one line each."""
        now_s = self.clock.elapsed_s()
        late = [
            f"{part} was last well {now_s - self._beats_s[part]:.0f} s ago; {within_s:.0f} s are allowed"
            for part, within_s in self._within_s.items()
            if part not in parts and now_s - self._beats_s[part] > within_s
        ]
        return (*late, *(f"{part}: {fault}" for part, fault in self._faults.items() if part not in parts))

    @property
    def cannot_act(self) -> tuple[str, ...]:
        """What keeps PEMS from looking after its devices: anything but a search for plans that hangs."""
        return self.faults_but(PLANNING)

    @property
    def healthy(self) -> bool:
        return not self.faults
