"""Messages to people when a run ends or stalls, or the queue is empty: by webhook and by e-mail, from the runner."""
