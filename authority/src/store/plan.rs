//! The plan of every statement that SQLite executes, checked in debug builds: a table that grows is never read as a whole.

use super::whole::{SMALL, WHOLE};
use rusqlite::types::Null;
use rusqlite::{Connection, params_from_iter};
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// Ends the program when the plan of a statement reads more than it has to. Each text is looked at once.
pub(super) fn check(connection: &Connection, text: &str) {
    static SEEN: Mutex<Option<HashSet<String>>> = Mutex::new(None);
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.get_or_insert_default().contains(text) {
        return;
    }
    // A statement that cannot be prepared fails when it is executed, and says why.
    let Ok(steps) = plan(connection, text) else {
        return;
    };
    let unbounded = unbounded(text, &steps);
    assert!(
        unbounded.is_none(),
        "a table that grows is read without an index that bounds it: {}: {text}",
        unbounded.unwrap_or_default()
    );
    seen.get_or_insert_default().insert(text.into());
}

/// The steps of SQLite's plan for a statement.
fn plan(connection: &Connection, text: &str) -> rusqlite::Result<Vec<String>> {
    let mut explain = connection.prepare(&format!("EXPLAIN QUERY PLAN {text}"))?;
    let values = vec![Null; explain.parameter_count()];
    let steps = explain.query_map(params_from_iter(values), |row| row.get("detail"))?;
    steps.collect()
}

/// The first step whose work grows with a table.
fn unbounded<'p>(text: &str, steps: &'p [String]) -> Option<&'p str> {
    if WHOLE.iter().any(|(part, _)| text.contains(part)) {
        return None;
    }
    // Rows that have to be sorted are all read before the first is given.
    let sorts = |step: &String| step.starts_with("USE TEMP B-TREE FOR ORDER BY");
    let cut = text.contains(" LIMIT ") && !steps.iter().any(sorts);
    let grows = |step: &&String| {
        let mut words = step.split_whitespace();
        let (kind, table) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let small = SMALL.contains(&table) || table == "bits";
        let given = ["VALUES CLAUSE", "CONSTANT ROW"];
        let given = given.iter().any(|rows| step.contains(rows)); // they stand in the statement
        match kind {
            _ if small || given => false,
            // In the order of an index, and every row that is read is given.
            "SCAN" => !(cut && step.contains(" USING ") && !text.contains(" WHERE ")),
            "SEARCH" => !step.contains("=?") && !cut,
            _ => false,
        }
    };
    steps.iter().find(grows).map(String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::schema::STEPS;

    fn tables() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        for statement in STEPS.iter().flat_map(|step| step.iter()) {
            let statement = statement.replace("BYTES", "BLOB");
            connection.execute_batch(&statement).unwrap();
        }
        connection
    }

    fn finds(text: &str) -> bool {
        let steps = plan(&tables(), text).unwrap();
        unbounded(text, &steps).is_some()
    }

    #[test]
    fn a_statement_without_an_index_that_bounds_it_is_found() {
        for text in [
            "SELECT digest FROM answers WHERE word = $1",
            "SELECT digest FROM answers WHERE word IN ($1, $2)",
            "SELECT digest FROM answers JOIN lines ON sequence = line WHERE word = $1",
            "SELECT count(*) FROM lines",
            "SELECT entry FROM lines WHERE sequence >= $1 ORDER BY sequence",
            "SELECT name FROM holders WHERE line = $1 ORDER BY name LIMIT 1",
            "SELECT name FROM holders ORDER BY mark LIMIT 1",
            "SELECT prefix FROM serials ORDER BY barrier DESC LIMIT 1",
            "DELETE FROM answers WHERE digest = $1",
            "UPDATE holders SET delivered = 1 WHERE mark = $1",
        ] {
            assert!(finds(text), "{text}");
        }
    }

    #[test]
    fn a_statement_with_its_index_is_none() {
        for text in [
            "SELECT digest FROM answers WHERE client = $1 AND word = $2",
            "SELECT entry FROM lines WHERE sequence >= $1 ORDER BY sequence LIMIT $2",
            "SELECT list FROM lists ORDER BY sequence DESC LIMIT 1",
            "SELECT prefix FROM serials ORDER BY highest DESC, prefix LIMIT 1",
            "SELECT version FROM tail",
            "INSERT INTO lines (sequence, entry) VALUES ($1, $2)",
        ] {
            assert!(!finds(text), "{text}");
        }
    }
}
