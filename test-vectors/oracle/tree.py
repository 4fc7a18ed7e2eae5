"""The ledger's tree, its heads and receipts (docs/ledger.md), checked by reading RFC 9162's definitions backwards.

A path is taken apart from its end, as PATH and PROOF put it together: whatever the definition would have appended last is the
other half of the tree.
"""

import json
import re

from . import primitives as p
from .papers import Certificate, name
from .tlv import Malformed, require

MOST = 2**64 - 1


class Refused(Exception):
    """Well-formed and wrong: issuer, signature or proof."""


def refuse_unless(condition, fault):
    if not condition:
        raise Refused(fault)


def leaf_hash(entry):
    return p.sha256(b"\x00", entry)


def node_hash(left, right):
    return p.sha256(b"\x01", left, right)


def split(n):
    """The largest power of two smaller than n."""
    return 1 << (n - 1).bit_length() - 1


def mth(leaves):
    """The root over a list of leaf hashes."""
    if len(leaves) < 2:
        return leaves[0] if leaves else p.sha256(b"")
    k = split(len(leaves))
    return node_hash(mth(leaves[:k]), mth(leaves[k:]))


def root_by_path(index, size, leaf, path):
    """The root that PATH(index, D_size) = path would make."""
    refuse_unless(index < size, "proof")
    if size == 1:
        refuse_unless(not path, "proof")
        return leaf
    refuse_unless(path, "proof")
    k, neighbour = split(size), path[-1]
    if index < k:
        return node_hash(root_by_path(index, k, leaf, path[:-1]), neighbour)
    return node_hash(neighbour, root_by_path(index - k, size - k, leaf, path[:-1]))


def roots_by_proof(first, second, known, proof):
    """Both roots that SUBPROOF(first, D_second, known is not None) = proof would make; `known` is the root of the whole first tree."""
    if first == second:
        refuse_unless(len(proof) == (0 if known else 1), "proof")
        return (known or proof[0],) * 2
    refuse_unless(proof, "proof")
    k, neighbour = split(second), proof[-1]
    if first <= k:
        one, two = roots_by_proof(first, k, known, proof[:-1])
        return one, node_hash(two, neighbour)
    one, two = roots_by_proof(first - k, second - k, None, proof[:-1])
    return node_hash(neighbour, one), node_hash(neighbour, two)


def check_inclusion(leaf, index, size, path, root):
    refuse_unless(root_by_path(index, size, leaf, path) == root, "proof")


def check_consistency(first, first_root, second, second_root, proof):
    refuse_unless(first <= second, "proof")
    if first == 0:
        refuse_unless(not proof and first_root == p.sha256(b"") and (second or first_root == second_root), "proof")
    else:
        refuse_unless(roots_by_proof(first, second, first_root, proof) == (first_root, second_root), "proof")


def _once(pairs):
    require(len(dict(pairs)) == len(pairs))
    return dict(pairs)


def _integer(digits):
    require(not digits.startswith("-") and len(digits) <= 20)
    return int(digits)


def load(raw, most):
    """JSON with each member once; no fraction, no exponent and no sign in a number."""
    require(len(raw) <= most)
    try:
        return json.loads(raw.decode("utf-8"), object_pairs_hook=_once, parse_int=_integer)
    except (ValueError, RecursionError):
        raise Malformed from None


def members(value, *names):
    require(type(value) is dict and set(value) == set(names))
    return [value[name] for name in names]


def number(value):
    require(type(value) is int and value <= MOST)
    return value


def hexadecimal(value, size):
    require(type(value) is str and re.fullmatch(r"[0-9a-f]*", value) and len(value) == 2 * size)
    return bytes.fromhex(value)


def utf8(value):
    require(type(value) is str)
    try:
        return value.encode("utf-8")
    except UnicodeEncodeError:  # half of a surrogate pair
        raise Malformed from None


class Head:
    """A signed head from its JSON object; not verified."""

    def __init__(self, value):
        issuer, time, size, root, signature = members(value, "issuer", "time", "size", "root", "signature")
        self.issuer, self.time, self.size = name(utf8(issuer)), number(time), number(size)
        self.root, self.signature = hexadecimal(root, 32), hexadecimal(signature, 64)
        numbers = self.time.to_bytes(8, "big") + self.size.to_bytes(8, "big")
        self.signed = b"TALLY1 tree head\0" + bytes([len(self.issuer)]) + self.issuer + numbers + self.root

    def signed_by(self, point):
        return p.signature_holds(point, self.signed, self.signature)


class Receipt:
    """A receipt from the bytes of its JSON text; not verified."""

    def __init__(self, raw):
        head, index, entry, path = members(load(raw, 131072), "head", "index", "entry", "path")
        self.head, self.index, self.entry = Head(head), number(index), utf8(entry)
        require(len(self.entry) <= 16384 and type(path) is list and len(path) <= 64)
        self.path = [hexadecimal(each, 32) for each in path]

    def check(self, root):
        """By the root certificate of the authority."""
        refuse_unless(root.valid_root(), "root")
        refuse_unless(self.head.issuer == root.chr, "issuer")
        refuse_unless(self.head.signed_by(root.point), "signature")
        check_inclusion(leaf_hash(self.entry), self.index, self.head.size, self.path, self.head.root)
