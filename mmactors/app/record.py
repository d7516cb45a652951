"""Listens to the enabled price feeds without trading and saves what they send, to be played later with `--prices`.

Owns the run: the embedded simulator if there is one, the feeds' sockets, the end. The file is `feeds/recorder.py`'s.
"""

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from mmactors.config import Config
from mmactors.feeds.followed import feed_sockets
from mmactors.feeds.recorder import Recorder
from mmactors.runtime.clock import SystemClock
from mmactors.simulator.process import SimulatorError, SimulatorProcess

WRITE_EVERY_S = 0.2


def record(
    config: Config,
    out: Path,
    *,
    stop_after_s: float | None,
    environ: Mapping[str, str],
    write_line: Callable[[str], None],
) -> bool:
    """Save what the enabled feeds send until asked to stop; return whether anything was received.

    Args:
        config: which feeds; the embedded simulator is started if it is to be.
        out: the file, .parquet or .csv.
        stop_after_s: stop by itself after this long; a signal stops it in order, too.
        environ: the environment, for the simulator.
        write_line: takes the line that says what was recorded.

    Raises:
        RecordingError: the file cannot be written.
        SimulatorError: the simulator did not start, or ended.
    """
    ended = threading.Event()
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(signum) is not signal.SIG_IGN:
            signal.signal(signum, lambda *_: ended.set())
    clock = SystemClock()
    recorder = Recorder(out)
    try:
        with _simulator(config, environ) as simulator:
            urls = config.urls(None if simulator is None else simulator.address.port)
            sockets = [connect(recorder.take) for connect in feed_sockets(config, urls, clock.now).values()]
            try:
                for socket in sockets:
                    socket.start()
                until = None if stop_after_s is None else clock.now() + round(stop_after_s * 1e9)
                while not ended.wait(WRITE_EVERY_S) and (until is None or clock.now() < until):
                    recorder.write()
                    if simulator is not None and (gone := simulator.ended()) is not None:
                        raise SimulatorError(f"the embedded simulator {gone}: there is nothing to record")
            finally:
                for socket in sockets:
                    socket.stop()
    finally:
        recorder.close()
    counts = ", ".join(f"{count} {name}" for name, count in sorted(recorder.counts.items()))
    write_line(f"{out}: {counts or 'nothing was received'}")
    return bool(counts)


@contextlib.contextmanager
def _simulator(config: Config, environ: Mapping[str, str]) -> Iterator[SimulatorProcess | None]:
    if not config.simulator.embedded or config.simulator.world.live:
        yield None
        return
    with TemporaryDirectory(prefix="mmactors-") as folder:
        resolved = Path(folder) / "config.json"
        resolved.write_text(config.model_dump_json(indent=2, exclude_unset=True), encoding="utf-8")
        simulator = SimulatorProcess(resolved, prices=None, log=Path(folder) / "venue.jsonl", environ=environ)
        try:
            yield simulator
        finally:
            simulator.stop()
