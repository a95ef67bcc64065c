"""Short programs to read and to run with `python3 -m examples.<name>`."""
