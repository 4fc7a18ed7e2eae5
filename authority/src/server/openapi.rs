//! The description of the interface (OpenAPI 3.1), made from the table of routes and the types of the messages.

use super::problem::{KINDS, MEDIA_TYPE, Problem};
use super::route::{Method, Route, Who};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// Describes these routes.
pub fn describe(routes: &[Route]) -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.definitions_path = "/components/schemas".into();
        settings.meta_schema = None;
    });
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Problem>();
    let mut paths: Map<String, Value> = Map::new();
    for route in routes {
        let mut responses = Map::new();
        for status in route.statuses {
            let mut response = json!({ "description": meaning(*status) });
            let schema = match route.answer {
                Some(describe) => Some(json!(describe(&mut generator))),
                None if *status == 204 => None,
                None => Some(json!({})),
            };
            if let (Some(schema), true) = (schema, *status != 204) {
                insert(
                    &mut response,
                    "content",
                    json!({ route.media: { "schema": schema } }),
                );
            }
            responses.insert(status.to_string(), response);
        }
        let problem = json!({ MEDIA_TYPE: { "schema": problem } });
        let problem = json!({ "description": "A problem; `type` says which", "content": problem });
        responses.insert("default".into(), problem);
        let mut operation = json!({
            "summary": route.summary,
            "tags": [tag(route.who)],
            "parameters": parameters(route),
            "responses": responses,
            "security": match route.who {
                Who::Anyone => json!([]),
                _ => json!([{ "clientCertificate": [] }]),
            },
        });
        if let Some(describe) = route.body {
            let schema = json!({ "application/json": { "schema": describe(&mut generator) } });
            let body = json!({ "required": true, "content": schema });
            insert(&mut operation, "requestBody", body);
        }
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        insert(path, verb(route.method), operation);
    }
    let words: Vec<_> = KINDS.iter().map(|(word, ..)| *word).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Tallystick certification authority",
            "version": env!("CARGO_PKG_VERSION"),
            "description": format!("Errors are problem details (RFC 9457) of these types: {}.", words.join(", ")),
        },
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "securitySchemes": { "clientCertificate": {
                "type": "mutualTLS",
                "description": "The certificate that enrolment gave. Its role decides which routes it opens: see the tags.",
            } },
        },
    })
}

/// The method as the description writes it.
pub fn verb(method: Method) -> &'static str {
    match method {
        Method::Get => "get",
        Method::Post => "post",
        Method::Delete => "delete",
    }
}

/// The variable part of a path, if it has one.
pub fn variable(path: &str) -> Option<&str> {
    let (_, rest) = path.split_once('{')?;
    rest.strip_suffix('}')
}

fn parameters(route: &Route) -> Vec<Value> {
    let segment = variable(route.path).map(|name| {
        json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } })
    });
    let query = route.query.iter().map(|parameter| {
        let kind = if parameter.number {
            "integer"
        } else {
            "string"
        };
        json!({
            "name": parameter.name, "in": "query", "required": parameter.required,
            "description": parameter.what, "schema": { "type": kind },
        })
    });
    let key = route.keyed.then(|| {
        json!({
            "name": "Idempotency-Key", "in": "header", "required": true,
            "description": "The same key with the same body gives the first answer again; nothing is done twice",
            "schema": { "type": "string", "pattern": "^[!-~]{1,64}$" },
        })
    });
    segment.into_iter().chain(query).chain(key).collect()
}

fn tag(who: Who) -> &'static str {
    match who {
        Who::Anyone => "anyone",
        Who::Station => "station",
        Who::Operator => "operator",
        Who::Reader => "operator or auditor",
        Who::Enrolled => "station, operator or auditor",
    }
}

fn meaning(status: u16) -> &'static str {
    match status {
        200 => "Here it is",
        201 => "Done",
        202 => "Waits for an operator",
        204 => "Done; nothing to say",
        _ => "Not well",
    }
}

fn insert(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.into(), value);
    }
}
