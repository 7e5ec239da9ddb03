"""The forms in which runs leave and enter."""
