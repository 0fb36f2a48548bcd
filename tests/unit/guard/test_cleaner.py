"""What a runtime knows to be clean."""

from surefoot.guard.cleaner import MOST_CLEAN, Cleaner
from surefoot.secret import remember
from surefoot.sections import GuardSettings


def test_instructions_that_were_clean_are_looked_at_again_when_the_process_learns_a_secret():
    cleaner = Cleaner(GuardSettings())
    told = "Use the door code marmalade-77-kiel."
    assert cleaner.is_known_clean(told)
    assert cleaner.is_known_clean(told)
    remember("marmalade-77-kiel")
    assert not cleaner.is_known_clean(told)


def test_so_many_clean_instructions_are_remembered():
    cleaner = Cleaner(GuardSettings())
    for number in range(MOST_CLEAN + 10):
        assert cleaner.is_known_clean(f"You are desk {number}.")
    assert len(cleaner._clean) == MOST_CLEAN
