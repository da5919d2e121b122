#!@PREFIX@/bin/python
"""Start conda."""

import sys

if __name__ == "__main__":
    from conda.cli import main

    sys.exit(main())
