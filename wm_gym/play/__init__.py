"""Play a world: a window, a keyboard, undo, bookmarks, the real twin beside the dream, films and episodes of it all.

`session` is the playable world without a screen, stepped by `request` values; `worker` runs it in a thread; `window`,
`script` (and a web page) are faces of the same session.
"""
