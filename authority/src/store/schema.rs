//! The tables, in words that SQLite and PostgreSQL both understand; `BYTES` stands for the type of byte strings.
//!
//! `lines` is the ledger; `nodes` and `heads` its tree. All others follow from the lines and could be made from them again.

/// Version of the tables.
pub(super) const VERSION: i64 = 2;

pub(super) const TABLES: &[&str] = &[
    // One row: where the ledger ends. Its row lock is the write lock.
    "CREATE TABLE tail (id BIGINT PRIMARY KEY CHECK (id = 1), version BIGINT NOT NULL, size BIGINT NOT NULL, time BIGINT NOT NULL)",
    // The roots: the line that made each, its certificate, and the link certificate from the root before, which is empty for the first.
    "CREATE TABLE roots (line BIGINT PRIMARY KEY, certificate BYTES NOT NULL, link BYTES NOT NULL)",
    "CREATE TABLE lines (sequence BIGINT PRIMARY KEY, entry TEXT NOT NULL)",
    "CREATE TABLE nodes (level BIGINT NOT NULL, place BIGINT NOT NULL, hash BYTES NOT NULL, PRIMARY KEY (level, place))",
    "CREATE TABLE heads (size BIGINT PRIMARY KEY, head TEXT NOT NULL)",
    "CREATE TABLE holders (name TEXT PRIMARY KEY, line BIGINT NOT NULL, issued BIGINT NOT NULL, role BIGINT NOT NULL, point BYTES NOT NULL UNIQUE, mark BYTES NOT NULL, epoch BIGINT NOT NULL, certificate BYTES NOT NULL, replaces TEXT, delivered BIGINT NOT NULL, revoked TEXT)",
    "CREATE INDEX holders_waiting ON holders (role, issued) WHERE delivered = 0 AND revoked IS NULL",
    "CREATE INDEX holders_revoked ON holders (epoch) WHERE revoked IS NOT NULL",
    "CREATE TABLE challenges (nonce BYTES PRIMARY KEY, time BIGINT NOT NULL, role BIGINT NOT NULL, holder TEXT NOT NULL, replaces TEXT, used BIGINT NOT NULL)",
    // `issued` is the line of the certificate, `refused` an operator's reason; without both it waits, or has died.
    "CREATE TABLE requests (line BIGINT PRIMARY KEY, time BIGINT NOT NULL, client TEXT NOT NULL, holder TEXT NOT NULL UNIQUE, point BYTES NOT NULL UNIQUE, role BIGINT NOT NULL, replaces TEXT, years BIGINT, until BIGINT NOT NULL, request BYTES NOT NULL, issued BIGINT, refused TEXT)",
    "CREATE INDEX requests_waiting ON requests (line) WHERE issued IS NULL AND refused IS NULL",
    "CREATE TABLE serials (prefix TEXT PRIMARY KEY, highest BIGINT NOT NULL)",
    "CREATE TABLE lists (sequence BIGINT PRIMARY KEY, list BYTES NOT NULL)",
    "CREATE TABLE answers (client TEXT NOT NULL, word TEXT NOT NULL, digest BYTES NOT NULL, line BIGINT NOT NULL, PRIMARY KEY (client, word))",
];
