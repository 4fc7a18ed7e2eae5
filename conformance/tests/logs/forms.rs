//! The forms in which bytes can be written down, and the search for them in what was written.

use std::collections::HashSet;

/// So many bytes of a long secret in a row are a find; shorter ones are looked for whole.
pub const PART: usize = 8;

/// A secret and its name.
pub struct Known {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// Text as it is, and with everything taken out that only separates digits.
struct Plain {
    raw: Vec<u8>,
    /// Hexadecimal digits in lower case, joined across blanks, colons, commas, `0x` and line ends.
    hex: String,
    /// Decimal numbers, joined by single commas.
    decimal: String,
}

impl Plain {
    fn new(raw: &[u8]) -> Self {
        let text = String::from_utf8_lossy(raw).to_lowercase();
        let hex = text
            .replace("0x", "")
            .replace("\\x", "")
            .chars()
            .filter(|letter| !" :,-\t\r\n[]\"".contains(*letter))
            .collect();
        let numbers: Vec<&str> = text
            .split(|letter: char| !letter.is_ascii_digit())
            .filter(|number| !number.is_empty())
            .collect();
        Self {
            raw: raw.to_vec(),
            hex,
            decimal: format!(",{},", numbers.join(",")),
        }
    }
}

/// The names of the secrets that stand in `written`, each with its form.
pub fn found_in(written: &[u8], secrets: &[Known]) -> HashSet<(String, &'static str)> {
    let plain = Plain::new(written);
    let mut found = HashSet::new();
    for known in secrets {
        let length = PART.min(known.bytes.len());
        for part in known.bytes.windows(length) {
            for form in forms_of(part, &plain) {
                found.insert((known.name.clone(), form));
            }
        }
        for text in base64(&known.bytes) {
            if contains(written, text.as_bytes()) || contains(written, url(&text).as_bytes()) {
                found.insert((known.name.clone(), "base64"));
            }
        }
    }
    found
}

fn forms_of(part: &[u8], plain: &Plain) -> Vec<&'static str> {
    let join = |write: fn(&u8) -> String, between: &str| {
        let written: Vec<String> = part.iter().map(write).collect();
        written.join(between)
    };
    let mut forms = Vec::new();
    if contains(&plain.raw, part) {
        forms.push("as it is");
    }
    if plain.hex.contains(&join(|byte| format!("{byte:02x}"), "")) {
        forms.push("hexadecimal");
    }
    let decimal = join(u8::to_string, ",");
    if plain.decimal.contains(&format!(",{decimal},")) {
        forms.push("decimal");
    }
    forms
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|window| window == part)
}

/// Base64 of the whole groups of a secret, for each place in a group where it may begin.
fn base64(secret: &[u8]) -> Vec<String> {
    (0..3)
        .filter_map(|begin| {
            let groups = secret.get(begin..)?.chunks_exact(3);
            let text: String = groups.flat_map(group).collect();
            (text.len() >= 8).then_some(text)
        })
        // Of a long secret a part is enough.
        .flat_map(|text| {
            let size = text.len().min(12);
            (0..=text.len() - size)
                .step_by(4)
                .map(move |at| text[at..at + size].to_owned())
                .collect::<Vec<_>>()
        })
        .collect()
}

fn group(bytes: &[u8]) -> [char; 4] {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let number = bytes
        .iter()
        .fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
    [18, 12, 6, 0].map(|shift| char::from(LETTERS[number >> shift & 63]))
}

fn url(text: &str) -> String {
    text.replace('+', "-").replace('/', "_")
}
