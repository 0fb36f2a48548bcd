"""Every error that Surefoot raises, in one tree; cancellation is none of ours and passes through.

::

    SurefootError
    ├── ConfigError            a setting, limit, price or tool definition is wrong
    │   └── PriceUnknown       a USD limit is set and the model has no known price
    ├── NotFound               no such run, model or provider
    ├── BudgetExceeded         a limit is reached and ``on_limit="raise"``, or nothing fits at all
    ├── ModelError             a call to a model failed; ``sent`` tells whether it may have been billed
    │   ├── ModelUnreachable   nothing was sent: refused connection, DNS, TLS
    │   ├── ModelRefused       the provider says the request itself is wrong (4xx)
    │   ├── ModelOverloaded    the provider says "not now" (409, 425, 429, 503, 529)
    │   └── ModelBroken        outcome unknown: timeout, cut stream, 5xx, unreadable reply
    ├── TooManyRequests        a user's rate, a queue or the process is full: come back in ``retry_after_s``
    ├── ToolError              raised by a tool to tell the model, in its own words, what went wrong
    ├── OutputInvalid          the final answer never matched ``Agent(output=...)``
    ├── StoreError             the database cannot be read or written
    └── RunLost                another worker owns this run now
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from surefoot.models.rate_hint import RateHint


class SurefootError(Exception):
    """Base of the tree; ``str(error)`` is one line for a person: what, where, and what to do.

    Attributes:
        code: Stable machine-readable name.
        http_status: Status that the HTTP service answers with.
        exit_code: Exit code of the command line.
        retryable: Whether the same request may succeed later.
    """

    code: ClassVar[str] = "internal"
    http_status: ClassVar[int] = 500
    exit_code: ClassVar[int] = 1
    retryable: ClassVar[bool] = False


class ConfigError(SurefootError):
    """A setting, limit, price, agent or tool definition is wrong."""

    code = "config"
    http_status = 400
    exit_code = 2


class PriceUnknown(ConfigError):
    """A USD limit is set but the model has no known price, so the limit could not be kept."""

    code = "price_unknown"


class NotFound(SurefootError):
    """No run, model or provider of that name."""

    code = "not_found"
    http_status = 404
    exit_code = 2


class BudgetExceeded(SurefootError):
    """A limit leaves no room for the next call.

    Attributes:
        limit: ``tokens``, ``usd``, ``steps``, ``model_calls``, ``tool_calls``, ``seconds``, ``frozen`` or ``price``.
        account: The account above the run whose limit it is, "" for its own; it has room again at ``resets_at``.
    """

    code = "budget"
    http_status = 402
    exit_code = 3

    def __init__(self, message: str, *, limit: str, account: str = "", resets_at: float | None = None) -> None:
        super().__init__(message)
        self.limit, self.account, self.resets_at = limit, account, resets_at


class ModelError(SurefootError):
    """A call to a model failed.

    Attributes:
        status: HTTP status of the provider, 0 when there was none.
        sent: Whether the provider may have billed the call: its hold then settles in full.
        retry_after_s: Seconds that the provider asked to wait, or None; ``rate`` is what it said of its limits.
    """

    code = "model"
    http_status = 502
    exit_code = 4
    sent: ClassVar[bool] = True
    rate: RateHint | None = None

    def __init__(self, message: str, *, status: int = 0, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status, self.retry_after_s = status, retry_after_s


class ModelUnreachable(ModelError):
    """Nothing reached the provider: the connection was refused, or the name or certificate is wrong."""

    code = "model_unreachable"
    retryable = True
    sent = False


class ModelRefused(ModelError):
    """The provider refuses the request itself; the same request will fail again."""

    code = "model_refused"
    sent = False


class ModelOverloaded(ModelError):
    """The provider asks to come back later."""

    code = "model_overloaded"
    http_status = 503
    retryable = True
    sent = False


class ModelBroken(ModelError):
    """The outcome is unknown: timeout, cut stream, server error or unreadable reply."""

    code = "model_broken"
    retryable = True


class TooManyRequests(SurefootError):
    """The request was turned away before anything of it was done.

    Attributes:
        reason: ``rate``, ``queue``, ``deadline``, ``load`` or ``session``.
        retry_after_s: Seconds after which it is worth another try, computed.
    """

    code = "too_many_requests"
    http_status = 429
    exit_code = 7
    retryable = True

    def __init__(self, message: str, *, reason: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.reason, self.retry_after_s = reason, retry_after_s


class ToolError(SurefootError):
    """Raise it in a tool: its message is what the model reads, without a traceback."""

    code = "tool"


class OutputInvalid(SurefootError):
    """The final answer did not match the output type, even after the repairs allowed."""

    code = "output_invalid"
    http_status = 502
    exit_code = 5


class StoreError(SurefootError):
    """The database cannot be opened, read or written."""

    code = "store"
    http_status = 503
    exit_code = 6


class RunLost(SurefootError):
    """Another worker has taken this run over: this one writes nothing more and starts no tool."""

    code = "run_lost"
    http_status = 409
