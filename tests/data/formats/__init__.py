"""Tests of `wm_gym.data.formats`."""
