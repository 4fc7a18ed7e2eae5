#!/usr/bin/env python3
"""A card's life cycle, PIN, slots and date, searched exhaustively with a power cut between any two small steps (T73).

One card; everybody may send it anything in any order: strangers, terminals that it is paired with, and hostile certified
terminals that guess. Cryptography is perfect: a channel state says who is at the other end. Every durable write is a step of its
own, and the power may go before and after each. The state has two parts, the durable card and the volatile rest, which a cut or
SELECT clears. Rules are those of docs/protocol.md: sections 9.4, 11.3, 11.5, 11.6, 11.8, 12 and 13.

    T25  slots, date, list and life cycle change only by the whole commits that may change them; personalisation changes nothing
         after activation; a factory reset needs a session and the PIN, or a blocked card; roots and minimum epoch outlive it
    T27  one slot for each holder; a pinned slot goes only when all others are pinned; a revoked holder has no slot
    T31  wrong comparisons since the last right one, and the tries left, are together never more than the limit
    T33  the last try is not spent by a terminal of a set-up while the card has a pairing; a blocked PUK ends all comparisons
    T12  "verified" means that the last comparison in this very session was right; no session without its own slot

usage: lifecycle.py [--quick|--full]
"""
import sys
import time
from collections import Counter, deque
from typing import NamedTuple

PIN_TRIES, PUK_TRIES, LAST_DAY = 3, 2, 2  # the PUK has 10 in the product: fewer here, the rule is the same

TWINS = {
    "compares before the try is spent": "T31",
    "restores before it compares": "T31",
    "unblocks without a try of the PUK": "T33",
    "compares a PIN when the PUK is blocked": "T33",
    "last try for strangers": "T33",
    "verified outlives a wrong PIN": "T12",
    "verified outlives a wrong PUK": "T12",
    "SELECT keeps the verified PIN": "T12",
    "commits without the PIN": "T25",
    "clears a slot before it writes it": "T25",
    "date goes back": "T25",
    "list first, slots afterwards": "T27",
    "pinned goes first": "T27",
    "a second slot for a holder": "T27",
    "personalisation after activation": "T25",
    "factory reset without the PIN": "T25",
    "factory reset forgets the minimum epoch": "T25",
    "a session outlives its slot": "T12",
}


class Card(NamedTuple):
    life: int  # 0 blank, 1 initialised, 2 certified, 3 operational
    root: bool
    pin: int  # tries left, -1 when unset
    puk: int
    slots: tuple  # for each slot None or (holder, pinned), and their order of use, the latest first
    used: tuple
    date: int
    epoch: int  # the minimum epoch; holder 0 has the epoch 0, all others 1
    listed: bool  # the list with a higher sequence is stored; it revokes holder 1


class World(NamedTuple):
    card: Card
    channel: str  # NONE, IDLE, AUTH, PINOK, SECURE
    peer: int  # the holder at the other end, or -1
    verified: bool
    doing: tuple  # the small steps left of what is being done
    right: bool  # ghost: the last comparison in this session was right
    wrong_pin: int  # ghost: wrong comparisons since a right one, or since the code was set
    wrong_puk: int


def holders(card):
    return [slot[0] for slot in card.slots if slot]


def place(card, holder, twin):
    """Section 9.4."""
    free = [i for i, slot in enumerate(card.slots) if slot is None]
    if twin == "a second slot for a holder" and free:
        return free[0]
    for i, slot in enumerate(card.slots):
        if slot and slot[0] == holder:
            return i
    if free:
        return free[0]
    oldest = [i for i in reversed(card.used)]
    loose = [i for i in oldest if card.slots[i][1] == (twin == "pinned goes first")]
    return (loose or oldest)[0]


def put(items, place, item):
    return items[:place] + (item,) + items[place + 1 :]


def touch(used, place):
    return (place,) + tuple(i for i in used if i != place)


def moves(w, twin, people):
    card, doing = w.card, w.doing
    size = len(card.slots)

    def fresh(channel, peer=-1):
        kept = twin == "SELECT keeps the verified PIN"
        return dict(channel=channel, peer=peer, verified=kept and w.verified, right=False, doing=())

    yield "cut", w._replace(channel="NONE", peer=-1, verified=False, right=False, doing=())
    if doing:
        step, rest = doing[0], doing[1:]
        yield from small(w, step, rest, twin)
        return
    yield "SELECT", w._replace(**fresh("IDLE"))
    if w.channel == "IDLE":
        if card.life < 3 or twin == "personalisation after activation":
            yield "set PIN", w._replace(card=card._replace(pin=PIN_TRIES), wrong_pin=0)
            yield "set PUK", w._replace(card=card._replace(puk=PUK_TRIES), wrong_puk=0)
            if not card.root:
                yield "root", w._replace(card=card._replace(root=True))
            if card.life < 2:
                yield "key", w._replace(card=card._replace(life=1))
            if card.life == 1 and card.root:
                yield "certificate", w._replace(card=card._replace(life=2))
            if card.life == 2 and card.pin >= 0 and card.puk >= 0:
                yield "activate", w._replace(card=card._replace(life=3))
        if card.life == 3:
            for holder in people:
                if holder_is_good(card, holder):
                    yield f"set-up {holder}", w._replace(**fresh("AUTH", holder))
            for holder in set(holders(card)):
                at = [slot and slot[0] for slot in card.slots].index(holder)
                # F: the ratchet's durable step comes before anything else.
                after = card._replace(used=touch(card.used, at))
                yield f"session {holder}", w._replace(card=after, **fresh("SECURE", holder))
    if w.channel in ("AUTH", "SECURE"):
        stranger = w.channel == "AUTH" and bool(holders(card)) and twin != "last try for strangers"
        for right in (False, True):
            blocked = card.puk == 0 and twin != "compares a PIN when the PUK is blocked"
            if not blocked and card.pin > (1 if stranger else 0):
                order = ("clear", "spend", ("compare", right), "restore")
                if twin == "compares before the try is spent":
                    order = ("clear", ("compare", right), "spend", "restore")
                if twin == "restores before it compares":
                    order = ("clear", "spend", "restore", ("compare", right))
                if twin == "verified outlives a wrong PIN":
                    order = order[1:]
                yield f"VERIFY {right}", w._replace(doing=order)
            if card.puk > (1 if stranger else 0) or twin == "unblocks without a try of the PUK":
                yield f"UNBLOCK {right}", w._replace(doing=("spend PUK", ("compare PUK", right), "fill"))
    if w.channel == "PINOK" or (twin == "commits without the PIN" and w.channel == "AUTH"):
        steps = ("slot",) if twin != "clears a slot before it writes it" else ("empty", "slot")
        yield "commit", w._replace(doing=steps)
    if w.channel == "SECURE":
        own = [slot and slot[0] for slot in card.slots].index(w.peer) if w.peer in holders(card) else None
        if not card.listed:
            steps = ("list", "erase") if twin == "list first, slots afterwards" else ("list and erase",)
            yield "status list", w._replace(doing=steps)
        if own is not None:
            yield "delete own", w._replace(doing=(("delete", own),))
        if w.verified:
            for i in range(size):
                if card.slots[i]:
                    holder, pinned = card.slots[i]
                    if i != own:
                        yield f"delete {i}", w._replace(doing=(("delete", i),))
                    yield f"pin {i}", w._replace(card=card._replace(slots=put(card.slots, i, (holder, not pinned))))
        if w.verified or card.puk == 0 or twin == "factory reset without the PIN":
            epoch = 0 if twin == "factory reset forgets the minimum epoch" else card.epoch
            blank = card._replace(life=0, pin=-1, puk=-1, slots=(None,) * size, used=tuple(range(size)), epoch=epoch)
            gone = dict(wrong_pin=0, wrong_puk=0)
            yield "factory reset", w._replace(card=blank, **gone, **fresh("NONE"))


def holder_is_good(card, holder):
    """Section 7.3, as far as a list can change it."""
    return not (card.listed and holder == 1) and (0 if holder == 0 else 1) >= card.epoch


def small(w, step, rest, twin):
    """One small step of a command. `rest` are those that follow when it goes on."""
    card = w.card
    go = dict(doing=rest)
    match step:
        case "clear":
            yield "clear", w._replace(verified=False, **go)
        case "spend":
            yield "spend", w._replace(card=card._replace(pin=card.pin - 1), **go)
        case ("compare", True):
            yield "right", w._replace(right=True, wrong_pin=0, **go)
        case ("compare", False):
            # A wrong code ends the command; a set-up stays in AUTH.
            yield "wrong", w._replace(right=False, wrong_pin=w.wrong_pin + 1, doing=tuple(s for s in rest if s == "spend"))
        case "restore":
            done = dict(verified=True, channel="PINOK" if w.channel == "AUTH" else w.channel) if not rest else {}
            if twin == "compares before the try is spent" and not w.right:
                done = {}
            yield "restore", w._replace(card=card._replace(pin=PIN_TRIES), **done, **go)
        case "spend PUK":
            yield "spend PUK", w._replace(card=card._replace(puk=max(card.puk - 1, 0)), **go)
        case ("compare PUK", True):
            yield "right PUK", w._replace(wrong_puk=0, **go)
        case ("compare PUK", False):
            # A wrong code ends what the session has verified, whichever code it is.
            kept = w.verified and twin == "verified outlives a wrong PUK"
            yield "wrong PUK", w._replace(verified=kept, right=False, wrong_puk=w.wrong_puk + 1, doing=())
        case "fill":
            full = card._replace(pin=PIN_TRIES, puk=PUK_TRIES)
            yield "fill", w._replace(card=full, wrong_pin=0, **go)
        case "empty":
            at = place(card, w.peer, twin)
            yield "empty", w._replace(card=card._replace(slots=put(card.slots, at, None)), **go)
        case "slot":
            at = place(card, w.peer, twin)
            old = card.slots[at]
            pinned = bool(old and old[0] == w.peer and old[1])
            after = card._replace(slots=put(card.slots, at, (w.peer, pinned)), used=touch(card.used, at))
            # The first day of the holder's certificate: holder h has day h, at most the last one.
            day = min(w.peer, LAST_DAY)
            after = after._replace(date=day if twin == "date goes back" else max(card.date, day))
            yield "slot", w._replace(card=after, channel="NONE", peer=-1, verified=False, right=False, **go)
        case "list" | "list and erase":
            after = card._replace(listed=True, epoch=1)
            yield from own_gone(step, w, erased(after) if step == "list and erase" else after, rest, twin)
        case "erase":
            yield from own_gone("erase", w, erased(card), rest, twin)
        case ("delete", at):
            yield from own_gone("delete", w, card._replace(slots=put(card.slots, at, None)), rest, twin)


def erased(card):
    return card._replace(slots=tuple(s if s and holder_is_good(card, s[0]) else None for s in card.slots))


def own_gone(label, w, card, rest, twin):
    """A session whose own pairing is gone ends with the answer."""
    gone = w.peer not in holders(card) and not rest and twin != "a session outlives its slot"
    end = dict(channel="NONE", peer=-1, verified=False, right=False) if gone else {}
    yield label, w._replace(card=card, doing=rest, **end)


def broken(w):
    card = w.card
    if (card.pin >= 0 and w.wrong_pin + card.pin > PIN_TRIES) or (card.puk >= 0 and w.wrong_puk + card.puk > PUK_TRIES):
        return "T31"
    if w.verified and not w.right:
        return "T12"
    if w.channel == "SECURE" and not w.doing and w.peer not in holders(card):
        return "T12"
    if len(set(holders(card))) != len(holders(card)):
        return "T27"
    if not w.doing and any(not holder_is_good(card, holder) for holder in holders(card)):
        return "T27"
    return None


def forbidden(w, label, n):
    """What one step may not do."""
    card, after = w.card, n.card
    if after.date < card.date or after.epoch < card.epoch or (card.root and not after.root) or (card.listed and not after.listed):
        return "T25"
    if label == "factory reset":
        return None if w.channel == "SECURE" and (w.verified or card.puk == 0) else "T25"
    if card.life == 3 and (after.life != 3 or label in ("set PIN", "set PUK", "root", "key", "certificate")):
        return "T25"
    if after.slots != card.slots:
        lost = set(holders(card)) - set(holders(after))
        if label == "slot":
            if not w.right or len(lost) > (None not in card.slots and w.peer not in holders(card)):
                return "T25"
            pinned = {slot[0] for slot in card.slots if slot and slot[1]}
            if lost & pinned and len(pinned) < len(card.slots):
                return "T27"
        elif w.channel != "SECURE" or label == "empty":
            return "T25"
    if after.date != card.date and label != "slot":
        return "T25"
    if label == "spend" and w.channel == "AUTH" and holders(card) and card.pin == 1:
        return "T33"
    if label in ("right PUK", "wrong PUK") and w.doing[0][0] == "compare PUK" and w.wrong_puk >= PUK_TRIES:
        return "T33"
    if label in ("right", "wrong") and card.puk == 0:
        return "T33"
    if label == "spend PUK" and (card.puk == 0 or (w.channel == "AUTH" and holders(card) and card.puk == 1)):
        return "T33"
    return None


def search(slots, people, twin=None, most=None):
    """Breadth first, all states or the first `most`; how many, what was done how often, and the rule that broke with the steps."""
    card = Card(0, False, -1, -1, (None,) * slots, tuple(range(slots)), 0, 0, False)
    start = World(card, "NONE", -1, False, (), False, 0, 0)
    came_from, queue, done = {start: None}, deque([start]), Counter()
    while queue and (most is None or len(came_from) < most):
        world = queue.popleft()
        for label, after in moves(world, twin, range(people)):
            done[label.split()[0]] += 1
            fault = forbidden(world, label, after) or broken(after)
            if after not in came_from:
                came_from[after] = (label, world)
                queue.append(after)
            if fault:
                path = [label]
                while came_from[world]:
                    step, world = came_from[world]
                    path.append(step)
                return len(came_from), done, fault, path[::-1]
    return len(came_from), done, None, []


def main(full):
    begin = time.time()
    slots, people = (4, 5) if full else (2, 3)
    states, done, fault, path = search(slots, people, most=1_200_000 if full else None)
    print("%d slots, %d holders: %d states, %d steps, %d of them cuts [%.0f s]" % (
        slots, people, states, done.total(), done["cut"], time.time() - begin))
    if fault:
        sys.exit("lifecycle: %s: %s" % (fault, " | ".join(path)))
    for label in ("VERIFY", "UNBLOCK", "wrong", "right", "fill", "slot", "delete", "list", "pin", "factory", "activate", "session"):
        assert done[label] > 0, label
    for twin, rule in TWINS.items():
        count, _, fault, path = search(2, 3, twin)
        print("broken: %-42s %s after %d steps, %d states" % (twin, fault, len(path), count))
        if fault != rule:
            sys.exit("lifecycle: the twin breaks %s, not %s: %s" % (fault, rule, " | ".join(path)))
    print("evidence: T73 cases=%d seed=0 states of life cycle, PIN, PUK, %d slots, date and list, cut anywhere, no rule broken" % (states, slots))
    print("evidence: T71 cases=%d seed=0 broken twins of the life cycle, each found by its rule" % len(TWINS))


if __name__ == "__main__":
    main("--full" in sys.argv[1:])
