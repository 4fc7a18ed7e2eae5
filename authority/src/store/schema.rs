//! The tables, in words that SQLite and PostgreSQL both understand; `BYTES` stands for the type of byte strings.
//!
//! `lines` is the ledger; `nodes` and `heads` its tree. `clients`, `invitations` and `service` are the network service's. All others
//! follow from the lines and could be made from them again.
//!
//! A new store takes all [`STEPS`], an older one those that it has not. A step that was released is never edited.

/// Version of the tables: how many steps there are.
pub(super) const VERSION: i64 = 3;

/// Stands in place of a version while a ledger is being copied into the store.
pub(super) const COPYING: i64 = 0;

/// What makes each version of the one before.
pub(super) const STEPS: [&[&str]; 3] = [VERSION_1, VERSION_2, VERSION_3];

const VERSION_1: &[&str] = &[
    // One row: where the ledger ends. Its row lock is the write lock.
    "CREATE TABLE tail (id BIGINT PRIMARY KEY CHECK (id = 1), version BIGINT NOT NULL, size BIGINT NOT NULL, time BIGINT NOT NULL, root BYTES NOT NULL)",
    "CREATE TABLE lines (sequence BIGINT PRIMARY KEY, entry TEXT NOT NULL)",
    "CREATE TABLE nodes (level BIGINT NOT NULL, place BIGINT NOT NULL, hash BYTES NOT NULL, PRIMARY KEY (level, place))",
    "CREATE TABLE heads (size BIGINT PRIMARY KEY, head TEXT NOT NULL)",
    "CREATE TABLE holders (name TEXT PRIMARY KEY, line BIGINT NOT NULL, issued BIGINT NOT NULL, role BIGINT NOT NULL, point BYTES NOT NULL UNIQUE, mark BYTES NOT NULL, epoch BIGINT NOT NULL, certificate BYTES NOT NULL, replaces TEXT, delivered BIGINT NOT NULL, revoked TEXT)",
    "CREATE INDEX holders_waiting ON holders (role, issued) WHERE delivered = 0 AND revoked IS NULL",
    "CREATE INDEX holders_revoked ON holders (epoch) WHERE revoked IS NOT NULL",
    "CREATE TABLE challenges (nonce BYTES PRIMARY KEY, time BIGINT NOT NULL, role BIGINT NOT NULL, holder TEXT NOT NULL, replaces TEXT, used BIGINT NOT NULL)",
    "CREATE TABLE serials (prefix TEXT PRIMARY KEY, highest BIGINT NOT NULL)",
    "CREATE TABLE lists (sequence BIGINT PRIMARY KEY, list BYTES NOT NULL)",
    "CREATE TABLE answers (client TEXT NOT NULL, word TEXT NOT NULL, digest BYTES NOT NULL, line BIGINT NOT NULL, PRIMARY KEY (client, word))",
];

const VERSION_2: &[&str] = &[
    // Who may connect to the service, who is invited, and the TLS authority that all instances have.
    "CREATE TABLE clients (place BIGINT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, fingerprint TEXT NOT NULL UNIQUE, added BIGINT NOT NULL, revoked BIGINT)",
    "CREATE UNIQUE INDEX clients_active ON clients (name) WHERE revoked IS NULL",
    "CREATE TABLE invitations (name TEXT PRIMARY KEY, role TEXT NOT NULL, code TEXT NOT NULL UNIQUE, expires BIGINT NOT NULL)",
    "CREATE TABLE service (id BIGINT PRIMARY KEY CHECK (id = 1), tls_ca BYTES NOT NULL)",
    // What is written and taken away again to see whether there is room.
    "CREATE TABLE trial (id BIGINT PRIMARY KEY CHECK (id = 1), filler BYTES NOT NULL)",
    // Backups that were put back: by how much the numbers leapt, and what was lost for good.
    "CREATE TABLE restorations (line BIGINT PRIMARY KEY, leap BIGINT NOT NULL, floor BIGINT NOT NULL, lists BIGINT NOT NULL)",
    // `issued` is the line of the certificate, `refused` an operator's reason; without both it waits, or has died.
    "CREATE TABLE requests (line BIGINT PRIMARY KEY, time BIGINT NOT NULL, client TEXT NOT NULL, holder TEXT NOT NULL UNIQUE, point BYTES NOT NULL UNIQUE, role BIGINT NOT NULL, replaces TEXT, years BIGINT, until BIGINT NOT NULL, request BYTES NOT NULL, issued BIGINT, refused TEXT)",
    "CREATE INDEX requests_waiting ON requests (line) WHERE issued IS NULL AND refused IS NULL",
    // The roots: the line that made each, its certificate, and the link certificate from the root before, which is empty for the first.
    "CREATE TABLE roots (line BIGINT PRIMARY KEY, certificate BYTES NOT NULL, link BYTES NOT NULL)",
    "INSERT INTO roots (line, certificate, link) SELECT 1, root, substr(root, 1, 0) FROM tail",
    "ALTER TABLE tail DROP COLUMN root",
    "ALTER TABLE serials ADD COLUMN barrier BIGINT NOT NULL DEFAULT 0",
];

const VERSION_3: &[&str] = &[
    // Answers end: each has the time of its line. Those of before count from the last line on.
    "ALTER TABLE answers ADD COLUMN time BIGINT NOT NULL DEFAULT 0",
    "UPDATE answers SET time = (SELECT time FROM tail)",
    "CREATE INDEX answers_time ON answers (time)",
    // What is asked for in an order, or by a bound, has an index that begins with it.
    "DROP INDEX holders_waiting",
    "CREATE INDEX holders_waiting ON holders (role, issued, line) WHERE delivered = 0 AND revoked IS NULL",
    "DROP INDEX requests_waiting",
    "CREATE INDEX requests_open ON requests (until) WHERE issued IS NULL AND refused IS NULL",
    "CREATE INDEX requests_open_of ON requests (client, role, until) WHERE issued IS NULL AND refused IS NULL",
    "CREATE INDEX serials_highest ON serials (highest DESC, prefix)",
    // Who ordered: a client's name, empty for the authority's own machine, nothing where orders were not yet bound to clients.
    "ALTER TABLE challenges ADD COLUMN client TEXT",
    "ALTER TABLE holders ADD COLUMN client TEXT",
    // Clients have lines: which one made each, who invited it, what it may order, and how often it did today. 0: no line knows it.
    "ALTER TABLE clients ADD COLUMN line BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE clients ADD COLUMN inviter TEXT",
    "ALTER TABLE clients ADD COLUMN rights TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE clients ADD COLUMN day BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE clients ADD COLUMN ordered BIGINT NOT NULL DEFAULT 0",
    "CREATE INDEX clients_line ON clients (line)",
    "ALTER TABLE invitations ADD COLUMN line BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE invitations ADD COLUMN inviter TEXT",
    "ALTER TABLE invitations ADD COLUMN rights TEXT NOT NULL DEFAULT '{}'",
    // What waits for a second operator; `decided` is the line that confirmed or dismissed it.
    "CREATE TABLE proposals (line BIGINT PRIMARY KEY, time BIGINT NOT NULL, client TEXT NOT NULL, until BIGINT NOT NULL, wish TEXT NOT NULL, decided BIGINT)",
    "CREATE INDEX proposals_open ON proposals (line) WHERE decided IS NULL",
    "CREATE INDEX holders_waiting_of ON holders (client, role, issued, line) WHERE delivered = 0 AND revoked IS NULL",
];
