"""Data: episodes on disk, recording them from any Gymnasium env, and cutting segments from them. NumPy only."""
