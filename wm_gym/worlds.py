"""The worlds that the project knows by name: their ids, their real twins and what installs the simulators."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class KnownWorld:
    """A world with ids of its own.

    Attributes:
        id_name: what its ids are made of: wm_gym/<id_name>-v0, wm_gym/<id_name>Discrete-v0 and, of a world with numeric
            actions, wm_gym/<id_name>Box-v0; those of the real twin begin with real/.
        install: what installs its simulator in a checkout.
        max_episode_steps: time limit of the ids.
        is_shipped: whether weights of it come with the package; ids of its own are registered for these worlds alone,
            since an id must construct.
        has_numbers: whether it takes numbers as actions.
        ships_starts: whether checkpoints may hold start frames of it. Pong's picture belongs to others: its episodes
            start from the user's own simulator.
    """

    id_name: str
    install: str
    max_episode_steps: int
    is_shipped: bool = False
    has_numbers: bool = False
    ships_starts: bool = True

    @property
    def twin(self) -> str:
        """The id of the real twin with text actions, for `gym.make` in a checkout."""
        return f"envs:real/{self.id_name}-v0"


WORLDS = {
    "minigrid": KnownWorld(
        id_name="MiniGrid", install='pip install -e ".[minigrid]"', max_episode_steps=256, is_shipped=True
    ),
    "coinrun": KnownWorld(id_name="CoinRun", install="pip install --no-deps procgen2", max_episode_steps=500),
    "doom_take_cover": KnownWorld(id_name="DoomTakeCover", install='pip install -e ".[doom]"', max_episode_steps=525),
    "doom_my_way_home": KnownWorld(id_name="DoomMyWayHome", install='pip install -e ".[doom]"', max_episode_steps=525),
    "pusht": KnownWorld(
        id_name="PushT",
        install='pip install -e ".[pusht]"',
        max_episode_steps=300,
        is_shipped=True,
        has_numbers=True,
    ),
    "carracing": KnownWorld(
        id_name="CarRacing",
        install='pip install -e ".[carracing]"',
        max_episode_steps=250,
        is_shipped=True,
        has_numbers=True,
    ),
    "crafter": KnownWorld(id_name="Crafter", install='pip install -e ".[crafter]"', max_episode_steps=1000),
    "pong": KnownWorld(
        id_name="Pong",
        install='pip install -e ".[pong]"',
        max_episode_steps=5000,
        is_shipped=True,
        ships_starts=False,
    ),
}
