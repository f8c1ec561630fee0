"""What can be seen of the broker, as conditions and counters that the desk shows."""

from collections.abc import Collection, Sequence
from typing import Protocol

from broadcast.service.health import Health

ALARMS = ("broker-down", "broker-dropped", "broker-taken-over")
COUNTERS = ("restarts", "dropped", "overflowing", "take_overs", "timed_out", "refused_logins", "denied")


class BrokerState(Protocol):
    """As `transport.broker_health` has it; of the counters what an engine can't tell is None."""

    @property
    def engine(self) -> str: ...
    @property
    def alarms(self) -> Collection[str]: ...
    @property
    def dropped(self) -> int | None: ...
    @property
    def suspects(self) -> Sequence[str]: ...


def watch_broker(health: Health, state: BrokerState, *, wire_up: bool, pending: int) -> None:
    """:param pending: boards that the broker does not have yet."""
    alarms = set(state.alarms) if wire_up else {*state.alarms, "broker-down"}
    for alarm in ALARMS:
        if alarm in alarms:
            clients = ", ".join(dict.fromkeys(state.suspects[-20:]))
            health.raise_(alarm, engine=state.engine, dropped=str(state.dropped), clients=clients)
        else:
            health.clear(alarm)
    if pending:
        health.raise_("boards-pending", boards=str(pending))
    else:
        health.clear("boards-pending")
    for name in COUNTERS:
        value = getattr(state, name)
        if value is not None:  # what an engine can't tell is not there, rather than 0
            health.counters[f"broker_{name}"] = value
