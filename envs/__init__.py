"""The real twins: real simulators that speak the texts and chunks of the learned worlds.

Importing this package registers the ids and nothing else; a simulator is imported when an env is made. Each world has
an id for texts (`real/CoinRun-v0`), one for numbered actions (`real/CoinRunDiscrete-v0`) and, where it takes numbers,
one for those (`real/PushTBox-v0`).
"""

import gymnasium as gym

_TWINS = {  # name in the id: entry point, time limit in steps
    "MiniGrid": ("envs.minigrid.twin:MiniGridTwin", 256),
    "MiniGridNegative": ("envs.minigrid.negative:NegativeMiniGridTwin", 256),
    "MiniGridShifted": ("envs.minigrid.shifted:ShiftedMiniGridTwin", 256),
    "MiniGridView": ("envs.minigrid.view:MiniGridViewTwin", 256),
    "CoinRun": ("envs.coinrun.twin:CoinRunTwin", 500),
    "DoomTakeCover": ("envs.doom.twin:TakeCoverTwin", 525),
    "DoomMyWayHome": ("envs.doom.twin:MyWayHomeTwin", 525),
    "PushT": ("envs.pusht.twin:PushTTwin", 300),
    "CarRacing": ("envs.carracing.twin:CarRacingTwin", 250),
    "Crafter": ("envs.crafter.twin:CrafterTwin", 1000),
    "Pong": ("envs.pong.twin:PongTwin", 5000),
}
_WITH_NUMBERS = ("PushT", "CarRacing")

for _name, (_entry_point, _limit) in _TWINS.items():
    gym.register(id=f"real/{_name}-v0", entry_point=_entry_point, max_episode_steps=_limit)
    gym.register(
        id=f"real/{_name}Discrete-v0",
        entry_point=_entry_point,
        max_episode_steps=_limit,
        kwargs={"actions": "discrete"},
    )
for _name in _WITH_NUMBERS:
    _entry_point, _limit = _TWINS[_name]
    gym.register(
        id=f"real/{_name}Box-v0", entry_point=_entry_point, max_episode_steps=_limit, kwargs={"actions": "box"}
    )
