"""What a terminal stores (section 15.2), and what it makes of other people's papers (sections 7.3 and 13)."""

from . import papers
from . import primitives as p
from . import schedule as s
from .papers import CARD, TERMINAL, Certificate, StatusList
from .tlv import Malformed, require

MOST_PENDING = 3
MOST_USES, MOST_DAYS = 4_096, 365


class Failed(Exception):
    """Why there is no session, or no longer one; the first argument is a word for programs."""

    @property
    def kind(self):
        return self.args[0]


class Pairing:
    """One card as a terminal knows it. Without a current key only a commit was tried."""

    def __init__(self, certificate, today):
        self.certificate, self.key, self.generation = certificate, None, 0
        self.pending, self.uses, self.set_up = [], 0, today

    def candidates(self):
        """All keys it may have: the current one, its successor, the pending ones."""
        return ([self.key, s.successor(self.key)] if self.key else []) + [key for key, _ in self.pending]

    def proven(self, key):
        """A candidate has authenticated: it is the current key from now on. Says whether it was pending."""
        day = dict(self.pending).get(key)
        if day:
            self.begin(key, day)
        elif key != self.key:
            self.advance()
        self.pending = []
        return day is not None

    def begin(self, key, day):
        """A key that set-up made on that day."""
        self.key, self.generation, self.pending, self.uses, self.set_up = key, 0, [], 0, day

    def advance(self):
        self.key, self.generation = s.successor(self.key), self.generation + 1

    def due(self, today):
        return self.uses >= MOST_USES or (today - self.set_up).days >= MOST_DAYS


class Shelf:
    """A terminal's durable memory: one identity and its pairings, in the order in which they were made."""

    def __init__(self, today):
        self.today = today
        self.private = self.certificate = self.status_list = self.order = None
        self.roots, self.links, self.pairings = [], [], []

    def ask_for_certificate(self, random, car, chr_, nonce):
        """A request of role 02."""
        self.private, self.order = p.draw_key(random), (car, chr_)
        return papers.build_request(self.private, car, chr_, nonce, TERMINAL)

    def add_root(self, root):
        require(root.valid_root())
        self.roots.append(root)

    def add_link(self, link):
        require(link.role == papers.AUTHORITY and not link.is_root)
        self._judge(link, self.roots)
        self.links.append(link)

    def install(self, certificate):
        require((certificate.car, certificate.chr) == self.order)
        require(certificate.point == p.point_of(self.private, compressed=True))
        self.judge_own(certificate)
        self.certificate = certificate

    def judge_own(self, certificate):
        require(certificate.role == TERMINAL)
        self._judge(certificate, self.roots + self.links)

    def judge_card(self, certificate, expected):
        """The certificate a card has shown, in the order of section 7.3."""
        require(certificate.role == CARD)
        self._judge(certificate, self.roots + self.links)
        require(expected in (None, certificate.holder))

    def _judge(self, certificate, issuers):
        issuer = next((issuer for issuer in issuers if issuer.chr == certificate.car), None)
        require(issuer and certificate.signed_by(issuer))
        require(certificate.first <= self.today <= certificate.last)
        require(not self.revoked(certificate))

    def revoked(self, certificate):
        held = self.status_list
        return held is not None and (certificate.epoch < held.min_epoch or certificate.holder in held.revoked)

    def take_list(self, raw):
        """Keeps a status list if it is newer and signed."""
        new = StatusList(raw)
        require(any(new.signed_by(root) for root in self.roots + self.links))
        require(new.sequence > self.sequence())
        if self.status_list:
            new.min_epoch = max(new.min_epoch, self.status_list.min_epoch)
        self.status_list = new

    def sequence(self):
        return self.status_list.sequence if self.status_list else 0

    def link_of_own(self):
        """The link above the own certificate, if that stands under one."""
        if any(root.chr == self.certificate.car for root in self.roots):
            return None
        return next(link for link in self.links if link.chr == self.certificate.car)

    def link_to(self, root):
        return next((link for link in self.links if link.chr == root), None)

    def find(self, holder):
        return next((pairing for pairing in self.pairings if pairing.certificate.holder == holder), None)

    def forget(self, pairing):
        if pairing in self.pairings:
            self.pairings.remove(pairing)

    def add_pending(self, certificate, key):
        """The durable step before the commit (section 9.3)."""
        pairing = self.find(certificate.holder)
        if not pairing:
            pairing = Pairing(certificate, self.today)
            self.pairings.append(pairing)
        pairing.certificate = certificate
        pairing.pending = [*pairing.pending, (key, self.today)][-MOST_PENDING:]
        return pairing

    def match(self, tags, prand):
        """The first pairing with a candidate whose tag is there, and that candidate (section 8.3)."""
        there = {tags[at : at + 4] for at in range(0, len(tags), 4)}
        for pairing in self.pairings:
            for key in pairing.candidates():
                if s.tag(key, prand) in there:
                    return pairing, key
        return None, None


def parse_certificate(raw, kind):
    """A certificate from the other side, or a failure of this kind."""
    try:
        return Certificate(raw)
    except Malformed:
        raise Failed(kind) from None
