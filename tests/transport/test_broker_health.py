"""What `$SYS` and the log of Mosquitto become."""

from pathlib import Path

from broadcast.transport import broker_health
from broadcast.transport.broker_health import BrokerCounters, LogTail


def test_what_an_engine_cannot_tell_is_unknown_and_not_nought() -> None:
    counters = BrokerCounters(("dropped",))
    assert (counters["dropped"], counters["take_overs"]) == (0, None)


def test_dropped_messages_add_up_over_a_restart_of_the_broker() -> None:
    counters = BrokerCounters(("dropped",))
    for text in (b"3", b"5"):
        counters.hear_sys("$SYS/broker/publish/messages/dropped", text)
    counters.broker_restarted()
    counters.hear_sys("$SYS/broker/publish/messages/dropped", b"2")
    assert counters["dropped"] == 7


def test_connected_clients_are_a_state_and_not_a_sum() -> None:
    counters = BrokerCounters(("clients",))
    for text in (b"718", b"4"):
        counters.hear_sys("$SYS/broker/clients/connected", text)
    assert counters["clients"] == 4


def test_a_value_that_is_no_number_changes_nothing() -> None:
    counters = BrokerCounters(("dropped",))
    counters.hear_sys("$SYS/broker/publish/messages/dropped", b"\xff-1")
    counters.hear_sys("$SYS/broker/load/messages", b"1.5")
    assert counters["dropped"] == 0


def test_lines_of_mosquitto_are_counted_and_name_the_client() -> None:
    counters = BrokerCounters(())
    for line in (
        "1795433344: Client s-1 already connected, closing old connection.",
        "1795433344: Client s-2 has exceeded timeout, disconnecting.",
        "1795433344: Client <unknown> disconnected, not authorised.",
        "1795433344: Outgoing messages are being dropped for client lianbo-server.",
        "1795433344: New client connected from 127.0.0.1:1 as s-1 (p2, c1, k30, u's-1').",
    ):
        counters.hear_line(line)
    assert counters.values() == {"take_overs": 1, "timed_out": 1, "refused_logins": 1, "overflowing": 1}
    assert counters.suspects == ["s-1", "s-2", "lianbo-server"]


def test_a_log_is_read_once_and_a_half_line_waits_for_its_end(tmp_path: Path) -> None:
    path = tmp_path / "broker.log"
    tail = LogTail(path)
    assert tail.lines() == []
    path.write_bytes(b"one\ntw")
    assert tail.lines() == ["one"]
    with path.open("ab") as file:
        file.write(b"o\n")
    assert tail.lines() == ["two"]
    assert tail.lines() == []


def test_what_stood_in_the_log_before_is_not_counted_again(tmp_path: Path) -> None:
    path = tmp_path / "broker.log"
    path.write_bytes(b"old\n")
    assert LogTail(path).lines() == []


def test_a_long_log_is_set_aside_and_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "broker.log"
    tail = LogTail(path)
    line = b"x" * 1023 + b"\n"
    path.write_bytes(line * (broker_health.LOG_LIMIT_BYTES // 1024 + 1))
    assert len(tail.lines()) == broker_health.LOG_LIMIT_BYTES // 1024 + 1
    assert (path.stat().st_size, tail.lines()) == (0, [])
    with path.open("ab") as file:
        file.write(b"next\n")
    assert tail.lines() == ["next"]


def test_a_loss_is_an_alarm_for_an_hour() -> None:
    now = [1000.0]
    counters = BrokerCounters(("dropped",), now=lambda: now[0])
    counters.hear_sys("$SYS/broker/publish/messages/dropped", b"0")
    assert not counters.losing
    counters.hear_sys("$SYS/broker/publish/messages/dropped", b"1")
    assert counters.losing
    now[0] += broker_health.LOSING_FOR_S
    assert (counters.losing, counters["dropped"]) == (False, 1)


def test_a_client_id_is_contested_at_the_third_take_over_in_ten_minutes() -> None:
    now = [1000.0]
    counters = BrokerCounters((), now=lambda: now[0])
    for _ in range(2):
        counters.hear_line("1: Client s-1 already connected, closing old connection.")
    now[0] += 500
    counters.hear_line("1: Client s-2 already connected, closing old connection.")
    assert counters.contested == ()
    counters.hear_line("1: Client s-1 already connected, closing old connection.")
    assert counters.contested == ("s-1",)
    now[0] += 200
    assert counters.contested == ()
