"""The services behind the session: vault and counter (section 14)."""

from .primitives import u32
from .tlv import number, obj, require, take, text

AUTHENTICATION = bytes.fromhex("F054414C4C5900000001")
VAULT, COUNTER = bytes.fromhex("F054414C4C5900010001"), bytes.fromhex("F054414C4C5900020001")
PIN_TO_READ, PIN_TO_WRITE = 1, 2
MOST_OBJECTS, MOST_BYTES, LONGEST_CONTENT = 64, 131_072, 32_768


class Refused(Exception):
    """A command's own refusal, with its word."""

    def __init__(self, word):
        super().__init__(f"{word:04X}")
        self.word = word


def allow(condition, word):
    if not condition:
        raise Refused(word)


def serve(service, memory, header, data, verified):
    """A service's command: its answer's data. Malformed and Refused come out as exceptions."""
    table = {VAULT: _VAULT, COUNTER: _COUNTER}[service]
    command = table.get(header[1])
    allow(command, 0x6D00)
    allow(header[2:] == b"\0\0", 0x6A86)
    return command(memory, data, verified)


def _name(value):
    return text(value, 1, 32)


def _hidden(memory):
    """Whether the PIN guards what names there are."""
    return any(policy & PIN_TO_READ for policy, _ in memory.objects.values())


def _existing(memory, name, needs, verified):
    if name not in memory.objects:
        allow(verified or not _hidden(memory), 0x6982)
        raise Refused(0x6A82)
    policy, content = memory.objects[name]
    allow(verified or not policy & needs, 0x6982)
    return content


def vault_list(memory, data, verified):
    require(not data)
    allow(verified or not _hidden(memory), 0x6982)
    return b"".join(
        obj(0xE0, obj(0x80, name), obj(0x81, bytes([policy])), obj(0x83, u32(len(content))))
        for name, (policy, content) in sorted(memory.objects.items())
    )


def vault_read(memory, data, verified):
    (name,) = take(data, 0x80)
    return _existing(memory, _name(name), PIN_TO_READ, verified)


def vault_write(memory, data, verified):
    name, policy, content = take(data, 0x80, 0x81, 0x82)
    _name(name)
    policy = number(policy, 1)
    require(policy < 4 and len(content) <= LONGEST_CONTENT)
    in_force = memory.objects[name][0] if name in memory.objects else policy
    allow(verified or not in_force & PIN_TO_WRITE, 0x6982)
    changed = memory.begin()
    changed.objects[name] = policy, content
    used = sum(len(name) + len(content) for name, (_, content) in changed.objects.items())
    allow(len(changed.objects) <= MOST_OBJECTS and used <= MOST_BYTES, 0x6A84)
    memory.commit(changed)
    return b""


def vault_delete(memory, data, verified):
    (name,) = take(data, 0x80)
    _existing(memory, _name(name), PIN_TO_WRITE, verified)
    changed = memory.begin()
    del changed.objects[name]
    memory.commit(changed)
    return b""


def counter_read(memory, data, _verified):
    require(not data)
    return u32(memory.value) + u32(memory.limit)


def counter_add(memory, data, _verified):
    amount = number(data, 4)
    require(amount > 0)
    allow(memory.value + amount <= memory.limit, 0x6A84)
    changed = memory.begin()
    changed.value += amount
    memory.commit(changed)
    return u32(changed.value)


def counter_limit(memory, data, verified):
    limit = number(data, 4)
    require(limit >= memory.value)
    allow(verified, 0x6982)
    changed = memory.begin()
    changed.limit = limit
    memory.commit(changed)
    return b""


_VAULT = {0x10: vault_list, 0x12: vault_read, 0x14: vault_write, 0x16: vault_delete}
_COUNTER = {0x20: counter_read, 0x22: counter_add, 0x24: counter_limit}
