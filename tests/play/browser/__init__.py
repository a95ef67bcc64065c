"""Tests of play on a web page."""
