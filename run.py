"""Trade: `python run.py CONF [--stop-after SECONDS] [--report FILE] [--prices FILE]`."""

import sys

from mmactors import interpreter

if __name__ == "__main__":
    interpreter.must_do([__file__])
    from mmactors.cli.main import main

    sys.exit(main(["run", *sys.argv[1:]]))
