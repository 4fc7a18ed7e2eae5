"""Secure messaging (section 10). One class serves both ends: they differ in what they wrap and what they unwrap."""

from .primitives import cmac, decrypt, encrypt, one_block, u16
from .tlv import Malformed, number, obj, objects, require

MOST_COMMANDS = 65_535


class Broken(Exception):
    """A message that does not verify, or one too many. The channel is finished."""


def pad(data):
    return data + b"\x80" + bytes(-(len(data) + 1) % 16)


def unpad(blocks):
    stripped = blocks.rstrip(b"\0")
    require(stripped[-1:] == b"\x80" and len(blocks) - len(stripped) < 16)
    return stripped[:-1]


class Channel:
    """128 bytes of keys, a counter, and how many commands there were."""

    def __init__(self, keys):
        self.command_keys, self.answer_keys = (keys[:32], keys[32:64]), (keys[64:96], keys[96:])
        self.counter = 0
        self.commands = 0

    def _next(self):
        self.counter += 1
        return self.counter.to_bytes(16, "big")

    def _count_command(self):
        if self.commands == MOST_COMMANDS:
            raise Broken
        self.commands += 1

    def wrap_command(self, header, data, expected=None):
        """The data field of a secured command; `expected` is Le, 256 in its short and anything else in its long form."""
        self._count_command()
        ssc = self._next()
        objects_ = _enciphered(self.command_keys[0], ssc, data)
        if expected is not None:
            objects_ += obj(0x97, bytes([expected % 256]) if expected <= 256 else u16(expected))
        return objects_ + obj(0x8E, cmac(self.command_keys[1], pad(ssc + pad(header) + objects_)))

    def unwrap_command(self, header, field):
        self._count_command()
        ssc = self._next()
        try:
            *rest, (tag, mac) = objects(field) or [(None, b"")]
            require(tag == 0x8E and len(mac) == 16)
            signed = field[:-18]
            if mac != cmac(self.command_keys[1], pad(ssc + pad(header) + signed)):
                raise Broken
            tags = [tag for tag, _ in rest]
            require(tags in ([], [0x87], [0x97], [0x87, 0x97]))
            if tags[-1:] == [0x97]:
                _check_expected(rest[-1][1])
            return _deciphered(self.command_keys[0], ssc, rest[0][1]) if tags[:1] == [0x87] else b""
        except Malformed:
            raise Broken from None

    def wrap_answer(self, data, word):
        ssc = self._next()
        may_have_data = word == 0x9000 or word >> 8 in (0x62, 0x63)
        objects_ = _enciphered(self.answer_keys[0], ssc, data if may_have_data else b"")
        objects_ += obj(0x99, u16(word))
        return objects_ + obj(0x8E, cmac(self.answer_keys[1], pad(ssc + objects_)))

    def unwrap_answer(self, field, outer_word):
        """Data and word."""
        ssc = self._next()
        try:
            *rest, (tag, mac) = objects(field) or [(None, b"")]
            require(tag == 0x8E and len(mac) == 16)
            if mac != cmac(self.answer_keys[1], pad(ssc + field[:-18])):
                raise Broken
            tags = [tag for tag, _ in rest]
            require(tags in ([0x99], [0x87, 0x99]))
            word = number(rest[-1][1], 2)
            require(word == outer_word)
            require(tags == [0x99] or word == 0x9000 or word >> 8 in (0x62, 0x63))
            return (_deciphered(self.answer_keys[0], ssc, rest[0][1]) if len(rest) == 2 else b""), word
        except Malformed:
            raise Broken from None


def _enciphered(key, ssc, data):
    if not data:
        return b""
    return obj(0x87, b"\x01", encrypt(key, one_block(key, ssc), pad(data)))


def _deciphered(key, ssc, value):
    require(len(value) > 16 and len(value) % 16 == 1 and value[0] == 1)
    data = unpad(decrypt(key, one_block(key, ssc), value[1:]))
    require(data)  # 87 is absent without data
    return data


def _check_expected(value):
    require(len(value) in (1, 2))
    require(len(value) == 1 or 0 < int.from_bytes(value, "big") <= 65_533)
