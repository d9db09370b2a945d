"""`python -m netspec`. Python puts the working folder first on the module path then; it is taken
off before anything is found there.
"""

import sys

if not sys.flags.safe_path:  # with -P it is not there
    del sys.path[0]

from netspec.cli import run

run()
