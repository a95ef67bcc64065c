"""Tests of the server of worlds: real HTTP against a real uvicorn."""
