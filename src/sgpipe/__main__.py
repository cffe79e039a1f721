"""`python -m sgpipe` is the `sgpipe` command."""

import sys

from sgpipe.cli import main

sys.exit(main())
