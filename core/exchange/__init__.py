"""The formats that runs are exported in."""
