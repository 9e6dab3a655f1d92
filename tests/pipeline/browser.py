"""A headless Chromium, controlled over a pipe with the DevTools protocol."""

import fcntl
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


class Tab:
    """A browser tab that sends commands and collects the events reported in the meantime."""

    def __init__(self, commands: int, reports: int) -> None:
        self._commands, self._reports = commands, reports
        self._unread = b""
        self._session: str | None = None
        self._num_sent = 0
        self.events: list[dict[str, Any]] = []
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method: str, **params: Any) -> dict[str, Any]:
        """Send a command and return its result."""
        self._num_sent += 1
        message: dict[str, Any] = {"id": self._num_sent, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self._num_sent:
            self.events.append(answer)
        assert "error" not in answer, answer
        result: dict[str, Any] = answer["result"]
        return result

    def open(
        self, path: Path, width: int, scheme: str = "light", motion: str = "no-preference"
    ) -> None:
        """Open a file offline, in a window of this width with these preferences."""
        self.send("Network.emulateNetworkConditions", offline=True, latency=0, **_NO_LIMITS)
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=width < 600,
        )
        features = [
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": motion},
        ]
        self.send("Emulation.setEmulatedMedia", features=features)
        self.events.clear()
        self.send("Page.navigate", url=path.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._next())

    def evaluate(self, expression: str) -> Any:
        """Return the value of a JavaScript expression."""
        answer = self.send("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def of(self, method: str) -> list[dict[str, Any]]:
        """Return the parameters of all events of this name since the page was opened."""
        return [event["params"] for event in self.events if event["method"] == method]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            read = os.read(self._reports, 1 << 20)
            assert read, "the browser has ended"
            self._unread += read
        message, _, self._unread = self._unread.partition(b"\0")
        answer: dict[str, Any] = json.loads(message)
        return answer


_NO_LIMITS = {"downloadThroughput": -1, "uploadThroughput": -1}
# Chromium reads commands from descriptor 3 and reports on 4.
_LAUNCH = """
import os, sys
commands, reports, *command = sys.argv[1:]
os.dup2(int(commands), 3)
os.dup2(int(reports), 4)
os.execv(command[0], command)
"""


@contextmanager
def open_tab(profile: Path) -> Iterator[Tab]:
    """Start the browser with the given profile, and stop it when the context ends."""
    assert CHROMIUM is not None
    read_commands, commands = os.pipe()
    reports, write_reports = os.pipe()
    # Above 4, so that the launcher's dup2 calls do not overwrite them.
    child_fds = [fcntl.fcntl(fd, fcntl.F_DUPFD, 10) for fd in (read_commands, write_reports)]
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe"]
    launch = [sys.executable, "-c", _LAUNCH, *map(str, child_fds), CHROMIUM]
    process = subprocess.Popen(
        [*launch, *options, f"--user-data-dir={profile}"],
        pass_fds=child_fds,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for fd in (read_commands, write_reports, *child_fds):
        os.close(fd)
    try:
        yield Tab(commands, reports)
    finally:
        os.close(commands)
        os.close(reports)
        process.terminate()
        process.wait()
