"""Group: runs that were started together, such as a sweep: how far they are, the best, and what each setting does."""
