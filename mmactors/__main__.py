"""`python -m mmactors COMMAND`: see `mmactors.cli.main`."""

import sys

from mmactors.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
