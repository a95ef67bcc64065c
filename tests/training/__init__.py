"""Tests of wm_gym.training."""
