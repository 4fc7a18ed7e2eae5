"""PIN and PUK on the card (section 11.5)."""

from .memory import PIN, PUK, TRIES
from .primitives import hmac_sha256
from .tlv import digits, take

LENGTHS = {PIN: (6, 12), PUK: (8, 16)}
BLOCKED, UNSET = 0x6983, 0x6985


def well_formed(reference, value):
    return digits(value, *LENGTHS[reference])


def mac(k, reference, value):
    return hmac_sha256(k, b"TALLY1 pin", bytes([reference]), value)


def set_code(memory, random, reference, value):
    """Personalisation: a value and all its tries, in one commit."""
    k = random(32)
    changed = memory.begin()
    fill(changed, reference, (k, mac(k, reference, value)))
    memory.commit(changed)


def fill(changed, reference, code):
    changed.codes[reference] = code
    changed.tries[reference] = TRIES[reference]


def query(card):
    """VERIFY without data."""
    if card.verified:
        return 0x9000
    tries = card.memory.tries
    return BLOCKED if 0 in (tries[PIN], tries[PUK]) else 0x63C0 + tries[PIN]


def verify(card, value):
    well_formed(PIN, value)
    card.verified = False
    word = _compare(card, PIN, value)
    card.verified = word == 0x9000
    return word


def change(card, reference, data):
    old, new = take(data, 0x80, 0x81)
    well_formed(reference, old)
    well_formed(reference, new)
    k = card.random(32)
    return _judged(card, _compare(card, reference, old, (reference, (k, mac(k, reference, new)))))


def unblock(card, data):
    puk, new = take(data, 0x80, 0x81)
    well_formed(PUK, puk)
    well_formed(PIN, new)
    k = card.random(32)
    return _judged(card, _compare(card, PUK, puk, (PIN, (k, mac(k, PIN, new)))))


def _judged(card, word):
    """A wrong code ends what the session has verified, whichever code it is."""
    if word >> 4 == 0x63C:
        card.verified = False
    return word


def _compare(card, reference, value, replacement=None):
    """Tries, durable decrement, comparison, durable restore with what the right value brings."""
    memory = card.memory
    if reference not in memory.codes:
        return UNSET
    left = memory.tries[reference]
    if memory.tries[PUK] == 0 or left == 0 or (left == 1 and card.keeps_last_try()):
        return BLOCKED
    changed = memory.begin()
    changed.tries[reference] = left - 1
    memory.commit(changed)
    k, stored = memory.codes[reference]
    if mac(k, reference, value) != stored:
        return 0x63C0 + left - 1
    changed = memory.begin()
    changed.tries[reference] = TRIES[reference]
    if replacement:
        fill(changed, *replacement)
    memory.commit(changed)
    return 0x9000
