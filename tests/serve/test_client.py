"""The project's own client: a tree search over HTTP, and errors that programs can tell apart."""

import socket
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.serve.servers import LONG_STEPS, Served, serving
from tests.worlds import FRAME_SIZE
from wm_gym.serve.client import Node, WorldClient
from wm_gym.serve.connection import Connection, ServeError
from wm_gym.world_model import WorldModel

TEXTS = ["go left", "go right", "go down", "wait"]


def test_a_tree_is_searched_as_in_the_model_itself(served: Served, model: WorldModel) -> None:
    state = model.reset(model.starts["slide"][:1], seeds=[3])
    with served.client() as client:
        node = client.first_round(start_index=0, seed=3)
        for _ in range(3):
            children = client.expand(node, TEXTS)
            assert [child.rounds for child in children] == [node.rounds + 1] * 4
            steps = [model.step(state, [text]) for text in TEXTS]
            rewards = [float(output.reward[0]) for _, output in steps]
            assert [child.reward for child in children] == pytest.approx(rewards, abs=1e-4)
            best = int(np.argmax(rewards))
            node, state = children[best], steps[best][0]
            near = np.abs(client.frames(node).astype(int) - steps[best][1].frames[0].numpy())
            assert near.max() <= 1  # another batch size may round another way


def test_children_share_calls_of_the_model(served: Served) -> None:
    with served.client() as client:
        root = client.first_round()
        before = client.stats()["model_calls"]
        client.expand(root, TEXTS * 8)
        assert client.stats()["model_calls"] - before < 32


def test_seeds_make_variants_of_one_prompt(served: Served) -> None:
    with served.client() as client:
        root = client.first_round()
        nodes = client.expand(root, ["go left"] * 3, seeds=[1, 1, 2])
        frames = [client.frames(node) for node in nodes]
        assert (frames[0] != frames[2]).any()
        with pytest.raises(ValueError, match="seeds must be one a prompt, 1, got 2"):
            client.expand(root, ["go left"], seeds=[1, 2])


def test_a_picture_and_a_prompt_begin_a_video(served: Served, model: WorldModel) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (*FRAME_SIZE, 3)).astype(np.uint8)
    _, output = model.step(model.reset(frame[None, None], seeds=[5]), ["go down"], num_denoising_steps=3)
    with served.client() as client:
        node = client.first_round("go down", image=frame, seed=5, denoising_steps=3)
        np.testing.assert_array_equal(client.frames(node), output.frames[0].numpy())
        assert client.node(node.state_id) == node


def test_errors_can_be_told_apart(checkpoint: Path) -> None:
    with serving(checkpoint, max_states=2) as served, served.client() as client:
        root = client.first_round()
        client.expand(root, ["go left"] * 3)
        reasons = {}
        calls: dict[str, Callable[[], object]] = {
            "evicted": lambda: client.proceed(root, "go left"),
            "malformed": lambda: client.first_round("x" * 300),
            "unknown": lambda: client.frames("nothing/../at all"),
        }
        for name, call in calls.items():
            with pytest.raises(ServeError) as caught:
                call()
            reasons[name] = caught.value.reason
        assert reasons == {name: name for name in reasons}
        client.delete_all()
        assert client.stats()["total_states_on_live_workers"] == 0


def test_a_client_waits_while_the_server_is_busy(checkpoint: Path) -> None:
    with serving(checkpoint, max_queue=1, max_batch=1, max_denoising_steps=LONG_STEPS) as served:
        with served.client() as client:
            root = client.first_round()
            nodes = client.expand(root, ["go left"] * 4)
            assert len({node.state_id for node in nodes}) == 4
            before = client.num_busy
            for _ in range(3):  # one runs, one waits
                served.proceed(root.state_id, query="", denoising_steps=LONG_STEPS)
            assert client.proceed(root, "go left").rounds == 1
            assert client.num_busy > before


def test_a_closed_connection_is_opened_again(served: Served) -> None:
    client = served.client()
    root = client.first_round()
    assert client._connection._connection.sock is not None
    client._connection._connection.sock.shutdown(2)  # as a server does that has waited for long enough
    assert client.proceed(root, "go left").rounds == 1
    client.close()
    assert client.proceed(root, "go left").rounds == 1
    client.close()


def test_clients_in_threads_do_not_mix(served: Served) -> None:
    found: dict[int, list[Node]] = {}

    def search(seed: int) -> None:
        with served.client() as client:
            node, found[seed] = client.first_round(seed=seed), []
            for text in TEXTS:
                node = client.proceed(node, text)
                found[seed].append(node)

    threads = [threading.Thread(target=search, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all([node.rounds for node in nodes] == [1, 2, 3, 4] for nodes in found.values())
    assert len({node.video_id for nodes in found.values() for node in nodes}) == len(found) == 8


def test_an_upload_that_is_too_large_is_told_so(checkpoint: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1200, 3)).astype(np.uint8)
    with serving(checkpoint, max_upload_megabytes=1) as served, served.client() as client:
        for _ in range(2):
            with pytest.raises(ServeError, match="the body must have at most 1048576 bytes, got") as caught:
                client.first_round(image=noise)
            assert (caught.value.status, caught.value.reason) == (413, "too_large")
        assert client.first_round().rounds == 0


def test_the_answer_of_a_server_that_takes_no_more_is_read() -> None:
    """As a server or a proxy gives it that closes at once: sending breaks before everything is sent."""
    body = b'{"detail": "smaller", "reason": "too_large"}'
    head = b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)

    def refuse(listener: socket.socket) -> None:
        with listener.accept()[0] as connection:
            connection.recv(100)
            connection.sendall(head + body)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=refuse, args=(listener,))
        thread.start()
        connection = Connection(f"http://127.0.0.1:{listener.getsockname()[1]}", None, 20.0)
        with pytest.raises(ServeError, match="smaller"):
            connection.ask("POST", "/generate/first_round", bytes(2**26))
        connection.close()
        thread.join()


def test_the_token_goes_along(checkpoint: Path) -> None:
    with serving(checkpoint, token="correct-horse") as served:
        with served.client(token="correct-horse") as client:
            assert client.first_round().rounds == 0
        with served.client(token="wrong-horse") as client, pytest.raises(ServeError, match="must be 'Bearer TOKEN'"):
            client.stats()


@pytest.mark.parametrize("address", ["127.0.0.1:8000", "ftp://127.0.0.1", "http://", ""])
def test_an_address_must_be_one(address: str) -> None:
    with pytest.raises(ValueError, match="address must be like http://127.0.0.1:8000, got"):
        WorldClient(address)


def test_nobody_there_is_an_os_error() -> None:
    with pytest.raises(OSError):
        WorldClient("http://127.0.0.1:9").stats()
