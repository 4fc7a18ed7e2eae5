"""One whole life in bytes: personalisation, a reconnect that fails, set-up, sessions, a second insertion.

Both ends are played here from docs/protocol.md; the card's answers are what a card with the same tape must give.
"""

from .encoding import AUTHORITY, CARD, TERMINAL, aid, apdu, certificate, chained, fci, request, tlv
from .primitives import PrivateKey, Tape, decapsulate, encapsulate
from .protocol import OK, Channel, PairingKey, Transcript, pair, prk1, prk2, sm1, sm2

ROOT, HOLDER_C, HOLDER_T = "ZZTALLYROOT00001", "ZZTALLYCARD00001", "ZZTALLYTERM00001"
PIN, PUK = b"271828", b"31415926"
SELECT = bytes.fromhex("00a40400")
VERIFY_CERTIFICATE = bytes.fromhex("002a00be")
RECONNECT, KEY_EXCHANGE = bytes.fromhex("00860101"), bytes.fromhex("00860102")
RANDOM, COMMIT = bytes.fromhex("0c860103"), bytes.fromhex("0c860104")
CERTIFICATE, STATUS = bytes.fromhex("0cca7f21"), bytes.fromhex("0cca0101")
SERVICES, VERIFY = bytes.fromhex("0cca0105"), bytes.fromhex("0c200081")
SELECT_SERVICE = bytes.fromhex("0ca40400")
SHORT = b"\0"


class Session:
    """The exchange so far, and what both ends hold."""

    def __init__(self):
        self.card, self.terminal = Tape(b"TALLY1 card tape"), Tape(b"TALLY1 terminal tape")
        self.steps = []
        self.root = PrivateKey(b"\x01" * 32)
        self.tsk = PrivateKey(b"\x21" * 32)
        self.root_certificate = certificate(self.root, ROOT, ROOT, AUTHORITY, self.root.compressed)
        self.cert_t = certificate(self.root, ROOT, HOLDER_T, TERMINAL, self.tsk.compressed)
        self.slots = [None] * 16  # None: a decoy
        self.operational = False

    # -- power and plain exchanges

    def power_up(self):
        self.keys = []
        for slot in self.slots:
            self.keys.append(slot or PairingKey(self.card.take(32)))
        self.spare = PairingKey(self.card.take(32))
        self.steps.append({"power": "up"})

    def exchange(self, comment, header, data, answer=b"", status=OK, expected=None):
        """One logical exchange in short APDUs; a long answer is fetched by GET RESPONSE."""
        commands = chained(header, data, expected)
        for command in commands[:-1]:
            self.step(comment + " (segment)", command, OK)
        rest, command = answer, commands[-1]
        while len(rest) > 256:
            piece, rest = rest[:256], rest[256:]
            waiting = bytes([len(rest) if len(rest) < 256 else 0])
            self.step(comment, command, piece + b"\x61" + waiting)
            command = bytes.fromhex("00c00000") + waiting
        self.step(comment, command, rest + status)

    def step(self, comment, command, response):
        self.steps.append({"comment": comment, "command": command.hex(), "response": response.hex()})

    # -- the card's life

    def personalise(self):
        self.select()
        self.exchange("set PIN", bytes.fromhex("00240181"), PIN)
        self.card.take(32)
        self.exchange("set PUK", bytes.fromhex("00240182"), PUK)
        self.card.take(32)
        store = bytes.fromhex("00da7f21")
        self.exchange("store the root", store, self.root_certificate)
        self.csk = self.card.key()
        nonce = bytes([5]) * 16
        order = tlv(0x42, ROOT.encode()) + tlv(0x5F20, HOLDER_C.encode()) + tlv(0x81, nonce)
        answer = request(self.csk, ROOT, HOLDER_C, CARD, nonce)
        self.exchange("generate the key pair", bytes.fromhex("00468000"), order, answer, expected=256)
        self.cert_c = certificate(self.root, ROOT, HOLDER_C, CARD, self.csk.compressed)
        self.exchange("store the certificate", store, self.cert_c)
        self.exchange("activate", bytes.fromhex("00440000"), b"")
        self.operational = True

    def select(self):
        prand = self.card.take(8)
        answer = fci(prand, [key.tag(prand) for key in self.keys], 0x83 if self.operational else 0x03)
        self.exchange("SELECT", SELECT, aid(0), answer, expected=256)
        transcript = Transcript()
        transcript.command(SELECT, aid(0))
        transcript.response(answer)
        return prand, transcript

    def reconnect(self, slot):
        """C1 and its answer. Without a slot the terminal knows no key, and the card answers with a decoy."""
        prand, transcript = self.select()
        hint = self.terminal.take(4) if slot is None else None
        nonce = self.terminal.take(16)
        hint = hint or self.keys[slot].hint(prand, nonce)
        key = self.keys[slot] if slot is not None else self.keys[self.slots.index(None)]
        command = tlv(0x7C, tlv(0x80, hint), tlv(0x81, nonce))
        card_nonce = self.card.take(16)
        transcript.command(RECONNECT, command)
        th_f = transcript.reconnect(card_nonce)
        answer = tlv(0x7C, tlv(0x81, card_nonce), tlv(0x82, key.proof(th_f)))
        self.exchange("AUTHENTICATE, reconnect", RECONNECT, command, answer, expected=256)
        if slot is None:
            return
        self.channel = Channel(key.session_keys(th_f))
        self.keys[slot] = self.slots[slot] = key.next()  # the card moves on before it executes the first command

    def secured(self, comment, header, data=b"", answer=b"", status=OK, le=SHORT):
        field = self.channel.command(header, data, le)
        self.exchange(comment, header, field, self.channel.response(answer, status), status, expected=256)

    def set_up(self):
        _, transcript = self.select()
        self.exchange("VERIFY CERTIFICATE", VERIFY_CERTIFICATE, self.cert_t)
        transcript.command(VERIFY_CERTIFICATE, self.cert_t)
        transcript.response(b"")

        e_t = self.terminal.key()
        share = tlv(0x7C, tlv(0x85, e_t.uncompressed))
        e_c = self.card.key()
        c_c, r_c = encapsulate(self.tsk.uncompressed, self.card.key())
        assert r_c == decapsulate(self.tsk, c_c)
        answer = tlv(0x7C, tlv(0x85, e_c.uncompressed), tlv(0x86, c_c))
        self.exchange("AUTHENTICATE, key exchange", KEY_EXCHANGE, share, answer, expected=256)
        transcript.command(KEY_EXCHANGE, share)
        transcript.response(answer)

        first = prk1(transcript.value, e_t.agree(e_c.uncompressed), r_c)
        self.channel = Channel(sm1(first))
        field = self.channel.command(CERTIFICATE, b"", SHORT)
        answer = self.channel.response(self.cert_c)
        self.exchange("GET DATA certificate", CERTIFICATE, field, answer, expected=256)
        transcript.command(CERTIFICATE, field)
        transcript.response(answer)

        c_t, r_t = encapsulate(self.csk.uncompressed, self.terminal.key())
        field = self.channel.command(RANDOM, tlv(0x7C, tlv(0x86, c_t)), SHORT)
        transcript.command(RANDOM, field)
        second = prk2(transcript.value, first, r_t)
        self.channel = Channel(sm2(second))
        self.exchange("AUTHENTICATE, terminal's random", RANDOM, field, self.channel.response(self.status()), expected=256)

        self.secured("VERIFY, wrong", VERIFY, b"000000", status=bytes.fromhex("63c2"), le=None)
        self.secured("VERIFY", VERIFY, PIN, le=None)
        self.secured("AUTHENTICATE, commit", COMMIT, le=None)
        self.keys[0] = self.slots[0] = pair(second)

    @staticmethod
    def status():
        """No list, trusted date 2026-01-01, all tries."""
        return bytes.fromhex("00000000" "260101" "a3")

    def use(self):
        self.secured("GET DATA status", STATUS, answer=self.status())
        services = tlv(0x4F, aid(1)) + tlv(0x4F, aid(2))
        self.secured("GET DATA services", SERVICES, answer=services)
        self.secured("SELECT counter", SELECT_SERVICE, aid(2), le=None)
        amount = (5).to_bytes(4, "big")
        self.secured("counter ADD", bytes.fromhex("8c220000"), amount, amount)
        self.secured("SELECT vault", SELECT_SERVICE, aid(1), le=None)
        name, content = tlv(0x80, b"note"), bytes(range(256)) + bytes(range(100))
        write, read = bytes.fromhex("8c140000"), bytes.fromhex("8c120000")
        data = name + tlv(0x81, b"\x03") + tlv(0x82, content)
        self.secured("vault WRITE without PIN", write, data, status=bytes.fromhex("6982"), le=None)
        self.secured("VERIFY", VERIFY, PIN, le=None)
        self.secured("vault WRITE", write, data, le=None)
        self.secured("vault READ", read, name, content, le=bytes.fromhex("fffd"))
        self.secured("vault READ, no such object", read, tlv(0x80, b"none"), status=bytes.fromhex("6a82"), le=bytes.fromhex("fffd"))


def whole():
    session = Session()
    session.power_up()
    session.personalise()
    session.reconnect(None)
    session.set_up()
    session.reconnect(0)
    session.use()
    session.power_up()
    session.reconnect(0)
    session.secured("GET DATA status", STATUS, answer=session.status())
    return session
