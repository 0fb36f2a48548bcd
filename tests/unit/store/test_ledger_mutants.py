"""The lists of mutants stay true: each text to be replaced stands in its file once, and what is left is Python."""

from __future__ import annotations

import ast

import pytest
from tests.unit.session_mutants import MUTANTS as SESSION_MUTANTS
from tests.unit.store.ledger_mutants import MUTANTS, PACKAGE, Mutant


@pytest.mark.parametrize("mutant", MUTANTS + SESSION_MUTANTS, ids=lambda mutant: mutant.why)
def test_a_mutant_can_be_made(mutant: Mutant):
    source = (PACKAGE / mutant.file).read_text(encoding="utf-8")
    assert source.count(mutant.text) == 1
    broken = source.replace(mutant.text, mutant.instead)
    assert broken != source
    ast.parse(broken)


def test_there_are_enough():
    assert len({mutant.why for mutant in MUTANTS}) == len(MUTANTS) >= 20
    assert len({mutant.why for mutant in SESSION_MUTANTS}) == len(SESSION_MUTANTS) >= 10
