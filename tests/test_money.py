"""What is promised of money, and the tests that hold it: fourteen properties of the ledger, and every way a call can end."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent
BOOKS, PORT, MACHINE = (
    "unit/test_accounts_of_runs.py",
    "unit/store/ledger_conformance.py",
    "unit/store/ledger_machine.py",
)
CALLS, CHILDREN = "unit/test_model_call.py", "unit/test_child_runs.py"

PROPERTIES = {
    "safety": [
        f"{MACHINE}::check",
        f"{PORT}::test_many_callers_of_many_workers_never_exceed_a_limit",
        "e2e/test_overspend.py::test_a_budget_worth_ten_calls_admits_ten",
        "e2e/test_budget_property.py::test_the_budget_holds_in_any_run",
    ],
    "write-ahead": [
        f"{PORT}::test_a_hold_is_on_disk_when_it_is_granted",
        "e2e/test_ledger_kill.py::test_kill_9_at_any_moment_loses_no_bill",
    ],
    "exactly-once settlement under replays": [f"{MACHINE}::settle", f"{PORT}::test_a_hold_is_settled_once"],
    "all or nothing": [
        f"{MACHINE}::claim",
        f"{PORT}::test_all_levels_are_booked_or_none",
        f"{PORT}::test_a_refused_record_is_not_written_and_its_number_stays_free",
    ],
    "a crash is charged as unknown": [
        f"{MACHINE}::crash",
        f"{PORT}::test_the_open_holds_of_a_lost_worker_are_charged_once",
    ],
    "fail closed": [
        f"{PORT}::test_a_frozen_account_survives_its_limit",
        f"{BOOKS}::test_an_unknown_price_under_a_limit_in_dollars_is_refused",
        f"{CHILDREN}::test_an_unknown_price_is_refused_under_any_run_above_that_limits_dollars",
        "unit/budget/test_prices.py::test_a_price_is_never_guessed",
    ],
    "a stream that is cut off": [f"{CALLS}::test_the_text_of_a_cut_stream_is_void_and_charged"],
    "a report of too much is an overrun and freezes": [
        f"{MACHINE}::settle",
        f"{PORT}::test_what_was_charged_beyond_the_hold_is_overrun_and_freezes_the_nearest_account",
    ],
    "a missing usage is not zero": [
        f"{PORT}::test_no_usage_is_not_a_usage_of_nothing",
        f"{BOOKS}::test_an_explicit_zero_is_free_and_a_missing_usage_is_not",
    ],
    "settled at most the hold over the whole price table": [
        "unit/budget/test_prices.py::test_settled_is_at_most_the_hold_over_the_whole_price_table",
        "unit/budget/test_prices.py::test_settled_is_at_most_the_hold_at_every_service_tier_that_can_be_asked_for",
    ],
    "wire requests = holds": [
        f"{CALLS}::test_each_attempt_on_the_wire_has_a_hold_of_its_own",
        "e2e/test_budget_property.py::test_the_budget_holds_over_real_http",
    ],
    "windows across midnight and changed clocks": [
        f"{MACHINE}::wait",
        f"{PORT}::test_a_hold_is_settled_in_the_window_that_it_was_taken_in",
        f"{PORT}::test_hours_that_the_clocks_repeat_are_two",
        "unit/budget/test_windows.py::test_windows_around_a_change_of_clocks",
    ],
    "edits of limits": [
        f"{MACHINE}::edit",
        f"{PORT}::test_a_limit_below_what_is_committed_breaks_nothing",
        f"{PORT}::test_a_limit_of_the_settings_that_comes_back_counts_what_was_spent_without_it",
    ],
    "liveness: nothing reserved when all is settled": [
        f"{MACHINE}::teardown",
        f"{PORT}::test_a_run_that_ends_leaves_nothing_reserved",
        f"{BOOKS}::test_nothing_is_reserved_when_all_runs_are_over",
    ],
}

WAYS = {
    "ok": [f"{BOOKS}::test_all_levels_are_charged_what_the_provider_bills"],
    "an error before the first byte": [
        f"{BOOKS}::test_a_refused_connection_costs_nothing",
        f"{BOOKS}::test_a_request_that_is_refused_costs_nothing",
        f"{CALLS}::test_nothing_is_charged_where_nobody_listens",
    ],
    "an error after it": [
        f"{BOOKS}::test_an_unknown_outcome_is_charged_in_full_until_somebody_knows_better",
        f"{CALLS}::test_how_each_failure_of_the_wire_is_charged",
    ],
    "a timeout": [
        f"{CALLS}::test_a_model_that_never_answers_is_given_up_and_charged",
        f"{BOOKS}::test_a_deadline_charges_in_full",
    ],
    "a cancel": [
        f"{BOOKS}::test_cancelling_while_the_model_answers_charges_in_full",
        f"{BOOKS}::test_cancelling_while_the_claim_waits_for_the_disk",
        f"{BOOKS}::test_cancelling_while_a_claim_is_refused",
    ],
    "a client that is gone": [f"{BOOKS}::test_a_reader_that_closes_its_stream_charges_in_full"],
    "a stream that is cut": [f"{CALLS}::test_the_text_of_a_cut_stream_is_void_and_charged"],
    "no usage": [f"{CALLS}::test_a_missing_or_impossible_usage_is_charged_in_full"],
    "a usage above the hold": [
        f"{BOOKS}::test_an_overrun_is_booked_freezes_the_nearest_account_and_waits_for_a_person",
        f"{CALLS}::test_an_overrun_is_booked_as_the_truth_and_ends_the_run",
    ],
    "a retry": [
        f"{BOOKS}::test_each_attempt_has_its_own_claim",
        f"{BOOKS}::test_a_retry_after_an_unknown_outcome_pays_for_both",
        f"{BOOKS}::test_a_retry_may_be_refused",
    ],
    "a fallback to another model": [
        f"{BOOKS}::test_a_fallback_pays_for_both_models_each_at_its_own_price",
        f"{BOOKS}::test_a_fallback_after_a_refusal_pays_for_the_second_alone",
    ],
    "a wait for its turn that is given up": [
        f"{BOOKS}::test_a_call_that_waits_for_its_turn_or_is_turned_away_holds_nothing"
    ],
    "parallel tool calls that begin runs": [
        f"{CHILDREN}::test_a_fan_out_never_exceeds_the_run_above",
        f"{CHILDREN}::test_eight_children_wait_for_the_room_that_others_only_hold",
    ],
    "a process that is killed": [
        "e2e/test_ledger_kill.py::test_kill_9_at_any_moment_loses_no_bill",
        f"{PORT}::test_a_new_worker_charges_the_lost",
        f"{PORT}::test_a_slow_worker_gets_the_difference_back_once",
    ],
    "late evidence": [
        f"{PORT}::test_evidence_refunds_an_unknown_hold_once",
        f"{PORT}::test_evidence_of_more_than_was_held",
        f"{PORT}::test_unknown_outcomes_without_a_limit_are_listed_and_corrected",
    ],
}


@cache
def functions_of(path: str) -> set[str]:
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize(("promise", "tests"), [*PROPERTIES.items(), *WAYS.items()])
def test_each_promise_has_its_tests(promise, tests):
    for test in tests:
        path, _, name = test.partition("::")
        assert name in functions_of(path), promise


def test_all_fourteen():
    assert len(PROPERTIES) == 14
