"""Conferences in the store; the same on every engine."""

from dataclasses import replace

from broadcast.domain.conference import acts
from broadcast.domain.conference.chairing import end
from broadcast.domain.conference.media import Source
from broadcast.domain.conference.plans import Blueprint, Reservation
from broadcast.domain.conference.tickets import SeatKey, Ticket
from broadcast.service.ports import Store
from tests.conference.hall import T0, A, B, do, hall, plan


async def test_a_conference_comes_back_as_it_went_in_with_everything_that_goes_on_in_it(store: Store) -> None:
    full = do(
        hall(A, B),
        acts.MuteAll(),
        acts.Compose(panes=((Source(A), Source(B)), ()), apply=True),
        acts.Patrol(sites=(A, B)),
        acts.RollBegin(),
        acts.SpeakingList(sites=(A,), each_s=9),
        acts.Caption(text="请各乡镇关闭麦克风"),
        acts.Kick(site=B, ban=True),
    )
    full = do(full, acts.Ask(), acts.AskContent(), acts.Write(text="听不见"), by=A)
    await store.write(lambda tx: tx.conferences.save(full))
    assert await store.read(lambda tx: tx.conferences.get(full.id)) == full
    assert await store.read(lambda tx: tx.conferences.live()) == [full]
    ended = end(full, T0 + 1)
    await store.write(lambda tx: tx.conferences.save(ended))
    assert await store.read(lambda tx: tx.conferences.live()) == []
    assert await store.read(lambda tx: tx.conferences.page(before=None, limit=9)) == [ended]
    assert await store.read(lambda tx: tx.conferences.page(before=full.id, limit=9)) == []


async def test_blueprints_and_reservations_are_kept_changed_and_dropped(store: Store) -> None:
    first = Blueprint("01B", 1, plan(), "boss", T0)
    changed = replace(first, revision=2, plan=plan(title="防火调度"))
    booked = Reservation("01R", plan(), T0 + 60_000, "boss", T0)
    await store.write(lambda tx: tx.conference_plans.save_blueprint(first))
    await store.write(lambda tx: tx.conference_plans.save_blueprint(changed))
    await store.write(lambda tx: tx.conference_plans.save_reservation(booked))
    assert await store.read(lambda tx: tx.conference_plans.blueprints()) == [changed]
    assert await store.read(lambda tx: tx.conference_plans.reservations(T0, T0 + 60_001)) == [booked]
    assert await store.read(lambda tx: tx.conference_plans.reservations(T0, T0 + 60_000)) == []
    await store.write(lambda tx: tx.conference_plans.drop_blueprint("01B"))
    assert await store.read(lambda tx: tx.conference_plans.blueprint("01B")) is None
    assert await store.read(lambda tx: tx.conference_plans.reservation("01R")) == booked


async def test_a_ticket_is_used_once_and_keys_go_with_their_seat(store: Store) -> None:
    ticket = Ticket(b"t" * 32, "c1", "a", "seat:a", "boss", T0, T0 + 60_000)
    await store.write(lambda tx: tx.conference_doors.add_ticket(ticket))
    used = replace(ticket, used_ms=T0 + 1)
    assert await store.write(lambda tx: tx.conference_doors.use_ticket(used))
    assert not await store.write(lambda tx: tx.conference_doors.use_ticket(used))
    assert await store.read(lambda tx: tx.conference_doors.ticket(b"t" * 32)) == used
    assert await store.write(lambda tx: tx.conference_doors.forget_tickets(T0 + 60_001)) == 1
    for at, (conference, site) in enumerate((("c1", "a"), ("c1", "b"), ("c2", "a"))):
        key = SeatKey(bytes([at]) * 32, conference, site, f"seat:{site}", T0)
        await store.write(lambda tx, key=key: tx.conference_doors.add_key(key))  # type: ignore[misc]
    await store.write(lambda tx: tx.conference_doors.drop_keys("c1", "a"))
    found = [await store.read(lambda tx, at=at: tx.conference_doors.key(bytes([at]) * 32)) for at in range(3)]  # type: ignore[misc]
    assert [one is not None for one in found] == [False, True, True]
    await store.write(lambda tx: tx.conference_doors.drop_keys("c1"))
    assert await store.read(lambda tx: tx.conference_doors.key(b"\x01" * 32)) is None
