"""CarRacing: the real twin, its vocabulary and what reads its frames."""
