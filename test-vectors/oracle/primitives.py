"""The algorithms of section 6, over the `cryptography` package and the standard library."""

import hashlib
import hmac

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import cmac as _cmac
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
G = bytes.fromhex(
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
    "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)
KEM = b"KEM\x00\x10"  # RFC 9180 section 4.1: DHKEM(P-256, HKDF-SHA256)


class BadPoint(Exception):
    """Bytes that are no point of the curve in the form that is wanted."""


def u16(number):
    return number.to_bytes(2, "big")


def u32(number):
    return number.to_bytes(4, "big")


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def hmac_sha256(key, *parts):
    return hmac.new(key, b"".join(parts), hashlib.sha256).digest()


def expand(prk, info, size):
    """HKDF-Expand; HKDF-Extract is `hmac_sha256(salt, secret)`."""
    out, block = b"", b""
    for number in range(1, -(-size // 32) + 1):
        block = hmac_sha256(prk, block, info, bytes([number]))
        out += block
    return out[:size]


def cmac(key, *parts):
    mac = _cmac.CMAC(algorithms.AES(key))
    mac.update(b"".join(parts))
    return mac.finalize()


def kdf(key, label, context, size):
    """Section 6.3."""
    fixed = b"TALLY1 " + label + b"\0" + context + u32(8 * size)
    first = cmac(key, fixed)
    blocks = range(1, -(-size // 16) + 1)
    return b"".join(cmac(key, u32(number), fixed, first) for number in blocks)[:size]


def one_block(key, block):
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)


def encrypt(key, iv, blocks):
    return Cipher(algorithms.AES(key), modes.CBC(iv)).encryptor().update(blocks)


def decrypt(key, iv, blocks):
    return Cipher(algorithms.AES(key), modes.CBC(iv)).decryptor().update(blocks)


def draw_key(random):
    """A private key, as 32 bytes: drawn again while it is none."""
    while True:
        private = random(32)
        if 0 < int.from_bytes(private, "big") < N:
            return private


def _private(private):
    return ec.derive_private_key(int.from_bytes(private, "big"), ec.SECP256R1())


def point_of(private, compressed=False):
    form = PublicFormat.CompressedPoint if compressed else PublicFormat.UncompressedPoint
    return _private(private).public_key().public_bytes(Encoding.X962, form)


def _point(point):
    if (len(point), point[:1]) not in ((65, b"\x04"), (33, b"\x02"), (33, b"\x03")):
        raise BadPoint
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), bytes(point))
    except ValueError:
        raise BadPoint from None


def uncompressed(point):
    return _point(point).public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def message_point(point):
    """A point as messages have it: uncompressed."""
    if len(point) != 65:
        raise BadPoint
    return uncompressed(point)


def ecdh(private, point):
    return _private(private).exchange(ec.ECDH(), _point(point))


def sign(private, message):
    algorithm = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)
    r, s = decode_dss_signature(_private(private).sign(message, algorithm))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def signature_holds(point, message, signature):
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
    try:
        _point(point).verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return 0 < r < N and 0 < s < N


def _shared(secret, enc, receiver):
    """ExtractAndExpand of RFC 9180 section 4.1."""
    prk = hmac_sha256(b"", b"HPKE-v1" + KEM + b"eae_prk" + secret)
    return expand(prk, u16(32) + b"HPKE-v1" + KEM + b"shared_secret" + enc + receiver, 32)


def encapsulate(ephemeral, receiver):
    """To a certified point: the shared secret, and what goes to its owner."""
    enc = point_of(ephemeral)
    return _shared(ecdh(ephemeral, receiver), enc, uncompressed(receiver)), enc


def decapsulate(private, enc):
    return _shared(ecdh(private, message_point(enc)), enc, point_of(private))
