"""One folder per page: `page.py` is the script, the rest its parts. No view imports another."""
