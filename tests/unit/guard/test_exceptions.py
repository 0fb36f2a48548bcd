"""An exception keeps its shape and loses its secret, wherever in it the secret is."""

import traceback

import pytest

from surefoot.guard.exceptions import MAX_ERRORS, clean_error, clean_value

KEY = "Qz7pLm2Vx9Rt4Wn8Yb3K"


def clean(text):
    return text.replace(KEY, "***")


class Odd(Exception):
    """One that keeps what it says in an attribute."""

    def __init__(self, message):
        super().__init__()
        self.message = message
        self.number = 7

    def __str__(self):
        return self.message


def caused(error, cause=None, context=None, note=""):
    error.__cause__, error.__context__ = cause, context
    if note:
        error.add_note(note)
    return error


ERRORS = {
    "argument": ValueError(KEY, 7),
    "containers": ValueError({"a": [KEY], KEY: 1}, (KEY,), {KEY}, KEY.encode()),
    "note": caused(ValueError("x"), note=f"it was {KEY}"),
    "cause": caused(ValueError("x"), KeyError(KEY)),
    "context": caused(ValueError("x"), context=KeyError(KEY)),
    "context behind a cause": caused(ValueError("x"), KeyError("y"), KeyError(KEY)),
    "group": ExceptionGroup("some", [ValueError(KEY), ExceptionGroup("more", [caused(KeyError("y"), note=KEY)])]),
    "group as a cause": caused(ValueError("x"), ExceptionGroup("some", [ValueError(KEY)])),
    "attribute": Odd(KEY),
    "file": FileNotFoundError(2, f"no {KEY}", f"/a/{KEY}", None, f"/b/{KEY}"),
    "bytes": UnicodeDecodeError("utf-8", KEY.encode(), 0, 1, "bad"),
}


@pytest.mark.parametrize("kind", ERRORS)
def test_what_it_says_holds_no_secret(kind):
    error = ERRORS[kind]
    kept = type(error)
    clean_error(error, clean)
    assert KEY not in "".join(traceback.format_exception(error))
    assert KEY not in repr(error)
    assert KEY not in repr(vars(error))
    assert type(error) is kept


def test_what_has_none_stays_the_same_object():
    arguments = ("x", ["y", {"z": 1}], b"w", 7)
    error = ValueError(*arguments)
    clean_error(error, clean)
    assert all(one is other for one, other in zip(error.args, arguments, strict=True))
    value = {"a": [1, ("b", {"c"})]}
    assert clean_value(value, clean) is value


def test_errors_in_a_circle_and_very_many_of_them_come_to_an_end():
    first, second = ValueError(KEY), ValueError(KEY)
    first.__cause__, second.__cause__ = second, first
    clean_error(first, clean)
    assert (first.args, second.args) == (("***",), ("***",))
    many = ExceptionGroup("many", [ValueError(KEY) for _ in range(2 * MAX_ERRORS)])
    clean_error(many, clean)
    assert [error.args[0] for error in many.exceptions].count("***") == MAX_ERRORS - 1
