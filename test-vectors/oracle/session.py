"""The terminal's commands under secure messaging (sections 10.3, 11 and 14)."""

from . import schedule as s
from .channel import Broken
from .primitives import u32
from .services import COUNTER, VAULT
from .tlv import number, obj, require

AUTHENTICATION_CLASS, SERVICE_CLASS = b"\x0c", b"\x8c"
GET_CERTIFICATE, STATUS, TERMINAL_SECRET = b"\xca\x7f\x21", b"\xca\1\1", b"\x86\1\3"
VERIFY, COMMIT = b"\x20\0\x81", b"\x86\1\4"
LONG = 65_533
IN_DOUBT = 0x6581  # a write failed: what the card has stored is unknown (section 17)


class Bare(Broken):
    """A word without protection: the card has no such session (any more)."""


class Session:
    """One channel as the terminal has it. With a transcript, every message is written into it; `forget` is for the pairing."""

    def __init__(self, line, channel, transcript=None):
        self.line, self.channel, self.transcript = line, channel, transcript
        self.service = self.forget = None

    def command(self, command, data=b"", expected=None, cla=AUTHENTICATION_CLASS):
        """One secured command: data and word of its protected answer. Anything else ends the session."""
        if not self.channel:
            raise Broken
        channel, self.channel = self.channel, None
        header = cla + command
        field = channel.wrap_command(header, data, expected)
        answer = yield from self.line.exchange(header, field, expected or 256)
        if self.transcript:
            self.transcript.add(s.COMMAND, header + field)
            self.transcript.add(s.ANSWER, answer)
        word = number(answer[-2:], 2)
        if len(answer) == 2 and word != 0x9000:
            raise Bare(f"{word:04x}")
        found = channel.unwrap_answer(answer[:-2], word)
        self.channel = channel if word != IN_DOUBT else None
        return found

    def word_of(self, command, data=b""):
        return (yield from self.command(command, data))[1]

    def close(self):
        self.channel = None

    def status(self):
        return self.command(STATUS, expected=256)

    def certificate(self):
        return self.command(GET_CERTIFICATE, expected=256)

    def status_list(self):
        return self.command(b"\xca\1\2", expected=LONG)

    def put_status_list(self, raw):
        return self.command(b"\xda\1\2", raw)

    def put_link(self, raw):
        return self.command(b"\xda\x7f\x21", raw)

    def pairings(self):
        return self.command(b"\xca\1\3", expected=LONG)

    def change_pairing(self, slot, label, flags):
        return self.command(b"\xda\1\3", obj(0x80, bytes([slot])) + obj(0x82, label) + obj(0x83, bytes([flags])))

    def delete_pairing(self, slot):
        return self.command(b"\xda\1\4", obj(0x80, bytes([slot])))

    def services(self):
        return self.command(b"\xca\1\5", expected=256)

    def query_pin(self):
        return self.word_of(VERIFY)

    def verify(self, digits):
        return self.word_of(VERIFY, digits)

    def change(self, reference, old, new):
        return self.word_of(b"\x24\0" + bytes([reference]), obj(0x80, old) + obj(0x81, new))

    def unblock(self, puk, new):
        return self.word_of(b"\x2c\0\x81", obj(0x80, puk) + obj(0x81, new))

    def factory_reset(self):
        found = yield from self.command(b"\xe6\0\0")
        if found[1] == 0x9000:
            self.channel = None
            self.forget()
        return found

    def _of_service(self, service, instruction, data=b"", expected=None):
        if self.service != service:
            _, word = yield from self.command(b"\xa4\4\0", service)
            require(word == 0x9000)
            self.service = service
        return (yield from self.command(bytes([instruction, 0, 0]), data, expected, SERVICE_CLASS))

    def vault_list(self):
        return self._of_service(VAULT, 0x10, expected=LONG)

    def vault_read(self, name):
        return self._of_service(VAULT, 0x12, obj(0x80, name), LONG)

    def vault_write(self, name, policy, content):
        return self._of_service(VAULT, 0x14, obj(0x80, name) + obj(0x81, bytes([policy])) + obj(0x82, content))

    def vault_delete(self, name):
        return self._of_service(VAULT, 0x16, obj(0x80, name))

    def counter_read(self):
        return self._of_service(COUNTER, 0x20, expected=256)

    def counter_add(self, amount):
        return self._of_service(COUNTER, 0x22, u32(amount), 256)

    def counter_limit(self, limit):
        return self._of_service(COUNTER, 0x24, u32(limit))
