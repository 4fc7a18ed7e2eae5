"""The terminal's side of personalisation (section 11.8), as generators over a line."""

from . import apdu
from .memory import PIN, PUK
from .papers import Request
from .services import AUTHENTICATION
from .shelf import Failed
from .terminal import SELECT, Line, Selected
from .tlv import obj, require


class Station:
    """Makes a blank card an operational one, step by step."""

    def __init__(self):
        self.line = Line()

    def begin(self):
        selected = Selected((yield apdu.Command(SELECT, AUTHENTICATION, 256).encode()))
        self.line.may_extend = selected.extended

    def _command(self, header, data=b"", expected=None):
        answer = yield from self.line.exchange(header, data, expected)
        if answer[-2:] != b"\x90\x00":
            raise Failed("refused", answer[-2:].hex())
        return answer[:-2]

    def set_pin(self, digits):
        return self._command(b"\0\x24\1" + bytes([PIN]), digits)

    def set_puk(self, digits):
        return self._command(b"\0\x24\1" + bytes([PUK]), digits)

    def store_certificate(self, raw):
        """The root first, the card's own later."""
        return self._command(b"\0\xda\x7f\x21", raw)

    def make_key(self, car, chr_, nonce):
        raw = yield from self._command(b"\0\x46\x80\0", obj(0x42, car) + obj(0x5F20, chr_) + obj(0x81, nonce), 256)
        request = Request(raw)
        require((request.car, request.chr, request.nonce, request.role) == (car, chr_, nonce, 1))
        return raw

    def activate(self):
        return self._command(b"\0\x44\0\0")
