"""Policies that play: zips of stable-baselines3 and factories by name."""

import zipfile
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from wm_gym.discrete_env import DiscreteWorldModelEnv
from wm_gym.env import WorldModelEnv
from wm_gym.play.pilot import load_pilot


@pytest.mark.parametrize("algorithm", ["PPO", "A2C", "DQN"])
def test_a_zip_plays_as_it_would_itself(checkpoint: Path, tmp_path: Path, algorithm: str) -> None:
    library = pytest.importorskip("stable_baselines3")
    options = {"buffer_size": 10} if algorithm == "DQN" else {}
    trained = DiscreteWorldModelEnv(checkpoint=str(checkpoint))
    model = getattr(library, algorithm)("MlpPolicy", trained, device="cpu", **options)
    model.save(tmp_path / "champion.zip")
    env = WorldModelEnv(checkpoint=str(checkpoint))
    pilot = load_pilot(str(tmp_path / "champion.zip"))
    act = pilot.factory(env, np.random.default_rng(0))
    assert (pilot.name, pilot.needs_twin) == ("champion", False)
    for seed in range(3):
        chunk, _ = env.reset(seed=seed)
        number, _ = model.predict(chunk[-1], deterministic=True)
        assert act(chunk) == env.get_action_meanings()[int(number)]


def test_a_zip_for_other_actions_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    library = pytest.importorskip("stable_baselines3")
    library.PPO("MlpPolicy", gym.make("CartPole-v1"), device="cpu").save(tmp_path / "pole.zip")
    pilot = load_pilot(str(tmp_path / "pole.zip"))
    with pytest.raises(ValueError, match=r"policy must act in the Discrete\(4\) .* got one for Discrete\(2\)"):
        pilot.factory(WorldModelEnv(checkpoint=str(checkpoint)), np.random.default_rng(0))


def test_a_factory_is_found_by_name(checkpoint: Path) -> None:
    pilot = load_pilot("wm_gym.data.recording:random_policy")
    env = WorldModelEnv(checkpoint=str(checkpoint))
    text = pilot.factory(env, np.random.default_rng(0))(env.reset(seed=0)[0])
    assert any(text in phrases for phrases in env.action_phrases.values())
    assert (pilot.name, pilot.needs_twin) == ("random_policy", True)


def test_what_is_no_policy_is_told(tmp_path: Path) -> None:
    (tmp_path / "text.zip").write_text("no zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("data", '{"gamma": 0.9}')
    for name in ("text.zip", "missing.zip"):
        with pytest.raises(ValueError, match="policy must be a zip that stable-baselines3 saved"):
            load_pilot(str(tmp_path / name))
    with pytest.raises(ValueError, match="policy must be one of PPO, DQN, A2C"):
        load_pilot(str(tmp_path / "other.zip"))
    with pytest.raises(ValueError, match='policy must be written "module:factory"'):
        load_pilot("expert")
