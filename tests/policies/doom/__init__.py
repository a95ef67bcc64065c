"""Tests of `policies.doom`."""
