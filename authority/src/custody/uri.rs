//! Which key on which token: `pkcs11:` URIs (RFC 7512), strictly.
//!
//! ```text
//! pkcs11:token=ROOT;object=tallystick-root?module-path=/usr/lib/softhsm/libsofthsm2.so&pin-source=file:/etc/tallystick/pin
//! ```
//!
//! What this program cannot honour is refused, not ignored: an attribute that is dropped would name another key. A PIN in the
//! URI (`pin-value`) is refused too: URIs stand in arguments, configuration and logs.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Longest URI, in bytes.
const MAX_URI: usize = 2_048;

/// The URI does not name a private key in a way that can be honoured.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UriError {
    /// Not a PKCS#11 URI.
    #[error("it does not begin with `pkcs11:`")]
    Scheme,
    /// Longer than 2,048 bytes.
    #[error("it is longer than {MAX_URI} bytes")]
    TooLong,
    /// A part that is not `name=value`.
    #[error("a part of it is not of the form name=value")]
    NotAPair,
    /// An attribute that RFC 7512 does not know.
    #[error("it has the attribute `{0}`, which is unknown")]
    Unknown(String),
    /// An attribute of RFC 7512 that is not supported.
    #[error(
        "it has the attribute `{0}`, which is not supported; name the token by token= or serial="
    )]
    Unsupported(&'static str),
    /// One attribute twice.
    #[error("it has the attribute `{0}` twice")]
    Twice(&'static str),
    /// A character that must be percent-encoded, half an encoding, or a value of the wrong form.
    #[error(
        "the value of `{0}` is not well-formed; percent-encode what is not a letter, digit, - . _ or ~"
    )]
    Value(&'static str),
    /// `type` names something else.
    #[error("its type is `{0}`, and a private key is needed: say type=private, or leave it out")]
    NotPrivate(&'static str),
    /// `pin-value` is there.
    #[error(
        "it holds a PIN (`pin-value`), which would stand in arguments, configuration and logs; \
         put the PIN into a private file and name that with pin-source=file:/path"
    )]
    PinInside,
    /// `pin-source` is not `file:/path`.
    #[error("pin-source must be file:/path with an absolute path; other sources are not supported")]
    PinSource,
    /// `module-name` is there.
    #[error(
        "module-name is not supported, for where to look is a guess; give the module's file with module-path=/path"
    )]
    ModuleName,
    /// `module-path` is not absolute.
    #[error("module-path must be an absolute path")]
    ModulePath,
}

/// A private key on a token: what the URI says about both. `None` means that it says nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KeyUri {
    text: String,
    /// Label of the token (`token`).
    pub token: Option<String>,
    /// Serial number of the token (`serial`).
    pub serial: Option<String>,
    /// Manufacturer of the token (`manufacturer`).
    pub manufacturer: Option<String>,
    /// Model of the token (`model`).
    pub model: Option<String>,
    /// Label of the key, `CKA_LABEL` (`object`).
    pub object: Option<String>,
    /// `CKA_ID` of the key (`id`), raw bytes.
    pub id: Option<Vec<u8>>,
    /// Number of the slot (`slot-id`); it may change when slots come and go.
    pub slot: Option<u64>,
    /// Absolute path of the PKCS#11 module (`module-path`).
    pub module: Option<PathBuf>,
    /// Absolute path of the file with the PIN (`pin-source=file:/path`).
    pub pin_source: Option<PathBuf>,
}

impl KeyUri {
    /// Reads a URI.
    ///
    /// # Errors
    /// [`UriError`] with the attribute at fault. No value is repeated in it, for it may be a misplaced secret.
    pub fn parse(text: &str) -> Result<Self, UriError> {
        if text.len() > MAX_URI {
            return Err(UriError::TooLong);
        }
        let (scheme, rest) = text.split_once(':').ok_or(UriError::Scheme)?;
        if !scheme.eq_ignore_ascii_case("pkcs11") {
            return Err(UriError::Scheme);
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut uri = Self {
            text: text.into(),
            ..Self::default()
        };
        let mut seen = Vec::new();
        for part in parts(path, ';') {
            uri.take_path(part, &mut seen)?;
        }
        for part in parts(query, '&') {
            uri.take_query(part, &mut seen)?;
        }
        Ok(uri)
    }

    fn take_path(&mut self, part: &str, seen: &mut Vec<&'static str>) -> Result<(), UriError> {
        let (name, value) = part.split_once('=').ok_or(UriError::NotAPair)?;
        let name = known(name, &PATH, seen)?;
        let text = || string(name, value, IN_PATH);
        match name {
            "token" => self.token = Some(text()?),
            "serial" => self.serial = Some(text()?),
            "manufacturer" => self.manufacturer = Some(text()?),
            "model" => self.model = Some(text()?),
            "object" => self.object = Some(text()?),
            "id" => {
                let bytes = decode(name, value, IN_PATH)?;
                self.id = Some(filled(bytes).ok_or(UriError::Value(name))?);
            }
            "type" => match OBJECT_TYPES.iter().find(|known| **known == value) {
                Some(&"private") => {}
                Some(other) => return Err(UriError::NotPrivate(other)),
                None => return Err(UriError::Value(name)),
            },
            "slot-id" => {
                // RFC 7512: 1*DIGIT. A sign, which `parse` would take, is none.
                let digits = value.bytes().all(|byte| byte.is_ascii_digit());
                let number = value.parse().ok().filter(|_| digits);
                self.slot = Some(number.ok_or(UriError::Value(name))?);
            }
            other => return Err(UriError::Unsupported(other)),
        }
        Ok(())
    }

    fn take_query(&mut self, part: &str, seen: &mut Vec<&'static str>) -> Result<(), UriError> {
        let (name, value) = part.split_once('=').ok_or(UriError::NotAPair)?;
        match known(name, &QUERY, seen)? {
            "pin-source" => {
                let source = string("pin-source", value, IN_QUERY)?;
                let path = source.strip_prefix("file:").and_then(absolute);
                self.pin_source = Some(path.ok_or(UriError::PinSource)?);
            }
            "module-path" => {
                let path = absolute(&string("module-path", value, IN_QUERY)?);
                self.module = Some(path.ok_or(UriError::ModulePath)?);
            }
            "pin-value" => return Err(UriError::PinInside),
            _ => return Err(UriError::ModuleName),
        }
        Ok(())
    }

    /// Token and key as the URI names them, for an operator.
    pub fn describe(&self) -> String {
        let shown = |value: &Option<String>| value.as_deref().unwrap_or("any").to_string();
        let token = self.token.as_ref().or(self.serial.as_ref()).cloned();
        format!("token {}, key {}", shown(&token), shown(&self.object))
    }
}

/// As it was read. It holds no PIN.
impl fmt::Display for KeyUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for KeyUri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        Self::parse(text)
    }
}

/// RFC 7512 §2.3, path attributes.
const PATH: [&str; 13] = [
    "token",
    "serial",
    "manufacturer",
    "model",
    "object",
    "id",
    "type",
    "slot-id",
    "library-manufacturer",
    "library-description",
    "library-version",
    "slot-manufacturer",
    "slot-description",
];
/// RFC 7512 §2.3, query attributes.
const QUERY: [&str; 4] = ["pin-source", "pin-value", "module-name", "module-path"];
/// RFC 7512 §2.3, values of `type`.
const OBJECT_TYPES: [&str; 5] = ["private", "public", "cert", "secret-key", "data"];
/// pk11-path-res-avail: what may stand in a path as it is, besides unreserved characters.
const IN_PATH: &[u8] = b":[]@!$'()*+,=&";
/// pk11-query-res-avail, likewise.
const IN_QUERY: &[u8] = b":[]@!$'()*+,=/?|";

/// The parts between separators; nothing at all is no part.
fn parts(text: &str, separator: char) -> impl Iterator<Item = &str> {
    text.split(separator).filter(|_| !text.is_empty())
}

/// The attribute of this name, noted as seen.
fn known(
    name: &str,
    names: &[&'static str],
    seen: &mut Vec<&'static str>,
) -> Result<&'static str, UriError> {
    let found = names.iter().find(|known| **known == name).copied();
    let name = found.ok_or_else(|| UriError::Unknown(shown(name)))?;
    if seen.contains(&name) {
        return Err(UriError::Twice(name));
    }
    seen.push(name);
    Ok(name)
}

/// A name as it may stand in a message: short, and nothing that a terminal would obey.
fn shown(name: &str) -> String {
    name.chars()
        .take(40)
        .flat_map(char::escape_default)
        .collect()
}

fn string(name: &'static str, value: &str, reserved: &[u8]) -> Result<String, UriError> {
    let text = String::from_utf8(decode(name, value, reserved)?);
    let text = text.ok().filter(|text| !text.contains(char::is_control));
    text.ok_or(UriError::Value(name))
}

/// RFC 3986 §2.1: what may stand there as it is, and %XX.
fn decode(name: &'static str, value: &str, reserved: &[u8]) -> Result<Vec<u8>, UriError> {
    let mut bytes = value.bytes();
    let mut decoded = Vec::with_capacity(value.len());
    while let Some(byte) = bytes.next() {
        let unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        decoded.push(match byte {
            b'%' => match (hex(bytes.next()), hex(bytes.next())) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => return Err(UriError::Value(name)),
            },
            _ if unreserved || reserved.contains(&byte) => byte,
            _ => return Err(UriError::Value(name)),
        });
    }
    Ok(decoded)
}

fn hex(digit: Option<u8>) -> Option<u8> {
    let value = char::from(digit?).to_digit(16)?;
    u8::try_from(value).ok()
}

fn filled(bytes: Vec<u8>) -> Option<Vec<u8>> {
    Some(bytes).filter(|bytes| !bytes.is_empty())
}

fn absolute(path: &str) -> Option<PathBuf> {
    // Two slashes would begin a host's name (RFC 8089).
    let good = path.starts_with('/') && !path.starts_with("//");
    good.then(|| PathBuf::from(path))
}
