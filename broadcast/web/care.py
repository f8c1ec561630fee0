"""The care of speakers over the API: settings, secrets, codes, groups, tests and the list of the morning."""

from collections import Counter
from typing import Annotated, Literal

from pydantic import Field

from broadcast.domain.areas import UnknownArea
from broadcast.domain.broadcasts import Fault as FieldFault
from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.enrolments import CodeRefused, Enrolment, RenewalRefused, UnknownEnrolment, shown
from broadcast.domain.errors import BroadcastError
from broadcast.domain.estate_tests import Finding, UnknownTest, drift_of, township_of
from broadcast.domain.groups import Group, GroupChanged, UnknownGroup
from broadcast.domain.officers import AreaNotGranted, RoleNotGranted, Verb
from broadcast.domain.rights import may
from broadcast.domain.speakers import Speaker, SpeakerChanged, UnknownSpeaker
from broadcast.service.enrolments import Handed
from broadcast.service.officers import TooManyTries
from broadcast.service.presence import Presence
from broadcast.service.reach import place_of
from broadcast.web.care_models import (
    BulkIn,
    BulkOut,
    CareOut,
    CaresOut,
    CodeOut,
    EnrolIn,
    EnrolmentOut,
    EnrolmentsOut,
    FindingOut,
    GroupIn,
    GroupOut,
    GroupsOut,
    HandedOut,
    MorningOut,
    RedeemIn,
    RegisterIn,
    RenewIn,
    ReportedOut,
    RevokeIn,
    RollIn,
    SecretsOut,
    SettingsIn,
    SettingsOut,
    TestIn,
    TestOut,
    TestRunOut,
    TownshipOut,
)
from broadcast.web.models import AreaCode, In
from broadcast.web.openapi import PREFIX, Api, Call
from broadcast.web.qr import drawn
from broadcast.web.session import address_of, is_secure
from broadcast.web.words import rfc3339
from endpoints.protocol import Fault

api = Api()

MANAGING: tuple[type[BroadcastError], ...] = (RoleNotGranted, AreaNotGranted)
ONE: tuple[type[BroadcastError], ...] = (UnknownSpeaker, *MANAGING)


class CareQuery(In):
    """`only`: those that differ from what is wanted of them, that have newer secrets to fetch, or that are revoked."""

    area: AreaCode | None = None
    only: Literal["drift", "rolling", "revoked"] | None = None
    after: Annotated[str, Field(max_length=40)] | None = None
    limit: Annotated[int, Field(ge=1, le=1000)] = 1000


class MorningQuery(In):
    """`test`: an older one; without, that of the last night."""

    test: Annotated[str, Field(pattern=r"^[0-9A-Z]{26}$")] | None = None


# ---- speakers ---------------------------------------------------------------------------------------------------------------


@api.get("/estate/speakers", verb=Verb.READ, errors=(AreaNotGranted, UnknownArea))
async def list_cares(call: Call, query: CareQuery) -> CaresOut:
    """The speakers of an area with what is wanted of each and what it says of itself."""
    estate, by, now_ms = call.services.estate, call.officer, call.services.clock.now_ms()
    area = estate.tree.area(query.area).code if query.area else by.area
    may(by, Verb.READ, areas=[area], now_ms=now_ms)
    everyone = sorted(estate.inside(area), key=lambda one: one.id)
    said = [call.services.care.setups.said(one.id) for one in everyone]
    drifting = {one.id for one in everyone if _drift(call, one)}
    wanted = [
        one
        for one in everyone
        if (not query.after or one.id > query.after)
        and (query.only != "drift" or one.id in drifting)
        and (query.only != "rolling" or one.is_rolling(now_ms) or not one.handed_out)
        and (query.only != "revoked" or one.revoked)
    ]
    return CaresOut(
        items=[_care(call, one) for one in wanted[: query.limit]],
        models=dict(Counter(one.model if one else "" for one in said)),
        firmwares=dict(Counter(one.firmware if one else "" for one in said)),
        drifting=len(drifting),
        next=wanted[query.limit - 1].id if len(wanted) > query.limit else None,
    )


@api.get("/estate/speakers/{speaker}", verb=Verb.READ, errors=(AreaNotGranted, UnknownSpeaker))
async def get_care(call: Call) -> CareOut:
    """One speaker, with the ETag from which a change of it starts."""
    one = call.services.estate.speaker(call.path("speaker"))
    may(call.officer, Verb.READ, areas=[one.area], now_ms=call.services.clock.now_ms())
    return _care(call, one, tag=True)


@api.put(
    "/speakers/{speaker}/settings",
    versioned=True,
    verb=Verb.MANAGE_ESTATE,
    errors=(*ONE, SpeakerChanged, InvalidRequest),
)
async def set_speaker(call: Call, body: SettingsIn) -> CareOut:
    """Change settings, place, name or notes of one speaker; it goes by them as soon as it hears of them."""
    caretaking = call.services.care.caretaking
    changed = await caretaking.change(call.path("speaker"), body.wish(), by=call.officer, revision=call.revision)
    return _care(call, changed, tag=True)


@api.post("/speakers", status=201, once=True, verb=Verb.MANAGE_ESTATE, errors=MANAGING)
async def register_speaker(call: Call, body: RegisterIn) -> CareOut:
    """Register one by form (登记), before or without a code; the box comes later by a code in its place (换机)."""
    made = await call.services.care.registering.register(
        body.area, speaker=body.id or "", name=body.name, exercise=body.exercise, by=call.officer, once=call.once
    )
    call.headers["Location"] = f"{PREFIX}/estate/speakers/{made.id}"
    return _care(call, made, tag=True)


@api.post("/speakers/bulk", verb=Verb.MANAGE_ESTATE, errors=MANAGING)
async def set_speakers(call: Call, body: BulkIn) -> BulkOut:
    """The same settings, mute or place for many: all of them, or none and a word on each for which it can't be done."""
    changed = await call.services.care.caretaking.change_all(body.speakers, body.settings.wish(), by=call.officer)
    return BulkOut(items=[_care(call, one) for one in changed])


@api.post("/speakers/test", status=202, once=True, verb=Verb.TEST_SPEAKER, errors=MANAGING)
async def test_speakers(call: Call, body: TestIn) -> TestOut:
    """Ask speakers for a sign of life without a sound (静默巡检), or have them sound a soft chime (试音)."""
    tests = call.services.care.tests
    if body.kind == "silent":
        test = await tests.start(by=call.officer, speakers=body.speakers)
        call.headers["Location"] = f"{PREFIX}/estate/morning?test={test.id}"
        return TestOut(kind="silent", test=test.id, broadcasts=[])
    ids = await tests.tone(body.speakers, by=call.officer, once=call.once)
    call.headers["Location"] = f"{PREFIX}/broadcasts/{ids[0]}"
    return TestOut(kind="tone", test=None, broadcasts=list(ids))


@api.post("/speakers/roll-key", status=202, verb=Verb.MANAGE_ESTATE, errors=MANAGING)
async def roll_keys(call: Call, body: RollIn) -> BulkOut:
    """Newer secrets for speakers (换钥); each fetches its own, and the older ones end when it is heard with them."""
    rolled = await call.services.care.caretaking.roll(body.speakers, by=call.officer, within_min=body.within_min)
    return BulkOut(items=[_care(call, one) for one in rolled])


@api.post("/speakers/{speaker}/revoke", verb=Verb.MANAGE_ESTATE, errors=(*ONE, InvalidRequest))
async def revoke_speaker(call: Call, body: RevokeIn) -> CareOut:
    """Take no secret of this speaker any more (吊销); at once, and the broker throws it off. Then enrol a new box for it."""
    return _care(
        call, await call.services.care.caretaking.revoke(call.path("speaker"), by=call.officer, reason=body.reason)
    )


@api.post("/speakers/{speaker}/retire", status=204, verb=Verb.MANAGE_ESTATE, errors=ONE)
async def retire_speaker(call: Call) -> None:
    """Take it down for good (拆除). Its id stays taken: the record of old broadcasts names it."""
    await call.services.care.caretaking.retire(call.path("speaker"), by=call.officer)


# ---- tests ------------------------------------------------------------------------------------------------------------------


@api.get("/estate/morning", verb=Verb.READ, errors=(UnknownTest,))
async def get_morning(call: Call, query: MorningQuery) -> MorningOut:
    """Who failed the silent test of the night, and why, by township."""
    tests, by = call.services.care.tests, call.officer
    morning = await tests.morning(by=by, test=query.test or "")
    found = morning.test
    past = [TestRunOut.of(one) for one in await tests.tests(by=by)]
    if found is None:
        return MorningOut(test=None, running=morning.running, townships=[], tests=past)
    tree = call.services.estate.tree
    failed: dict[str, list[FindingOut]] = {}
    for one in morning.findings:
        failed.setdefault(township_of(one.area), []).append(_finding(call, one))
    townships = [
        TownshipOut(
            area=code,
            name=tree.area(code).name if code in tree else code,
            asked=asked,
            passed=passed,
            failed=failed.get(code, []),
        )
        for code, (asked, passed) in found.townships.items()
    ]
    townships.sort(key=lambda one: (one.passed - one.asked, one.area))
    return MorningOut(test=TestRunOut.of(found), running=morning.running, townships=townships, tests=past)


# ---- enrolment --------------------------------------------------------------------------------------------------------------


@api.post("/enrolments", status=201, verb=Verb.MANAGE_ESTATE, errors=ONE)
async def make_enrolment(call: Call, body: EnrolIn) -> CodeOut:
    """A code for a new box, or for one in another's place (换机). It is shown this once."""
    if (body.speaker is None) is (body.area is None):
        raise InvalidRequest([FieldFault("speaker", "one-of-two")])
    care = call.services.care
    made, code = await care.enrolments.make(
        by=call.officer,
        speaker=body.speaker or "",
        area=body.area or "",
        name=body.name,
        exercise=body.exercise,
        valid_min=body.valid_min,
    )
    server = f"{'https' if is_secure(call.request) else 'http'}://{call.request.host}"
    text = care.invite(server, shown(code))
    call.headers["Location"] = f"{PREFIX}/enrolments/{made.id}"
    return CodeOut(
        enrolment=_enrolment(call, made),
        code=shown(code),
        server=server,
        keys=care.keys_print,
        qr=drawn(text),
    )


@api.get("/enrolments", verb=Verb.MANAGE_ESTATE, errors=(RoleNotGranted,))
async def list_enrolments(call: Call) -> EnrolmentsOut:
    """The codes of the last month and what became of them; never the codes themselves."""
    found = await call.services.care.enrolments.page(by=call.officer)
    return EnrolmentsOut(items=[_enrolment(call, one) for one in found])


@api.delete("/enrolments/{enrolment}", verb=Verb.MANAGE_ESTATE, errors=(UnknownEnrolment, RoleNotGranted))
async def withdraw_enrolment(call: Call) -> EnrolmentOut:
    """Make a code worthless (作废). Of one that was used it changes nothing."""
    return _enrolment(call, await call.services.care.enrolments.withdraw(call.path("enrolment"), by=call.officer))


@api.post("/enrolments/redeem", public=True, errors=(CodeRefused, TooManyTries))
async def redeem_code(call: Call, body: RedeemIn) -> HandedOut:
    """For boxes: trade a code for secrets, sealed to the box."""
    handed = await call.services.care.enrolments.redeem(
        body.code,
        box=body.box,
        address=address_of(call.request),
        host=call.request.url.host or "",
        model=_label(body.model, "model"),
        firmware=_label(body.firmware, "firmware"),
    )
    return _handed(handed)


@api.post("/enrolments/renew", public=True, errors=(RenewalRefused, TooManyTries))
async def renew_secrets(call: Call, body: RenewIn) -> HandedOut:
    """For boxes: newer secrets for who proves the present ones."""
    handed = await call.services.care.enrolments.renew(
        body.speaker,
        box=body.box,
        proof=body.proof,
        address=address_of(call.request),
        host=call.request.url.host or "",
    )
    return _handed(handed)


# ---- groups -----------------------------------------------------------------------------------------------------------------


@api.get("/groups", verb=Verb.READ)
async def list_groups(call: Call) -> GroupsOut:
    """The named sets of speakers that one may use."""
    return GroupsOut(items=[_group(call, one) for one in await call.services.care.groups.all(by=call.officer)])


@api.post("/groups", status=201, verb=Verb.MANAGE_ESTATE, errors=MANAGING)
async def add_group(call: Call, body: GroupIn) -> GroupOut:
    """A new one."""
    made = await call.services.care.groups.add(body.group(), by=call.officer)
    call.headers["Location"] = f"{PREFIX}/groups/{made.id}"
    return _group(call, made, tag=True)


@api.get("/groups/{group}", verb=Verb.READ, errors=(UnknownGroup,))
async def get_group(call: Call) -> GroupOut:
    """One, with the ETag from which a change starts."""
    return _group(call, await call.services.care.groups.get(call.path("group"), by=call.officer), tag=True)


@api.put("/groups/{group}", versioned=True, verb=Verb.MANAGE_ESTATE, errors=(*MANAGING, UnknownGroup, GroupChanged))
async def change_group(call: Call, body: GroupIn) -> GroupOut:
    """What it holds from now on; what was sent to it before does not change."""
    group = body.group(call.path("group"), call.revision)
    return _group(call, await call.services.care.groups.change(group, by=call.officer), tag=True)


@api.delete(
    "/groups/{group}",
    status=204,
    versioned=True,
    verb=Verb.MANAGE_ESTATE,
    errors=(*MANAGING, UnknownGroup, GroupChanged),
)
async def drop_group(call: Call) -> None:
    """Away with it; its speakers stay."""
    await call.services.care.groups.drop(call.path("group"), by=call.officer, revision=call.revision)


# ---- in words ---------------------------------------------------------------------------------------------------------------


def _drift(call: Call, one: Speaker) -> tuple[str, ...]:
    setups = call.services.care.setups
    said = setups.said(one.id)
    return () if said is None else drift_of(one, said, setups.county, now_ms=call.services.clock.now_ms())


def _care(call: Call, one: Speaker, *, tag: bool = False) -> CareOut:
    now_ms, status = call.services.clock.now_ms(), call.services.speakers.status(one.id)
    said = call.services.care.setups.said(one.id)
    if tag:
        call.headers["ETag"] = f'"{one.revision}"'
    return CareOut(
        id=one.id,
        name=one.name,
        area=one.area,
        place=place_of(call.services.estate.tree, one.area),
        exercise=one.exercise,
        note=one.note,
        contacts=one.contacts,
        revision=one.revision,
        presence=status.presence.value,
        faults=[f.name.lower() for f in Fault if status.presence is Presence.ONLINE and status.faults & f],
        wanted=SettingsOut.wanted(one),
        reported=None if said is None else ReportedOut.of(said),
        drift=list(_drift(call, one)),
        secrets=SecretsOut(
            generation=one.generation,
            rolling_until=rfc3339(one.older_until_ms) if one.is_rolling(now_ms) else None,
            fetched=one.handed_out,
            revoked=one.revoked,
        ),
    )


def _finding(call: Call, one: Finding) -> FindingOut:
    known = call.services.estate.speakers.get(one.speaker)
    return FindingOut.of(one, name=known.name if known else "", place=place_of(call.services.estate.tree, one.area))


def _enrolment(call: Call, one: Enrolment) -> EnrolmentOut:
    place = place_of(call.services.estate.tree, one.area)
    return EnrolmentOut.of(one, place=place, now_ms=call.services.clock.now_ms())


def _group(call: Call, one: Group, *, tag: bool = False) -> GroupOut:
    if tag:
        call.headers["ETag"] = f'"{one.revision}"'
    return GroupOut.of(one, place=place_of(call.services.estate.tree, one.owner))


def _handed(handed: Handed) -> HandedOut:
    return HandedOut(speaker=handed.speaker, sealed=handed.sealed)


def _label(text: str, field: str) -> str:
    if not text.isprintable():
        raise InvalidRequest([FieldFault(field, "control-characters")])
    return text
