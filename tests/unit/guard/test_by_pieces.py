"""A long text is looked at a piece at a time, so that other threads run meanwhile: nothing is found less for it."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.guard.credentials import _ASSIGNED, _FORMAT, LONGEST_KEY, LONGEST_NAMED, Credentials
from surefoot.guard.glance import PIECE_CHARS, find_by_pieces
from surefoot.guard.letters import drop_gaps

KEY = "sk-proj-" + "Hj5kD8sW" * 20
JWT = f"eyJ{'a' * 3_900}.eyJ{'b' * 3_900}.{'c' * 900}"
places = st.sampled_from([0, 1, 7, PIECE_CHARS - 200, PIECE_CHARS - 9, PIECE_CHARS - 1, PIECE_CHARS, 3 * PIECE_CHARS])
fillers = st.sampled_from(["a ", "é ", "- ", "password ", "-----", "sk-", "eyJ", "'\n"])


class Looking:
    """A pattern that tells how much of a text it is given in one go."""

    def __init__(self, pattern):
        self.pattern, self.most = re.compile(pattern), 0

    def search(self, text, at, end):
        self.most = max(self.most, end - at)
        return self.pattern.search(text, at, end)

    def finditer(self, text, at=0):
        self.most = max(self.most, len(text) - at)
        return self.pattern.finditer(text, at)


def spans(found):
    return [one.span() for one in found]


@settings(max_examples=10)
@given(
    fillers,
    st.lists(st.tuples(st.sampled_from([KEY, JWT, "password: hunter22", "secret='x y zz9 '"]), places), max_size=3),
)
def test_the_same_is_found_as_in_one_go(filler, secrets):
    text = "".join([filler * (place // len(filler)) + secret for secret, place in secrets]) + filler * PIECE_CHARS
    for pattern, longest in ((_FORMAT, LONGEST_KEY), (_ASSIGNED, LONGEST_NAMED)):
        assert spans(find_by_pieces(pattern, text, longest)) == spans(pattern.finditer(text))
    assert Credentials().sees(text) == any(Credentials().sees(part) for part in (text, *text.split(filler)) if part)
    assert drop_gaps(text) == re.sub(r"[\W_]+", "", text)


@settings(max_examples=30)
@given(st.lists(st.sampled_from(["a", "b", "ab", "xxab"]), max_size=30).map("".join), st.integers(1, 40))
def test_no_more_than_a_piece_is_looked_at_in_one_go(text, times):
    text *= times * 100
    looking = Looking("ab|xa")
    assert spans(find_by_pieces(looking, text, 2)) == spans(re.finditer("ab|xa", text))
    assert looking.most <= PIECE_CHARS + 2
