"""The Doom worlds: the real twin, its vocabulary and what reads its frames."""
