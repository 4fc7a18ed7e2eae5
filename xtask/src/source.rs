//! Rust text made plain: the same length and lines, with blanks where comments, strings and test code were.
//!
//! A light reader, not a parser: enough to find words that mean something to the compiler.

/// One file as the checks read it. All texts have the same length, so a position in one is a position in all.
pub struct Source<'a> {
    /// The file as it is.
    pub text: &'a str,
    /// Without comments and string contents.
    pub code: String,
    /// Also without items under `#[cfg(test)]`.
    pub product: String,
}

impl<'a> Source<'a> {
    /// Reads one file.
    pub fn new(text: &'a str) -> Self {
        let code = without_prose(text);
        let product = without_tests(&code);
        Self {
            text,
            code,
            product,
        }
    }

    /// The line of a position, counted from 1.
    pub fn line(&self, position: usize) -> usize {
        let before = self.text.as_bytes().get(..position).unwrap_or_default();
        1 + before.iter().filter(|byte| **byte == b'\n').count()
    }
}

/// Where this word stands in the text, on its own and not as a part of a longer one.
pub fn words<'t>(text: &'t str, word: &'t str) -> impl Iterator<Item = usize> + 't {
    text.match_indices(word)
        .map(|(position, _)| position)
        .filter(move |position| {
            let before = text
                .get(..*position)
                .and_then(|before| before.chars().next_back());
            let after = text
                .get(position + word.len()..)
                .and_then(|after| after.chars().next());
            !before.is_some_and(is_word) && !after.is_some_and(is_word)
        })
}

fn is_word(letter: char) -> bool {
    letter == '_' || letter.is_alphanumeric()
}

fn without_prose(text: &str) -> String {
    let bytes = text.as_bytes();
    let at = |position: usize| bytes.get(position).copied().unwrap_or(0);
    let mut plain = bytes.to_vec();
    let mut here = 0;
    while here < bytes.len() {
        let end = match (at(here), at(here + 1)) {
            (b'/', b'/') => find(bytes, here, b"\n"),
            (b'/', b'*') => comment_end(bytes, here),
            (b'"', _) => string_end(bytes, here + 1),
            (b'r', b'"' | b'#') if !glued(bytes, here) => match raw_string_end(bytes, here + 1) {
                Some(end) => end,
                None => here,
            },
            (b'\'', _) => char_end(text, here),
            _ => here,
        };
        if let Some(prose) = plain.get_mut(here..end) {
            prose
                .iter_mut()
                .filter(|byte| **byte != b'\n')
                .for_each(|byte| *byte = b' ');
        }
        here = end.max(here + 1);
    }
    // Why lossy: nothing is lost, because only whole characters were blanked.
    String::from_utf8_lossy(&plain).into_owned()
}

/// Whether the `r` at this place is the end of a longer word than `br` or `cr`.
fn glued(bytes: &[u8], here: usize) -> bool {
    let before = |steps: usize| {
        here.checked_sub(steps)
            .and_then(|place| bytes.get(place))
            .copied()
            .unwrap_or(b' ')
    };
    let word = |byte: u8| byte == b'_' || byte.is_ascii_alphanumeric();
    match before(1) {
        b'b' | b'c' => word(before(2)),
        other => word(other),
    }
}

fn find(bytes: &[u8], from: usize, wanted: &[u8]) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    rest.windows(wanted.len())
        .position(|window| window == wanted)
        .map_or(bytes.len(), |found| from + found)
}

fn comment_end(bytes: &[u8], start: usize) -> usize {
    let mut depth = 0_usize;
    let mut here = start;
    while let Some(rest) = bytes.get(here..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(b"/*") {
            depth += 1;
            here += 2;
        } else if rest.starts_with(b"*/") {
            depth -= 1;
            here += 2;
            if depth == 0 {
                return here;
            }
        } else {
            here += 1;
        }
    }
    bytes.len()
}

fn string_end(bytes: &[u8], mut here: usize) -> usize {
    while let Some(byte) = bytes.get(here) {
        match byte {
            b'\\' => here += 2,
            b'"' => return here + 1,
            _ => here += 1,
        }
    }
    bytes.len()
}

/// `None` for a raw identifier such as `r#type`.
fn raw_string_end(bytes: &[u8], hashes: usize) -> Option<usize> {
    let count = bytes
        .get(hashes..)?
        .iter()
        .take_while(|byte| **byte == b'#')
        .count();
    let start = hashes + count;
    if bytes.get(start) != Some(&b'"') {
        return None;
    }
    let closing = [&b"\""[..], &vec![b'#'; count]].concat();
    Some((find(bytes, start + 1, &closing) + closing.len()).min(bytes.len()))
}

/// The end of a character, or the same place for a lifetime.
fn char_end(text: &str, quote: usize) -> usize {
    let rest = text.get(quote + 1..).unwrap_or_default();
    let mut letters = rest.char_indices();
    match letters.next() {
        Some((_, '\\')) => {
            letters.next();
            letters
                .find(|(_, letter)| *letter == '\'')
                .map_or(text.len(), |(found, _)| quote + 1 + found + 1)
        }
        Some(_) => match letters.next() {
            Some((found, '\'')) => quote + 1 + found + 1,
            _ => quote,
        },
        None => quote,
    }
}

fn without_tests(code: &str) -> String {
    let mut plain = code.as_bytes().to_vec();
    for (attribute, _) in code.match_indices("#[cfg(") {
        let end = attribute + bracket_length(code.get(attribute + 1..).unwrap_or_default()) + 1;
        let condition = code.get(attribute..end).unwrap_or_default();
        if words(condition, "test").next().is_none() || words(condition, "not").next().is_some() {
            continue;
        }
        let item = end + item_length(code.get(end..).unwrap_or_default());
        if let Some(tests) = plain.get_mut(attribute..item) {
            tests
                .iter_mut()
                .filter(|byte| **byte != b'\n')
                .for_each(|byte| *byte = b' ');
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

/// The length of the item that starts here: to its `;`, or to the end of its first braces.
fn item_length(code: &str) -> usize {
    let mut here = 0;
    while let Some(rest) = code.get(here..) {
        match rest.bytes().next() {
            None => break,
            Some(b';') => return here + 1,
            Some(b'{') => return here + bracket_length(rest),
            Some(b'(' | b'[') => here += bracket_length(rest),
            Some(_) => here += rest.chars().next().map_or(1, char::len_utf8),
        }
    }
    code.len()
}

/// The length of a text in brackets, from the opening one to its partner.
fn bracket_length(code: &str) -> usize {
    let mut depth = 0_usize;
    for (here, letter) in code.char_indices() {
        match letter {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return here + 1;
                }
            }
            _ => {}
        }
    }
    code.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, word: &str) -> bool {
        words(&Source::new(text).code, word).next().is_some()
    }

    #[test]
    fn a_word_in_code_is_found_and_in_prose_it_is_not() {
        for code in [
            "unsafe {}",
            "x(unsafe)",
            "let a = '\"'; unsafe",
            "let a = b'\\''; unsafe",
            "fn f<'a>(x: &'a str) { unsafe }",
            "r#unsafe",
            "let r = \"\\\\\"; unsafe",
            "/* a /* b */ c */ unsafe",
            "let s = r##\"a\"# b\"##; unsafe",
        ] {
            assert!(found(code, "unsafe"), "{code}");
        }
        for prose in [
            "// unsafe",
            "//! unsafe",
            "/* a /* b */ unsafe */",
            "let s = \"unsafe\";",
            "let s = \"\\\" unsafe\";",
            "let s = r#\"a\" unsafe\"#;",
            "let s = br\"\\\"; let t = \"unsafe\";",
            "unsafe_code",
            "not_unsafe",
            "let s = \"never closed unsafe",
        ] {
            assert!(!found(prose, "unsafe"), "{prose}");
        }
    }

    #[test]
    fn every_position_keeps_its_line() {
        let text = "// ü\nlet s = \"é\n\"; word\n";
        let source = Source::new(text);
        assert_eq!(source.code.len(), text.len());
        let position = words(&source.code, "word").next().unwrap();
        assert_eq!(source.line(position), 3);
    }

    #[test]
    fn an_item_under_test_is_not_product_and_the_next_one_is() {
        for item in [
            "mod tests { fn a() { marked } }",
            "mod marked;",
            "fn f(x: [u8; 3]) { marked; } ",
            "#[allow(x)]\nmod tests { marked }",
        ] {
            for condition in ["test", "all(test, feature = \"std\")"] {
                let text = format!("#[cfg({condition})]\n{item}\nfn after() {{ plain }}");
                let source = Source::new(&text);
                assert!(words(&source.code, "marked").next().is_some(), "{text}");
                assert!(words(&source.product, "marked").next().is_none(), "{text}");
                assert!(words(&source.product, "plain").next().is_some(), "{text}");
            }
        }
    }

    #[test]
    fn an_item_not_under_test_is_product() {
        for condition in ["not(test)", "feature = \"test\"", "unix"] {
            let text = format!("#[cfg({condition})]\nfn marked() {{}}");
            let source = Source::new(&text);
            assert!(words(&source.product, "marked").next().is_some(), "{text}");
        }
    }
}
