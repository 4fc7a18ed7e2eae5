"""Rows about the ledger's tree: proofs and their refused twins, heads, receipts good and damaged."""

from . import encoding as e
from . import primitives as p
from . import tree as t

ISSUER, OTHER = "ZZTALLYROOT00001", "ZZTALLYROOT00002"
ROOT_KEY, OTHER_KEY = p.PrivateKey(b"\x01" * 32), p.PrivateKey(b"\x02" * 32)
ROOT = e.certificate(ROOT_KEY, ISSUER, ISSUER, e.AUTHORITY, ROOT_KEY.compressed, start="2026-01-01", end="2041-01-01")
TIME = 1795219200
LARGEST = 2**64 - 1
# Texts as different as a ledger's may be: empty, quotes, beyond ASCII, and plain lines.
ENTRIES = ["", '{"sequence":1}', "Z\u00fcrich \u2713 \U0001f511", 'a "quoted" \\ line'] + [f'{{"sequence":{n},"event":"{"x" * (n % 23)}"}}' for n in range(4, 70)]
LEAVES = [t.leaf_hash(entry.encode()) for entry in ENTRIES]


def first(number):
    return t.Entries(LEAVES, 0, number)


def hexes(hashes):
    return [each.hex() for each in hashes]


def flip(hash_, bit=0):
    return hash_[: bit // 8] + bytes([hash_[bit // 8] ^ 1 << bit % 8]) + hash_[bit // 8 + 1 :]


def leaves():
    return [{"comment": f"{len(entry.encode())} bytes", "entry": entry, "hash": leaf.hex(), "result": "valid"} for entry, leaf in zip(ENTRIES, LEAVES)]


def roots():
    return [{"comment": f"{n} entries", "size": n, "root": first(n).mth().hex(), "result": "valid"} for n in range(71)]


def twins(hashes):
    """Refused lists of hashes: one bit, one less, one more, two exchanged."""
    if hashes:
        yield "first hash, one bit", [flip(hashes[0], 3)] + hashes[1:]
        yield "last hash, one bit", hashes[:-1] + [flip(hashes[-1], 255)]
        yield "first hash missing", hashes[1:]
        yield "last hash missing", hashes[:-1]
    if len(hashes) > 1:
        yield "first two exchanged", [hashes[1], hashes[0]] + hashes[2:]
        yield "turned round", hashes[::-1]
    yield "a hash too many at the end", hashes + [bytes(32)]
    yield "a hash too many at the beginning", [LEAVES[0]] + hashes


def inclusion_row(comment, index, size, leaf, hashes, root, result="invalid", tree="entries"):
    return {"comment": comment, "tree": tree, "index": index, "size": size, "leaf": leaf.hex(), "path": hexes(hashes), "root": root.hex(), "result": result}


def inclusions():
    rows = []
    pairs = [(m, n) for n in (1, 2, 3, 4, 5, 6, 7, 8, 9, 13) for m in range(n)]
    pairs += [(m, n) for n in (16, 17, 31, 32, 33, 63, 64, 65, 70) for m in sorted({0, 1, n // 2 - 1, n // 2, n - 2, n - 1})]
    for m, n in pairs:
        d, leaf = first(n), LEAVES[m]
        root, hashes = d.mth(), t.path(m, d)
        rows.append(inclusion_row(f"{m} of {n}", m, n, leaf, hashes, root, "valid"))
        if (m, n) not in [(0, 1), (0, 2), (2, 3), (4, 5), (5, 7), (6, 7), (12, 13), (16, 17), (64, 65), (35, 70), (69, 70)]:
            continue
        for comment, wrong in twins(hashes):
            rows.append(inclusion_row(f"{m} of {n}: {comment}", m, n, leaf, wrong, root))
        for wrong in {m - 1, m + 1, n, n + m} - {-1, m}:
            rows.append(inclusion_row(f"{m} of {n}: index {wrong}", wrong, n, leaf, hashes, root))
        rows.append(inclusion_row(f"{m} of {n}: another leaf", m, n, flip(leaf), hashes, root))
        rows.append(inclusion_row(f"{m} of {n}: another root", m, n, leaf, hashes, flip(root)))
    for m, n, wrong in [(0, 1, 2), (0, 2, 4), (1, 2, 3), (3, 8, 16)]:
        rows.append(inclusion_row(f"{m} of {n}, said to be of {wrong}: the root matches, levels are missing", m, wrong, LEAVES[m], t.path(m, first(n)), first(n).mth()))
    rows.append(inclusion_row("0 of an empty tree", 0, 0, LEAVES[0], [], t.sha256(b"")))
    for m, n in [(0, 2**32), (2**32, 2**32 + 1), (2**63 - 1, 2**63), (2**63, 2**63 + 1), (0, LARGEST), (LARGEST - 1, LARGEST), (2**53 + 1, LARGEST)]:
        d = t.Alike(n)
        hashes = t.path(m, d)
        rows.append(inclusion_row(f"{m} of {n}", m, n, d.LEAF, hashes, d.mth(), "valid", "alike"))
        rows.append(inclusion_row(f"{m} of {n}: a hash too many", m, n, d.LEAF, hashes + hashes[-1:], d.mth(), tree="alike"))
        rows.append(inclusion_row(f"{m} of {n}: last hash missing", m, n, d.LEAF, hashes[:-1], d.mth(), tree="alike"))
    rows.append(inclusion_row("the largest index", LARGEST, LARGEST, t.Alike.LEAF, [], t.Alike.LEAF, tree="alike"))
    return rows


def consistency_row(comment, one, one_root, two, two_root, hashes, result="invalid", tree="entries"):
    return {"comment": comment, "tree": tree, "first": one, "firstRoot": one_root.hex(), "second": two, "secondRoot": two_root.hex(), "path": hexes(hashes), "result": result}


def consistencies():
    rows = []
    pairs = [(m, n) for n in range(1, 10) for m in range(1, n + 1)]
    pairs += [(m, n) for n in (13, 16, 17, 31, 32, 33, 63, 64, 65, 70) for m in sorted({1, 2, 3, 6, n // 2, n - 1, n})]
    for m, n in pairs:
        one, two, hashes = first(m).mth(), first(n).mth(), t.proof(m, first(n))
        row = lambda comment, *rest: consistency_row(f"{m} to {n}{comment}", *rest)
        rows.append(row("", m, one, n, two, hashes, "valid"))
        if (m, n) not in [(1, 2), (2, 3), (3, 4), (4, 7), (6, 7), (3, 9), (8, 9), (5, 5), (6, 13), (32, 64), (64, 65), (35, 70), (69, 70)]:
            continue
        for comment, wrong in twins(hashes):
            rows.append(row(": " + comment, m, one, n, two, wrong))
        rows.append(row(": earlier root changed", m, flip(one), n, two, hashes))
        rows.append(row(": later root changed", m, one, n, flip(two), hashes))
        if m < n:
            rows.append(row(": roots exchanged", m, two, n, one, hashes))
            rows.append(row(": the other way round", n, two, m, one, hashes))
            changed = [flip(LEAVES[0])] + LEAVES[1:]
            liar = t.Entries(changed, 0, n)
            rows.append(row(": past changed", m, one, n, liar.mth(), t.proof(m, liar)))
    empty, five = t.sha256(b""), first(5).mth()
    for m, n, wrong in [(1, 2, 4), (2, 4, 16), (4, 7, 32), (6, 8, 64)]:
        one, two = first(m).mth(), first(n).mth()
        rows.append(consistency_row(f"{m} to {n}, said to be to {wrong}: both roots match, levels are missing", m, one, wrong, two, t.proof(m, first(n))))
    rows += [
        consistency_row("0 to 0", 0, empty, 0, empty, [], "valid"),
        consistency_row("0 to 5", 0, empty, 5, five, [], "valid"),
        consistency_row("0 to 5: a hash too many", 0, empty, 5, five, [five]),
        consistency_row("0 to 5: not the empty root", 0, five, 5, five, []),
        consistency_row("0 to 0: another root", 0, empty, 0, five, []),
    ]
    for m, n in [(2**32, 2**32 + 1), (2**32 - 1, 2**63), (2**63, LARGEST), (2**63 + 1, LARGEST), (LARGEST - 2, LARGEST), (LARGEST - 1, LARGEST), (1, LARGEST)]:
        one, two, hashes = t.Alike(m).mth(), t.Alike(n).mth(), t.proof(m, t.Alike(n))
        rows.append(consistency_row(f"{m} to {n}", m, one, n, two, hashes, "valid", "alike"))
        rows.append(consistency_row(f"{m} to {n}: a hash too many", m, one, n, two, hashes + hashes[-1:], tree="alike"))
        rows.append(consistency_row(f"{m} to {n}: last hash missing", m, one, n, two, hashes[:-1], tree="alike"))
    return rows


def heads():
    rows = []
    for issuer, time, number in [(ISSUER, TIME, 70), (ISSUER, 0, 0), ("ZZC00001", TIME, 1), (ISSUER, LARGEST, LARGEST)]:
        root = t.Alike(number).mth() if number == LARGEST else first(number).mth()
        signed = t.head(ROOT_KEY, issuer, time, number, root)
        row = {"comment": f"{number} entries, {issuer}, {time}", "json": t.text(signed), "signed": t.head_bytes(issuer, time, number, root).hex(), "result": "valid"}
        rows.append(row)
    good = t.head(ROOT_KEY, ISSUER, TIME, 70, first(70).mth())
    signature = bytes.fromhex(good["signature"])
    mirrored = signature[:32] + (p.ORDER - int.from_bytes(signature[32:], "big")).to_bytes(32, "big")
    rows.append({**rows[0], "comment": "the mirrored s", "json": t.text({**good, "signature": mirrored.hex()})})
    rows.append({**rows[0], "comment": "with white space, members in another order", "json": "\n { " + ", ".join(f'"{name}" : {t.text(good[name])}' for name in sorted(good)) + "}\r\n\t"})
    wrong = [
        ("another issuer", {**good, "issuer": OTHER}),
        ("another time", {**good, "time": TIME + 1}),
        ("another size", {**good, "size": 69}),
        ("another root", {**good, "root": first(69).mth().hex()}),
        ("signature damaged", {**good, "signature": flip(signature, 511).hex()}),
        ("another authority's key", t.head(OTHER_KEY, ISSUER, TIME, 70, first(70).mth())),
        ("signature of zeros", {**good, "signature": "00" * 64}),
    ]
    rows += [{"comment": comment, "json": t.text(value), "fault": "signature", "result": "invalid"} for comment, value in wrong]
    body = e.certificate_body(ISSUER, "ZZTALLYCARD00001", e.CARD, 1, ROOT_KEY.compressed, "2026-01-01", "2028-12-31")
    rows.append({"comment": "a certificate's signature", "json": t.text({**good, "signature": ROOT_KEY.sign(body).hex()}), "fault": "signature", "result": "invalid"})
    rows += [{"comment": comment, "json": text, "fault": "malformed", "result": "invalid"} for comment, text in misshapen(good)]
    return rows


def misshapen(good):
    """Texts that are no head."""
    text = t.text(good)
    yield "empty text", ""
    yield "cut by one character", text[:-1]
    yield "a second object", text + text
    yield "a list", t.text(list(good.values()))
    yield "a text", t.text(text)
    for name in good:
        yield f"no {name}", t.text({key: value for key, value in good.items() if key != name})
        yield f"{name} is null", t.text({**good, name: None})
        yield f"{name} twice", text[:-1] + "," + t.text({name: good[name]})[1:]
    yield "an unknown member", t.text({**good, "note": 1})
    for name in ("time", "size"):
        yield f"{name} as text", t.text({**good, name: str(good[name])})
        yield f"{name} negative", t.text({**good, name: -1})
        yield f"{name} minus zero", text.replace(f'"{name}":{good[name]}', f'"{name}":-0')
        yield f"{name} with a fraction", t.text({**good, name: float(good[name])})
        yield f"{name} with an exponent", text.replace(f'"{name}":{good[name]}', f'"{name}":7e1')
        yield f"{name} is true", t.text({**good, name: True})
        yield f"{name} is 2^64", t.text({**good, name: 2**64})
        yield f"{name} with a leading zero", text.replace(f'"{name}":', f'"{name}":0')
    for name in ("root", "signature"):
        yield f"{name} in capitals", t.text({**good, name: good[name].upper()})
        yield f"{name} too short", t.text({**good, name: good[name][:-2]})
        yield f"{name} too long", t.text({**good, name: good[name] + "00"})
        yield f"{name} with half a byte", t.text({**good, name: good[name][:-1]})
        yield f"{name} with a space", t.text({**good, name: " " + good[name][1:]})
    yield "issuer in lower case", t.text({**good, "issuer": ISSUER.lower()})
    yield "issuer too short", t.text({**good, "issuer": "ZZ00001"})
    yield "issuer too long", t.text({**good, "issuer": ISSUER + "0"})
    yield "longer than 1024 bytes", text + " " * 1024


def receipts():
    d = first(70)
    signed = t.head(ROOT_KEY, ISSUER, TIME, 70, d.mth())
    rows = []

    def add(comment, value, fault=None):
        raw = value if isinstance(value, str) else t.text(value)
        rows.append({"comment": comment, "receipt": raw, **({"fault": fault} if fault else {}), "result": "invalid" if fault else "valid"})

    for m in (0, 1, 2, 3, 31, 64, 69):
        add(f"{m} of 70", t.receipt(signed, m, ENTRIES[m], t.path(m, d)))
    add("0 of 1", t.receipt(t.head(ROOT_KEY, ISSUER, TIME, 1, first(1).mth()), 0, ENTRIES[0], []))
    vast = t.Alike(LARGEST)
    vast_head = t.head(ROOT_KEY, ISSUER, TIME, LARGEST, vast.mth())
    longest = t.receipt(vast_head, 0, "alike", t.path(0, vast))
    add("a path of 64", longest)
    only = lambda entry: t.receipt(t.head(ROOT_KEY, ISSUER, TIME, 1, t.leaf_hash(entry.encode())), 0, entry, [])
    add("an entry of 16384 bytes", only("x" * 16384))
    add("an entry of 16384 bytes beyond ASCII", only("\u00fc" * 8192))
    add("an entry of 16385 bytes", only("x" * 16385), "malformed")
    add("an entry of 16386 bytes in 8193 characters", only("\u00fc" * 8193), "malformed")

    good = t.receipt(signed, 31, ENTRIES[31], t.path(31, d))
    add("entry written with escapes", t.text(good).replace(t.text(ENTRIES[31]), '"' + "".join(f"\\u{ord(c):04x}" for c in ENTRIES[31]) + '"'))
    hashes = t.path(31, d)
    for comment, wrong in twins(hashes):
        add(comment, {**good, "path": hexes(wrong)}, "proof")
    add("index one less", {**good, "index": 30}, "proof")
    add("index one more", {**good, "index": 32}, "proof")
    add("index is the size", {**good, "index": 70}, "proof")
    add("the largest index", {**good, "index": LARGEST}, "proof")
    add("entry changed", {**good, "entry": ENTRIES[31].replace("31", "13")}, "proof")
    add("entry with a newline", {**good, "entry": ENTRIES[31] + "\n"}, "proof")
    add("a node as entry", t.receipt(t.head(ROOT_KEY, ISSUER, TIME, 2, first(2).mth()), 0, "\x01" + "x" * 64, []), "proof")
    for comment, name, value in [("time", "time", TIME + 1), ("size", "size", 71), ("root", "root", flip(d.mth()).hex()), ("signature", "signature", flip(bytes.fromhex(signed["signature"]), 300).hex())]:
        add(f"{comment} of the head changed", {**good, "head": {**signed, name: value}}, "signature")
    add("signed with another key", {**good, "head": t.head(OTHER_KEY, ISSUER, TIME, 70, d.mth())}, "signature")
    add("issuer of the head changed", {**good, "head": {**signed, "issuer": OTHER}}, "issuer")
    add("another authority's, signed by it", {**good, "head": t.head(OTHER_KEY, OTHER, TIME, 70, d.mth())}, "issuer")
    add("another name, signed with the right key", {**good, "head": t.head(ROOT_KEY, OTHER, TIME, 70, d.mth())}, "issuer")
    add("signature and path damaged", {**good, "head": {**signed, "time": 0}, "path": []}, "signature")

    text = t.text(good)
    add("a path of 65", {**longest, "path": longest["path"] + longest["path"][:1]}, "malformed")
    for comment, raw in [
        ("empty text", ""),
        ("cut by one character", text[:-1]),
        ("something behind it", text + "0"),
        ("a list", t.text(list(good.values()))),
        ("the head as a list", t.text({**good, "head": list(signed.values())})),
        ("the head as text", t.text({**good, "head": t.text(signed)})),
        ("an unknown member", t.text({**good, "note": ""})),
        ("an unknown member of the head", t.text({**good, "head": {**signed, "note": ""}})),
        ("index as text", t.text({**good, "index": "31"})),
        ("index negative", t.text({**good, "index": -1})),
        ("index with a fraction", t.text({**good, "index": 31.0})),
        ("index is 2^64", t.text({**good, "index": 2**64})),
        ("entry is an object", t.text({**good, "entry": {"sequence": 1}})),
        ("entry with half a pair of code units", text.replace(t.text(ENTRIES[31]), '"\\ud800"')),
        ("entry with a bare line break", text.replace(t.text(ENTRIES[31]), '"a\nb"')),
        ("path is null", t.text({**good, "path": None})),
        ("path is a text", t.text({**good, "path": "".join(good["path"])})),
        ("path with a number", t.text({**good, "path": good["path"][:-1] + [0]})),
        ("path in capitals", t.text({**good, "path": [each.upper() for each in good["path"]]})),
        ("a hash of 31 bytes", t.text({**good, "path": [good["path"][0][:-2]] + good["path"][1:]})),
        ("a comma too many", text[:-1] + ",}"),
        ("a comment", text[:-1] + "/**/}"),
    ]:
        add(comment, raw, "malformed")
    for name in good:
        add(f"no {name}", {key: value for key, value in good.items() if key != name}, "malformed")
        add(f"{name} twice", text[:-1] + "," + t.text({name: good[name]})[1:], "malformed")
    return rows
