"""CoinRun itself: the C++ library in the package procgen2, through its C interface (libenv.h of gym3).

It is called with ctypes, so none of the package's own requirements (gym, gym3, numpy below 2) is needed. The picture is
procgen's drawing for people, 512x512 and antialiased, at an eighth: its drawing for agents shows the same view with the
nearest pixel, in which bricks and coin flicker with every fraction of a pixel.
"""

import ctypes
import functools
import importlib.util
import platform
import weakref
from collections.abc import Mapping
from ctypes import POINTER, c_char, c_char_p, c_int, c_int32, c_uint8, c_void_p
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from PIL import Image

LEVELS = 2**31 - 1
"""Levels have the seeds below this."""

_DRAWING_SIZE, _REDUCTION = 512, 8
_MAX_STATE_BYTES = 2**20
_LIBRARY_NAMES = {"Linux": "libenv.so", "Darwin": "libenv.dylib", "Windows": "env.dll"}
_OPTIONS: dict[str, str | bool | int] = {
    "env_name": "coinrun",
    "num_levels": 1,
    "rand_seed": 0,  # draws among the levels, of which there is one
    "num_actions": 15,
    "num_threads": 0,
    "render_human": True,
    "distribution_mode": 0,  # easy: one ground, one background, one player
    "restrict_themes": True,  # and one kind of crates and slimes
    "use_backgrounds": True,  # in mid-air nothing else shows that it moves
    "center_agent": True,
}


class _Option(ctypes.Structure):
    _fields_ = [("name", c_char * 128), ("dtype", c_int), ("count", c_int), ("data", c_void_p)]


class _Options(ctypes.Structure):
    _fields_ = [("items", POINTER(_Option)), ("count", c_int)]


class _Buffers(ctypes.Structure):
    _fields_ = [
        ("observations", POINTER(c_void_p)),
        ("rewards", c_void_p),
        ("firsts", c_void_p),
        ("infos", POINTER(c_void_p)),
        ("actions", POINTER(c_void_p)),
    ]


class Game:
    """One level. Where it ends procgen begins it again within the same tick, so its last picture is never drawn."""

    def __init__(self, level: int) -> None:
        """`level` is a seed from 0 to `LEVELS` - 1."""
        library = _library()
        folder = str(package_folder() / "data" / "assets") + "/"
        handle = _make(library, {**_OPTIONS, "start_level": level, "resource_root": folder})
        self._handle = handle
        self._close = weakref.finalize(self, library.libenv_close, handle)
        self._drawing = np.zeros((_DRAWING_SIZE, _DRAWING_SIZE, 3), np.uint8)
        self._reward, self._first, self._action = np.zeros(1, np.float32), np.zeros(1, np.uint8), np.zeros(1, np.int32)
        small_drawing = np.zeros((64, 64, 3), np.uint8)
        infos = (np.zeros(1, np.int32), np.zeros(1, np.uint8), np.zeros(1, np.int32), self._drawing)
        self._kept = (small_drawing, *infos)  # the library writes into all of these
        buffers = _Buffers(
            _pointers(small_drawing),
            self._reward.ctypes.data,
            self._first.ctypes.data,
            _pointers(*infos),
            _pointers(self._action),
        )
        library.libenv_set_buffers(handle, ctypes.byref(buffers))

    @classmethod
    def load(cls, saved: bytes) -> "Game":
        """A game in a state of `save`."""
        game = cls(0)
        game.restore(saved)
        return game

    def act(self, action: int) -> tuple[float, bool]:
        """Plays one tick with one of procgen's 15 actions; returns the reward and whether the level ended."""
        self._action[0] = action
        _library().libenv_act(self._handle)
        return float(self._reward[0]), bool(self._first[0])

    def draw(self) -> npt.NDArray[np.uint8]:
        """The picture, uint8 (64, 64, 3)."""
        _library().libenv_observe(self._handle)
        return np.asarray(Image.fromarray(self._drawing).reduce(_REDUCTION)).copy()

    def save(self) -> bytes:
        """Everything there is to know: see `envs.coinrun.state`."""
        buffer = _state_buffer()
        return ctypes.string_at(buffer, _library().get_state(self._handle, 0, buffer, _MAX_STATE_BYTES))

    def restore(self, saved: bytes) -> None:
        """Goes back to a state of `save`, of this game or another."""
        _library().set_state(self._handle, 0, saved, len(saved))

    def close(self) -> None:
        """Frees the game; it cannot be used any more."""
        self._close()

    def __reduce__(self) -> tuple[Any, ...]:
        return Game.load, (self.save(),)


def _make(library: ctypes.CDLL, options: Mapping[str, str | bool | int]) -> int:
    """A handle of a new game. Its options are (name, type, number of values, address) each."""
    items = (_Option * len(options))()
    values: list[Any] = []
    for item, (name, value) in zip(items, options.items(), strict=True):
        item.name, item.count = name.encode(), 1
        if isinstance(value, str):
            item.dtype, item.count = 1, len(value.encode())
            values.append(ctypes.create_string_buffer(value.encode()))
        elif isinstance(value, bool):
            item.dtype = 1
            values.append(c_uint8(value))
        else:
            item.dtype = 2
            values.append(c_int32(value))
        item.data = ctypes.addressof(values[-1])
    return int(library.libenv_make(1, _Options(items, len(options))))


def _pointers(*arrays: npt.NDArray[Any]) -> ctypes.Array[c_void_p]:
    return (c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))


@functools.cache
def _state_buffer() -> ctypes.Array[c_char]:
    return ctypes.create_string_buffer(_MAX_STATE_BYTES)


@functools.cache
def _library() -> ctypes.CDLL:
    """The shared library; its first game in a process loads the images of all of procgen, for about two seconds."""
    library = ctypes.CDLL(str(package_folder() / "data" / "prebuilt" / _LIBRARY_NAMES[platform.system()]))
    library.libenv_make.argtypes, library.libenv_make.restype = [c_int, _Options], c_void_p
    library.libenv_set_buffers.argtypes = [c_void_p, POINTER(_Buffers)]
    library.get_state.argtypes = library.set_state.argtypes = [c_void_p, c_int, c_char_p, c_int]
    for function in (library.libenv_act, library.libenv_observe, library.libenv_close):
        function.argtypes = [c_void_p]
    for function in (library.libenv_set_buffers, library.set_state):
        function.restype = None
    return library


def package_folder() -> Path:
    """The folder of the package, which is found but not imported: its own imports are missing on purpose."""
    spec = importlib.util.find_spec("procgen")
    if spec is None or not spec.submodule_search_locations:
        raise gym.error.DependencyNotInstalled(
            "the real CoinRun twin must find the package procgen, got none; run `pip install --no-deps procgen2` "
            "(with its requirements it asks for numpy below 2, and none of them is used here)"
        )
    return Path(spec.submodule_search_locations[0])
