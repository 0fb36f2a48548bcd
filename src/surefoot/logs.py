"""Surefoot's own loggers: what the process knows as secret never reaches a log, whatever a message quotes."""

from __future__ import annotations

import logging

from surefoot.guard.credentials import redact_secrets


class SecretFilter(logging.Filter):
    """Takes secrets out of a record before any handler has it: out of its message and its traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record passes; what it says may have changed."""
        record.msg, record.args = redact_secrets(record.getMessage()).text, None
        if record.exc_info:
            text = logging.Formatter().formatException(record.exc_info)
            record.exc_text, record.exc_info = redact_secrets(text).text, None
        return True


_FILTER = SecretFilter()


def get_logger(name: str) -> logging.Logger:
    """The logger of a module: a filter holds for the logger it is on, and not for those below."""
    logger = logging.getLogger(name)
    logger.addFilter(_FILTER)
    return logger
