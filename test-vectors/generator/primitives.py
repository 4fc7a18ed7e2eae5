"""Primitives of docs/protocol.md section 6, over the `cryptography` package. Nothing here comes from the Rust code."""

import hashlib
import hmac

from cryptography.hazmat.primitives import cmac as _cmac
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

CURVE = ec.SECP256R1()
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def hmac_sha256(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def hkdf_extract(salt, *ikm):
    return hmac_sha256(salt, *ikm)


def hkdf_expand(prk, info, length):
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac_sha256(prk, block, info, bytes([counter]))
        out, counter = out + block, counter + 1
    return out[:length]


def cmac(key, *parts):
    mac = _cmac.CMAC(algorithms.AES(key))
    mac.update(b"".join(parts))
    return mac.finalize()


def ecb_block(key, block):
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)


def pad(data):
    """ISO/IEC 7816-4 padding to 16 bytes: 80, then zeros, at least one byte."""
    return data + b"\x80" + bytes(-(len(data) + 1) % 16)


def cbc_encrypt(key, iv, data):
    return Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor().update(pad(data))


def kdf(key, label, context, length):
    """SP 800-108r1, counter mode, AES-256-CMAC, with the K(0) step (section 6.3)."""
    fixed = b"TALLY1 " + label + b"\0" + context + (8 * length).to_bytes(4, "big")
    first = cmac(key, fixed)
    out = b""
    for counter in range(1, -(-length // 16) + 1):
        out += cmac(key, counter.to_bytes(4, "big"), fixed, first)
    return out[:length]


class PrivateKey:
    """A P-256 key from its 32-byte scalar."""

    def __init__(self, scalar):
        self.scalar = scalar
        self.key = ec.derive_private_key(int.from_bytes(scalar, "big"), CURVE)

    def _point(self, compressed):
        numbers = self.key.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32, "big"), numbers.y.to_bytes(32, "big")
        return bytes([2 + (numbers.y & 1)]) + x if compressed else b"\x04" + x + y

    @property
    def uncompressed(self):
        return self._point(False)

    @property
    def compressed(self):
        return self._point(True)

    def agree(self, point):
        peer = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, point)
        return self.key.exchange(ec.ECDH(), peer)

    def sign(self, message):
        """r || s, nonces by RFC 6979."""
        algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
        r, s = decode_dss_signature(self.key.sign(message, algorithm))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def _kem_secret(dh, enc, recipient):
    """DHKEM(P-256, HKDF-SHA256), RFC 9180 section 4.1 (section 6.5)."""
    suite = b"KEM\x00\x10"
    prk = hkdf_extract(b"", b"HPKE-v1", suite, b"eae_prk", dh)
    info = b"\x00\x20HPKE-v1" + suite + b"shared_secret" + enc + recipient
    return hkdf_expand(prk, info, 32)


def encapsulate(recipient, ephemeral):
    enc = ephemeral.uncompressed
    return enc, _kem_secret(ephemeral.agree(recipient), enc, recipient)


def decapsulate(private, enc):
    return _kem_secret(private.agree(enc), enc, private.uncompressed)


class Tape:
    """Fixed randomness: blocks SHA-256(seed || u32 counter), taken in order. What was taken is remembered."""

    def __init__(self, seed):
        self.seed, self.taken, self.ahead, self.counter = seed, b"", b"", 0

    def take(self, length):
        while len(self.ahead) < length:
            self.ahead += sha256(self.seed, self.counter.to_bytes(4, "big"))
            self.counter += 1
        out, self.ahead = self.ahead[:length], self.ahead[length:]
        self.taken += out
        return out

    def key(self):
        """A private key: 32 bytes, drawn again while not in 1..n-1 (section 6.1)."""
        while True:
            scalar = self.take(32)
            if 0 < int.from_bytes(scalar, "big") < ORDER:
                return PrivateKey(scalar)
