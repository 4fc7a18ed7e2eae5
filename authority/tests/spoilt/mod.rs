//! JSON from a schema (JSON Schema 2020-12, as far as the service's description uses it), and ways to spoil it.

use crate::dice::Dice;
use serde_json::{Map, Number, Value, json};

/// A value that the schema allows, as far as a schema can say it.
pub fn from_schema(schema: &Value, description: &Value, dice: &mut Dice) -> Value {
    if let Some(path) = schema.get("$ref").and_then(Value::as_str) {
        let target = description
            .pointer(path.strip_prefix('#').unwrap())
            .unwrap();
        return from_schema(target, description, dice);
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(values) = schema.get("enum").and_then(Value::as_array) {
        return dice.one(values).clone();
    }
    for choice in ["oneOf", "anyOf"] {
        if let Some(schemas) = schema.get(choice).and_then(Value::as_array) {
            return from_schema(dice.one(schemas), description, dice);
        }
    }
    let kind = match schema.get("type") {
        Some(Value::Array(kinds)) => dice.one(kinds).as_str().unwrap(),
        Some(Value::String(kind)) => kind,
        other => panic!("a schema without a type: {other:?} in {schema}"),
    };
    match kind {
        "object" => {
            let required = schema["required"].as_array().cloned().unwrap_or_default();
            let members = schema["properties"]
                .as_object()
                .cloned()
                .unwrap_or_default();
            let mut object = Map::new();
            for (name, member) in members {
                if required.contains(&json!(name)) || dice.below(2) == 0 {
                    object.insert(name, from_schema(&member, description, dice));
                }
            }
            Value::Object(object)
        }
        "array" => (0..dice.below(4))
            .map(|_| from_schema(&schema["items"], description, dice))
            .collect(),
        "string" => json!(plausible(schema, dice)),
        "integer" | "number" => json!(dice.below(300)),
        "boolean" => json!(dice.below(2) == 0),
        "null" => Value::Null,
        other => panic!("a schema of type {other}"),
    }
}

fn plausible(schema: &Value, dice: &mut Dice) -> String {
    let base64 = schema["contentEncoding"] == "base64";
    let words: &[&str] = match base64 {
        true => &["", "AA==", "MIIB", "fyGCAQ=="],
        false => &[
            "ZZFUZZTERM000001",
            "ZZFUZZ",
            "ZZTALLYROOT00001",
            "LINE1",
            "Ada",
            "lost",
            "7",
        ],
    };
    match dice.below(4) {
        0 => format!("ZZFUZZ{:05}", dice.below(100_000)),
        _ => (*dice.one(words)).to_owned(),
    }
}

/// Makes one thing wrong somewhere in a value.
pub fn spoil(value: &mut Value, dice: &mut Dice) {
    // Down to a member first, more often than not.
    if dice.below(3) > 0 {
        match value {
            Value::Object(object) if !object.is_empty() => {
                let at = dice.below(object.len());
                return spoil(object.values_mut().nth(at).unwrap(), dice);
            }
            Value::Array(items) if !items.is_empty() => {
                let at = dice.below(items.len());
                return spoil(&mut items[at], dice);
            }
            _ => {}
        }
    }
    match (value, dice.below(4)) {
        (Value::Object(object), 0) if !object.is_empty() => {
            let at = dice.below(object.len());
            let name = object.keys().nth(at).unwrap().clone();
            object.remove(&name);
        }
        (Value::Object(object), 1) => {
            object.insert(hostile(dice), json!(1));
        }
        (value, 2) => *value = json!(hostile(dice)),
        (value, _) => {
            *value = match dice.below(10) {
                0 => Value::Null,
                1 => json!(true),
                2 => json!(i64::MIN),
                3 => json!(u64::MAX),
                4 => Number::from_f64(1e308).map_or(Value::Null, Value::Number),
                5 => json!([]),
                6 => json!({}),
                7 => json!([[[[{ "a": [] }]]]]),
                8 => json!(-0.5),
                _ => json!(""),
            };
        }
    }
}

fn hostile(dice: &mut Dice) -> String {
    let long = "Z".repeat(5_000);
    let texts = [
        "\0",
        "\u{1b}[2J",
        "'; DROP TABLE lines; --",
        "\" OR 1=1",
        "../../etc/passwd",
        "\u{202e}txt",
        "😀😀😀😀",
        "\u{feff}",
        "<script>",
        "%s%n",
        "ZZ\nTALLY",
        "zzfuzzterm000001",
        "ZZFUZZTERM00000１",
        "\u{d7ff}\u{e000}",
        "{\"a\":1}",
        &long,
    ];
    (*dice.one(&texts)).to_owned()
}

/// The value as text, now and then with a fault that no value can have.
pub fn text_of(value: &Value, dice: &mut Dice) -> String {
    let mut text = value.to_string();
    match dice.below(12) {
        0 => {
            let mut at = dice.below(text.len().max(1));
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            text.truncate(at);
        }
        1 => text.push_str(&value.to_string()),
        2 => text = format!("{}{}", "[".repeat(400), text),
        3 => text = text.replacen('{', "{\"role\":\"card\",\"role\":\"card\",", 1),
        4 => text = text.replace('"', "'"),
        5 => text.push('\0'),
        6 => text.insert(0, '\u{feff}'),
        _ => {}
    }
    text
}
