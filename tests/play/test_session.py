"""The session: what each request shows, that undo is exact, and that what cannot be done changes nothing."""

import itertools
import weakref
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.play.conftest import MakeSession
from tests.play.worlds import Ledger, OtherWorld, SavedLedger
from wm_gym.env import WorldModelEnv
from wm_gym.play.moment import Moment
from wm_gym.play.pilot import Pilot
from wm_gym.play.request import ALL_STEPS, Request
from wm_gym.play.scene import Scene
from wm_gym.play.session import Session
from wm_gym.play.stage import Stage, TwinMaker

TEXTS = ["good", "bad", "", "any text at all"]


def act(session: Session, *texts: str) -> list[Scene]:
    return [session.apply(Request("act", text)) for text in texts]


def pixels(scene: Scene) -> list[bytes]:
    return [panel.chunk[-1:].tobytes() for panel in scene.panels]


def test_a_step_shows_its_frames_and_numbers(make_session: MakeSession) -> None:
    session = make_session(SavedLedger(chunk_frames=3))
    act(session, "good", "good")
    scene = act(session, "bad")[0]
    panel = scene.panels[0]
    assert (scene.action, scene.step, panel.reward, panel.total, panel.ended) == ("bad", 3, -1.0, 1.0, "")
    assert scene.num_frames == 3
    assert scene.uncertainty == 0.25


def test_undo_and_redo_show_what_was_there(make_session: MakeSession) -> None:
    session = make_session()
    seen = [pixels(session.scene()), *map(pixels, act(session, *TEXTS))]
    assert pixels(session.apply(Request("undo", count=3))) == seen[1]
    assert session.scene().num_undone == 3
    assert pixels(session.apply(Request("redo", count=2))) == seen[3]
    assert session.apply(Request("undo", count=ALL_STEPS)).message == "this is the start"
    assert pixels(session.scene()) == seen[0]
    assert pixels(session.apply(Request("redo", count=ALL_STEPS))) == seen[4]


def test_latencies_belong_to_the_step_that_was_just_made(checkpoint: Path) -> None:
    session = Session(Stage(WorldModelEnv(checkpoint=str(checkpoint))))
    assert act(session, "wait", "wait")[1].latencies.keys() == {"transition", "decoder", "autoencoder", "heads"}
    assert session.apply(Request("undo")).latencies == {}


def test_a_new_step_forgets_what_was_undone(make_session: MakeSession) -> None:
    session = make_session()
    act(session, *TEXTS)
    session.apply(Request("undo", count=2))
    act(session, "good")
    assert session.apply(Request("redo")).message == "there is nothing left to redo"
    assert session.scene().step == 3


@pytest.mark.parametrize("env", [SavedLedger, Ledger], ids=["saves states", "saves none"])
def test_undo_is_exact_however_far(make_session: MakeSession, env: type[Ledger]) -> None:
    session = make_session(env())
    texts = list(itertools.islice(itertools.cycle(TEXTS), 300))
    act(session, *texts[:100])
    first = list(map(pixels, act(session, *texts[100:])))
    session.apply(Request("undo", count=200))
    assert list(map(pixels, act(session, *texts[100:]))) == first


def test_undo_of_a_learned_world_is_exact_within_two_states_of_memory(checkpoint: Path) -> None:
    session = Session(Stage(WorldModelEnv(checkpoint=str(checkpoint)), undo_bytes=1))
    texts = list(itertools.islice(itertools.cycle(["go left", "wait", "go down", ""]), 24))
    seen = list(map(pixels, act(session, *texts)))
    session.apply(Request("undo", count=19))
    assert list(map(pixels, act(session, *texts[5:]))) == seen[5:]
    assert len(session.stage.tracks[0].kept) == 2


def test_undo_of_200_steps_in_the_shipped_world_is_exact() -> None:
    session = Session(Stage(WorldModelEnv(world="minigrid")))
    texts = list(itertools.islice(itertools.cycle(["turn left", "move forward", "wait", "turn right", "pick up"]), 200))
    seen = list(map(pixels, act(session, *texts)))
    assert len(seen) == 200 and not session.scene().over
    session.apply(Request("undo", count=200))
    assert session.scene().step == 0
    assert list(map(pixels, act(session, *texts))) == seen


def test_undo_replays_little_where_states_are_kept(make_session: MakeSession) -> None:
    env = SavedLedger()
    session = make_session(env)
    act(session, *["good"] * 300)
    before = env.num_steps
    session.apply(Request("undo", count=100))
    act(session, "bad")
    assert env.num_steps - before <= 10


def test_branches_go_on_from_their_bookmark(make_session: MakeSession) -> None:
    session = make_session()
    act(session, "good")
    session.apply(Request("bookmark", 2))
    first = list(map(pixels, act(session, *TEXTS)))
    assert session.apply(Request("branch", 2)).step == 1
    act(session, "bad")
    assert session.apply(Request("branch", 2)).bookmarks == (2,)
    assert list(map(pixels, act(session, *TEXTS))) == first


def test_a_bookmark_outlives_its_episode(make_session: MakeSession) -> None:
    session = make_session()
    act(session, *TEXTS)
    there = pixels(session.apply(Request("bookmark", 9)))
    after = pixels(act(session, "good")[0])
    assert session.apply(Request("reset")).seed == 1
    act(session, "bad")
    assert pixels(session.apply(Request("branch", 9))) == there
    assert session.scene().seed == 0
    assert pixels(act(session, "good")[0]) == after


def test_a_reset_takes_the_seed_asked_for(make_session: MakeSession) -> None:
    session = make_session()
    fourth = pixels(session.apply(Request("reset", 4)))
    assert session.scene().step == 0
    assert pixels(session.apply(Request("reset"))) != fourth
    assert pixels(session.apply(Request("reset", 4))) == fourth


def test_the_twin_begins_where_the_dream_does_and_hears_the_same(make_session: MakeSession) -> None:
    session = make_session()
    scene = session.apply(Request("view", "both"))
    assert [panel.name for panel in scene.panels] == ["dream", "real"]
    twin = Ledger()
    np.testing.assert_array_equal(scene.panels[1].chunk, twin.reset(seed=0)[0])
    dream = SavedLedger()
    dream.reset(seed=0, options={"frames": scene.panels[1].chunk})
    scenes = act(session, *TEXTS)
    for text, scene in zip(TEXTS, scenes, strict=True):
        np.testing.assert_array_equal(scene.panels[0].chunk, dream.step(text)[0])
        np.testing.assert_array_equal(scene.panels[1].chunk, twin.step(text)[0])


def test_both_are_undone_exactly(make_session: MakeSession) -> None:
    session = make_session()
    session.apply(Request("view", "both"))
    act(session, "good")
    first = list(map(pixels, act(session, *TEXTS)))
    session.apply(Request("undo", count=4))
    assert list(map(pixels, act(session, *TEXTS))) == first


def test_views_take_turns_and_the_twin_plays_on_unseen(make_session: MakeSession) -> None:
    session = make_session()
    names = [[panel.name for panel in session.apply(Request("view")).panels] for _ in range(3)]
    assert names == [["dream", "real"], ["real"], ["dream"]]
    act(session, "good")
    assert session.apply(Request("view", "real")).panels[0].total == 1.0


def test_one_that_ended_waits_for_the_other() -> None:
    class Mortal(SavedLedger):
        """A dream that dies of "bad"."""

        def step(self, action: str) -> tuple[np.ndarray, float, bool, bool, dict[str, float]]:
            chunk, reward, _, _, info = super().step(action)
            return chunk, reward, action == "bad", False, info

    session = Session(Stage(Mortal(), twin=TwinMaker(make=Ledger)))
    session.apply(Request("view", "both"))
    dead, after = act(session, "bad", "good")
    assert [panel.ended for panel in after.panels] == ["terminated", ""]
    assert pixels(after)[0] == pixels(dead)[0]
    assert [panel.total for panel in after.panels] == [-1.0, 0.0]
    assert act(session, "end")[0].over
    session.apply(Request("undo", count=3))
    assert pixels(act(session, "bad")[0]) == pixels(dead)


def test_a_twin_of_another_world_is_refused() -> None:
    session = Session(Stage(SavedLedger(), twin=TwinMaker(make=OtherWorld)))
    with pytest.raises(ValueError, match="twin must be of the world 'ledger', got one of 'diary'"):
        session.apply(Request("view"))


def test_play_starts_from_a_picture(make_session: MakeSession, tmp_path: Path) -> None:
    session = make_session()
    session.apply(Request("view", "both"))
    Image.new("RGB", (40, 30), (10, 200, 30)).save(tmp_path / "green.png")
    scene = session.apply(Request("start", tmp_path / "green.png"))
    expected = SavedLedger().reset(seed=0, options={"frames": np.full((8, 8, 3), (10, 200, 30), np.uint8)})[0]
    assert [panel.name for panel in scene.panels] == ["dream"]
    np.testing.assert_array_equal(scene.panels[0].chunk, expected)


def test_numbers_reach_the_world(make_session: MakeSession) -> None:
    session, env = make_session(SavedLedger(numbers=2)), SavedLedger(numbers=2)
    env.reset(seed=0)
    scene = session.apply(Request("act", (0.5, -1.0)))
    np.testing.assert_array_equal(scene.panels[0].chunk, env.step(np.array([0.5, -1.0], np.float32))[0])


def test_a_policy_drives_and_starts_afresh_after_an_undo() -> None:
    made: list[int] = []

    def factory(env: object, rng: object) -> object:
        made.append(1)
        texts = itertools.count()
        return lambda chunk: f"{next(texts)}"

    session = Session(Stage(SavedLedger()), pilot=Pilot(name="counter", factory=factory, needs_twin=False))  # type: ignore[arg-type]
    scenes = [session.apply(Request("drive")) for _ in range(3)]
    assert [scene.action for scene in scenes] == ["0", "1", "2"]
    assert scenes[-1].driver == "counter"
    session.apply(Request("undo"))
    assert session.apply(Request("drive")).action == "0"
    assert len(made) == 2


def test_lines_of_play_are_handed_over_once() -> None:
    left: list[Moment] = []
    session = Session(Stage(SavedLedger()), on_leave=left.append)
    act(session, "good", "bad")
    session.apply(Request("bookmark", 1))
    act(session, "good")
    session.apply(Request("branch", 1))
    session.apply(Request("branch", 1))
    act(session, "bad")
    session.apply(Request("reset"))
    session.apply(Request("reset"))
    session.close()
    session.close()
    actions = [[moment.action for moment in last.path()[1:]] for last in left]
    assert actions == [["good", "bad", "good"], ["good", "bad", "bad"]]


REFUSED = {
    "text": (Request("act", "naïve"), "action must be ASCII"),
    "bookmark": (Request("bookmark", 10), "bookmark must be a number from 1 to 9, got 10"),
    "empty bookmark": (Request("branch", 3), "bookmark 3 is empty"),
    "seed": (Request("reset", -1), "seed must be an integer from 0 up, got -1"),
    "picture": (Request("start", "/nowhere.png"), "image must be a picture that can be read, got /nowhere.png"),
    "view": (Request("view", "sideways"), "view must be one of dream, both, real, got 'sideways'"),
    "policy": (Request("drive"), "a policy must be named before it can drive"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_done_changes_nothing(make_session: MakeSession, case: str) -> None:
    request, message = REFUSED[case]
    session, plain = make_session(), make_session()
    for each in (session, plain):
        act(each, "good", "bad")
    with pytest.raises(ValueError, match=message):
        session.apply(request)
    scene = session.attempt(request)
    assert scene.failed
    assert message in scene.message
    assert pixels(scene) == pixels(plain.scene())
    assert pixels(act(session, "good")[0]) == pixels(act(plain, "good")[0])


def test_nothing_follows_the_end_but_undo(make_session: MakeSession) -> None:
    session = make_session()
    scene = act(session, "end")[0]
    assert (scene.over, scene.panels[0].ended) == (True, "terminated")
    with pytest.raises(ValueError, match="the episode is over: undo a step"):
        act(session, "good")
    session.apply(Request("undo"))
    assert act(session, "good")[0].step == 1


def test_a_policy_that_does_not_fit_is_told(make_session: MakeSession) -> None:
    pilot = Pilot(name="expert", factory=lambda env, rng: env.unwrapped.simulator, needs_twin=True)  # type: ignore[attr-defined]
    session = make_session(pilot=pilot)
    scene = session.attempt(Request("drive"))
    assert scene.failed
    assert "policy expert must play the dream, got AttributeError" in scene.message


def test_history_is_freed_with_its_episode(make_session: MakeSession) -> None:
    session = make_session()
    act(session, *TEXTS * 20)
    start = weakref.ref(session.now.start)
    session.apply(Request("reset"))
    assert start() is None


@pytest.mark.parametrize("answer", [3, None, ["a", "b"], np.zeros((1, 2))], ids=repr)
def test_a_policy_that_answers_with_no_action_is_told(answer: object) -> None:
    pilot = Pilot(name="odd", factory=lambda env, rng: lambda chunk: answer, needs_twin=False)
    scene = Session(Stage(SavedLedger()), pilot=pilot).attempt(Request("drive"))
    assert (scene.failed, scene.step) == (True, 0)
    assert scene.message.startswith("policy must answer with a text or a row of numbers, got")


def test_a_name_that_is_no_text_can_be_shown(make_session: MakeSession) -> None:
    message = make_session().attempt(Request("start", "/nowhere/\udcff.png")).message
    assert "/nowhere/?.png" in message
    message.encode()


def test_the_twin_is_closed_with_the_session_or_when_it_is_refused() -> None:
    closed: list[str] = []

    class Fragile(Ledger):
        """A twin that must be closed."""

        def close(self) -> None:
            closed.append("twin")

    class Dream(SavedLedger):
        """A dream that others use too."""

        def close(self) -> None:
            closed.append("dream")

    def refuse(track: object) -> None:
        raise ValueError("no room")

    refusing = Session(Stage(Dream(), twin=TwinMaker(make=Fragile), on_twin=refuse))
    assert refusing.attempt(Request("view")).message == "no room"
    assert (closed, len(refusing.stage.tracks)) == (["twin"], 1)
    session = Session(Stage(Dream(), twin=TwinMaker(make=Fragile)))
    session.apply(Request("view"))
    session.close()
    assert closed == ["twin", "twin"]
    assert len(session.scene().panels) == 2


def test_the_twin_is_closed_even_where_the_play_cannot_be_saved() -> None:
    closed: list[str] = []

    class Fragile(Ledger):
        """A twin that must be closed."""

        def close(self) -> None:
            closed.append("twin")

    def fail(moment: Moment) -> None:
        raise OSError("the disk is full")

    session = Session(Stage(SavedLedger(), twin=TwinMaker(make=Fragile)), on_leave=fail)
    session.apply(Request("view"))
    act(session, "good")
    with pytest.raises(OSError, match="the disk is full"):
        session.close()
    assert closed == ["twin"]
