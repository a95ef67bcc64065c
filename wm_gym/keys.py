"""Names of keys to pygame's key codes, without pygame."""

from collections.abc import Mapping

# SDL's codes of keys that are no character, as pygame.key.key_code gives them; a character's code is its ord.
_KEY_CODES = {
    "backspace": 8,
    "tab": 9,
    "return": 13,
    "escape": 27,
    "space": 32,
    "delete": 127,
    "insert": 1073741897,
    "home": 1073741898,
    "page up": 1073741899,
    "end": 1073741901,
    "page down": 1073741902,
    "right": 1073741903,
    "left": 1073741904,
    "down": 1073741905,
    "up": 1073741906,
    "enter": 1073741912,
    "left ctrl": 1073742048,
    "left shift": 1073742049,
    "left alt": 1073742050,
    "right ctrl": 1073742052,
    "right shift": 1073742053,
    "right alt": 1073742054,
}


def key_codes(key_map: Mapping[str, str]) -> dict[tuple[int, ...], str]:
    """Key codes to texts.

    Args:
        key_map: name of a key, as `pygame.key.name` gives it, to text.

    Returns:
        One-key combinations to texts, as `gymnasium.utils.play.play` wants them.

    Raises:
        ValueError: an unknown name.
    """
    return {(_key_code(name),): text for name, text in key_map.items()}


def _key_code(name: str) -> int:
    """The code of one key.

    Raises:
        ValueError: an unknown name.
    """
    if len(name) == 1:
        return ord(name)
    if name not in _KEY_CODES:
        raise ValueError(f"key must be a character or one of {', '.join(_KEY_CODES)}, got {name!r}")
    return _KEY_CODES[name]
