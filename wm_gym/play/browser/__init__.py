"""Play on a web page: the same session as in the window, over a WebSocket, for machines without a screen.

`server` lets pages in and keeps their `player`s; `gate` says who may come; `messages` is what both sides say. One
thread does all the thinking: players share a model.
"""

import gymnasium as gym

try:
    import websockets as websockets
except ImportError as error:
    raise gym.error.DependencyNotInstalled('a page needs websockets; run: pip install "wm-gym[browser]"') from error
