"""What several pages draw. Imports `state` and `core`, never a view."""
