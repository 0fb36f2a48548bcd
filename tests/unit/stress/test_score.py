"""Keeping score."""

import pytest

from surefoot.stress.score import MAX_REASONS, OTHER, Score, slice_time


def played(*ends):
    score = Score(len(ends))
    for user, ended_s, latency_s, reason in ends:
        score.begin()
        score.end(user, ended_s=ended_s, latency_s=latency_s, reason=reason)
    return score


def test_answers_and_failures_add_up():
    score = played(("a", 1.0, 1.0, ""), ("b", 2.0, 2.0, "refused: rate"), ("a", 3.0, 2.0, ""), ("b", 4.0, 1.0, "model"))
    assert (score.ended, score.succeeded, score.failed, score.under_way) == (4, 2, 2, 0)
    assert score.failures == {"refused: rate": 1, "model": 1}
    assert score.answered_s() == [1.0, 2.0]
    assert score.recent_s() == (1.0, 2.0)
    assert played(("a", 1.0, 1.0, ""), ("b", 9.0, 9.0, "model")).recent_s() == (1.0, 1.0), "of the answers"
    score.begin()
    assert score.under_way == 1


def test_who_is_never_answered_is_the_worst_and_makes_it_unfair():
    score = played(("slow", 4.0, 4.0, ""), ("fast", 1.0, 1.0, ""), ("out", 0.1, 0.1, "refused: queue"))
    assert [user.name for user in score.worst_first()] == ["out", "slow", "fast"]
    assert [user.rate_per_s for user in score.worst_first()] == [0.0, 0.25, 1.0]
    assert score.worst_first()[1].mean_s == 4.0
    assert score.fairness() == pytest.approx(1.25**2 / (3 * (1 + 0.0625)))


def test_kinds_of_failures_are_limited_and_none_is_lost():
    score = played(*[("a", 1.0, 1.0, f"reason {number}") for number in range(3 * MAX_REASONS)])
    assert len(score.failures) == MAX_REASONS + 1
    assert score.failures[OTHER] == 2 * MAX_REASONS
    assert score.failed == 3 * MAX_REASONS


def test_slices_of_time_are_round_and_hold_everything():
    score = played(*[("a", 0.05 + number / 10, 0.5, "model" if number % 10 == 0 else "") for number in range(95)])
    moments = slice_time(score, max(score.ended_s), 60)
    assert len(moments) <= 60
    assert moments[0].at_s == pytest.approx(0.2)
    assert sum(moment.answered for moment in moments) == score.succeeded
    assert sum(moment.failed for moment in moments) == score.failed
    assert {moment.p50_s for moment in moments} == {0.5}
    assert slice_time(Score(1), 0.0, 60) == []
