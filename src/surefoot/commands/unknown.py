"""``surefoot budget unknown`` and ``refund``: holds whose calls nobody knows the end of, and what their bills say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from zoneinfo import ZoneInfo

import click
from rich.table import Table

from surefoot.budget.posting import UnknownHold
from surefoot.clock import SystemClock
from surefoot.commands.budget_view import say_when
from surefoot.commands.options import json_option, open_existing, print_json, read_settings, run_to_end, within
from surefoot.commands.spans import read_span, read_zone_of
from surefoot.commands.tables import figures_table, fitted
from surefoot.config import read_login
from surefoot.errors import ConfigError, NotFound
from surefoot.narrator import counted, plain
from surefoot.runtime import Runtime
from surefoot.terminal import open_console
from surefoot.types import Money

LEAST_AGE_S: Final = 32 * 86_400
"""A window may last a month."""
MOST_LISTED: Final = 10_000
"""Unknown holds that are read at most."""


@click.command()
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, MOST_LISTED), help="How many at most.")
@json_option
@click.pass_context
def unknown(context: click.Context, /, *, limit: int, as_json: bool) -> None:
    """List the holds that were charged in full because nobody knows what became of the call."""
    settings = read_settings(context)

    async def read(runtime: Runtime) -> list[UnknownHold]:
        return await runtime.accounts.unknown_holds(limit)

    holds = run_to_end(within(open_existing(settings), read))
    if as_json:
        print_json(holds)
    elif holds:
        console = open_console()
        console.print(fitted(unknown_table(holds, read_zone_of(settings)), console))
    else:
        click.echo("no call has an unknown outcome", err=True)


@click.command()
@click.option(
    "--older-than", required=True, metavar="AGE", help="What ended longer ago: `400d`, `60w`; 32 days at least."
)
@json_option
@click.pass_context
def purge(context: click.Context, /, *, older_than: str, as_json: bool) -> None:
    """Forget holds of unknown outcome, and windows of accounts, that ended long ago; runs and reports stay."""
    settings, clock = read_settings(context), SystemClock()
    zone = read_zone_of(settings)
    before = read_span(older_than, None, zone, clock.now(), option="--older-than").since
    if before > clock.now() - LEAST_AGE_S:
        raise ConfigError(f"--older-than {plain(older_than, 40)!r}: a month may still run; give 32d at least")

    async def work(runtime: Runtime) -> int:
        gone = 0
        with open_console(stderr=True).status("purging") as status:
            while some := await runtime.accounts.purge(before):
                gone += some
                status.update(f"purging: forgot {counted(gone, 'row')}")
        return gone

    gone = run_to_end(within(open_existing(settings), work))
    if as_json:
        print_json({"purged": gone, "before": before})
    else:
        when = say_when(before, zone)
        click.echo(f"forgot {counted(gone, 'row')}: unknown holds and windows that ended before {when}")


@click.command()
@click.argument("run_id", metavar="RUN")
@click.argument("hold", type=click.IntRange(1))
@click.option("--tokens", type=click.IntRange(0, 1 << 32), required=True, help="What the provider charged.")
@click.option("--usd", required=True, help="What the provider charged, US dollars.")
@click.option("--more", is_flag=True, help="It may be more than the hold: an overrun, which freezes the account.")
@json_option
@click.pass_context
def refund(
    context: click.Context, /, *, run_id: str, hold: int, tokens: int, usd: str, more: bool, as_json: bool
) -> None:
    """Replace the full charge of an `unknown` HOLD of RUN by what the provider's bill says; once."""
    settings = read_settings(context)
    nano = int(Money.usd(usd))
    if nano < 0:
        raise ConfigError(f"--usd {plain(usd, 40)!r}: must be zero or more")

    async def change(runtime: Runtime) -> str:
        row, _ = await runtime.read_run(run_id)
        if not more:
            await _check_bill(runtime, row.run_id, hold, tokens, nano)
        if not await runtime.accounts.refund(row.run_id, hold, tokens, nano, by=read_login()):
            told = "is not one of unknown outcome, or was corrected before; see `surefoot budget unknown`"
            raise NotFound(f"hold {hold} of {row.run_id} {told}")
        return row.run_id

    corrected = run_to_end(within(open_existing(settings), change))
    if as_json:
        print_json({"run_id": corrected, "hold": hold, "tokens": tokens, "nano": nano})
    else:
        click.echo(f"hold {hold} of {corrected} is charged {counted(tokens, 'token')} and {Money(nano)} now")


async def _check_bill(runtime: Runtime, run_id: str, hold: int, tokens: int, nano: int) -> None:
    """A bill above the hold is more often a slip than the truth, and cannot be taken back.

    Raises:
        ConfigError: It is above the hold.
    """
    for one in await runtime.accounts.unknown_holds(MOST_LISTED):
        if (one.run_id, one.hold) == (run_id, hold) and (tokens > one.tokens or nano > one.nano):
            charged = f"{counted(one.tokens, 'token')} and {Money(one.nano)}"
            raise ConfigError(f"hold {hold} of {run_id} was {charged}; if the bill really says more, add --more")


def unknown_table(holds: Sequence[UnknownHold], zone: ZoneInfo) -> Table:
    """Holds of unknown outcome, with the words for `refund`, in the time of ``zone``."""
    table = figures_table(["run", "hold", "when", "tokens", "cost"], left=1)
    for hold in holds:
        table.add_row(hold.run_id, str(hold.hold), say_when(hold.at, zone), f"{hold.tokens:,}", str(Money(hold.nano)))
    return table
