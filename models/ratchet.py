#!/usr/bin/env python3
"""The ratchet of reconnect (section 8) and the commit of set-up (section 9.3), searched exhaustively.

One card, one terminal, an attacker who owns the line. He sees every message and may lose, delay, reorder, repeat and replay
any of them at any time; either side may lose power between any two small steps, and every durable write is a step of its own.
He has no keys: a message is accepted only if the real party made it for the same nonces. That is the only assumption.

A key is (chain, generation). Chain 0 is the pairing there was at first, chain n the one that set-up n made.
    C1(nT)           challenge                        B(n)     messages 2 and 3 of set-up n
    R(key, nT, nC)   AuthC under key                  S(n, i)  the card's part, instance i
    F(key, nT, nC)   the first secured command        M(n, i)  message 7, commit
    A(key, nT, nC)   its answer                       D(n, i)  its answer

In every reachable state:
    I1  the card's key is one that the terminal would find: its current key, the successor, or a pending key
    I2  in one chain the card is at the terminal's generation or one ahead
    I3  an honest session succeeds from here and leaves both at the same key
    I4  when the terminal has verified an answer of a generation, neither side stores that one or an older one of its chain,
        and no pending key from before is left
    I5  the card has executed a command only for a generation that its durable state has left
I1 and I3 are claimed only while at most PENDING keys were appended since the list was last empty. Beyond that the search must
find the two parted, and must find them together again by a set-up (section 9.3).

usage: ratchet.py [--quick|--full]
"""
import sys
import time
from collections import deque
from functools import cache
from typing import NamedTuple, Optional

PENDING = 3  # keys in the terminal's list; the oldest goes first


class World(NamedTuple):
    card: tuple  # durable
    cstep: Optional[tuple]  # the card's volatile state
    cur: tuple  # durable, as is the next
    pending: tuple
    tstep: Optional[tuple]  # the terminal's volatile state
    wire: frozenset
    rounds: int  # so many challenges, set-ups and answers of the card were made
    setups: int
    answers: int
    row: int  # so many keys were appended since the list of pending keys was last empty
    over: Optional[tuple]  # the key whose answer the terminal verified last, and the set-ups until then
    executed_early: bool


START = World((0, 0), None, (0, 0), (), None, frozenset(), 0, 0, 0, 0, None, False)

# Each twin is the program with one rule broken; it must be found by the invariant named.
TWINS = {
    "successor not stored before the first command": "I2",
    "terminal moves on when it sends": "I2",
    "card moves on when it is challenged": "I2",
    "card answers first and writes afterwards": "I2",
    "card executes before it writes": "I5",
    "a tag moves durable state": "I2",
    "one pending key only": "I1",
    "two pending keys only": "I1",
    "pending key promoted after the answer": "I1",
    "pending keys outlive a session": "I4",
    "a set-up outlives a challenge": "I1",
    "terminal keeps the old key": "I3",
}


UNLUCKY = ("card loses power", "terminal loses power", "a false tag")


def successor(key):
    return (key[0], key[1] + 1)


def found(world):
    """The key under which an honest session would run, or None."""
    if world.card in (world.cur, successor(world.cur)) or world.card in world.pending:
        return world.card
    return None


def broken(w, twin):
    """The first invariant that does not hold here."""
    if w.executed_early:
        return "I5"
    if w.card[0] == w.cur[0] and not 0 <= w.card[1] - w.cur[1] <= 1:
        return "I2"
    if found(w) is None and w.row <= PENDING:
        return "I1"
    if w.over is not None:
        old = lambda key: key[0] == w.over[0] and key[1] <= w.over[1]
        if old(w.card) or old(w.cur) or any(n <= w.over[2] for n, _ in w.pending):
            return "I4"
    if found(w) and not session_succeeds(w.card, w.cur, w.pending, twin):
        return "I3"
    return None


def lives(message, cstep, tstep):
    """Whether a message can ever change anything again. Nonces do not come back, and a challenge that no terminal waits for
    only does to the card what a power cut does."""
    kind = message[0]
    if kind == "C1":
        return tstep is not None and tstep[:2] == ("challenged", message[1])
    if kind == "R":
        return tstep is not None and tstep[:2] == ("challenged", message[2])
    if kind == "F":
        return cstep is not None and cstep == ("wait", message[1], message[2], message[3])
    if kind == "A":
        return tstep is not None and tstep == ("sent", message[1], message[2], message[3])
    if kind in "BS":
        return tstep is not None and tstep[:2] == ("begun", message[1])
    if kind == "M":
        return cstep is not None and cstep == ("set-up", message[1], message[2])
    return tstep is not None and tstep == ("committing", message[1], message[2])


def moves(w, bound, twin):
    """Every next state, with what led to it."""
    rounds, setups, answers, forget = bound

    def to(label, message=None, **changes):
        wire = w.wire if message is None else w.wire | {message}
        n = w._replace(**changes)
        if forget:
            wire = frozenset(m for m in wire if lives(m, n.cstep, n.tstep))
        return label, n._replace(wire=wire)

    # Power.
    if w.cstep:
        yield to("card loses power", cstep=None)
    if w.tstep:
        yield to("terminal loses power", tstep=None)
    # The terminal begins something.
    if w.rounds < rounds:
        n = w.rounds + 1
        yield to(f"T: C1({n})", ("C1", n), tstep=("challenged", n), rounds=n)
    if w.setups < setups:
        n = w.setups + 1
        yield to(f"T: set-up {n}", ("B", n), tstep=("begun", n), setups=n)
    # The terminal's small steps.
    match w.tstep:
        case ("challenged", _) if twin == "a tag moves durable state":
            yield to("a false tag", cur=successor(w.cur))
        case ("store", key, nt, nc):
            yield to(f"T: stores {key}", cur=key, pending=(), row=0, tstep=("send", key, nt, nc))
        case ("send", key, nt, nc):
            early = {"cur": successor(key)} if twin == "terminal moves on when it sends" else {}
            yield to("T: F", ("F", key, nt, nc), tstep=("sent", key, nt, nc), **early)
        case ("follow", key):
            after = {"cur": successor(key), "pending": (), "row": 0}
            if twin == "terminal keeps the old key":
                after = {}
            if twin == "pending keys outlive a session":
                after = {"cur": successor(key)}
            yield to("T: stores the next key", tstep=None, over=(*key, w.setups), **after)
        case ("append", n, i):
            size = {"one pending key only": 1, "two pending keys only": 2}.get(twin, PENDING)
            keys = (w.pending + ((n, 0),))[-size:]
            yield to(f"T: appends key {n}", pending=keys, row=w.row + 1, tstep=("commit", n, i))
        case ("commit", n, i):
            yield to("T: M", ("M", n, i), tstep=("committing", n, i))
        case ("promote", n):
            yield to(f"T: key {n} is current", cur=(n, 0), pending=(), row=0, tstep=None)
    # The card's small steps.
    match w.cstep:
        case ("write", key, nt, nc):
            yield to("C: stores the next key", card=successor(key), cstep=("answer", key, nt, nc))
        case ("answer", key, nt, nc):
            late = twin in ("card answers first and writes afterwards", "card executes before it writes")
            left = w.card[0] != key[0] or w.card[1] > key[1]
            yield to(
                "C: executes, A",
                ("A", key, nt, nc),
                cstep=("late", key) if late else None,
                executed_early=not left and twin != "card answers first and writes afterwards",
            )
        case ("late", key):
            yield to("C: stores the next key late", card=successor(key), cstep=None)
        case ("slot", n, i):
            yield to(f"C: stores key {n}", card=(n, 0), cstep=("done", n, i))
        case ("done", n, i):
            yield to("C: D", ("D", n, i), cstep=None)
    # Any message that was ever sent arrives, once more.
    for message in sorted(w.wire):
        match message:
            case ("C1", nt) if w.answers < answers:
                nc = w.answers + 1
                step = ("wait", w.card, nt, nc)
                if twin == "a set-up outlives a challenge" and w.cstep and w.cstep[0] == "set-up":
                    step = w.cstep
                early = {"card": successor(w.card)} if twin == "card moves on when it is challenged" else {}
                yield to(f"C gets C1({nt})", ("R", w.card, nt, nc), cstep=step, answers=nc, **early)
            case ("R", key, nt, nc) if w.tstep == ("challenged", nt):
                step = None
                if key == w.cur:
                    keep = not w.pending or twin == "pending keys outlive a session"
                    step = "send" if keep else "store"
                elif key == successor(w.cur):
                    skip = twin == "successor not stored before the first command"
                    step = "send" if skip else "store"
                elif key in w.pending:
                    step = "send" if twin == "pending key promoted after the answer" else "store"
                if step:
                    yield to(f"T gets R {key}", tstep=(step, key, nt, nc))
            case ("F", key, nt, nc) if w.cstep == ("wait", key, nt, nc):
                unwritten = (
                    "card answers first and writes afterwards",
                    "card executes before it writes",
                    "card moves on when it is challenged",
                )
                yield to("C gets F", cstep=("answer" if twin in unwritten else "write", key, nt, nc))
            case ("A", key, nt, nc) if w.tstep == ("sent", key, nt, nc):
                yield to("T gets A", tstep=("follow", key))
            case ("B", n) if w.answers < answers:
                i = w.answers + 1
                yield to(f"C gets set-up {n}", ("S", n, i), cstep=("set-up", n, i), answers=i)
            case ("S", n, i) if w.tstep == ("begun", n):
                yield to("T gets S, the PIN was right", tstep=("append", n, i))
            case ("M", n, i) if w.cstep == ("set-up", n, i):
                yield to("C gets M", cstep=("slot", n, i))
            case ("D", n, i) if w.tstep == ("committing", n, i):
                yield to("T gets D", tstep=("promote", n))


@cache
def session_succeeds(card, cur, pending, twin):
    """Whether a session without loss or cut, from these durable states, leaves both one generation on at the same key."""
    world = START._replace(card=card, cur=cur, pending=pending)
    while True:
        steps = [after for label, after in moves(world, (1, 0, 1, True), twin) if label not in UNLUCKY]
        if not steps:
            return world.card == world.cur == successor(card)
        world = steps[0]


def search(bound, twin=None):
    """All states, breadth first: how many, how many of them parted after more than PENDING set-ups, how often a step brought the
    two together again, and the invariant that broke with the steps that led there."""
    came_from = {START: None}
    queue = deque([START])
    parted = healed = 0
    while queue:
        world = queue.popleft()
        fault = broken(world, twin)
        if fault:
            path = []
            while came_from[world]:
                label, world = came_from[world]
                path.append(label)
            return len(came_from), parted, healed, fault, path[::-1]
        apart = found(world) is None
        parted += apart
        for label, after in moves(world, bound, twin):
            healed += apart and found(after) is not None
            if after not in came_from:
                came_from[after] = (label, world)
                queue.append(after)
    return len(came_from), parted, healed, None, []


def copies(depth):
    """Section 19.2 h. A stale copy of one side finds no match unless the result is again 0 or 1 apart. A copy of the card beside
    the original is noticed by the next use of the original, unless the attacker also loses that one's answers."""
    together = (0, 1)
    for gap in together:
        for back in (1, 2, 3):
            for side, after in (("terminal", gap + back), ("card", gap - back)):
                heals = back == 1 and gap == (0 if side == "terminal" else 1)
                assert (after in together) == heals, (side, back, gap)
    best = {}
    for loses_answers in (False, True):
        # How far the original and its copy are ahead of the terminal, and how often the copy was used since the start.
        front, best[loses_answers] = {(0, 0, 0)}, 0
        for _ in range(depth):
            after = set()
            for original, copy, uses in front:
                if original in together:
                    best[loses_answers] = max(best[loses_answers], uses)
                    after.add((0, copy - original - 1, uses))
                    if loses_answers:
                        # The terminal stays: at the successor if that matched, else where it was.
                        after.add((1, copy - original, uses))
                if copy in together:
                    after.add((original - copy - 1, 0, uses + 1))
            front = after
    return best[False], best[True]


def main(full):
    start = time.time()
    # challenges, set-ups, answers of the card; whether messages that can never matter again are forgotten
    runs = [((3, 0, 4, False), False), ((3, 3, 4, True), False), ((1, 5, 5, True), True)]
    if full:
        runs = [((4, 0, 5, False), False), ((4, 3, 5, True), False), ((2, 5, 6, True), True)]
    total = 0
    for bound, beyond in runs:
        states, parted, healed, fault, path = search(bound)
        words = "parted in %d, healed by %d steps" % (parted, healed) if beyond else "none parted"
        print("%d challenges, %d set-ups, %d answers: %d states, %s [%.0f s]" % (*bound[:3], states, words, time.time() - start))
        if fault or (parted > 0) != beyond or (healed > 0) != beyond:
            sys.exit("ratchet: %s: %s" % (fault or "more or fewer parted than claimed", " | ".join(path)))
        total += states
    for twin, invariant in TWINS.items():
        states, _, _, fault, path = search((3, 3 if "key" in twin or "set-up" in twin else 0, 4, True), twin)
        print("broken: %-48s %s after %d steps, %d states" % (twin, fault, len(path), states))
        if fault != invariant:
            sys.exit("ratchet: the twin breaks %s, not %s: %s" % (fault, invariant, " | ".join(path)))
    unnoticed, dropping = copies(9)
    print("uses of a copy before the original's next use found it: %d, if answers are lost at will: %d" % (unnoticed, dropping))
    assert unnoticed == 0 and dropping > 1
    print("evidence: T70 cases=%d seed=0 ratchet: every state within the bounds, invariants I1 to I5 hold" % total)
    print("evidence: T71 cases=%d seed=0 broken twins of the ratchet, each found by its invariant" % len(TWINS))


if __name__ == "__main__":
    main("--full" in sys.argv[1:])
