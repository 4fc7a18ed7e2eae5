//! A token's PIN: from a private file or handed in; never from an argument, the environment or a URI.

use super::error::CustodyError;
use super::file::read_private;
use std::path::Path;
use zeroize::Zeroizing;

/// Longest PIN, in bytes.
const MAX_PIN: usize = 255;

/// The user PIN of a token: 1 to 255 bytes of UTF-8 without control characters. Wiped when it dies.
pub struct Pin(Zeroizing<String>);

impl Pin {
    /// Takes a PIN from its bytes. The caller's copy remains the caller's to wipe.
    ///
    /// # Errors
    /// [`CustodyError::Pin`] when it is none.
    pub fn new(bytes: &[u8]) -> Result<Self, CustodyError> {
        Self::checked(bytes, "the PIN handed in")
    }

    /// Reads the first line of a file that only its owner may touch, mode 0600 or less.
    ///
    /// # Errors
    /// [`CustodyError::Loose`], [`CustodyError::OtherOwner`], [`CustodyError::NotAFile`] and [`CustodyError::File`] as for a
    /// key file; [`CustodyError::Pin`] when its first line is no PIN.
    pub fn from_file(path: &Path) -> Result<Self, CustodyError> {
        let text = read_private(path)?;
        let line = text.lines().next().unwrap_or_default();
        Self::checked(line.as_bytes(), &path.display().to_string())
    }

    fn checked(bytes: &[u8], place: &str) -> Result<Self, CustodyError> {
        let text = std::str::from_utf8(bytes).ok();
        let good =
            |text: &&str| (1..=MAX_PIN).contains(&text.len()) && !text.contains(char::is_control);
        match text.filter(good) {
            Some(text) => Ok(Self(Zeroizing::new(text.into()))),
            None => Err(CustodyError::Pin(place.into())),
        }
    }

    /// The text, for the token.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_pin_is_the_first_line_of_a_private_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        for (content, pin) in [
            (&b"1234\n"[..], Some(&b"1234"[..])),
            (b"12 34\r\nrest", Some(b"12 34")),
            (b"no newline", Some(b"no newline")),
            (b"", None),
            (b"\n1234\n", None),
            (b"12\x0734\n", None),
            (b"\xFF\xFE\n", None),
            (&[b'1'; MAX_PIN], Some(&[b'1'; MAX_PIN])),
            (&[b'1'; MAX_PIN + 1], None),
        ] {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
            let read = Pin::from_file(&path).ok();
            let shown = String::from_utf8_lossy(content);
            assert_eq!(read.is_some(), pin.is_some(), "{shown:?}");
            assert!(
                pin.is_none_or(|pin| read.is_some_and(|read| read.expose().as_bytes() == pin)),
                "{shown:?}"
            );
        }
    }

    #[test]
    fn a_pin_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pin");
        fs::write(&path, "1234\n").unwrap();
        for (mode, good) in [(0o600, true), (0o400, true), (0o640, false), (0o602, false)] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            match Pin::from_file(&path) {
                Ok(_) => assert!(good, "{mode:o}"),
                Err(CustodyError::Loose(_)) => assert!(!good, "{mode:o}"),
                Err(error) => panic!("{mode:o}: {error}"),
            }
        }
    }

    #[test]
    fn what_is_no_pin_is_not_repeated_in_the_error() {
        let Err(error) = Pin::new(b"geheim\x07") else {
            panic!("a bell is no part of a PIN");
        };
        assert!(!format!("{error} {error:?}").contains("geheim"));
    }
}
