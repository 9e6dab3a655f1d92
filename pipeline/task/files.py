"""The files of a task, and the stage that writes each."""

from pathlib import Path
from typing import NamedTuple


class TaskFiles(NamedTuple):
    """The files of one task, all in one folder."""

    folder: Path

    @property
    def initial_weights(self) -> Path:
        """The initial policy of every run; written by `rollout`."""
        return self.folder / "initial_weights.npz"

    @property
    def rollouts(self) -> Path:
        """Episodes sampled with the initial policies; written by `rollout`."""
        return self.folder / "rollouts.npz"

    @property
    def final_weights(self) -> Path:
        """The trained policy of every run; written by `train`."""
        return self.folder / "final_weights.npz"

    @property
    def learning_curve(self) -> Path:
        """One row for each update of each run; written by `train`."""
        return self.folder / "learning_curve.csv"

    @property
    def action_distribution(self) -> Path:
        """The mean action distribution before, during and after training; written by `train`."""
        return self.folder / "action_distribution.csv"

    @property
    def tensorboard(self) -> Path:
        """Scalars for TensorBoard, a folder for each run; written by `train` as it runs."""
        return self.folder / "tensorboard"

    @property
    def variance(self) -> Path:
        """The gradient noise, a row for each policy and baseline; written by `variance`."""
        return self.folder / "variance.csv"

    @property
    def variance_picture(self) -> Path:
        """The picture of the gradient noise; written by `variance`."""
        return self.folder / "variance.png"

    @property
    def policies(self) -> Path:
        """A SavedModel for each run; written by `evaluate`."""
        return self.folder / "policies"

    @property
    def policy(self) -> Path:
        """The chosen run's SavedModel; written by `evaluate`."""
        return self.folder / "policy"

    @property
    def evaluation(self) -> Path:
        """One row for each evaluation episode; written by `evaluate`."""
        return self.folder / "evaluation.csv"

    @property
    def visited(self) -> Path:
        """Steps of the chosen policy with its action distribution; written by `evaluate`."""
        return self.folder / "visited.csv"

    @property
    def plane(self) -> Path:
        """The chosen policy's action distribution over a plane of states; written by `evaluate`."""
        return self.folder / "plane.csv"

    @property
    def episode(self) -> Path:
        """An episode of the chosen policy, step by step; written by `evaluate`."""
        return self.folder / "episode.csv"

    @property
    def metrics(self) -> Path:
        """The task's metrics, tracked by git; written by `evaluate`."""
        return self.folder / "metrics.json"

    @property
    def film(self) -> Path:
        """A film of the recorded episode, or the reason why there is none; written by `plot`."""
        return self.folder / "film"

    @property
    def plots(self) -> Path:
        """Plots of the results; written by `plot`."""
        return self.folder / "plots"

    @property
    def panels(self) -> Path:
        """The panels of the plots, one by one, for the report; written by `plot`."""
        return self.folder / "panels.json"
