"""Every rule of the speaker and of the ladder switched off, one at a time: some test must notice.

    .venv/bin/python -m tests.mutants [word ...]

Each mutant is a change of one place in a copy of the tree; the tests run there until the first one fails. Words choose the mutants
whose name holds one of them. Prints a table; the exit code is 1 if a mutant lives.
"""

# ruff: noqa: E501  a mutant is a line
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from os import cpu_count
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TESTS = ("player", "arbitration", "delivery", "journal", "kept", "speakers_stateful", "model")  # the quick ones first
TIMEOUT_S = 600


@dataclass(frozen=True)
class Mutant:
    """A rule switched off.

    :param old: stands once in the file of `endpoints/`.
    """

    name: str
    file: str
    old: str
    new: str


M = Mutant
MUTANTS = (
    # who may say what
    M("signatures are not checked", "sealing", "        if not verify(", "        if False and not verify("),
    M("an exercise key counts for live", "sealing", "if key.exercise is not exercise:", "if False:"),
    M("a message type is not part of what is signed", "sealing", "else 'live'}/{message.value}\".encode()", "else 'live'}\".encode()"),
    M("a key's area does not bound its orders", "sealing", "not all(covers(self.area, area) for area in asked)", "False"),
    M("a key's band does not bound its orders", "sealing", "order.band > self.highest_band or ", ""),
    M("a key's mode does not bound its orders", "sealing", "if order.exercise is not self.exercise:", "if False:"),
    M("a key's dates do not bound its boards", "shelf", "return key.in_force(at_ms) and covers", "return covers"),
    M("any key writes any board", "shelf", "covers(key.area, place) and ", ""),
    M("a weaker key writes over a stronger one's board", "shelf", "(held is None or reaches(key, held.reading.key))", "True"),
    M("a weaker key's version locks the stronger out", "shelf", "held is None or not reaches(held.reading.key, reading.key)", "held is None"),
    M("a weaker key's epoch locks the stronger out", "shelf", "k.area == key.area and k.highest_band >= key.highest_band", "True"),
    M("boards of others are taken", "shelf", "        if reading.board.scope not in self._scopes:\n            return Verdict.FOREIGN\n", ""),
    M("of two copies the last counts", "shelf", "if known is None or copy.outweighs(known):", "if True:"),
    M("a refused copy outweighs", "shelf", "self.objection is Reason.NONE, -depth", "True, -depth"),
    M("an id that a weak key used up is done", "player", " and not (lawful and is_usurped(known, order, copy.key))", ""),
    M("a key that ran out speaks from the disk", "shelf", "held.void = not held.reading.key.in_force(now_ms)", "held.void = False"),
    M("boards are taken before the time is known", "shelf", "        if now_ms is not None:\n            return self._place", "        if now_ms is None:\n            now_ms = reading.board.written_at_ms\n        if True:\n            return self._place"),
    M("the oldest early board counts", "shelf", "_number(self._early[where][1]) < _number(reading)", "False"),
    # versions, epochs, the cancel
    M("a lower version is taken", "shelf", "return _number(reading) <= _number(held.reading)", "return False"),
    M("an equal version is taken", "shelf", "return _number(reading) <= _number(held.reading)", "return _number(reading) < _number(held.reading)"),
    M("a replaced server's boards are taken", "shelf", "if self.is_below_floor(reading.key, reading.board.epoch):", "if False:"),
    M("a replaced server's times are taken", "player", " or self._shelf.is_below_floor(opened.key, answer.epoch)", ""),
    M("epochs are not kept", "player", "epochs=self._shelf.epochs,", "epochs={},"),
    M("a time answer does not raise the epoch", "player", "self._shelf.raise_epoch(key, answer.epoch) or ", ""),
    M("the kept board of a replaced server is dropped", "shelf", "if scope in self._scopes and self._may_write(", "if not self.is_below_floor(reading.key, reading.board.epoch) and self._may_write("),
    M("boards are not kept", "player", "boards=self._shelf.frames,", "boards=(),"),
    M("the disk's boards are believed unsigned", "sealing", "            raise NotAuthentic(\"signed by a key that is not trusted\")", "            return Opened(next(iter(self._keys.values())), frame[start:end])"),
    M("absence is no cancel", "player", "            if self._shelf.speaks_for(progress.scope):", "            if False:"),
    M("a lost board cancels", "shelf", "return scope not in self._scopes or (held is not None and not held.void)", "return True"),
    M("a cancelled revision comes back", "ledger", "order.revision <= known.revision", "False"),
    M("a widened order stays cancelled", "ledger", "known.stage is Stage.REFUSED or known.reason is Reason.CANCELLED", "known.stage is Stage.REFUSED"),
    M("a refusal holds for all revisions", "ledger", "known.stage is Stage.REFUSED or known.reason is Reason.CANCELLED", "known.reason is Reason.CANCELLED"),
    M("a later end is not heard of", "ledger", "return order.not_after_ms > known.not_after_ms", "return False"),
    M("late words are not said", "ledger", "return order.asset not in {b\"\", known.asset}", "return False"),
    M("any revision of a finished order sounds again", "ledger", "return order.asset not in {b\"\", known.asset}", "return True"),
    # who is meant, and when
    M("an empty target is everybody", "arbitration", "return not here.isdisjoint(order.areas) and", "return (not order.areas or not here.isdisjoint(order.areas)) and"),
    M("areas are compared as strings", "arbitration", "return not here.isdisjoint(order.areas) and", "return any(area.startswith(a.rstrip(\"0\")) for a in order.areas) and"),
    M("excluded areas hear it", "arbitration", " and here.isdisjoint(order.excluded)", ""),
    M("single speakers are not meant", "arbitration", "    if speaker in order.speakers:\n        return True\n", ""),
    M("an exercise mixes with live", "arbitration", "order.exercise is listener.exercise\n        and ", ""),
    M("an order sounds before its time", "arbitration", "order.not_before_ms <= now_ms < order.not_after_ms", "now_ms < order.not_after_ms"),
    M("an order sounds after its end", "arbitration", "order.not_before_ms <= now_ms < order.not_after_ms", "order.not_before_ms <= now_ms"),
    M("the end of what sounds is not seen", "air", "if now_ms >= order.not_after_ms and not progress.terminal:", "if False:"),
    M("what has ended may be chosen", "arbitration", "        and order.id not in listener.done\n", ""),
    M("nobody wakes it at a change", "air", "self.change_at = float(\"inf\") if edge_ms is None else now + (edge_ms - now_ms) / 1000", "self.change_at = float(\"inf\")"),
    M("routine sounds in quiet hours", "arbitration", "        and not (order.kind is Kind.ROUTINE and listener.quiet.hold(now_ms))\n", ""),
    M("quiet hours silence emergencies", "arbitration", "order.kind is Kind.ROUTINE and listener.quiet", "listener.quiet"),
    M("quiet hours do not begin in a programme", "arbitration", "        edges.append(listener.quiet.next_edge_ms(now_ms))", "        pass"),
    # the air
    M("an equal claim takes the air", "arbitration", "if best.id != listener.on_air and best.band not in NEWEST_WINS:", "if False:"),
    M("of equal emergencies the first wins", "arbitration", "began if order.band in NEWEST_WINS else -began", "-began"),
    M("of equal notices the newest goes first", "arbitration", "began if order.band in NEWEST_WINS else -began", "began"),
    M("a new emergency waits for the old", "arbitration", " and best.band not in NEWEST_WINS:", ":"),
    M("unknown severity is above red", "arbitration", "severity = 0 if order.severity is Severity.UNKNOWN else", "severity ="),
    M("level always first", "arbitration", "if rule is OrderRule.LEVEL_FIRST:", "if True:"),
    M("level never first", "arbitration", "if rule is OrderRule.LEVEL_FIRST:", "if False:"),
    M("bands do not count", "arbitration", "    return order.band, severity, order.level", "    return 0, severity, order.level"),
    M("a second voice waits", "air", "if on_air is not None and _is_second_voice", "if False and _is_second_voice"),
    M("a voice for later is refused now", "air", "both_live and order.not_before_ms <= now_ms and", "both_live and"),
    M("continue restarts", "air", "return progress.position_ms", "return 0"),
    M("rejoin continues", "air", "return max(0, now_ms - progress.first_started_ms) // BLOCK_MS * BLOCK_MS", "return progress.position_ms"),
    M("restart continues", "air", "return max(0, now_ms - progress.first_started_ms) // BLOCK_MS * BLOCK_MS\n    return 0", "return max(0, now_ms - progress.first_started_ms) // BLOCK_MS * BLOCK_MS\n    return progress.position_ms"),
    M("drop comes back", "air", "if order.resume is Resume.DROP and self._ledger", "if False and self._ledger"),
    M("drop comes back after the power", "air", "stage = Stage.STOPPED if order is not None and order.resume is Resume.DROP else Stage.INTERRUPTED", "stage = Stage.INTERRUPTED"),
    M("another sound does not begin anew", "air", "elif _sound_of(winner) != _sound_of(was.order):", "elif False:"),
    M("a live voice ends with its length", "air", "if order.kind is Kind.LIVE or from_ms < order.sound_ms:", "if from_ms < order.sound_ms:"),
    M("an order does not raise the volume", "arbitration", "max(own_percent, order.volume_percent, floor)", "max(own_percent, floor)"),
    M("an order lowers the volume", "arbitration", "max(own_percent, order.volume_percent, floor)", "order.volume_percent or own_percent or floor"),
    M("an emergency does not lift mute", "arbitration", "floor = EMERGENCY_PERCENT if order.band >= Band.EMERGENCY else 0", "floor = 0"),
    M("a muted speaker says nothing of it", "player", "if self._air.volume_percent(order) == 0:", "if False:"),
    M("two sound at once", "air", "            self._on_air = None\n            self.out.append(Stop(was.order.id))\n", "            self._on_air = None\n"),
    # time
    M("no fresh time is needed after a boot", "server_time", "self.line: TimeLine | None = None  #", "self.line: TimeLine | None = TimeLine(0.0, floor_ms * 1_000) if floor_ms else None  #"),
    M("the nonce is not compared", "server_time", "for asked, at in self._asked if asked == nonce), None)", "for asked, at in self._asked), 0.0)"),
    M("an answer counts twice", "server_time", "        self._close(answer.nonce, now)\n", ""),
    M("a late answer is a time", "server_time", "if now - asked_at > LONGEST_ROUND_TRIP_S:", "if False:"),
    M("the way of an answer is not counted", "time_line", "sent_us + way_us // 2, way_us", "sent_us, way_us"),
    M("an answer for others is taken", "player", "answer.speaker == self.who.id and ", ""),
    M("any band says the time", "server_time", "return key.highest_band >= TIME_BAND and in_dates", "return in_dates"),
    M("a key that ran out says the time", "server_time", "key.in_force(server_ms) and self.floor_ms(now) < key.not_after_ms", "key.in_force(server_ms)"),
    M("a township turns the county's clock", "server_time", "and not reaches(key, self._key)", "and False"),
    M("a battery clock below the floor is trusted", "server_time", "if rtc_ms < self._floor_ms:", "if False:"),
    M("the floor is not kept", "player", "time_floor_ms=self._time.kept_ms(now),", "time_floor_ms=0,"),
    M("the floor does not follow a server that was ahead", "server_time", "return not 0 <= self.floor_ms(now)", "return not -10**15 <= self.floor_ms(now)"),
    M("a wrong clock is not said", "player", "self.fault(Fault.CLOCK, present=was_wrong)", "self.fault(Fault.CLOCK, present=False)"),
    M("a dead server is asked every three seconds", "server_time", "self._patience_s = min(2 * self._patience_s, ASK_AGAIN_AT_MOST_S)", "pass"),
    # what is kept, and when
    M("what has ended is not kept", "player", "progress=self._ledger.as_dict(),", "progress={},"),
    M("kept last", "player", "out.insert(0, Keep(self._kept(now)))", "out.append(Keep(self._kept(now)))"),
    M("kept after the sound, before the report", "player", "out.insert(0, Keep(self._kept(now)))", "out.insert(sum(1 for e in out if not isinstance(e, Send)), Keep(self._kept(now)))"),
    M("said before it is done", "player", "[*self._air.out, *self._out]", "[*self._out, *self._air.out]"),
    M("a full disk is not tried again", "player", "        if fault is Fault.DISK and present:\n            self._dirty = True", "        if False:\n            self._dirty = True"),
    M("the check sum of the state is not compared", "kept", "if sum_ != _sum(body):", "if False:"),
    M("the state is not synced before it is renamed", "kept", "                os.fsync(file.fileno())\n", ""),
    M("the state is written in place", "kept", "self._beside = path.with_name(path.name + \".new\")", "self._beside = path"),
    M("half a state stays on a full disk", "kept", "self._beside.unlink()", "pass"),
    M("what has ended is forgotten with its board", "ledger", "now_ms > progress.not_after_ms + FORGET_AFTER_MS", "progress.terminal"),
    M("what is on a board may be forgotten", "ledger", "if progress.order not in on_boards]", "]"),
    M("the first end counts for forgetting", "ledger", "        not_after_ms = max(known.not_after_ms, order.not_after_ms)\n        revision,", "        not_after_ms = known.not_after_ms\n        revision,"),
    M("the ledger grows for ever", "ledger", "too_many = len(self._progress) - LEDGER_LIMIT", "too_many = 0"),
    # reports
    M("a missed order is not reported", "air", "self.take_off(progress.order, Stage.MISSED, Reason.WAS_OFF if undecided else Reason.ENDED, now_ms)", "pass"),
    M("an order heard of late is received", "player", "            return  # heard", "            pass  # heard"),
    M("missed is never because it was off", "air", "Reason.WAS_OFF if undecided else Reason.ENDED", "Reason.ENDED"),
    M("a refusal is silent", "player", "            self._ledger.note(order.id, Stage.REFUSED, copy.objection, now_ms)\n", ""),
    M("what was cut by the power is not reported", "player", "        self._air.power_was_lost(self._mine, self._time.now_ms(now))\n", ""),
    M("the journal is not kept", "player", "journal=self._journal.entries,", "journal=(),"),
    M("reports are said once", "player", "        self._journal.resend(now)\n", ""),
    M("reports are not said again on connecting", "player", "        self._journal.resend(now, older_than_s=0)\n", ""),
    M("confirmed reports are said for ever", "player", "answer.confirmed_boot == self._boot and self._journal.confirm(answer.confirmed_n)", "False"),
    M("another boot's confirmation counts", "player", "answer.confirmed_boot == self._boot and ", ""),
    M("a confirmation confirms all", "journal", "if waiting.entry.n > n]", "if False]"),
    M("a full journal drops the oldest", "journal", "del self._waiting[self._least_worth()]", "del self._waiting[0]"),
    M("the journal grows for ever", "journal", "if len(self._waiting) > JOURNAL_LIMIT:", "if False:"),
    M("a batch is longer than a report", "journal", "unsent[start : start + MAX_ENTRIES]", "unsent"),
    M("the first answer brings no heartbeat", "player", "            self._say_hello(now, ask=False)  #", "            pass  #"),
    # the ladder
    M("silence is never a conclusion", "delivery", "if self.wake_at is None or now < self.wake_at:", "if True:"),
    M("silence is concluded too early", "delivery", "self.wake_at is None or now < self.wake_at", "self.wake_at is None"),
    M("impossible reports are believed", "delivery", "raise ImpossibleReport(self.speaker, before, cause)", "after = before"),
    M("what was played can be missed", "delivery", "S.DONE: _stay(S.DONE, *_LATE, R.STOPPED, R.FINISHED, R.FAILED),", "S.DONE: {**_stay(S.DONE, *_LATE), R.MISSED: S.MISSED},"),
    M("late news is no news", "delivery", "S.UNREACHED: dict(_FIRST),", "S.UNREACHED: {},"),
    M("what never began is unfinished", "delivery", "S.SCHEDULED: {E.OVERDUE: S.UNREACHED,", "S.SCHEDULED: {E.OVERDUE: S.UNFINISHED,"),
    M("a speaker that will sound later is given up", "delivery", "_WAIT_FOR_END = (S.SCHEDULED, ", "_WAIT_FOR_END = ("),
    M("a stop prolongs the wait", "delivery", "self._end_by = min(self._end_by, end_by)", "self._end_by = end_by"),
    M("after a stop the old wait goes on", "delivery", "            self.wake_at = min(self.wake_at, end_by)", "            pass"),
)  # fmt: skip


@dataclass(frozen=True)
class Outcome:
    mutant: Mutant
    killed_by: str
    seconds: float


def hunt(mutant: Mutant, *, all_tests: bool = False) -> Outcome:
    """Run the tests on a copy of the tree with this one change."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        tree = Path(folder)
        for name in ("endpoints", "tests/endpoints"):
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns("__pycache__"))
        shutil.copy(ROOT / "pyproject.toml", tree)
        source = tree / "endpoints" / f"{mutant.file}.py"
        text = source.read_text(encoding="utf-8")
        if text.count(mutant.old) != 1:
            raise SystemExit(f"mutant {mutant.name!r}: its text stands {text.count(mutant.old)} times in {source.name}")
        source.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        began = time.perf_counter()
        tests = [f"tests/endpoints/test_{name}.py" for name in TESTS]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", *tests]
        try:
            ran = subprocess.run(command, cwd=tree, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
            said, code = ran.stdout + ran.stderr, ran.returncode
        except subprocess.TimeoutExpired:
            said, code = "FAILED it did not come to an end", 1
        if code not in (0, 1):  # nothing was tested: a module that can't be imported kills nothing
            raise SystemExit(f"{mutant.name!r}: pytest ended with {code}: {said[-600:]}")
        failed = re.search(r"^(?:FAILED|ERROR) (?:tests/endpoints/)?(.*?)(?: - .*)?$", said, re.MULTILINE)
        killed_by = "" if code == 0 else (failed.group(1) if failed else f"exit code {code}: {said[-200:]!r}")
        return Outcome(mutant, killed_by, time.perf_counter() - began)


UNTOUCHED = Mutant("nothing", "arbitration", "def choose(", "def choose(")


def main(words: Sequence[str]) -> int:
    if killed_by := hunt(UNTOUCHED).killed_by:
        raise SystemExit(f"without any mutant {killed_by} fails: every mutant would seem killed")
    chosen = [one for one in MUTANTS if not words or any(word in one.name for word in words)]
    print("| mutant | killed by | s |\n|---|---|---|")
    alive = 0
    with ThreadPoolExecutor(cpu_count()) as pool:
        for outcome in pool.map(hunt, chosen):
            alive += not outcome.killed_by
            print(f"| {outcome.mutant.name} | {outcome.killed_by or '**lives**'} | {outcome.seconds:.1f} |", flush=True)
    print(f"\n{len(chosen) - alive} of {len(chosen)} killed")
    return 1 if alive else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
