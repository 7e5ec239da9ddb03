"""What reviewers decide about runs and images, and what becomes of it."""
