"""Files before their time: in which order they come, when, and what happens to those that don't. Time is virtual."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest

from audio_assets.cache import AssetCache, LibraryFull
from endpoints.effects import Wanted
from endpoints.fetch import AssetForged, AssetNotOffered, FetchGivenUp, ServerBusy
from endpoints.protocol import Part
from endpoints.staging import LANES, LONGEST_SPREAD_S, SHORT_WITHIN_S, Staging
from endpoints.vocabulary import Reason
from tests.virtual_time import run

HOUR_MS = 3_600_000
TOMORROW = 24 * HOUR_MS
MIDNIGHT_MS = 1_800_000_000_000


def content(name: str, size: int = 1_000) -> bytes:
    return name.encode().ljust(size, b".")


def sha(name: str, size: int = 1_000) -> bytes:
    return hashlib.sha256(content(name, size)).digest()


def want(name: str, in_ms: int, size: int = 1_000) -> Wanted:
    """A file that is needed so long after midnight; 0: an emergency's that sounds now."""
    return Wanted(Part(sha(name, size), size, 60_000), MIDNIGHT_MS + in_ms, urgent=not in_ms)


class FakeFetcher:
    """Takes a minute for a file, and says what it did when."""

    def __init__(self, cache: AssetCache) -> None:
        self.cache, self.takes_s = cache, 60.0
        self.began: list[tuple[float, str]] = []
        self.ended: list[str] = []
        self.under_way: set[str] = set()
        self.most = 0
        self.answers: dict[str, list[Exception]] = {}
        self._names = {sha(chr(letter), size): (chr(letter), size) for letter in range(97, 123) for size in (1_000, 10)}

    async def fetch(self, sha256: bytes, size_bytes: int) -> None:
        name, size = self._names[sha256]
        self.began.append((self.now(), name))
        self.under_way.add(name)
        self.most = max(self.most, len(self.under_way))
        try:
            await asyncio.sleep(self.takes_s)
            if self.answers.get(name):
                raise self.answers[name].pop(0)
            self.cache.put(content(name, size))
            self.ended.append(name)
        finally:
            self.under_way.discard(name)

    @staticmethod
    def now() -> float:
        """Seconds after midnight."""
        return asyncio.get_running_loop().time()

    def names(self) -> str:
        return "".join(name for _, name in self.began)


class Desk:
    """A staging at work, and what it told."""

    def __init__(self, folder: Path, *, max_bytes: int = 10**6, with_fetcher: bool = True, seed: int = 1) -> None:
        self.cache = AssetCache(folder, max_bytes=max_bytes)
        self.fetcher = FakeFetcher(self.cache)
        self.here: list[bytes] = []
        self.gone: list[bytes] = []
        self.changes = 0
        self.knows_time = True
        self.staging = Staging(
            self.cache,
            self.fetcher if with_fetcher else None,
            random=Random(seed),
            now_ms=lambda: MIDNIGHT_MS + int(self.fetcher.now() * 1_000) if self.knows_time else None,
            on_here=self.here.append,
            on_gone=self.gone.append,
            on_change=self._changed,
        )

    def _changed(self) -> None:
        self.changes += 1

    @asynccontextmanager
    async def at_work(self) -> AsyncIterator["Desk"]:
        task = asyncio.create_task(self.staging.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def lacking(self) -> list[bytes]:
        return [one.part.asset for one in self.staging.stock().lacking]


Story = Callable[[Desk], Awaitable[None]]


def play(folder: Path, story: Story, **options: object) -> Desk:
    """The story of a desk, from midnight on."""

    async def main() -> Desk:
        desk = Desk(folder, **options)  # type: ignore[arg-type]
        async with desk.at_work():
            await story(desk)
        return desk

    return run(main(), start=0.0)


def test_files_come_in_the_order_of_need_two_at_a_time(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.staging.expect(tuple(want(name, 60_000 + at) for at, name in enumerate("abcdef")))
        await asyncio.sleep(200)

    desk = play(tmp_path, story)
    assert (desk.fetcher.names(), desk.fetcher.most) == ("abcdef", LANES)
    assert [round(at) for at, _ in desk.fetcher.began] == [0, 0, 60, 60, 120, 120]
    assert desk.here == [sha(name) for name in "abcdef"]


def test_what_is_needed_tomorrow_begins_at_random_and_what_is_needed_soon_at_once(tmp_path: Path) -> None:
    began = []
    for seed in range(40):

        async def story(desk: Desk) -> None:
            desk.fetcher.takes_s = 1.0
            desk.staging.expect((want("s", 100_000), want("h", HOUR_MS), want("t", TOMORROW)))
            await asyncio.sleep(LONGEST_SPREAD_S + 10)

        began.append({name: at for at, name in play(tmp_path / str(seed), story, seed=seed).fetcher.began})
    assert {round(one["s"]) for one in began} == {0}
    hour, tomorrow = sorted(one["h"] for one in began), sorted(one["t"] for one in began)
    assert (hour[0] < 60, 250 < hour[-1] <= 360) == (True, True), "a tenth of the time there is"
    assert (tomorrow[0] < 60, 500 < tomorrow[-1] <= 600) == (True, True), "ten minutes at most"
    assert 200 < tomorrow[20] < 400


def test_everything_else_gives_way_to_an_emergency_and_goes_on_after_it(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.staging.expect((want("a", 50_000), want("b", 60_000), want("c", 70_000)))
        await asyncio.sleep(30)
        assert desk.fetcher.under_way == {"a", "b"}
        desk.staging.expect((want("e", 0), want("a", 50_000), want("b", 60_000), want("c", 70_000)))
        await asyncio.sleep(1)
        assert desk.fetcher.under_way == {"e"}
        await asyncio.sleep(60)
        assert desk.fetcher.under_way == {"a", "b"}
        await asyncio.sleep(200)

    desk = play(tmp_path, story)
    assert (desk.fetcher.names(), desk.fetcher.ended) == ("abeabc", ["e", "a", "b", "c"])


def test_what_is_needed_soon_takes_the_place_of_what_is_needed_later(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.knows_time = True
        far = (want("x", TOMORROW), want("y", 2 * TOMORROW))
        desk.staging.expect(far)
        await asyncio.sleep(LONGEST_SPREAD_S)
        desk.fetcher.began.clear()
        for name in "xy":
            desk.cache.remove(sha(name))
        desk.staging.expect(())
        desk.fetcher.takes_s = 10_000.0
        desk.staging.expect(far)
        await asyncio.sleep(LONGEST_SPREAD_S + 1)
        assert desk.fetcher.under_way == {"x", "y"}
        soon = want("s", int(desk.fetcher.now() * 1_000) + 60_000)
        desk.staging.expect((soon, *far))
        await asyncio.sleep(1)
        assert desk.fetcher.under_way == {"x", "s"}, "the one that is needed last"

    play(tmp_path, story)


def test_what_sounds_now_is_hurried(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.staging.expect((want("t", TOMORROW), want("b", 50_000)))
        await asyncio.sleep(1)
        assert desk.fetcher.names() == "b"
        desk.staging.hurry((want("t", TOMORROW).part, want("n", 1).part))
        await asyncio.sleep(1)
        assert desk.fetcher.under_way == {"t", "n"}
        await asyncio.sleep(60)
        assert (desk.staging.is_here(sha("t")), desk.staging.is_here(sha("n"))) == (True, True)
        desk.staging.hurry(())
        assert (desk.staging.is_here(sha("t")), desk.staging.is_here(sha("n"))) == (True, False), (
            "wanted by nobody else"
        )

    play(tmp_path, story)


def test_a_server_that_asks_for_patience_is_not_asked_before(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.fetcher.takes_s = 0.0
        desk.fetcher.answers = {"a": [ServerBusy(sha("a"), 90.0)] * 2, "e": [ServerBusy(sha("e"), 90.0)] * 2}
        desk.staging.expect((want("e", 0), want("a", HOUR_MS)))
        await asyncio.sleep(3_000)
        assert not desk.staging.short

    desk = play(tmp_path, story)
    asked = {name: [at for at, one in desk.fetcher.began if one == name] for name in "ae"}
    waits = [after - before for name in "a" for before, after in zip(asked[name], asked[name][1:], strict=False)]
    assert all(90 <= wait <= 100 for wait in waits)
    assert len(waits) == 2
    assert asked["e"] == pytest.approx([0, 3, 6], abs=0.1), "an emergency asks again sooner"
    assert desk.fetcher.ended == ["e", "a"]


def test_a_dead_line_is_tried_again_more_and_more_slowly_until_it_is_back(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.fetcher.takes_s = 0.0
        desk.fetcher.answers = {"a": [FetchGivenUp(sha("a"), 8, "refused")] * 12}
        desk.staging.expect((want("a", 4 * HOUR_MS),))
        await asyncio.sleep(LONGEST_SPREAD_S)
        assert (desk.staging.short, desk.lacking) == (True, [sha("a")])
        await asyncio.sleep(2 * 3_600)
        assert (desk.staging.short, desk.lacking, desk.staging.is_here(sha("a"))) == (False, [], True)

    asked = [at for at, _ in play(tmp_path, story).fetcher.began]
    waits = [after - before for before, after in pairwise(asked)]
    assert len(waits) == 12
    assert (waits[0] <= 10, all(60 <= wait <= 120 for wait in waits[5:])) == (True, True)


def test_what_cannot_be_had_is_a_fault_only_when_it_is_needed_within_hours(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.fetcher.takes_s = 0.0
        desk.fetcher.answers = {"a": [AssetNotOffered(sha("a"), 404)] * 10_000}
        desk.staging.expect((want("a", TOMORROW),))
        await asyncio.sleep(TOMORROW / 1_000 - SHORT_WITHIN_S - 600)
        assert (desk.staging.short, desk.staging.reason(sha("a"))) == (False, Reason.ASSET_MISSING)
        await asyncio.sleep(1_200)
        assert desk.staging.short

    assert play(tmp_path, story).changes == 2, "why it is lacking, and that it matters"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (AssetNotOffered(bytes(32), 404), Reason.ASSET_MISSING),
        (AssetForged(bytes(32)), Reason.ASSET_BAD),
        (LibraryFull(bytes(32), 1, 0), Reason.ASSET_MISSING),
        (OSError(28, "No space left on device"), Reason.ASSET_MISSING),
        (FetchGivenUp(bytes(32), 8, "refused"), Reason.NONE),
        (ServerBusy(bytes(32), 10.0), Reason.NONE),
        (RuntimeError("our own fault"), Reason.NONE),
    ],
    ids=lambda one: type(one).__name__,
)
def test_why_a_file_cannot_be_had_is_known_and_it_is_tried_again(
    tmp_path: Path, error: Exception, reason: Reason
) -> None:
    async def story(desk: Desk) -> None:
        desk.fetcher.takes_s = 0.0
        desk.fetcher.answers = {"a": [error]}
        desk.staging.expect((want("a", 0),))
        await asyncio.sleep(1)
        assert desk.staging.reason(sha("a")) is reason
        await asyncio.sleep(400)
        assert (desk.staging.is_here(sha("a")), desk.staging.reason(sha("a"))) == (True, Reason.NONE)

    play(tmp_path, story)


def test_without_a_server_what_is_not_here_is_missing(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.cache.put(content("a"))
        desk.staging.expect((want("a", HOUR_MS), want("b", HOUR_MS)))
        await asyncio.sleep(1)
        assert (desk.staging.is_here(sha("a")), desk.staging.reason(sha("b"))) == (True, Reason.ASSET_MISSING)
        assert desk.staging.short

    play(tmp_path, story, with_fetcher=False)


def test_what_was_here_before_a_restart_is_checked_and_not_fetched(tmp_path: Path) -> None:
    cache = AssetCache(tmp_path, max_bytes=10**6)
    for name in "abc":
        cache.put(content(name))
    cache.path(sha("b")).write_bytes(content("B"))

    async def story(desk: Desk) -> None:
        desk.staging.expect((want("a", 0), want("b", 50_000), want("c", TOMORROW)))
        await asyncio.sleep(1)
        assert (desk.here, desk.gone, desk.fetcher.names()) == ([sha("a"), sha("c")], [sha("b")], "b")
        await asyncio.sleep(60)
        assert desk.here == [sha("a"), sha("c"), sha("b")]

    play(tmp_path, story)


def test_a_file_that_rots_is_found_before_it_is_needed_and_fetched_again(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.staging.expect((want("a", TOMORROW), want("b", TOMORROW + 1)))
        await asyncio.sleep(3_600)
        assert desk.staging.is_here(sha("a"))
        desk.cache.path(sha("a")).write_bytes(content("rot"))
        await asyncio.sleep(22 * 3_600)
        assert desk.gone == [], "its time is far"
        await asyncio.sleep(3_600 - 890)
        assert desk.gone == [sha("a")]
        await asyncio.sleep(100)
        assert (desk.staging.is_here(sha("a")), desk.cache.get(sha("a"))) == (True, content("a"))

    assert play(tmp_path, story).fetcher.names().count("a") == 2


def test_when_there_is_no_room_for_all_those_needed_soonest_are_here(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.fetcher.takes_s = 1.0
        names = "abcdef"
        desk.staging.expect(tuple(want(name, (at + 1) * HOUR_MS) for at, name in enumerate(names)))
        await asyncio.sleep(1_800)
        assert desk.lacking == [sha(name) for name in "ef"]
        assert desk.staging.short
        first = want("z", 2_000_000)
        desk.staging.expect((first, *(want(name, (at + 1) * HOUR_MS) for at, name in enumerate(names))))
        await asyncio.sleep(600)
        assert desk.lacking == [sha(name) for name in "def"], "the last one made room"
        stock = desk.staging.stock()
        assert (stock.held, stock.held_bytes, stock.free_bytes) == (4, 4_000, 500)

    play(tmp_path, story, max_bytes=4_500)


def test_what_nobody_wants_any_more_is_given_up(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.staging.expect((want("a", 50_000), want("b", 60_000)))
        await asyncio.sleep(10)
        desk.staging.expect((want("b", 60_000),))
        await asyncio.sleep(100)

    desk = play(tmp_path, story)
    assert desk.fetcher.ended == ["b"]


def test_before_the_time_is_known_emergencies_come_first_all_the_same(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.knows_time = False
        desk.staging.expect((want("a", 50_000), want("e", 0)))
        await asyncio.sleep(600)

    assert play(tmp_path, story).fetcher.names() == "ea"


def test_changes_of_the_stock_are_told_and_nothing_else(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        desk.staging.expect((want("a", 50_000), want("b", 60_000)))
        await asyncio.sleep(1)
        assert desk.changes == 0
        desk.staging.expect((want("a", 50_000), want("b", 60_000)))
        await asyncio.sleep(3_600)
        assert desk.changes == 2

    play(tmp_path, story)
