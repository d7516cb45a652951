"""The picture of one session: the underlying and strike, our quotes and the fair value, the net and its limit.

Owns the picture. It needs matplotlib (the research extra) and must not know how the figures are computed.
"""

import math
from pathlib import Path

from mmactors.audit.limits import UNREADABLE, USAGE, AuditError, normal_cdf
from mmactors.audit.session import Session


def draw(session: Session, path: Path) -> None:
    """Write a picture of a watched session.

    Raises:
        AuditError: there is nothing to draw, no matplotlib (78), or the file cannot be written (64).
    """
    try:
        import matplotlib as mpl
    except ImportError:
        raise AuditError("--plot needs matplotlib: make install-research", UNREADABLE) from None
    mpl.use("Agg")
    from matplotlib import pyplot

    strike = session.strike
    track = [point for point in session.track if session.opens <= point[0] <= session.expires and point[1] is not None]
    if strike is None or len(track) < 2:
        raise AuditError(f"{session.id}: too little to draw", UNREADABLE)
    limits, ticks = session.limits, session.ticks
    left = [100 * session.f(t) for t, *_ in track]
    spot = [price or strike for _, price, *_ in track]
    bid = [b / ticks if b else math.nan for _, _, b, _, _ in track]
    ask = [a / ticks if a < ticks else math.nan for _, _, _, a, _ in track]
    mid = [(b + a) / 2 for b, a in zip(bid, ask, strict=True)]
    until = session.expires - session.window  # of an average no spot's N(d2) is the fair value
    fair = [
        normal_cdf(limits.d2(s, strike, session.expires - t)) if t <= until else math.nan
        for (t, *_), s in zip(track, spot, strict=True)
    ]
    net = [n for *_, n in track]
    grid = [x / 4 for x in range(401)]
    limit = [limits.position_limit(x / 100) for x in grid]

    figure, (above, middle, below) = pyplot.subplots(
        3, 1, sharex=True, figsize=(11, 10), height_ratios=(2, 4, 2), layout="constrained"
    )
    result = f"settled {session.outcome}" if session.outcome else "not settled"
    figure.suptitle(f"{session.id}: {session.duration // 1000} s, strike {strike:,.2f}, {result}")
    above.plot(left, spot, color="black", lw=1, label="spot (true)")
    above.axhline(strike, color="tab:red", lw=1, ls="--", label="strike")
    above.set_ylabel("underlying, $")
    above.ticklabel_format(axis="y", useOffset=False)
    middle.fill_between(left, bid, ask, step="post", color="tab:blue", alpha=0.12)
    middle.plot(left, bid, drawstyle="steps-post", color="tab:green", lw=0.9, label="our best bid")
    middle.plot(left, ask, drawstyle="steps-post", color="tab:orange", lw=0.9, label="our best ask (a NO bid)")
    middle.plot(left, mid, drawstyle="steps-post", color="tab:blue", lw=1.2, label="our mid")
    middle.plot(left, fair, color="black", lw=1, ls="--", label=f"N(d2) at the true spot, sigma {limits.sigma:g}")
    middle.set_ylabel("price of YES, $")
    middle.set_ylim(-0.02, 1.02)
    below.plot(left, net, drawstyle="steps-post", color="tab:purple", lw=1.2, label="net (YES - NO)")
    below.plot(grid, limit, color="tab:red", lw=1, label="room")
    below.plot(grid, [-r for r in limit], color="tab:red", lw=1)
    below.axhline(0, color="grey", lw=0.6)
    reach = max(20, *(abs(n) for n in net))
    below.set_ylim(-1.6 * reach, 1.6 * reach)
    below.set_ylabel("contracts")
    below.set_xlabel("share of the session left, %")
    marks = {75: "lean begins", 60: "full lean", 100 * limits.reduce_only_f: "reduce-only"}
    marks[100 * limits.close_ms(session.duration) / session.duration] = "close"
    for axis in (above, middle, below):
        for at in marks:
            axis.axvline(at, color="grey", lw=0.6, ls=":")
        axis.grid(alpha=0.2)
        axis.legend(loc="best", fontsize=8)
    for at, name in marks.items():
        above.annotate(
            name, (at, 1.0), xycoords=("data", "axes fraction"), ha="center", va="bottom", fontsize=7, color="grey"
        )
    below.set_xlim(100, 0)
    try:
        figure.savefig(path, dpi=110, format="png")
    except OSError as error:
        raise AuditError(f"--plot {path}: {error.strerror}", USAGE) from None
    finally:
        pyplot.close(figure)
