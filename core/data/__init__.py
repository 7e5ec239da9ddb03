"""Data sets: importing FER2013 and others, checking them, and reading them back in no time."""
