"""The queue in front of the model: what waits together is answered together, and nothing waits for ever."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from tests.serve.servers import PATIENCE
from wm_gym.serve import dispatcher as dispatcher_module
from wm_gym.serve.dispatcher import Dispatcher, Task
from wm_gym.serve.job import Job
from wm_gym.serve.messages import Result
from wm_gym.serve.problem import Problem
from wm_gym.serve.simulator import Outcome, simulate
from wm_gym.world_model import WorldModel


class Stage:
    """A dispatcher whose model waits for a gate to open.

    Attributes:
        gate: what the model waits for.
        batches: names of the jobs of each call.
        discarded: names of the jobs done in vain.
    """

    def __init__(self, model: WorldModel, **limits: Any) -> None:
        self.gate = threading.Event()
        self.batches: list[list[str]] = []
        self.discarded: list[str] = []
        self._model = model
        self.dispatcher = Dispatcher(
            self._simulate,
            self._deliver,
            lambda job: self.discarded.append(job.state_id),
            **{"max_queue": 100, "max_batch": 100, "max_wait": PATIENCE, **limits},
        )

    def job(self, name: str, steps: int = 1, video: str = "video", action: str | None = "go left") -> Job:
        return Job(
            state_id=name,
            video_id=video,
            world="slide",
            rounds=1,
            source=self._model.starts["slide"][0].numpy(),
            action=action,
            seed=0,
            denoising_steps=steps,
            ignored=(),
        )

    async def begin(self) -> Task:
        """Keep the model busy with a first task."""
        task = self.dispatcher.submit(self.job("first"))
        while not self.batches:
            await asyncio.sleep(0.001)
        return task

    def play(self, act: Callable[[], Awaitable[None]]) -> None:
        """Run the dispatcher while `act` uses it."""

        async def run() -> None:
            running = asyncio.create_task(self.dispatcher.run())
            try:
                await asyncio.wait_for(act(), PATIENCE)
            finally:
                self.gate.set()
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)

        asyncio.run(run())

    def _simulate(self, jobs: Sequence[Job]) -> list[Outcome]:
        self.batches.append([job.state_id for job in jobs])
        assert self.gate.wait(PATIENCE)
        if jobs[0].state_id == "bad":
            raise MemoryError("no room")
        return simulate(self._model, jobs)

    def _deliver(self, job: Job, outcome: Outcome) -> Result:
        if job.state_id == "lost":
            raise OSError("no room on the disk")
        return Result(
            new_state_id=job.state_id,
            video_id=job.video_id,
            segment_path="",
            world=job.world,
            rounds=job.rounds,
            reward=outcome.reward,
            terminated=outcome.terminated,
            termination_probability=outcome.termination_probability,
            uncertainty=outcome.uncertainty,
            ignored=[],
        )


def test_what_waits_together_is_answered_by_one_call(model: WorldModel) -> None:
    stage = Stage(model)

    async def act() -> None:
        await stage.begin()
        tasks = [stage.dispatcher.submit(stage.job(name)) for name in "abcde"]
        stage.gate.set()
        for task in tasks:
            await task.over.wait()
        assert [task.result.new_state_id for task in tasks if task.result] == list("abcde")

    stage.play(act)
    assert stage.batches == [["first"], list("abcde")]
    assert (stage.dispatcher.num_calls, stage.dispatcher.num_finished) == (2, 6)


def test_a_batch_has_a_limit_and_equal_denoising_steps(model: WorldModel) -> None:
    stage = Stage(model, max_batch=2)

    async def act() -> None:
        await stage.begin()
        jobs = [stage.job(name, steps) for name, steps in zip("abcdef", (1, 2, 1, 1, 2, 2), strict=True)]
        tasks = [stage.dispatcher.submit(job) for job in jobs]
        stage.gate.set()
        for task in tasks:
            await task.over.wait()

    stage.play(act)
    assert stage.batches == [["first"], ["a", "c"], ["b", "e"], ["d"], ["f"]]


def test_a_task_does_not_wait_longer_than_it_may(model: WorldModel) -> None:
    stage = Stage(model, max_wait=0.05)

    async def act() -> None:
        await stage.begin()
        late = stage.dispatcher.submit(stage.job("late"))
        await late.over.wait()
        assert late.problem is not None
        assert (late.status, late.problem.status, late.problem.headers) == ("failed", 503, {"Retry-After": "1"})
        assert stage.dispatcher.num_queued == 0

    stage.play(act)
    assert stage.batches == [["first"]]


def test_a_full_queue_sends_away(model: WorldModel) -> None:
    stage = Stage(model, max_queue=2)

    async def act() -> None:
        await stage.begin()
        for name in "ab":
            stage.dispatcher.submit(stage.job(name))
        with pytest.raises(Problem, match="queue must have room, got 2 requests that wait") as caught:
            stage.dispatcher.submit(stage.job("c"))
        assert caught.value.status == 503

    stage.play(act)


def test_a_failure_of_the_model_fails_its_tasks_alone(model: WorldModel) -> None:
    stage = Stage(model)
    stage.gate.set()

    async def act() -> None:
        bad = stage.dispatcher.submit(stage.job("bad"))
        await bad.over.wait()
        assert bad.problem is not None and "MemoryError: no room" in str(bad.problem)
        good = stage.dispatcher.submit(stage.job("good"))
        await good.over.wait()
        assert good.status == "completed"

    stage.play(act)


def test_a_round_that_cannot_be_kept_fails_alone(model: WorldModel) -> None:
    stage = Stage(model)

    async def act() -> None:
        await stage.begin()
        tasks = [stage.dispatcher.submit(stage.job(name)) for name in ("before", "lost", "after")]
        stage.gate.set()
        for task in tasks:
            await task.over.wait()
        assert [task.status for task in tasks] == ["completed", "failed", "completed"]
        problem = tasks[1].problem
        assert problem is not None and problem.status == 500
        assert "must be kept, got OSError: no room on the disk" in str(problem)

    stage.play(act)
    assert stage.dispatcher.num_finished == 4


def test_nobody_waits_for_one_that_closes(model: WorldModel) -> None:
    stage = Stage(model)

    async def act() -> None:
        tasks = [await stage.begin(), stage.dispatcher.submit(stage.job("waiting"))]
        stage.dispatcher.close()
        assert [task.problem and task.problem.reason for task in tasks] == ["stopping", "stopping"]
        with pytest.raises(Problem, match="the server must go on until a task is done, got told to stop"):
            stage.dispatcher.submit(stage.job("late"))

    stage.play(act)


def test_what_is_cancelled_while_it_runs_is_discarded(model: WorldModel) -> None:
    stage = Stage(model)

    async def act() -> None:
        first = await stage.begin()
        waiting = stage.dispatcher.submit(stage.job("waiting"))
        other = stage.dispatcher.submit(stage.job("other", video="another"))
        assert stage.dispatcher.cancel("video") == 1
        assert (first.status, waiting.status) == ("failed", "failed")
        stage.gate.set()
        await other.over.wait()
        assert other.status == "completed"

    stage.play(act)
    assert (stage.discarded, stage.batches) == (["first"], [["first"], ["other"]])


def test_a_start_and_a_round_share_a_call(model: WorldModel) -> None:
    stage = Stage(model)

    async def act() -> None:
        await stage.begin()
        tasks = [
            stage.dispatcher.submit(stage.job(name, action=action)) for name, action in (("still", None), ("moved", ""))
        ]
        stage.gate.set()
        for task in tasks:
            await task.over.wait()
        still, moved = (task.result for task in tasks)
        assert still is not None and moved is not None
        assert still.uncertainty == 0 < moved.uncertainty

    stage.play(act)


def test_finished_tasks_are_forgotten_in_the_end(model: WorldModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher_module, "MAX_FINISHED", 2)
    stage = Stage(model)
    stage.gate.set()

    async def act() -> None:
        tasks = []
        for name in "abcd":
            tasks.append(stage.dispatcher.submit(stage.job(name)))
            await tasks[-1].over.wait()
        assert stage.dispatcher.task(tasks[-1].task_id) is tasks[-1]
        with pytest.raises(Problem, match="one of its last 2 tasks"):
            stage.dispatcher.task(tasks[0].task_id)

    stage.play(act)
