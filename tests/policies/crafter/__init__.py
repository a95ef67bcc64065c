"""Tests of `policies.crafter`."""
