import pytest

from surefoot.testing import Recent


def test_the_newest_entries_stay_within_the_count():
    log: Recent[int] = Recent(3)
    for number in range(5):
        log.append(number)
    assert list(log) == [2, 3, 4]
    assert len(log) == 3
    assert log.total == 5
    assert log[-1] == 4
    assert log[:2] == [2, 3]
    assert repr(log) == "Recent([2, 3, 4])"


def test_the_newest_entries_stay_within_the_bytes_and_the_last_one_always():
    log: Recent[str] = Recent(100, limit_bytes=10)
    log.append("a", 4)
    log.append("b", 4)
    log.append("c", 4)
    assert list(log) == ["b", "c"]
    log.append("d", 99)
    assert list(log) == ["d"]
    log.append("e", 1)
    assert list(log) == ["e"]


def test_a_log_without_room_is_a_mistake():
    with pytest.raises(AssertionError):
        Recent(0)
