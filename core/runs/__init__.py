"""Run folders: where each file is, how it is written and read. Described for people in `runs/README.md`."""
