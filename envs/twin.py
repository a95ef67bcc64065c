"""A real twin: a simulator behind the texts, numbers and chunks that its learned world has too."""

import string
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, get_args

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from envs.actions import MAX_TEXT_LENGTH, WorldActions, check_text

Frame = npt.NDArray[np.uint8]
Controls = npt.NDArray[np.float32]
ActionKind = Literal["text", "discrete", "box"]
SPLITS = ("train", "test")


class Simulator(ABC):
    """A simulator with the one face that `Twin` knows.

    One step is one action held for as many of the simulator's own ticks as make its effect visible. All randomness of
    an episode comes from the generator of `reset`.

    Attributes:
        world: name of the world.
        frame_size: (height, width) of a frame in pixels.
        render_fps: steps a second at which the world looks natural.
        actions: its vocabulary.
        visible_actions: names of the actions whose effect can be told from frames alone, where it is possible at all.
        probe_steps: for how many steps such an action must be held to be told.
    """

    world: ClassVar[str]
    frame_size: ClassVar[tuple[int, int]] = (64, 64)
    render_fps: ClassVar[int]
    actions: ClassVar[WorldActions]
    visible_actions: ClassVar[tuple[str, ...]]
    probe_steps: ClassVar[int] = 1

    @abstractmethod
    def reset(self, rng: np.random.Generator, split: str) -> dict[str, str]:
        """Begin an episode and return facts about it, text to text.

        Args:
            rng: the only source of randomness of the episode.
            split: "train" or "test"; no level, layout or start belongs to both.
        """

    @abstractmethod
    def step(self, action: int | Controls) -> tuple[float, bool]:
        """Act, by number or by numbers; return the reward and whether the episode terminated."""

    @abstractmethod
    def frame(self) -> Frame:
        """What is seen now, uint8 (height, width, 3), in memory of its own."""

    def happen(self, event: str) -> None:
        """Let what `actions.event_phrases` names happen, between two steps."""
        raise NotImplementedError(f"{self.world} has no events")

    def clone(self) -> Any:
        """A copy of the world for `restore`."""
        raise NotImplementedError(f"{self.world} cannot save its state")

    def restore(self, saved: Any) -> None:
        """Go back to a state of `clone`, which stays usable."""
        raise NotImplementedError(f"{self.world} cannot save its state")

    def close(self) -> None:
        """Free what the simulator holds."""
        return None


class Twin(gym.Env[Frame, Any]):
    """Steps a simulator with texts ("text"), numbers of actions ("discrete") or numbers ("box").

    With texts an observation is a chunk of one frame, uint8 (1, height, width, 3), and `step` also takes an array of
    numbers where the world has them; else it is the frame, uint8 (height, width, 3).

    Attributes:
        simulator: the world.
        last_event: what happened beside the last action; "" for nothing.
    """

    simulator_class: ClassVar[type[Simulator]]
    chunk_frames = 1

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Give each twin the metadata of its world."""
        super().__init_subclass__(**kwargs)
        cls.metadata = {"render_modes": ["rgb_array"], "render_fps": cls.simulator_class.render_fps}

    def __init__(
        self,
        render_mode: str | None = None,
        actions: ActionKind = "text",
        split: str = "train",
        event_rate: float = 0.0,
        **options: Any,
    ) -> None:
        """Args follow `gym.make`.

        Args:
            render_mode: None or "rgb_array".
            actions: which actions `step` takes.
            split: "train" or "test"; no start belongs to both.
            event_rate: the chance, in [0, 1], that something happens beside the action of a step; 0 without events.
            options: of the simulator.

        Raises:
            ValueError: An argument is outside its choices.
        """
        cls = self.simulator_class
        _check_choice("render_mode", render_mode, (None, *self.metadata["render_modes"]))
        kinds = get_args(ActionKind) if cls.actions.control_low else ("text", "discrete")
        _check_choice("actions", actions, kinds)
        _check_choice("split", split, SPLITS)
        if not 0 <= event_rate <= 1 or (event_rate and not cls.actions.event_phrases):
            rule = "in [0, 1]" if cls.actions.event_phrases else f"0, since {cls.world} has no events"
            raise ValueError(f"event_rate must be {rule}, got {event_rate}; leave it out for none")
        self.render_mode = render_mode
        self.split = split
        self.event_rate = event_rate
        self.simulator = cls(**options)
        self._kind = actions
        self._facts: dict[str, str] | None = None
        self._needs_reset = True
        self._event = ""  # of the next step
        self.last_event = ""
        self.action_space = _action_space(actions, cls.actions)
        shape = (*cls.frame_size, 3)
        self.observation_space = gym.spaces.Box(0, 255, (1, *shape) if actions == "text" else shape, np.uint8)

    @property
    def world(self) -> str:
        """Name of the world."""
        return self.simulator.world

    @property
    def action_phrases(self) -> dict[str, tuple[str, ...]]:
        """Name of an action -> its phrasings, the canonical one first."""
        return dict(self.simulator.actions.phrases)

    @property
    def unseen_phrases(self) -> dict[str, tuple[str, ...]]:
        """Name of an action -> phrasings that no recording says."""
        return dict(self.simulator.actions.unseen_phrases)

    @property
    def transfer_phrases(self) -> dict[str, tuple[str, ...]]:
        """Name of an action -> phrasings that only the recordings of other worlds say."""
        return dict(self.simulator.actions.transfer_phrases)

    @property
    def event_phrases(self) -> dict[str, tuple[str, ...]]:
        """Name of what may happen beside an action -> its phrasings."""
        return dict(self.simulator.actions.event_phrases)

    @property
    def key_map(self) -> dict[str, str]:
        """Key as pygame names it -> text."""
        return dict(self.simulator.actions.key_map)

    @property
    def control_range(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Smallest and largest value of each number of a numeric action; empty where the world has none."""
        return self.simulator.actions.control_low, self.simulator.actions.control_high

    def get_action_meanings(self) -> list[str]:
        """The canonical text of every action, by number."""
        return [phrases[0] for phrases in self.action_phrases.values()]

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Frame, dict[str, Any]]:
        """Begin an episode of the env's split; `options={"event": ...}` tells what happens in its first step.

        Raises:
            ValueError: The event is no text that `happen` takes.
        """
        event = check_text((options or {}).get("event", ""), "event")
        super().reset(seed=seed)
        self._facts = self.simulator.reset(self.np_random, self.split)
        self._needs_reset = False
        self._event = event
        self.last_event = ""
        return self._observation(), dict(self._facts)

    def happen(self, event: str) -> None:
        """Let something happen just before the next action, such as "the doors open"; unknown texts do nothing.

        Until that step another call takes its place.

        Raises:
            ValueError: `event` is not a string, is longer than 256 characters or has characters outside
                `string.printable`.
            gymnasium.error.ResetNeeded: The episode has not begun or has terminated.
        """
        event = check_text(event, "event")
        self._check_running("happen")
        self._event = event

    def step(self, action: Any) -> tuple[Frame, float, bool, bool, dict[str, Any]]:
        """Act; where something happens beside the action, `info["event"]` tells what.

        Raises:
            ValueError: `action` is none of this env's.
            gymnasium.error.ResetNeeded: The episode has not begun or has terminated.
        """
        checked = self._checked(action)
        self._check_running("step")
        event, self._event = self._event or self._drawn_event(), ""
        name = self.simulator.actions.event(event)
        self.last_event = event if name else ""
        if name:
            self.simulator.happen(name)
        reward, terminated = self.simulator.step(checked)
        self._needs_reset = bool(terminated)
        info = dict(self._facts or {}) | ({"event": event} if name else {})
        return self._observation(), float(reward), bool(terminated), False, info

    def render(self) -> Frame | None:
        """The last frame, uint8 (height, width, 3), or None without a render mode."""
        if self.render_mode is None:
            gym.logger.warn('render() without a render mode draws nothing; make the env with render_mode="rgb_array"')
            return None
        if self._facts is None:
            raise gym.error.ResetNeeded("render must follow a reset, got a render before reset; call reset() first")
        return self.simulator.frame()

    def clone_state(self, include_rng: bool = False) -> dict[str, Any]:
        """A copy of the world for `restore_state` (ALE's names); with `include_rng` also of the generator.

        The step count of a time limit around the env is not part of it.
        """
        return {
            "world": self.simulator.clone(),
            "facts": self._facts,
            "needs_reset": self._needs_reset,
            "events": (self._event, self.last_event),
            "rng": self.np_random.bit_generator.state if include_rng else None,
        }

    def restore_state(self, state: dict[str, Any]) -> None:
        """Go back to a state of `clone_state`, which stays usable."""
        self.simulator.restore(state["world"])
        self._facts = state["facts"]
        self._needs_reset = state["needs_reset"]
        self._event, self.last_event = state["events"]
        if state["rng"] is not None:
            self.np_random.bit_generator.state = state["rng"]

    def close(self) -> None:
        """Free what the simulator holds."""
        self.simulator.close()

    def _check_running(self, call: str) -> None:
        if self._needs_reset:
            state = "before reset" if self._facts is None else "after the episode terminated"
            raise gym.error.ResetNeeded(f"{call} must follow a reset, got one {state}; call reset() first")

    def _drawn_event(self) -> str:
        """What happens by chance: one of all events, in one of its phrasings; "" for nothing."""
        if not self.event_rate or self.np_random.random() >= self.event_rate:
            return ""
        phrasings = list(self.event_phrases.values())
        texts = phrasings[int(self.np_random.integers(len(phrasings)))]
        return texts[int(self.np_random.integers(len(texts)))]

    def _observation(self) -> Frame:
        frame = self.simulator.frame()
        return frame[None] if self._kind == "text" else frame

    def _checked(self, action: Any) -> int | Controls:
        """The simulator's form of an action."""
        vocabulary = self.simulator.actions
        if self._kind == "box" or (self._kind == "text" and isinstance(action, np.ndarray)):
            return vocabulary.controls(action)
        if self._kind == "text":
            return vocabulary.index(action)
        if not self.action_space.contains(action):
            raise ValueError(
                f"action must be an integer from 0 to {len(vocabulary.names) - 1}, got {action!r}; "
                "get_action_meanings() lists them"
            )
        return int(action)


def _action_space(kind: ActionKind, actions: WorldActions) -> gym.Space[Any]:
    if kind == "text":
        return gym.spaces.Text(MAX_TEXT_LENGTH, min_length=0, charset=string.printable)
    if kind == "discrete":
        return gym.spaces.Discrete(len(actions.names))
    low, high = (np.asarray(bound, np.float32) for bound in (actions.control_low, actions.control_high))
    return gym.spaces.Box(low, high, dtype=np.float32)


def _check_choice(name: str, value: str | None, choices: tuple[str | None, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, got {value!r}; pick one of these")
