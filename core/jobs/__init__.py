"""Starting, queueing and stopping training processes. Never imports torch: a start is instant."""
