"""Lines of play as episodes: what is in them, and that training could read them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.play.worlds import Ledger, SavedLedger
from wm_gym.data.dataset import Dataset, DatasetError
from wm_gym.play.episodes import EpisodeFolder
from wm_gym.play.request import Request
from wm_gym.play.session import Session
from wm_gym.play.stage import Stage, TwinMaker


def play(folder: Path, *requests: Request, numbers: int = 0) -> EpisodeFolder:
    """Play a ledger beside its twin and close all."""
    stage = Stage(SavedLedger(numbers=numbers), twin=TwinMaker(make=lambda: Ledger(numbers=numbers)))
    episodes = EpisodeFolder(folder, stage)
    session = Session(stage, on_leave=episodes.save)
    for request in requests:
        session.apply(request)
    session.close()
    episodes.close()
    return episodes


def test_an_episode_is_what_the_env_said(tmp_path: Path) -> None:
    play(tmp_path, Request("act", "good"), Request("act", "bad"), Request("undo"), Request("act", "any"))
    (episode,) = Dataset.open(tmp_path / "dream")
    env = SavedLedger()
    expected = [env.reset(seed=0)[0], env.step("good")[0], env.step("any")[0]]
    np.testing.assert_array_equal(episode.observations, np.stack(expected))
    assert episode.actions == ("good", "any")
    assert episode.rewards.tolist() == [1.0, 0.0]
    assert (episode.terminated.tolist(), episode.truncated.tolist()) == ([False, False], [False, True])
    assert (episode.seed, episode.info) == (0, {"name": "ledger 0"})


def test_the_real_twin_is_recorded_too(tmp_path: Path) -> None:
    saved = play(tmp_path, Request("view", "both"), Request("act", "good"), Request("act", "end"))
    assert saved.num_saved == {"dream": 1, "real": 1}
    env = Ledger()
    expected = [env.reset(seed=0)[0], env.step("good")[0], env.step("end")[0]]
    (episode,) = Dataset.open(tmp_path / "real")
    np.testing.assert_array_equal(episode.observations, np.stack(expected))
    assert (episode.terminated.tolist(), episode.truncated.tolist()) == ([False, True], [False, False])


def test_every_line_is_an_episode_and_another_day_adds_to_it(tmp_path: Path) -> None:
    play(tmp_path, Request("act", "good"), Request("reset"), Request("act", "bad"), Request("act", "good"))
    play(tmp_path, Request("act", ""))
    dataset = Dataset.open(tmp_path / "dream")
    assert [episode.actions for episode in dataset] == [("good",), ("bad", "good"), ("",)]
    assert [episode.seed for episode in dataset] == [0, 1, 0]
    assert dataset.manifest.world == "ledger"


def test_numbers_are_kept_as_numbers(tmp_path: Path) -> None:
    play(tmp_path, Request("act", (0.5, -1.0)), Request("act", "good"), numbers=2)
    (episode,) = Dataset.open(tmp_path / "dream")
    assert episode.actions == ("", "good")
    assert episode.controls is not None
    np.testing.assert_array_equal(episode.controls, np.array([[0.5, -1.0], [np.nan, np.nan]], np.float32))


def test_no_play_is_no_episode(tmp_path: Path) -> None:
    assert play(tmp_path, Request("reset"), Request("bookmark", 1)).num_saved == {}


def test_a_folder_of_something_else_is_refused_before_the_play(tmp_path: Path) -> None:
    (tmp_path / "dream").mkdir()
    (tmp_path / "dream" / "manifest.json").write_text("{}")
    with pytest.raises(DatasetError, match=r"manifest\.json"):
        EpisodeFolder(tmp_path, Stage(SavedLedger()))


def test_a_folder_of_another_twin_is_refused_when_the_twin_comes(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "manifest.json").write_text("{}")
    stage = Stage(SavedLedger(), twin=TwinMaker(make=Ledger), on_twin=lambda track: episodes.prepare(track))
    episodes = EpisodeFolder(tmp_path, stage)
    session = Session(stage, on_leave=episodes.save)
    session.apply(Request("act", "good"))
    with pytest.raises(DatasetError, match=r"manifest\.json"):
        session.apply(Request("view", "both"))
    session.close()
    episodes.close()
    assert episodes.num_saved == {"dream": 1}


def test_what_happens_beside_actions_is_kept(tmp_path: Path) -> None:
    class Rainy(Ledger):
        """A ledger in which it rains whenever one says so."""

        def step(self, action: Any) -> Any:
            *rest, info = super().step(action)
            return *rest, info | {"event": {"rain": "it rains", "good": 7}.get(action)}

    stage = Stage(SavedLedger(), twin=TwinMaker(make=Rainy))
    episodes = EpisodeFolder(tmp_path, stage)
    session = Session(stage, on_leave=episodes.save)
    session.apply(Request("view", "both"))
    with pytest.warns(UserWarning, match="got 7; it is left out"):
        session.apply(Request("act", "good"))
    session.apply(Request("act", "rain"))
    session.close()
    episodes.close()
    assert Dataset.open(tmp_path / "real")[0].world_events == ("", "it rains")
    assert Dataset.open(tmp_path / "dream")[0].world_events == ()
