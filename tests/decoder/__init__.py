"""Tests of `wm_gym.decoder`."""
