"""A venue's log written by hand, for tests of the auditor: one session, its breaches and its figures."""

import json

from mmactors.audit import Auditor

DOLLAR, CENT = 1_000_000, 10_000
T0 = 1_795_000_000_000
US, HOUSE, MARKET, STRIKE = "mm", "house-noise", "BTC-100S-A", 97_000.0
FAR = 97_100.0  # |d2| > 1.5 whenever less than 10 s are left


class Log:
    """A venue log of one session of 100 seconds, so that a time in seconds is a share elapsed in percent."""

    def __init__(self, *, strike=STRIKE, maker_bps=0.0, tick=CENT, window_s=0):
        self.lines, self.tick, self.strike = [], tick, strike
        self.rate, self.window_s = maker_bps, window_s
        self.cash = {US: 1000 * DOLLAR, HOUSE: 10**15}
        self.spot_now = STRIKE
        self.add(0, "run", run="r", seed=7)
        for account, cash in self.cash.items():
            self.money(0, account, cash, "deposit", None, cash)
        self.spot(0, STRIKE)
        self.market(0, "created", strike=None)
        self.market(0, "opened")

    def add(self, s, kind, **line):
        self.lines.append({"t": T0 + round(s * 1000), "type": kind, **line})

    def spot(self, s, price, **given):
        self.spot_now = price
        self.add(s, "spot", asset="BTC", price=price, **given)

    def published(self, s, at):
        """Let a second pass by in which the last price published is that of `at`."""
        self.spot(s, self.spot_now, tick=T0 + round(at * 1000))

    def session(self, s, event):
        self.add(s, "session", event=event, account=US, session="mm1")

    def market(self, s, event, outcome=None, **given):
        line = {"market": MARKET, "asset": "BTC", "strike": self.strike, "status": "OPEN", "opens_at": T0}
        line |= {"expires_at": T0 + 100_000, "duration_s": 100, "tick_micros": self.tick, "maker_bps": self.rate}
        line |= {
            "taker_bps": 0.0,
            "tie": "NO",
            "window_s": self.window_s,
            "settlement_price": None,
            "spot": self.spot_now,
        }
        self.add(s, "market", event=event, outcome=outcome, **{**line, **given})

    def money(self, s, account, change, reason, market, after):
        self.add(s, "cash", account=account, reason=reason, market=market, change_micros=change, cash_micros=after)

    def order(self, s, event, name, outcome="YES", ticks=40, size=10, *, reason="", **given):
        line = {"reason": reason or event, "account": US, "session": "s", "market": MARKET, "order_id": name}
        line |= {"client_order_id": name, "side": "bid", "outcome": outcome, "price_ticks": ticks, "size": size}
        line |= {"tick_micros": self.tick, "filled": 0, "remaining": size, "status": "OPEN", "version": 1}
        line |= {"post_only": True, "ioc": False, "spot": self.spot_now}
        self.add(s, "order", event=event, **{**line, **given})

    def rejected(self, s, price_micros):
        line = {"reason": "INVALID_TICK", "account": US, "market": MARKET, "order_id": None, "client_order_id": "x"}
        line |= {"side": "bid", "outcome": "YES", "price_micros": price_micros, "size": 10, "filled": 0}
        line |= {"remaining": 0, "status": "REJECTED", "post_only": True, "ioc": False, "spot": self.spot_now}
        self.add(s, "order", event="rejected", **line)

    def fill(self, s, name, outcome="YES", ticks=40, size=10, *, side="bid", fee=0):
        sides = [
            {"account": HOUSE, "order_id": "h", "side": "bid", "outcome": "NO", "price_ticks": 100 - ticks},
            {"account": US, "order_id": name, "side": side, "outcome": outcome, "price_ticks": ticks},
        ]
        for liquidity, one in zip(("taker", "maker"), sides, strict=True):
            one |= {"fill_id": f"f-{name}", "seq": 1, "client_order_id": name, "liquidity": liquidity}
            one |= {"fee_micros": fee if one["account"] == US else 0, "order_size": size, "filled_total": size}
            one |= {"status": "FILLED"}
        line = {"trade_id": f"t-{name}", "market": MARKET, "yes_ticks": ticks, "tick_micros": self.tick}
        self.add(s, "fill", size=size, sides=sides, spot=self.spot_now, **line)
        for one in sides:
            paid = one["price_ticks"] * self.tick * size
            change = (-paid if one["side"] == "bid" else paid) - one["fee_micros"]
            self.pay(s, one["account"], change, "fill")

    def pay(self, s, account, change, reason, off=0):
        self.cash[account] += change
        self.money(s, account, change, reason, MARKET, self.cash[account] + off)

    def hold(self, s, outcome, size, ticks=40):
        """Let us buy `size` at once."""
        name = f"hold-{s}"
        self.order(s, "accepted", name, outcome, ticks, size, ioc=True)
        self.fill(s, name, outcome, ticks, size)

    def end(self, outcome="YES", payout=None):
        self.market(100, "closed")
        if payout is not None:
            self.pay(101, US, payout, "settle")
        self.market(101, "resolved", outcome)


def audited(log, **given):
    auditor = Auditor(**given)
    for line in log.lines:
        auditor.feed(line)
    return auditor.result()


def broken(log, **given):
    return {check.name: check.count for check in audited(log, **given).checks if check.count}


def quiet(log):
    log.order(10, "accepted", "a", "YES", 48, 30)
    log.order(10, "accepted", "b", "NO", 48, 30)
    log.fill(20, "a", "YES", 48, 30)
    log.order(97.9, "cancelled", "b", reason="cancel")
    log.end("YES", 30 * DOLLAR)


def room_full(log):
    log.hold(5, "YES", 300)
    log.order(50, "accepted", "a", "YES", 40, 200)
    log.order(50, "accepted", "b", "YES", 39, 60)  # 560 at f = .5, where the room is 559
    log.order(51, "cancelled", "a")
    log.order(51, "cancelled", "b")
    log.end("NO", 0)


def traded():
    log = Log()
    log.order(10, "accepted", "a", "YES", 48, 100)
    log.order(20, "accepted", "b", "NO", 48, 100)  # two-sided from here, 0.48 / 0.52
    log.fill(25, "a", "YES", 48, 60)
    log.spot(30, STRIKE)
    log.order(40, "replaced", "a", "YES", 46, 100, remaining=40)  # 0.46 / 0.52
    log.spot(50, 97_050.0)
    log.spot(55, 96_990.0)
    log.fill(60, "b", "NO", 48, 100)  # one-sided from here
    log.spot(61, STRIKE)
    log.order(80, "cancelled", "a")
    log.end("NO", 100 * DOLLAR)
    return log


def written(tmp_path, log, tail=""):
    path = tmp_path / "venue.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in log.lines) + tail)
    return path
