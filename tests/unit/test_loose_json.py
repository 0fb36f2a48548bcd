"""JSON as models write it."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from surefoot.loose_json import DEPTH, encode_text, is_json_object, read_members, read_value

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def read(text: str) -> object:
    json, _ = read_value(text)
    return msgspec.json.decode(json)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("{'a': 'it is'}", {"a": "it is"}),
        ("{'a': \"it's\"}", {"a": "it's"}),
        ('{"a": [1, 2,],}', {"a": [1, 2]}),
        ("{'a': True, 'b': False, 'c': None}", {"a": True, "b": False, "c": None}),
        ("{a: 1, b-c: undefined}", {"a": 1, "b-c": None}),
        ("{a = 1}", {"a": 1}),
        ("{city: Paris, when: today}", {"city": "Paris", "when": "today"}),
        ("(1, 'x')", [1, "x"]),
        ("{}", {}),
        ("[]", []),
        (" \n 42 rest", 42),
        ("-0.5e3", -500.0),
        ("12345678901234567890", 12345678901234567890),
        ("007", "007"),
        ("1.2.3", "1.2.3"),
        ("+5", "+5"),
        ('"two\nlines"', "two\nlines"),
        ('"""say "hi"\nto all"""', 'say "hi"\nto all'),
        ("'''it's'''", "it's"),
        ("“curly \\n”", "curly \\n"),
        (r'"\n\t\r\b\f\/\\\""', '\n\t\r\b\f/\\"'),
        (r"'don\'t'", "don't"),
        (r'"\d+ in C:\temp\x41"', "\\d+ in C:\temp" + "A"),
        ('"cont\\\ninued"', "continued"),
        (r'"\ud83d\ude00"', "😀"),
        (r'"\ud800"', "�"),
        ('"\ud800x"', "�x"),
        ("“”", ""),
    ],
)
def test_reads_what_models_write(text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "a value is missing at its beginning, where the text ends"),
        ("{", "a key is missing after `{`, where the text ends"),
        ('{"query": ', 'a value is missing after `{"query":`, where the text ends'),
        ('{"query": "x"', '"," or "}" is missing after `{"query": "x"`, where the text ends'),
        ('{"query": "Par', 'the string that begins `"Par` is not closed'),
        ('{"query" "x"}', '":" is missing after `{"query"`'),
        ('{"query": it is}', '"," or "}" is missing after `{"query": it`'),
        ("[1 2]", '"," or "]" is missing after `[1`'),
        ("(1 2)", '"," or ")" is missing after `(1`'),
        ("{,}", "a key is missing after `{`"),
        ("[:]", "a value is missing after `[`"),
        ('{"n": 1e999}', 'a number is out of range after `{"n": 1e999`'),
        ("[" * (DEPTH + 1), "it is nested too deeply"),
        ('{"a":' * (DEPTH + 1), "it is nested too deeply"),
    ],
)
def test_a_fault_says_what_and_where(text, fault):
    with pytest.raises(ValueError) as raised:
        read_value(text)
    assert str(raised.value).startswith(fault)
    assert "\n" not in str(raised.value)


def test_nesting_is_read_to_its_limit():
    assert read("[" * DEPTH + "]" * DEPTH) is not None


def test_only_the_end_of_a_long_text_is_quoted():
    with pytest.raises(ValueError) as raised:
        read_value('{"a": "' + "x" * 1000 + '" oops}')
    assert len(str(raised.value)) < 100
    assert str(raised.value).endswith('xxx"`')


def test_what_follows_a_value_is_left():
    assert read_value('{"a": 1}} tail', 0) == ('{"a":1}', 8)
    assert read_value('see {"a": 1}', 4) == ('{"a":1}', 12)


@given(JSON)
def test_json_is_read_as_what_it_is(value):
    text = msgspec.json.encode(value).decode()
    json, end = read_value(text)
    assert end == len(text)
    assert msgspec.json.decode(json) == value


@given(JSON)
def test_python_literals_are_read_as_what_they_are(value):
    text = repr(value)
    assert msgspec.json.decode(read_value(text)[0]) == value


@given(st.text(alphabet="{}[]()\"'`,:=\\u0ad8 \n\ud800-+.eTrue“”x") | st.text())
def test_any_text_gives_json_or_a_value_error(text):
    try:
        json, end = read_value(text)
    except ValueError:
        return
    msgspec.json.decode(json)
    assert 0 < end <= len(text)


def test_members_of_a_call():
    assert read_members("'Paris', days=3, unit: C) and more", 0, ")") == (['"Paris"'], {"days": "3", "unit": '"C"'}, 25)
    assert read_members("", 0, "") == ([], {}, 0)
    assert read_members("x, 1", 0, "") == (['"x"', "1"], {}, 4)
    with pytest.raises(ValueError, match='"," is missing after `two`'):
        read_members("two words", 0, "")
    with pytest.raises(ValueError, match="is missing after `a`"):
        read_members("a == 1)", 0, ")")


@given(st.text(alphabet=st.characters(exclude_categories=[])))
def test_every_text_becomes_a_json_string(text):
    decoded = msgspec.json.decode(encode_text(text))
    if not any("\ud800" <= char <= "\udfff" for char in text):
        assert decoded == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1}', True),
        ("[1]", False),
        ("1", False),
        ("{'a': 1}", False),
        ("", False),
        ('{"a":' * 5000 + "1" + "}" * 5000, False),
        ('{"a": "\ud800"}', False),
        ('{"a": [' + "[]," * 198 + "[]]}", False),
        ('{"a": [' + "[]," * 197 + "[]]}", True),
    ],
)
def test_is_json_object(text, expected):
    assert is_json_object(text) is expected
