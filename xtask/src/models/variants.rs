//! A model and its variants: the same text with a few lines changed, and other questions.
//!
//! ```text
//! == broken pin-unchecked sessions=1
//! about  what is wrong, and which property falls
//!     a line that is there: the place
//! -   a line that goes; `-...` goes up to the next line named
//! +   a line that comes
//! fails  confidentiality? k_0_c
//! ```
//!
//! Lines are looked for downwards from the last one found, so a change that does not fit the model is an error.

/// What a model is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The protocol, or a question of its own about it.
    Also,
    /// An attack that the specification states.
    Limit,
    /// The protocol with one rule broken.
    Broken,
}

impl Kind {
    /// As it stands in a file of variants.
    pub fn word(self) -> &'static str {
        match self {
            Self::Also => "holds",
            Self::Limit => "limit",
            Self::Broken => "broken",
        }
    }
}

/// A question and whether the answer must be "holds".
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    text: String,
    holds: bool,
}

/// One model to be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Model {
    /// What it is for.
    pub kind: Kind,
    /// `setup`, or `setup/pin-unchecked`.
    pub name: String,
    /// In words.
    pub about: String,
    /// The text for Verifpal.
    pub text: String,
    /// Its questions.
    pub queries: Vec<Query>,
    /// So many sessions of each principal at once.
    pub sessions: u8,
    /// Too slow for every day.
    pub full: bool,
}

impl Model {
    /// What Verifpal must print: a letter for each query, 0 for one that holds.
    pub fn code(&self) -> String {
        let mut code = String::new();
        for query in &self.queries {
            code.extend(query.text.chars().next());
            code.push(if query.holds { '0' } else { '1' });
        }
        code
    }
}

const QUERIES: &str = "queries[";

/// The model of a file and all its variants.
///
/// # Errors
/// A variant that does not fit the model, or one without questions.
pub fn models(base: &str, text: &str, variants: &str) -> Result<Vec<Model>, String> {
    let (body, questions) = text
        .split_once(QUERIES)
        .ok_or_else(|| format!("{base}: no queries"))?;
    let queries: Vec<Query> = questions
        .lines()
        .filter_map(|line| line.trim().split_once(" // "))
        .filter_map(|(query, verdict)| Query::parse(verdict.split(' ').next()?, query))
        .collect();
    if queries.is_empty() || queries.len() != questions.matches('?').count() {
        return Err(format!("{base}: a query without its verdict"));
    }
    let mut models = vec![Model {
        kind: Kind::Also,
        name: base.into(),
        about: text
            .lines()
            .next()
            .unwrap_or_default()
            .trim_start_matches("// ")
            .into(),
        text: text.into(),
        queries,
        sessions: 1,
        full: false,
    }];
    for variant in variants.split("\n== ").skip(1) {
        let model = one(base, body, variant).map_err(|reason| {
            let name = variant.lines().next().unwrap_or_default();
            format!("{base}.variants, {name}: {reason}")
        })?;
        models.push(model);
    }
    Ok(models)
}

fn one(base: &str, body: &str, variant: &str) -> Result<Model, String> {
    let (head, rest) = variant.split_once('\n').ok_or("nothing in it")?;
    let mut words = head.split(' ');
    let kind = match words.next() {
        Some("also") => Kind::Also,
        Some("limit") => Kind::Limit,
        Some("broken") => Kind::Broken,
        _ => return Err("it is neither also, limit nor broken".into()),
    };
    let mut model = Model {
        kind,
        name: format!("{base}/{}", words.next().ok_or("no name")?),
        about: String::new(),
        text: String::new(),
        queries: Vec::new(),
        sessions: 1,
        full: false,
    };
    for word in words {
        match word.strip_prefix("sessions=").map(str::parse) {
            Some(Ok(sessions)) => model.sessions = sessions,
            None if word == "full" => model.full = true,
            _ => return Err(format!("what is {word}?")),
        }
    }
    let mut changes = Vec::new();
    for line in rest.lines().filter(|line| !line.trim().is_empty()) {
        match line.split_once("  ") {
            Some(("about", words)) => model.about = words.into(),
            Some((verdict @ ("holds" | "fails"), query)) => {
                model.queries.extend(Query::parse(verdict, query));
            }
            _ => changes.push(line),
        }
    }
    // A limit shows an attack, a twin falls in every question, and the protocol in none.
    let holds = model
        .queries
        .iter()
        .all(|query| query.holds == (kind == Kind::Also));
    if model.queries.is_empty() || !holds {
        return Err("its verdicts are not those of its kind".into());
    }
    let body = changed(&format!("{body}{QUERIES}"), &changes)?;
    let questions: String = model
        .queries
        .iter()
        .map(|query| format!("\t{}\n", query.text))
        .collect();
    model.text = format!("{body}\n{questions}]\n");
    Ok(model)
}

/// Applies the changes to the lines of a model.
fn changed(body: &str, changes: &[&str]) -> Result<String, String> {
    let mut lines: Vec<&str> = body.lines().collect();
    let (mut place, mut gap) = (0, None);
    for change in changes {
        if let Some(new) = change.strip_prefix('+') {
            lines.insert(place, new);
            place += 1;
            continue;
        }
        let old = change.strip_prefix('-').unwrap_or(change).trim();
        if old == "..." {
            gap = Some(place);
            continue;
        }
        let found = lines
            .iter()
            .skip(place)
            .position(|line| line.trim() == old)
            .ok_or_else(|| format!("the model has no line {old}"))?;
        let mut found = place + found;
        if let Some(from) = gap.take() {
            lines.drain(from..found);
            found = from;
        }
        place = if change.starts_with('-') {
            lines.remove(found);
            found
        } else {
            found + 1
        };
    }
    Ok(lines.join("\n"))
}

impl Query {
    fn parse(verdict: &str, query: &str) -> Option<Self> {
        let text = query.trim().to_owned();
        match verdict {
            "holds" => Some(Self { text, holds: true }),
            "fails" => Some(Self { text, holds: false }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str =
        "// A model.\none\ntwo\n]\nthree\n]\nqueries[\n\tconfidentiality? k // holds Q1\n]\n";

    fn text(changes: &str) -> Result<String, String> {
        let variant =
            format!("\n== broken it\nabout  why\n{changes}\nfails  authentication? A -> B: m\n");
        models("base", MODEL, &variant).map(|models| models[1].text.clone())
    }

    #[test]
    fn a_variant_is_the_model_with_its_lines_changed_and_its_own_questions() {
        let broken = "queries[\n\tauthentication? A -> B: m\n]\n";
        assert_eq!(
            text("\ttwo\n-]\n+new\n").unwrap(),
            format!("// A model.\none\ntwo\nnew\nthree\n]\n{broken}")
        );
        assert_eq!(
            text("-two\n-...\nqueries[").unwrap(),
            format!("// A model.\none\n{broken}")
        );
    }

    #[test]
    fn a_variant_that_does_not_fit_is_an_error() {
        for changes in ["-four", "-three\n-two", "-...\nfour"] {
            assert!(text(changes).unwrap_err().contains("no line"), "{changes}");
        }
    }

    #[test]
    fn the_code_has_a_letter_and_a_digit_for_each_query() {
        let variants =
            "\n== limit it sessions=2 full\nfails  confidentiality? k\nfails  equivalence? a, b\n";
        let models = models("base", MODEL, variants).unwrap();
        assert_eq!([models[0].code(), models[1].code()], ["c0", "c1e1"]);
        assert_eq!((models[1].sessions, models[1].full), (2, true));
    }

    #[test]
    fn a_twin_that_is_expected_to_hold_and_a_query_without_verdict_are_refused() {
        for verdicts in [
            "holds  freshness? a",
            "fails  freshness? a\nholds  freshness? b",
            "",
        ] {
            let variants = format!("\n== broken it\n{verdicts}\n");
            assert!(models("base", MODEL, &variants).is_err(), "{verdicts}");
        }
        assert!(models("base", "queries[\n\tfreshness? a\n]\n", "").is_err());
    }
}
