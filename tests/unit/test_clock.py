from surefoot.clock import SystemClock, encode_token


def test_tokens_sort_by_age_and_differ():
    clock = SystemClock()
    tokens = [clock.token("run") for _ in range(1000)]
    assert len(set(tokens)) == 1000
    assert {len(token) for token in tokens} == {30}
    assert encode_token("run", 1.0, 2**80 - 1) < encode_token("run", 1.002, 0)
    assert all(token.startswith("run_") for token in tokens)


def test_the_clock_moves_and_draws_within_its_range():
    clock = SystemClock()
    assert clock.now() > 1.7e9
    assert clock.monotonic() <= clock.monotonic()
    assert 0 <= clock.random() < 1
