"""Tests of importing folders of videos."""
