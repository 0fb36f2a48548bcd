"""Surefoot's own loggers: what the process knows as secret never reaches a log, whatever a message quotes."""

from __future__ import annotations

import logging
from typing import Final

from surefoot.guard.credentials import redact_secrets
from surefoot.guard.exceptions import clean_value

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) - {"stack_info"}
"""Fields that every record has: they hold no text of ours but the message and the error."""


class SecretFilter(logging.Filter):
    """Takes secrets out of a record before any handler has it: message, traceback, stack, and fields of ``extra``."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record passes; what it says may have changed."""
        try:
            message = record.getMessage()
        except Exception as error:  # noqa: BLE001 - a handler would print the arguments as they are
            message = f"{record.msg} {record.args} ({type(error).__name__}: cannot be formatted)"
        record.msg, record.args = _clean(message), None
        if record.exc_info:
            text = logging.Formatter().formatException(record.exc_info)
            record.exc_text, record.exc_info = _clean(text), None
        fields = record.__dict__
        for name in fields.keys() - _STANDARD:
            fields[name] = _clean_field(fields[name])
        return True


def _clean_field(value: object) -> object:
    """A field as it may be kept; of any other object what it says, if there is a secret in it."""
    made = clean_value(value, _clean)
    text = repr(made)
    return made if _clean(text) == text else _clean(text)


def _clean(text: str) -> str:
    return redact_secrets(text).text


_FILTER = SecretFilter()


def get_logger(name: str) -> logging.Logger:
    """The logger of a module: a filter holds for the logger it is on, and not for those below."""
    logger = logging.getLogger(name)
    logger.addFilter(_FILTER)
    return logger
