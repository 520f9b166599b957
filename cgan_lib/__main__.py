"""`python -m cgan_lib`"""

import sys

from cgan_lib.cli import main

sys.exit(main())
