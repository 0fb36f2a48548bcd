from collections import Counter

import pytest

from surefoot.errors import ConfigError
from surefoot.testing import Brain, Mix, say, status
from surefoot.testing.choice import resolve_choice


def test_a_mix_keeps_its_weights_and_repeats_itself():
    mix = Mix([(9, "often"), (1, "seldom"), (0, "never")], seed=5)
    picks = [mix.pick(number) for number in range(1_000)]
    assert picks == [mix.pick(number) for number in range(1_000)]
    assert picks != [Mix([(9, "often"), (1, "seldom")], seed=6).pick(number) for number in range(1_000)]
    counts = Counter(picks)
    assert set(counts) == {"often", "seldom"}
    assert 50 < counts["seldom"] < 200


def test_a_mix_within_a_mix_of_the_same_seed_chooses_for_itself():
    inner = Mix([(1, "a"), (1, "b")])
    outer = Mix([(1, inner), (1, "c")])
    texts = {resolve_choice(outer, (number,), Brain.think).text for number in range(50)}
    assert texts == {"a", "b", "c"}


@pytest.mark.parametrize("choices", [[], [(0, "x")], [(-1, "x"), (2, "y")]])
def test_a_mix_needs_weights(choices):
    with pytest.raises(ConfigError, match="a Mix needs"):
        Mix(choices)


def test_every_kind_of_choice_comes_to_a_step():
    assert resolve_choice("text", (1,), Brain.think) == say("text")
    assert resolve_choice(status(500), (1,), Brain.think) == status(500)
    assert resolve_choice(Brain(), (1,), lambda brain: brain.think((), ())) == say("Done.")
    with pytest.raises(ConfigError, match=r"a script holds replies such as say\(...\) or status\(...\), not 5"):
        resolve_choice(5, (1,), Brain.think)
