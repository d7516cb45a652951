"""What no single value is guilty of: combinations of settings that contradict each other, all found at once.

Knows the meaning of the keys; knows nothing of files or of how values are parsed. Each rule about the ladder is judged
for every asset and duration as the overrides make it, and names the keys that its values really come from.
"""

import ipaddress
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import product
from typing import Any
from urllib.parse import urlsplit

from mmactors.config.errors import Problem, shown
from mmactors.config.feed_sections import LEADING
from mmactors.config.schema import Config
from mmactors.config.strategy_sections import Override
from mmactors.units import DOLLAR, micros

_Rule = tuple[tuple[str, ...], Callable[..., bool], str]

_RULES: tuple[_Rule, ...] = (
    (
        ("risk.min_spread", "quoting.spread"),
        lambda least, spread: least > spread,
        "the least spread may not exceed the spread",
    ),
    (
        ("quoting.size", "inventory.max_position"),
        lambda size, limit: size > limit,
        "one level must fit into the position limit",
    ),
    (
        ("quoting.spread", "quoting.levels", "quoting.spacing"),
        lambda spread, levels, spacing: spread / 2 + (levels - 1) * spacing > 0.49 + 1e-9,
        "the outermost level lies outside 0.01-0.99 even at a fair value of 0.50",
    ),
    (
        ("volatility.floor", "volatility.prior"),
        lambda floor, prior: floor > prior,
        "needs floor <= prior <= cap",
    ),
    (
        ("volatility.prior", "volatility.cap"),
        lambda prior, cap: prior > cap,
        "needs floor <= prior <= cap",
    ),
    (
        ("reference.widen_bp", "reference.stop_bp"),
        lambda widen, stop: widen >= stop,
        "sources would end quoting before they widen it",
    ),
    (
        ("reference.jump_bp", "reference.stop_bp"),
        lambda jump, stop: jump > stop,
        "a price would end quoting before it is held",
    ),
    (
        ("volatility.lag_s", "volatility.step_s"),
        lambda lag, step: round(lag / step) < 1 or abs(lag / step - round(lag / step)) > 1e-9,
        "the lag must be a whole multiple of the step",
    ),
    (
        ("inventory.lean_early", "inventory.lean_late"),
        lambda early, late: early > late,
        "the lean must not weaken towards expiry",
    ),
    (
        ("inventory.lean_early", "quoting.size", "inventory.max_position"),
        lambda lean, size, limit: lean * size / limit >= 0.49,
        "one level filled would lean the quotes out of 0.01-0.99 while a position is still welcome",
    ),
    (
        ("inventory.close_fraction", "inventory.reduce_only_f"),
        lambda close, reduce: close >= reduce,
        "the market would close before it only reduces",
    ),
    (
        ("inventory.close_fraction", "inventory.dead_f"),
        lambda close, dead: close >= dead,
        "the market would close before the losing side goes",
    ),
    (
        ("inventory.cross_f", "inventory.close_fraction", "inventory.cross"),
        lambda start, close, cross: cross and start <= close,
        "the market would close before it may cross; set cross: false to switch crossing off",
    ),
    (
        ("inventory.cross_f", "inventory.cross"),
        lambda start, cross: cross and start > 0.75,
        "crossing would start while a lean is still welcome (0.75)",
    ),
    (
        ("inventory.reduce_only_f",),
        lambda start: start > 0.75,
        "only reducing would start while a lean is still welcome (0.75)",
    ),
)


def contradictions(config: Config, given: frozenset[str] = frozenset()) -> list[Problem]:
    """Return every contradiction of a configuration whose single values are all valid.

    `given` are the keys that somebody wrote: a limit that never binds contradicts what its writer wants, while a
    default that does not bind is merely `odd`.
    """
    found = [
        *_ladders(config),
        *_leans(config),
        *_assets(config),
        *_overrides(config),
        *_overlaps(config),
        *_sessions(config),
        *_urls(config),
        *_fallbacks(config),
        *_live(config),
        *_latencies(config),
        *_clocks(config),
        *_closings(config),
        *(limit for limit in _idle_limits(config) if given.intersection(limit.keys[:1])),
    ]
    loss, cash = config.risk.max_daily_loss, config.simulator.start_cash
    if config.simulator.embedded and loss > cash:
        pairs = {"risk.max_daily_loss": loss, "simulator.start_cash": cash}
        found.append(_problem(pairs, "can never bind: there is less to lose"))
    margins = {
        f"venue.{name}": getattr(config.venue, name)
        for name in ("renew_before_s", "reduce_before_s", "cancel_before_s")
    }
    if list(margins.values()) != sorted(set(margins.values()), reverse=True):
        found.append(_problem(margins, "a token is renewed first, then trading reduces, then everything is cancelled"))
    return found


def odd(config: Config, given: frozenset[str] = frozenset()) -> list[str]:
    """Return what is lawful but hardly meant, one line each."""
    lines = [limit.line for limit in _idle_limits(config) if not given.intersection(limit.keys[:1])]
    venue, simulator, risk = config.venue, config.simulator, config.risk
    if venue.heartbeat_ms * 2 > venue.cod_timeout_ms:
        lines.append(
            _problem(
                {"venue.heartbeat_ms": venue.heartbeat_ms, "venue.cod_timeout_ms": venue.cod_timeout_ms},
                "a single late heartbeat has everything cancelled",
            ).line
        )
    for index, over in enumerate(config.overrides):
        if not (over.quoting.given() or over.inventory.given() or over.volatility.given()):
            lines.append(f"overrides[{index}]: sets nothing")
    lines += [
        f"feeds.{LEADING}.symbols: {asset} is priced, but not one of assets"
        for asset in _priced(config)
        if asset not in config.assets
    ]
    if not simulator.embedded:
        return lines
    lines += [
        f"simulator.sessions: {asset} is one of assets, but has no sessions"
        for asset in config.assets
        if asset not in {series.asset for series in simulator.sessions}
    ]
    markets = sum(series.strikes for series in simulator.sessions)
    if markets > risk.max_markets:
        lines.append(
            _problem(
                {"simulator.sessions": simulator.sessions, "risk.max_markets": risk.max_markets},
                f"{markets} markets are open at a time, so some are left alone",
            ).line
        )
    return lines


def _problem(values: dict[str, Any], why: str) -> Problem:
    settings = ", ".join(f"{key} = {shown(value)}" for key, value in values.items())
    return Problem(tuple(values), f"{settings}: {why}")


def _no_asset(config: Config, key: str, asset: str) -> Problem:
    return Problem((key, "assets"), f"{key} = {shown(asset)}: not one of assets ({', '.join(config.assets)})")


def _ladders(config: Config) -> list[Problem]:
    assets = dict.fromkeys([None, *config.assets, *(over.asset for over in config.overrides)])
    durations = dict.fromkeys([None, *(over.duration for over in config.overrides)])
    cells = [(asset, duration) for asset in assets for duration in durations]
    found: list[Problem] = []
    for asset, duration in cells:
        for names, wrong, why in _RULES:
            values = [effective(config, name, asset, duration) for name in names]
            if wrong(*(value for _, value in values)):
                found.append(_problem(dict(values), why))
    return list(dict.fromkeys(found))


def effective(config: Config, name: str, asset: str | None, duration: str | None) -> tuple[str, Any]:
    """Return the key that holds for an asset and duration, and its value (`name` is such as quoting.size)."""
    section, field = name.split(".")
    layers = [(section, getattr(config, section))]
    if section not in ("risk", "reference"):
        layers += [
            (f"overrides[{index}].{section}", getattr(over, section))
            for index, over in config.overrides_for(asset, duration)
        ]
    key, value = name, getattr(layers[0][1], field)
    for prefix, layer in layers:
        given = layer.given()
        if field in given:
            by_skew = field not in layer.model_fields_set
            key, value = f"{prefix}.{'skew_factor' if by_skew else field}", given[field]
    return key, value


def _leans(config: Config) -> Iterator[Problem]:
    layers = [("inventory", config.inventory)]
    layers += [(f"overrides[{index}].inventory", over.inventory) for index, over in enumerate(config.overrides)]
    for prefix, layer in layers:
        leans = sorted({"lean_early", "lean_late"} & layer.model_fields_set)
        if layer.skew_factor is not None and leans:
            values = {f"{prefix}.{name}": getattr(layer, name) for name in ("skew_factor", *leans)}
            yield _problem(values, "skew_factor is both leans at once; give it or them")


def _assets(config: Config) -> Iterator[Problem]:
    sources, leading = config.feeds.by_source, f"feeds.{LEADING}.symbols"
    for asset in _repeated(config.assets):
        yield Problem(("assets",), f"assets: {asset} is listed twice")
    for source, section in sources.items():
        key = f"feeds.{source}.symbols"
        for asset in _repeated(map(section.asset, section.symbols)):
            yield Problem((key,), f"{key}: two symbols price {asset}; keep one")
    if not config.feeds.enabled:
        switched = (
            name for name, section in sources.items() if name == LEADING or "enabled" in section.model_fields_set
        )
        yield _problem({f"feeds.{name}.enabled": False for name in switched}, "no price source is left")
        return
    live = {asset for source in config.feeds.enabled for asset in config.symbols(source).values()}
    for asset in dict.fromkeys(config.assets):
        if asset not in live:
            add = sources[LEADING].usual(asset)
            yield Problem(("assets", leading), f"assets, {leading}: no symbol prices {asset}; add {add}")


def _priced(config: Config) -> dict[str, None]:
    leading = config.feeds.by_source[LEADING]
    return dict.fromkeys(leading.assets(()).values() if leading.enabled else ())


def _repeated(items: Iterable[Any]) -> list[Any]:
    return [item for item, times in Counter(items).items() if times > 1]


def _overrides(config: Config) -> Iterator[Problem]:
    for index, over in enumerate(config.overrides):
        key = f"overrides[{index}]"
        if over.asset is None and over.duration is None:
            yield Problem((f"{key}.asset", f"{key}.duration"), f"{key}: names neither an asset nor a duration")
        if over.asset is not None and over.asset not in config.assets:
            yield _no_asset(config, f"{key}.asset", over.asset)
        if over.duration is not None and over.volatility.given():
            text = f"{key}.volatility: an asset has one volatility for all durations; override it by asset alone"
            yield Problem((f"{key}.duration", f"{key}.volatility"), text)
    for cell in _repeated((over.asset, over.duration) for over in config.overrides):
        same = [f"overrides[{i}]" for i, over in enumerate(config.overrides) if (over.asset, over.duration) == cell]
        what = " ".join(part for part in cell if part)
        if what:
            keys = tuple(f"{key}.{part}" for key in same for part in ("asset", "duration"))
            yield Problem(keys, f"{', '.join(same)}: all for {what}; make them one")


def _overlaps(config: Config) -> Iterator[Problem]:
    """An entry for an asset and one for a duration that both set a field to something else, where both hold."""
    one = [
        (index, over) for index, over in enumerate(config.overrides) if (over.asset is None) != (over.duration is None)
    ]
    both: dict[tuple[str | None, str | None], Override] = {
        (over.asset, over.duration): over for over in config.overrides if over.asset and over.duration
    }
    by_asset = [(index, over) for index, over in one if over.asset is not None]
    by_duration = [(index, over) for index, over in one if over.duration is not None]
    for (first, for_asset), (second, for_duration) in product(by_asset, by_duration):
        exact = both.get((for_asset.asset, for_duration.duration))
        for name in ("quoting", "inventory"):
            set_exactly = getattr(exact, name).given() if exact is not None else {}
            mine, theirs = getattr(for_asset, name).given(), getattr(for_duration, name).given()
            for field in sorted((mine.keys() & theirs.keys()) - set_exactly.keys()):
                if mine[field] != theirs[field]:
                    cell = f"asset: {for_asset.asset}, duration: {for_duration.duration}"
                    values = {
                        f"overrides[{first}].{name}.{field}": mine[field],
                        f"overrides[{second}].{name}.{field}": theirs[field],
                    }
                    yield _problem(values, f"both hold for {cell}; say which in an entry for {{{cell}}}")


def _clocks(config: Config) -> Iterator[Problem]:
    venue, simulator = config.venue, config.simulator
    if venue.heartbeat_ms >= venue.cod_timeout_ms:
        yield _problem(
            {"venue.heartbeat_ms": venue.heartbeat_ms, "venue.cod_timeout_ms": venue.cod_timeout_ms},
            "a heartbeat must come before the venue cancels",
        )
    if not simulator.embedded:
        return
    if 1 / simulator.feed_ticks_per_s >= config.risk.stale_after:
        yield _problem(
            {
                "simulator.feed_ticks_per_s": simulator.feed_ticks_per_s,
                "risk.stale_after": config.risk.stale_after,
            },
            "every price would be stale before the next",
        )
    if simulator.order_latency_ms >= venue.ack_timeout_s * 1000:
        yield _problem(
            {
                "simulator.order_latency_ms": simulator.order_latency_ms,
                "venue.ack_timeout_s": venue.ack_timeout_s,
            },
            "every order's fate would be unknown before its answer",
        )


def _cells(config: Config) -> list[tuple[str, str]]:
    """The assets and durations there will be: the embedded venue's sessions, else every combination."""
    from mmactors.config import DURATIONS

    if config.simulator.embedded:
        return [(series.asset, series.duration) for series in config.simulator.sessions]
    return list(product(config.assets, DURATIONS))


def _closings(config: Config) -> Iterator[Problem]:
    """A closing threshold longer than every session that it is for."""
    from mmactors.config import DURATIONS

    longest: dict[str, tuple[float, int, str]] = {}
    for asset, duration in _cells(config):
        key, value = effective(config, "inventory.close_threshold", asset, duration)
        longest[key] = max(longest.get(key, (value, 0, "")), (value, DURATIONS[duration], duration))
    for key, (value, length, duration) in longest.items():
        if value >= length:
            text = f"longer than the sessions it is for (the longest is {duration}, {length} s)"
            yield _problem({key: value}, text)


def _idle_limits(config: Config) -> Iterator[Problem]:
    """Limits that other limits keep from ever being reached; the idle one's key first."""
    risk = config.risk
    key, position = max(
        (effective(config, "inventory.max_position", asset, duration) for asset, duration in _cells(config)),
        key=lambda found: found[1],
        default=("inventory.max_position", config.inventory.max_position),
    )
    if risk.max_exposure > risk.max_markets * position:
        yield _problem(
            {"risk.max_exposure": risk.max_exposure, "risk.max_markets": risk.max_markets, key: position},
            f"can never bind: all markets together can lose ${risk.max_markets * position:,}",
        )
    if config.simulator.embedded and risk.max_exposure > config.simulator.start_cash:
        yield _problem(
            {"risk.max_exposure": risk.max_exposure, "simulator.start_cash": config.simulator.start_cash},
            "can never bind: there is less to lose",
        )
    if risk.freeze_contracts > 2 * position:
        yield _problem(
            {"risk.freeze_contracts": risk.freeze_contracts, key: position},
            "can never bind: one side takes a market from one position limit to the other",
        )


def _sessions(config: Config) -> Iterator[Problem]:
    from mmactors.config import DURATIONS

    simulator = config.simulator
    if simulator.embedded and not simulator.sessions:
        yield _problem({"simulator.embedded": True, "simulator.sessions": ()}, "there is nothing to trade")
    for index, series in enumerate(simulator.sessions):
        key = f"simulator.sessions[{index}]"
        if series.asset not in config.assets:
            yield _no_asset(config, f"{key}.asset", series.asset)
        elif series.asset not in simulator.world.start_prices and not (simulator.world.prices or simulator.world.live):
            start = f"simulator.world.start_prices.{series.asset}"
            yield Problem((f"{key}.asset", start), f"{key}.asset = {shown(series.asset)}: needs {start}")
        if series.elapsed_s >= DURATIONS[series.duration]:
            values = {f"{key}.elapsed_s": series.elapsed_s, f"{key}.duration": series.duration}
            yield _problem(values, "the first session would be over already")
        window_s = series.settlement.window_s
        if "avg" in (series.settlement.type, series.strike) and window_s > DURATIONS[series.duration]:
            values = {f"{key}.settlement.window_s": window_s, f"{key}.duration": series.duration}
            yield _problem(values, "the average would begin before the session")
        tick = micros(series.tick)
        if tick == 0 or DOLLAR % tick or abs(series.tick * DOLLAR - tick) > 1e-6:
            yield _problem({f"{key}.tick": series.tick}, "a whole number of ticks must make a dollar")
            continue
        for name in ("quoting.spread", "quoting.spacing"):
            given, value = effective(config, name, series.asset, series.duration)
            if value < series.tick - 1e-9:
                yield _problem({given: value, f"{key}.tick": series.tick}, "less than one tick of the market")
    for cell in _repeated((series.asset, series.duration) for series in simulator.sessions):
        text = f"simulator.sessions: {' '.join(cell)} is listed twice"
        yield Problem(("simulator.sessions",), text)


def _urls(config: Config) -> Iterator[Problem]:
    simulator, venue = config.simulator, config.venue
    given = {f"venue.{name}": value for name in ("rest_url", "ws_url") if (value := getattr(venue, name))}
    if simulator.embedded and given:
        text = "the embedded simulator would not be traded on; set embedded: false, or leave the URLs out"
        yield _problem({"simulator.embedded": True, **given}, text)
    for key, url in given.items():
        plain = urlsplit(url).scheme in ("http", "ws") and not simulator.embedded
        if plain and not _local(urlsplit(url).hostname or ""):
            yield _problem({key: url}, "would send the token in clear; use https:// and wss://")
    missing = [] if given else ["venue.rest_url", "venue.ws_url"]
    missing += [
        f"feeds.{name}.ws_url" for name, feed in config.feeds.by_source.items() if feed.enabled and not feed.ws_url
    ]
    if not simulator.embedded and simulator.port == 0 and missing:
        text = f"nothing says where to connect; give {', '.join(missing)}, or the port of a running simulator"
        yield _problem({"simulator.embedded": False, "simulator.port": 0}, text)


def _fallbacks(config: Config) -> Iterator[Problem]:
    for name, feed in config.feeds.by_source.items():
        if feed.fallbacks and feed.ws_url is None:
            text = "the simulator's feed needs none; give the first host as ws_url"
            yield _problem({f"feeds.{name}.ws_fallbacks": feed.fallbacks[0], f"feeds.{name}.ws_url": None}, text)


def _live(config: Config) -> Iterator[Problem]:
    """Prices that are to come from exchanges, and another origin of them, or none."""
    simulator, live = config.simulator, {"simulator.world.live": True}
    if not simulator.world.live:
        return
    others = {
        "simulator.world.prices": simulator.world.prices,
        **{f"simulator.feeds.{name}.prices": each.prices for name, each in simulator.feeds.by_source.items()},
    }
    for key, value in others.items():
        if value is not None:
            yield _problem({**live, key: value}, "prices come from the feeds or from a recording; keep one")
    for name in config.feeds.enabled:
        if config.feeds.by_source[name].ws_url is None:
            text = "the simulator would wait for its own prices; give the exchange's URL"
            yield _problem({**live, f"feeds.{name}.ws_url": None}, text)


def _latencies(config: Config) -> Iterator[Problem]:
    """Recorded delays without a record, or a record that nobody reads."""
    model, file = config.simulator.latency_model, config.simulator.latency_file
    if (model == "recorded") != (file is not None):
        text = "recorded delays are those of a file; give both or neither"
        yield _problem({"simulator.latency_model": model, "simulator.latency_file": file}, text)


def _local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")
    return address.is_loopback or address.is_unspecified
