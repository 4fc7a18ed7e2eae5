"""Strict BER-TLV (section 2): shortest tags, shortest lengths, nothing missing and nothing left."""

from .primitives import u16


class Malformed(Exception):
    """Bytes that the text does not describe."""


def require(condition):
    if not condition:
        raise Malformed


def tag_bytes(tag):
    return tag.to_bytes((tag.bit_length() + 7) // 8, "big")


def obj(tag, *parts):
    """One object."""
    value = b"".join(parts)
    size = len(value)
    if size < 0x80:
        length = bytes([size])
    else:
        length = bytes([0x81, size]) if size < 0x100 else b"\x82" + u16(size)
    return tag_bytes(tag) + length + value


def _tag(data, at):
    require(at < len(data))
    end = at + 1
    if data[at] & 0x1F == 0x1F:
        while True:
            require(end < len(data) and end < at + 3)
            end += 1
            if data[end - 1] < 0x80:
                break
        require(data[at + 1] != 0x80)  # a number that begins with zeros
        require(end - at > 2 or data[at + 1] > 30)  # a number that fits into one byte
    return int.from_bytes(data[at:end], "big"), end


def _length(data, at):
    require(at < len(data))
    first = data[at]
    if first < 0x80:
        return first, at + 1
    require(first in (0x81, 0x82))
    end = at + 1 + (first & 3)
    require(end <= len(data))
    size = int.from_bytes(data[at + 1 : end], "big")
    require(size >= (0x80 if first == 0x81 else 0x100))
    return size, end


def objects(data):
    """All objects of a template's value, as pairs."""
    found, at = [], 0
    while at < len(data):
        tag, start = _tag(data, at)
        size, start = _length(data, start)
        at = start + size
        require(at <= len(data))
        found.append((tag, data[start:at]))
    return found


def take(data, *tags):
    """The values of exactly these objects, in this order."""
    found = objects(data)
    require([tag for tag, _ in found] == list(tags))
    return [value for _, value in found]


def sized(value, size):
    require(len(value) == size)
    return value


def number(value, size):
    return int.from_bytes(sized(value, size), "big")


def text(value, least, most):
    """Printable ASCII."""
    require(least <= len(value) <= most and all(0x20 <= byte <= 0x7E for byte in value))
    return value


def digits(value, least, most):
    require(least <= len(value) <= most and all(0x30 <= byte <= 0x39 for byte in value))
    return value
