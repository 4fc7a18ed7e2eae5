//! Questions to the person: consent and PIN. Secrets come by prompt without echo, or from a file; never from an argument.

use crate::failure::Failure;
use apdu::message::pin::{Digits, Reference};
use host::output::{note, prompt};
use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use zeroize::Zeroizing;

/// Digits from the first line of a file.
pub fn digits_from_file(reference: Reference, path: &Path) -> Result<Digits, Failure> {
    let content = fs::read(path).map(Zeroizing::new);
    let content = content
        .map_err(|error| Failure::failed(format!("cannot read {}: {error}", path.display())))?;
    let line = content
        .split(|byte| matches!(byte, b'\n' | b'\r'))
        .next()
        .unwrap_or_default();
    Digits::new(reference, line)
        .ok_or_else(|| Failure::usage(format!("{} holds no {}", path.display(), shape(reference))))
}

/// Digits typed without echo; none when the person gave nothing.
pub fn digits_by_prompt(reference: Reference, prompt: &str) -> Result<Option<Digits>, Failure> {
    loop {
        let typed = rpassword::prompt_password(format!("{prompt}: ")).map(Zeroizing::new);
        let typed = typed.map_err(|error| {
            Failure::failed(format!(
                "{prompt}: cannot ask for it here ({error}); use --pin-file FILE"
            ))
        })?;
        if typed.is_empty() {
            return Ok(None);
        }
        match Digits::new(reference, typed.as_bytes()) {
            Some(digits) => return Ok(Some(digits)),
            None => note(format_args!(
                "That is no {}. Nothing was sent to the card.",
                shape(reference)
            )),
        }
    }
}

/// New digits: from a file, or typed twice.
pub fn new_digits(
    reference: Reference,
    file: Option<&Path>,
    prompt: &str,
) -> Result<Digits, Failure> {
    if let Some(path) = file {
        return digits_from_file(reference, path);
    }
    let given =
        |digits: Option<Digits>| digits.ok_or_else(|| Failure::failed("nothing was changed"));
    let first = given(digits_by_prompt(reference, prompt)?)?;
    let second = given(digits_by_prompt(reference, "The same again")?)?;
    if apdu::crypto::equal(first.expose(), second.expose()) {
        Ok(first)
    } else {
        Err(Failure::failed("the two differ; nothing was changed"))
    }
}

/// A question with yes or no; no where nobody can be asked.
pub fn yes(question: &str) -> bool {
    if !io::stdin().is_terminal() {
        note(format_args!(
            "{question} (nobody to ask here: no; see --pairing)"
        ));
        return false;
    }
    prompt(format_args!("{question} [y/N] "));
    let _ = io::stderr().flush();
    let mut answer = String::new();
    io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
}

fn shape(reference: Reference) -> &'static str {
    match reference {
        Reference::Pin => "PIN of 6 to 12 digits",
        Reference::Puk => "PUK of 8 to 16 digits",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_come_from_the_first_line_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        fs::write(&path, "271828\r\nsecond line").unwrap();
        let digits = digits_from_file(Reference::Pin, &path)
            .unwrap_or_else(|failure| panic!("{}", failure.message()));
        assert_eq!(digits.expose(), b"271828");
        fs::write(&path, "\n271828").unwrap();
        assert!(digits_from_file(Reference::Pin, &path).is_err());
        assert!(digits_from_file(Reference::Pin, &folder.path().join("none")).is_err());
    }
}
