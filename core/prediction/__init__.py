"""From a user's picture to a prediction; the networks are loaded on use, so that importing this costs nothing."""
