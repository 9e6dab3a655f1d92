"""Checkpoints of training: after a kill, training resumes and reaches the same bits.

Each task has a folder of checkpoints. It is not a DVC output, since DVC would delete it:

    checkpoints/<task>/lock            held by the training in progress
    checkpoints/<task>/runs/key.json   everything that the results depend on
    checkpoints/<task>/runs/0.npz      run 0: the learner's state, and the record of each update
    checkpoints/<task>/runs/0.previous.npz     the same, one checkpoint earlier
    checkpoints/<task>/set_aside/      the last `runs` that no longer matched

Each file holds a digest of itself and the key that it belongs to. A damaged checkpoint is ignored
in favor of the previous one; without any, the run starts over.
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
    distribution: np.ndarray | None = None  # [N], only of a finished run (see `TrainedRun`)

    @property
    def num_updates(self) -> int:
        """Number of updates made so far."""
        return len(self.records)


class Checkpoints(NamedTuple):
    """The checkpoints of one task's training."""

    folder: Path  # one file per run and checkpoint
    key: str  # digest of everything that the results depend on
    seconds: float  # minimum time between checkpoints of a run

    def read(self, run: int, *, quiet: bool = True) -> RunCheckpoint | None:
        """Read the last intact checkpoint of a run; return None if there is none.

        Args:
            run: Number of the run.
            quiet: Do not report damaged checkpoints. Defaults to True.
        """
        for path in self._paths(run):
            try:
                return _read(path, self.key, run)
            except FileNotFoundError:
                continue
            except ValueError as error:
                if not quiet:
                    print(f"{path}: ignoring a damaged checkpoint: {error}", file=sys.stderr)
        return None

    def write(self, run: int, checkpoint: RunCheckpoint) -> None:
        """Write a checkpoint of a run, keeping the previous one.

        Raises:
            OSError: If it cannot be written; existing checkpoints remain.
        """
        path, previous = self._paths(run)
        with atomic_write(path) as written:
            arrays = _arrays(checkpoint, {"version": VERSION, "key": self.key, "run": run})
            with written.open("wb") as file:
                np.savez(file, allow_pickle=False, **arrays)
            if path.exists():
                path.replace(previous)

    def remove(self) -> None:
        """Remove all checkpoints once training is done."""
        shutil.rmtree(self.folder)

    def _paths(self, run: int) -> tuple[Path, Path]:
        return self.folder / f"{run}.npz", self.folder / f"{run}.previous.npz"


@contextmanager
def open_checkpoints(
    folder: Path, depends_on: Mapping[str, Any], seconds: float
) -> Iterator[Checkpoints]:
    """Open the checkpoints that training resumes from, locked against other processes.

    Checkpoints with other dependencies are set aside; they replace any that were set aside before.

    Args:
        folder: The task's folder of checkpoints.
        depends_on: Everything that the results depend on, as JSON-compatible values.
        seconds: Minimum number of seconds between checkpoints of a run.

    Raises:
        UserError: If another process holds the lock.
    """
    key = hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()
    with locked(folder / "lock"):
        runs = folder / "runs"
        if runs.exists() and (reason := _reason_stale(runs / "key.json", key, depends_on)):
            if any(runs.glob("*.npz")):
                aside = folder / "set_aside"
                shutil.rmtree(aside, ignore_errors=True)
                runs.rename(aside)
                message = f"training starts over, and the old checkpoints are in {aside}"
                print(f"{runs}: {reason}; {message}", file=sys.stderr)
            else:  # interrupted before the first checkpoint
                shutil.rmtree(runs)
        if runs.exists():
            for partial in runs.glob(".*"):  # left by training that was killed while writing
                shutil.rmtree(partial, ignore_errors=True)
        else:
            write_json(runs / "key.json", {"key": key, "depends_on": depends_on})
        yield Checkpoints(runs, key, seconds)
    with suppress(OSError):  # not empty: another process may hold a new lock
        folder.rmdir()


def _reason_stale(path: Path, key: str, depends_on: Mapping[str, Any]) -> str | None:
    """Name the dependencies that differ from those in a file; return None if none do."""
    try:
        found = json.loads(path.read_text())
        if found["key"] == key:
            return None
        before, now = _flatten(found["depends_on"]), _flatten(depends_on)
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return f"{path.name} cannot be read"
    differing = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
    return f"{', '.join(differing[:3])}{more} changed"


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Flatten nested mappings into one, `{"train.gamma": 1.0, …}`."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flatten(value, f"{prefix}{name}.")
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
    """Read a checkpoint.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is damaged, or belongs to another run or other dependencies.
    """
    arrays = load_arrays(path)
    digest = arrays.pop(DIGEST, None)
    if digest is None or str(digest) != arrays_digest(arrays):
        raise ValueError("its contents do not match its digest")
    header = json.loads(str(arrays["header"]))
    if header != (expected := {"version": VERSION, "key": key, "run": run}):
        raise ValueError(f"expected {expected}, received {header}")
    columns = [arrays[f"records/{name}"] for name in UpdateRecord._fields]
    rows = zip(*(column.tolist() for column in columns[:-1]), columns[-1], strict=True)
    records = [UpdateRecord._make(row) for row in rows]
    state = {n.removeprefix("state/"): v for n, v in arrays.items() if n.startswith("state/")}
    return RunCheckpoint(records, state, arrays.get("distribution"))
