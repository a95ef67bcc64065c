"""How each known world is measured: who acts in its real twin, when a rollout begins, how near a read state must be.

Twins and policies are named, not imported: they live in a checkout, beside this package.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class WorldPlan:
    """How a world is measured.

    Attributes:
        policies: who acts in the rollouts, by turns, as "module:factory".
        mixed: who leads to the states where actions are probed: the policy of the recordings.
        guide: whose words steer `wm-gym dream`.
        drift_policy: who acts in long rollouts; None where every policy may end the episode.
        lead_steps: steps that the policy takes before a rollout begins, at least and at most. From the first frame of
            an episode nobody can tell how things move.
        guide_arguments: arguments of the twin that `wm-gym dream` plays.
        probe_steps: steps for which a probe holds an action; None is the twin's own number.
        judged_by_state: whether an action is followed where the whole state comes out right: in a world whose changes
            can all be read and foreseen. Elsewhere a classifier judges.
        has_reward_events: whether rewards are rare events, rather than a quantity of every step.
        tolerances: factor of the state -> distance within which it counts as right; other factors must be equal. A twin
            with a `match_state` of its own needs none.
    """

    policies: tuple[str, ...]
    mixed: str
    guide: str
    drift_policy: str | None = None
    lead_steps: tuple[int, int] = (4, 64)
    guide_arguments: Mapping[str, str] = field(default_factory=dict)
    probe_steps: int | None = None
    judged_by_state: bool = False
    has_reward_events: bool = True
    tolerances: Mapping[str, float] = field(default_factory=dict)


def _named(module: str, *factories: str) -> tuple[str, ...]:
    return tuple(f"policies.{module}:{factory}" for factory in factories)


PLANS: dict[str, WorldPlan] = {
    "minigrid": WorldPlan(
        policies=_named("minigrid", "explorer", "random_policy", "expert"),
        mixed="policies.minigrid:mixed",
        guide="policies.minigrid:expert",
        drift_policy="policies.minigrid:explorer",
        lead_steps=(0, 0),  # a frame says all
        guide_arguments={"layout": "doorkey"},
        judged_by_state=True,
    ),
    "coinrun": WorldPlan(
        policies=_named("coinrun", "wanderer", "mixed", "expert"),
        mixed="policies.coinrun:mixed",
        guide="policies.coinrun:expert",
        lead_steps=(4, 24),
        tolerances={"left": 0.4, "right": 0.4, "below": 0.4, "coin": 0.4},  # tiles
    ),
    "doom_take_cover": WorldPlan(
        policies=_named("doom", "take_cover_expert", "take_cover_random", "take_cover_mixed"),
        mixed="policies.doom:take_cover_mixed",
        guide="policies.doom:take_cover_expert",
        has_reward_events=False,
        tolerances={"position": 40.0, "health": 5.0},  # of 768 map units and of 100
    ),
    "doom_my_way_home": WorldPlan(
        policies=_named("doom", "my_way_home_explorer", "my_way_home_random", "my_way_home_mixed"),
        mixed="policies.doom:my_way_home_mixed",
        guide="policies.doom:my_way_home_expert",
    ),
    "pusht": WorldPlan(
        policies=_named("pusht", "explorer", "random_policy", "mixed"),
        mixed="policies.pusht:mixed",
        guide="policies.pusht:expert",
        has_reward_events=False,
    ),
    "carracing": WorldPlan(
        policies=_named("carracing", "expert", "number_expert", "mixed"),
        mixed="policies.carracing:mixed",
        guide="policies.carracing:expert",
        has_reward_events=False,
        tolerances={"speed": 1.0, "wheel_speed": 1.0},  # levels of the panel's bars, of 20
    ),
    "crafter": WorldPlan(
        policies=_named("crafter", "tinkerer", "random_policy", "expert"),
        mixed="policies.crafter:mixed",
        guide="policies.crafter:expert",
    ),
    "pong": WorldPlan(
        policies=_named("pong", "mixed", "random_policy", "expert"),
        mixed="policies.pong:mixed",
        guide="policies.pong:expert",
        tolerances={"ball": 4.0, "player": 3.0, "opponent": 3.0},  # pixels
    ),
}
"""Name of a world -> its plan."""
