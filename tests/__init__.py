"""The tests mirror the tree; `python3 -m tests` sets up an environment and runs every check."""
