#!/usr/bin/env python3
"""Writes the vectors under vectors/, from docs/protocol.md and docs/ledger.md alone; `--check` compares instead of writing.

The shape is Wycheproof's: groups of numbered tests, each with a comment and a result of "valid" or "invalid".
"""

import json
import pathlib
import sys

from generator import encoding as e
from generator import primitives as p
from generator import protocol as proto
from generator import session as life
from generator import tree_cases as ledger
from oracle.judge import judge

FOLDER = pathlib.Path(__file__).parent / "vectors"


def count(length, start=0):
    return bytes((start + n) % 256 for n in range(length))


def document(algorithm, *groups, source="docs/protocol.md"):
    number = 0
    for group in groups:
        for test in group["tests"]:
            number += 1
            test["tcId"] = number
    return {
        "algorithm": algorithm,
        "generatorVersion": "1",
        "header": [f"Made by generate.py from {source}. Never edited by hand."],
        "numberOfTests": number,
        "testGroups": list(groups),
    }


def group(kind, tests, **common):
    return {"type": kind, **common, "tests": tests}


def tlv_file():
    valid = [(0x80, 0), (0x80, 1), (0x5F37, 64), (0x7F21, 127), (0x7F21, 128), (0x86, 255), (0x86, 256), (0x1F8101, 3), (0x82, 65535)]
    tests = [
        {"comment": f"tag {tag:X}, {size} bytes", "bytes": e.tlv(tag, count(size)).hex(), "tag": f"{tag:X}", "length": size, "result": "valid"}
        for tag, size in valid
    ]
    for comment, text in [
        ("empty", ""),
        ("tag only", "80"),
        ("value cut", "8002aa"),
        ("value cut by one", "80820100" + "00" * 255),
        ("indefinite length", "8080aa0000"),
        ("length 1 in two bytes", "808101aa"),
        ("length 127 in two bytes", "80817f" + "00" * 127),
        ("length 255 in three bytes", "808200ff" + "00" * 255),
        ("length in four bytes", "8083000001aa"),
        ("length in five bytes", "808400000001aa"),
        ("tag 5F with a number below 31", "5f0a00"),
        ("tag with a leading zero digit", "1f800100"),
        ("tag of four bytes", "1f81800100"),
        ("tag cut", "7f"),
        ("a byte too many", "8001aabb"),
    ]:
        tests.append({"comment": comment, "bytes": text, "result": "invalid"})
    return document("TLV", group("OneObject", tests))


def apdu_file():
    head = bytes.fromhex("00b00102")
    rows = [
        ("case 1", "", "", None),
        ("case 2, 256", "00", "", 256),
        ("case 2, 1", "01", "", 1),
        ("case 3", "020708", "0708", None),
        ("case 3, 255 bytes", "ff" + count(255).hex(), count(255).hex(), None),
        ("case 4", "01aa10", "aa", 16),
        ("case 4, Le 256", "01aa00", "aa", 256),
        ("case 2 extended, 65536", "000000", "", 65536),
        ("case 2 extended, 1", "000001", "", 1),
        ("case 3 extended", "000001aa", "aa", None),
        ("case 3 extended, 256 bytes", "000100" + count(256).hex(), count(256).hex(), None),
        ("case 4 extended", "000001aa012c", "aa", 300),
        ("case 4 extended, 65536", "000001aa0000", "aa", 65536),
    ]
    tests = [
        {"comment": comment, "bytes": head.hex() + body, "data": data, "expected": expected, "result": "valid"}
        for comment, body, data, expected in rows
    ]
    for comment, body in [
        ("extended marker and one byte", "0001"),
        ("extended Lc 0", "00000000"),
        ("short data cut", "0207"),
        ("two bytes behind short data", "01070102"),
        ("extended data cut", "00000207"),
        ("one byte behind extended data", "0000010701"),
        ("three bytes behind extended data", "00000107010203"),
    ]:
        tests.append({"comment": comment, "bytes": head.hex() + body, "result": "invalid"})
    tests.append({"comment": "three bytes", "bytes": "00b001", "result": "invalid"})
    return document("APDU", group("Command", tests))


def certificate_file():
    root, other = p.PrivateKey(b"\x01" * 32), p.PrivateKey(b"\x02" * 32)
    card, terminal = p.PrivateKey(b"\x11" * 32), p.PrivateKey(b"\x21" * 32)
    names = ["ZZTALLYROOT00001", "ZZTALLYROOT00002", "ZZTALLYCARD00001", "ZZTALLYTERM00001"]
    first, second, card_name, terminal_name = names
    root_bytes = e.certificate(root, first, first, e.AUTHORITY, root.compressed, start="2026-01-01", end="2041-01-01")

    def row(comment, data, result="valid", fault=None, **more):
        return {"comment": comment, "bytes": data.hex(), "result": result, **({"fault": fault} if fault else {}), **more}

    leaf = e.certificate(root, first, card_name, e.CARD, card.compressed)
    flip = lambda data, at: data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    body = e.certificate_body(first, card_name, e.CARD, 1, card.compressed, "2026-01-01", "2028-12-31")
    r_s = root.sign(body)
    n = p.ORDER.to_bytes(32, "big")
    zero = bytes(32)
    with_signature = lambda signature: e.signed(0x7F21, body, signature)
    certificates = [
        row("card", leaf, role=1, holder=card_name, holderHash=e.holder_hash(e.CARD, card_name).hex()),
        row("terminal", e.certificate(root, first, terminal_name, e.TERMINAL, terminal.compressed), role=2, holder=terminal_name, holderHash=e.holder_hash(e.TERMINAL, terminal_name).hex()),
        row("short names", e.certificate(root, first, "ZZC00001", e.CARD, card.compressed), role=1, holder="ZZC00001", holderHash=e.holder_hash(e.CARD, "ZZC00001").hex()),
        row("signature damaged", flip(leaf, len(leaf) - 1), "invalid", "signature"),
        row("date damaged", e.certificate(root, first, card_name, e.CARD, card.compressed, end="2029-01-01")[:-64] + leaf[-64:], "invalid", "signature"),
        row("signed by another key", e.certificate(other, first, card_name, e.CARD, card.compressed), "invalid", "signature"),
        row("r = 0", with_signature(zero + r_s[32:]), "invalid", "signature"),
        row("s = 0", with_signature(r_s[:32] + zero), "invalid", "signature"),
        row("r = n", with_signature(n + r_s[32:]), "invalid", "signature"),
        row("s = n", with_signature(r_s[:32] + n), "invalid", "signature"),
        row("unknown issuer", e.certificate(root, second, card_name, e.CARD, card.compressed), "invalid", "issuer"),
        row("link instead of a leaf", e.certificate(root, first, second, e.AUTHORITY, other.compressed), "invalid", "role"),
        row("the root instead of a leaf", root_bytes, "invalid", "role"),
        row("cut by one byte", leaf[:-1], "invalid", "malformed"),
        row("a byte too many", leaf + b"\0", "invalid", "malformed"),
        row("unknown role", e.certificate(root, first, card_name, 0x41, card.compressed), "invalid", "malformed"),
        row("ends before it begins", e.certificate(root, first, card_name, e.CARD, card.compressed, start="2029-01-01"), "invalid", "malformed"),
        row("point not on the curve", e.certificate(root, first, card_name, e.CARD, b"\x02" + b"\xff" * 32), "invalid", "malformed"),
        row("point uncompressed", e.certificate(root, first, card_name, e.CARD, card.uncompressed), "invalid", "malformed"),
        row("name in lower case", e.certificate(root, first, "zztallycard00001", e.CARD, card.compressed), "invalid", "malformed"),
        row("name too short", e.certificate(root, first, "ZZ00001", e.CARD, card.compressed), "invalid", "malformed"),
    ]
    # s and n - s both verify: a signature is no name (section 7.1).
    mirrored = (p.ORDER - int.from_bytes(r_s[32:], "big")).to_bytes(32, "big")
    certificates.append(row("the mirrored s", with_signature(r_s[:32] + mirrored), role=1, holder=card_name, holderHash=e.holder_hash(e.CARD, card_name).hex()))
    requests = [
        row("card", e.request(card, first, card_name, e.CARD, count(16)), nonce=count(16).hex(), role=1, holder=card_name),
        row("terminal", e.request(terminal, first, terminal_name, e.TERMINAL, count(16, 9)), nonce=count(16, 9).hex(), role=2, holder=terminal_name),
        row("proof damaged", flip(e.request(card, first, card_name, e.CARD, count(16)), 195), "invalid"),
        row("nonce changed", flip(e.request(card, first, card_name, e.CARD, count(16)), 110), "invalid"),
    ]
    revoked = [e.holder_hash(e.TERMINAL, f"ZZTALLYTERM{n:05}") for n in range(64)]
    unsorted = e.tlv(0xE1, e.tlv(0x42, first.encode()), e.tlv(0x80, b"\0\0\0\x07"), e.tlv(0x81, b"\0\0\0\x01"), e.tlv(0x82, e.date_bcd("2026-11-21")), e.tlv(0x83, b"\2" * 12, b"\1" * 12))
    lists = [
        row("empty", e.status_list(root, first, 1, 0, "2026-11-21", []), sequence=1, entries=0),
        row("64 entries", e.status_list(root, first, 7, 1, "2026-11-21", revoked), sequence=7, entries=64),
        row("65 entries", e.status_list(root, first, 7, 1, "2026-11-21", revoked + [b"\xff" * 12]), "invalid", "malformed"),
        row("entries in disorder", e.signed(0xE0, unsorted, root.sign(unsorted)), "invalid", "malformed"),
        row("no such day", e.status_list(root, first, 7, 1, "2026-02-30", []), "invalid", "malformed"),
        row("sequence 0", e.status_list(root, first, 0, 0, "2026-11-21", []), "invalid", "malformed"),
        row("signed by another key", e.status_list(other, first, 7, 1, "2026-11-21", []), "invalid", "signature"),
    ]
    return document(
        "CVC",
        group("Leaf", certificates, root=root_bytes.hex()),
        group("Request", requests),
        group("StatusList", lists, root=root_bytes.hex()),
    )


def key_schedule_file():
    tests = []
    for label in ["next", "tag", "authC", "smF"]:
        for context in [b"", count(32)]:
            for length in [16, 32, 128]:
                for key in [count(32), b"\xff" * 32]:
                    tests.append({"comment": f"{label}, context of {len(context)}, {length} bytes", "key": key.hex(), "label": label, "context": context.hex(), "output": p.kdf(key, label.encode(), context, length).hex(), "result": "valid"})
    key = proto.PairingKey(count(32))
    tags = [
        {"comment": "tag and hint", "key": key.key.hex(), "prand": prand.hex(), "nonce": nonce.hex(), "tag": key.tag(prand).hex(), "hint": key.hint(prand, nonce).hex(), "next": key.next().key.hex(), "result": "valid"}
        for prand, nonce in [(count(8), count(16)), (b"\xff" * 8, count(16, 7)), (bytes(8), bytes(16))]
    ]
    kems = []
    for recipient, ephemeral in [(3, 4), (5, 6), (7, 8)]:
        private, eph = p.PrivateKey(bytes([recipient]) * 32), p.PrivateKey(bytes([ephemeral]) * 32)
        enc, shared = p.encapsulate(private.uncompressed, eph)
        kems.append({"comment": "DHKEM(P-256)", "private": private.scalar.hex(), "enc": enc.hex(), "shared": shared.hex(), "ephemeral": eph.scalar.hex(), "result": "valid"})
    stages = []
    for seed in range(3):
        th_3, ephemeral, card, th_5, terminal = (p.sha256(b"stage", bytes([seed, n])) for n in range(5))
        first = proto.prk1(th_3, ephemeral, card)
        second = proto.prk2(th_5, first, terminal)
        probe = lambda keys: proto.Channel(keys).command(bytes.fromhex("0cca0101"), b"probe", b"\0").hex()
        stages.append({"comment": "set-up stages", "th3": th_3.hex(), "ephemeral": ephemeral.hex(), "cardRandom": card.hex(), "th5": th_5.hex(), "terminalRandom": terminal.hex(), "sm1Probe": probe(proto.sm1(first)), "sm2Probe": probe(proto.sm2(second)), "pairingKey": proto.pair(second).key.hex(), "result": "valid"})
    return document("KeySchedule", group("Kdf", tests), group("Tag", tags), group("Kem", kems), group("SetUp", stages))


def secure_messaging_file():
    keys = count(128)
    cases = []
    for size in [0, 1, 15, 16, 17, 127, 128, 200, 223, 255, 256, 1000]:
        for answer in [0, 1, 16, 223, 256]:
            le = b"\0" if answer and answer <= 256 else None
            cases.append((count(size), count(answer, 3), le))
    channel, tests = proto.Channel(keys), []
    header = bytes.fromhex("0cda0103")
    for data, answer, le in cases:
        command = channel.command(header, data, le)
        tests.append({"comment": f"{len(data)} bytes there, {len(answer)} back", "header": header.hex(), "data": data.hex(), "le": le.hex() if le else None, "command": command.hex(), "answer": answer.hex(), "status": "9000", "response": channel.response(answer).hex(), "result": "valid"})
    for status in ["63c2", "6982", "6a82", "6700"]:
        command = channel.command(header, b"", None)
        tests.append({"comment": f"refused with {status}", "header": header.hex(), "data": "", "le": None, "command": command.hex(), "answer": "", "status": status, "response": channel.response(b"", bytes.fromhex(status)).hex(), "result": "valid"})
    good = proto.Channel(keys).command(header, count(20), b"\0")
    mac_of = lambda objects: p.cmac(keys[32:64], p.pad((1).to_bytes(16, "big") + p.pad(header) + objects))
    forged = lambda objects: objects + e.tlv(0x8E, mac_of(objects))
    iv = p.ecb_block(keys[:32], (1).to_bytes(16, "big"))
    raw = lambda plain: p.Cipher(p.algorithms.AES(keys[:32]), p.modes.CBC(iv)).encryptor().update(plain)
    wrong = [
        ("MAC damaged", good[:-1] + bytes([good[-1] ^ 1])),
        ("no MAC", good[:-18]),
        ("MAC truncated", good[:-18] + e.tlv(0x8E, good[-16:-8])),
        ("objects in disorder", forged(e.tlv(0x97, b"\0") + e.tlv(0x87, b"\1", raw(p.pad(b"x"))))),
        ("object 87 twice", forged(e.tlv(0x87, b"\1", raw(p.pad(b"x"))) * 2)),
        ("unknown object", forged(e.tlv(0x81, b"x"))),
        ("padding indicator 02", forged(e.tlv(0x87, b"\2", raw(p.pad(b"x"))))),
        ("no padding indicator", forged(e.tlv(0x87, raw(p.pad(b"x"))))),
        ("cryptogram not whole blocks", forged(e.tlv(0x87, b"\1", raw(p.pad(b"x"))[:-1]))),
        ("cryptogram empty", forged(e.tlv(0x87, b"\1"))),
        ("padding without 80", forged(e.tlv(0x87, b"\1", raw(bytes(16))))),
        ("padding 81", forged(e.tlv(0x87, b"\1", raw(b"x" + b"\x81" + bytes(14))))),
        ("97 of three bytes", forged(e.tlv(0x97, bytes(3)))),
        ("97 of 0000", forged(e.tlv(0x97, bytes(2)))),
        ("97 of 65534", forged(e.tlv(0x97, b"\xff\xfe"))),
        ("97 empty", forged(e.tlv(0x97))),
        ("rest behind the MAC", good + b"\0"),
        ("plain data", b"hello"),
        ("empty field", b""),
    ]
    invalid = [{"comment": comment, "header": header.hex(), "command": field.hex(), "result": "invalid"} for comment, field in wrong]
    return document("SecureMessaging", group("Channel", tests, keys=keys.hex()), group("FirstCommand", invalid, keys=keys.hex()))


def session_file():
    session = life.whole()
    tests = [{"comment": "personalisation, set-up, two insertions", "steps": session.steps, "result": "valid"}]
    return document(
        "Session",
        group(
            "Life",
            tests,
            cardTape=session.card.taken.hex(),
            terminalTape=session.terminal.taken.hex(),
            terminalKey=session.tsk.scalar.hex(),
            terminalCertificate=session.cert_t.hex(),
            root=session.root_certificate.hex(),
            pin=life.PIN.decode(),
        ),
    )


def tree_file():
    return document(
        "MerkleTree",
        group("TreeLeaf", ledger.leaves()),
        group("TreeRoot", ledger.roots()),
        group("Inclusion", ledger.inclusions()),
        group("Consistency", ledger.consistencies()),
        group("TreeHead", ledger.heads(), key=ledger.ROOT_KEY.compressed.hex()),
        group("Receipt", ledger.receipts(), root=ledger.ROOT.hex()),
        source="docs/ledger.md",
    )


FILES = {
    "tlv.json": tlv_file,
    "apdu.json": apdu_file,
    "certificate.json": certificate_file,
    "key_schedule.json": key_schedule_file,
    "secure_messaging.json": secure_messaging_file,
    "session.json": session_file,
    "tree.json": tree_file,
}


def main():
    check = sys.argv[1:] == ["--check"]
    if sys.argv[1:] not in ([], ["--check"]):
        sys.exit("usage: generate.py [--check]")
    stale = []
    for name, make in FILES.items():
        text = json.dumps(make(), indent=1) + "\n"
        path = FOLDER / name
        if not check:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(name)
    if stale:
        sys.exit("these files are not what docs/protocol.md and docs/ledger.md say: " + ", ".join(stale))
    # Why here: the two programs were written apart, and where they disagree the text says too little.
    judged, wrong = judge(json.loads((FOLDER / "tree.json").read_text()))
    if wrong:
        sys.exit("the second implementation judges otherwise:\n" + "\n".join(wrong))
    print(f"{judged} rows about the ledger judged alike by the second implementation")
    print(f"{len(FILES)} vector files {'agree' if check else 'written'}")


if __name__ == "__main__":
    main()
