"""Forms: whole ones pass, and what the parser would take for an empty one is refused."""

import pytest

from wm_gym.serve.forms import check_form
from wm_gym.serve.problem import Problem

MULTIPART = "multipart/form-data; boundary=x"
PART = b'--x\r\nContent-Disposition: form-data; name="random_seed"\r\n\r\n5'


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (MULTIPART, PART + b"\r\n--x--\r\n"),
        (MULTIPART, PART + b"\r\n--x--"),
        ('Multipart/Form-Data; charset=utf-8; boundary="x"', PART + b"\r\n--x--"),
        (MULTIPART, b"--x--\r\n"),
        ("application/x-www-form-urlencoded", b"random_seed=5"),
        ("application/x-www-form-urlencoded; charset=utf-8", b"random_seed=5"),
        ("application/json", b""),
        (None, b""),
    ],
)
def test_a_whole_form_passes(kind: str | None, body: bytes) -> None:
    check_form(kind, body)


@pytest.mark.parametrize(
    "body", [PART, PART + b"--x--", PART + b"\r\n--x", PART + b"\r\n--y--\r\n", b"x", PART[:40] + b"\r\n--x--"]
)
def test_a_form_without_its_end_is_refused(body: bytes) -> None:
    with pytest.raises(Problem, match=f"must have whole parts and end with '--', .* got {len(body)} bytes") as caught:
        check_form(MULTIPART, body)
    assert caught.value.status == 400


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "multipart/mixed; boundary=x", "", None])
def test_what_is_no_form_is_refused(kind: str | None) -> None:
    with pytest.raises(Problem, match="the body must be a form, multipart/form-data or") as caught:
        check_form(kind, b'{"first_prompt": "go left"}')
    assert caught.value.status == 415
