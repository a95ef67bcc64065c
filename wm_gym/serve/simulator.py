"""Many jobs, one call of the model."""

from collections.abc import Sequence
from dataclasses import dataclass

from wm_gym.serve.job import Job
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a job.

    Attributes:
        state: of one world.
        reward: of the round.
        terminated: whether the round ended the episode.
        termination_probability: what that was thresholded from.
        uncertainty: of the model about the round.
    """

    state: WorldState
    reward: float = 0.0
    terminated: bool = False
    termination_probability: float = 0.0
    uncertainty: float = 0.0


def simulate(model: WorldModel, jobs: Sequence[Job]) -> list[Outcome]:
    """Do jobs with equal `denoising_steps`; one call of the model steps all that have an action."""
    sources = [_begin(model, job) for job in jobs]
    outcomes = {index: Outcome(state=sources[index]) for index, job in enumerate(jobs) if job.action is None}
    moving = [(index, job.action) for index, job in enumerate(jobs) if job.action is not None]
    if moving:
        batch = WorldState.cat([sources[index] for index, _ in moving])
        actions = [action for _, action in moving]
        state, output = model.step(batch, actions, num_denoising_steps=jobs[0].denoising_steps)
        for row, (index, _) in enumerate(moving):
            outcomes[index] = Outcome(
                state=state.select([row]),
                reward=float(output.reward[row]),
                terminated=bool(output.terminated[row]),
                termination_probability=float(output.termination_probability[row]),
                uncertainty=float(output.uncertainty[row]),
            )
    return [outcomes[index] for index in range(len(jobs))]


def _begin(model: WorldModel, job: Job) -> WorldState:
    """The state that a job begins at, with its noise."""
    if isinstance(job.source, WorldState):
        return job.source if job.seed is None else job.source.reseed([job.seed])
    return model.reset(job.source[None], seeds=[job.seed or 0])
