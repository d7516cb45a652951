"""The one list of simulated exchanges, in the order of their price sources."""

from mmactors.simulator.feeds.binance import BINANCE
from mmactors.simulator.feeds.coinbase import COINBASE
from mmactors.simulator.feeds.okx import OKX

SOURCES = {source.name: source for source in (BINANCE, COINBASE, OKX)}
