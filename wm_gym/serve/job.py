"""What a request asks the model for, checked whole before it waits."""

import math
import secrets
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8

from wm_gym.actions import Action, check_text, scale_numbers
from wm_gym.serve.messages import Continue, FirstRound
from wm_gym.serve.problem import Problem
from wm_gym.serve.store import StoredState
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState

Frame = UInt8[np.ndarray, "height width 3"]
Chunk = UInt8[np.ndarray, "time height width 3"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A round to imagine.

    Attributes:
        state_id: name of the state to come.
        video_id: the tree that it belongs to.
        world: its world.
        rounds: of the state to come, since the start.
        source: where the round begins: a state of one world, or the frames of a start.
        action: what is said; None stays at the start.
        seed: of the noise from here on; None, of a state, lets its own go on.
        denoising_steps: decoder calls.
        ignored: fields of the request that change nothing.
    """

    state_id: str
    video_id: str
    world: str
    rounds: int
    source: WorldState | Chunk
    action: Action | None
    seed: int | None
    denoising_steps: int
    ignored: tuple[str, ...]


class JobMaker:
    """Makes jobs of requests.

    Args:
        model: that does them.
        max_denoising_steps: most decoder calls of a job.
    """

    def __init__(self, model: WorldModel, max_denoising_steps: int) -> None:
        self._card = model.card
        self._starts = model.starts
        self._sampler = model.sampler
        self._max_denoising_steps = max_denoising_steps

    def first(self, request: FirstRound, frame: Frame | None) -> Job:
        """The job of a new video.

        Args:
            request: its fields, without the picture.
            frame: the picture.

        Raises:
            Problem: 422, a field does not fit.
        """
        try:
            world = self._card.world(request.world)
        except ValueError as error:
            raise Problem(422, "malformed", str(error)) from error
        text = request.first_prompt
        return Job(
            state_id=new_id(),
            video_id=new_id(),
            world=world,
            rounds=int(text is not None),
            source=self._start(world, request, frame),
            action=None if text is None else _text("first_prompt", text),
            seed=request.random_seed or 0,
            denoising_steps=self._steps(request.denoising_steps),
            ignored=_ignored(request),
        )

    def next(self, request: Continue, source: StoredState) -> Job:
        """The job of one more round.

        Raises:
            Problem: 422, a field does not fit.
        """
        if request.video_id not in (None, source.video_id):
            rule = f"video_id must be that of the state, {source.video_id}, or left out"
            raise Problem(422, "malformed", f"{rule}, got {ascii(request.video_id)}")
        return Job(
            state_id=new_id(),
            video_id=source.video_id,
            world=source.world,
            rounds=source.rounds + 1,
            source=source.state,
            action=self._action(request, source.world),
            seed=request.random_seed,
            denoising_steps=self._steps(request.denoising_steps),
            ignored=_ignored(request),
        )

    def _start(self, world: str, request: FirstRound, frame: Frame | None) -> Chunk:
        """The picture, or one of the checkpoint's starts."""
        index = request.start_index
        if frame is not None:
            if index is not None:
                raise Problem(422, "malformed", f"start_index must be left out where an image is given, got {index}")
            return np.repeat(frame[None], self._card.chunk_frames, axis=0)
        starts = self._starts.get(world, ())
        if not len(starts):
            raise Problem(422, "malformed", f"image must be given: {world} comes without starts of its own; got none")
        if index is None:
            index = int(np.random.default_rng(request.random_seed or 0).integers(len(starts)))
        if index >= len(starts):
            raise Problem(422, "malformed", f"start_index must be from 0 to {len(starts) - 1}, got {index}")
        chunk: Chunk = starts[index].numpy()
        return chunk

    def _action(self, request: Continue, world: str) -> Action:
        """The text, or the numbers scaled to [-1, 1]."""
        text, numbers = request.new_prompt, request.new_controls
        if (text is None) == (numbers is None):
            got = "neither" if text is None else "both"
            raise Problem(422, "malformed", f"one of new_prompt and new_controls must be given, got {got}")
        if text is not None:
            return _text("new_prompt", text)
        card = self._card.worlds[world]
        try:
            return scale_numbers(numbers, card.control_low, card.control_high)
        except ValueError as error:
            raise Problem(422, "malformed", f"new_controls: {error}") from error

    def _steps(self, asked: int | None) -> int:
        steps = self._card.num_denoising_steps if asked is None else asked
        if steps > self._max_denoising_steps:
            rule = f"denoising_steps must be at most {self._max_denoising_steps} on this server"
            raise Problem(
                422, "malformed", f"{rule}, got {steps}; the checkpoint's own are {self._card.num_denoising_steps}"
            )
        if asked is not None:
            try:
                self._sampler.sigmas(asked)
            except ValueError as error:
                raise Problem(422, "malformed", f"denoising_steps: {error}") from error
        return steps


def new_id() -> str:
    """A name that nobody guesses."""
    return secrets.token_hex(16)


def _text(field: str, text: str) -> str:
    try:
        return check_text(text)
    except ValueError as error:
        raise Problem(422, "malformed", f"{field}: {ascii(str(error))[1:-1]}") from error


def _ignored(request: FirstRound | Continue) -> tuple[str, ...]:
    """What was given and changes nothing: the server draws without guidance, and nobody reads captions."""
    guided = request.guidance_scale is not None and not math.isclose(request.guidance_scale, 1)
    captioned = isinstance(request, FirstRound) and request.image_caption is not None
    return ("guidance_scale",) * guided + ("image_caption",) * captioned
