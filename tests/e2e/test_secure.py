"""The whole program over TLS, and at a venue that takes orders over REST only."""

import pytest
from desktop import Desktop

pytestmark = pytest.mark.e2e

CONF = """
name: secure
assets: [BTC]
simulator:
  tls: true
  sessions: [{asset: BTC, duration: 1M, elapsed_s: 46}, {asset: BTC, duration: 5M, elapsed_s: 200}]
"""


@pytest.mark.parametrize("without", ["[]", "[ws_orders]", "[cancel_on_disconnect]"])
def test_a_session_over_tls_is_traded_settled_and_matches(desktop: Desktop, without: str) -> None:
    desktop.environ["MM__simulator__without"] = without
    report = desktop.folder / "r.json"
    program = desktop.start("run", "run.py", str(desktop.config(CONF)), "--report", str(report))
    program.says("first two-sided quote", 20)
    program.settles(60)
    assert program.stop(20) == 0, program.said + program.complained
    told = desktop.report()
    assert told["totals"]["sessions_settled"] >= 1
    assert told["venue_check"] == {"resting_orders": 0, "fills_match": True, "cash_match": True, "details": []}
    assert (told["actors"]["restarts"], told["actors"]["dead_letters"]) == (0, 0), program.complained
    assert told["latency_us"]["tick_to_quote"]["n"] > 10
    assert "Traceback" not in program.complained
    assert (desktop.folder / "var/secure/simulator.pem").is_file()


def test_a_certificate_that_is_not_trusted_ends_a_start_with_one_clear_line(desktop: Desktop) -> None:
    conf = desktop.config(CONF)
    venue = desktop.start("venue", "-m", "mmactors", "simulator", str(conf))
    said = venue.says("listening", 40)
    assert "wss://" in said
    port = said.split('"port":')[1].split(",")[0].strip()
    desktop.environ |= {
        "MM__simulator__embedded": "false",
        "MM__venue__ws_url": f"wss://127.0.0.1:{port}/ws",
        "MM__venue__start_within_s": "2",
        "MM__simulator__port": port,
        "DEGEN_API_KEY": "a.b.c",
    }
    program = desktop.start("run", "run.py", str(conf))
    assert program.ends(20) == 69
    lines = [line for line in program.complained.splitlines() if "certificate cannot be trusted" in line]
    assert len(lines) == 2, "the attempt, and the end"
    assert all("belongs in ca_file" in line for line in lines)
    cancel = desktop.start("cancel", "-m", "mmactors", "cancel-all", str(conf))
    assert cancel.ends(20) == 69
    assert "certificate cannot be trusted" in cancel.complained
    desktop.environ["MM__venue__ca_file"] = str(desktop.folder / "nowhere.pem")
    missing = desktop.start("missing", "run.py", str(conf))
    assert missing.ends(20) == 78
    assert missing.complained.count("nowhere.pem cannot be read: No such file") == 1
