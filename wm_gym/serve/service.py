"""What the API does: takes rounds to imagine, keeps the states that come of them, and tells of them."""

from collections.abc import Sequence

import numpy as np

from wm_gym.serve.config import ServeConfig
from wm_gym.serve.dispatcher import Dispatcher, Task
from wm_gym.serve.job import Frame, Job, JobMaker
from wm_gym.serve.messages import AllDeleted, Continue, FirstRound, Result, Stats, VideoDeleted
from wm_gym.serve.problem import Problem
from wm_gym.serve.segments import Segments
from wm_gym.serve.simulator import Outcome, simulate
from wm_gym.serve.store import StateStore, StoredState
from wm_gym.world_model import WorldModel


class Service:
    """Imagines rounds with one model. It lives in the event loop; `_simulate` alone runs in the model's thread.

    Attributes:
        store: the states.
        dispatcher: the queue.
        frame_size: (height, width) of a frame in pixels.

    Args:
        model: that imagines.
        config: limits.

    Raises:
        ValueError: a state does not fit the memory for states.
        OSError: the folder for segments cannot be made.
    """

    def __init__(self, model: WorldModel, config: ServeConfig) -> None:
        self._model = model
        self.frame_size = model.card.frame_size
        self._maker = JobMaker(model, config.max_denoising_steps)
        self._segments = Segments(config.segments)
        self.store = StateStore(config.max_states, config.max_megabytes * 2**20, self._leave)
        self.dispatcher = Dispatcher(
            self._simulate,
            self._deliver,
            self._discard,
            max_queue=config.max_queue,
            max_batch=config.max_batch,
            max_wait=config.max_wait,
        )
        _check_memory(model, self.store.max_bytes)

    def first_round(self, request: FirstRound, frame: Frame | None) -> Task:
        """Let the first round of a new video wait for the model.

        Raises:
            Problem: 422, a field does not fit; 503, the queue is full.
        """
        return self.dispatcher.submit(self._maker.first(request, frame))

    def proceed(self, request: Continue) -> Task:
        """Let one more round from a state wait for the model.

        Raises:
            Problem: 404 or 410, there is no such state; 422, a field does not fit; 503, the queue is full.
        """
        return self.dispatcher.submit(self._maker.next(request, self.store.get(request.state_id)))

    def result(self, stored: StoredState, ignored: tuple[str, ...] = ()) -> Result:
        """What is told of a state."""
        return Result(
            new_state_id=stored.state_id,
            video_id=stored.video_id,
            segment_path=self._segments.path(stored.state_id),
            world=stored.world,
            rounds=stored.rounds,
            reward=stored.reward,
            terminated=stored.terminated,
            termination_probability=stored.termination_probability,
            uncertainty=stored.uncertainty,
            ignored=list(ignored),
        )

    def frames_per_second(self, world: str) -> float:
        """The pace of a world."""
        return float(self._model.card.worlds[world].render_fps)

    def delete_video(self, video_id: str) -> VideoDeleted:
        """Delete the states and the tasks of a video.

        Raises:
            Problem: 404, there are none.
        """
        tasks = self.dispatcher.cancel(video_id)
        states = self.store.delete_video(video_id)
        if not states and not tasks:
            raise Problem(404, "unknown", f"video_id must be of a video with states here, got {ascii(video_id)}")
        return VideoDeleted(message="deleted", video_id=video_id, states_deleted=states, tasks_cleared=tasks)

    def delete_all(self) -> AllDeleted:
        """Delete every state and call off every task that waits."""
        tasks, videos = self.dispatcher.cancel(), self.store.num_videos
        return AllDeleted(
            message="deleted",
            videos_processed_for_deletion=videos,
            videos_confirmed_removed_from_lb_map=videos,
            total_state_deletions_or_not_found_on_worker=self.store.delete_all(),
            tasks_cleared_from_lb_queue=tasks,
        )

    def stats(self) -> Stats:
        """How things stand."""
        card, store, dispatcher = self._model.card, self.store, self.dispatcher
        return Stats(
            busy_endpoints_from_ping=int(dispatcher.num_running > 0),
            total_videos_on_live_workers=store.num_videos,
            total_states_on_live_workers=len(store),
            tasks_in_lb_queue=dispatcher.num_queued,
            tasks_processing_by_lb=dispatcher.num_running,
            state_bytes=store.num_bytes,
            max_states=store.max_states,
            max_state_bytes=store.max_bytes,
            evicted_states=store.num_evicted,
            finished_tasks=dispatcher.num_finished,
            model_calls=dispatcher.num_calls,
            weights_hash=card.weights_hash,
            worlds=list(card.worlds),
            frame_size=card.frame_size,
            chunk_frames=card.chunk_frames,
        )

    def _simulate(self, jobs: Sequence[Job]) -> list[Outcome]:
        outcomes = simulate(self._model, jobs)
        try:
            for job, outcome in zip(jobs, outcomes, strict=True):
                self._segments.write(job.state_id, outcome.state, self.frames_per_second(job.world))
        except OSError:  # all of these jobs fail
            self._segments.remove(job.state_id for job in jobs)
            raise
        return outcomes

    def _deliver(self, job: Job, outcome: Outcome) -> Result:
        """Keep the state that came of a job."""
        stored = StoredState(
            state_id=job.state_id,
            video_id=job.video_id,
            world=job.world,
            state=outcome.state,
            rounds=job.rounds,
            reward=outcome.reward,
            terminated=outcome.terminated,
            termination_probability=outcome.termination_probability,
            uncertainty=outcome.uncertainty,
        )
        self.store.add(stored)
        return self.result(stored, job.ignored)

    def _discard(self, job: Job) -> None:
        """Nobody wants what came of a job."""
        self._segments.remove([job.state_id])

    def _leave(self, stored: StoredState) -> None:
        """A state is gone."""
        self._segments.remove([stored.state_id])


def _check_memory(model: WorldModel, max_bytes: int) -> None:
    """Check that a state fits.

    Raises:
        ValueError: it does not.
    """
    card = model.card
    size = model.reset(np.zeros((1, card.chunk_frames, *card.frame_size, 3), np.uint8), seeds=[0]).nbytes
    if size > max_bytes:
        rule = f"max_megabytes must be at least {-(-size // 2**20)}, what a state of this checkpoint takes"
        raise ValueError(f"{rule}, got {max_bytes >> 20}")
