"""Docstrings of the three usual styles give the same facts."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from surefoot.docstring import Docstring, parse_docstring

GOOGLE = """Search orders.

    Newest first.

    Args:
        query (str, optional): What to look for,
            over two lines.
        limit: At most: so many.
        *rest (dict[str, int]): Whatever.
        silent:

    Returns:
        The orders: a list.

    Raises:
        ValueError: limit: negative.
    """

NUMPY = """
    Search orders.

    Newest first.

    Parameters
    ----------
    query : str, optional
        What to look for,
        over two lines.
    limit
        At most: so many.
    *rest : dict[str, int]
        Whatever.
    silent : int

    Returns
    -------
    list
        The orders.

    Notes
    -----
    limit : of no matter here
    """

REST = """Search orders.

    Newest first.

    :param str query: What to look for,
        over two lines.
    :param limit: At most: so many.
    :type limit: int
    :param rest: Whatever.
    :param silent:
    :returns: The orders.
    :raises ValueError: limit: negative.
    """

EPYTEXT = """Search orders.

    Newest first.

    @param query: What to look for,
      over two lines.
    @param limit: At most: so many.
    @param rest: Whatever.
    @return: The orders.
    """


@pytest.mark.parametrize("text", [GOOGLE, NUMPY, REST, EPYTEXT], ids=["google", "numpy", "rest", "epytext"])
def test_every_style_gives_the_same(text):
    assert parse_docstring(text) == Docstring(
        "Search orders.\n\nNewest first.",
        {"query": "What to look for, over two lines.", "limit": "At most: so many.", "rest": "Whatever."},
    )


@pytest.mark.parametrize(
    ("text", "description", "parameters"),
    [
        (None, "", {}),
        ("", "", {}),
        ("One line.", "One line.", {}),
        ("Plain text.\n\nquery: is just text here.", "Plain text.\n\nquery: is just text here.", {}),
        ("Before.\n\nArgs:\n    a: first\n\nAfter.", "Before.\n\nAfter.", {"a": "first"}),
        ("S.\n\nArgs:\n  a: two blanks deep\n", "S.", {"a": "two blanks deep"}),
        ("S.\n\nAttributes:\n    a: of a class", "S.", {"a": "of a class"}),
        ("S.\n\nParameters\n----------\na, b : int\n    Both.", "S.", {"a": "Both.", "b": "Both."}),
        ("S.\n:param a: one\nprose again", "S.\nprose again", {"a": "one"}),
        ("S.\n:param a: one\n:param a b: typed", "S.", {"a": "one", "b": "typed"}),
        (":class:`Order` is no field.", ":class:`Order` is no field.", {}),
        ("S.\nUse it so:\n    no section", "S.\nUse it so:\n    no section", {}),
        ("S.\n\nParameters\nwithout a line below", "S.\n\nParameters\nwithout a line below", {}),
        ("S.\n\nArgs:\n    no colon here\n    a: one", "S.", {"a": "one"}),
    ],
)
def test_odd_docstrings(text, description, parameters):
    assert parse_docstring(text) == Docstring(description, parameters)


@settings(deadline=None)
@given(st.text(st.sampled_from(list(" \n:-()*@,abArgs")) | st.characters(), max_size=200))
def test_any_text_is_read(text):
    doc = parse_docstring(f"S.\n\nArgs:\n{text}")
    assert all(doc.parameters)
    assert all(doc.parameters.values())
