//! The plans of all statements that a PostgreSQL server was asked for, over tables that are filled.

#[path = "../../src/store/whole.rs"]
mod whole;

use postgres::{Client, NoTls, SimpleQueryMessage};
use serde_json::Value;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use whole::{SMALL, WHOLE};

/// Rows that are added to each table that grows.
const ROWS: u32 = 20_000;

/// From now on every statement in this database is written to the server's log.
pub fn record(address: &str) {
    let mut client = Client::connect(address, NoTls).unwrap();
    client
        .batch_execute(
            "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET log_statement = ''all''', current_database()); END $$",
        )
        .unwrap();
}

/// Fills the tables, which spoils the ledger, and looks at the plan of every statement that the server has heard since [`record`].
pub fn check(address: &str) {
    let host = address.split_whitespace().next().unwrap();
    let log = Path::new(host.strip_prefix("host=").unwrap()).join("log");
    let statements = statements(&fs::read_to_string(log).unwrap());
    assert!(statements.len() > 40, "{} were heard", statements.len());
    let mut client = Client::connect(address, NoTls).unwrap();
    fill(&mut client);
    let unbounded: Vec<String> = statements
        .iter()
        .filter_map(|text| Some(format!("{}: {text}", unbounded(&mut client, text)?)))
        .collect();
    assert_eq!(unbounded, [""; 0], "read more than they have to");
    for text in [
        "SELECT digest FROM answers WHERE word = $1",
        "SELECT name FROM holders WHERE line = $1 ORDER BY name LIMIT 1",
        "UPDATE holders SET delivered = 1 WHERE mark = $1",
    ] {
        assert!(unbounded_is_found(&mut client, text), "{text}");
    }
}

fn unbounded_is_found(client: &mut Client, text: &str) -> bool {
    unbounded(client, text).is_some()
}

/// What was executed, each text once.
fn statements(log: &str) -> BTreeSet<String> {
    let executed = log.lines().filter_map(|line| {
        let (_, rest) = line.split_once("LOG:  execute ")?;
        let (_, text) = rest.split_once(": ")?;
        let kinds = ["SELECT", "INSERT", "UPDATE", "DELETE", "WITH"];
        kinds
            .iter()
            .any(|kind| text.starts_with(kind))
            .then(|| text.to_owned())
    });
    // Steps of the tables' making have no values in them.
    let made = |text: &String| {
        let changes = ["INSERT", "UPDATE"]
            .iter()
            .any(|kind| text.starts_with(kind));
        changes && !text.contains('$')
    };
    executed.filter(|text| !made(text)).collect()
}

/// Rows of nonsense in every table that grows, so that plans are made for many; what may be nothing is nothing.
fn fill(client: &mut Client) {
    let tables = client
        .query(
            "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
            &[],
        )
        .unwrap();
    for table in tables.iter().map(|row| row.get::<_, String>(0)) {
        if SMALL.contains(&table.as_str()) {
            continue;
        }
        let text = "SELECT column_name::text, data_type::text FROM information_schema.columns \
                    WHERE table_name = $1 AND is_nullable = 'NO' ORDER BY ordinal_position";
        let columns = client.query(text, &[&table]).unwrap();
        let (names, values): (Vec<String>, Vec<&str>) = columns
            .iter()
            .map(|row| {
                let value = match row.get::<_, String>(1).as_str() {
                    "bigint" => "n",
                    "text" => "'x' || n",
                    "bytea" => "decode(md5(n::text), 'hex')",
                    other => panic!("{table} has a column of type {other}"),
                };
                (format!("\"{}\"", row.get::<_, String>(0)), value)
            })
            .unzip();
        let (names, values) = (names.join(", "), values.join(", "));
        let fill = format!(
            "INSERT INTO {table} ({names}) SELECT {values} FROM generate_series(1000001, {}) AS n",
            1_000_000 + ROWS
        );
        client.batch_execute(&fill).unwrap();
    }
    client.batch_execute("ANALYZE").unwrap();
}

/// The first step of the plan, made for any values, whose work grows with a table.
fn unbounded(client: &mut Client, text: &str) -> Option<String> {
    if WHOLE.iter().any(|(part, _)| text.contains(part)) {
        return None;
    }
    let values = text.split('$').skip(1).filter_map(|after| {
        let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
        digits.parse::<usize>().ok()
    });
    let values = match values.max() {
        None => String::new(),
        Some(count) => format!("({})", vec!["NULL"; count].join(", ")),
    };
    let explain = format!(
        "SET plan_cache_mode = force_generic_plan; PREPARE one AS {text}; EXPLAIN (FORMAT JSON) EXECUTE one{values}; DEALLOCATE one"
    );
    let answer = client
        .simple_query(&explain)
        .unwrap_or_else(|error| panic!("{text}: {error}"));
    let plan: String = answer
        .iter()
        .filter_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        })
        .collect();
    let plan: Value = serde_json::from_str(&plan).unwrap();
    step(client, &plan[0]["Plan"], false)
}

/// `cut`: whether no more rows are read than are given, for a limit stands above.
fn step(client: &mut Client, node: &Value, cut: bool) -> Option<String> {
    let word = |name: &str| node[name].as_str().unwrap_or_default().to_owned();
    let kind = word("Node Type");
    let table = word("Relation Name");
    let found = match kind.as_str() {
        "Seq Scan" => !SMALL.contains(&table.as_str()),
        "Index Scan" | "Index Only Scan" | "Bitmap Index Scan" => {
            let first = client
                .query_one(
                    "SELECT attname::text FROM pg_attribute WHERE attrelid = $1::text::regclass AND attnum = 1",
                    &[&word("Index Name")],
                )
                .unwrap();
            let begins = word("Index Cond").contains(first.get::<_, &str>(0));
            let ordered = cut && node["Filter"].is_null();
            !SMALL.contains(&table.as_str()) && !begins && !ordered
        }
        _ => false,
    };
    if found {
        return Some(format!("{kind} of {table}{}", word("Index Name")));
    }
    let below = match kind.as_str() {
        "Limit" => true,
        "Sort" | "Aggregate" | "Hash" | "WindowAgg" => false,
        _ => cut,
    };
    let children = node["Plans"].as_array().cloned().unwrap_or_default();
    children.iter().find_map(|child| step(client, child, below))
}
