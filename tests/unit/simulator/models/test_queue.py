"""Which order of one price trades first is the queue model's to say."""

import pytest

from mmactors.config.simulator_sections import SimulatorConfig
from mmactors.simulator.models.queue import queue_of
from mmactors.simulator.venue.ledger import Account
from mmactors.simulator.venue.market import Market
from mmactors.simulator.venue.matching import Matching


@pytest.mark.parametrize(("queue", "first"), [("price_time", "client"), ("behind", "house")])
def test_a_client_may_be_last_in_every_queue(queue, first):
    model = queue_of(SimulatorConfig(queue=queue))
    market = Market("m", "BTC", duration_s=60, opens_at=0, expires_at=60_000, queue=model)
    client, house, taker = (Account(name, 10**12, None) for name in ("client", "house", "taker"))
    client.house = False
    matching = Matching()
    orders = {}
    for account in (client, house):
        order = orders[account.name] = matching.new_order(account, market, "bid", "YES", 40, 10, 0)
        matching.enter(order, market, 0)
    matching.enter(matching.new_order(taker, market, "bid", "NO", 60, 10, 1), market, 1)
    assert {name: order.filled for name, order in orders.items()} == {"client": 0, "house": 0, first: 10}
    matching.enter(matching.new_order(taker, market, "bid", "NO", 60, 10, 2), market, 2)
    assert {order.filled for order in orders.values()} == {10}
    assert market.book.best_bid == 0
