//! What a durable write costs on the medium, with the settings of the store.

use super::SPAN;
use crate::world::Failure;
use postgres::{Client, NoTls};
use rusqlite::Connection;
use std::path::Path;
use std::time::Instant;

/// A row as long as the line of a certificate, written and committed by itself, over and over: commits a second.
fn rate(mut commit: impl FnMut(&str) -> Result<(), Failure>) -> Result<f64, Failure> {
    let entry = "x".repeat(600);
    let start = Instant::now();
    let mut commits = 0_u32;
    while start.elapsed() < SPAN {
        commit(&entry)?;
        commits += 1;
    }
    Ok(f64::from(commits) / start.elapsed().as_secs_f64())
}

/// With the settings of the store.
pub fn sqlite(path: &Path) -> Result<f64, Failure> {
    let connection = Connection::open(path)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.execute_batch("CREATE TABLE rows (number INTEGER PRIMARY KEY, entry TEXT)")?;
    let mut insert = connection.prepare("INSERT INTO rows (entry) VALUES (?1)")?;
    rate(|entry| Ok(insert.execute([entry]).map(drop)?))
}

/// In a table that is gone afterwards. Every insertion is a transaction of its own.
pub fn postgres(address: &str) -> Result<f64, Failure> {
    let mut client = Client::connect(address, NoTls)?;
    client.batch_execute("CREATE TABLE raw_rows (number BIGSERIAL PRIMARY KEY, entry TEXT)")?;
    let insert = client.prepare("INSERT INTO raw_rows (entry) VALUES ($1)")?;
    let rate = rate(|entry| Ok(client.execute(&insert, &[&entry]).map(drop)?));
    client.batch_execute("DROP TABLE raw_rows")?;
    rate
}
