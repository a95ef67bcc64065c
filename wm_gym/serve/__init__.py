"""Worlds over HTTP, for tree search from another process or language: states are immutable and have ids.

The routes, the field names and what they mean are those of PAN's published client (MBZUAI-IFM/WR-Arena, commit 7b3e4af,
thirdparty/pan/inference_connector.py). That client opens `segment_path` as a local file: it works unchanged only with
a server on its own machine that runs with --segments, and with prompts of at most 256 printable ASCII characters.

`app` is the API, `service` what it does, `dispatcher` the queue in front of the model, `store` the states, `protocol` a
connection, `porter` the door, `client` the other side.
"""
