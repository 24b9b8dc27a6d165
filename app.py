"""Opens the studio in the browser: `python app.py`. `python app.py --help` explains the commands."""

import sys

from studio.cli import main

if __name__ == "__main__":
    sys.exit(main())
