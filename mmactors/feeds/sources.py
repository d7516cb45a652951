"""The one list of price sources, in the order in which their history is preferred: the finest first."""

from mmactors.feeds.binance import BINANCE
from mmactors.feeds.coinbase import COINBASE
from mmactors.feeds.okx import OKX

SOURCES = {source.name: source for source in (BINANCE, COINBASE, OKX)}
