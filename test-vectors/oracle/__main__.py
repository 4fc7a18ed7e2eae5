"""The command line: `python3 -m oracle peer`."""

import sys

from .peer import Peer

if __name__ == "__main__":
    if sys.argv[1:] == ["peer"]:
        Peer().serve()
    else:
        sys.exit(__doc__)
