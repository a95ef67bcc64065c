"""Policies by name."""

from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from stable_baselines3 import PPO

from wm_gym.evaluation.transfer_policies import load_batch_policy, with_noise

PICTURES = np.zeros((500, 36, 36, 3), np.uint8)


class Pictures(gym.Env[Any, Any]):
    """Black pictures and five actions."""

    observation_space = gym.spaces.Box(0, 255, (36, 36, 3), np.uint8)
    action_space = gym.spaces.Discrete(5)

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        return PICTURES[0], {}


@pytest.fixture(scope="module")
def zip_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """An untrained PPO."""
    path = tmp_path_factory.mktemp("ppo") / "policy.zip"
    PPO("CnnPolicy", Pictures(), device="cpu", seed=0, n_steps=8, batch_size=8).save(path)
    return str(path)


def constant(num_actions: int, rng: np.random.Generator) -> Any:
    """A user's factory: always the last action."""
    return lambda observations: np.full(len(observations), num_actions - 1)


FACTORY = f"{__name__}:constant"


@pytest.mark.parametrize("name", ["random", "policies.random:uniform", "policies.random:sticky"])
def test_blind_policies_take_all_actions_and_repeat_by_seed(name: str) -> None:
    actions = load_batch_policy(name, 5, seed=1)(PICTURES)
    assert set(actions.tolist()) == set(range(5))
    np.testing.assert_array_equal(actions, load_batch_policy(name, 5, seed=1)(PICTURES))


def test_a_factory_is_given_the_number_of_actions() -> None:
    assert set(load_batch_policy(FACTORY, 5, seed=0)(PICTURES).tolist()) == {4}


def test_a_zip_acts_on_pictures(zip_file: str) -> None:
    actions = load_batch_policy(zip_file, 5, seed=0)(PICTURES)
    assert actions.shape == (500,) and set(actions.tolist()) == set(range(5))


def test_noise_replaces_its_share_of_actions() -> None:
    kept = load_batch_policy(f"{FACTORY}@0.5", 5, seed=0)(PICTURES) == 4
    assert kept.mean() == pytest.approx(0.5 + 0.5 / 5, abs=0.07)
    always = with_noise(lambda observations: np.zeros(len(observations)), 0.0, 5, np.random.default_rng(0))
    assert (always(PICTURES) == 0).all()


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("nothing", 'transfer must name a ".zip", "random" or "module:factory", got \'nothing\''),
        ("no.such.module:policy", "transfer must name a factory that can be imported"),
        ("policies.random:nobody", "transfer must name a factory that can be imported"),
        ("missing.zip", "transfer must name a policy zip that exists, got missing.zip"),
        ("random@much", "the share of random actions must be from 0 to 1"),
        ("random@1.5", "the share of random actions must be from 0 to 1"),
    ],
)
def test_unknown_policies_are_refused(name: str, rule: str) -> None:
    with pytest.raises(ValueError, match=rule):
        load_batch_policy(name, 5, seed=0)


def test_a_zip_of_other_actions_or_other_bytes_is_refused(zip_file: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="must choose among the world's 7 actions"):
        load_batch_policy(zip_file, 7, seed=0)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(Path(zip_file).read_bytes()[:1000])
    with pytest.raises(ValueError, match="must be a PPO that stable-baselines3 saved"):
        load_batch_policy(str(broken), 5, seed=0)
