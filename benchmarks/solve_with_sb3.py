"""Train Stable-Baselines3's PPO until CartPole-v1 is solved; needs only stable-baselines3.

    python benchmarks/solve_with_sb3.py SEED

The settings are those of rl-zoo (hyperparams/ppo.yml). Every 10,000 env steps, 100 separate
episodes with sampled actions are averaged; the process ends when their mean return reaches 475.
PyTorch gets one thread: with networks this small, more are slower.
"""

import sys

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.base_class import BaseAlgorithm
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.evaluation import evaluate_policy

ENV_ID = "CartPole-v1"
THRESHOLD, NUM_EPISODES, EVERY, MAX_ENV_STEPS = 475, 100, 10_000, 100_000


class StopWhenSolved(BaseCallback):
    """Evaluate the policy between its updates; stop the training when it solves the task."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.environments = make_vec_env(ENV_ID, NUM_EPISODES, seed=seed)
        self.due, self.solved = EVERY, False

    def evaluate(self, model: BaseAlgorithm) -> None:
        """Update `solved` if an evaluation is due."""
        if model.num_timesteps >= self.due:
            self.due += EVERY
            mean, _ = evaluate_policy(model, self.environments, NUM_EPISODES, deterministic=False)
            self.solved = mean >= THRESHOLD

    def _on_rollout_start(self) -> None:
        self.evaluate(self.model)

    def _on_step(self) -> bool:
        return not self.solved


def main(seed: int) -> None:
    """Train, and exit with status 1 if the task was not solved."""
    torch.set_num_threads(1)
    model = PPO(
        "MlpPolicy",
        make_vec_env(ENV_ID, 8, seed=seed),
        n_steps=32,
        batch_size=256,
        n_epochs=20,
        gamma=0.98,
        gae_lambda=0.8,
        ent_coef=0.0,
        learning_rate=lambda remaining: 0.001 * remaining,
        clip_range=lambda remaining: 0.2 * remaining,
        seed=seed,
    )
    stop = StopWhenSolved(seed + 1_000)  # the copies' seeds are consecutive
    model.learn(MAX_ENV_STEPS, callback=stop)
    if not stop.solved:
        stop.evaluate(model)  # after the last update
    if not stop.solved:
        sys.exit(f"not solved within {MAX_ENV_STEPS:,} env steps")


if __name__ == "__main__":
    main(int(sys.argv[1]))
