"""What a team server needs around the dashboard: systemd units, proxies, a container image. See README.md here."""
