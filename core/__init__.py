"""FER Dashboard's engine: data, training, evaluation, prediction, run folders and jobs; no user interface."""

__version__ = "0.1.0"

try:
    import fcntl as _fcntl  # noqa: F401 - locks of run folders and of GPUs; Windows has none
except ImportError:
    # Here, since every entry point imports this first: better one sentence than a traceback from somewhere inside.
    raise SystemExit(
        "FER Dashboard runs on Linux and macOS. On Windows, install it inside WSL: "
        "https://learn.microsoft.com/windows/wsl/install."
    ) from None
