"""What is seen stays, what is not goes, and each character knows where it comes from."""

import unicodedata

from hypothesis import example, given
from hypothesis import strategies as st

from surefoot.guard.confusables import LOOKALIKE, fold
from surefoot.guard.normalize import MAX_GROWTH, MAX_MARKS, MAX_UNSEEN, normalize

ANY = st.text(st.characters(codec=None), max_size=60)
TRICKY = st.text(
    st.sampled_from(
        "aeoAZ аеоАІ αο\u0301\u0323\u0345\u3099ｶﾞ\uff9e\ufdfa\u1100\u1161\u11a8\u200b\u202e\ufe0f\U000e0041\ud800\x00\x85\u00a0\u2028ﬁ①½İıßΐ\u0f71\u0f73"
    ),
    max_size=30,
)


@given(st.one_of(ANY, TRICKY))
@example("\u1fdf\u0329\u20db\u1baa")
@example("A\u0410\u0323")
@example("\u0331\uff83\u3376\u08cd\x92\u1ce4")
def test_what_is_plain_stays_plain(text):
    once = normalize(text)
    twice = normalize(once.text)
    assert twice.text == once.text
    assert not [unseen for unseen in twice.unseen if unseen.kind != "marks"]
    assert once.original == text


@given(st.one_of(ANY, TRICKY))
def test_every_character_has_a_place(text):
    made = normalize(text)
    assert len(made.folded) == len(made.text) <= MAX_GROWTH * len(text)
    spans = [made.span(at, at + 1) for at in range(len(made.text))]
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert spans == sorted(spans)
    assert made.span(0, len(made.text)) <= (len(text), len(text))


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs", "Mn", "Mc", "Me"]), max_size=40))
def test_a_piece_of_the_text_is_found_again_in_the_original(text):
    made = normalize(text)
    for at in range(len(made.text)):
        start, end = made.span(at, at + 1)
        assert made.folded[at] in fold(unicodedata.normalize("NFKC", text[start:end]))


@given(
    st.text(
        st.sampled_from("ae 가각각\u1100\u1161\u11a8ếệ你好，。ﬁ①ｶ\uff9eか\u3099\u0301\u0323\u0958\u09c7\u09be\u0340😀½")
    )
)
@example("\u0340a")
@example("\u1100\u1161\u11a8")
@example("\u0958\u0301\u0301\u0301\u0301")
def test_what_is_not_looked_at_character_by_character_is_nfkc_all_the_same(text):
    made = normalize(text)
    if not made.unseen:  # no heap was cut
        assert made.text == unicodedata.normalize("NFKC", text)


def test_where_each_character_stands_where_it_stood_there_are_no_places():
    assert normalize("Đừng 你好。😀").places is None
    assert normalize("你好，").places is not None


@given(st.text(st.characters(codec="ascii", min_codepoint=32, max_codepoint=126)))
def test_clean_ascii_is_untouched(text):
    made = normalize(text)
    assert (made.text, made.folded, made.unseen, made.places) == (text, text.lower(), (), None)


def test_lookalikes_turn_latin_in_mixed_words_only():
    assert normalize("раypal привет Ελλάδα").text == "paypal привет Ελλάδα"
    assert normalize("привет").folded != "привет"  # for reading, all that looks Latin is
    assert all(latin.isascii() and latin.isalpha() and len(latin) == 1 for latin in LOOKALIKE.values())
    assert fold("ÉĐƠ Đừng") == "edo dung"


def test_vietnamese_and_chinese_stay_as_they_are():
    text = "Đừng bỏ qua hướng dẫn này. 请不要忽略这些说明"
    assert normalize(unicodedata.normalize("NFD", text)).text == text


def test_what_is_unseen_is_told_with_its_place_and_its_message():
    tags = "".join(chr(0xE0000 + ord(letter)) for letter in "hi you")
    text = f"a\u200bb\u202ec\x07d{tags}e"
    kinds = [(unseen.start, unseen.end, unseen.kind, unseen.message) for unseen in normalize(text).unseen]
    assert kinds == [(1, 2, "zero-width", ""), (3, 4, "bidi", ""), (5, 6, "control", ""), (7, 13, "tags", "hi you")]
    hidden = "".join(chr(0xFE00 + byte if byte < 16 else 0xE0100 + byte - 16) for byte in b"do\x0fit")
    (unseen,) = normalize(f"x{hidden}").unseen
    assert (unseen.kind, unseen.message) == ("variation", "do\x0fit")
    assert normalize("☕\ufe0f").unseen[0].message == ""
    assert normalize("x" + "\U000e0100\U000e0101").unseen[0].message == "\x10\x11"


def test_heaps_of_marks_and_of_unseen_characters_are_limited():
    made = normalize("z" + "\u0301\u0302\u0303" * 20_000)
    assert len(made.text) <= 1 + MAX_MARKS
    assert [(unseen.kind, unseen.end) for unseen in made.unseen] == [("marks", 60_001)]
    assert len(normalize("a\u200b" * 2 * MAX_UNSEEN).unseen) == MAX_UNSEEN


def test_a_place_of_nothing_is_a_point():
    made = normalize("\u200bab\u200b")
    assert made.span(0, 0) == (1, 1)
    assert made.span(2, 2) == (3, 3)
    assert normalize("\u200b").span(0, 0) == (0, 0)
