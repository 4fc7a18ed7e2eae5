"""Cards and terminals for another program: one JSON object a line, a request in and its answer out.

| request | answer |
|---|---|
| `{"do": "card", "id": "c", "seed": 1}` | a blank card, without power |
| `{"do": "reset", "id": "c"}` | `{}` |
| `{"do": "fail", "id": "c", "number": n or null, "done": bool}` | `{}`; the nth write from now on, counted from 0, fails, and is done all the same or not |
| `{"do": "transmit", "id": "c", "apdu": hex}` | `{"answer": hex}` |
| `{"do": "terminal", "id": "t", "seed": 2, "today": "2026-11-21"}` | a terminal without identity |
| `{"do": "request", "id": "t", "car": text, "chr": text, "nonce": hex}` | `{"paper": hex}` |
| `{"do": "today", "id": "t", "today": "2026-11-22"}` | `{}` |
| `{"do": "root", "link", "install" or "list", "id": "t", "paper": hex}` | `{}` |
| `{"do": "connect", "id": "t", "policy": .., "agrees": bool, "answers": [..]}` | `{"asked": [..], "notices": [..], "begun": bool}` |
| `{"do": "session" or "station", "id": "t", "call": name, "arguments": [..]}` | `{"data": hex}` or `{"data": hex, "word": n}` |
| `{"do": "stray", "id": "t", "state": name, "arguments": [..]}` | at the next set-up the terminal asks this besides |
| `{"do": "judge", "id": "", "kind": "certificate", "request" or "list", "paper": hex}` | `{}` if it is one |
| `{"do": "insert", "id": "c", "where": "host:port"}` | the card is in the slot that listens there |
| `{"do": "reader", "id": "t", "where": ":0" or name}` | `{"port": n}`; from now on the terminal has a reader of its own |
| `{"do": "begin" or "end", "id": "t"}` | the card in that reader gets power, or is reset |
| `{"do": "drop", "id": "c"}` | `{}` |

What talks to a card without a reader says `{"send": hex}` first, as often as it needs to, and reads `{"answer": hex}` or `{"lost": true}`. What is
refused says `{"failed": kind, "why": text}`. An answer of a user is a PIN, or `[PUK, new PIN]`; when the answers are used up, he
refuses. Strings among the arguments are hexadecimal.
"""

import datetime
import json
import sys
import threading

from .card import Card
from .channel import Broken
from .memory import Fault, Memory
from .papers import Certificate, Request, StatusList
from .primitives import BadPoint
from .reader import drive, insert, reader
from .services import Refused
from .shelf import Failed, Shelf
from .station import Station
from .terminal import Lost, Terminal
from .tlv import Malformed

KINDS = {Lost: "lost", Broken: "channel", Malformed: "malformed", BadPoint: "malformed", Refused: "refused"}
FAILURES = (Failed, *KINDS)


def failed(failure):
    kind = failure.kind if isinstance(failure, Failed) else next(kind for cause, kind in KINDS.items() if isinstance(failure, cause))
    return {"failed": kind, "why": str(failure)}


def arguments(request):
    return [bytes.fromhex(each) if isinstance(each, str) else each for each in request["arguments"]]


class Tape:
    """SplitMix64, eight bytes at a time, the more significant first; a draw does not share them with the next one."""

    def __init__(self, seed):
        self.state = seed

    def _next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) % 2**64
        mixed = (self.state ^ self.state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB % 2**64
        return (mixed ^ mixed >> 31).to_bytes(8, "big")

    def __call__(self, size):
        return b"".join(self._next()[: size - at] for at in range(0, size, 8))


class User:
    """A user at a terminal, as a script."""

    def __init__(self, agrees, answers):
        self.agrees, self.answers = agrees, list(answers)
        self.asked, self.notices = [], []

    def may_set_up(self, reason):
        self.asked.append(reason)
        return self.agrees

    def pin(self, chr_, reason, tries, puk_tries, known):
        self.asked.append(f"PIN {chr_.decode()} {reason} {tries or 'blocked'} {puk_tries} {str(known).lower()}")
        if not self.answers:
            return None
        answer = self.answers.pop(0)
        return (None, answer.encode()) if isinstance(answer, str) else tuple(code.encode() for code in answer)

    def notice(self, notice):
        self.notices.append(notice)


class Desk:
    """A terminal with what it is doing now."""

    def __init__(self, seed, today):
        self.shelf = Shelf(datetime.date.fromisoformat(today))
        self.terminal = Terminal(self.shelf, Tape(seed))
        self.session, self.station = None, Station()
        self.reader = None  # none: the line of whoever reads us


class Peer:
    """All cards and terminals of one conversation."""

    def __init__(self, incoming=None, outgoing=None):
        self.incoming, self.outgoing = incoming or sys.stdin, outgoing or sys.stdout
        self.ends = {}

    def serve(self):
        while line := self.incoming.readline():
            try:
                answer = self.answer(json.loads(line))
            except FAILURES as failure:
                answer = failed(failure)
            self._say(answer)

    def _say(self, answer):
        self.outgoing.write(json.dumps(answer) + "\n")
        self.outgoing.flush()

    def answer(self, request):
        do, name = request["do"], request["id"]
        if do == "card":
            self.ends[name] = Card(Memory(), Tape(request["seed"]))
        elif do == "terminal":
            self.ends[name] = Desk(request["seed"], request["today"])
        elif do == "drop":
            del self.ends[name]
        elif do == "reset":
            self.ends[name].reset()
        elif do == "transmit":
            return {"answer": self.ends[name].transmit(bytes.fromhex(request["apdu"])).hex()}
        else:
            return getattr(self, "_" + do)(self.ends.get(name), request)
        return {}

    def transmit(self, command):
        """Over the line of whoever reads us."""
        self._say({"send": command.hex()})
        heard = json.loads(self.incoming.readline())
        if "lost" in heard:
            raise Lost
        return bytes.fromhex(heard["answer"])

    @staticmethod
    def _reader(desk, request):
        desk.reader = reader(request["where"])
        return {"port": getattr(desk.reader, "port", 0)}

    @staticmethod
    def _insert(card, request):
        threading.Thread(target=insert, args=(card, request["where"]), daemon=True).start()
        return {}

    @staticmethod
    def _fail(card, request):
        card.memory.fault = None if request["number"] is None else Fault(request["number"], request["done"])
        return {}

    @staticmethod
    def _stray(desk, request):
        desk.terminal.stray = {request["state"]: arguments(request)}
        return {}

    @staticmethod
    def _judge(_end, request):
        """Whether a paper is one; raises what it is not."""
        paper = {"certificate": Certificate, "request": Request, "list": StatusList}[request["kind"]]
        paper(bytes.fromhex(request["paper"]))
        return {}

    @staticmethod
    def _begin(desk, _request):
        desk.reader.begin()
        return {}

    @staticmethod
    def _end(desk, _request):
        desk.reader.end()
        return {}

    @staticmethod
    def _request(desk, request):
        car, chr_, nonce = request["car"].encode(), request["chr"].encode(), bytes.fromhex(request["nonce"])
        return {"paper": desk.shelf.ask_for_certificate(desk.terminal.random, car, chr_, nonce).hex()}

    @staticmethod
    def _today(desk, request):
        desk.shelf.today = datetime.date.fromisoformat(request["today"])
        return {}

    @staticmethod
    def _root(desk, request):
        desk.shelf.add_root(Certificate(bytes.fromhex(request["paper"])))
        return {}

    @staticmethod
    def _link(desk, request):
        desk.shelf.add_link(Certificate(bytes.fromhex(request["paper"])))
        return {}

    @staticmethod
    def _install(desk, request):
        desk.shelf.install(Certificate(bytes.fromhex(request["paper"])))
        return {}

    @staticmethod
    def _list(desk, request):
        desk.shelf.take_list(bytes.fromhex(request["paper"]))
        return {}

    def _connect(self, desk, request):
        user = User(request["agrees"], request["answers"])
        try:
            desk.session, outcome = drive(desk.terminal.connect(user, request["policy"]), desk.reader or self), {}
        except FAILURES as failure:
            outcome = failed(failure)
        return {"asked": user.asked, "notices": user.notices, "begun": desk.terminal.begun, **outcome}

    def _station(self, desk, request):
        return self._call(desk, desk.station, request)

    def _session(self, desk, request):
        return self._call(desk, desk.session, request)

    def _call(self, desk, end, request):
        result = getattr(end, request["call"])(*arguments(request))
        found = drive(result, desk.reader or self) if result else b""
        if isinstance(found, tuple):
            return {"data": found[0].hex(), "word": found[1]}
        return {"data": "", "word": found} if isinstance(found, int) else {"data": (found or b"").hex()}
