"""Tests of `wm_gym.transition`."""
