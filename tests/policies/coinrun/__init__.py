"""Tests of `policies.coinrun`."""
