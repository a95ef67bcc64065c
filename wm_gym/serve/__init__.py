"""Worlds over HTTP, for tree search from another process or language: states are immutable and have ids.

The routes, the field names and what they mean are those of PAN's published client (MBZUAI-IFM/WR-Arena, commit 7b3e4af,
thirdparty/pan/inference_connector.py). `app` is the API, `service` what it does, `dispatcher` the queue in front of the
model, `store` the states, `porter` the door, `client` the other side.
"""
