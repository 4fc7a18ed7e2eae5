//! A route: path, who may use it, what goes in and out, and the function that answers. Router and description are both made from it.

use super::clients::ClientRole;
use super::desk::IdempotencyKey;
use super::problem::{KEY_MISSING, MALFORMED, Problem};
use super::service::Service;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Serialize, de::DeserializeOwned};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Everybody, also without a client certificate.
    Anyone,
    /// Stations.
    Station,
    /// Operators.
    Operator,
    /// Operators and auditors.
    Reader,
    /// All clients.
    Enrolled,
}

impl Who {
    /// Whether an enrolled client of this role may.
    pub(super) fn admits(self, role: ClientRole) -> bool {
        match self {
            Self::Anyone | Self::Enrolled => true,
            Self::Station => role == ClientRole::Station,
            Self::Operator => role == ClientRole::Operator,
            Self::Reader => role != ClientRole::Station,
        }
    }
}

/// The methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "RFC 9110 says what they are")]
pub enum Method {
    Get,
    Post,
    Delete,
}

/// A parameter of the query.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// What it is.
    pub what: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// Whether it is a number, rather than a name.
    pub number: bool,
}

/// An answer on its way out.
#[derive(Debug, Clone)]
pub(super) struct Answer {
    pub status: u16,
    pub media: &'static str,
    pub body: Vec<u8>,
}

/// One request, taken apart.
pub(super) struct Call<'a> {
    pub service: &'a Service,
    /// The variable part of the path.
    pub segment: Option<&'a str>,
    pub query: Vec<(&'a str, &'a str)>,
    pub key: Option<IdempotencyKey>,
    /// The client's name; empty for somebody who is none.
    pub client: &'a str,
    pub body: &'a [u8],
}

impl<'a> Call<'a> {
    /// The variable part of the path.
    pub fn segment(&self) -> &'a str {
        self.segment.unwrap_or_default()
    }

    /// The idempotency key, which the route demands.
    pub fn key(&self) -> Result<&IdempotencyKey, Problem> {
        self.key
            .as_ref()
            .ok_or_else(|| Problem::new(KEY_MISSING, "the header is missing"))
    }

    /// A parameter of the query.
    pub fn text(&self, name: &str) -> Option<&'a str> {
        let found = self.query.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| *value)
    }

    /// A number of the query.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let parse = |text: &str| {
            text.parse()
                .map_err(|_| Problem::new(MALFORMED, format!("`{name}` is not a number")))
        };
        self.text(name).map(parse).transpose()
    }

    /// A number of the query that must be there.
    pub fn needed(&self, name: &str) -> Result<u64, Problem> {
        self.number(name)?
            .ok_or_else(|| Problem::new(MALFORMED, format!("`{name}` is missing")))
    }
}

/// A good answer's status beside what goes out as JSON.
pub(super) type Told<A> = Result<(u16, A), Problem>;
type Run = Box<dyn Fn(&Call<'_>) -> Result<Answer, Problem> + Send + Sync>;
type Describe = fn(&mut SchemaGenerator) -> Schema;

/// One route.
pub struct Route {
    /// Its method.
    pub method: Method,
    /// Its path; a variable part stands in braces.
    pub path: &'static str,
    /// Who may use it.
    pub who: Who,
    /// One line about it.
    pub summary: &'static str,
    /// Status codes of good answers.
    pub statuses: &'static [u16],
    /// Whether an `Idempotency-Key` is demanded.
    pub keyed: bool,
    /// Whether a good answer may be kept to be given again; not where it tells a secret.
    pub remembered: bool,
    /// What may stand in the query.
    pub query: &'static [Parameter],
    /// Media type of good answers.
    pub media: &'static str,
    pub(super) body: Option<Describe>,
    pub(super) answer: Option<Describe>,
    pub(super) run: Run,
}

pub(super) const JSON: &str = "application/json";

impl Route {
    /// A route that takes no body. `run` gives the status beside what goes out as JSON; with 204 nothing goes out.
    fn bare<A: Serialize + JsonSchema + 'static>(
        method: Method,
        path: &'static str,
        who: Who,
        summary: &'static str,
        run: fn(&Call<'_>) -> Told<A>,
    ) -> Self {
        Self {
            method,
            path,
            who,
            summary,
            statuses: &[200],
            keyed: false,
            remembered: false,
            query: &[],
            media: JSON,
            body: None,
            answer: Some(|generator| generator.subschema_for::<A>()),
            run: Box::new(move |call| written(run(call)?)),
        }
    }

    /// GET.
    pub(super) fn get<A: Serialize + JsonSchema + 'static>(
        path: &'static str,
        who: Who,
        summary: &'static str,
        run: fn(&Call<'_>) -> Told<A>,
    ) -> Self {
        Self::bare(Method::Get, path, who, summary, run)
    }

    /// DELETE.
    pub(super) fn delete<A: Serialize + JsonSchema + 'static>(
        path: &'static str,
        who: Who,
        summary: &'static str,
        run: fn(&Call<'_>) -> Told<A>,
    ) -> Self {
        Self {
            statuses: &[202, 204],
            ..Self::bare(Method::Delete, path, who, summary, run)
        }
    }

    /// POST of a `B`, with an idempotency key; good answers are given again for the same key.
    pub(super) fn post<
        B: DeserializeOwned + JsonSchema + 'static,
        A: Serialize + JsonSchema + 'static,
    >(
        path: &'static str,
        who: Who,
        summary: &'static str,
        statuses: &'static [u16],
        run: fn(&Call<'_>, &B) -> Told<A>,
    ) -> Self {
        let nothing = statuses == [204];
        Self {
            method: Method::Post,
            path,
            who,
            summary,
            statuses,
            keyed: true,
            remembered: true,
            query: &[],
            media: JSON,
            body: Some(|generator| generator.subschema_for::<B>()),
            answer: (!nothing).then_some(|generator| generator.subschema_for::<A>()),
            run: Box::new(move |call| {
                let body = serde_json::from_slice(call.body)
                    .map_err(|error| Problem::new(MALFORMED, reason(&error)))?;
                written(run(call, &body)?)
            }),
        }
    }

    /// GET of plain text or ready-made JSON.
    pub(super) fn text(
        path: &'static str,
        summary: &'static str,
        media: &'static str,
        run: fn(&Call<'_>) -> Result<String, Problem>,
    ) -> Self {
        Self {
            media,
            answer: None,
            run: Box::new(move |call| {
                Ok(Answer {
                    status: 200,
                    media,
                    body: run(call)?.into_bytes(),
                })
            }),
            ..Self::get(path, Who::Anyone, summary, |_| Ok((200, ())))
        }
    }

    pub(super) fn with_query(self, query: &'static [Parameter]) -> Self {
        Self { query, ..self }
    }

    pub(super) fn may_say(self, statuses: &'static [u16]) -> Self {
        Self { statuses, ..self }
    }

    pub(super) fn without_key(self) -> Self {
        Self {
            keyed: false,
            remembered: false,
            ..self
        }
    }

    pub(super) fn not_remembered(self) -> Self {
        Self {
            remembered: false,
            ..self
        }
    }

    /// Takes the query apart: only what the route knows, each once, without percent signs, which no name or number needs.
    pub(super) fn read_query<'q>(
        &self,
        query: &'q str,
    ) -> Result<Vec<(&'q str, &'q str)>, Problem> {
        let wrong = |what: &str| Problem::new(MALFORMED, format!("the query: {what}"));
        let mut found: Vec<(&str, &str)> = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| wrong("not `name=value`"))?;
            if !self.query.iter().any(|parameter| parameter.name == key) {
                return Err(wrong("the route has no such parameter"));
            }
            if value.contains('%') || found.iter().any(|(other, _)| *other == key) {
                return Err(wrong("a value is given twice or has percent signs"));
            }
            found.push((key, value));
        }
        Ok(found)
    }
}

fn written<A: Serialize>((status, value): (u16, A)) -> Result<Answer, Problem> {
    let body = match status {
        204 => Vec::new(),
        _ => serde_json::to_vec(&value).map_err(|error| {
            tracing::error!(reason = %error, "an answer cannot be written");
            Problem::new(super::problem::INTERNAL, "the answer cannot be written")
        })?,
    };
    Ok(Answer {
        status,
        media: JSON,
        body,
    })
}

/// What serde says, without what it quotes from the body: that may be a secret.
fn reason(error: &serde_json::Error) -> String {
    let place = format!("at line {}, column {}", error.line(), error.column());
    let what = match error.classify() {
        serde_json::error::Category::Data => {
            let said = error.to_string();
            let said = said.split(" at line ").next().unwrap_or_default();
            return match said.split_once('`').is_none() && !said.contains('"') {
                true => format!("the body: {said}, {place}"),
                false => format!(
                    "the body has a member that is unknown, missing or of another kind, {place}"
                ),
            };
        }
        serde_json::error::Category::Eof => "the body ends too early",
        _ => "the body is not JSON",
    };
    format!("{what}, {place}")
}
