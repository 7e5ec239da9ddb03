"""The Activity page: who did what, when and on what."""
