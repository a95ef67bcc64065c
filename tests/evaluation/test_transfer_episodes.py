"""Episodes of policies that see pictures, in real worlds and in dreams."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import TimeLimit

from tests.worlds import TILE_PIXELS, TILES, Slide, draw
from wm_gym.evaluation.transfer_episodes import DreamWorld, Episodes, play_dreams, play_twins, replay_in_dreams
from wm_gym.step_arguments import StepArguments
from wm_gym.world_model import WorldModel

TEXTS = ("go left", "go right", "go down", "wait")
LEFT, RIGHT, DOWN, WAIT = range(4)


def walk_to_goal(observations: Any) -> Any:
    """Right to the last column, then down, by what the pictures show."""
    cells = observations[:, TILE_PIXELS // 2 :: TILE_PIXELS, TILE_PIXELS // 2 :: TILE_PIXELS, 0]
    columns = cells.reshape(len(cells), -1).argmax(1) % TILES  # the tile is the only red
    return np.where(columns < TILES - 1, RIGHT, DOWN)


def wait(observations: Any) -> Any:
    """Does nothing."""
    return np.full(len(observations), WAIT)


def play(policy: Any, num_worlds: int = 6, max_steps: int = 20) -> Episodes:
    """Episodes in sliding worlds."""
    envs = [Slide() for _ in range(num_worlds)]
    return play_twins(policy, envs, texts=TEXTS, seeds=list(range(num_worlds)), max_steps=max_steps)


def test_a_policy_that_sees_reaches_the_goal_on_the_shortest_way() -> None:
    episodes = play(walk_to_goal)
    assert episodes.successes(0.5).all()
    for start, actions in zip(episodes.starts, episodes.actions, strict=True):
        column, row = next(
            (column, row)
            for column in range(TILES)
            for row in range(TILES)
            if np.array_equal(draw((column, row)), start[0])
        )
        assert actions == (RIGHT,) * (TILES - 1 - column) + (DOWN,) * (TILES - 1 - row)
    assert episodes.lengths.tolist() == [len(actions) for actions in episodes.actions]


def test_episodes_end_at_the_limit_and_at_that_of_the_env() -> None:
    assert play(wait, max_steps=3).lengths.tolist() == [3] * 6
    assert not play(wait, max_steps=3).successes(0.5).any()
    limited: list[gym.Env[Any, Any]] = [TimeLimit(Slide(), 2)]
    assert play_twins(wait, limited, texts=TEXTS, seeds=[0], max_steps=9).lengths.tolist() == [2]


@pytest.fixture(scope="module")
def minigrid() -> DreamWorld:
    """The shipped world."""
    model = WorldModel.from_pretrained("minigrid")
    texts = tuple(phrases[0] for phrases in model.card.worlds["minigrid"].action_phrases.values())
    return DreamWorld(model=model, texts=texts, sampling=StepArguments())


@pytest.fixture(scope="module")
def wandered(minigrid: DreamWorld) -> Episodes:
    """Episodes of a policy that walks and turns at random in empty rooms; some reach the goal."""
    rng = np.random.default_rng(0)
    envs = [gym.make("envs:real/MiniGrid-v0", layout="empty", split="test") for _ in range(12)]

    def wander(observations: Any) -> Any:
        return rng.choice(3, p=[0.2, 0.2, 0.6], size=len(observations))

    return play_twins(wander, envs, texts=minigrid.texts, seeds=list(range(12)), max_steps=20)


def test_the_same_actions_have_the_same_outcome_in_the_dream(minigrid: DreamWorld, wandered: Episodes) -> None:
    real = wandered.successes(0.5)
    assert 0 < real.sum() < len(real)  # else this could not fail
    replayed = replay_in_dreams(minigrid, wandered, seeds=list(range(12)))
    assert (replayed.successes(0.5) == real).mean() > 0.9
    assert (replayed.lengths <= wandered.lengths).all()


def test_a_policy_that_waits_gains_nothing_in_the_dream(minigrid: DreamWorld, wandered: Episodes) -> None:
    number = minigrid.texts.index("wait")
    dreamed = play_dreams(
        lambda observations: np.full(len(observations), number),
        minigrid,
        starts=wandered.starts[:3],
        seeds=[0, 1, 2],
        max_steps=4,
    )
    assert dreamed.returns.tolist() == [0, 0, 0]
    assert dreamed.actions == ((number,) * 4,) * 3


def test_a_dream_does_not_depend_on_who_else_ended(minigrid: DreamWorld, wandered: Episodes) -> None:
    """Worlds that end leave the batch; those that stay must not notice."""
    whole = replay_in_dreams(minigrid, wandered, seeds=list(range(12)))
    row = int(wandered.lengths.argmax())
    alone = Episodes(
        starts=wandered.starts[row : row + 1],
        actions=wandered.actions[row : row + 1],
        returns=wandered.returns[row : row + 1],
    )
    single = replay_in_dreams(minigrid, alone, seeds=[row])
    assert single.actions[0] == whole.actions[row]
    assert single.returns[0] == whole.returns[row]
