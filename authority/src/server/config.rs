//! Settings: defaults, a TOML file, the environment, flags; the later wins. Each value knows where it came from.
//!
//! One table says what there is. A secret is never a setting, only the name of the file that holds it.

use super::approval::Approval;
use super::limit::Limits;
use super::second::Second;
use etcetera::BaseStrategy as _;
use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What stands before a setting's name in the environment.
pub const PREFIX: &str = "TALLYSTICK_AUTHORITY_";
/// The setting with the configuration file's name; only as a flag or in the environment.
pub const FILE_KEY: &str = "config";

/// A setting.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name in the file; as a flag with hyphens, in the environment in capitals behind [`PREFIX`].
    pub key: &'static str,
    /// Its value unless told otherwise.
    pub default: &'static str,
    /// What it is, with its unit.
    pub what: &'static str,
}

/// Every setting there is.
#[rustfmt::skip]
pub const SETTINGS: [Setting; 22] = [
    Setting { key: "data", default: "", what: "Folder of the authority: ledger, key, TLS CA; unless told otherwise where `certify ca init` makes it" },
    Setting { key: "passphrase_file", default: "", what: "File with the passphrase of the authority's key, on its first line; mode 0600" },
    Setting { key: "store_file", default: "", what: "File with the address of a PostgreSQL store, postgres://user@host/database, on its first line, over a network with sslmode and sslrootcert; mode 0600, for it may hold a password; without, the folder's own store" },
    Setting { key: "listen", default: "127.0.0.1:8443", what: "Address and port to listen on" },
    Setting { key: "names", default: "", what: "More DNS names and addresses for the server's certificate, between commas; the host's name, localhost and 127.0.0.1 are always there" },
    Setting { key: "log", default: "info", what: "Log lines from this level on: error, warn, info, debug, trace or off" },
    Setting { key: "approval", default: "none", what: "Whose certificates an operator has to approve before they are signed: none, cards, terminals or all" },
    Setting { key: "approval_days", default: "7", what: "Days that a request waits for its approval before it dies, 1 to 365" },
    Setting { key: "clock_ahead_seconds", default: "86400", what: "Seconds that the clock may be ahead of the last time that was believed; beyond, orders and certificates wait for `authority clock confirm`" },
    Setting { key: "second_operator", default: "none", what: "What waits until a second operator confirms it: none, clients (invitations, revocations, rights), cut-off (of all certificates) or all" },
    Setting { key: "approve_own", default: "auto", what: "Whether an operator may approve requests of stations that it invited itself: yes, no, or auto, which is no where something waits for a second operator" },
    Setting { key: "connections", default: "256", what: "Connections at a time; more wait to be accepted" },
    Setting { key: "operations", default: "16", what: "Operations of the authority at a time; more wait" },
    Setting { key: "body_bytes", default: "65536", what: "Largest body of a request, in bytes" },
    Setting { key: "head_bytes", default: "16384", what: "Largest head of a request, in bytes; at least 8192" },
    Setting { key: "head_seconds", default: "10", what: "Time for a TLS handshake and for a request's head; an idle connection ends after it" },
    Setting { key: "body_seconds", default: "10", what: "Time for a request's body, in seconds" },
    Setting { key: "request_seconds", default: "30", what: "Time for an answer, in seconds" },
    Setting { key: "connection_seconds", default: "300", what: "Age at which a connection takes no more requests, in seconds" },
    Setting { key: "grace_seconds", default: "20", what: "Time that running requests have when the service stops, in seconds" },
    Setting { key: "rate", default: "500", what: "Requests per second of one client" },
    Setting { key: "burst", default: "1000", what: "Requests that a client may send at once after a rest" },
];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The table above.
    Default,
    /// This file.
    File(PathBuf),
    /// This variable of the environment.
    Environment(String),
    /// This flag.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Flag(name) => write!(f, "flag {name}"),
        }
    }
}

/// A setting is wrong. The configuration is at fault, and the message says which part of it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {reason}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// There is no such setting.
    #[error("there is no setting `{key}` ({origin}); `authority config show` lists them all")]
    Unknown {
        /// The name.
        key: String,
        /// Where it stands.
        origin: Origin,
    },
    /// The value is none.
    #[error("{key} = {value:?} ({origin}): {reason}")]
    Value {
        /// The setting.
        key: &'static str,
        /// Its value.
        value: String,
        /// Where it stands.
        origin: Origin,
        /// What it should be.
        reason: &'static str,
    },
}

/// All values, each with its origin.
#[derive(Debug, Clone)]
pub struct Values(BTreeMap<&'static str, (String, Origin)>);

impl Values {
    /// Gathers the values. `file`: the configuration file, if one is named; `environment`: all variables; `flags`: name and value.
    ///
    /// # Errors
    /// [`ConfigError::File`], [`ConfigError::Unknown`].
    pub fn gather(
        file: Option<&Path>,
        environment: impl IntoIterator<Item = (String, String)>,
        flags: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let defaults =
            SETTINGS.map(|setting| (setting.key, (setting.default.to_owned(), Origin::Default)));
        let mut values = Self(BTreeMap::from(defaults));
        if let Ok(places) = etcetera::choose_base_strategy() {
            let data = places.data_dir().join("tallystick").join("authority");
            values.set("data", data.display().to_string(), Origin::Default)?;
        }
        if let Some(path) = file {
            for (key, value) in read(path)? {
                values.set(&key, value, Origin::File(path.into()))?;
            }
        }
        for (name, value) in environment {
            let Some(key) = name.strip_prefix(PREFIX) else {
                continue;
            };
            let key = key.to_ascii_lowercase();
            if key != FILE_KEY {
                values.set(&key, value, Origin::Environment(name))?;
            }
        }
        for (key, value) in flags {
            let name = format!("--{}", key.replace('_', "-"));
            values.set(&key, value, Origin::Flag(name))?;
        }
        Ok(values)
    }

    fn set(&mut self, key: &str, value: String, origin: Origin) -> Result<(), ConfigError> {
        match self.0.get_mut(key) {
            Some(place) => *place = (value, origin),
            None => {
                let key = key.into();
                return Err(ConfigError::Unknown { key, origin });
            }
        }
        Ok(())
    }

    /// One line for each setting, as the file would have it, and where it came from if `origin`.
    pub fn show(&self, origin: bool) -> String {
        let line = |setting: &Setting| {
            let (value, from) = self.0.get(setting.key)?;
            let line = format!("{} = {value:?}", setting.key);
            Some(match origin {
                true => format!("{line:<40} # {from}\n"),
                false => format!("{line}\n"),
            })
        };
        SETTINGS.iter().filter_map(line).collect()
    }

    /// The values as types.
    ///
    /// # Errors
    /// [`ConfigError::Value`] for the first that is none.
    pub fn config(&self) -> Result<Config, ConfigError> {
        let file = |key| Some(self.text(key)).filter(|name| !name.is_empty());
        Ok(Config {
            data: PathBuf::from(self.text("data")),
            passphrase_file: file("passphrase_file").map(PathBuf::from),
            store_file: file("store_file").map(PathBuf::from),
            listen: self.parsed(
                "listen",
                "an address and a port, such as 127.0.0.1:8443",
                |_| true,
            )?,
            names: self.names(),
            log: self.parsed("log", "error, warn, info, debug, trace or off", |_| true)?,
            approval: self.parsed("approval", "none, cards, terminals or all", |_| true)?,
            approval_time: self.days("approval_days")?,
            clock_ahead: self.parsed(
                "clock_ahead_seconds",
                "a whole number from 60 to 31536000",
                |seconds| (60..=31_536_000).contains(seconds),
            )?,
            second: Second {
                operator: self.parsed(
                    "second_operator",
                    "none, clients, cut-off or all",
                    |_| true,
                )?,
                approve_own: self.parsed("approve_own", "auto, yes or no", |_| true)?,
            },
            limits: Limits {
                connections: self.count("connections")?,
                operations: self.count("operations")?,
                body_bytes: self.count("body_bytes")?,
                head_bytes: self.parsed(
                    "head_bytes",
                    "a number from 8192 to 1000000",
                    |bytes| (8_192..=1_000_000).contains(bytes),
                )?,
                head_time: self.seconds("head_seconds")?,
                body_time: self.seconds("body_seconds")?,
                request_time: self.seconds("request_seconds")?,
                connection_time: self.seconds("connection_seconds")?,
                grace_time: self.seconds("grace_seconds")?,
                rate: self.amount("rate")?,
                burst: self.amount("burst")?,
            },
        })
    }

    fn text(&self, key: &str) -> &str {
        self.0.get(key).map_or("", |(value, _)| value)
    }

    fn names(&self) -> Vec<String> {
        let names = self.text("names").split(',').map(str::trim);
        names
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn parsed<T: std::str::FromStr>(
        &self,
        key: &'static str,
        reason: &'static str,
        good: impl Fn(&T) -> bool,
    ) -> Result<T, ConfigError> {
        let parsed = self.text(key).parse().ok().filter(good);
        parsed.ok_or_else(|| ConfigError::Value {
            key,
            value: self.text(key).into(),
            origin: self
                .0
                .get(key)
                .map_or(Origin::Default, |(_, origin)| origin.clone()),
            reason,
        })
    }

    fn count(&self, key: &'static str) -> Result<usize, ConfigError> {
        self.parsed(key, "a whole number from 1 to 1000000", |count| {
            (1..=1_000_000).contains(count)
        })
    }

    fn amount(&self, key: &'static str) -> Result<f64, ConfigError> {
        self.parsed(key, "a number from 0.001 to 1000000", |amount| {
            (0.001..=1e6).contains(amount)
        })
    }

    fn days(&self, key: &'static str) -> Result<Duration, ConfigError> {
        let good = |days: &u64| (1..=365).contains(days);
        let days = self.parsed(key, "whole days, 1 to 365", good)?;
        Ok(Duration::from_secs(days * 86_400))
    }

    fn seconds(&self, key: &'static str) -> Result<Duration, ConfigError> {
        let good = |seconds: &f64| (0.001..=86_400.0).contains(seconds);
        let seconds = self.parsed(key, "seconds, from 0.001 to 86400", good)?;
        Ok(Duration::from_secs_f64(seconds))
    }
}

/// The settings as types.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Folder of the authority.
    pub data: PathBuf,
    /// File with the passphrase.
    pub passphrase_file: Option<PathBuf>,
    /// File with the address of a PostgreSQL store.
    pub store_file: Option<PathBuf>,
    /// Where to listen.
    pub listen: SocketAddr,
    /// More names of the server.
    pub names: Vec<String>,
    /// Least important level that is logged.
    pub log: tracing::level_filters::LevelFilter,
    /// Whose certificates an operator has to approve.
    pub approval: Approval,
    /// How long a request waits for it.
    pub approval_time: Duration,
    /// Seconds that the clock may be ahead of the last time that was believed.
    pub clock_ahead: u64,
    /// What one operator alone may not do.
    pub second: Second,
    /// Limits.
    pub limits: Limits,
}

/// A flat table of texts, numbers, truth values, and lists of texts, which are joined by commas.
fn read(path: &Path) -> Result<Vec<(String, String)>, ConfigError> {
    let wrong = |reason: String| ConfigError::File {
        path: path.into(),
        reason,
    };
    let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        // Its place and what is wrong, not the line itself: someone may have put a secret there.
        let line = error.span().map_or(0, |span| {
            text.get(..span.start)
                .unwrap_or_default()
                .matches('\n')
                .count()
                + 1
        });
        wrong(format!("line {line}: {}", error.message()))
    })?;
    let plain = |value: &toml::Value| match value {
        toml::Value::String(text) => Some(text.clone()),
        toml::Value::Integer(number) => Some(number.to_string()),
        toml::Value::Float(number) => Some(number.to_string()),
        toml::Value::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    };
    let one = |(key, value): (String, toml::Value)| {
        let text = match &value {
            toml::Value::Array(list) => {
                let list: Option<Vec<_>> = list.iter().map(plain).collect();
                list.map(|list| list.join(","))
            }
            value => plain(value),
        };
        let text = text.ok_or_else(|| wrong(format!("`{key}` is neither a text nor a number")))?;
        Ok((key, text))
    };
    table.into_iter().map(one).collect()
}
