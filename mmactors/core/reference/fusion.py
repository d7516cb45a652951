"""Several sources' prices made one: weights, bases, who leads.

Owns the rule of the fused price and what is learned about the sources relative to each other. Decides nothing about a
source's health, and keeps no price of its own: `reference.py` says which sources count and what is published.
"""

import math
from collections.abc import Iterable, Sequence
from operator import attrgetter

from mmactors.core.params import ReferenceParams
from mmactors.core.reference.lead_lag import BLOCK, LeadLag
from mmactors.core.reference.source import GRID_NS, LAGS, Source
from mmactors.units import SECOND, YEAR_S, Nanos

FRESH_NS = SECOND
"""A price this much older than the newest source's has no say in the fused price."""

CALM_SD = 3.0
"""A basis is learned only while no source has moved further than this in a second: a move's lag is no basis."""

MOST_SD = 5.0
"""A return counts at most as this many deviations in the lead-lag."""

LEAD_HALF_LIFE_S = 600.0

LEARN_EVERY = 5
"""Steps of the grid between two updates of the bases."""

BP = 1e-4
_STEPS_PER_S = SECOND // GRID_NS
_name = attrgetter("name")


class Fusion:
    """The fused price of one asset's healthy sources.

    `span_bp` is how far apart they were at the last price, `leader` the source found to lead, `leads` by how many
    seconds the first of each pair leads the second (0: neither), and their correlation there.
    """

    def __init__(self, params: ReferenceParams) -> None:
        self.span_bp = 0.0
        self.leader: Source | None = None
        self.leads: dict[tuple[str, str], tuple[float, float]] = {}
        self._params = params
        self._noise = (params.noise_bp * BP) ** 2
        self._time_constant_s = params.basis_half_life_s / math.log(2.0)
        self._pairs: dict[tuple[str, str], LeadLag] = {}
        self._step = 0
        self._learned = 0
        self._searched = 0

    def join(self, source: Source, log_price: float, log_level: float) -> None:
        """Let a source whose basis is not known begin at the reference, wherever its own price is."""
        most = self._params.max_basis_bp * BP
        source.basis = min(max(log_price - log_level, -most), most)

    def log_price(self, sources: Sequence[Source], sigma: float, now: Nanos) -> float:
        """Return the logarithm of the fused price of these (healthy) sources.

        The mean of the basis-corrected prices, each weighted by its precision: a common noise plus what the price may
        have moved since (sigma squared times its age), so the freshest decides. A source known to follow the leader is
        first moved as the leader has moved within that lag, at most up to the leader: the leader's moves count at once
        and in full. Of three or more, what is beyond `stop_bp` of the median is outvoted.
        """
        newest = max(source.price_ns for source in sources)
        fresh = [source for source in sources if newest - source.price_ns <= FRESH_NS]
        if len(fresh) == 1:
            self.span_bp = 0.0
            return fresh[0].adjusted
        points = [(self._projected(source, fresh), source) for source in fresh]
        if len(points) > 2:
            points = self._majority(points)
        least, most = min(x for x, _ in points), max(x for x, _ in points)
        self.span_bp = (most - least) / BP
        spread = sigma * sigma / (YEAR_S * SECOND)
        total = weights = 0.0
        for x, source in points:
            weight = 1.0 / (self._noise + spread * max(now - source.price_ns, 0))
            total += weight * (x - least)
            weights += weight
        return min(least + total / weights, most)

    def learn(
        self,
        everyone: Iterable[Source],
        sources: Sequence[Source],
        log_level: float,
        sigma: float,
        since_ns: Nanos,
        now: Nanos,
    ) -> bool:
        """Let time pass, every 100 ms or so, with two or more healthy sources; say whether another source leads now.

        Args:
            everyone: every source ever received.
            sources: the healthy ones.
            log_level: the logarithm of the fused price.
            sigma: annualised.
            since_ns: when the reference began.
            now: the time.
        """
        step = now // GRID_NS
        missed = min(step - self._step, LAGS + 1)
        if missed <= 0:
            return False
        self._step = step
        noise, sd = math.sqrt(self._noise), sigma / math.sqrt(YEAR_S)
        limit = MOST_SD * (sd / math.sqrt(_STEPS_PER_S) + noise)
        for source in sources:
            _sample(source, missed, limit)
        self._correlate(sources, missed)
        if step - self._learned >= LEARN_EVERY:
            dt_s = min((step - self._learned) / _STEPS_PER_S, 1.0)
            self._learned = step
            self._learn_bases(everyone, sources, log_level, CALM_SD * (sd + noise), dt_s, (now - since_ns) / SECOND)
        if step - self._searched >= BLOCK:
            self._searched = step
            return self._find_leader(sources)
        return False

    def lead_in_words(self) -> str:
        """Return in words who leads whom, by how much and at what correlation."""
        found = []
        for (first, second), (lead_s, correlation) in sorted(self.leads.items()):
            ahead, after = (first, second) if lead_s > 0.0 else (second, first)
            if lead_s:
                found.append(f"{ahead} leads {after} by {abs(lead_s) * 1000:.0f} ms (correlation {correlation:.2f})")
        return ", ".join(found) or "no source leads"

    def _projected(self, source: Source, fresh: Sequence[Source]) -> float:
        leader = self.leader
        x = source.adjusted
        lag = source.lag_steps
        if leader is None or source is leader or not 0 < lag <= len(leader.grid) or leader not in fresh:
            return x
        push, gap = leader.log - leader.grid[-lag], leader.adjusted - x
        if push * gap <= 0.0:
            return x
        return x + (push if abs(push) < abs(gap) else gap)

    def _majority(self, points: list[tuple[float, Source]]) -> list[tuple[float, Source]]:
        ordered = sorted(x for x, _ in points)
        middle = len(ordered) // 2
        median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
        near = [point for point in points if abs(point[0] - median) <= self._params.stop_bp * BP]
        return near if 2 * len(near) > len(points) else points

    def _learn_bases(
        self,
        everyone: Iterable[Source],
        sources: Sequence[Source],
        log_level: float,
        calm: float,
        dt_s: float,
        age_s: float,
    ) -> None:
        newest = max(source.price_ns for source in sources)
        fresh = [source for source in sources if newest - source.price_ns <= FRESH_NS and source.held is None]
        if len(fresh) < 2 or self.span_bp >= self._params.stop_bp or not all(_is_calm(each, calm) for each in sources):
            return
        most = self._params.max_basis_bp * BP
        for source in fresh:
            source.overlap_s += dt_s
            share = dt_s / min(source.overlap_s, self._time_constant_s)
            source.basis += share * (source.adjusted - log_level)
        known = [source for source in everyone if source.overlap_s > 0.0]
        anchor = [source for source in known if source.name == self._params.anchor] or known
        shift = sum((source.basis for source in anchor), 0.0) / len(anchor)
        shift *= dt_s / min(max(age_s, dt_s), self._time_constant_s)
        for source in known:
            source.basis = min(max(source.basis - shift, -most), most)

    def _correlate(self, sources: Sequence[Source], missed: int) -> None:
        ordered = sorted(sources, key=_name)
        for at, second in enumerate(ordered):
            for first in ordered[:at]:
                pair = self._pairs.get((first.name, second.name))
                if pair is None:
                    pair = self._pairs[first.name, second.name] = LeadLag(LAGS, LEAD_HALF_LIFE_S * _STEPS_PER_S)
                if first.move is None or second.move is None:
                    pair.restart()
                    continue
                for _ in range(missed - 1):
                    pair.add(0.0, 0.0)
                pair.add(first.move, second.move)

    def _find_leader(self, sources: Sequence[Source]) -> bool:
        """Find who leads all others, or at least some and follows none; a lead is a lag of the other's."""
        lag: dict[tuple[str, str], float] = {}
        for (first, second), pair in self._pairs.items():
            steps, correlation = pair.estimate()
            self.leads[first, second] = (steps / _STEPS_PER_S, correlation)
            lag[first, second], lag[second, first] = steps, -steps
        before, self.leader = self.leader, None
        names = sorted(source.name for source in sources)
        score = {name: [lag.get((name, other), 0.0) for other in names if other != name] for name in names}
        first = max(names, key=lambda name: sum(score[name], 0.0))
        leads = bool(score[first]) and min(score[first]) >= 0.0 and max(score[first]) > 0.0
        for source in sources:
            source.lag_steps = round(lag.get((first, source.name), 0.0)) if leads else 0
            if leads and source.name == first:
                self.leader = source
        return self.leader is not before


def _sample(source: Source, missed: int, limit: float) -> None:
    if source.grid:
        source.move = min(max(source.log - source.grid[-1], -limit), limit)
        if missed > 1:
            source.grid.extend([source.grid[-1]] * (missed - 1))
    source.grid.append(source.log)


def _is_calm(source: Source, limit: float) -> bool:
    return bool(source.grid) and abs(source.log - source.grid[0]) <= limit
