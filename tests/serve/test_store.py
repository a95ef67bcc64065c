"""The store: bounded in states and bytes, the last used stay, and those that are gone are remembered."""

import pytest

from wm_gym.serve import store as store_module
from wm_gym.serve.problem import Problem
from wm_gym.serve.store import StateStore, StoredState
from wm_gym.world_model import WorldModel
from wm_gym.world_state import WorldState


@pytest.fixture(scope="module")
def state(model: WorldModel) -> WorldState:
    return model.reset(model.starts["slide"][:1], seeds=[0])


def stored(state: WorldState, name: str, video: str = "video") -> StoredState:
    return StoredState(
        state_id=name,
        video_id=video,
        world="slide",
        state=state,
        rounds=0,
        reward=0.0,
        terminated=False,
        termination_probability=0.0,
        uncertainty=0.0,
    )


def reason_of(store: StateStore, name: str) -> tuple[int, str]:
    with pytest.raises(Problem) as caught:
        store.get(name)
    return caught.value.status, caught.value.reason


def test_the_least_recently_used_state_goes_first(state: WorldState) -> None:
    left: list[str] = []
    store = StateStore(3, 2**30, lambda gone: left.append(gone.state_id))
    for name in "abc":
        store.add(stored(state, name))
    store.get("a")
    store.add(stored(state, "d"))
    assert left == ["b"]
    assert [store.get(name).state_id for name in "acd"] == ["a", "c", "d"]
    assert reason_of(store, "b") == (410, "evicted")
    assert (len(store), store.num_evicted) == (3, 1)


def test_bytes_are_bounded_too(state: WorldState) -> None:
    store = StateStore(1000, 5 * state.nbytes + 1, lambda gone: None)
    for number in range(20):
        store.add(stored(state, str(number)))
        assert store.num_bytes == len(store) * state.nbytes <= store.max_bytes
    assert (len(store), store.num_evicted) == (5, 15)


def test_a_video_goes_with_its_states(state: WorldState) -> None:
    store = StateStore(10, 2**30, lambda gone: None)
    for name in "abc":
        store.add(stored(state, name, "cinema" if name == "b" else "home"))
    assert (store.num_videos, store.delete_video("home"), store.delete_video("home")) == (2, 2, 0)
    assert reason_of(store, "a") == (410, "deleted")
    assert store.get("b").video_id == "cinema"
    assert (store.delete_all(), store.num_bytes, len(store), store.num_videos) == (1, 0, 0, 0)


def test_what_was_never_here_is_unknown(state: WorldState) -> None:
    assert reason_of(StateStore(1, 2**30, lambda gone: None), "\ud800") == (404, "unknown")


def test_the_memory_of_the_gone_is_bounded(state: WorldState, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "REMEMBERED", 2)
    store = StateStore(1, 2**30, lambda gone: None)
    for name in "abcd":
        store.add(stored(state, name))
    assert [reason_of(store, name) for name in "abc"] == [(404, "unknown"), (410, "evicted"), (410, "evicted")]
