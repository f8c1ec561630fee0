"""The state file: torn, rotten, foreign, on a full disk, and with the power going at every step."""

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from endpoints import canonical
from endpoints.budget import Spent
from endpoints.journal import JOURNAL_LIMIT
from endpoints.kept import MAX_KEPT_BYTES, Kept, KeptFile, Progress, _sum
from endpoints.ledger import LEDGER_LIMIT
from endpoints.protocol import MAX_BOARD_BYTES, MAX_MS, BadMessage, Band, Entry, OrderRule, Reason, Stage
from tests.endpoints.rig import COUNTY, SERVER, T0, Rig, ms, order, slot

FULL = Kept(
    boards=(SERVER.board(1, order()), b"\x00" * 99),
    progress={
        "o-1": Progress("o-1", 3, 99, Stage.FINISHED, COUNTY, COUNTY, Band.EMERGENCY),
        "o-2": Progress("o-2", 1, 5, Stage.STOPPED, COUNTY, COUNTY, Band.NOTICE, Reason.CANCELLED, 20, 30, b"a" * 32),
        "P-3": Progress("P-3", 1, 7, Stage.MISSED, COUNTY, COUNTY, Band.ROUTINE, Reason.BUSY, programme=True),
    },
    epochs={b"12345678": 7},
    time_floor_ms=123,
    rule=OrderRule.LEVEL_FIRST,
    journal=(Entry(4, "o-1", 3, Stage.SOUNDING, Reason.NONE, 77),),
    programmes=(SERVER.programme(1, slot("P-3", 60)),),
    spent=Spent(20_000, 90_000),
)

entries = st.builds(
    Entry,
    st.integers(1, 2**60),
    st.from_regex(r"\A[a-zA-Z0-9-]{1,40}\Z"),
    st.integers(1, 2**31),
    st.sampled_from(Stage),
    st.sampled_from(Reason),
    st.integers(0, MAX_MS),
)


@given(st.lists(entries, max_size=5), st.dictionaries(st.binary(min_size=8, max_size=8), st.integers(0, 2**60)))
def test_what_is_written_is_read(journal: list[Entry], epochs: dict[bytes, int]) -> None:
    kept = Kept(journal=tuple(journal), epochs=epochs)
    assert Kept.from_bytes(kept.to_bytes()) == kept


def test_a_full_state_is_read_as_it_was() -> None:
    assert Kept.from_bytes(FULL.to_bytes()) == FULL


def test_a_file_torn_at_any_byte_is_no_state() -> None:
    data = FULL.to_bytes()
    for length in range(len(data)):
        with pytest.raises(BadMessage):
            Kept.from_bytes(data[:length])


def test_a_file_with_any_byte_rotten_is_no_state() -> None:
    data = FULL.to_bytes()
    for at in range(len(data)):
        with pytest.raises(BadMessage):
            Kept.from_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])


@given(st.binary(max_size=200))
def test_foreign_bytes_are_no_state(data: bytes) -> None:
    with pytest.raises(BadMessage):
        Kept.from_bytes(data)


def test_a_state_whose_check_sum_fits_is_still_read_with_care() -> None:
    good = [3, [], [], [], 0, 0, [], [], [0, 0]]
    progress = ["o-1", 1, 1, 5, "v-001", COUNTY, 4, 0, 0, 0, b"", True]
    assert Kept.from_bytes(signed([*good[:2], [progress], *good[3:]])).progress["o-1"].stage is Stage.FINISHED
    wrong: list[object] = [
        [1, *good[1:]],
        good[:-1],
        [2, *good[1:]],
        [4, *good[1:]],
        {1: 2},
        {0: 3},
        [],
        [3, ["text"], *good[2:]],
        [*good[:4], -1, *good[5:]],
        [*good[:5], 9, *good[6:]],
        [*good[:7], ["text"], [0, 0]],
        [*good[:8], [0]],
        [*good[:8], [0, -1]],
        [*good[:8], [True, 0]],
        [*good[:3], [["text", 1]], *good[4:]],
        [*good[:3], [[b"12345678"]], *good[4:]],
        [*good[:6], [[1, "o-1", 1, 99, 0, 0]], *good[7:]],
        *([*good[:2], [[*progress[:at], [], *progress[at + 1 :]]], *good[3:]] for at in range(len(progress))),
    ]
    for body in wrong:
        with pytest.raises(BadMessage):
            Kept.from_bytes(signed(body))


def test_a_state_from_before_there_were_programmes_is_read_and_what_has_sounded_does_not_sound_again() -> None:
    done = ["o-1", 1, ms(60), 5, COUNTY, COUNTY, 6, 0, 0, T0, b""]
    old = [2, [b"a board of the wire before"], [done], [[b"12345678", 7]], 123, 1, [[4, "o-1", 1, 3, 0, 77]]]
    kept = Kept.from_bytes(signed(old))
    assert (kept.programmes, kept.spent, kept.rule) == ((), Spent(), OrderRule.LEVEL_FIRST)
    rig = Rig(disk=kept).told().board(SERVER.board(1, order()))
    assert rig.played == []
    with pytest.raises(BadMessage):
        Kept.from_bytes(signed([*old[:2], [done[:-1]], *old[3:]]))


def signed(body: object) -> bytes:
    data = canonical.encode(body)
    return _sum(data) + data


def test_the_largest_state_that_a_speaker_can_have_is_read() -> None:
    done = Progress(
        "o" * 40, 2**31, MAX_MS, Stage.STOPPED, COUNTY, COUNTY, Band.NOTICE, Reason.CANCELLED, MAX_MS, MAX_MS
    )
    kept = Kept(
        boards=(bytes(MAX_BOARD_BYTES + 128),) * 6,
        progress={
            f"{n:040d}": replace(done, order=f"{n:040d}", asset=b"a" * 32, programme=True) for n in range(LEDGER_LIMIT)
        },
        journal=tuple(Entry(n, "o" * 40, 2**31, Stage.STOPPED, Reason.MUTED, MAX_MS) for n in range(JOURNAL_LIMIT)),
        programmes=(bytes(MAX_BOARD_BYTES + 128),) * 6,
        spent=Spent(MAX_MS, MAX_MS),
    )
    data = kept.to_bytes()
    assert len(data) < MAX_KEPT_BYTES
    assert Kept.from_bytes(data) == kept


def test_the_first_start_has_an_empty_state(tmp_path: Path) -> None:
    assert KeptFile(tmp_path / "state").read() == Kept()


def test_the_state_outlives_the_process_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    for name in ("state", "state.new", "speaker.kept"):
        file = KeptFile(tmp_path / name)
        file.write(Kept())
        file.write(FULL)
        assert KeptFile(tmp_path / name).read() == FULL
    assert sorted(path.name for path in tmp_path.iterdir()) == ["speaker.kept", "state", "state.new"]


def test_a_broken_file_is_said_and_can_be_written_over(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"rubbish")
    file = KeptFile(tmp_path / "state")
    with pytest.raises(BadMessage):
        file.read()
    file.write(FULL)
    assert file.read() == FULL


def test_on_a_full_disk_the_old_state_stays_and_half_a_file_does_not(tmp_path: Path) -> None:
    KeptFile(tmp_path / "state").write(FULL)
    (tmp_path / "state.new").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        KeptFile(tmp_path / "state").write(Kept())
    assert caught.value.errno == errno.ENOSPC
    assert KeptFile(tmp_path / "state").read() == FULL
    assert [path.name for path in tmp_path.iterdir()] == ["state"]


class PowerCut(BaseException):
    """The power went before this call of the operating system."""


@pytest.mark.parametrize("cut_at", range(6))
def test_after_a_power_cut_at_any_step_the_file_is_the_old_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut_at: int
) -> None:
    """The calls that change the disk, stopped one after the other; what was not synced before a rename would be torn."""
    KeptFile(tmp_path / "state").write(Kept())
    synced: list[str] = []
    steps = iter(range(99))

    def step(call):  # type: ignore[no-untyped-def]
        def wrapped(*args, **kwargs):  # type: ignore[no-untyped-def]
            if next(steps) == cut_at:
                raise PowerCut
            return call(*args, **kwargs)

        return wrapped

    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(fd: int) -> None:
        real_fsync(fd)
        synced.append(Path(f"/proc/self/fd/{fd}").readlink().name)

    def rename(self: Path, target: Path) -> Path:
        assert synced == ["state.new"], "renamed before it was on the disk"
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", step(fsync))
    monkeypatch.setattr(Path, "replace", step(rename))
    monkeypatch.setattr(Path, "open", step(Path.open))
    try:
        KeptFile(tmp_path / "state").write(FULL)
        assert synced == ["state.new", tmp_path.name]
    except PowerCut:
        pass
    monkeypatch.undo()
    assert KeptFile(tmp_path / "state").read() in (Kept(), FULL)


def test_a_speaker_boots_from_its_file_as_from_its_memory(tmp_path: Path) -> None:
    kept = Rig().told().programme(SERVER.programme(1, slot("P-1", 0))).board(SERVER.board(1, order())).disk
    file = KeptFile(tmp_path / "state")
    file.write(kept)
    assert Rig(disk=file.read()).told().sounds == "o-1"
