"""The command `audit`: reads a log from a file and writes the result as tables or JSON.

Owns reading and layout. It must not know the rules.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mmactors.audit.auditor import Auditor
from mmactors.audit.limits import NO_INPUT, UNREADABLE, USAGE, AuditError, Limits, Rules, read_rules
from mmactors.audit.result import Audit, Check
from mmactors.audit.session import Row, Session, SessionFigures

CLEAN, BROKEN = 0, 1
_ROW = ("f", "spot", "fair", "bid", "ask", "net", "room")


def run(
    log: Path,
    write: Callable[[str], None],
    *,
    conf: Path | None = None,
    account: str | None = None,
    market: str | None = None,
    plot: Path | None = None,
    as_json: bool = False,
) -> int:
    """Audit a log and write the findings; return 0 if no rule was broken, 1 otherwise.

    Args:
        log: the venue's log.
        write: takes each line of the findings.
        conf: configuration with the limits, JSON or YAML; the strategy's key table if not given.
        account: the account; the only client account if not given.
        market: also tabulate this session, by its id or a unique beginning of it.
        plot: draw that session, or the one with the most contracts, to this PNG.
        as_json: one JSON object instead of tables.

    Raises:
        AuditError: a file or session is missing (66), the log is unreadable or has no such account (78), or `plot` is
            no PNG (64).
    """
    if plot is not None and plot.suffix.lower() != ".png":
        raise AuditError(f"--plot {plot}: the name must end in .png", USAGE)
    rules = Rules() if conf is None else read_rules(conf)
    watch = market if market is not None else None if plot is None else ""
    auditor = Auditor(rules, account, watch=watch)
    torn = _feed(auditor, log)
    if not auditor.has_account:
        wanted = "no account but the simulator's own" if account is None else f"no account {account}"
        raise AuditError(f"{log}: {wanted} in this log", UNREADABLE)
    if account is None and auditor.others:
        clients = ", ".join(sorted({str(auditor.account), *auditor.others}))
        raise AuditError(f"{log}: several accounts ({clients}): choose one with --account", UNREADABLE)
    audit = auditor.result()
    session = None if watch is None else _chosen(auditor.watched, market, log)
    if plot is not None and session is not None:
        from mmactors.audit.plot import draw

        draw(session, plot)
    if as_json:
        found = audit.as_dict() | {"limits": asdict(rules.base), "torn_line": torn}
        if session is not None and market is not None:
            found["rows"] = [dict(zip(_ROW, row, strict=True)) for row in session.rows]
        write(json.dumps(found, allow_nan=False))
    else:
        for line in _tables(log, audit, rules.base, torn):
            write(line)
        if session is not None and market is not None:
            for line in _tabulated(session):
                write(line)
    if plot is not None and not as_json:
        write(f"drawn: {plot}")
    return BROKEN if audit.violations else CLEAN


def _feed(auditor: Auditor, log: Path) -> bool:
    """Feed a file; return whether its last line was torn."""
    number = 0
    try:
        with log.open("rb") as file:
            for raw in file:
                number += 1
                lines = list(_parsed(raw))
                if not lines and not raw.endswith(b"\n") and number > 1:
                    return True
                if not lines:
                    raise ValueError
                for line in lines:
                    auditor.feed(line)
    except FileNotFoundError:
        raise AuditError(f"{log}: no such file", NO_INPUT) from None
    except IsADirectoryError:
        raise AuditError(f"{log}: a folder; give the venue.jsonl of a run", NO_INPUT) from None
    except OSError as error:
        raise AuditError(f"{log}: {error.strerror}", NO_INPUT) from None
    except AuditError as error:
        raise AuditError(f"{log}, line {number}: {error}", error.exit_code) from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError):
        raise AuditError(f"{log}, line {number}: not a line of the venue's log", UNREADABLE) from None
    return False


def _parsed(raw: bytes) -> Iterator[dict[str, Any]]:
    """Yield the line's object, none if it is broken; after a killed run's torn line the next run's first may follow."""
    try:
        line = json.loads(raw)
    except ValueError:
        begins = raw.rfind(b'{"t":')
        if begins <= 0:
            return
        try:
            line = json.loads(raw[begins:])
        except ValueError:
            return
        if line.get("type") != "run":
            return
    if isinstance(line, dict) and "t" in line and "type" in line:
        yield line


def _chosen(watched: list[Session], market: str | None, log: Path) -> Session:
    if market is None:
        if not watched:
            raise AuditError(f"{log}: no session to draw", UNREADABLE)
        return max(watched, key=lambda session: session.contracts)
    exact = [session for session in watched if session.id == market] or watched
    if len(exact) == 1:
        return exact[0]
    if not exact:
        raise AuditError(f"{log}: no session {market}", NO_INPUT)
    some = ", ".join(session.id for session in exact[:3])
    raise AuditError(f"{log}: {market} is the beginning of {len(exact)} sessions: {some} ...", NO_INPUT)


# --- tables ------------------------------------------------------------------------------------------------


def _tables(log: Path, audit: Audit, limits: Limits, torn: bool) -> Iterator[str]:
    yield f"{log}: account {audit.account}, {audit.lines:,} lines" + (", the last torn" if torn else "")
    yield "limits: " + ", ".join(f"{name} {value:g}" for name, value in asdict(limits).items() if name != "dead_side")
    yield ""
    yield from _checks(audit.checks)
    yield ""
    yield from _sessions(audit)
    yield ""
    yield from _notes(audit)
    yield ""
    yield f"violations: {audit.violations}" if audit.violations else "no rule was broken"


def _checks(checks: tuple[Check, ...]) -> Iterator[str]:
    yield f"{'check':<20}{'broken':>7}  rule"
    for check in checks:
        lasted = f" ({check.lasted} outlived the batch)" if check.count and check.lasted is not None else ""
        yield f"{check.name:<20}{check.count or 'ok':>7}  {check.rule}{lasted}"
        for example in check.examples:
            yield f"{'':>29}{example}"


def _sessions(audit: Audit) -> Iterator[str]:
    wide = _width(audit)
    head = f"{'session':<{wide}} {'strike':>10} {'won':>4} {'P&L $':>8} {'fills':>5} {'contr':>6} {'2-sided':>7}"
    head += f" {'spread':>6} {'max':>5}"
    yield head + "".join(f" {name:>5}" for name in ("f=.8", ".6", ".4", ".2", ".1", "close")) + f" {'msgs':>6}"
    for one in audit.sessions:
        strike = "-" if one.strike is None else f"{one.strike:,.2f}"
        line = (
            f"{one.market:<{wide}} {strike:>10} {one.outcome or 'open':>4} {_cell(one.pnl, '+.2f'):>8} {one.fills:>5}"
        )
        line += f" {one.contracts:>6} {_cell(one.two_sided_share, '.0%'):>7} {_cell(one.spread, '.3f'):>6}"
        line += f" {one.max_abs_net:>5}"
        for at in ("0.8", "0.6", "0.4", "0.2", "0.1", "close"):
            line += f" {_cell(one.nets[at], '+d'):>5}"
        yield line + f" {one.messages:>6}"
    all_ = audit.totals
    line = f"{f'{all_.settled} of {all_.sessions} settled':<{wide}} {'':>10} {'':>4} {all_.pnl:>+8.2f} {all_.fills:>5}"
    line += f" {all_.contracts:>6} {_cell(all_.two_sided_share, '.0%'):>7} {_cell(all_.spread, '.3f'):>6}"
    yield line + f"{'':>42} {all_.messages:>6}"
    yield (
        f"per settled session {_cell(all_.pnl_mean, '+.2f')} $ (sd {_cell(all_.pnl_sd, '.2f')}); "
        f"|net| at the close within 5 % of max_position in {_cell(all_.within_5pct_share, '.1%')}"
    )


def _notes(audit: Audit) -> Iterator[str]:
    wide = _width(audit)
    yield "note 3: our mid against N(d2) at the true spot (sigma: realised); note 5: the largest net at f >= .7"
    yield f"{'session':<{wide}} {'n':>5} {'corr':>6} {'|diff|':>6} {'sigma':>6}   {'early':>6} {'f=.3':>6} {'close':>6}"
    for one in audit.sessions:
        line = f"{one.market:<{wide}} {one.samples:>5} {_cell(one.mid_correlation, '.3f'):>6}"
        line += f" {_cell(one.mid_difference, '.3f'):>6} {_cell(one.realised_sigma, '.2f'):>6}"
        line += f"   {_cell(one.early_net, '+d'):>6}"
        yield line + f" {_cell(one.nets['0.3'], '+d'):>6} {_cell(one.nets['close'], '+d'):>6}{_late(one)}"
    all_ = audit.totals
    line = f"{'all; mean |net| of those with any':<{wide + 6}} {_cell(all_.mid_correlation, '.3f'):>6}"
    line += f" {_cell(all_.mid_difference, '.3f'):>6} {'':>6}   {_cell(all_.early_net_mean, '.0f'):>6}"
    yield (line + f" {_cell(all_.early_net_left_at_30pct, '.0f'):>6} {_cell(all_.early_net_left_at_close, '.0f'):>6}")


def _tabulated(session: Session) -> Iterator[str]:
    strike = "-" if session.strike is None else f"{session.strike:,.2f}"
    yield ""
    yield f"{session.id}: {session.duration // 1000} s, strike {strike}, {session.outcome or 'open'}"
    yield "     f   left s spot-strike  N(d2)   bid   ask    mid    net   room"
    for row in session.rows:
        yield _row(row, session)


def _row(row: Row, session: Session) -> str:
    f, spot, fair, bid, ask, net, room = row
    away = None if spot is None or session.strike is None else spot - session.strike
    mid = None if bid is None or ask is None else (bid + ask) / 2 / session.ticks
    bid_paid = None if bid is None else bid / session.ticks
    ask_paid = None if ask is None else ask / session.ticks
    return (
        f"{f:>6.3f} {f * session.duration / 1000:>8.1f} {_cell(away, '+.2f'):>11} {_cell(fair, '.3f'):>6}"
        f" {_cell(bid_paid, '.2f'):>5} {_cell(ask_paid, '.2f'):>5} {_cell(mid, '.3f'):>6} {net:>+6} {room:>6}"
    )


def _late(one: SessionFigures) -> str:
    return f"   last of ours went {one.late_ms} ms after the closing threshold" if one.late_ms else ""


def _width(audit: Audit) -> int:
    return max([20, *(len(one.market) for one in audit.sessions)])


def _cell(value: float | None, form: str) -> str:
    return "-" if value is None else format(value, form)
