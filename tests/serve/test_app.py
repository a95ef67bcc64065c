"""The API over real HTTP: PAN's contract, states that never change, and one clear error for whatever is wrong."""

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import httpx2
import imageio.v3 as imageio
import numpy as np
import pytest

from tests.serve.servers import LONG_STEPS, Served, pixels_of, png_of, problem_of, result_of, serving, wait_until
from tests.worlds import FRAME_SIZE
from wm_gym.serve.app import create_app
from wm_gym.serve.config import ServeConfig
from wm_gym.serve.service import Service
from wm_gym.world_model import WorldModel

TEXTS = ["go left", "wait", "go down", "", "any text at all"]


def frames_of(result: dict[str, Any]) -> np.ndarray:
    return np.stack([pixels_of(base64.b64decode(text)) for text in result["frames"]])


def test_the_flow_of_pans_client(checkpoint: Path, tmp_path: Path) -> None:
    """What inference_connector.py of WR-Arena sends, field by field, and what it reads.

    It opens `segment_path` as a file, so that only --segments on its own machine serves it unchanged, and it knows of
    no token but in the URL that its user gives.
    """
    token = "correct-horse"
    with serving(checkpoint, segments=tmp_path, token=token) as served:
        pan = Served(served.address.replace("//", f"//pan:{token}@"), served.stop)
        with pan.http:
            play_as_pans_client(pan)
    assert list(tmp_path.iterdir()) == []


def play_as_pans_client(served: Served) -> None:
    assert {"total_states_on_live_workers", "tasks_in_lb_queue", "busy_endpoints_from_ping"} <= served.stats().keys()
    image = png_of(np.full((480, 832, 3), 90, np.uint8))
    form = {
        "first_prompt": "go left",
        "image_caption": "go left",
        "guidance_scale": 6,
        "denoising_steps": 2,
        "random_seed": 0,
    }
    task = served.first("", image, **form).json()["task_id"]
    wait_until(lambda: served.http.get(f"/task/status/{task}").json()["status"] == "completed")
    first = served.http.get(f"/task/status/{task}").json()["result"]
    payload = {
        "state_id": first["new_state_id"],
        "video_id": first["video_id"],
        "new_prompt": "go down",
        "guidance_scale": 4.0,
        "denoising_steps": 2,
        "random_seed": 1,
    }
    task = served.http.post("/generate/continue", json=payload).json()["task_id"]
    wait_until(lambda: served.http.get(f"/task/status/{task}").json()["status"] == "completed")
    second = served.http.get(f"/task/status/{task}").json()["result"]
    assert second["video_id"] == first["video_id"]
    assert second["new_state_id"] != first["new_state_id"]
    for result in (first, second):
        assert imageio.imread(result["segment_path"], index=None).shape == (1, *FRAME_SIZE, 3)
    assert (first["ignored"], second["ignored"]) == (["guidance_scale", "image_caption"], ["guidance_scale"])
    deleted = served.http.delete(f"/states/video/{first['video_id']}")
    assert (deleted.status_code, deleted.json()["states_deleted"]) == (200, 2)
    assert problem_of(served.http.delete(f"/states/video/{first['video_id']}")) == (404, "unknown")
    assert problem_of(served.proceed(second["new_state_id"])) == (410, "deleted")


def test_rounds_are_those_of_the_model_bit_for_bit(served: Served, model: WorldModel) -> None:
    state = model.reset(model.starts["slide"][2:3], seeds=[7])
    result = served.root(start_index=2, random_seed=7, query="wait=20&frames=true")
    np.testing.assert_array_equal(frames_of(result), state.frames[0].numpy())
    assert (result["rounds"], result["reward"], result["terminated"]) == (0, 0, False)
    for rounds, text in enumerate(TEXTS, start=1):
        state, output = model.step(state, [text])
        result = result_of(served.proceed(result["new_state_id"], text, "wait=20&frames=true"))
        np.testing.assert_array_equal(frames_of(result), output.frames[0].numpy())
        assert (result["rounds"], result["world"]) == (rounds, "slide")
        for name in ("reward", "uncertainty", "termination_probability"):
            assert result[name] == float(getattr(output, name)[0])


def test_a_state_stays_as_it_is(served: Served) -> None:
    root = served.root(random_seed=1)["new_state_id"]
    once = result_of(served.proceed(root, "go left", "wait=20&frames=true"))
    for text in TEXTS:
        served.proceed(root, text)
    again = result_of(served.proceed(root, "go left", "wait=20&frames=true"))
    assert once["new_state_id"] != again["new_state_id"]
    assert once["frames"] == again["frames"]


def test_another_seed_is_another_future(served: Served) -> None:
    root = served.root(random_seed=1)["new_state_id"]
    seeds: list[dict[str, Any]] = [{}, {"random_seed": 1}, {"random_seed": 2}]
    futures = [result_of(served.proceed(root, query="wait=20&frames=true", **seed))["frames"] for seed in seeds]
    assert futures[0] == futures[1] != futures[2]


def test_a_world_starts_at_the_picture_that_is_sent(served: Served) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (*FRAME_SIZE, 3)).astype(np.uint8)
    root = served.root(image=png_of(frame))
    data = served.http.get(f"/states/{root['new_state_id']}/frames/0.png")
    assert data.headers["content-type"] == "image/png"
    np.testing.assert_array_equal(pixels_of(data.content), frame)


def test_the_seed_draws_the_start_where_none_is_given(served: Served, model: WorldModel) -> None:
    starts = {frame.tobytes() for frame in model.starts["slide"][:, 0].numpy()}
    seen = {frames_of(served.root(random_seed=seed, query="wait=20&frames=true")).tobytes() for seed in range(6)}
    assert seen <= starts
    assert len(seen) > 1


def test_a_segment_holds_the_chunk(chunk_checkpoint: Path) -> None:
    with serving(chunk_checkpoint) as served:
        result = served.root(first_prompt="go left", query="wait=20&frames=true")
        assert len(result["frames"]) == 2
        film = imageio.imread(served.http.get(result["segment_path"]).content, index=None, extension=".gif")
        assert film.shape == (2, *FRAME_SIZE, 3)
        place = f"/states/{result['new_state_id']}/frames"
        np.testing.assert_array_equal(pixels_of(served.http.get(f"{place}/1.png").content), frames_of(result)[1])
        assert problem_of(served.http.get(f"{place}/2.png")) == (404, "unknown")


def test_states_beyond_the_limit_are_evicted_and_say_so(checkpoint: Path) -> None:
    with serving(checkpoint, max_states=3) as served:
        root = served.root()["new_state_id"]
        children = [result_of(served.proceed(root))["new_state_id"] for _ in range(4)]
        assert result_of(served.proceed(root))["rounds"] == 1  # used all the time
        response = served.proceed(children[0])
        assert problem_of(response) == (410, "evicted")
        assert "evicted: the last 3 used" in response.json()["detail"]
        for place in (f"/states/{children[0]}", f"/segments/{children[0]}.gif", f"/states/{children[0]}/frames/0.png"):
            assert problem_of(served.http.get(place)) == (410, "evicted")
        stats = served.stats()
        assert (stats["total_states_on_live_workers"], stats["evicted_states"]) == (3, 3)


def test_everything_can_be_deleted(checkpoint: Path) -> None:
    with serving(checkpoint, max_denoising_steps=LONG_STEPS, max_batch=1) as served:
        root = served.root()["new_state_id"]
        tasks = [served.proceed(root, query="", denoising_steps=LONG_STEPS).json()["task_id"] for _ in range(3)]
        report = served.http.delete("/states/all").json()
        assert report["videos_processed_for_deletion"] == 1
        assert report["total_state_deletions_or_not_found_on_worker"] == 1
        assert report["tasks_cleared_from_lb_queue"] >= 2
        for task in tasks:
            status = served.http.get(f"/task/status/{task}?wait=20").json()
            assert (status["status"], status["result"]) == ("failed", None)
            assert "deleted" in status["error_message"]
        wait_until(lambda: served.stats()["tasks_processing_by_lb"] == 0)
        assert served.stats()["total_states_on_live_workers"] == served.stats()["state_bytes"] == 0
        assert problem_of(served.proceed(root)) == (410, "deleted")


def test_a_full_queue_tells_to_come_back(checkpoint: Path) -> None:
    with serving(checkpoint, max_queue=1, max_batch=1, max_denoising_steps=LONG_STEPS) as served:
        root = served.root()["new_state_id"]
        answers = [served.proceed(root, query="", denoising_steps=LONG_STEPS) for _ in range(6)]
        refused = [answer for answer in answers if answer.status_code != 200]
        assert refused  # six come faster than the model does two of them
        for answer in refused:
            assert problem_of(answer) == (503, "busy")
            assert int(answer.headers["Retry-After"]) >= 1


def test_who_waits_too_long_is_told_to_come_back(checkpoint: Path) -> None:
    with serving(checkpoint, max_wait=0.05, max_batch=1, max_denoising_steps=4 * LONG_STEPS) as served:
        root = served.root()["new_state_id"]
        served.proceed(root, query="", denoising_steps=4 * LONG_STEPS)
        late = served.proceed(root, query="").json()["task_id"]
        response = served.proceed(root)
        assert problem_of(response) == (503, "busy")
        assert int(response.headers["Retry-After"]) >= 1
        status = served.http.get(f"/task/status/{late}?wait=20").json()
        assert status["status"] == "failed" and "may wait 0.05 s" in status["error_message"]


JSON = {"content-type": "application/json"}
BAD_BODIES: list[Any] = [
    *(b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 20_000, b"1" * 5000, b'{"state_id": "\\ud800", "new_prompt": ""}'),
    *({}, {"state_id": "x"}, {"state_id": 5, "new_prompt": "a"}, {"state_id": None, "new_prompt": "a"}),
    *({"state_id": "x" * 65, "new_prompt": "a"}, {"state_id": "x", "new_prompt": "a", "newprompt": "b"}),
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_a_malformed_body_is_one_clear_error(served: Served, body: Any) -> None:
    sent: dict[str, Any] = {"content": body, "headers": JSON} if isinstance(body, bytes) else {"json": body}
    status, reason = problem_of(served.http.post("/generate/continue", **sent))
    assert (status, reason) in ((400, "malformed"), (422, "malformed"), (404, "unknown"))
    assert status != 404 or body == {"state_id": "x"}
    assert result_of(served.first())["rounds"] == 0


BAD_FIELDS: list[tuple[dict[str, Any], str]] = [
    ({"new_prompt": "x" * 257}, "at most 256 characters"),
    ({"new_prompt": "tab\x00"}, "printable ASCII"),
    ({"new_prompt": "d\u00e9j\u00e0 vu"}, "printable ASCII"),
    ({"new_prompt": None}, "one of new_prompt and new_controls must be given, got neither"),
    ({"new_controls": [0.5]}, "one of new_prompt and new_controls must be given, got both"),
    ({"new_prompt": None, "new_controls": [0.5]}, "this world takes no numbers"),
    ({"denoising_steps": 0}, "denoising_steps"),
    ({"denoising_steps": 101}, "denoising_steps must be at most 100 on this server, got 101"),
    ({"denoising_steps": 1.5}, "denoising_steps"),
    ({"random_seed": -1}, "random_seed"),
    ({"random_seed": 2**63}, "random_seed"),
    ({"random_seed": 10**400}, "random_seed"),
    ({"random_seed": True}, "random_seed: must be a number, got True"),
    ({"denoising_steps": True}, "denoising_steps: must be a number, got True"),
    ({"guidance_scale": True}, "guidance_scale: must be a number, got True"),
    ({"new_controls": [True]}, "new_controls.0: must be a number, got True"),
    ({"guidance_scale": "much"}, "guidance_scale"),
    ({"guidance_scale": -1}, "guidance_scale"),
    ({"video_id": "another"}, "video_id must be that of the state"),
]


@pytest.mark.parametrize(("fields", "message"), BAD_FIELDS, ids=range(len(BAD_FIELDS)))
def test_a_bad_field_is_named(served: Served, fields: dict[str, Any], message: str) -> None:
    body = {"state_id": served.root()["new_state_id"], "new_prompt": "a", **fields}
    response = served.http.post("/generate/continue", json=body)
    assert problem_of(response) == (422, "malformed")
    assert message in response.json()["detail"]


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999"])
def test_numbers_that_are_none_are_refused(served: Served, value: str) -> None:
    body = f'{{"state_id": "x", "new_prompt": "a", "guidance_scale": {value}}}'
    response = served.http.post("/generate/continue", content=body.encode(), headers=JSON)
    assert problem_of(response) == (422, "malformed")


def test_an_unknown_id_is_not_found(served: Served) -> None:
    for response in (
        served.proceed("nothing"),
        served.http.get("/states/nothing"),
        served.http.get("/segments/nothing.gif"),
        served.http.get("/task/status/nothing"),
        served.http.delete("/states/video/nothing"),
        served.http.get("/no/such/route"),
    ):
        assert problem_of(response) == (404, "unknown")
    assert problem_of(served.http.put("/stats/summary")) == (405, "unknown")
    answer = served.speak(b"DELETE /states/video/.. HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["reason"] == "unknown"  # no client but a socket sends it so


def test_a_bug_is_told_as_any_error(model: WorldModel) -> None:
    service = Service(model, ServeConfig())
    service.store._states["broken"] = None  # type: ignore[assignment]
    app = httpx2.ASGITransport(create_app(service, lambda: None), raise_app_exceptions=False)

    async def ask() -> httpx2.Response:
        async with httpx2.AsyncClient(transport=app, base_url="http://localhost") as client:
            return await client.get("/states/broken")

    response = asyncio.run(ask())
    assert problem_of(response) == (500, "failed")
    assert "GET /states/broken must be answered, got " in response.json()["detail"]


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"image": b"no picture"}, "image must be a picture"),
        ({"image": b""}, "image must be a picture"),
        ({"world": "mars"}, "world must be one of slide, got 'mars'"),
        ({"start_index": 10_000}, "start_index must be from 0 to"),
        ({"start_index": 0, "image": png_of(np.zeros((4, 4, 3), np.uint8))}, "start_index must be left out"),
        ({"first_prompt": "x" * 257}, "first_prompt: action must have at most 256 characters"),
        ({"image_caption": "x" * 10_001}, "image_caption"),
        ({"random_seed": "x"}, "random_seed"),
        ({"fist_prompt": "go left"}, "fist_prompt"),
    ],
)
def test_a_bad_form_is_one_clear_error(served: Served, form: dict[str, Any], message: str) -> None:
    response = served.first(**form)
    assert problem_of(response) == (422, "malformed")
    assert message in response.json()["detail"]


def test_what_is_no_whole_form_starts_nothing(served: Served) -> None:
    finished = served.stats()["finished_tasks"]
    place = "/generate/first_round?wait=20"
    assert problem_of(served.http.post(place, json={"first_prompt": "go left"})) == (415, "malformed")
    part = b'--x\r\nContent-Disposition: form-data; name="first_prompt"\r\n\r\ngo left'
    kind = {"content-type": "multipart/form-data; boundary=x"}
    assert problem_of(served.http.post(place, content=part, headers=kind)) == (400, "malformed")
    assert served.stats()["finished_tasks"] == finished
    assert result_of(served.http.post(place, content=part + b"\r\n--x--\r\n", headers=kind))["rounds"] == 1
    assert result_of(served.http.post(place, data={"first_prompt": "go left"}))["rounds"] == 1
    assert result_of(served.http.post(place))["rounds"] == 0


def test_bodies_of_noise_never_hurt(served: Served) -> None:
    rng = np.random.default_rng(0)
    kinds = [
        "application/json",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "text/plain",
        "",
    ]
    for number in range(60):
        kind = kinds[number % len(kinds)]
        noise = rng.bytes(int(rng.integers(1, 400)))
        body = b"--x\r\nContent-Disposition: form-data; " + noise + b"\r\n--x--" if number % 3 == 0 else noise
        path = ("/generate/continue", "/generate/first_round")[number % 2]
        response = served.http.post(path, content=body, headers={"content-type": kind})
        assert 400 <= response.status_code < 500, response.text
    assert result_of(served.first())["rounds"] == 0


def test_the_schema_tells_every_route_and_its_errors(served: Served) -> None:
    schema = served.http.get("/openapi.json").json()
    assert set(schema["paths"]) == {
        "/generate/first_round",
        "/generate/continue",
        "/task/status/{task_id}",
        "/states/{state_id}",
        "/states/{state_id}/frames/{index}.png",
        "/segments/{state_id}.gif",
        "/states/all",
        "/states/video/{video_id}",
        "/stats/summary",
    }
    routes = [route for path in schema["paths"].values() for route in path.values()]
    assert all(route["summary"] and route["description"] and "4XX" in route["responses"] for route in routes)
    assert "HTTPValidationError" not in schema["components"]["schemas"]
    assert served.http.get("/docs").status_code == 200
