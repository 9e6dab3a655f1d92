"""The progress of a process, on the terminal."""

import threading
from types import TracebackType
from typing import Self

from tqdm import tqdm

from pipeline.process.interruption import duplicate_stderr, print_line

SECONDS_PER_REFRESH = 0.5  # of the bar
SECONDS_PER_LINE = 30.0  # if stderr is not a terminal


class ProgressBar:
    """A progress bar, or a line every 30 s if stderr is not a terminal; a thread updates it.

    `text` and `count` may be changed at any time.

    Args:
        name: The prefix of each line.
        text: The current activity.
        total: The final count.
        count: The initial count. Defaults to 0.
    """

    def __init__(self, name: str, text: str, total: int, count: int = 0) -> None:
        self.text = text
        self.count = count
        self._name, self._total = name, total
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._draw, daemon=True)

    def __enter__(self) -> Self:
        self._stderr = duplicate_stderr()
        self._thread.start()
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._ended.set()
        self._thread.join()
        self._stderr.close()

    def write(self, line: str) -> None:
        """Print a line above the bar."""
        tqdm.write(line, file=self._stderr)
        self._stderr.flush()

    def _draw(self) -> None:
        if not self._stderr.isatty():
            while not self._ended.wait(SECONDS_PER_LINE):
                print_line(f"{self._name}: {self.text}", self._stderr)
            return
        with tqdm(
            desc=self.text,
            total=self._total,
            initial=self.count,
            bar_format="{percentage:3.0f}%|{bar:10}| {desc} · {elapsed}<{remaining}",
            dynamic_ncols=True,
            file=self._stderr,
        ) as bar:
            ended = False
            while not ended:
                ended = self._ended.wait(SECONDS_PER_REFRESH)
                bar.n = self.count
                bar.set_description_str(self.text)
