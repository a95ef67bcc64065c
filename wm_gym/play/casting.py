"""Who plays beside the dream: the twin and the policy that the options name, and what the options ask for first."""

from wm_gym.data.dataset import Dataset
from wm_gym.env import WorldModelEnv
from wm_gym.play.config import PlayConfig
from wm_gym.play.pilot import Pilot, load_pilot
from wm_gym.play.replay import RecordedEnv, recorded_pilot
from wm_gym.play.request import Request
from wm_gym.play.stage import TwinMaker
from wm_gym.play.twins import make_twin


def twin_maker(config: PlayConfig, world: str) -> TwinMaker:
    """How to get the twin: the simulator, or the recording that is replayed.

    Raises:
        DatasetError: there is no such recording.
    """
    if config.replay is not None:
        recording = Dataset.open(config.replay)
        return TwinMaker(make=lambda: RecordedEnv(recording), name="recorded")
    return TwinMaker(make=lambda: make_twin(world, config.twin, config.twin_arguments))


def find_pilot(config: PlayConfig, env: WorldModelEnv) -> Pilot | None:
    """The policy, if one was named; a replay's is what was recorded.

    Raises:
        ValueError: there is no such policy, or it does not fit the world.
    """
    if config.replay is not None:
        return recorded_pilot()
    return None if config.policy is None else load_pilot(config.policy, env)


def opening(config: PlayConfig) -> list[Request]:
    """What the options ask for before a player does."""
    view = "both" if config.replay is not None else config.view
    requests = [] if config.image is None else [Request("start", config.image)]
    return requests + ([] if view == "dream" else [Request("view", view)])
