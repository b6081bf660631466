"""manage.py, which says in the end, in the file TORTURE_PEAK, how much memory it held at most.

The system's own account of a child (`ru_maxrss`) begins with what its parent held.
"""

import os
import re
from pathlib import Path

import manage


def main() -> None:
    try:
        manage.main()
    finally:
        status = Path("/proc/self/status").read_text()
        kilobytes = re.search(r"VmHWM:\s*(\d+)", status)[1]  # type: ignore[index]
        Path(os.environ["TORTURE_PEAK"]).write_text(kilobytes)


if __name__ == "__main__":
    main()
