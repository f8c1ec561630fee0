"""Days of speakers: the fake and both engines."""

from broadcast.domain.statistics import SpeakerDay
from broadcast.service.ports import Store

MANY = [SpeakerDay("2026-11-23", f"s-{n:03}", 300, 240) for n in range(250)]


async def test_what_is_seen_is_added_to_the_day_and_old_days_are_forgotten(store: Store) -> None:
    for _ in range(2):
        await store.write(lambda tx: tx.speaker_days.add(MANY))
    await store.write(lambda tx: tx.speaker_days.add([SpeakerDay("2026-11-24", "s-001", 60, 0)]))
    found = await store.read(lambda tx: tx.speaker_days.between("2026-11-23", "2026-11-24"))
    assert found == [SpeakerDay("2026-11-23", f"s-{n:03}", 600, 480) for n in range(250)] + [
        SpeakerDay("2026-11-24", "s-001", 60, 0)
    ]
    await store.write(lambda tx: tx.speaker_days.forget_before("2026-11-24"))
    assert await store.read(lambda tx: tx.speaker_days.between("0", "9")) == found[250:]
    await store.write(lambda tx: tx.speaker_days.add([]))
