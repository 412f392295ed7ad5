"""`python -m pondera`."""

import sys

from pondera.cli import main

sys.exit(main())
