"""A second implementation of docs/protocol.md, both ends, and a verifier for docs/ledger.md, written from the text alone.

| module | sections | what lives there |
|---|---|---|
| primitives | 6.1, 6.3, 6.5 | the algorithms, over the `cryptography` package |
| tlv | 2 | strict BER-TLV |
| apdu | 4 | commands, chaining, long answers |
| papers | 7, 13 | certificates, requests, links, status lists, dates |
| schedule | 6.2, 6.4 | transcript and keys |
| channel | 10 | secure messaging |
| memory | 9.4, 12.1, 15.1 | what a card stores |
| card | 4, 5, 8.2, 9, 12.2 | the card: states and order of refusals |
| commands | 11 | what a card does in a session |
| codes | 11.5 | PIN and PUK |
| services | 14 | vault and counter |
| shelf | 15.2 | what a terminal stores |
| terminal | 8.3, 9, 16 | the terminal: reconnect, set-up, flow |
| session | 10.3, 11, 14 | the terminal's commands in a session |
| station | 11.8 | the terminal's side of personalisation |
| reader | - | vpcd at both ends, PC/SC |
| tree | docs/ledger.md | the ledger's tree, signed heads, receipts |
| receipt | docs/ledger.md | verifies a receipt offline: `python3 -m oracle.receipt ROOT.cvcert RECEIPT.json` |
| judge | docs/ledger.md | judges the vectors of the tree |
| peer | - | cards and terminals for another program, by lines of JSON |

Nothing here does I/O but `reader`, `peer` and the command line; randomness is a function that is handed in. It exists to find out
whether the text says enough. It keeps secrets in plain Python objects and compares without care for time: never use it for anything
but tests.
"""
