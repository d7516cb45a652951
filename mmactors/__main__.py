"""`python -m mmactors COMMAND`: see `mmactors.cli.main`."""

import sys

from mmactors import interpreter

if __name__ == "__main__":
    interpreter.must_do(["-m", "mmactors"])
    from mmactors.cli.main import main

    sys.exit(main())
