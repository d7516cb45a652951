"""What no single value is guilty of: combinations of settings that contradict each other, all found at once.

Knows the meaning of the keys; knows nothing of files or of how values are parsed. Each rule about the ladder is judged
for every asset and duration as the overrides make it, and names the keys that its values really come from.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from mmactors.config_file import Problem, shown
from mmactors.units import DOLLAR, micros

if TYPE_CHECKING:
    from mmactors.config import Config

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


def contradictions(config: "Config") -> list[Problem]:
    """Return every contradiction of a configuration whose single values are all valid."""
    found = [
        *_ladders(config),
        *_leans(config),
        *_assets(config),
        *_overrides(config),
        *_sessions(config),
        *_urls(config),
    ]
    venue = config.venue
    if venue.heartbeat_ms >= venue.cod_timeout_ms:
        pairs = {"venue.heartbeat_ms": venue.heartbeat_ms, "venue.cod_timeout_ms": venue.cod_timeout_ms}
        found.append(_problem(pairs, "a heartbeat must come before the venue cancels"))
    return found


def _problem(values: dict[str, Any], why: str) -> Problem:
    said = ", ".join(f"{key} = {shown(value)}" for key, value in values.items())
    return Problem(tuple(values), f"{said}: {why}")


def _ladders(config: "Config") -> list[Problem]:
    assets = dict.fromkeys([None, *config.assets, *(over.asset for over in config.overrides)])
    durations = dict.fromkeys([None, *(over.duration for over in config.overrides)])
    cells = [(asset, duration) for asset in assets for duration in durations]
    found: list[Problem] = []
    for asset, duration in cells:
        for names, wrong, why in _RULES:
            effective = [_effective(config, name, asset, duration) for name in names]
            if wrong(*(value for _, value in effective)):
                found.append(_problem(dict(effective), why))
    return list(dict.fromkeys(found))


def _effective(config: "Config", name: str, asset: str | None, duration: str | None) -> tuple[str, Any]:
    """The value that holds for an asset and duration, and the key it was given under."""
    section, field = name.split(".")
    layers = [(section, getattr(config, section))]
    if section != "risk":
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


def _leans(config: "Config") -> Iterator[Problem]:
    layers = [("inventory", config.inventory)]
    layers += [(f"overrides[{index}].inventory", over.inventory) for index, over in enumerate(config.overrides)]
    for prefix, layer in layers:
        leans = sorted({"lean_early", "lean_late"} & layer.model_fields_set)
        if layer.skew_factor is not None and leans:
            values = {f"{prefix}.{name}": getattr(layer, name) for name in ("skew_factor", *leans)}
            yield _problem(values, "skew_factor is both leans at once; give it or them")


def _assets(config: "Config") -> Iterator[Problem]:
    from mmactors.config import asset_of

    feeds = config.feeds
    by_source: dict[str, list[str | None]] = {
        "binance": [asset_of(symbol) for symbol in feeds.binance.symbols],
        "coinbase": [product.split("-")[0] for product in feeds.coinbase.symbols],
    }
    for asset in _repeated(config.assets):
        yield Problem(("assets",), f"assets: {asset} is listed twice")
    for source, priced in by_source.items():
        key = f"feeds.{source}.symbols"
        for asset in _repeated(priced):
            yield Problem((key,), f"{key}: two symbols price {asset}; keep one")
    if not (feeds.binance.enabled or feeds.coinbase.enabled):
        off = {"feeds.binance.enabled": False}
        if "enabled" in feeds.coinbase.model_fields_set:
            off["feeds.coinbase.enabled"] = False
        yield _problem(off, "no price source is left")
        return
    live = {
        asset for source in by_source if getattr(feeds, source).enabled for asset in config.symbols(source).values()
    }
    for asset in dict.fromkeys(config.assets):
        if asset not in live:
            text = f"assets, feeds.binance.symbols: no symbol prices {asset}; add {asset.lower()}usdt"
            yield Problem(("assets", "feeds.binance.symbols"), text)


def _repeated(items: Iterable[Any]) -> list[Any]:
    return [item for item, times in Counter(items).items() if times > 1]


def _overrides(config: "Config") -> Iterator[Problem]:
    for index, over in enumerate(config.overrides):
        key = f"overrides[{index}]"
        if over.asset is None and over.duration is None:
            yield Problem((f"{key}.asset", f"{key}.duration"), f"{key}: names neither an asset nor a duration")
        if over.asset is not None and over.asset not in config.assets:
            yield _problem({f"{key}.asset": over.asset}, f"not one of assets ({', '.join(config.assets)})")
        if over.duration is not None and over.volatility.given():
            text = f"{key}.volatility: an asset has one volatility for all durations; override it by asset alone"
            yield Problem((f"{key}.duration", f"{key}.volatility"), text)
    for cell in _repeated((over.asset, over.duration) for over in config.overrides):
        same = [f"overrides[{i}]" for i, over in enumerate(config.overrides) if (over.asset, over.duration) == cell]
        what = " ".join(part for part in cell if part)
        if what:
            keys = tuple(f"{key}.{part}" for key in same for part in ("asset", "duration"))
            yield Problem(keys, f"{', '.join(same)}: all for {what}; make them one")


def _sessions(config: "Config") -> Iterator[Problem]:
    from mmactors.config import DURATIONS

    simulator = config.simulator
    for index, series in enumerate(simulator.sessions):
        key = f"simulator.sessions[{index}]"
        if series.asset not in config.assets:
            yield _problem({f"{key}.asset": series.asset}, f"not one of assets ({', '.join(config.assets)})")
        elif simulator.world.prices is None and series.asset not in simulator.world.start_prices:
            start = f"simulator.world.start_prices.{series.asset}"
            yield Problem((f"{key}.asset", start), f"{key}.asset = {shown(series.asset)}: needs {start}")
        if series.elapsed_s >= DURATIONS[series.duration]:
            values = {f"{key}.elapsed_s": series.elapsed_s, f"{key}.duration": series.duration}
            yield _problem(values, "the first session would be over already")
        tick = micros(series.tick)
        if tick == 0 or DOLLAR % tick or abs(series.tick * DOLLAR - tick) > 1e-6:
            yield _problem({f"{key}.tick": series.tick}, "a whole number of ticks must make a dollar")
            continue
        for name in ("quoting.spread", "quoting.spacing"):
            given, value = _effective(config, name, series.asset, series.duration)
            if value < series.tick - 1e-9:
                yield _problem({given: value, f"{key}.tick": series.tick}, "less than one tick of the market")
    for cell in _repeated((series.asset, series.duration) for series in simulator.sessions):
        text = f"simulator.sessions: {' '.join(cell)} is listed twice"
        yield Problem(("simulator.sessions",), text)


def _urls(config: "Config") -> Iterator[Problem]:
    simulator, venue = config.simulator, config.venue
    given = {f"venue.{name}": value for name in ("rest_url", "ws_url") if (value := getattr(venue, name))}
    if simulator.embedded and given:
        text = "the embedded simulator would not be traded on; set embedded: false, or leave the URLs out"
        yield _problem({"simulator.embedded": True, **given}, text)
    missing = [] if given else ["venue.rest_url", "venue.ws_url"]
    if config.feeds.binance.enabled and config.feeds.binance.ws_url is None:
        missing.append("feeds.binance.ws_url")
    if config.feeds.coinbase.enabled and config.feeds.coinbase.ws_url is None:
        missing.append("feeds.coinbase.ws_url")
    if not simulator.embedded and simulator.port == 0 and missing:
        text = f"nothing says where to connect; give {', '.join(missing)}, or the port of a running simulator"
        yield _problem({"simulator.embedded": False, "simulator.port": 0}, text)
