"""Signed papers: certificates, requests, links, roots (section 7) and status lists (section 13); dates and names (section 2)."""

import base64
import datetime
import re

from . import primitives as p
from .tlv import Malformed, number, obj, require, sized, take

ALGORITHM = bytes.fromhex("04007F00070202020203")
ROLE_ID, REQUEST_ID = bytes.fromhex("88370301"), bytes.fromhex("88370302")
AUTHORITY, CARD, TERMINAL = 0xC0, 0x01, 0x02
# The parameters of P-256 as a root has them, objects 81 to 85.
PARAMETERS = [value.to_bytes(32, "big") for value in (p.P, p.P - 3, p.B)] + [p.G, p.N.to_bytes(32, "big")]


def unarmoured(raw):
    """The bytes of a paper that is PEM or plain."""
    armour = re.search(rb"-----BEGIN [A-Z ]+-----(.*?)-----END", raw, re.DOTALL)
    return base64.b64decode(armour[1]) if armour else raw


def name(value):
    require(8 <= len(value) <= 16 and re.fullmatch(rb"[A-Z]{2}[A-Z0-9]+", value))
    return value


def day(year, month, day_of_month):
    try:
        return datetime.date(2000 + year, month, day_of_month)
    except ValueError:
        raise Malformed from None


def date6(value):
    require(len(value) == 6 and max(value) <= 9)
    return day(*(10 * value[at] + value[at + 1] for at in (0, 2, 4)))


def date3(value):
    require(len(value) == 3 and all(byte >> 4 <= 9 and byte & 15 <= 9 for byte in value))
    return day(*(10 * (byte >> 4) + (byte & 15) for byte in value))


def as_date3(date):
    return bytes.fromhex(date.strftime("%y%m%d"))


def holder_hash(role, holder):
    return p.sha256(b"TALLY1 holder", bytes([role]), holder)[:12]


def key_id(point):
    return p.sha256(p.uncompressed(point))[:8]


def compressed_point(value):
    sized(value, 33)
    try:
        p.uncompressed(value)
    except p.BadPoint:
        raise Malformed from None
    return value


def _signed(raw, outer, inner):
    """The signed object as received, its value, and the signature."""
    (body, whole), (signature,) = _split(take(raw, outer)[0], inner)
    r, s = (int.from_bytes(half, "big") for half in (sized(signature, 64)[:32], signature[32:]))
    require(0 < r < p.N and 0 < s < p.N)
    return whole, body, signature


def _split(value, inner):
    body, signature = take(value, inner, 0x5F37)
    return (body, obj(inner, body)), (signature,)


class Certificate:
    """A certificate, a link or a root; strictly parsed, not verified."""

    def __init__(self, raw):
        self.raw = raw
        self.signed, body, self.signature = _signed(raw, 0x7F21, 0x7F4E)
        profile, car, key, chr_, template, first, last = take(body, 0x5F29, 0x42, 0x7F49, 0x5F20, 0x7F4C, 0x5F25, 0x5F24)
        require(profile == b"\0")
        self.car, self.chr = name(car), name(chr_)
        oid, authorisation = take(template, 0x06, 0x53)
        require(oid == ROLE_ID)
        self.role, self.epoch = sized(authorisation, 5)[0], int.from_bytes(authorisation[1:], "big")
        require(self.role in (AUTHORITY, CARD, TERMINAL))
        self.first, self.last = date6(first), date6(last)
        require(self.first <= self.last)
        self.is_root = self.role == AUTHORITY and self.car == self.chr
        self.point = _root_key(key) if self.is_root else _plain_key(key)
        self.holder = holder_hash(self.role, self.chr)

    def signed_by(self, issuer):
        return p.signature_holds(issuer.point, self.signed, self.signature)

    def valid_root(self):
        return self.is_root and self.signed_by(self)

    def same_root(self, other):
        return (self.chr, self.point) == (other.chr, other.point)


def _plain_key(key):
    oid, point = take(key, 0x06, 0x86)
    require(oid == ALGORITHM)
    return compressed_point(point)


def _root_key(key):
    oid, *parameters, point, cofactor = take(key, 0x06, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87)
    require(oid == ALGORITHM and parameters == PARAMETERS and cofactor == b"\1")
    return compressed_point(point)


class StatusList:
    """A status list, strictly parsed, not verified."""

    def __init__(self, raw):
        self.raw = raw
        self.signed, body, self.signature = _signed(raw, 0xE0, 0xE1)
        car, sequence, min_epoch, date, holders = take(body, 0x42, 0x80, 0x81, 0x82, 0x83)
        self.car, self.sequence, self.min_epoch = name(car), number(sequence, 4), number(min_epoch, 4)
        require(self.sequence > 0)
        self.date = date3(date)
        require(len(holders) % 12 == 0 and len(holders) <= 64 * 12)
        self.revoked = [holders[at : at + 12] for at in range(0, len(holders), 12)]
        require(all(one < next_ for one, next_ in zip(self.revoked, self.revoked[1:])))

    def signed_by(self, root):
        return self.car == root.chr and p.signature_holds(root.point, self.signed, self.signature)


def build_request(private, car, chr_, nonce, role):
    """A request, signed by the key it carries."""
    body = obj(
        0x7F4E,
        obj(0x5F29, b"\0"),
        obj(0x42, car),
        obj(0x7F49, obj(0x06, ALGORITHM), obj(0x86, p.point_of(private, compressed=True))),
        obj(0x5F20, chr_),
        obj(0x65, obj(0x73, obj(0x06, REQUEST_ID), obj(0x80, nonce), obj(0x81, bytes([role])))),
    )
    return obj(0x7F21, body, obj(0x5F37, p.sign(private, body)))


class Request:
    """A request, strictly parsed and verified."""

    def __init__(self, raw):
        whole, body, signature = _signed(raw, 0x7F21, 0x7F4E)
        profile, car, key, chr_, extension = take(body, 0x5F29, 0x42, 0x7F49, 0x5F20, 0x65)
        require(profile == b"\0")
        oid, nonce, role = take(take(extension, 0x73)[0], 0x06, 0x80, 0x81)
        require(oid == REQUEST_ID and role in (b"\1", b"\2"))
        self.raw, self.car, self.chr, self.role = raw, name(car), name(chr_), role[0]
        self.nonce, self.point = sized(nonce, 16), _plain_key(key)
        require(p.signature_holds(self.point, whole, signature))


def move_date(trusted, candidate):
    """The trusted date after a candidate (section 13)."""
    if trusted is None:
        return candidate
    return max(trusted, min(candidate, trusted + datetime.timedelta(days=366)))
