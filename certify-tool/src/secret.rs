//! Passphrase, PIN and PUK: by prompt without echo, or from a file; never from an argument.

use crate::cli::PassphraseArguments;
use crate::failure::Failure;
use apdu::crypto::Entropy;
use apdu::message::pin::{Digits, Reference};
use authority::Root;
use authority::custody::{Custody, KeyUri, MIN_PASSPHRASE, Pin};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use zeroize::{Zeroize, Zeroizing};

/// Longest file with a secret that is read, bytes.
const MAX_SECRET: usize = 1_024;
/// Digits of a PUK that is drawn here.
const PUK_LENGTH: usize = 8;

/// The first line of a file, without its end.
fn first_line(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let cannot = |why: &str| Failure::failed(format!("cannot read {}: {why}", path.display()));
    let mut bytes = Zeroizing::new(vec![0; MAX_SECRET]); // never grows, so no copy stays behind
    let mut file = File::open(path).map_err(|error| cannot(&error.to_string()))?;
    let mut length = 0;
    while let Some(rest) = bytes.get_mut(length..).filter(|rest| !rest.is_empty()) {
        match file.read(rest) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) => return Err(cannot(&error.to_string())),
        }
    }
    let end = bytes
        .iter()
        .take(length)
        .position(|byte| matches!(byte, b'\n' | b'\r'));
    match end {
        None if length == MAX_SECRET => Err(cannot("its first line is too long")),
        end => {
            let (line, rest) = bytes.split_at_mut(end.unwrap_or(length));
            rest.zeroize();
            Ok(Zeroizing::new(line.to_vec()))
        }
    }
}

fn prompt(what: &str, option: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    rpassword::prompt_password(format!("{what}: "))
        .map(|typed| Zeroizing::new(typed.into_bytes()))
        .map_err(|error| {
            Failure::failed(format!(
                "{what}: cannot ask for it here ({error}); use {option} FILE"
            ))
        })
}

/// What opens the key of a root of the authority in `folder`: its file's passphrase, or its token's PIN.
pub fn of_key(
    folder: &Path,
    root: &Root,
    arguments: &PassphraseArguments,
) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match Custody::of_root(folder, root)? {
        Custody::File(_) => passphrase(arguments),
        Custody::Token(uri) => {
            let pin = token_pin(arguments.passphrase_file.as_deref(), &uri)?;
            Ok(Zeroizing::new(pin.expose().as_bytes().to_vec()))
        }
    }
}

/// A one-time code for enrolment.
pub fn enrolment_code(file: Option<&Path>) -> Result<Zeroizing<String>, Failure> {
    let typed = match file {
        Some(path) => first_line(path)?,
        None => prompt("One-time code", "--code-file")?,
    };
    std::str::from_utf8(&typed)
        .map(|text| Zeroizing::new(text.to_owned()))
        .map_err(|_| Failure::usage("a code is letters and digits"))
}

/// The PIN of a token: from this file, from the one that the URI names, or by prompt.
pub fn token_pin(file: Option<&Path>, uri: &KeyUri) -> Result<Pin, Failure> {
    if !cfg!(feature = "pkcs11") {
        return Err(Failure::usage(
            "this build has no PKCS#11: build it with `cargo build -p certify-tool --features pcsc,pkcs11`",
        ));
    }
    match file.or(uri.pin_source.as_deref()) {
        Some(path) => Ok(Pin::from_file(path)?),
        None => {
            let what = format!("PIN of {}", crate::sheet::escaped(&uri.describe()));
            Ok(Pin::new(&prompt(
                &what,
                "a private file: pin-source=file:/path in the key's URI, or --pin-file",
            )?)?)
        }
    }
}

/// The passphrase of a key in a file.
fn passphrase(arguments: &PassphraseArguments) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match &arguments.passphrase_file {
        Some(path) => first_line(path),
        None => prompt("Passphrase of the authority's key", "--passphrase-file"),
    }
}

/// A passphrase for a new key: from this file, or asked for twice; `option` names the file.
pub fn new_passphrase(file: Option<&Path>, option: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match file {
        Some(path) => first_line(path),
        None => {
            let what = format!("New passphrase, at least {MIN_PASSPHRASE} characters");
            twice(&what, option)
        }
    }
}

fn twice(what: &str, option: &str) -> Result<Zeroizing<Vec<u8>>, Failure> {
    let first = prompt(what, option)?;
    let second = prompt("The same again", option)?;
    if apdu::crypto::equal(&first, &second) {
        Ok(first)
    } else {
        Err(Failure::failed("the two differ; nothing was done"))
    }
}

/// The PIN for a new card.
pub fn new_pin(file: Option<&Path>) -> Result<Digits, Failure> {
    let typed = match file {
        Some(path) => first_line(path)?,
        None => twice("PIN for the card, 6 to 12 digits", "--pin-file")?,
    };
    Digits::new(Reference::Pin, &typed).ok_or_else(|| Failure::usage("a PIN is 6 to 12 digits"))
}

/// The PUK from a file.
pub fn puk_from_file(path: &Path) -> Result<Digits, Failure> {
    Digits::new(Reference::Puk, &first_line(path)?)
        .ok_or_else(|| Failure::usage("a PUK is 8 to 16 digits"))
}

/// A random PUK of 8 digits, every one equally likely.
pub fn draw_puk(entropy: &mut dyn Entropy) -> Result<Digits, Failure> {
    let mut digits = Zeroizing::new(Vec::with_capacity(PUK_LENGTH));
    while digits.len() < PUK_LENGTH {
        let byte = entropy.secret::<1>().map_err(Failure::failed)?;
        let [byte] = *byte.expose();
        if byte < 250 {
            digits.push(b'0' + byte % 10); // 250 is a multiple of 10
        }
    }
    Digits::new(Reference::Puk, &digits).ok_or_else(|| Failure::failed("no PUK could be drawn"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use apdu::crypto::EntropyError;

    struct Tape(Vec<u8>);

    impl Entropy for Tape {
        fn fill(&mut self, bytes: &mut [u8]) -> Result<(), EntropyError> {
            for byte in bytes {
                *byte = self.0.pop().ok_or(EntropyError)?;
            }
            Ok(())
        }
    }

    #[test]
    fn a_secret_is_the_first_line_of_its_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (content, line) in [
            (&b"one two\r\nthree"[..], Some(&b"one two"[..])),
            (b"no newline", Some(b"no newline")),
            (b"", Some(b"")),
            (&[b'x'; MAX_SECRET - 1], Some(&[b'x'; MAX_SECRET - 1])),
            (&[b'x'; MAX_SECRET], None),
        ] {
            std::fs::write(&path, content).unwrap();
            let read = first_line(&path).ok();
            assert!(read.as_deref().map(Vec::as_slice) == line);
        }
        assert!(first_line(&folder.path().join("none")).is_err());
    }

    #[test]
    fn a_drawn_puk_has_eight_digits_and_no_digit_is_favoured() {
        let mut tape = Tape(vec![249, 250, 255, 0, 1, 2, 3, 4, 5, 16]);
        let puk = draw_puk(&mut tape).unwrap_or_else(|failure| panic!("{}", failure.message()));
        assert_eq!(puk.expose(), b"65432109");
        assert!(
            draw_puk(&mut Tape(vec![1; 7])).is_err(),
            "no randomness, no PUK"
        );
    }
}
