"""What every site should hear, send and see: a pure function of the conference. The reconciler makes the engine do it.

Audio: emergency > 点名发言 > granted floors > free discussion. Views: emergency full screen > broadcast > roll call >
second stream > voice-activated > own choice (research/conference.md §8).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from broadcast.domain.conference.media import AudioMode, Quality, RoomSpec, SiteAudio, Source, Stream, View
from broadcast.domain.conference.model import Conference, Site
from broadcast.domain.conference.pictures import patrol_after
from broadcast.domain.conference.states import Status, Wall

WALL_PANES = 9  # of a chair that has composed nothing: the wall of thumbnails
QUALITIES = (Quality.FULL, Quality.LOW, Quality.AUDIO_ONLY)


@dataclass(frozen=True, slots=True)
class Desired:
    """Of one room.

    :param mute: nobody but `exempt` is heard; a second lock beside `audio`, and at once for all.
    :param audio, views, quality: by site, of all that are in or wait; everybody else has no link.
    :param content: whose second stream may stand.
    :param announce: order of the emergency whose sound is put over everything.
    """

    spec: RoomSpec
    mute: bool
    exempt: frozenset[str]
    audio: Mapping[str, SiteAudio]
    views: Mapping[str, View]
    quality: Mapping[str, Quality]
    content: str
    relay: str
    announce: str
    recording: str


def desired(conference: Conference) -> Desired | None:
    """None: it has ended, and there is no room."""
    if not conference.is_live:
        return None
    there = [one for one in conference.sites if one.is_in or one.status is Status.ON_HOLD]
    audio = {one.id: audio_of(conference, one) for one in there}
    heard = frozenset(site for site, one in audio.items() if one.mode is AudioMode.TALK)
    return Desired(
        spec=RoomSpec(conference.id),
        mute=bool(conference.mute_all or conference.exclusive or conference.speaking or conference.emergency),
        exempt=heard,
        audio=audio,
        views={one.id: view_of(conference, one) for one in there},
        quality={one.id: quality_of(conference, one) for one in there},
        content=conference.content,
        relay=conference.relay.order if conference.relay else "",
        announce=conference.emergency.order if conference.emergency and conference.emergency.asset else "",
        recording=conference.recording.id if conference.recording else "",
    )


# ---- sound --------------------------------------------------------------------------------------------------------------------


def audio_of(conference: Conference, site: Site) -> SiteAudio:
    """What its sound may do now."""
    if not site.is_in:
        return SiteAudio(AudioMode.OFF)
    if not is_heard(conference, site):
        return SiteAudio(AudioMode.LISTEN)
    return SiteAudio(AudioMode.TALK, podium=site.id in podium(conference))


def is_heard(conference: Conference, site: Site) -> bool:
    """Whether its microphone is in the mix."""
    if not site.is_in or not site.speaks or site.muted or site.self_muted:
        return False
    if conference.emergency is not None or conference.howls(site):
        return False
    if conference.exclusive:
        return site.id in (conference.exclusive, conference.chair)
    if conference.speaking:
        return site.id == conference.chair or any(one.site == site.id for one in conference.speaking)
    return True


def podium(conference: Conference) -> frozenset[str]:
    """Whose sound may go to loudspeakers: chair, who has the floor, who was called, and who is broadcast."""
    on_air = [pane.source.site for pane in conference.on_air if pane.source is not None]
    speaking = [one.site for one in conference.speaking]
    single = on_air if len(conference.on_air) == 1 else []
    return frozenset(one for one in (conference.chair, conference.exclusive, *speaking, *single) if one)


# ---- pictures -----------------------------------------------------------------------------------------------------------------


def quality_of(conference: Conference, site: Site) -> Quality:
    """The poorer of what holds for all and for this one."""
    return max(conference.quality, site.quality, key=QUALITIES.index)


def view_of(conference: Conference, site: Site) -> View:
    """What it sees, pane by pane; whatever has precedence is first."""
    quality = quality_of(conference, site)
    if not site.is_in or site.feed or conference.emergency is not None or quality is Quality.AUDIO_ONLY:
        return View()
    chairs = site.id == conference.chair
    wanted = _chair_sees(conference, site) if chairs else _site_sees(conference, site)
    panes = _once(wanted)
    if quality is Quality.LOW:
        panes = panes[:1]
    ahead = _ahead(conference) if chairs else ()
    return View(panes, tuple(one for one in ahead if one not in panes))


def _site_sees(conference: Conference, site: Site) -> list[Source | None]:
    content: list[Source | None] = [*_content(conference, site)]
    for first in (_on_air(conference), _called(conference)):
        others = [one for one in first if one is None or one != Source(site.id)]
        if first:
            return [*(others or _chair_or_nothing(conference, site)), *content]
    talker = conference.talker if conference.voice_switching else ""
    candidates = [Source(talker)] if talker and talker != site.id else []
    candidates += [site.choice] if site.choice is not None else []
    candidates += _chair_or_nothing(conference, site)
    candidates += [Source(one.id) for one in conference.sites if one.id != site.id]
    shown = next((one for one in candidates if conference.shows(one)), None)
    return [*content, shown] if shown is not None else content


def _chair_sees(conference: Conference, site: Site) -> list[Source | None]:
    content = _content(conference, site)
    preview = [conference.preview] if conference.preview is not None else []
    if called := [one for one in _called(conference) if one != Source(site.id)]:
        return [*called, *preview, *content]
    return [*_wall(conference, site), *preview, *content]


def _wall(conference: Conference, site: Site) -> list[Source | None]:
    match conference.wall:
        case Wall.ONE if conference.watching is not None:
            return [conference.watching]
        case Wall.PATROL if conference.patrol.sites:
            return [Source(conference.patrol.sites[conference.patrol.at])]
    if conference.layout:
        return [pane.source for pane in conference.layout]
    others = [Source(one.id) for one in conference.sites if one.id != site.id]
    shown: list[Source | None] = [one for one in others if conference.shows(one)]
    return shown[:WALL_PANES]


def _ahead(conference: Conference) -> tuple[Source, ...]:
    """What patrol shows next: subscribed before, so that it switches at a key frame."""
    run = conference.patrol
    if conference.wall is not Wall.PATROL or not run.sites or run.held:
        return ()
    return (Source(run.sites[patrol_after(conference, run.at)]),)


def _on_air(conference: Conference) -> list[Source | None]:
    return [pane.source for pane in conference.on_air]


def _called(conference: Conference) -> list[Source | None]:
    site = conference.exclusive or (conference.roll_call.current if conference.roll_call else "")
    return [Source(site)] if site else []


def _content(conference: Conference, site: Site) -> list[Source]:
    source = Source(conference.content, Stream.CONTENT)
    return [source] if conference.content and conference.content != site.id and conference.shows(source) else []


def _chair_or_nothing(conference: Conference, site: Site) -> list[Source]:
    return [Source(conference.chair)] if conference.chair and conference.chair != site.id else []


def _once(sources: Iterable[Source | None]) -> tuple[Source | None, ...]:
    """Each picture in one pane; empty panes of a layout keep their place."""
    seen: set[Source] = set()
    panes: list[Source | None] = []
    for one in sources:
        if one is not None and one in seen:
            continue
        if one is not None:
            seen.add(one)
        panes.append(one)
    return tuple(panes[:16])
