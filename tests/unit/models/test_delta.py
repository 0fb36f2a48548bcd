import msgspec
from hypothesis import given
from hypothesis import strategies as st

from surefoot.models.delta import find_template

KEY = b'"content":'


def write(value, tail=b"}"):
    return b'{"a":1,"content":' + msgspec.json.encode(value) + tail


@given(st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_a_template_reads_what_a_decoder_reads(first, second):
    template = find_template(write(first), KEY, first, [], is_visible=True)
    assert template is not None
    assert template.read(write(second)) == second


@given(st.text(min_size=1, max_size=8), st.binary(max_size=30))
def test_a_template_never_reads_what_is_not_one_string(first, middle):
    template = find_template(write(first), KEY, first, [], is_visible=True)
    assert template is not None
    payload = b'{"a":1,"content":' + middle + b"}"
    text = template.read(payload)
    if text is not None:
        assert msgspec.json.decode(payload)["content"] == text


def test_another_form_is_not_read():
    template = find_template(write("x"), KEY, "x", [], is_visible=True)
    assert template is not None
    assert template.read(write("y", b',"finish_reason":"stop"}')) is None
    assert template.read(b'{"a":2,"content":"y"}') is None
    assert template.read(b'{"a":1,"content":null}') is None
    assert template.read(b'{"a":1,"content":"y","b":"z"}') is None
    assert template.read(b'{"a":1,"content":"}') is None


def test_no_template_where_the_string_cannot_be_told():
    assert find_template(b'{"content":{"content":"x"}}', KEY, "x", [], is_visible=True) is None
    assert find_template(b'{"content": "x"}', KEY, "x", [], is_visible=True) is None
    assert find_template(b'{"content":"\\u0078"}', KEY, "x", [], is_visible=True) is None
