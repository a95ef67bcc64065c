"""Tests of the Balls world."""
