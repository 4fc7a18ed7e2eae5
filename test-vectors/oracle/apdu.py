"""Commands as they travel (section 4): the cases of ISO/IEC 7816-4, and logical messages on the terminal's side."""

from .primitives import u16

CHAINING = 0x10
MOST_DATA = 40_960
SHORT_DATA, SHORT_ANSWER = 255, 256
LONGEST_ANSWER = 65_533


class Command:
    """One APDU. `expected` is Le (256 or 65,536 for zeros), None without; `extended` is the form."""

    def __init__(self, header, data=b"", expected=None, extended=False):
        self.header, self.data, self.expected, self.extended = header, data, expected, extended

    def logical_header(self):
        return bytes([self.header[0] & ~CHAINING]) + self.header[1:]

    def is_segment(self):
        return bool(self.header[0] & CHAINING)

    def encode(self):
        if self.extended:
            expected = b"" if self.expected is None else u16(self.expected % 65_536)
            if self.data:
                return self.header + b"\0" + u16(len(self.data)) + self.data + expected
            return self.header + (b"\0" + expected if expected else b"")
        data = bytes([len(self.data)]) + self.data if self.data else b""
        expected = b"" if self.expected is None else bytes([self.expected % 256])
        return self.header + data + expected


def parse(apdu):
    """The command, or None if its lengths are wrong."""
    if len(apdu) < 4:
        return None
    header, body = apdu[:4], apdu[4:]
    if not body:
        return Command(header)
    if len(body) == 1:
        return Command(header, expected=body[0] or 256)
    if body[0]:
        return _with_data(header, body[1:], body[0], 1)
    if len(body) < 3:
        return None
    size = int.from_bytes(body[1:3], "big")
    if len(body) == 3:
        return Command(header, expected=size or 65_536, extended=True)
    return _with_data(header, body[3:], size, 2) if size else None


def _with_data(header, rest, size, width):
    data, expected = rest[:size], rest[size:]
    if len(data) < size or len(expected) not in (0, width):
        return None
    largest = 256**width
    le = (int.from_bytes(expected, "big") or largest) if expected else None
    return Command(header, data, le, width == 2)


def segments(header, data, expected):
    """A logical message in short APDUs, chained where one is not enough."""
    parts = [data[at : at + SHORT_DATA] for at in range(0, len(data), SHORT_DATA)] or [b""]
    chained = bytes([header[0] | CHAINING]) + header[1:]
    first = [Command(chained, part) for part in parts[:-1]]
    return [*first, Command(header, parts[-1], expected)]


def get_response(left):
    return Command(b"\0\xc0\0\0", expected=left)
