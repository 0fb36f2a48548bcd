"""A bug in any part that the simulator watches does not hide from fifty seeds; see mutants.py for all of them."""

import pytest
from tests.sim.mutants import MUTANTS, PACKAGE, hunt

ONE_OF_EACH = {mutant.part: mutant for mutant in reversed(MUTANTS)}


@pytest.mark.parametrize("part", sorted(ONE_OF_EACH))
def test_a_planted_bug_is_found_within_fifty_seeds(part, tmp_path):
    found = hunt(ONE_OF_EACH[part], tmp_path)
    print(f"{part}: {ONE_OF_EACH[part].why}: {found}")
    assert found


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.why)
def test_each_mutant_changes_what_is_there(mutant):
    assert (PACKAGE / mutant.file).read_text(encoding="utf-8").count(mutant.text) == 1
