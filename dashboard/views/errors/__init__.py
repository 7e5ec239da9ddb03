"""Error analysis: what a run gets wrong, image by image, and what to do about it."""
