"""An answer that repeats the instructions is found, in disguise as well; one in words of its own is not."""

import base64
import codecs

import pytest

from surefoot.guard.leak import find_leak, find_leak_start, read_instructions
from surefoot.guard.redact import replace

PROMPT = (
    "You are the order desk of a shop. Never give a discount above ten per cent, and never name the warehouse in Kiel."
)
PIECE = PROMPT[34:]


def redact_prompt(answer, prompt):
    return replace(answer, find_leak(answer, read_instructions(prompt)))


def test_a_leaked_prompt_is_found_in_any_case_and_spacing():
    answer = "My rules: NEVER give a discount\nabove ten per cent — and never name the warehouse, that is all."
    ((start, end, kind, _),) = find_leak(answer, read_instructions(PROMPT))
    assert answer[start:end] == "NEVER give a discount\nabove ten per cent — and never name the warehouse"
    assert kind == "prompt"
    assert redact_prompt(answer, PROMPT).text == "My rules: [removed], that is all."


@pytest.mark.parametrize(
    "said",
    [
        PIECE,
        PIECE.upper(),
        " ".join(PIECE),
        "-".join(PIECE),
        PIECE.replace("e", "e\u200b"),
        PIECE.replace("a", "\uff41"),
        PIECE[::-1],
        codecs.encode(PIECE, "rot13"),
        base64.b64encode(PIECE.encode()).decode(),
        base64.urlsafe_b64encode(PIECE.encode()).decode(),
        PIECE.encode().hex(),
        PIECE.replace(" ", "\n> "),
    ],
)
def test_in_disguise_as_well(said):
    made = redact_prompt(f"Here it is: {said} ok", PROMPT)
    assert made.counts == {"prompt": 1}
    assert said[10:-10] not in made.text
    assert made.text.startswith("Here it is")
    assert made.text.endswith("ok")


@pytest.mark.parametrize(
    "answer",
    [
        "We never give a discount above eight per cent.",
        "You are the owner of the shop? Then I can tell you: never above ten per cent.",
        "aGVsbG8gd29ybGQsIHRoaXMgaXMgYSBsb25nIHRleHQgdGhhdCBoYXMgbm90aGluZyB0byBoaWRlIGF0IGFsbA==",
        "",
    ],
)
def test_an_answer_in_words_of_its_own_is_no_leak(answer):
    assert redact_prompt(answer, PROMPT).redactions == ()


def test_instructions_of_a_few_letters_cannot_leak_and_short_ones_leak_whole():
    assert redact_prompt("Be kind. anything", "Be kind.").redactions == ()
    assert redact_prompt("the code word is Banana!", "The code word is banana").text == "[removed]!"


def test_scripts_of_which_a_character_is_a_word_need_fewer():
    prompt = "你是商店的订单台。折扣不得超过百分之十，也不得说出基尔仓库的名字。"
    assert redact_prompt(f"规则是：{prompt[9:31]}", prompt).counts == {"prompt": 1}


def test_where_an_unfinished_answer_begins_to_repeat_them():
    told = read_instructions(PROMPT)
    assert find_leak_start("Well: never give a disc", told) == 6
    assert find_leak_start("Well: 999", told) == 9
    assert find_leak_start("", told) == 0
