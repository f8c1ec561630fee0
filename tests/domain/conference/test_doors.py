"""What comes from outside before anybody is in: tickets and session descriptions."""

import base64
import secrets
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broadcast.domain.broadcasts import InvalidRequest
from broadcast.domain.conference.errors import BadTicket
from broadcast.domain.conference.media import BadSdp, Link
from broadcast.domain.conference.plans import check
from broadcast.domain.conference.sdp import must_be_candidate, must_be_fine
from broadcast.domain.conference.tickets import LIVES_MS, Ticket, hashed, take
from tests.conference.hall import T0, plan
from tests.conference.offers import offer
from tests.domain.conference.townships import TREE

SECRET = base64.urlsafe_b64encode(bytes(range(32))).decode().rstrip("=")
TICKET = Ticket(hashed(SECRET), "c1", "a", "seat:a", "boss", T0, T0 + LIVES_MS)


def test_a_ticket_is_good_once_in_its_time_for_its_conference() -> None:
    used = take(TICKET, hashed(SECRET), "c1", T0 + LIVES_MS - 1)
    assert used == replace(TICKET, used_ms=T0 + LIVES_MS - 1)
    for ticket, secret, conference, now_ms in (
        (used, SECRET, "c1", T0 + 1),  # replayed
        (TICKET, SECRET, "c1", T0 + LIVES_MS),  # expired
        (TICKET, SECRET, "c1", T0 - 1),
        (TICKET, SECRET, "c2", T0),  # foreign
        (None, SECRET, "c1", T0),
        (TICKET, "A" * 43, "c1", T0),
    ):
        with pytest.raises(BadTicket):
            take(ticket, hashed(secret), conference, now_ms)


@given(st.text(max_size=60))
def test_what_has_not_even_the_shape_of_a_secret_is_no_ticket(text: str) -> None:
    if len(text) != 43:
        with pytest.raises(BadTicket):
            hashed(text)
    assert len({hashed(secrets.token_urlsafe(32)) for _ in range(3)}) == 3


@pytest.mark.parametrize(
    ("link", "direction", "speaks"),
    [
        (Link.AUDIO, "sendrecv", True),
        (Link.AUDIO, "recvonly", False),
        (Link.CAMERA, "sendonly", True),
        (Link.CONTENT, "sendonly", True),
        (Link.VIEW, "recvonly", False),
    ],
)
def test_what_a_browser_offers_for_a_link_is_taken(link: Link, direction: str, speaks: bool) -> None:
    must_be_fine(offer(link, direction), link, speaks=speaks)


@pytest.mark.parametrize(
    ("sdp", "link", "speaks", "fault"),
    [
        ("", Link.AUDIO, True, "malformed"),
        ("v=0\r\n", Link.AUDIO, True, "malformed"),
        ("v=0\r\n" + "a=x\r\n" * 10_000, Link.AUDIO, True, "too-large"),
        (offer(Link.AUDIO, "sendrecv") + "a=" + "x" * 2_000 + "\r\n", Link.AUDIO, True, "too-large"),
        (offer(Link.AUDIO, "sendrecv") + "a=\u202ex\r\n", Link.AUDIO, True, "malformed"),
        (offer(Link.AUDIO, "sendrecv"), Link.AUDIO, False, "not-allowed"),  # an observer that would speak
        (offer(Link.AUDIO, "sendonly"), Link.AUDIO, True, "not-allowed"),
        (offer(Link.CAMERA, "sendonly"), Link.CAMERA, False, "not-allowed"),
        (offer(Link.CAMERA, "sendonly"), Link.AUDIO, True, "not-allowed"),
        (offer(Link.CAMERA, "sendrecv"), Link.CAMERA, True, "not-allowed"),
        (offer(Link.AUDIO, "recvonly"), Link.VIEW, True, "not-allowed"),
        (offer(Link.CAMERA, "sendonly") * 2, Link.CAMERA, True, "not-allowed"),
        (offer(Link.AUDIO, "sendrecv") + "a=crypto:1 x\r\n", Link.AUDIO, True, "not-allowed"),
        (offer(Link.CAMERA, "sendonly") + "a=simulcast:send 1;2\r\n", Link.CAMERA, True, "not-allowed"),
        (offer(Link.AUDIO, "sendrecv").replace("opus/48000", "PCMU/8000"), Link.AUDIO, True, "no-codec"),
        (offer(Link.AUDIO, "sendrecv").replace("a=fingerprint", "a=finger"), Link.AUDIO, True, "malformed"),
        (offer(Link.AUDIO, "sendrecv").replace("UDP/TLS/RTP/SAVPF", "RTP/AVP"), Link.AUDIO, True, "not-allowed"),
        (offer(Link.AUDIO, "sendrecv") + "a=candidate:hello\r\n", Link.AUDIO, True, "malformed"),
    ],
)
def test_a_description_that_is_none_or_asks_for_what_it_may_not_is_refused_by_what_is_wrong(
    sdp: str, link: Link, speaks: bool, fault: str
) -> None:
    with pytest.raises(BadSdp) as refused:
        must_be_fine(sdp, link, speaks=speaks)
    assert refused.value.fault == fault


@given(st.text(max_size=400), st.sampled_from(Link))
def test_no_text_breaks_the_reader_of_descriptions(text: str, link: Link) -> None:
    for sdp in (text, "v=0\r\n" + text, offer(Link.AUDIO, "sendrecv") + text):
        try:
            must_be_fine(sdp, link, speaks=True)
        except BadSdp as refused:
            assert refused.fault in ("too-large", "malformed", "not-allowed", "no-codec")


def test_candidates_are_read_too() -> None:
    must_be_candidate(None)
    must_be_candidate("candidate:1 1 udp 2113937151 192.0.2.1 54321 typ host generation 0 ufrag abcd")
    for wrong in ("x", "candidate:1 1 udp 1 h 1 typ host " + "a " * 300, "candidate:1 1 udp 1 h\n 1 typ host"):
        with pytest.raises(BadSdp):
            must_be_candidate(wrong)


def test_a_plan_says_every_field_that_is_wrong() -> None:
    check(plan(), TREE)
    seats = plan().seats
    wrong = plan(title=" ", area="999999000000", minutes=0, chair="nobody", seats=(*seats, replace(seats[0], name="")))
    with pytest.raises(InvalidRequest) as refused:
        check(wrong, TREE)
    assert [one["field"] for one in refused.value.errors] == [
        "title",
        "area",
        "minutes",
        "seats.5.id",
        "seats.5.name",
        "chair",
    ]
