//! Tables that do not grow, and the few statements that may read a growing one in a way that no index bounds, each with its reason.

/// Tables of a bounded size: one row, or one for each root or restoration.
pub const SMALL: &[&str] = &["tail", "roots", "restorations", "service", "trial"];

/// A part of the statement's text, and why it may.
pub const WHOLE: &[(&str, &str)] = &[
    (
        "issued IS NULL AND refused IS NULL AND until >= $1",
        "requests that wait for an operator now: they end by themselves",
    ),
    (
        "FROM clients ORDER BY place",
        "the list of clients, at most 10,000, for operators and enrolments",
    ),
    (
        "FROM invitations ORDER BY expires",
        "the list of invitations, for operators and enrolments",
    ),
    (
        "UPDATE serials SET highest = highest +",
        "a restoration moves all numbers, once",
    ),
    (
        "FROM proposals WHERE decided IS NULL ORDER BY line",
        "changes that no second operator has decided about, the newest 1,000",
    ),
    (
        "DELETE FROM invitations",
        "by name, or all in a restoration, once",
    ),
    (
        "UPDATE challenges SET used = 1 WHERE used = 0",
        "a restoration ends all open challenges, once",
    ),
];
