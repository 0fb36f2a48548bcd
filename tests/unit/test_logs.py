"""No secret of the process reaches a handler of Surefoot's loggers, in whatever field of a record it is."""

import logging

import pytest

from surefoot.logs import get_logger
from surefoot.secret import remember

KEY = "Qz7pLm2Vx9Rt4Wn8Yb3K"


class Keeping(logging.Handler):
    def __init__(self):
        super().__init__()
        self.records = []

    def emit(self, record):
        self.records.append(record)


@pytest.fixture
def logged():
    """A logger, and what its handler got."""
    remember(KEY)
    handler = Keeping()
    logger = get_logger("surefoot.tests.logs")
    logger.addHandler(handler)
    yield logger, handler.records
    logger.removeHandler(handler)


class Request:
    def __repr__(self):
        return f"<request with {KEY}>"


@pytest.mark.parametrize(
    "write",
    [
        lambda log: log.warning("a %s", KEY),
        lambda log: log.warning("a %(b)s", {"b": KEY}),
        lambda log: log.warning(ValueError(KEY)),
        lambda log: log.warning("a", extra={"b": KEY}),
        lambda log: log.warning("a", extra={"b": {"c": [KEY, 7]}}),
        lambda log: log.warning("a", extra={"b": Request()}),
        lambda log: log.warning("a", exc_info=ExceptionGroup(KEY, [ValueError(KEY)])),
        lambda log: log.warning("a %s %s", *[KEY]),
        lambda log: log.warning("a %d", KEY),
    ],
)
def test_a_record_holds_no_secret(logged, write):
    logger, records = logged
    write(logger)
    (record,) = records
    assert KEY not in repr(vars(record))
    assert KEY not in logging.Formatter().format(record)
    assert "removed" in repr(vars(record))


def test_what_holds_none_stays_as_it_is(logged):
    logger, records = logged
    value = object()
    logger.warning("a %s", "b", extra={"c": value, "d": 7})
    (record,) = records
    assert (record.getMessage(), record.c, record.d) == ("a b", value, 7)
