"""The HTTP API: what programs ask with a token, answered by the server of the pages."""
