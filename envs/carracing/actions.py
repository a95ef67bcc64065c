"""CarRacing's actions: their texts, their keys and the numbers (steering, gas, brake) behind each.

The front wheels stop near 0.4, so steering numbers beyond that turn them no further than 0.4 does.
"""

from envs.actions import WorldActions
from envs.carracing import pedals as carracing_pedals
from envs.carracing import steering as carracing_steering

_STEERING = 0.3
_GAS, _GAS_IN_A_BEND = 0.5, 0.3  # more makes the rear wheels spin, not the car faster
_BRAKE = 0.8  # 0.9 and more blocks the wheels

CONTROLS: dict[str, tuple[float, float, float]] = {
    "steer counterclockwise": (-_STEERING, 0.0, 0.0),
    "steer clockwise": (_STEERING, 0.0, 0.0),
    "accelerate counterclockwise": (-_STEERING, _GAS_IN_A_BEND, 0.0),
    "accelerate clockwise": (_STEERING, _GAS_IN_A_BEND, 0.0),
    "accelerate": (0.0, _GAS, 0.0),
    "brake": (0.0, 0.0, _BRAKE),
    "wait": (0.0, 0.0, 0.0),
}
"""Name of an action -> steering (negative is to the left), gas and brake."""

ACTIONS = WorldActions(
    phrases={**carracing_steering.PHRASES, **carracing_pedals.PHRASES},
    unseen_phrases={**carracing_steering.UNSEEN_PHRASES, **carracing_pedals.UNSEEN_PHRASES},
    transfer_phrases=carracing_steering.TRANSFER_PHRASES,
    key_map={
        "left": "steer counterclockwise",
        "right": "steer clockwise",
        "q": "accelerate counterclockwise",
        "e": "accelerate clockwise",
        "up": "accelerate",
        "down": "brake",
        "w": "wait",
    },
    idle="wait",
    control_low=(-1.0, 0.0, 0.0),
    control_high=(1.0, 1.0, 1.0),
)
