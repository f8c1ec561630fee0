"""What a speaker has to tell: in order, again until confirmed, bounded."""

from hypothesis import given, settings
from hypothesis import strategies as st

from endpoints.journal import JOURNAL_LIMIT, RESEND_AFTER_S, Journal
from endpoints.protocol import MAX_ENTRIES, MAX_REPORT_BYTES, Reason, Report, Stage, encode_report


def filled(count: int, *, orders: int = 1) -> Journal:
    journal = Journal()
    for n in range(count):
        journal.add(f"{n % orders:040d}", 2**31, Stage.FINISHED, Reason.NONE, 2**53 - 1)
    return journal


def test_the_longest_batch_fits_a_report() -> None:
    (entries,) = filled(MAX_ENTRIES).take_unsent(0)
    assert len(encode_report(Report("s" * 32, 2**48, entries))) <= MAX_REPORT_BYTES


def test_what_was_sent_is_not_sent_again_before_it_is_old_and_then_until_it_is_confirmed() -> None:
    journal = filled(3)
    assert [[entry.n for entry in batch] for batch in journal.take_unsent(10)] == [[1, 2, 3]]
    journal.resend(10 + RESEND_AFTER_S - 0.1)
    assert journal.take_unsent(13) == []
    journal.resend(10 + RESEND_AFTER_S)
    assert [[entry.n for entry in batch] for batch in journal.take_unsent(13)] == [[1, 2, 3]]
    assert journal.confirm(2)
    assert not journal.confirm(2)
    assert (journal.oldest_n, journal.next_n) == (3, 4)
    journal.resend(99)
    assert [[entry.n for entry in batch] for batch in journal.take_unsent(99)] == [[3]]


def test_an_empty_journal_has_nothing_older_than_the_next() -> None:
    journal = Journal()
    assert not journal
    assert (journal.oldest_n, journal.next_n, journal.entries) == (1, 1, ())


@settings(deadline=None)  # a busy machine
@given(st.lists(st.integers(0, 400), min_size=JOURNAL_LIMIT, max_size=3 * JOURNAL_LIMIT))
def test_when_it_is_full_the_last_word_on_an_order_stays_longest(orders: list[int]) -> None:
    journal = Journal()
    for order in orders:
        journal.add(f"o-{order}", 1, Stage.SOUNDING, Reason.NONE, 0)
    entries = journal.entries
    assert len(entries) <= JOURNAL_LIMIT
    assert [entry.n for entry in entries] == sorted(entry.n for entry in entries)
    if len(set(orders)) <= JOURNAL_LIMIT:
        assert {entry.order for entry in entries} == {f"o-{order}" for order in orders}
