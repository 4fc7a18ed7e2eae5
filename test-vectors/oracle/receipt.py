"""Verifies a receipt offline (docs/ledger.md section 4): python3 -m oracle.receipt ROOT.cvcert RECEIPT.json

ROOT is the authority's root certificate, PEM or plain bytes, from a place that is trusted. One line is printed; the exit code is 0
if the authority signed a ledger that has the receipt's entry, otherwise 1. Only the `cryptography` package is needed.
"""

import pathlib
import sys

from .papers import Certificate, unarmoured
from .primitives import BadPoint
from .tlv import Malformed
from .tree import Receipt, Refused

REASONS = {
    "malformed": "the second file is no receipt",
    "root": "that certificate is no root, or its signature does not hold",
    "issuer": "the head is of another authority than that root's",
    "signature": "the head is not signed by that root's key, or was changed since",
    "proof": "entry, index or path do not lead to the root of the signed tree",
}


def verify(root, receipt):
    """The line to print, and whether all is well."""
    try:
        root = Certificate(unarmoured(root))
    except (Malformed, BadPoint, ValueError):
        return "refused: the first file is no certificate", False
    try:
        receipt = Receipt(receipt)
        receipt.check(root)
    except Malformed:
        return f"refused: {REASONS['malformed']}", False
    except Refused as refused:
        return f"refused: {REASONS[str(refused)]}", False
    head = receipt.head
    return f"verified: entry {receipt.index} of {head.size} in the ledger of {head.issuer.decode()}, head signed at {head.time}", True


def main(*paths):
    if len(paths) != 2:
        sys.exit(__doc__)
    try:
        root, receipt = (pathlib.Path(path).read_bytes() for path in paths)
    except OSError as error:
        sys.exit(f"refused: {error.filename}: {error.strerror}")
    line, holds = verify(root, receipt)
    print(line)
    sys.exit(0 if holds else 1)


if __name__ == "__main__":
    main(*sys.argv[1:])
