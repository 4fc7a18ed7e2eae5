"""TLV, APDUs, certificates, requests and lists, from docs/protocol.md sections 2, 4, 7 and 13."""

from .primitives import sha256

OID_ALGORITHM = bytes.fromhex("04007f00070202020203")
OID_ROLE = bytes.fromhex("88370301")
OID_REQUEST = bytes.fromhex("88370302")
AUTHORITY, CARD, TERMINAL = 0xC0, 0x01, 0x02
P256 = [
    (0x81, "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff"),
    (0x82, "ffffffff00000001000000000000000000000000fffffffffffffffffffffffc"),
    (0x83, "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b"),
    (0x84, "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
           "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"),
    (0x85, "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551"),
]


def tlv(tag, *parts):
    value = b"".join(parts)
    name = tag.to_bytes((tag.bit_length() + 7) // 8, "big")
    length = len(value)
    if length < 0x80:
        size = bytes([length])
    elif length < 0x100:
        size = bytes([0x81, length])
    else:
        size = b"\x82" + length.to_bytes(2, "big")
    return name + size + value


def apdu(header, data=b"", expected=None):
    """A short command: at most 255 data bytes; expected is Le as 1 to 256, or None."""
    out = header + (bytes([len(data)]) + data if data else b"")
    return out + (bytes([expected % 256]) if expected is not None else b"")


def chained(header, data, expected):
    """A logical command as short APDUs (section 4)."""
    out = []
    while len(data) > 255:
        out.append(apdu(bytes([header[0] | 0x10]) + header[1:], data[:255]))
        data = data[255:]
    return out + [apdu(header, data, expected)]


def date_digits(date):
    return bytes(int(digit) for digit in date.replace("-", "")[2:])


def date_bcd(date):
    return bytes.fromhex(date.replace("-", "")[2:])


def _key_object(point, parameters):
    domain = b"".join(tlv(tag, bytes.fromhex(value)) for tag, value in P256) if parameters else b""
    cofactor = tlv(0x87, b"\x01") if parameters else b""
    return tlv(0x7F49, tlv(0x06, OID_ALGORITHM), domain, tlv(0x86, point), cofactor)


def certificate_body(issuer, holder, role, epoch, point, start, end):
    root = role == AUTHORITY and issuer == holder
    discretionary = bytes([role]) + epoch.to_bytes(4, "big")
    return tlv(
        0x7F4E,
        tlv(0x5F29, b"\0"),
        tlv(0x42, issuer.encode()),
        _key_object(point, root),
        tlv(0x5F20, holder.encode()),
        tlv(0x7F4C, tlv(0x06, OID_ROLE), tlv(0x53, discretionary)),
        tlv(0x5F25, date_digits(start)),
        tlv(0x5F24, date_digits(end)),
    )


def signed(outer, body, signature):
    return tlv(outer, body, tlv(0x5F37, signature))


def certificate(signer, issuer, holder, role, point, epoch=1, start="2026-01-01", end="2028-12-31"):
    body = certificate_body(issuer, holder, role, epoch, point, start, end)
    return signed(0x7F21, body, signer.sign(body))


def request(key, issuer, holder, role, nonce):
    extension = tlv(0x73, tlv(0x06, OID_REQUEST), tlv(0x80, nonce), tlv(0x81, bytes([role])))
    body = tlv(
        0x7F4E,
        tlv(0x5F29, b"\0"),
        tlv(0x42, issuer.encode()),
        _key_object(key.compressed, False),
        tlv(0x5F20, holder.encode()),
        tlv(0x65, extension),
    )
    return signed(0x7F21, body, key.sign(body))


def status_list(signer, issuer, sequence, min_epoch, date, revoked):
    body = tlv(
        0xE1,
        tlv(0x42, issuer.encode()),
        tlv(0x80, sequence.to_bytes(4, "big")),
        tlv(0x81, min_epoch.to_bytes(4, "big")),
        tlv(0x82, date_bcd(date)),
        tlv(0x83, *sorted(revoked)),
    )
    return signed(0xE0, body, signer.sign(body))


def holder_hash(role, name):
    return sha256(b"TALLY1 holder", bytes([role]), name.encode())[:12]


def aid(service, version=1):
    return b"\xf0TALLY" + service.to_bytes(2, "big") + version.to_bytes(2, "big")


def fci(prand, tags, capabilities=0x83):
    """The answer to SELECT (section 5)."""
    limits = tlv(0x7F66, tlv(0x02, b"\xff\xff"), tlv(0x02, b"\xff\xff"))
    proprietary = tlv(
        0xA5,
        tlv(0x80, b"\x01"),
        tlv(0x81, b"\x00\x01"),
        tlv(0x82, bytes([capabilities])),
        limits,
        tlv(0x85, prand),
        tlv(0x86, *tags),
    )
    return tlv(0x6F, tlv(0x84, aid(0)), proprietary)
