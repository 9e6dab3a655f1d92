"""Film an episode of a task's untrained policy, from the run of the exported one.

    python -m tools.film_untrained TASK FILE.gif

The policy acts greedily, from the initial state of `data/<task>/film/film.gif`.
"""

import json
import sys
from pathlib import Path

from environments.faults import closing_quietly
from pipeline.build.policies import make_policy, read_weights, set_weights
from pipeline.figures.film import LIMITS
from pipeline.figures.recording import Recording
from pipeline.play import play_episodes
from pipeline.playing.environments import make_environment, picture_rate
from pipeline.playing.replay import SEED
from pipeline.process.display import draw_offscreen
from pipeline.process.start import start_tensorflow
from pipeline.task.seeds import Purpose
from pipeline.task.task import load_task


def main(name: str, path: Path) -> None:
    start_tensorflow()
    task = load_task(Path("params.yaml"), name)
    any_seed = task.stream(Purpose.INITIAL_WEIGHTS, run=0)  # the weights are replaced
    policy = make_policy(task.params.policy, task.specification, any_seed)
    weights = read_weights(task.files.initial_weights, policy, task.params.num_runs)
    set_weights(policy, weights, json.loads((task.files.policy / "spec.json").read_text())["run"])
    draw_offscreen()
    with closing_quietly(make_environment(task.specification, "rgb_array")) as env:
        recording = Recording(picture_rate(env), LIMITS)
        [episode] = play_episodes(
            env,
            lambda observations, _: policy.greedy(observations).numpy(),
            num_episodes=1,
            seed=SEED,
            name=task.specification.id,
            show=lambda: recording.offer(env.render),
        )
    recording.save(path)
    print(f"{path}: untrained, return {episode.episode_return:.5g}, length {episode.length}")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
