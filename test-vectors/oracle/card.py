"""The card: SELECT, the order of refusals, and its volatile states (sections 4, 5, 8.2, 9, 12.2)."""

from . import apdu, commands, services
from . import primitives as p
from . import schedule as s
from .channel import Broken, Channel
from .commands import PERSONALISATION, SESSION
from .memory import SLOTS, StorageFailed
from .papers import TERMINAL, Certificate
from .services import AUTHENTICATION, Refused, allow
from .tlv import Malformed, obj, sized, take

ATR = bytes.fromhex("3B8501807380 01C036")
NONE, IDLE, PERSO, CERT, PROV, AUTH, PINOK, FWAIT, SECURE = range(9)
SESSIONS = (FWAIT, PROV, AUTH, PINOK, SECURE)
CERTIFIED_AND_ACTIVE, CHAINING_AND_EXTENDED = 0x80, 0x03
CHAINED_PLAIN = (0x2A, 0x86, 0xDA)
SELECT, GET_RESPONSE = b"\0\xa4\4\0", b"\0\xc0\0\0"
VERIFY_CERTIFICATE = b"\0\x2a\0\xbe"
C1, KEY_EXCHANGE = b"\0\x86\1\1", b"\0\x86\1\2"
GET_CERTIFICATE, TERMINAL_SECRET, COMMIT = b"\xca\x7f\x21", b"\x86\1\3", b"\x86\1\4"
STATUS = b"\xca\1\1"
IN_DOUBT = 0x6581
AUTH_COMMANDS = {b"\x20\0\x81": commands.verify, b"\x2c\0\x81": commands.unblock, STATUS: commands.status}


class Card:
    """A card over its memory. `random(size)` gives random bytes."""

    def __init__(self, memory, random):
        self.memory, self.random = memory, random
        self.in_doubt = False  # a write failed: nothing is known of the memory until the next power-up
        self.decoys = [None] * SLOTS
        self.spare = None
        self.forget()

    def reset(self):
        """Power-up and reset: fresh decoys, state NONE. Gives the answer to reset."""
        self.forget()
        self.in_doubt = False
        self.decoys = [None if self.memory.usable(slot) else self.random(32) for slot in range(SLOTS)]
        self.spare = self.random(32)
        return ATR

    def forget(self):
        """State NONE: nothing volatile is left but the decoys."""
        self.state = NONE
        self.chain = self.channel = self.transcript = self.service = None
        self.terminal = self.link = self.slot = None
        self.waiting, self.verified, self.certificate_given = b"", False, False
        self.waiting_word = 0x9000

    def commit(self, changed):
        """Makes changes durable; slots that became free get their decoys."""
        self.memory.commit(changed)
        for slot in range(SLOTS):
            if self.memory.usable(slot):
                self.decoys[slot] = None
            elif self.decoys[slot] is None:
                self.decoys[slot] = self.random(32)

    def keeps_last_try(self):
        return self.state == AUTH and bool(self.memory.in_use())

    def transmit(self, raw):
        """One APDU and its answer."""
        command = apdu.parse(raw)
        try:
            allow(not self.in_doubt, IN_DOUBT)
            allow(command, 0x6700)
            return self._heard(command)
        except Refused as refusal:
            self.forget()
            return p.u16(refusal.word)
        except StorageFailed:
            self.forget()
            self.in_doubt = True
            return p.u16(IN_DOUBT)

    # Steps 1 to 4 of the order of refusals.

    def _heard(self, command):
        if command.header == SELECT:
            return self._select(command)
        in_session = self.state in SESSIONS
        if self.waiting:
            allow(command.header == GET_RESPONSE and not command.data, 0x6982 if in_session else 0x6985)
            allow(command.expected, 0x6700)
            return self._send(command)
        self._check_class(command.header[0])
        if not self._collect(command, in_session):
            return b"\x90\x00"
        data, self.chain = self.chain[1], None
        header = command.logical_header()
        answer = self._secured(header, data) if header[0] else self._plain(header, data)
        self.waiting, self.waiting_word = answer[:-2], answer[-2:]
        return self._send(command)

    @staticmethod
    def _check_class(cla):
        allow(cla not in (1, 2, 3) and not 0x40 <= cla <= 0x7F, 0x6881)
        allow(cla not in (0x04, 0x08, 0x14, 0x18, 0x84, 0x88), 0x6882)
        allow(cla in (0x00, 0x10, 0x0C, 0x1C, 0x8C, 0x9C), 0x6E00)

    def _collect(self, command, in_session):
        """Takes one part of a logical message; says whether it was the last."""
        header = command.logical_header()
        if command.is_segment():
            allow(command.data and command.expected is None, 0x6700)
        allow(not self.chain or self.chain[0] == header, 0x6883)
        if command.is_segment():
            allow(header[0] or header[1] in CHAINED_PLAIN, 0x6884)
        has_keys = self.channel is not None
        allow(header[0] or not in_session, 0x6982)
        allow(not header[0] or has_keys, 0x6985)
        before = self.chain[1] if self.chain else b""
        self.chain = header, before + command.data
        allow(len(self.chain[1]) <= apdu.MOST_DATA, 0x6700)
        return not command.is_segment()

    def _send(self, command):
        """As much of the answer as the command's form takes; the rest waits."""
        most = len(self.waiting)
        if command.header == GET_RESPONSE:
            most = min(command.expected, apdu.SHORT_ANSWER)
        elif not command.extended:
            most = apdu.SHORT_ANSWER
        part, self.waiting = self.waiting[:most], self.waiting[most:]
        if self.waiting:
            return part + bytes([0x61, len(self.waiting) if len(self.waiting) < 256 else 0])
        return part + self.waiting_word

    def _select(self, command):
        self.forget()
        allow(command.data == AUTHENTICATION, 0x6A82)
        allow(command.expected, 0x6700)
        prand = self.random(8)
        tags = b"".join(s.tag(self._answering_key(slot), prand) for slot in range(SLOTS))
        capabilities = CHAINING_AND_EXTENDED | (CERTIFIED_AND_ACTIVE if self.memory.active else 0)
        limits = obj(0x7F66, obj(0x02, b"\xff\xff"), obj(0x02, b"\xff\xff"))
        head = obj(0x80, b"\1") + obj(0x81, b"\0\1") + obj(0x82, bytes([capabilities])) + limits
        body = obj(0xA5, head, obj(0x85, prand), obj(0x86, tags))
        answer = obj(0x6F, obj(0x84, AUTHENTICATION), body) + b"\x90\x00"
        self.state, self.prand, self.transcript = IDLE, prand, s.Transcript()
        self._record(SELECT, command.data, answer)
        return answer

    def _answering_key(self, slot):
        return self.decoys[slot] or self.memory.slots[slot].key

    def _record(self, header, data, answer=None):
        self.transcript.add(s.COMMAND, header + data)
        if answer:
            self.transcript.add(s.ANSWER, answer)

    # Plain commands: steps 6 to 9.

    def _plain(self, header, data):
        known = {VERIFY_CERTIFICATE: self._verify_certificate, C1: self._c1, KEY_EXCHANGE: self._key_exchange}
        personalise = PERSONALISATION.get(header[1:])
        command = known.get(header)
        instructions = {SELECT[1]} | {each[1] for each in known} | {each[0] for each in PERSONALISATION}
        allow(header[1] in instructions, 0x6D00)
        allow(command or personalise, 0x6A86)
        try:
            if command:
                return command(header, data)
            allow(self.state in (IDLE, PERSO), 0x6985)
            answer = personalise(self, data)
            self.state = PERSO
            return answer + b"\x90\x00"
        except (Malformed, p.BadPoint):
            raise Refused(0x6A80) from None

    def _c1(self, header, data):
        allow(self.state == IDLE, 0x6985)
        hint, terminal_nonce = take(take(data, 0x7C)[0], 0x80, 0x81)
        sized(hint, 4), sized(terminal_nonce, 16)
        card_nonce = self.random(16)
        hints = [s.hint(self._answering_key(slot), self.prand, terminal_nonce) for slot in range(SLOTS)]
        in_use = self.memory.in_use()
        self.slot = next((slot for slot in in_use if hints[slot] == hint), None)
        if self.slot is not None:
            key = self.memory.slots[self.slot].key
        else:
            key = next((decoy for decoy in self.decoys if decoy), self.spare)
        th_f = s.th_f(self.transcript.value, header + data, card_nonce)
        self.channel, self.state = Channel(s.session_keys(key, th_f)), FWAIT
        return obj(0x7C, obj(0x81, card_nonce), obj(0x82, s.auth_c(key, th_f))) + b"\x90\x00"

    def _verify_certificate(self, header, data):
        allow(self.state == IDLE or (self.state == CERT and not self.terminal), 0x6985)
        allow(self.memory.active, 0x6985)
        try:
            shown = Certificate(data)
        except Malformed:
            raise Refused(0x6300) from None
        if shown.role == TERMINAL:
            issuers = [*self.memory.roots(), *([self.link] if self.link else [])]
            issuer = next((issuer for issuer in issuers if issuer.chr == shown.car), None)
            allow(issuer and shown.signed_by(issuer) and self.memory.trusts(shown), 0x6300)
            self.terminal = shown
        else:
            allow(self.state == IDLE, 0x6300)
            try:
                self.link = commands.check_link(self, data)
            except Refused:
                raise Refused(0x6300) from None
        self.state = CERT
        self._record(header, data, b"\x90\x00")
        return b"\x90\x00"

    def _key_exchange(self, header, data):
        allow(self.state == CERT and self.terminal, 0x6985)
        point = p.message_point(take(take(data, 0x7C)[0], 0x85)[0])
        ephemeral, inner = p.draw_key(self.random), p.draw_key(self.random)
        card_secret, enc = p.encapsulate(inner, self.terminal.point)
        answer = obj(0x7C, obj(0x85, p.point_of(ephemeral)), obj(0x86, enc)) + b"\x90\x00"
        self._record(header, data, answer)
        self.prk, keys = s.first_stage(self.transcript.value, p.ecdh(ephemeral, point), card_secret)
        self.channel, self.state = Channel(keys), PROV
        return answer

    # Secured commands: step 5, then 6 to 9 protected.

    def _secured(self, header, field):
        try:
            data = self.channel.unwrap_command(header, field)
        except Broken:
            raise Refused(0x6988) from None
        if self.state == FWAIT:
            changed = self.memory.begin()
            slot = changed.slots[self.slot]
            slot.key, slot.generation, slot.used = s.successor(slot.key), slot.generation + 1, changed.next_use()
            self.commit(changed)
            self.state = SECURE
        entered, word = self.state, 0x9000
        if entered in (PROV, AUTH):
            self._record(header, field)
        try:
            answer = {PROV: self._in_prov, AUTH: self._in_auth, PINOK: self._in_pinok, SECURE: self._in_session}[entered](header, data)
        except Refused as refusal:
            answer, word = b"", refusal.word
        except (Malformed, p.BadPoint):
            answer, word = b"", 0x6A80
        except StorageFailed:
            answer, word, self.in_doubt = b"", IN_DOUBT, True
        answer = self.channel.wrap_answer(answer, word) + p.u16(word)
        if entered == PROV and self.state == PROV:
            self.transcript.add(s.ANSWER, answer)
        if self.in_doubt or self._is_over(entered, header, word):
            self.forget()
        return answer

    def _is_over(self, entered, header, word):
        """Whether the state is NONE after this protected answer."""
        if entered == SECURE:
            return self.memory.gone(self.slot)
        if entered == PINOK:
            return header[1:] != STATUS
        if entered == AUTH:
            return header[1:] not in AUTH_COMMANDS and not (header[1:] == COMMIT and word == 0x6982)
        return word != 0x9000

    @staticmethod
    def _known(header):
        instructions = {each[0] for each in SESSION}
        allow(header[0] == 0x0C, 0x6985)
        allow(header[1] in instructions, 0x6D00)
        allow(header[1:] in SESSION, 0x6A86)

    def _in_prov(self, header, data):
        self._known(header)
        if header[1:] == GET_CERTIFICATE and not self.certificate_given:
            answer = commands.certificate(self, data)
            self.certificate_given = True
            return answer
        allow(header[1:] == TERMINAL_SECRET and self.certificate_given, 0x6985)
        enc = take(take(data, 0x7C)[0], 0x86)[0]
        terminal_secret = p.decapsulate(self.memory.key, enc)
        self.prk, keys = s.second_stage(self.transcript.value, self.prk, terminal_secret)
        self.channel, self.state = Channel(keys), AUTH
        return commands.status(self, b"")

    def _in_auth(self, header, data):
        self._known(header)
        allow(header[1:] != COMMIT, 0x6982)
        allow(header[1:] in AUTH_COMMANDS, 0x6985)
        answer = AUTH_COMMANDS[header[1:]](self, data)
        if self.verified:
            self.state = PINOK
        return answer

    def _in_pinok(self, header, data):
        self._known(header)
        if header[1:] == STATUS:
            return commands.status(self, data)
        allow(header[1:] == COMMIT, 0x6985)
        commands.no_data(data)
        changed = self.memory.begin()
        changed.pair(s.pairing_key(self.prk), self.terminal, self.link)
        self.commit(changed)
        return b""

    def _in_session(self, header, data):
        if header[0] == 0x8C:
            allow(self.service, 0x6985)
            return services.serve(self.service, self.memory, header, data, self.verified)
        self._known(header)
        allow(SESSION[header[1:]], 0x6985)
        return SESSION[header[1:]](self, data)
