"""Who may do what: people and their roles, the one door to everything that changes something, and the log of it."""
