"""The command line of the second implementation; for tests only, like all of it.

  python3 -m oracle peer                                   cards and terminals for another program (see peer.py)
  python3 -m oracle card HOST:PORT FILE                    the card in FILE, in the slot that listens there (blank if FILE is new)
  python3 -m oracle personalise READER CAR CHR NONCE       asks for PIN and PUK, the root, and the certificate that answers the request
  python3 -m oracle request FILE CAR CHR NONCE             a terminal's request; FILE keeps the terminal
  python3 -m oracle install FILE CERTIFICATE ROOT ..       its certificate, roots and links, as files
  python3 -m oracle talk READER FILE                       one insertion; asks for the PIN where it is needed
  python3 -m oracle inspect PAPER [ROOT]                   what a certificate, request or status list says, and whether it verifies

READER is the name of a PC/SC reader, or HOST:PORT to listen for a virtual card. Papers are PEM or plain bytes.
"""

import base64
import datetime
import getpass
import os
import pathlib
import pickle
import sys

from .card import Card
from .memory import Memory
from .papers import Certificate, Request, StatusList, unarmoured
from .peer import FAILURES, Peer, failed
from .primitives import BadPoint
from .reader import drive, insert, reader
from .shelf import Shelf
from .station import Station
from .terminal import Terminal
from .tlv import Malformed


def read_paper(path):
    return unarmoured(pathlib.Path(path).read_bytes())


def pem(label, raw):
    lines = base64.encodebytes(raw).decode().replace("\n", "")
    body = "\n".join(lines[at : at + 64] for at in range(0, len(lines), 64))
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----"


class SavedMemory(Memory):
    """A card's memory that is written down at each commit."""

    path = None

    def commit(self, changed):
        super().commit(changed)
        save(self.path, self.__dict__)


def save(path, content):
    new = pathlib.Path(f"{path}.new")
    new.write_bytes(pickle.dumps(content))
    new.chmod(0o600)
    new.replace(path)


def load_shelf(path):
    shelf = pickle.loads(pathlib.Path(path).read_bytes())
    shelf.today = today()
    return shelf


def today():
    return datetime.datetime.now(datetime.timezone.utc).date()


def card(where, path):
    memory = SavedMemory()
    SavedMemory.path = path
    if pathlib.Path(path).exists():
        memory.__dict__ = pickle.loads(pathlib.Path(path).read_bytes())
    insert(Card(memory, os.urandom), where)


def personalise(where, car, chr_, nonce):
    line, station = reader(where), Station()
    line.begin()
    drive(station.begin(), line)
    drive(station.set_pin(getpass.getpass("PIN: ").encode()), line)
    drive(station.set_puk(getpass.getpass("PUK: ").encode()), line)
    drive(station.store_certificate(read_paper(input("the root's file: "))), line)
    print(pem("CV CERTIFICATE REQUEST", drive(station.make_key(car.encode(), chr_.encode(), bytes.fromhex(nonce)), line)))
    drive(station.store_certificate(read_paper(input("the certificate's file: "))), line)
    drive(station.activate(), line)
    line.end()


def request(path, car, chr_, nonce):
    shelf = Shelf(today())
    raw = shelf.ask_for_certificate(os.urandom, car.encode(), chr_.encode(), bytes.fromhex(nonce))
    save(path, shelf)
    print(pem("CV CERTIFICATE REQUEST", raw))


def install(path, certificate, *issuers):
    shelf = load_shelf(path)
    for issuer in (Certificate(read_paper(issuer)) for issuer in issuers):
        (shelf.add_root if issuer.is_root else shelf.add_link)(issuer)
    shelf.install(Certificate(read_paper(certificate)))
    save(path, shelf)


class Person:
    """Whoever sits at the terminal."""

    def may_set_up(self, reason):
        return input(f"{reason}: pair with the card? [y/n] ") == "y"

    def pin(self, chr_, reason, tries, puk_tries, known):
        digits = getpass.getpass(f"PIN of card {chr_.decode()} ({tries} tries left), empty to stop: ")
        return (None, digits.encode()) if digits else None

    def notice(self, notice):
        print(notice)


def talk(where, path):
    line, shelf = reader(where), load_shelf(path)
    line.begin()
    try:
        session = drive(Terminal(shelf, os.urandom).connect(Person()), line)
        for call in (session.status, session.services, session.vault_list, session.counter_read):
            data, word = drive(call(), line)
            print(f"{word:04X} {data.hex()}")
    finally:
        save(path, shelf)
        line.end()


def inspect(path, root=None):
    raw, issuer = read_paper(path), root and Certificate(read_paper(root))
    for kind in (Certificate, Request, StatusList):
        try:
            paper = kind(raw)
        except (Malformed, BadPoint):
            continue
        for name, value in vars(paper).items():
            if name not in ("raw", "signed"):
                print(f"{name:<10} {value.hex() if isinstance(value, bytes) else value}")
        if issuer and kind is not Request:
            print(f"{'verifies':<10} {paper.signed_by(issuer) and paper.car == issuer.chr}")
        return
    sys.exit("malformed")


COMMANDS = {each.__name__: each for each in (card, personalise, request, install, talk, inspect)}


def main(name="", *arguments):
    if name == "peer":
        Peer().serve()
    elif name not in COMMANDS:
        sys.exit(__doc__)
    else:
        try:
            COMMANDS[name](*arguments)
        except FAILURES as failure:
            sys.exit(f"{name}: {failed(failure)}")


if __name__ == "__main__":
    main(*sys.argv[1:])
