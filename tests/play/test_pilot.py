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
    pilot = load_pilot(str(tmp_path / "champion.zip"), env)
    act = pilot.factory(env, np.random.default_rng(0))
    assert (pilot.name, pilot.needs_twin) == ("champion", False)
    for seed in range(3):
        chunk, _ = env.reset(seed=seed)
        number, _ = model.predict(chunk[-1], deterministic=True)
        assert act(chunk) == env.get_action_meanings()[int(number)]


def test_a_zip_for_other_actions_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    library = pytest.importorskip("stable_baselines3")
    library.PPO("MlpPolicy", gym.make("CartPole-v1"), device="cpu").save(tmp_path / "pole.zip")
    with pytest.raises(ValueError, match=r"policy must act in the Discrete\(4\) .* got one for Discrete\(2\)"):
        load_pilot(str(tmp_path / "pole.zip"), WorldModelEnv(checkpoint=str(checkpoint)))


def test_a_zip_for_other_frames_is_refused_before_the_play(checkpoint: Path, tmp_path: Path) -> None:
    library = pytest.importorskip("stable_baselines3")
    env = DiscreteWorldModelEnv(checkpoint=str(checkpoint))
    space = gym.spaces.Box(0, 255, (4, 4, 3), np.uint8)
    small = gym.wrappers.TransformObservation(env, lambda frame: frame[:4, :4], space)
    library.PPO("MlpPolicy", small, device="cpu").save(tmp_path / "small.zip")
    with pytest.raises(ValueError, match=r"policy must see the frames of the world's Discrete id, .* got one for Box"):
        load_pilot(str(tmp_path / "small.zip"), WorldModelEnv(checkpoint=str(checkpoint)))


def test_a_zip_that_was_cut_inside_is_told(checkpoint: Path, tmp_path: Path) -> None:
    library = pytest.importorskip("stable_baselines3")
    env = WorldModelEnv(checkpoint=str(checkpoint))
    library.PPO("MlpPolicy", DiscreteWorldModelEnv(checkpoint=str(checkpoint)), device="cpu").save(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as whole, zipfile.ZipFile(tmp_path / "cut.zip", "w") as cut:
        for name in whole.namelist():
            data = whole.read(name)
            cut.writestr(name, data[:50] if name == "policy.pth" else data)
    with pytest.raises(ValueError, match="policy must be a zip that loads here, got .*cut.zip"):
        load_pilot(str(tmp_path / "cut.zip"), env)


def test_a_factory_is_found_by_name(checkpoint: Path) -> None:
    env = WorldModelEnv(checkpoint=str(checkpoint))
    pilot = load_pilot("wm_gym.data.recording:random_policy", env)
    text = pilot.factory(env, np.random.default_rng(0))(env.reset(seed=0)[0])
    assert any(text in phrases for phrases in env.action_phrases.values())
    assert (pilot.name, pilot.needs_twin) == ("random_policy", True)


def test_what_is_no_policy_is_told(checkpoint: Path, tmp_path: Path) -> None:
    env = WorldModelEnv(checkpoint=str(checkpoint))
    (tmp_path / "text.zip").write_text("no zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("data", '{"gamma": 0.9}')
    with zipfile.ZipFile(tmp_path / "list.zip", "w") as file:
        file.writestr("data", "[]")
    for name in ("text.zip", "missing.zip", "list.zip"):
        with pytest.raises(ValueError, match="policy must be a zip that stable-baselines3 saved"):
            load_pilot(str(tmp_path / name), env)
    with pytest.raises(ValueError, match="policy must be one of PPO, DQN, A2C"):
        load_pilot(str(tmp_path / "other.zip"), env)
    with pytest.raises(ValueError, match='policy must be written "module:factory"'):
        load_pilot("expert", env)
