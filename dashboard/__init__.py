"""The pages. They draw; `core` knows."""
