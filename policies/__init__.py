"""Scripted policies that record data: callables `(env, rng)` that return a map from observation to action text."""
