"""Ways to a card and into a reader: vpcd's protocol at both ends, and PC/SC. The only file here that does I/O with cards.

vpcd's protocol: each message is a u16 length and that many bytes. One byte from the reader is a control: 0 power off, 1 power on, 2 reset,
4 "what is your answer to reset?"; only the last has an answer. Everything else is an APDU, and its answer is one.
"""

import ctypes
import socket

from .card import ATR
from .primitives import u16
from .terminal import Lost

POWER_OFF, POWER_ON, RESET, GET_ATR = b"\0", b"\1", b"\2", b"\4"


def _send(line, message):
    line.sendall(u16(len(message)) + message)


def _exactly(line, size):
    data = b""
    while len(data) < size:
        part = line.recv(size - len(data))
        if not part:
            raise Lost
        data += part
    return data


def _receive(line):
    return _exactly(line, int.from_bytes(_exactly(line, 2), "big"))


def address(text):
    host, port = text.rsplit(":", 1)
    return host or "127.0.0.1", int(port)


def insert(card, where):
    """Plugs a card into the slot that listens there, until the reader goes away."""
    with socket.create_connection(address(where)) as line:
        try:
            while True:
                message = _receive(line)
                if message == GET_ATR:
                    _send(line, ATR)
                elif message in (POWER_ON, RESET):
                    card.reset()
                elif message == POWER_OFF:
                    card.forget()
                else:
                    _send(line, card.transmit(message))
        except (Lost, ConnectionError):
            card.forget()


class Slot:
    """A reader slot that listens for a card, as the driver vpcd does."""

    def __init__(self, where, patience=30):
        self.listener = socket.create_server(address(where))
        self.listener.settimeout(patience)
        self.port = self.listener.getsockname()[1]
        self.line = None

    def begin(self):
        """Waits for a card and gives it power."""
        if not self.line:
            self.line, _ = self.listener.accept()
            self.line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _send(self.line, POWER_ON)
        _send(self.line, GET_ATR)
        if _receive(self.line) != ATR:
            raise Lost

    def transmit(self, command):
        try:
            _send(self.line, command)
            return _receive(self.line)
        except OSError:
            raise Lost from None

    def end(self):
        _send(self.line, RESET)


class PcscReader:
    """A reader by its name, exclusively, through the system's PC/SC library."""

    SHARE_EXCLUSIVE, ANY_PROTOCOL, RESET_CARD, T1 = 1, 3, 1, 2

    def __init__(self, name):
        self.library = ctypes.CDLL("libpcsclite.so.1")
        self.context, self.card = ctypes.c_long(), ctypes.c_long()
        self.name = name
        self._call("SCardEstablishContext", ctypes.c_ulong(0), None, None, ctypes.byref(self.context))

    def _call(self, function, *arguments):
        if getattr(self.library, function)(*arguments) & 0xFFFFFFFF:
            raise Lost

    def begin(self):
        active = ctypes.c_ulong()
        wanted = ctypes.c_ulong(self.SHARE_EXCLUSIVE), ctypes.c_ulong(self.ANY_PROTOCOL)
        outputs = ctypes.byref(self.card), ctypes.byref(active)
        self._call("SCardConnect", self.context, self.name.encode(), *wanted, *outputs)

    def transmit(self, command):
        protocol = (ctypes.c_ulong * 2)(self.T1, 16)
        answer, size = ctypes.create_string_buffer(65_538), ctypes.c_ulong(65_538)
        sent = self.card, ctypes.byref(protocol), command, ctypes.c_ulong(len(command))
        self._call("SCardTransmit", *sent, None, answer, ctypes.byref(size))
        return answer.raw[: size.value]

    def end(self):
        self._call("SCardDisconnect", self.card, ctypes.c_ulong(self.RESET_CARD))


def reader(where):
    """`HOST:PORT` listens for a card, anything else is the name of a PC/SC reader."""
    return Slot(where) if ":" in where else PcscReader(where)


def drive(steps, line):
    """Lets a generator talk to a card."""
    try:
        command = next(steps)
        while True:
            try:
                answer = line.transmit(command)
            except Lost:
                command = steps.throw(Lost())
            else:
                command = steps.send(answer)
    except StopIteration as end:
        return end.value
