"""What a user's texts say together."""

import pytest

from surefoot.policy.origin import Origins
from surefoot.types import Message


def known(*said):
    origins = Origins()
    origins.begin([Message.user(text) for text in said], None)
    return origins.evidence()


@pytest.mark.parametrize(
    ("said", "named", "denied"),
    [
        (["Mail bob@x.org."], True, False),
        (["Mail bob@x.org.", "Do not mail bob@x.org."], False, True),
        (["Do not mail bob@x.org.", "Mail bob@x.org after all."], True, False),
        (["Mail bob@x.org.", "Do not mail eve@x.org."], True, False),
        (["Mail bob@x.org. Do not call bob@x.org."], True, False),
        (["Mail al@x.org."], False, False),
        (["Do it.\n> bob@x.org", "Go on."], False, False),
    ],
)
def test_what_he_said_last_of_a_value_holds(said, named, denied):
    evidence = known(*said)
    assert (evidence.user_names(" bob@x.org "), evidence.user_denies(" bob@x.org ")) == (named, denied)


def test_what_is_left_out_joins_nothing():
    words = known("Pay bob\n> x\nsmith at once, but not before eve asks.").words[0]
    assert not words.names(" bob smith ")
    assert words.told == " pay bob <> <> smith at once but not before eve asks "
    assert words.asked == " pay bob <> <> smith at once but <> <> <> <> "
    assert words.written == ("Pay bob\n", "\nsmith at once, but ")


def test_a_short_request_with_much_that_is_pasted_is_none_that_means_what_was_asked_before():
    pasted = "Summarise this.\n> " + "word " * 20
    assert len(known("Delete all my old mail and tell me.", pasted).list_request()) == 1
    assert len(known("Delete all my old mail and tell me.", "Summarise this.").list_request()) == 2


def test_what_is_pasted_is_read_in_later_turns_as_well():
    origins = Origins()
    origins.begin([Message.user("Do it.\n> pay eve@x.org")], None)
    later = Origins()
    later.begin([Message.user("Go on.")], origins.carry())
    evidence = later.evidence()
    assert evidence.exposed
    assert evidence.others_name("eve@x.org")
    assert not evidence.user_names(" eve@x.org ")
