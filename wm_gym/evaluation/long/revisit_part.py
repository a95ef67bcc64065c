"""Revisits: dreams that leave a place and come back to it."""

import numpy as np

from wm_gym.evaluation.long.drift_part import Keep, Pictures
from wm_gym.evaluation.long.revisit import RevisitReading, revisit_consistency
from wm_gym.evaluation.long.stage import Stage
from wm_gym.evaluation.long.trips import Trip, collect_trips

_SHOWN = 3  # trips on the contact sheet


def measure_revisit_part(stage: Stage, keep: Keep) -> None:
    """Dreams `trips` trips of each of `trip_steps`.

    Args:
        stage: The world.
        keep: Given the numbers and the pictures after each length.
    """
    readings: list[RevisitReading] = []
    pictures: Pictures = {}
    for num_steps in sorted(stage.long.trip_steps):
        stage.say(f"trips of {num_steps} steps")
        trips = collect_trips(
            stage.env,
            stage.policy,
            stage.config.world,
            num_trips=stage.long.trips,
            num_steps=num_steps,
            seed=stage.config.seed,
            clip_frames=stage.model.kept_frames,
            actions=stage.long.trip_actions,
        )
        if not trips:
            continue
        reading, pictures = _dream(stage, trips, num_steps)
        readings.append(reading)
        keep({"readings": [each.to_json() for each in readings]}, pictures)
    if not readings:
        keep({"readings": [], "why": "no action of this world undoes another, or the twin never came back"}, {})


def _dream(stage: Stage, trips: list[Trip], num_steps: int) -> tuple[RevisitReading, Pictures]:
    speech = stage.speech
    actions = [speech.translate(trip.actions, seed=trip.seed) for trip in trips]
    frames = stage.dream_frames([trip.clip for trip in trips], [trip.seed for trip in trips], actions)
    aways = [row[trip.turn - 1] for row, trip in zip(frames, trips, strict=True)]
    revisits = [
        revisit_consistency(away, row[-1], place=trip.clip[-1], away=trip.away, back=trip.back, hidden=trip.hidden)
        for away, row, trip in zip(aways, frames, trips, strict=True)
    ]
    pictures: Pictures = {}
    for index, trip in enumerate(trips[:_SHOWN]):
        pictures[f"real{index}"] = _strip(trip.clip[-1], trip.away, trip.back)
        pictures[f"dream{index}"] = _strip(trip.clip[-1], aways[index], frames[index, -1])
    pictures["score"] = np.array([each.score for each in revisits[:_SHOWN]])
    pictures["steps"] = np.array(num_steps)
    return RevisitReading.of(num_steps, revisits), pictures


def _strip(*frames: np.ndarray) -> np.ndarray:
    return np.stack(frames)
