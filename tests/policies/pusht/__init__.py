"""Tests of `policies.pusht`."""
