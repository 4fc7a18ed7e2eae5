"""What a card does in a session with the authentication application (section 11), and in personalisation (section 11.8)."""

from . import codes, papers
from .memory import PIN, PUK
from .papers import Certificate, StatusList
from .primitives import draw_key, point_of, u32
from .services import COUNTER, VAULT, allow
from .tlv import number, obj, require, sized, take, text

PINNED = 1


def no_data(data):
    require(not data)


def status(card, data):
    no_data(data)
    memory = card.memory
    sequence = memory.status_list.sequence if memory.status_list else 0
    return u32(sequence) + papers.as_date3(memory.trusted) + bytes([memory.tries[PUK] << 4 | memory.tries[PIN]])


def certificate(card, data):
    no_data(data)
    return card.memory.certificate.raw


def get_status_list(card, data):
    no_data(data)
    allow(card.memory.status_list, 0x6A82)
    return card.memory.status_list.raw


def put_status_list(card, data):
    new, memory = StatusList(data), card.memory
    require(any(new.signed_by(root) for root in memory.roots()))
    held = memory.status_list.sequence if memory.status_list else 0
    allow(new.sequence >= held, 0x6985)
    if new.sequence > held:
        changed = memory.begin()
        changed.store_list(new)
        card.commit(changed)
    return b""


def list_pairings(card, data):
    no_data(data)
    allow(card.verified, 0x6982)
    memory = card.memory
    slots = [(number_, memory.slots[number_]) for number_ in memory.in_use()]
    return b"".join(
        obj(
            0xE0,
            obj(0x80, bytes([number_])),
            obj(0x81, slot.holder),
            obj(0x82, slot.label),
            obj(0x83, bytes([slot.flags])),
            obj(0x84, u32(slot.used)),
        )
        for number_, slot in slots
    )


def change_pairing(card, data):
    slot, label, flags = take(data, 0x80, 0x82, 0x83)
    slot, flags = number(slot, 1), number(flags, 1)
    text(label, 0, 16)
    require(slot < 16 and flags <= PINNED)
    allow(card.verified, 0x6982)
    allow(card.memory.usable(slot), 0x6A82)
    changed = card.memory.begin()
    changed.slots[slot].label, changed.slots[slot].flags = label, flags
    card.commit(changed)
    return b""


def delete_pairing(card, data):
    slot = number(take(data, 0x80)[0], 1)
    require(slot < 16)
    allow(card.verified or slot == card.slot, 0x6982)
    allow(card.memory.usable(slot), 0x6A82)
    changed = card.memory.begin()
    changed.slots[slot] = None
    card.commit(changed)
    return b""


def services(_card, data):
    no_data(data)
    return obj(0x4F, VAULT) + obj(0x4F, COUNTER)


def check_link(card, data):
    """The new root of a link, or None for one that is known (section 11.7)."""
    link, memory = Certificate(data), card.memory
    allow(link.role == papers.AUTHORITY and not link.is_root, 0x6300)
    issuer = next((root for root in memory.roots() if root.chr == link.car), None)
    allow(issuer and link.signed_by(issuer) and memory.trusts(link), 0x6300)
    known = next((root for root in memory.roots() if root.chr == link.chr), None)
    if known:
        allow(known.point == link.point, 0x6300)
        return None
    allow(memory.place_for(link), 0x6985)
    return link


def put_link(card, data):
    link = check_link(card, data)
    if link:
        changed = card.memory.begin()
        changed.store_link(link)
        card.commit(changed)
    return b""


def select_service(card, data):
    allow(data in (VAULT, COUNTER), 0x6A82)
    card.service = data
    return b""


def factory_reset(card, data):
    no_data(data)
    allow(card.verified or card.memory.blocked(), 0x6982)
    changed = card.memory.begin()
    changed.forget_all_but_trust()
    card.commit(changed)
    return b""


def verify(card, data):
    word = codes.verify(card, data) if data else codes.query(card)
    allow(word == 0x9000, word)
    return b""


def replace_code(reference):
    def run(card, data):
        word = codes.change(card, reference, data)
        allow(word == 0x9000, word)
        return b""

    return run


def unblock(card, data):
    word = codes.unblock(card, data)
    allow(word == 0x9000, word)
    return b""


# Header after the class -> command, in SECURE.
SESSION = {
    bytes.fromhex(header): command
    for header, command in {
        "CA7F21": certificate,
        "CA0101": status,
        "CA0102": get_status_list,
        "DA0102": put_status_list,
        "CA0103": list_pairings,
        "DA0103": change_pairing,
        "DA0104": delete_pairing,
        "CA0105": services,
        "DA7F21": put_link,
        "200081": verify,
        "240081": replace_code(PIN),
        "240082": replace_code(PUK),
        "2C0081": unblock,
        "E60000": factory_reset,
        "A40400": select_service,
        "860103": None,  # known, and never right in SECURE
        "860104": None,
    }.items()
}


def set_code(reference):
    def run(card, data):
        allow(not card.memory.active, 0x6985)
        codes.set_code(card.memory, card.random, reference, codes.well_formed(reference, data))
        return b""

    return run


def make_key(card, data):
    memory = card.memory
    allow(not memory.certificate, 0x6985)
    car, chr_, nonce = take(data, 0x42, 0x5F20, 0x81)
    papers.name(car), papers.name(chr_), sized(nonce, 16)
    private = draw_key(card.random)
    request = papers.build_request(private, car, chr_, nonce, papers.CARD)
    changed = memory.begin()
    changed.key, changed.order = private, (car, chr_)
    card.commit(changed)
    return request


def store_certificate(card, data):
    memory = card.memory
    allow(not memory.active and not memory.certificate, 0x6985)
    new = Certificate(data)
    changed = memory.begin()
    if new.role == papers.AUTHORITY:
        allow(not memory.root_a, 0x6985)
        require(new.valid_root())
        changed.root_a = new
    else:
        require(new.role == papers.CARD)
        allow(memory.key and memory.root_a, 0x6985)
        issuer = next((root for root in memory.roots() if root.chr == new.car), None)
        require((new.car, new.chr) == memory.order and new.point == point_of(memory.key, compressed=True))
        require(issuer and new.signed_by(issuer) and memory.trusts(new))
        changed.certificate = new
        changed.trusted = max(memory.trusted or new.first, new.first)
    card.commit(changed)
    return b""


def activate(card, data):
    memory = card.memory
    complete = memory.certificate and memory.root_a and len(memory.codes) == 2
    allow(complete and not memory.active, 0x6985)
    no_data(data)
    changed = memory.begin()
    changed.active = True
    card.commit(changed)
    return b""


PERSONALISATION = {
    bytes.fromhex(header): command
    for header, command in {
        "240181": set_code(PIN),
        "240182": set_code(PUK),
        "468000": make_key,
        "DA7F21": store_certificate,
        "440000": activate,
    }.items()
}
