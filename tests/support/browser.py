"""A headless Chromium of the test's own, spoken to over its DevTools protocol."""

import base64
import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import websocket
from patience import patience

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-port=0",
)
PHONE_WIDTH = 390


def found() -> str | None:
    """Return the path of a Chromium, if there is one."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Browser:
    """One browser with one page; what its console and its network say is kept."""

    def __init__(self, program: str, folder: Path, within_s: float = 60.0) -> None:
        within_s = patience(within_s)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._number = 0
        self._session: str | None = None
        self._fired: list[str] = []
        profile = folder / "profile"
        with (folder / "chromium.err").open("wb") as err:
            self._process = subprocess.Popen(
                [program, *FLAGS, f"--user-data-dir={profile}", "about:blank"], stdout=err, stderr=err
            )
        told = profile / "DevToolsActivePort"
        deadline = time.monotonic() + within_s
        while not (told.is_file() and len(lines := told.read_text().split()) == 2):
            if time.monotonic() > deadline or self._process.poll() is not None:
                self.close()
                raise TimeoutError((folder / "chromium.err").read_text(errors="replace")[-2000:])
            time.sleep(0.05)
        port, path = lines
        self._socket = websocket.create_connection(
            f"ws://127.0.0.1:{port}{path}", timeout=within_s, suppress_origin=True, http_no_proxy=["127.0.0.1"]
        )
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")

    def ask(self, method: str, **params: Any) -> dict[str, Any]:
        """Call a method and return its result; events that come before it are taken in."""
        self._number += 1
        call = {"id": self._number, "method": method, "params": params}
        self._socket.send(json.dumps(call | ({"sessionId": self._session} if self._session else {})))
        while True:
            heard = json.loads(self._socket.recv())
            if heard.get("id") == self._number:
                if "error" in heard:
                    raise RuntimeError(f"{method}: {heard['error']}")
                return heard["result"]
            self._take(heard)

    def open(self, path: Path, *, width: int, dark: bool = False) -> None:
        """Show a file as a device of this width does, and wait until it is loaded."""
        phone = width < 600
        scale = 2 if phone else 1
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=844, deviceScaleFactor=scale, mobile=phone)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.ask("Emulation.setEmulatedMedia", features=[scheme])
        self._fired.clear()
        self.ask("Page.navigate", url=path.resolve().as_uri())
        while "Page.loadEventFired" not in self._fired:
            self._take(json.loads(self._socket.recv()))

    def value(self, expression: str) -> Any:
        """Return what a JavaScript expression gives on the page."""
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def screenshot(self, path: Path) -> None:
        """Save the whole page as a PNG."""
        shot = self.ask("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))

    def close(self) -> None:
        """End the browser."""
        if hasattr(self, "_socket"):
            self._socket.close()
        self._process.terminate()
        try:
            self._process.wait(patience(10))
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(patience(10))

    def _take(self, heard: dict[str, Any]) -> None:
        method, params = heard.get("method", ""), heard.get("params", {})
        self._fired.append(method)
        if method == "Log.entryAdded" and params["entry"]["level"] in ("error", "warning"):
            self.complaints.append(params["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and params["type"] in ("error", "warning", "assert"):
            self.complaints.append(str(params["args"]))
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"]["text"])
        elif method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
