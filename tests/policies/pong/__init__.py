"""Tests of `policies.pong`."""
