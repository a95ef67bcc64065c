"""A folder of videos with captions as a dataset: cuts found, dull clips dropped, one caption a chunk (PAN's recipe)."""
