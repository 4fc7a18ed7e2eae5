"""The terminal: reconnect, set-up and the whole of an insertion (sections 8.3, 9 and 16).

Everything that talks is a generator: it yields an APDU and is sent the answer, or `Lost` is thrown into it. So the caller owns the line.
"""

from . import apdu
from . import primitives as p
from . import schedule as s
from .channel import Broken, Channel
from .services import AUTHENTICATION
from .session import COMMIT, GET_CERTIFICATE, IN_DOUBT, STATUS, TERMINAL_SECRET, VERIFY, Bare, Session
from .shelf import Failed, parse_certificate
from .tlv import Malformed, number, obj, require, sized, take

SELECT, C1, KEY_EXCHANGE, VERIFY_CERTIFICATE = b"\0\xa4\4\0", b"\0\x86\1\1", b"\0\x86\1\2", b"\0\x2a\0\xbe"
NEVER_MET, DID_NOT_AUTHENTICATE, RENEWAL_DUE = "never-met", "known-card", "renewal-due"
ASK, ALWAYS, NEVER = "ask", "always", "never"


class Lost(Exception):
    """No answer: the outcome of the command is unknown."""


class Line:
    """Logical messages over a line that carries APDUs, for one insertion."""

    def __init__(self):
        self.may_extend = False

    def exchange(self, header, data=b"", expected=None):
        """Sends a logical message and gives its whole answer; `expected` is how much is wanted at most, None for nothing."""
        long = len(data) > apdu.SHORT_DATA or (expected or 0) > apdu.SHORT_ANSWER
        if long and self.may_extend:
            le = None if expected is None else 65_536
            answer = yield apdu.Command(header, data, le, True).encode()
            if answer != b"\x67\x00":
                return (yield from self._whole(answer))
            self.may_extend = False
        *chained, last = apdu.segments(header, data, None if expected is None else 256)
        for segment in chained:
            answer = yield segment.encode()
            if answer != b"\x90\x00":
                return answer
        return (yield from self._whole((yield last.encode())))

    def _whole(self, answer):
        data = answer[:-2]
        while answer[-2:-1] == b"\x61":
            answer = yield apdu.get_response(answer[-1] or 256).encode()
            require(answer[:-2] or answer[-2:-1] != b"\x61")
            if answer[-2:] != b"\x90\x00" and answer[-2:-1] not in (b"\x61", b"\x62", b"\x63"):
                return answer[-2:]  # the fetching was refused: what came before is worth nothing
            data += answer[:-2]
            require(len(data) <= apdu.LONGEST_ANSWER)
        return data + answer[-2:]


class Once:
    """A set-up may be disturbed once. What was sent meanwhile may have been counted, so the user is asked again (section 16)."""

    def __init__(self):
        self.disturbed = False


class Selected:
    """The answer to SELECT."""

    def __init__(self, answer):
        if answer in (b"\x6a\x82", b"\x62\x85"):
            raise Failed("unusable-card", answer.hex())
        aid, body = take(take(_plain(answer), 0x6F)[0], 0x84, 0xA5)
        version, suites, capabilities, limits, prand, tags = take(body, 0x80, 0x81, 0x82, 0x7F66, 0x85, 0x86)
        require(aid == AUTHENTICATION)
        if number(version, 1) != 1 or not number(suites, 2) & 1:
            raise Failed("version")
        capabilities = number(capabilities, 1)
        require(capabilities & ~0x83 == 0 and capabilities & 2)
        self.certified, self.extended = bool(capabilities & 0x80), bool(capabilities & 1)
        for limit in take(limits, 0x02, 0x02):
            number(limit, 2)
        self.prand, self.tags = sized(prand, 8), sized(tags, 64)


def _plain(answer, refused="fault"):
    """The data of a plain answer with the word 9000."""
    if answer[-2:] != b"\x90\x00":
        raise Failed(refused, answer[-2:].hex())
    return answer[:-2]


class Terminal:
    """A terminal over its shelf. `random(size)` gives random bytes."""

    def __init__(self, shelf, random):
        self.shelf, self.random = shelf, random
        self.line = self.transcript = None
        self.begun = False  # whether a session was: then the card must be reset at the end
        self.stray = {}  # for tests of cards: what to ask besides, by the state in which the card is

    def connect(self, application, policy=ASK):
        """One insertion: gives an open session, or raises `Failed`."""
        self.line, self.begun = Line(), False
        pairing, channel, reason = yield from self._authenticate_with_retry()
        if reason == RENEWAL_DUE and policy == NEVER:
            reason = None
        if reason:
            if policy == ALWAYS or (policy == ASK and application.may_set_up(reason)):
                yield from self._renew_or_set_up(application, reason, pairing)
            elif reason != RENEWAL_DUE:
                raise Failed("not-paired", reason)
            # Once more, also without a set-up: the reader was released for the question.
            pairing, channel, _ = yield from self._authenticate_with_retry()
            if not channel:
                raise Failed("second-failure")
        return (yield from self._open(application, pairing, channel))

    def _renew_or_set_up(self, application, reason, pairing):
        try:
            yield from self._set_up(application, reason, pairing)
        except (Failed, Malformed, Broken, p.BadPoint):
            if reason != RENEWAL_DUE:
                raise
            application.notice("renewal-failed")

    def _select(self):
        command = apdu.Command(SELECT, AUTHENTICATION, 256)
        answer = yield command.encode()
        selected = Selected(answer)
        self.transcript = s.Transcript()
        self._record(command.header, command.data, answer)
        self.line.may_extend = selected.extended
        return selected

    def _record(self, header, data, answer=None):
        self.transcript.add(s.COMMAND, header + data)
        if answer:
            self.transcript.add(s.ANSWER, answer)

    # Reconnect.

    def _authenticate_with_retry(self):
        try:
            return (yield from self._authenticate())
        except Lost:
            pass
        except Failed as failure:
            if failure.kind != "fault":
                raise
        return (yield from self._authenticate())

    def _authenticate(self):
        """The matched pairing, its channel if it was proven, and else why set-up is needed."""
        selected = yield from self._select()
        pairing, key = self.shelf.match(selected.tags, selected.prand)
        hint = None if pairing else self.random(4)
        terminal_nonce = self.random(16)
        if pairing:
            hint = s.hint(key, selected.prand, terminal_nonce)
        data = obj(0x7C, obj(0x80, hint), obj(0x81, terminal_nonce))
        answer = yield apdu.Command(C1, data, 256).encode()
        card_nonce, proof = take(take(_plain(answer), 0x7C)[0], 0x81, 0x82)
        sized(card_nonce, 16), sized(proof, 16)
        if not pairing:
            return None, None, NEVER_MET
        th_f = s.th_f(self.transcript.value, C1 + data, card_nonce)
        key = next((key for key in pairing.candidates() if s.auth_c(key, th_f) == proof), None)
        if not key:
            return pairing, None, DID_NOT_AUTHENTICATE
        self._refuse_revoked(pairing)
        was_pending = pairing.proven(key)
        due = pairing.due(self.shelf.today) and not was_pending  # such a key is a renewal that was interrupted
        return pairing, Channel(s.session_keys(key, th_f)), RENEWAL_DUE if due else None

    def _open(self, application, pairing, channel):
        """The first secured command, and what follows from its answer (sections 8.3 and 13)."""
        session, self.begun = Session(self.line, channel), True
        session.forget = lambda: self.shelf.forget(pairing)
        data, word = yield from session.command(STATUS, expected=256)
        pairing.advance()
        pairing.uses += 1
        require(word == 0x9000)
        sequence = number(sized(data, 8)[:4], 4)
        held = self.shelf.status_list
        if held and held.sequence > sequence:
            _, word = yield from session.put_status_list(held.raw)
            link = self.shelf.link_to(held.car)
            if word == 0x6A80 and link:
                _, word = yield from session.put_link(link.raw)
                if word == 0x9000:
                    _, word = yield from session.put_status_list(held.raw)
            if word == IN_DOUBT:
                raise Failed("in-doubt")
        elif sequence > self.shelf.sequence():
            raw, word = yield from session.status_list()
            if word == IN_DOUBT:
                raise Failed("in-doubt")
            try:
                require(word == 0x9000)
                self.shelf.take_list(raw)
            except Malformed:
                application.notice("status-list-not-taken")
            self._refuse_revoked(pairing)
        return session

    def _refuse_revoked(self, pairing):
        if self.shelf.revoked(pairing.certificate):
            self.shelf.forget(pairing)
            raise Failed("card-revoked")

    def _forget_revoked(self, certificate):
        """What is stored decides: anybody may show an old certificate of a card that has a new one."""
        known = self.shelf.find(certificate.holder)
        if known and self.shelf.revoked(known.certificate):
            self.shelf.forget(known)

    # Set-up.

    def _set_up(self, application, reason, expected):
        shelf, once = self.shelf, Once()
        try:
            shelf.judge_own(shelf.certificate)
        except Malformed:
            raise Failed("own-certificate") from None
        while True:
            yield from self._show_certificate()
            channel, prk1 = yield from self._exchange_keys()
            certificate = yield from self._see_certificate(channel, expected)
            known = shelf.find(certificate.holder)
            paired_before = bool(known and known.key)
            channel, prk2, tries = yield from self._prove_card(channel, prk1, certificate)
            session = Session(self.line, channel)
            if paired_before and reason != RENEWAL_DUE and not once.disturbed:
                application.notice("pairing-lost")
            yield from self._stray("AUTH", session)
            try:
                yield from self._consent(session, application, reason, certificate, paired_before, tries)
                break
            except Bare:
                if once.disturbed:
                    raise Failed("disturbed") from None
                once.disturbed = True
                application.notice("set-up-started-again")
        yield from self._stray("PINOK", session)
        pairing = shelf.add_pending(certificate, s.pairing_key(prk2))
        _, word = yield from session.command(COMMIT)
        if word != 0x9000:
            raise Failed("commit-refused", f"{word:04x}")
        pairing.begin(s.pairing_key(prk2), shelf.today)

    def _stray(self, state, session):
        if state in self.stray:
            yield from session.command(*self.stray.pop(state))

    def _show_certificate(self):
        selected = yield from self._select()
        if not selected.certified:
            raise Failed("card-not-certified")
        if (yield from self._shown(self.shelf.certificate)):
            return
        link = self.shelf.link_of_own()
        if not link:
            raise Failed("terminal-refused")
        yield from self._select()
        for paper in (link, self.shelf.certificate):
            if not (yield from self._shown(paper)):
                raise Failed("terminal-refused")

    def _shown(self, paper):
        """Whether the card takes a certificate."""
        answer = yield from self.line.exchange(VERIFY_CERTIFICATE, paper.raw)
        if answer == b"\x63\x00":
            return False
        require(not _plain(answer))
        self._record(VERIFY_CERTIFICATE, paper.raw, answer)
        return True

    def _exchange_keys(self):
        ephemeral = p.draw_key(self.random)
        data = obj(0x7C, obj(0x85, p.point_of(ephemeral)))
        answer = yield from self.line.exchange(KEY_EXCHANGE, data, 256)
        point, enc = take(take(_plain(answer), 0x7C)[0], 0x85, 0x86)
        self._record(KEY_EXCHANGE, data, answer)
        card_secret = p.decapsulate(self.shelf.private, p.message_point(enc))
        shared = p.ecdh(ephemeral, p.message_point(point))
        prk1, keys = s.first_stage(self.transcript.value, shared, card_secret)
        return Channel(keys), prk1

    def _see_certificate(self, channel, expected):
        session = Session(self.line, channel, self.transcript)
        yield from self._stray("PROV", session)
        data, word = yield from session.command(GET_CERTIFICATE, expected=256)
        require(word == 0x9000)
        certificate = parse_certificate(data, "card-refused")
        try:
            self.shelf.judge_card(certificate, expected and expected.certificate.holder)
        except Malformed:
            self._forget_revoked(certificate)
            raise Failed("card-refused") from None
        known = self.shelf.find(certificate.holder)
        if known and known.certificate.point != certificate.point:
            raise Failed("another-key")
        yield from self._stray("PROV, certificate given", session)
        return certificate

    def _prove_card(self, channel, prk1, certificate):
        """Message 5: its command under SM1, its answer under SM2."""
        secret, enc = p.encapsulate(p.draw_key(self.random), certificate.point)
        header = b"\x0c" + TERMINAL_SECRET
        field = channel.wrap_command(header, obj(0x7C, obj(0x86, enc)), 256)
        answer = yield from self.line.exchange(header, field, 256)
        self._record(header, field)
        prk2, keys = s.second_stage(self.transcript.value, prk1, secret)
        channel = Channel(keys)
        data, word = channel.unwrap_answer(answer[:-2], number(answer[-2:], 2))
        require(word == 0x9000)
        return channel, prk2, sized(data, 8)[7]

    def _consent(self, session, application, reason, certificate, paired_before, tries):
        """Asks for the PIN until it is right (section 16)."""
        pin_tries, puk_tries = tries & 15, tries >> 4
        while puk_tries in range(1, 11):
            answer = application.pin(certificate.chr, reason, pin_tries, puk_tries, paired_before)
            if answer is None:
                raise Failed("pin-refused")
            puk, digits = answer
            if puk:
                word = yield from session.unblock(puk, digits)
                if word != 0x9000:
                    puk_tries = _tries_after(word, puk_tries)
                    continue
                pin_tries, puk_tries = 3, 10
            if pin_tries not in range(1, 4):
                raise Failed("pin-blocked")
            _, word = yield from session.command(VERIFY, digits)
            if word == 0x9000:
                return
            pin_tries = _tries_after(word, pin_tries)
        raise Failed("puk-blocked")


def _tries_after(word, before):
    """How many tries a refusal leaves; `kept` where the card keeps the last one (section 11.5)."""
    if word >> 4 == 0x63C:
        return word & 15
    if word != 0x6983:
        raise Failed("pin-failed", f"{word:04x}")
    return "kept" if before else 0
