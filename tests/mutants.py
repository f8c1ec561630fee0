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
TESTS = (
    "player",
    "player_programmes",
    "arbitration",
    "delivery",
    "journal",
    "kept",
    "time_line",
    "server_time",
    "in_step",
    "speakers_stateful",
    "model",
)  # the quick ones first
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
    M("of two copies the last counts", "shelf", "if first is None or copy.outweighs(first):", "if True:"),
    M("a refused copy outweighs", "shelf", "self.objection is Reason.NONE, -depth", "True, -depth"),
    M("an id that a weak key used up is done", "player", " and not (lawful and is_usurped(known, order, copy.key))", ""),
    M("a key that ran out speaks from the disk", "shelf", "held.void = not held.reading.key.in_force(now_ms)", "held.void = False"),
    M("boards are taken before the time is known", "shelf", "        if now_ms is not None:\n            return self._place", "        if now_ms is None:\n            now_ms = reading.board.written_at_ms\n        if True:\n            return self._place"),
    M("the oldest early board counts", "shelf", "_number(self._early[aside][1]) < _number(reading)", "False"),
    M("a clock set back takes what sounds off the air", "air", "claims[held.id] = replace(held, not_before_ms=now_ms)", "pass"),
    M("a clock set back sets everything else forward", "air", "        if held is not None and now_ms < held.not_before_ms and", "        if held is not None:\n            now_ms = max(now_ms, held.not_before_ms)\n        if held is not None and now_ms < held.not_before_ms and"),
    M("before its time it rejoins before its first sample", "air", "        late_ms = max(0, late_ms)", "        pass"),
    # versions, epochs, the cancel
    M("a lower version is taken", "shelf", "return _number(reading) <= _number(held.reading)", "return False"),
    M("an equal version is taken", "shelf", "return _number(reading) <= _number(held.reading)", "return _number(reading) < _number(held.reading)"),
    M("a replaced server's boards are taken", "shelf", "if self.is_below_floor(reading.key, reading.board.epoch):", "if False:"),
    M("a replaced server's times are taken", "player", " or self._shelf.is_below_floor(opened.key, answer.epoch)", ""),
    M("epochs are not kept", "player", "epochs=self._shelf.epochs,", "epochs={},"),
    M("a time answer does not raise the epoch", "player", "self._shelf.raise_epoch(key, answer.epoch) or ", ""),
    M("the kept board of a replaced server is dropped", "shelf", "if reading.board.scope in self._scopes and self._may_write(", "if not self.is_below_floor(reading.key, reading.board.epoch) and self._may_write("),
    M("boards are not kept", "player", "boards=self._shelf.frames(Message.BOARD),", "boards=(),"),
    M("the disk's boards are believed unsigned", "sealing", "            raise NotAuthentic(\"signed by a key that is not trusted\")", "            return Opened(next(iter(self._keys.values())), frame[start:end])"),
    M("absence is no cancel", "player", "            if self._shelf.speaks_for(progress.scope, programme=progress.programme):", "            if False:"),
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
    M("the end of what sounds is not seen", "air", "return missed or now_ms >= order.not_after_ms", "return missed"),
    M("what has ended may be chosen", "arbitration", "        and order.id not in listener.done\n", ""),
    M("nobody wakes it at a change", "air", "self.change_at = float(\"inf\") if change_ms is None else now + (change_ms - now_ms) / 1000", "self.change_at = float(\"inf\")"),
    M("routine sounds in quiet hours", "arbitration", "        and not (order.kind is Kind.ROUTINE and listener.quiet.hold(now_ms))\n", ""),
    M("quiet hours silence emergencies", "arbitration", "order.kind is Kind.ROUTINE and listener.quiet", "listener.quiet"),
    M("quiet hours do not begin in a programme", "arbitration", "        edges.append(listener.quiet.next_edge_ms(now_ms))", "        pass"),
    # the air
    M("an equal claim takes the air", "arbitration", "(claim for claim in equals if claim.id == listener.on_air)", "(claim for claim in equals if False)"),
    M("of equal emergencies the first wins", "arbitration", "began_ms(order) if order.band in NEWEST_WINS else -began_ms(order)", "-began_ms(order)"),
    M("of equal notices the newest goes first", "arbitration", "began_ms(order) if order.band in NEWEST_WINS else -began_ms(order)", "began_ms(order)"),
    M("a new emergency waits for the old", "arbitration", "    if best.band in NEWEST_WINS:\n        return best\n", ""),
    M("unknown severity is above red", "arbitration", "severity = 0 if order.severity is Severity.UNKNOWN else", "severity ="),
    M("level always first", "arbitration", "if rule is OrderRule.LEVEL_FIRST:", "if True:"),
    M("level never first", "arbitration", "if rule is OrderRule.LEVEL_FIRST:", "if False:"),
    M("bands do not count", "arbitration", "    return order.band, severity, order.level", "    return 0, severity, order.level"),
    M("a second voice waits", "air", "if on_air is not None and _is_second_voice", "if False and _is_second_voice"),
    M("a voice for later is refused now", "air", "both_live and order.not_before_ms <= now_ms and", "both_live and"),
    M("continue restarts", "air", "return progress.position_ms", "return 0"),
    M("rejoin continues", "air", "        from_ms = -(-(late_ms + IN_STEP_MS) // BLOCK_MS) * BLOCK_MS", "        from_ms = progress.position_ms"),
    M("restart continues", "air", "progress.position_ms if order.resume is Resume.CONTINUE else 0", "progress.position_ms"),
    M("drop comes back", "air", "if order.resume is Resume.DROP and self._ledger", "if False and self._ledger"),
    M("drop comes back after the power", "air", "stage = Stage.STOPPED if order is not None and order.resume is Resume.DROP else Stage.INTERRUPTED", "stage = Stage.INTERRUPTED"),
    M("another sound does not begin anew", "air", "elif _sound_of(winner) != _sound_of(was.order):", "elif False:"),
    M("a live voice ends with its length", "air", "if _is_live(order) or from_ms < order.sound_ms:", "if from_ms < order.sound_ms:"),
    M("an order does not raise the volume", "arbitration", "max(own, order.volume_percent, least)", "max(own, least)"),
    M("an order lowers the volume", "arbitration", "max(own, order.volume_percent, least)", "(order.volume_percent or own or least)"),
    M("an emergency does not lift mute", "arbitration", "least = min(max(floor_percent, EMERGENCY_PERCENT), ceiling) if urgent else 0", "least = 0"),
    M("a muted speaker says nothing of it", "player", "if self._air.volume_percent(order, due_ms) == 0:", "if False:"),
    M("two sound at once", "air", "            self._leave(now)\n            self.out.append(Stop(was.order.id))\n", "            self._leave(now)\n"),
    # programmes: staged, in step, once, and never skipped without a reason
    M("a programme is reported 48 hours ahead", "shelf", "if copy.order.id in known or _is_upcoming(copy.order, now_ms))", ")"),
    M("what entered leaves when the clock steps back", "shelf", "copy.order.id in known or _is_upcoming", "_is_upcoming"),
    M("what was near stays so when a programme comes", "shelf", "        if where[0] is Message.PROGRAMME:\n            self._near = self._terms = None\n", ""),
    M("the word of a key that has run out counts", "shelf", "                self._terms = None\n", ""),
    M("nobody wakes it for a programme", "player", "self._upcoming_at = now + (self._shelf.next_upcoming_ms - now_ms) / 1000", "self._upcoming_at = _NEVER"),
    M("a programme goes on beyond its end", "shelf", "(o for o in orders if o.not_before_ms < board.until_ms)", "orders"),
    M("programmes are not kept", "player", "programmes=self._shelf.frames(Message.PROGRAMME),", "programmes=(),"),
    M("kept programmes are not taken up", "player", ", (Message.PROGRAMME, kept.programmes)):", ", (Message.PROGRAMME, ())):"),
    M("a board cancels a programme", "shelf", "self._held.get((Message.PROGRAMME if programme else Message.BOARD, scope))", "self._held.get((Message.BOARD, scope))"),
    M("a state from before programmes is refused", "kept", "            if value[0] == _BEFORE_PROGRAMMES:\n                value = _renewed(value)\n", ""),
    M("a latest start does not bind", "arbitration", "        and not is_too_late(order, now_ms, listener.begun)\n", ""),
    M("a latest start binds what has begun", "arbitration", " and begun is not None and order.id not in begun", " and begun is not None"),
    M("the server takes what began for too late", "arbitration", " and begun is not None and order.id not in begun", " and order.id not in (begun or ())"),
    M("a missed latest start is not said", "air", "return missed or now_ms >= order.not_after_ms", "return now_ms >= order.not_after_ms"),
    M("nobody wakes it at a latest start", "arbitration", "order.start_by_ms + 1, order.hard_at_ms", "order.hard_at_ms"),
    M("a hard time takes nothing", "arbitration", "return order.kind is Kind.ROUTINE and 0 < order.hard_at_ms <= now_ms", "return False"),
    M("a hard time has no grace", "arbitration", "0 < order.hard_at_ms <= now_ms", "0 < order.hard_at_ms"),
    M("a notice has a hard time", "arbitration", "return order.kind is Kind.ROUTINE and 0 < order.hard_at_ms", "return 0 < order.hard_at_ms"),
    M("hard times take the air from each other in a circle", "arbitration", "if has_hard_time(claim, now_ms) and began_ms(claim) > began_ms(holder)]", "if has_hard_time(claim, now_ms) and claim.id != holder.id]"),
    M("nobody wakes it at a hard time", "arbitration", "order.start_by_ms + 1, order.hard_at_ms", "order.start_by_ms + 1"),
    M("a late programme begins at the beginning", "air", "(begun or late_ms > IN_TIME_MS)", "begun"),
    M("a programme a moment late is cut into", "air", "(begun or late_ms > IN_TIME_MS)", "(begun or late_ms > 0)"),
    M("neighbours rejoin out of step", "air", "return from_ms, order.not_before_ms + from_ms", "return from_ms, None"),
    M("the sound card is not told the time", "air", "        return 0, order.not_before_ms\n", "        return 0, None\n"),
    M("nothing is handed over ahead", "air", "return soon if soon is not None and soon.not_before_ms > now_ms and not _is_live(soon) else None", "return None"),
    M("an emergency does not join its neighbours", "air", " or late_ms <= _may_be_late_ms(order):", ":"),
    M("a notice does not wait for its neighbours", "air", "order.kind in (Kind.ROUTINE, Kind.NOTICE) and late_ms", "order.kind is Kind.ROUTINE and late_ms"),
    M("what waited for its file is missed for no reason", "air", "return Reason.STREAM_LOST if on_air.order.stream else Reason.ASSET_MISSING", "return otherwise"),
    M("what waited for quiet hours is missed for no reason", "air", "        if progress.reason in (Reason.QUIET_HOURS, Reason.MUTED):\n            return progress.reason\n", ""),
    M("what waited for the air is missed for no reason", "air", "return otherwise if on_air is None else Reason.BUSY", "return otherwise"),
    M("heard of late counts as switched off", "air", "            return heard_late", "            return Reason.WAS_OFF"),
    M("the budget binds nobody", "air", "self._budget.is_used_up(day, self.terms.budget_min)", "False"),
    M("the budget binds what has begun", "air", "if not begun and self._is_beyond_budget(order, now_ms):", "if self._is_beyond_budget(order, now_ms):"),
    M("the budget binds notices", "air", "return order.kind is Kind.ROUTINE and self._budget", "return self._budget"),
    M("notices are charged", "air", "if order.kind is not Kind.ROUTINE or self._ledger[order.id].reason is Reason.POWER_LOST:", "if self._ledger[order.id].reason is Reason.POWER_LOST:"),
    M("a power cut is charged twice", "air", "if order.kind is not Kind.ROUTINE or self._ledger[order.id].reason is Reason.POWER_LOST:", "if order.kind is not Kind.ROUTINE:"),
    M("what was not heard is charged", "air", "self._budget.give_back(day, max(0, charged_ms - was.heard_ms(now)))", "pass"),
    M("the minutes are not kept", "player", "spent=self._budget.spent,", "spent=Budget(Kept().spent).spent,"),
    M("the minutes are never used up", "budget", "self.spent.ms >= budget_min * MINUTE_MS", "False"),
    M("a day begins with yesterday's minutes", "budget", "return budget_min > 0 and self.spent.day == day and", "return budget_min > 0 and"),
    M("no limit is a limit of nothing", "budget", "budget_min > 0 and ", ""),
    M("the volume of the next hour is not set", "air", "edges.append(self.who.quiet.next_hour_ms(now_ms))", "pass"),
    M("a change of volume begins anew", "air", "            self.out.append(Volume(order.id, percent))", "            self.out += [Stop(order.id), Play(order, 0, percent)]"),
    M("an emergency bends to the hour", "arbitration", "if order.kind is Kind.ROUTINE else own_percent", "if True else own_percent"),
    M("a ceiling is not kept", "arbitration", "max(order.ceiling_percent, least), ceiling)", "ceiling)"),
    M("a ceiling silences an emergency", "arbitration", "max(order.ceiling_percent, least), ceiling)", "order.ceiling_percent, ceiling)"),
    M("the county's word counts before the village's", "shelf", "        held = (self._held.get((Message.PROGRAMME, scope)) for scope in self._scopes)", "        held = (self._held.get((Message.PROGRAMME, scope)) for scope in reversed(self._scopes))"),
    M("an emergency has a fallback", "air", "fallback = self.terms.fallback if order.kind is Kind.ROUTINE else None", "fallback = self.terms.fallback"),
    M("a fallback to the end is the whole", "air", "            reason = Reason.FALLBACK  #", "            pass  #"),
    M("a fallback in the middle is not said", "air", "            if reason is Reason.NONE or self._ledger[order].reason is reason:", "            if True:"),
    M("files of programmes are not wanted", "player", "wanted_of(self._live(self._shelf.staged()), ", "wanted_of((), "),
    M("files of a new programme are not wanted", "player", "            self._staged_files = None\n            self._stock.changed(now)\n        self._sort_out(now)", "            self._stock.changed(now)\n        self._sort_out(now)"),
    M("files that sounded are wanted for ever", "player", "        if now >= self._upcoming_at:\n            self._staged_files = None\n", "        if now >= self._upcoming_at:\n"),
    M("files of boards are not wanted", "stocktaking", "return (*first, *(one for one in second if one.part.asset not in known)) if first else second", "return second"),
    M("files are wanted in any order", "stocktaking", "key=lambda one: (one.kind is Kind.ROUTINE, one.not_before_ms)", "key=lambda one: one.id"),
    M("the fallback is not wanted", "stocktaking", "if order.kind is Kind.ROUTINE and fallback is not None:", "if False:"),
    M("a stock is said at every change", "stocktaking", "soon = max(now + self._random.uniform(0, JITTER_S), self._said_at + NOT_BEFORE_S)", "soon = now"),
    M("a stock is never said again", "stocktaking", " or now - self._said_at >= 0.9 * ANYWAY_S", ""),
    M("a stock with gaps is complete", "stocktaking", "min(gaps_ms or [", "min(["),
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
    # in step
    M("the newest answer draws the time", "time_line", "return min(self.taken, key=lambda one: one.error_at(now, ppm))", "return self.taken[-1]"),
    M("many bad answers push out a good one", "time_line", "kept.remove(max(kept, key=lambda one: one.error_at(newest.at, DRIFT_PPM)))", "kept.pop(0)"),
    M("what was said before the clock was set counts", "time_line", " and _agree(one, newest)", ""),
    M("an answer says that it is right", "time_line", "way_us // 2 + STAMP_US", "STAMP_US"),
    M("a ping is answered twice", "time_pings", "self._open = [one for one in self._open if one[0] != nonce]", "pass"),
    M("a ping is answered late", "time_pings", " and now - at <= ANSWER_WITHIN_S", ""),
    M("a dead server is pinged all the time", "time_pings", "self._gap_s = min(2 * self._gap_s, LONGEST_GAP_S)", "pass"),
    M("what a township said stays in the county's time", "server_time", "            self._samples = Samples()  # what a lesser one said no longer counts", "            pass"),
    M("what sounds jumps with a clock that is set", "in_step", "if abs(jump_s) > JUMP_S:", "if False:"),
    M("what begins late leaves nothing out", "in_step", "elif -wait <= self._skip_s * RATE_HZ:", "elif False:"),
    M("crystals run apart", "in_step", "if not self._correcting or count", "if True or count"),
    M("a correction goes the wrong way", "in_step", "size = 1 if self._owed > 0 else -1", "size = -1 if self._owed > 0 else 1"),
    M("an emergency begins its tone when it comes", "air", "return max(IN_TIME_MS, spare_ms) if order.kind is Kind.EMERGENCY or spare_ms > 0 else -1", "return -1"),
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
    M("what is on a board may be forgotten", "ledger", "if not is_on_a_board(progress.order)]", "]"),
    M("the first end counts for forgetting", "ledger", "        not_after_ms = max(known.not_after_ms, order.not_after_ms)\n        revision,", "        not_after_ms = known.not_after_ms\n        revision,"),
    M("the ledger grows for ever", "ledger", "too_many = len(self._progress) - LEDGER_LIMIT", "too_many = 0"),
    # reports
    M("a missed order is not reported", "air", "            self.take_off(progress.order, Stage.MISSED, reason, now_ms, now)", "            pass"),
    M("an order heard of late is received", "player", "            return  # heard", "            pass  # heard"),
    M("missed is never because it was off", "air", "            return Reason.WAS_OFF", "            return otherwise"),
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
    M("a new reason is no news", "delivery", "(reason in {Reason.NONE, self.reason} or _WORD.get(before) is not cause)", "True"),
    M("a reason of something else is news", "delivery", " or _WORD.get(before) is not cause)", ")"),
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
