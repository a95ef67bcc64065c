"""Tests of `policies.carracing`."""
