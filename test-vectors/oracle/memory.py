"""What a card stores (sections 9.4, 12.1, 13, 15.1), and the facts that follow from it. A commit is one assignment of a changed copy."""

import copy

from .papers import move_date

SLOTS, WORN_OUT = 16, 65_535
PIN, PUK = 0x81, 0x82
TRIES = {PIN: 3, PUK: 10}
FIRST_LIMIT = 1_000_000


class StorageFailed(Exception):
    """A write that failed: whether it was done is not known (section 17)."""


class Fault:
    """A planned failure of one commit, counted from the next; `done` says whether it takes effect all the same."""

    def __init__(self, number, done):
        self.left, self.done = number, done

    def __deepcopy__(self, _memo):
        return self


class Slot:
    """One pairing."""

    def __init__(self, key, certificate, label=b"", flags=0):
        self.key, self.generation = key, 0
        self.holder, self.epoch, self.last = certificate.holder, certificate.epoch, certificate.last
        self.label, self.flags, self.used = label, flags, 0


class Memory:
    """A card's durable memory. `begin` gives a copy to change, `commit` makes it the one that counts."""

    fault = None

    def __init__(self):
        self.root_a = self.root_b = self.trusted = self.status_list = None
        self.root_b_proven, self.min_epoch = False, 0
        self.forget_all_but_trust()

    def forget_all_but_trust(self):
        """Factory reset (section 11.6)."""
        self.key = self.order = self.certificate = None
        self.active = False
        self.codes, self.tries = {}, {}
        self.slots = [None] * SLOTS
        self.objects, self.value, self.limit = {}, 0, FIRST_LIMIT

    def begin(self):
        return copy.deepcopy(self)

    def commit(self, changed):
        fault = self.fault
        strikes = fault is not None and fault.left == 0
        if fault:
            fault.left -= 1
        if not strikes or fault.done:
            self.__dict__ = changed.__dict__
        if strikes:
            raise StorageFailed

    def roots(self):
        return [root for root in (self.root_a, self.root_b) if root]

    def blocked(self):
        return self.active and self.tries[PUK] == 0

    def gone(self, number):
        """A slot that is free or expired."""
        slot = self.slots[number]
        return not slot or (self.trusted and self.trusted > slot.last)

    def usable(self, number):
        """A slot that is neither gone nor worn out."""
        return not self.gone(number) and self.slots[number].generation < WORN_OUT

    def in_use(self):
        return [number for number in range(SLOTS) if self.usable(number)]

    def next_use(self):
        return 1 + max((self.slots[number].used for number in self.in_use()), default=0)

    def choose(self, holder):
        """Section 9.4."""
        same = [number for number in self.in_use() if self.slots[number].holder == holder]
        free = [number for number in range(SLOTS) if not self.usable(number)]
        if same or free:
            return (same or free)[0]
        return min(range(SLOTS), key=lambda number: (self.slots[number].flags & 1, self.slots[number].used))

    def trusts(self, certificate):
        """Time, epoch and status list (section 7.3)."""
        in_time = self.trusted is None or certificate.last >= self.trusted
        listed = self.status_list and certificate.holder in self.status_list.revoked
        return in_time and certificate.epoch >= self.min_epoch and not listed

    def pair(self, key, certificate, link):
        """The commit of set-up (section 9.3), on a copy."""
        number = self.choose(certificate.holder)
        old = self.slots[number] if self.usable(number) else None
        same = old and old.holder == certificate.holder
        slot = Slot(key, certificate, old.label, old.flags) if same else Slot(key, certificate)
        slot.used = self.next_use()
        self.slots[number] = slot
        if self.root_b and certificate.car == self.root_b.chr:
            self.root_b_proven = True
        if link:
            self.store_link(link)
        self.trusted = move_date(self.trusted, certificate.first)
        return number

    def place_for(self, link):
        """Whether there is a place for this new root (section 11.7)."""
        return not self.root_b or (self.root_b_proven and link.car == self.root_b.chr)

    def store_link(self, link):
        if self.root_b:
            self.root_a = self.root_b
        self.root_b, self.root_b_proven = link, False

    def store_list(self, new):
        """A higher sequence (section 13), on a copy."""
        self.status_list = new
        self.min_epoch = max(self.min_epoch, new.min_epoch)
        for number, slot in enumerate(self.slots):
            if slot and (slot.holder in new.revoked or slot.epoch < self.min_epoch):
                self.slots[number] = None
        self.trusted = move_date(self.trusted, new.date)
