"""`python -m ember.cli`, which is `ember`."""

import sys

from ._start import main

if __name__ == "__main__":
    sys.exit(main())
