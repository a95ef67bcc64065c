"""Play without a person: "turn left,move forward * 3,undo 2,bookmark 1,..."."""

from collections.abc import Iterator, Sequence

from wm_gym.play.request import ALL_STEPS, Request
from wm_gym.play.scene import Scene
from wm_gym.play.session import VIEWS, Session

MOST_TIMES = 1_000_000  # that one word repeats


def parse_script(script: str) -> list[Request]:
    """Read a script: words separated by commas, each a text for the world or one of these.

    `undo`, `undo 20`, `undo all` (and `redo`), `bookmark 1`, `branch 1`, `reset`, `reset 7`, `start picture.png`,
    `drive 10` (the policy acts), `view both`; `say undo` says it to the world; `text * 3` three times. Nothing between
    two commas does nothing for a step.

    Raises:
        ValueError: a command's number is none, or a word repeats too often.
    """
    words = script.split(",")
    if not words[-1].strip():
        del words[-1]  # what comes after the last comma, or an empty script
    return [request for word in words for request in _parse_word(word.strip())]


def run_script(session: Session, requests: Sequence[Request]) -> Iterator[Scene]:
    """Do one request after the other and yield what each shows.

    Raises:
        ValueError: a request cannot be done.
    """
    for request in requests:
        yield session.apply(request)


def _parse_word(word: str) -> list[Request]:
    command, _, rest = word.partition(" ")
    rest = rest.strip()
    if command == "undo" or command == "redo":
        count = ALL_STEPS if rest == "all" else _number(word, rest or "1")
        return [Request("undo" if command == "undo" else "redo", count=count)]
    if command == "bookmark" or command == "branch":
        return [Request("bookmark" if command == "bookmark" else "branch", _number(word, rest))]
    if command == "reset":
        return [Request("reset", _number(word, rest) if rest else None)]
    if command == "start" and rest:
        return [Request("start", rest)]
    if command == "drive":
        return _repeated(Request("drive"), word, _number(word, rest or "1"))
    if command == "view" and rest in ("", *VIEWS):
        return [Request("view", rest or None)]
    text = rest if command == "say" and rest else word
    stem, star, times = text.rpartition("*")
    if star and times.strip().isdecimal():
        return _repeated(Request("act", stem.strip()), word, int(times))
    return [Request("act", text)]


def _repeated(request: Request, word: str, times: int) -> list[Request]:
    """A request several times.

    Raises:
        ValueError: more often than anybody would wait for.
    """
    if times > MOST_TIMES:
        raise ValueError(f"script must repeat a word at most {MOST_TIMES} times, got {word!r}")
    return [request] * times


def _number(word: str, text: str) -> int:
    """The number of a command.

    Raises:
        ValueError: it has none.
    """
    if not text.isdecimal():
        raise ValueError(
            f"script must have a number after {word.split()[0]!r}, got {word!r}; 'say ...' makes it a text"
        )
    return int(text)
