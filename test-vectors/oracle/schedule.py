"""The transcript and the keys (sections 6.2 and 6.4)."""

from .primitives import cmac, expand, hmac_sha256, kdf, sha256, u32

COMMAND, ANSWER = b"\0", b"\1"


class Transcript:
    """The running hash over logical messages."""

    def __init__(self, value=None):
        self.value = value or sha256(b"TALLY1 transcript")

    def add(self, direction, message):
        self.value = sha256(self.value, direction, u32(len(message)), message)

    def copy(self):
        return Transcript(self.value)


def th_f(th_s, command, card_nonce):
    """From th_S, over the command C1 and the card's random."""
    transcript = Transcript(th_s)
    transcript.add(COMMAND, command)
    transcript.add(ANSWER, b"\x81\x10" + card_nonce)
    return transcript.value


def first_stage(th_3, ephemeral_secret, card_secret):
    """PRK1 and SM1."""
    prk = hmac_sha256(th_3, ephemeral_secret, card_secret)
    return prk, expand(prk, b"TALLY1 sm1", 128)


def second_stage(th_5, prk1, terminal_secret):
    """PRK2 and SM2."""
    prk = hmac_sha256(th_5, prk1, terminal_secret)
    return prk, expand(prk, b"TALLY1 sm2", 128)


def pairing_key(prk2):
    return expand(prk2, b"TALLY1 pair", 32)


def successor(key):
    return kdf(key, b"next", b"", 32)


def tag_key(key):
    return kdf(key, b"tag", b"", 32)


def tag(key, prand):
    return cmac(tag_key(key), prand)[:4]


def hint(key, prand, terminal_nonce):
    return cmac(tag_key(key), prand, terminal_nonce)[:4]


def auth_c(key, transcript):
    return kdf(key, b"authC", transcript, 16)


def session_keys(key, transcript):
    return kdf(key, b"smF", transcript, 128)
