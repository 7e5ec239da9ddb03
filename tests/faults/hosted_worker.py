"""`tests.faults.tiny_worker` on another machine: see `tests.faults.hosts`."""

import sys

from tests.faults import hosts

hosts.pretend()

from core.worker import main  # noqa: E402
from tests.faults.tiny_worker import train  # noqa: E402

if __name__ == "__main__":
    sys.exit(main(train))
