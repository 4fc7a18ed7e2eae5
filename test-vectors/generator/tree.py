"""The ledger's tree from docs/ledger.md: RFC 9162 section 2.1 by its recursive definitions, heads, receipts. Slow and plain."""

import json

from .primitives import sha256


def leaf_hash(entry):
    return sha256(b"\x00", entry)


def node_hash(left, right):
    return sha256(b"\x01", left, right)


def split(n):
    """k: "the largest power of two smaller than n"."""
    k = 1
    while 2 * k < n:
        k *= 2
    return k


class Entries:
    """`n` leaves of a list of leaf hashes, from the one at `begin`."""

    def __init__(self, leaves, begin, n):
        self.leaves, self.begin, self.n = leaves, begin, n

    def leaf(self):
        return self.leaves[self.begin]

    def parts(self):
        k = split(self.n)
        return Entries(self.leaves, self.begin, k), Entries(self.leaves, self.begin + k, self.n - k)

    def mth(self):
        return _mth(self)


class Alike:
    """`n` leaves that are all the same; n may be up to 2^64 - 1, and roots are remembered by size."""

    LEAF = leaf_hash(b"alike")
    known = {}

    def __init__(self, n):
        self.n = n

    def leaf(self):
        return self.LEAF

    def parts(self):
        k = split(self.n)
        return Alike(k), Alike(self.n - k)

    def mth(self):
        if self.n not in self.known:
            self.known[self.n] = _mth(self)
        return self.known[self.n]


def _mth(d):
    """Section 2.1.1."""
    if d.n == 0:
        return sha256(b"")
    if d.n == 1:
        return d.leaf()
    left, right = d.parts()
    return node_hash(left.mth(), right.mth())


def path(m, d):
    """PATH(m, D_n), section 2.1.3.1."""
    if d.n == 1:
        return []
    left, right = d.parts()
    if m < left.n:
        return path(m, left) + [right.mth()]
    return path(m - left.n, right) + [left.mth()]


def proof(m, d):
    """PROOF(m, D_n), section 2.1.4.1."""
    return subproof(m, d, True)


def subproof(m, d, b):
    if m == d.n:
        return [] if b else [d.mth()]
    left, right = d.parts()
    if m <= left.n:
        return subproof(m, left, b) + [right.mth()]
    return subproof(m - left.n, right, False) + [left.mth()]


def head_bytes(issuer, time, number, root):
    """What is signed (docs/ledger.md section 3)."""
    name = issuer.encode()
    numbers = time.to_bytes(8, "big") + number.to_bytes(8, "big")
    return b"TALLY1 tree head\0" + bytes([len(name)]) + name + numbers + root


def head(key, issuer, time, number, root):
    """The JSON form of a signed head."""
    signature = key.sign(head_bytes(issuer, time, number, root))
    return {"issuer": issuer, "time": time, "size": number, "root": root.hex(), "signature": signature.hex()}


def receipt(signed_head, index, entry, neighbours):
    return {"head": signed_head, "index": index, "entry": entry, "path": [each.hex() for each in neighbours]}


def text(value):
    """JSON without white space."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
