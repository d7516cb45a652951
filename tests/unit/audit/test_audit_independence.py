"""The auditor imports nothing of the program, and reads what the simulator writes."""

import ast
import json
import sys
from io import BytesIO
from pathlib import Path

import pytest
from audit_log import CENT, DOLLAR, HOUSE, MARKET, STRIKE, T0, US

import mmactors.audit
from mmactors.audit import Auditor
from mmactors.simulator.models.fees import Fees
from mmactors.simulator.venue.engine import Venue
from mmactors.simulator.venue.ledger import NewOrder
from mmactors.simulator.venue.market import Market
from mmactors.simulator.venue.venue_log import VenueLog


def test_it_imports_nothing_of_the_program_it_judges():
    allowed = {"mmactors.audit", "matplotlib", "yaml", "numpy", *sys.stdlib_module_names}
    for path in Path(mmactors.audit.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert any(name == one or name.startswith(f"{one}.") for one in allowed), (path.name, name)


def test_it_reads_what_the_simulator_writes():

    file = BytesIO()
    venue_log = VenueLog(file, lambda asset: STRIKE)
    venue_log.begin("r", 7, T0)
    venue = Venue(recorder=venue_log)
    market = Market(MARKET, "BTC", duration_s=100, opens_at=T0, expires_at=T0 + 100_000, fees=Fees(1.5, 10))
    venue.add_market(market, T0)
    venue.open_market(MARKET, STRIKE, T0)
    us = venue.open_account(US, 1000 * DOLLAR, T0)
    them = venue.open_account(HOUSE, 1000 * DOLLAR, T0, house=True)

    def buy(account, outcome, cents, size, s, **extra):
        order = NewOrder(MARKET, "bid", outcome, cents * CENT, size, **extra)
        return venue.place(account, order, T0 + s * 1000)[0]

    bid, ask = buy(us, "YES", 47, 30, 10), buy(us, "NO", 48, 30, 10)
    buy(them, "NO", 53, 10, 12)
    venue.replace(us, bid.id, 46 * CENT, 30, None, T0 + 20_000)
    buy(them, "YES", 52, 30, 30)
    buy(them, "NO", 40, 9, 31)
    buy(us, "YES", 60, 7, 32, ioc=True)
    venue.merge(us, MARKET, 5, T0 + 40_000)
    venue.cancel(us, bid.id, T0 + 90_000)
    venue.close_market(MARKET, T0 + 100_000)
    venue.resolve_market(MARKET, "NO", STRIKE, T0 + 101_000)
    venue_log.flush()

    auditor = Auditor()
    for line in file.getvalue().splitlines():
        auditor.feed(json.loads(line))
    audit = auditor.result()

    assert [example for check in audit.checks for example in check.examples] == []
    assert ask.filled == 30
    assert pytest.approx((us.cash - 1000 * DOLLAR) / DOLLAR) == audit.totals.pnl
    assert (audit.sessions[0].net_now, audit.sessions[0].fills) == (-13, 3)
