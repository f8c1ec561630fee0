"""Every act in a conference as a value. The web reads them from JSON by their word `act`; `acting.py` says what they do."""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeVar, dataclass_transform

from broadcast.domain.conference.media import Quality, Source
from broadcast.domain.conference.states import RollResult, UnmutePolicy, Wall

T = TypeVar("T")


class Act:
    """The base of all; what is not expected in their JSON is refused."""

    __slots__ = ()
    __pydantic_config__: ClassVar[dict[str, Any]] = {
        "extra": "forbid"
    }  # a word to whoever reads JSON; nothing is imported


@dataclass_transform(frozen_default=True, kw_only_default=True)
def value(kind: type[T]) -> type[T]:
    return dataclass(frozen=True, slots=True, kw_only=True)(kind)


# ---- the roster ---------------------------------------------------------------------------------------------------------------


@value
class Call(Act):
    act: Literal["call"] = "call"
    site: str


@value
class CallAll(Act):
    act: Literal["call_all"] = "call_all"


@value
class Admit(Act):
    act: Literal["admit"] = "admit"
    site: str


@value
class Hold(Act):
    act: Literal["hold"] = "hold"
    site: str


@value
class Kick(Act):
    act: Literal["kick"] = "kick"
    site: str
    ban: bool = False


@value
class Pardon(Act):
    act: Literal["pardon"] = "pardon"
    site: str


@value
class Rename(Act):
    act: Literal["rename"] = "rename"
    site: str
    name: str


@value
class Drop(Act):
    act: Literal["drop"] = "drop"
    site: str


@value
class Observe(Act):
    act: Literal["observe"] = "observe"
    site: str
    on: bool


@value
class Leave(Act):
    act: Literal["leave"] = "leave"


@value
class Decline(Act):
    act: Literal["decline"] = "decline"


# ---- the frame ----------------------------------------------------------------------------------------------------------------


@value
class Lock(Act):
    act: Literal["lock"] = "lock"
    on: bool


@value
class WaitingRoom(Act):
    act: Literal["waiting_room"] = "waiting_room"
    on: bool


@value
class Extend(Act):
    act: Literal["extend"] = "extend"
    minutes: int


@value
class End(Act):
    act: Literal["end"] = "end"


@value
class SetQuality(Act):
    act: Literal["quality"] = "quality"
    quality: Quality
    site: str = ""


@value
class OwnQuality(Act):
    act: Literal["own_quality"] = "own_quality"
    quality: Quality


@value
class Caption(Act):
    act: Literal["caption"] = "caption"
    text: str


@value
class Banner(Act):
    act: Literal["banner"] = "banner"
    text: str


@value
class Write(Act):
    act: Literal["write"] = "write"
    text: str
    to: str = ""


@value
class GiveChair(Act):
    act: Literal["give_chair"] = "give_chair"
    site: str


@value
class AskChair(Act):
    act: Literal["ask_chair"] = "ask_chair"


@value
class ReleaseChair(Act):
    act: Literal["release_chair"] = "release_chair"


@value
class Reclaim(Act):
    act: Literal["reclaim"] = "reclaim"


@value
class Deputies(Act):
    act: Literal["deputies"] = "deputies"
    sites: tuple[str, ...]


# ---- sound --------------------------------------------------------------------------------------------------------------------


@value
class Mute(Act):
    act: Literal["mute"] = "mute"
    site: str


@value
class MuteAll(Act):
    act: Literal["mute_all"] = "mute_all"
    may_unmute: bool = False


@value
class Unmute(Act):
    act: Literal["unmute"] = "unmute"
    site: str


@value
class UnmuteAll(Act):
    act: Literal["unmute_all"] = "unmute_all"


@value
class Policy(Act):
    act: Literal["unmute_policy"] = "unmute_policy"
    policy: UnmutePolicy


@value
class Consent(Act):
    act: Literal["consent"] = "consent"
    yes: bool


@value
class Microphone(Act):
    act: Literal["microphone"] = "microphone"
    on: bool


@value
class CallOut(Act):
    act: Literal["call_out"] = "call_out"
    site: str


@value
class CallOutEnd(Act):
    act: Literal["call_out_end"] = "call_out_end"


# ---- floors -------------------------------------------------------------------------------------------------------------------


@value
class Ask(Act):
    act: Literal["ask"] = "ask"


@value
class AskFor(Act):
    act: Literal["ask_for"] = "ask_for"
    site: str
    priority: int = 2


@value
class Cancel(Act):
    act: Literal["cancel"] = "cancel"


@value
class Accept(Act):
    act: Literal["accept"] = "accept"
    request: int


@value
class Grant(Act):
    act: Literal["grant"] = "grant"
    request: int


@value
class Deny(Act):
    act: Literal["deny"] = "deny"
    request: int


@value
class LowerAll(Act):
    act: Literal["lower_all"] = "lower_all"


@value
class Revoke(Act):
    act: Literal["revoke"] = "revoke"
    site: str


@value
class Release(Act):
    act: Literal["release"] = "release"


@value
class FloorRules(Act):
    act: Literal["floor_rules"] = "floor_rules"
    speak_s: int
    at_once: int = 1


@value
class SpeakingList(Act):
    act: Literal["speaking_list"] = "speaking_list"
    sites: tuple[str, ...]
    each_s: int = 0


@value
class NextSpeaker(Act):
    act: Literal["next_speaker"] = "next_speaker"


@value
class AskContent(Act):
    act: Literal["ask_content"] = "ask_content"


@value
class GiveContent(Act):
    act: Literal["give_content"] = "give_content"
    site: str


@value
class ReleaseContent(Act):
    act: Literal["release_content"] = "release_content"


@value
class TakeContent(Act):
    act: Literal["take_content"] = "take_content"


@value
class LockContent(Act):
    act: Literal["lock_content"] = "lock_content"
    on: bool


# ---- pictures -----------------------------------------------------------------------------------------------------------------


@value
class Broadcast(Act):
    act: Literal["broadcast"] = "broadcast"
    source: Source


@value
class BroadcastLayout(Act):
    act: Literal["broadcast_layout"] = "broadcast_layout"


@value
class BroadcastEnd(Act):
    act: Literal["broadcast_end"] = "broadcast_end"


@value
class Preview(Act):
    act: Literal["preview"] = "preview"
    source: Source | None = None


@value
class Compose(Act):
    act: Literal["compose"] = "compose"
    panes: tuple[tuple[Source, ...], ...]
    apply: bool = False


@value
class Watch(Act):
    act: Literal["watch"] = "watch"
    wall: Wall
    source: Source | None = None


@value
class Choose(Act):
    act: Literal["choose"] = "choose"
    source: Source | None = None


@value
class VoiceSwitching(Act):
    act: Literal["voice_switching"] = "voice_switching"
    on: bool


@value
class Patrol(Act):
    act: Literal["patrol"] = "patrol"
    sites: tuple[str, ...]
    interval_s: int = 10


@value
class PatrolStep(Act):
    act: Literal["patrol_step"] = "patrol_step"
    by: Literal[1, -1] = 1


@value
class PatrolHold(Act):
    act: Literal["patrol_hold"] = "patrol_hold"
    on: bool


# ---- 点名签到 -----------------------------------------------------------------------------------------------------------------


@value
class RollBegin(Act):
    act: Literal["roll_begin"] = "roll_begin"
    sites: tuple[str, ...] = ()


@value
class RollMark(Act):
    act: Literal["roll_mark"] = "roll_mark"
    result: RollResult
    site: str = ""


@value
class RollNext(Act):
    act: Literal["roll_next"] = "roll_next"


@value
class RollRepeat(Act):
    act: Literal["roll_repeat"] = "roll_repeat"


@value
class RollEnd(Act):
    act: Literal["roll_end"] = "roll_end"


AnyAct = (
    Call | CallAll | Admit | Hold | Kick | Pardon | Rename | Drop | Observe | Leave | Decline | Lock | WaitingRoom | Extend
    | End | SetQuality | OwnQuality | Caption | Banner | Write | GiveChair | AskChair | ReleaseChair | Reclaim | Deputies
    | Mute | MuteAll | Unmute | UnmuteAll | Policy | Consent | Microphone | CallOut | CallOutEnd | Ask | AskFor | Cancel
    | Accept | Grant | Deny | LowerAll | Revoke | Release | FloorRules | SpeakingList | NextSpeaker | AskContent
    | GiveContent | ReleaseContent | TakeContent | LockContent | Broadcast | BroadcastLayout | BroadcastEnd | Preview
    | Compose | Watch | Choose | VoiceSwitching | Patrol | PatrolStep | PatrolHold | RollBegin | RollMark | RollNext
    | RollRepeat | RollEnd
)  # fmt: skip
