"""Checkpoints of a training: after a kill, the next one continues from there, to the same bits.

A task's are in a folder of its own that is no output of DVC's, which would delete it:

    checkpoints/<task>/lock            held by the training that is at work
    checkpoints/<task>/runs/key.json   all that the results depend on
    checkpoints/<task>/runs/0.npz      run 0: the learner's state, and the record of each update
    checkpoints/<task>/runs/0.previous.npz     the same, one checkpoint earlier
    checkpoints/<task>/set_aside/      the last `runs` that belonged to something else

Each file holds a digest of itself and the key that it belongs to. One that is damaged is not used:
the one before it is, and at worst the run begins anew.
"""

import hashlib
import json
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.digests import arrays_digest
from pipeline.runs.lock import locked
from pipeline.task.artifacts import atomic_write, load_arrays, write_json
from reinforce.records import UpdateRecord

VERSION = 1  # of the files' layout
DIGEST = "sha256"


class RunCheckpoint(NamedTuple):
    """A run after some of its updates."""

    records: list[UpdateRecord]  # one for each update so far
    state: dict[str, np.ndarray]  # the learner's variables, by name (see `Trainer.state`)
    distribution: np.ndarray | None = None  # [N] of a finished run: see `TrainedRun`

    @property
    def num_updates(self) -> int:
        """Number of updates that the run has made."""
        return len(self.records)


class Checkpoints(NamedTuple):
    """The checkpoints of one training."""

    folder: Path  # of the runs
    key: str  # names all that the results depend on
    seconds: float  # how far they are apart, at least

    def read(self, run: int, *, quiet: bool = True) -> RunCheckpoint | None:
        """The last good checkpoint of a run; None if it has none.

        Args:
            run: Number of the run.
            quiet: Whether nothing is said of a damaged one.
        """
        for path in self._paths(run):
            try:
                return _read(path, self.key, run)
            except FileNotFoundError:
                continue
            except ValueError as error:
                if not quiet:
                    print(f"{path}: a damaged checkpoint, not used: {error}", file=sys.stderr)
        return None

    def write(self, run: int, checkpoint: RunCheckpoint) -> None:
        """Writes a checkpoint of a run; the one before it stays beside it.

        Raises:
            OSError: If it cannot be written; what was there is still there.
        """
        path, previous = self._paths(run)
        with atomic_write(path) as written:
            arrays = _arrays(checkpoint, {"version": VERSION, "key": self.key, "run": run})
            with written.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
            if path.exists():
                path.replace(previous)

    def remove(self) -> None:
        """Removes them, when what they were for is done."""
        shutil.rmtree(self.folder)

    def _paths(self, run: int) -> tuple[Path, Path]:
        return self.folder / f"{run}.npz", self.folder / f"{run}.previous.npz"


@contextmanager
def open_checkpoints(
    folder: Path, depends_on: Mapping[str, Any], seconds: float
) -> Iterator[Checkpoints]:
    """Open the checkpoints that training continues from; no other process may use them meanwhile.

    Those that depend on something else are set aside, in the place of any that were before.

    Args:
        folder: The task's folder of checkpoints.
        depends_on: Everything that the results depend on, as JSON can hold it.
        seconds: How many seconds there are between a run's checkpoints, at least.

    Raises:
        UserError: If another process has them.
    """
    key = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()
    with locked(folder / "lock"):
        runs = folder / "runs"
        if runs.exists() and (reason := _reason_other(runs / "key.json", key, depends_on)):
            aside = folder / "set_aside"
            shutil.rmtree(aside, ignore_errors=True)
            runs.rename(aside)
            print(
                f"{runs}: {reason}: training begins anew; what was there is in {aside}",
                file=sys.stderr,
            )
        if runs.exists():
            for left in runs.glob(".*"):  # by a training that was killed while it wrote
                shutil.rmtree(left, ignore_errors=True)
        else:
            write_json(runs / "key.json", {"key": key, "depends_on": depends_on})
        yield Checkpoints(runs, key, seconds)
    with suppress(OSError):  # there is something in it, another training's lock at least
        folder.rmdir()


def _reason_other(path: Path, key: str, depends_on: Mapping[str, Any]) -> str | None:
    """Say what differs between a file of dependencies and these; None if nothing does."""
    try:
        found = json.loads(path.read_text())
        if found["key"] == key:
            return None
        before, now = _flat(found["depends_on"]), _flat(depends_on)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return f"{path.name} cannot be read"
    differing = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
    return f"{', '.join(differing[:3])}{more} changed"


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, `{"train.gamma": 1.0, …}`."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _arrays(checkpoint: RunCheckpoint, header: Mapping[str, Any]) -> dict[str, np.ndarray]:
    columns = zip(*checkpoint.records, strict=True)
    arrays = {"header": np.array(json.dumps(header))}
    arrays |= {
        f"records/{name}": np.array(column)
        for name, column in zip(UpdateRecord._fields, columns, strict=True)
    }
    arrays |= {f"state/{name}": values for name, values in checkpoint.state.items()}
    if checkpoint.distribution is not None:
        arrays["distribution"] = checkpoint.distribution
    return arrays | {DIGEST: np.array(arrays_digest(arrays))}


def _read(path: Path, key: str, run: int) -> RunCheckpoint:
    """Reads a checkpoint.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or another run's or training's.
    """
    arrays = load_arrays(path)
    digest = arrays.pop(DIGEST, None)
    if digest is None or str(digest) != arrays_digest(arrays):
        raise ValueError("its digest is that of other contents")
    header = json.loads(str(arrays["header"]))
    if header != (expected := {"version": VERSION, "key": key, "run": run}):
        raise ValueError(f"expected {expected}, received {header}")
    columns = [arrays[f"records/{name}"] for name in UpdateRecord._fields]
    rows = zip(*(column.tolist() for column in columns[:-1]), columns[-1], strict=True)
    records = [UpdateRecord._make(row) for row in rows]
    state = {n.removeprefix("state/"): v for n, v in arrays.items() if n.startswith("state/")}
    return RunCheckpoint(records, state, arrays.get("distribution"))
