"""Episodes keep their shapes and survive their bytes."""

import io
from collections.abc import Iterator
from dataclasses import replace

import jaxtyping
import numpy as np
import pytest

from tests.data.episodes import make_episode
from wm_gym.data.episode import Episode
from wm_gym.data.npz_bytes import read_npz


@pytest.fixture
def production() -> Iterator[None]:
    """Without jaxtyping's checks, as users run it: then the class has to speak for itself."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def test_bytes_round_trip_is_lossless() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (6, 2, 4, 6, 3), dtype=np.uint8)
    rewards = np.array([0.1, -1e-30, np.pi, 0, np.inf], dtype=np.float32)
    episode = replace(make_episode(0), observations=noise, rewards=rewards)
    assert Episode.from_bytes(episode.to_bytes()) == episode


def test_equal_episodes_have_equal_bytes() -> None:
    assert make_episode(1).to_bytes() == make_episode(1).to_bytes()


def test_episodes_with_other_frames_are_not_equal() -> None:
    assert make_episode(1) != make_episode(2)


def test_event_steps_are_rewards_and_terminations() -> None:
    assert make_episode(0, reward_step=2).event_steps == (2, 4)
    assert make_episode(0, ends=False).event_steps == ()


def test_total_reward_is_the_sum() -> None:
    assert make_episode(0, reward_step=2).total_reward == 0.5


@pytest.mark.usefixtures("production")
def test_rejects_as_many_observations_as_actions() -> None:
    episode = make_episode(0)
    with pytest.raises(ValueError, match="one more than actions, got 5 observations and 5 actions"):
        replace(episode, observations=episode.observations[1:])


@pytest.mark.usefixtures("production")
def test_rejects_float_frames() -> None:
    episode = make_episode(0)
    with pytest.raises(ValueError, match="observations must be uint8 .* got float32"):
        replace(episode, observations=episode.observations.astype(np.float32))


def test_rejects_no_action() -> None:
    episode = make_episode(0)
    empty = np.zeros(0, dtype=np.bool_)
    with pytest.raises(ValueError, match="at least 1 action"):
        replace(
            episode,
            observations=episode.observations[:1],
            actions=(),
            rewards=episode.rewards[:0],
            terminated=empty,
            truncated=empty,
        )


@pytest.mark.usefixtures("production")
@pytest.mark.parametrize("name", ["rewards", "terminated", "truncated"])
def test_rejects_rows_of_another_length(name: str) -> None:
    episode = make_episode(0)
    with pytest.raises(ValueError, match=f"{name} must be .* one value an action"):
        replace(episode, **{name: getattr(episode, name)[:-1]})


def test_rejects_an_end_before_the_last_step() -> None:
    episode = make_episode(0)
    with pytest.raises(ValueError, match="False before the last step"):
        replace(episode, terminated=np.ones(5, dtype=np.bool_))


def test_rejects_bytes_of_no_episode() -> None:
    with pytest.raises(ValueError, match="data must be an episode"):
        Episode.from_bytes(make_episode(0).to_bytes()[:200])


def test_never_loads_a_pickle() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, facts=np.array([{"seed": 0}], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle"):
        Episode.from_bytes(buffer.getvalue())


def test_controls_survive_the_round_trip() -> None:
    controls = np.array([[0.5, -1.0], [np.nan, np.nan]], np.float32)
    episode = replace(make_episode(0, num_steps=2), actions=("", "go"), controls=controls)
    assert Episode.from_bytes(episode.to_bytes()) == episode


def test_an_action_is_a_text_or_numbers_but_not_both() -> None:
    with pytest.raises(ValueError, match='actions must be "" where controls has numbers'):
        replace(make_episode(0, num_steps=1), actions=("go",), controls=np.zeros((1, 2), np.float32))


def test_half_a_row_of_numbers_is_rejected() -> None:
    with pytest.raises(ValueError, match="controls must be finite in a row"):
        replace(make_episode(0, num_steps=1), actions=("",), controls=np.array([[0.0, np.nan]], np.float32))


def test_world_events_survive_the_round_trip() -> None:
    events = ("", "the door opens", "", "", "it rains")
    episode = replace(make_episode(1), world_events=events)
    assert Episode.from_bytes(episode.to_bytes()) == episode != make_episode(1)
    assert Episode.from_bytes(episode.to_bytes()).world_events == events


def test_an_uneventful_episode_has_the_bytes_that_it_always_had() -> None:
    assert "world_events" not in read_npz(make_episode(1).to_bytes())


@pytest.mark.parametrize(
    ("events", "rule"),
    [(("it rains",), "one text for each of the 5"), ((1,) * 5, "must be texts"), (("",) * 5, "must be empty where")],
)
@pytest.mark.usefixtures("production")
def test_wrong_world_events_are_refused(events: tuple[str, ...], rule: str) -> None:
    with pytest.raises(ValueError, match=f"world_events {'' if 'must' in rule else 'must be '}{rule}"):
        replace(make_episode(1), world_events=events)
