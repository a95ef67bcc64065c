"""What is said over HTTP. The names that PAN's client knows are its own; the others are additions."""

from typing import Annotated, Any, Literal

from fastapi import UploadFile
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from wm_gym.actions import MAX_ACTION_LENGTH
from wm_gym.world_state import MAX_SEED

MAX_CAPTION = 10_000  # characters of a text that nobody reads


def _no_bool(value: Any) -> Any:
    """Refuse true, which pydantic takes for 1."""
    if isinstance(value, bool):
        raise PydanticCustomError("number", "must be a number")
    return value


Number = BeforeValidator(_no_bool)
Guidance = Annotated[float | None, Number, Field(ge=0, allow_inf_nan=False)]
Seed = Annotated[int | None, Number, Field(ge=0, le=MAX_SEED)]
Steps = Annotated[int | None, Number, Field(ge=1)]
Index = Annotated[int | None, Number, Field(ge=0)]
_GUIDANCE = "taken for PAN's clients; the server draws without guidance, and names any value but 1 in `ignored`"
_STEPS = "decoder calls; by default the checkpoint's"


class FirstRound(BaseModel):
    """A new video: a start, and the first text said to it. All fields may be left out."""

    model_config = ConfigDict(extra="forbid")

    image: UploadFile | None = Field(
        None, description="where the world starts, cut and resized to its frames; by default a start of the checkpoint"
    )
    first_prompt: str | None = Field(
        None,
        description=f"at most {MAX_ACTION_LENGTH} printable ASCII characters; by default nothing is said yet, and "
        "the new state is the start itself: the root of a tree",
    )
    image_caption: str | None = Field(None, max_length=MAX_CAPTION, description="taken for PAN's clients; ignored")
    guidance_scale: Guidance = Field(None, description=_GUIDANCE)
    denoising_steps: Steps = Field(None, description=_STEPS)
    random_seed: Seed = Field(0, description="decides the world's noise, and the start where none is given")
    world: str | None = Field(None, description="of a checkpoint with several worlds")
    start_index: Index = Field(None, description="number of a start of the checkpoint, in place of an image")


class Continue(BaseModel):
    """One more round from any state; that state stays as it is."""

    model_config = ConfigDict(extra="forbid")

    state_id: str = Field(max_length=64)
    video_id: str | None = Field(None, max_length=64, description="of the state; checked where it is given")
    new_prompt: str | None = Field(
        None, description=f'at most {MAX_ACTION_LENGTH} printable ASCII characters; "" does nothing'
    )
    new_controls: list[Annotated[float, Number]] | None = Field(
        None, max_length=64, description="in place of a text: numbers in the world's own range"
    )
    guidance_scale: Guidance = Field(None, description=_GUIDANCE)
    denoising_steps: Steps = Field(None, description=_STEPS)
    random_seed: Seed = Field(None, description="other noise from here on; by default the state's own goes on")


class Result(BaseModel):
    """A state, and the round that led to it."""

    new_state_id: str
    video_id: str
    segment_path: str = Field(description="GIF of the round: a path of this server, or a file with --segments")
    world: str
    rounds: int = Field(description="since the start")
    reward: float = Field(description="of the round")
    terminated: bool = Field(description="the episode ended in this round; what comes after it means nothing")
    termination_probability: float
    uncertainty: float
    ignored: list[str] = Field(description="fields of the request that changed nothing")
    frames: list[str] | None = Field(default=None, description="PNGs in base64, one a frame, with ?frames=true")


class TaskStatus(BaseModel):
    """Where a task stands."""

    task_id: str
    status: Literal["queued", "processing", "completed", "failed"]
    result: Result | None = None
    error_message: str | None = None


class VideoDeleted(BaseModel):
    """What the deletion of a video removed."""

    message: str
    video_id: str
    states_deleted: int
    tasks_cleared: int


class AllDeleted(BaseModel):
    """What the deletion of everything removed, in the words of PAN's load balancer, which this server has none of."""

    message: str
    videos_processed_for_deletion: int
    videos_confirmed_removed_from_lb_map: int
    total_state_deletions_or_not_found_on_worker: int
    total_failed_state_deletions_on_worker: int = 0
    total_lb_map_inconsistencies: int = 0
    tasks_cleared_from_lb_queue: int
    task_states_cleared_from_lb: int = 0


class Stats(BaseModel):
    """How the server does: first in PAN's words, where the model is its one endpoint."""

    total_configured_endpoints: int = 1
    live_endpoints_pinged_successfully: int = 1
    busy_endpoints_from_ping: int
    total_videos_on_live_workers: int
    total_states_on_live_workers: int
    tasks_in_lb_queue: int
    tasks_processing_by_lb: int
    state_bytes: int
    max_states: int
    max_state_bytes: int
    evicted_states: int
    finished_tasks: int
    model_calls: int
    weights_hash: str
    worlds: list[str]
    frame_size: tuple[int, int]
    chunk_frames: int


class ProblemBody(BaseModel):
    """Every error."""

    detail: str = Field(description="what must hold, what was got, what to do")
    reason: str = Field(description="one word: malformed, unauthorized, unknown, evicted, deleted, busy, ...")
