"""The life of a command: overrides, guard, stages, emergency stop, dispatch, and what of it survives a restart.

What others use:

    store = Store(folder: Path, clock: Clock, writing: bool = True)     # pems.sqlite3 in folder; StoreInUse if another process writes
        .close(); with Store(...) as store
        .alerts -> Sequence[Alert]              # database locked or full (writes wait in memory), damaged file set aside
        .flush() -> bool                        # try to write what waits; called by every write too; call it each few seconds
        .keep_plan(plan: Plan), .last_plan() -> Plan | None
        .wishes -> Mapping[str, Wish]           # last desired state by device, that PEMS has not taken back
        .journal(limit=100, device=None) -> Sequence[JournalLine]      # newest first
        .count_clock_sync(device), .clock_syncs_today(device) -> int
        .add_history(start, values: Mapping[str, float]), .history(days) -> pandas.DataFrame   # index UTC quarter starts
    engine_alive(folder: Path) -> bool

    StoredWearBook(store, clock, per_day_target=10, per_day_hard=18)     # WearBook; .alerts; .writes_today(device) -> Mapping[str, int]
    RelayBook(store, clock, per_hour=6)                                 # given to Guard

    EmergencyStop(store, clock)
        .latch -> Latch | None   (by, reason, at);  .stopped -> bool;  .stop(by, reason) -> Latch;  .reset(by) -> None

    Overrides(store, devices: Sequence[Device], clock)
        .set(override: Override) -> ActiveOverride      # raises BadOverride(Faults), one line a fault; newest wins
        .clear(device, control) -> Override | None      # what was cleared
        .expire() -> Sequence[Override]                 # those that ended, once
        .active -> Sequence[ActiveOverride]             # (override, price | None, set_at)
        .in_force() -> Sequence[Override]               # for SiteState.overrides
        .price(device, control, costs: float)           # after the re-plan
        .next_end -> datetime | None
    apply_to(device: Device, settings, overrides: Sequence[Override], now) -> dict[str, Value]

    Stages(section: StagesSection, store, clock)
        .of(device) -> "observe" | "limited" | "control";  .allowed(device) -> frozenset[str] | None (all)
        .promote(device, stage, by) -> None
        .evidence(device) -> Evidence(since, counts by command stage)

    Guard(devices, stages: Stages, emergency: EmergencyStop, relays: RelayBook, clock, stale_after=10 min)
        .saw(state: SiteState, readings: Readings)       # via Dispatcher.saw
        .judge(device, settings, state, now, *, by_hand=False) -> Verdict(action: SEND|RELEASE|NOTHING, settings, refusals)
        .reset(device, by)                               # a person ends "foreign controller"
        .foreign -> Mapping[str, datetime];  .alerts

    Dispatcher(devices, transports, guard, store, clock, observer: Callable[[Receipt], None])
        await .run()                                     # until cancelled; one task a device
        .want(device: str, settings, valid_from, valid_until, state, *, source="plan", reason="")   # newest wins, wakes at once
        .saw(state, readings)                            # after each measuring (each 10 to 60 s): effects, staleness, foreign writers
        .let_go(devices: Iterable[str], why: str)        # begins the release at once, does not wait
        await .release(devices, why, within_s=20.0) -> Mapping[str, bool]   # let_go and wait; True = read back ok; seconds of the wall
        .in_force(device) -> InForce | None  (settings, valid_until, sent_at, source, stage)
        .released(device) -> bool
        .alerts -> Sequence[Alert]                       # of dispatcher, guard together; store.alerts and wear.alerts stand alone

    Notes for the runtime
    - `want` once per device and cycle with ALL its settings (apply_to(...) already applied); again at each step of the plan.
    - valid_until: the end of the run of equal settings that the plan foresees (at least two cycles), not the end of this
      quarter hour: each renewal of an inverter's slot costs a write.
    - source="override" when an override of that device is in force: shorter dwell for modes.
"""  # noqa: E501
