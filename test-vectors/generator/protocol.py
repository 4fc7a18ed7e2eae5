"""Transcript, key schedule and secure messaging, from docs/protocol.md sections 6, 8, 9 and 10."""

from .encoding import tlv
from .primitives import cbc_encrypt, cmac, ecb_block, hkdf_expand, hkdf_extract, kdf, pad, sha256

OK = b"\x90\x00"


class Transcript:
    def __init__(self):
        self.value = sha256(b"TALLY1 transcript")

    def _absorb(self, direction, message):
        self.value = sha256(self.value, bytes([direction]), len(message).to_bytes(4, "big"), message)

    def command(self, header, data):
        self._absorb(0, bytes([header[0] & ~0x10]) + header[1:] + data)

    def response(self, data, status=OK):
        self._absorb(1, data + status)

    def reconnect(self, card_nonce):
        """th_F: the card's nonce as an object, without moving the transcript itself."""
        length = (2 + len(card_nonce)).to_bytes(4, "big")
        return sha256(self.value, b"\x01", length, b"\x81\x10", card_nonce)


class PairingKey:
    def __init__(self, key):
        self.key = key

    def next(self):
        return PairingKey(kdf(self.key, b"next", b"", 32))

    @property
    def tag_key(self):
        return kdf(self.key, b"tag", b"", 32)

    def tag(self, prand):
        return cmac(self.tag_key, prand)[:4]

    def hint(self, prand, nonce):
        return cmac(self.tag_key, prand, nonce)[:4]

    def proof(self, th_f):
        return kdf(self.key, b"authC", th_f, 16)

    def session_keys(self, th_f):
        return kdf(self.key, b"smF", th_f, 128)


def prk1(th_3, ephemeral, card_random):
    return hkdf_extract(th_3, ephemeral, card_random)


def prk2(th_5, first, terminal_random):
    return hkdf_extract(th_5, first, terminal_random)


def sm1(prk):
    return hkdf_expand(prk, b"TALLY1 sm1", 128)


def sm2(prk):
    return hkdf_expand(prk, b"TALLY1 sm2", 128)


def pair(prk):
    return PairingKey(hkdf_expand(prk, b"TALLY1 pair", 32))


class Channel:
    """Both ends of secure messaging: one counter, four keys."""

    def __init__(self, keys):
        self.commands = (keys[0:32], keys[32:64])
        self.responses = (keys[64:96], keys[96:128])
        self.counter = 0

    def _step(self):
        self.counter += 1
        return self.counter.to_bytes(16, "big")

    @staticmethod
    def _cryptogram(key, ssc, data):
        if not data:
            return b""
        return tlv(0x87, b"\x01", cbc_encrypt(key, ecb_block(key, ssc), data))

    def command(self, header, data=b"", le=None):
        """The protected data field. `le` is the value of object 97, or None."""
        ssc = self._step()
        encrypt, mac = self.commands
        objects = self._cryptogram(encrypt, ssc, data)
        objects += tlv(0x97, le) if le is not None else b""
        head = pad(bytes([header[0] & ~0x10]) + header[1:])
        return objects + tlv(0x8E, cmac(mac, pad(ssc + head + objects)))

    def response(self, data=b"", status=OK):
        """The protected data field of the answer."""
        ssc = self._step()
        encrypt, mac = self.responses
        objects = self._cryptogram(encrypt, ssc, data) + tlv(0x99, status)
        return objects + tlv(0x8E, cmac(mac, pad(ssc + objects)))
