"""Judges vectors of the ledger's tree, and says whether the file agrees: python3 -m oracle.judge vectors/tree.json"""

import json
import pathlib
import sys

from .receipt import REASONS, verify
from .tlv import Malformed
from .tree import Head, Refused, check_consistency, check_inclusion, leaf_hash, load, mth, refuse_unless


def _receipt(root, raw):
    """By the very program that others run; its line says why."""
    line, holds = verify(root, raw)
    reasons = {f"refused: {reason}": fault for fault, reason in REASONS.items()}
    return None if holds and line.startswith("verified: ") else reasons[line]


def _fault(common, entries, row):
    """Why a row is refused, None if it is not."""
    field = lambda name: bytes.fromhex(row[name])
    path = [bytes.fromhex(each) for each in row.get("path", [])]
    kind = common["type"]
    try:
        if kind == "TreeLeaf":
            refuse_unless(leaf_hash(row["entry"].encode()) == field("hash"), "hash")
        elif kind == "TreeRoot":
            refuse_unless(mth(entries[: row["size"]]) == field("root"), "root")
        elif kind == "Inclusion":
            check_inclusion(field("leaf"), row["index"], row["size"], path, field("root"))
        elif kind == "Consistency":
            check_consistency(row["first"], field("firstRoot"), row["second"], field("secondRoot"), path)
        elif kind == "TreeHead":
            head = Head(load(row["json"].encode(), 1024))
            refuse_unless(head.signed_by(bytes.fromhex(common["key"])), "signature")
            refuse_unless(head.signed == bytes.fromhex(row.get("signed", "")), "signed bytes")
        elif kind == "Receipt":
            return _receipt(bytes.fromhex(common["root"]), row["receipt"].encode())
    except Malformed:
        return "malformed"
    except Refused as refused:
        return str(refused)
    return None


def judge(file):
    """How many rows there are, and a line for each that is judged otherwise than the file says."""
    groups = {group["type"]: group for group in file["testGroups"]}
    entries = [leaf_hash(row["entry"].encode()) for row in groups["TreeLeaf"]["tests"]]
    rows = [(group, row) for group in groups.values() for row in group["tests"]]
    wrong = []
    for group, row in rows:
        found = _fault(group, entries, row)
        if (found is None) != (row["result"] == "valid") or found != row.get("fault", found):
            wrong.append(f"{group['type']} {row['tcId']} ({row['comment']}): {found}")
    return len(rows), wrong


if __name__ == "__main__":
    count, wrong = judge(json.loads(pathlib.Path(sys.argv[1]).read_bytes()))
    sys.exit("\n".join(wrong)) if wrong else print(f"{count} rows judged as the file says")
