"""What a policy acts in: Gymnasium's environments and the bandit, which is registered here."""

import gymnasium

gymnasium.register(
    id="Bandit-v0", entry_point="pipeline.environments.bandit:Bandit", max_episode_steps=1
)
