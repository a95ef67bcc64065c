"""Tests of `policies.minigrid`."""
