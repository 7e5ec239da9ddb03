"""Compare: several runs over each other, and whether one is really better."""
