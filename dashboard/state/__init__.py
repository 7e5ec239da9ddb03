"""What outlives one run of a page's script: caches, background work, who is looking, where things are."""
