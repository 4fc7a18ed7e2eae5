//! A connection to PostgreSQL on which many statements are under way at once, in the order in which they were handed in.

use super::batch::Query;
use super::row::{Row, Value};
use std::collections::{HashMap, HashSet};
use std::future::{self, Future};
use std::pin::Pin;
use std::task::Poll;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_postgres::tls::MakeTlsConnect;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Client, Column, Config, Error, Socket, Statement};

/// Most statements that stay prepared.
const PREPARED: usize = 512;

/// What goes to the server in one exchange.
pub(super) enum Sent {
    /// `BEGIN`, `COMMIT` or `ROLLBACK`.
    Plain(&'static str),
    Statement(Query),
}

impl Sent {
    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Plain(text) if *text == word)
    }
}

pub(super) struct Connection {
    client: Client,
    prepared: HashMap<String, Statement>,
    /// The task that moves bytes; it ends with what ended the connection.
    mover: Option<JoinHandle<Result<(), Error>>>,
}

enum Answer {
    Rows(Vec<Row>),
    Prepared(Statement),
}

type Answering<'a> = Pin<Box<dyn Future<Output = Result<Answer, Error>> + 'a>>;

impl Connection {
    /// Connects, and sends these settings.
    pub(super) fn open<T>(
        runtime: &Runtime,
        config: &Config,
        tls: T,
        settings: &str,
    ) -> Result<Self, Error>
    where
        T: MakeTlsConnect<Socket>,
        T::Stream: Send + 'static,
    {
        runtime.block_on(async {
            let (client, connection) = config.connect(tls).await?;
            let mover = tokio::spawn(connection);
            client.batch_execute(settings).await?;
            Ok(Self {
                client,
                prepared: HashMap::new(),
                mover: Some(mover),
            })
        })
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Sends all in one go and gives the rows of each; the first error, if one failed.
    ///
    /// A statement that is new is sent with its text, and prepared behind the others for the next time: that costs no round trip.
    pub(super) fn exchange(
        &mut self,
        runtime: &Runtime,
        sent: &[Sent],
    ) -> Result<Vec<Vec<Row>>, Error> {
        if self.prepared.len() > PREPARED {
            self.prepared.clear();
        }
        let mut new = HashSet::new();
        let mut answers: Vec<Answering<'_>> = Vec::with_capacity(sent.len());
        for sent in sent {
            match sent {
                Sent::Plain(text) => answers.push(Box::pin(plain(&self.client, text))),
                Sent::Statement(query) => {
                    let known = self.prepared.get(&query.text);
                    if known.is_none() && !query.is_definition() {
                        new.insert(query.text.as_str());
                    }
                    answers.push(Box::pin(run(&self.client, known, query)));
                }
            }
        }
        let new: Vec<&str> = new.into_iter().collect();
        for text in &new {
            answers.push(Box::pin(prepare(&self.client, text)));
        }
        let mut outcomes = runtime.block_on(together(answers));
        let prepared = outcomes.split_off(sent.len());
        for (text, outcome) in new.into_iter().zip(prepared) {
            // What could not be prepared, in a change that failed, goes with its text the next time.
            if let Ok(Answer::Prepared(statement)) = outcome {
                self.prepared.insert(text.into(), statement);
            }
        }
        let rows = outcomes.into_iter().map(|outcome| match outcome? {
            Answer::Rows(rows) => Ok(rows),
            Answer::Prepared(_) => Ok(Vec::new()),
        });
        let rows: Result<_, Error> = rows.collect();
        rows.map_err(|error| self.cause(runtime).unwrap_or(error))
    }

    /// What ended the connection, if it has ended: more than the requests on it know.
    fn cause(&mut self, runtime: &Runtime) -> Option<Error> {
        let mover = self.mover.take_if(|_| self.client.is_closed())?;
        runtime.block_on(mover).ok()?.err()
    }
}

impl Query {
    /// Whether it changes the tables themselves: that is not prepared.
    fn is_definition(&self) -> bool {
        let first = self.text.split(' ').next().unwrap_or_default();
        ["CREATE", "DROP", "ALTER", "LOCK"].contains(&first)
    }
}

async fn plain(client: &Client, text: &str) -> Result<Answer, Error> {
    client.batch_execute(text).await?;
    Ok(Answer::Rows(Vec::new()))
}

async fn prepare(client: &Client, text: &str) -> Result<Answer, Error> {
    client.prepare(text).await.map(Answer::Prepared)
}

async fn run(client: &Client, known: Option<&Statement>, query: &Query) -> Result<Answer, Error> {
    let rows = match known {
        Some(statement) => {
            let values = query.values.iter().zip(statement.params());
            let values: Vec<&(dyn ToSql + Sync)> = values
                .map(|(value, column)| as_sql(value, column))
                .collect();
            client.query(statement, &values).await?
        }
        None => {
            let typed = |value| (as_sql(value, &type_of(value)), type_of(value));
            let values: Vec<(&(dyn ToSql + Sync), Type)> = query.values.iter().map(typed).collect();
            client.query_typed(&query.text, &values).await?
        }
    };
    Ok(Answer::Rows(rows.iter().map(row).collect()))
}

/// Begins all, in this order, before it waits for any; gives what came of each.
async fn together(mut answers: Vec<Answering<'_>>) -> Vec<Result<Answer, Error>> {
    let mut outcomes: Vec<Option<Result<Answer, Error>>> = answers.iter().map(|_| None).collect();
    future::poll_fn(|context| {
        let mut waits = false;
        for (answer, outcome) in answers.iter_mut().zip(&mut outcomes) {
            if outcome.is_some() {
                continue;
            }
            match answer.as_mut().poll(context) {
                Poll::Ready(done) => *outcome = Some(done),
                Poll::Pending => waits = true,
            }
        }
        match waits {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    })
    .await;
    outcomes.into_iter().flatten().collect()
}

/// The type of a value that goes with a text; the server finds out that of nothing.
fn type_of(value: &Value) -> Type {
    match value {
        Value::Null => Type::UNKNOWN,
        Value::Number(_) => Type::INT8,
        Value::Text(_) => Type::TEXT,
        Value::Bytes(_) => Type::BYTEA,
    }
}

/// A value for a column of this type; nothing has a type too.
fn as_sql<'v>(value: &'v Value, column: &Type) -> &'v (dyn ToSql + Sync) {
    match value {
        Value::Null if *column == Type::INT8 => &None::<i64>,
        Value::Null if *column == Type::BYTEA => &None::<Vec<u8>>,
        Value::Null => &None::<String>,
        Value::Number(number) => number,
        Value::Text(text) => text,
        Value::Bytes(bytes) => bytes,
    }
}

/// What has no place in our tables reads as nothing, and so as damage.
fn row(row: &tokio_postgres::Row) -> Row {
    let value = |(place, column): (usize, &Column)| {
        let found = match *column.type_() {
            Type::INT8 => row
                .try_get(place)
                .map(|found: Option<i64>| found.map(Value::Number)),
            Type::TEXT => row
                .try_get(place)
                .map(|found: Option<String>| found.map(Value::Text)),
            Type::BYTEA => row
                .try_get(place)
                .map(|found: Option<Vec<u8>>| found.map(Value::Bytes)),
            _ => Ok(None),
        };
        found.ok().flatten().unwrap_or(Value::Null)
    };
    Row::new(row.columns().iter().enumerate().map(value).collect())
}
