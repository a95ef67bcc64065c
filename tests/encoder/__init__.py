"""Tests of `wm_gym.encoder`."""
