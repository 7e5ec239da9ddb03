"""The command line, one module per group of commands; the only place in `core` that prints."""
