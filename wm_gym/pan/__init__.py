"""The PAN-scale preset: Qwen2.5-VL, Wan2.1 and umT5 from the user's folders, behind the same reset and step."""
