//! The command `authority`: the certification authority as a network service.

use apdu::certificate::Name;
use apdu::crypto::EntropyError;
use authority::custody::{Awaited, Custody, KeyUri, NewKey, Pin};
use authority::server::clients::{ClientRole, Register};
use authority::server::config::{Config, FILE_KEY, PREFIX, SETTINGS, Values};
use authority::server::identity::Identity;
use authority::server::ledger_desk::LedgerDesk;
use authority::server::listen::Running;
use authority::server::log::Log;
use authority::server::pool::Pool;
use authority::server::{Clock, Service};
use authority::store::{Store, copy, postgres, sqlite};
use authority::{
    Authority, EnrolmentCode, HolderKind, Moment, NewRoot, ROOT_YEARS, Rights, STORE_FILE, restore,
};
use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use getrandom::SysRng;
use host::output::{handed_over, note, result};
use host::text::escaped;
use std::error::Error;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Connections to the store for reading requests, and as many for looking up clients.
const READERS: usize = 4;
/// How long to wait for a `certify` on the same authority.
const PATIENCE: Duration = Duration::from_secs(10);
/// Longest passphrase, in bytes.
const MAX_PASSPHRASE: u64 = 1_024;

type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    host::refuse_core_dumps();
    match run(&command().get_matches()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(format_args!("authority: {}", escaped(&error.to_string())));
            ExitCode::FAILURE
        }
    }
}

fn command() -> Command {
    let settings = SETTINGS.map(|setting| {
        Arg::new(setting.key)
            .long(setting.key.replace('_', "-"))
            .value_name("VALUE")
            .help(setting.what)
            .global(true)
    });
    let file = Arg::new(FILE_KEY)
        .long(FILE_KEY)
        .value_name("FILE")
        .value_parser(value_parser!(PathBuf))
        .help("Configuration file, TOML")
        .global(true);
    let text = |name: &'static str, what: &'static str| {
        Arg::new(name).long(name).required(true).help(what)
    };
    let origin = Arg::new("origin").long("origin").action(ArgAction::SetTrue);
    Command::new("authority")
        .about("The certification authority as a network service")
        .version(host::version(env!("CARGO_PKG_VERSION"), &[("pkcs11", cfg!(feature = "pkcs11"))]))
        .subcommand_required(true)
        .arg(file)
        .args(settings)
        .subcommand(Command::new("serve").about("Run the service until SIGTERM or SIGINT"))
        .subcommand(
            Command::new("move").about("Copy the folder's ledger to an empty PostgreSQL store"),
        )
        .subcommand(
            Command::new("rollover")
                .about("Give the authority a next root, linked by the one it has; stop the service before")
                .arg(text("name", "The new root's name, never given before"))
                .arg(
                    Arg::new("years")
                        .long("years")
                        .value_parser(value_parser!(u8).range(1..=50))
                        .help("Years the new root is good for; 15 without"),
                )
                .arg(
                    Arg::new("key")
                        .long("key")
                        .value_name("URI")
                        .help("Make the new key on a token (RFC 7512); the URI's pin-source is its PIN's file. Without: in a file, under the old key's passphrase"),
                )
                .arg(
                    Arg::new("existing-key")
                        .long("existing-key")
                        .action(ArgAction::SetTrue)
                        .requires("key")
                        .help("The new key was made on the token before"),
                ),
        )
        .subcommand(
            Command::new("backup")
                .about("Copy the store, wherever it is, to one new file; `certify ca restore` takes it")
                .arg(text("out", "The new file").value_name("FILE").value_parser(value_parser!(PathBuf))),
        )
        .subcommand(
            Command::new("clock")
                .about("Look at the ledger's time, and say that this computer's clock is right")
                .subcommand_required(true)
                .subcommand(Command::new("show").about("Compare the clock with the last line of the ledger"))
                .subcommand(
                    Command::new("confirm")
                        .about("Write into the ledger that the clock is right: its time goes on from now, also if it goes back")
                        .arg(text("reason", "Why, in one line")),
                ),
        )
        .subcommand(Command::new("forget-tls-ca").about(
            "Let the next instance that starts bring its own TLS CA; all clients have to be enrolled again",
        ))
        .subcommand(
            Command::new("enrol")
                .about("Print a one-time code by which a station, an operator or an auditor becomes a client")
                .arg(text("role", "What it may do").value_parser(["station", "operator", "auditor"]))
                .arg(text("name", "Its name: 1 to 32 letters, digits, - or _"))
                .args(rights_arguments()),
        )
        .subcommand(
            Command::new("config")
                .about("Look at the configuration")
                .subcommand_required(true)
                .subcommand(
                    Command::new("show")
                        .about("Print every setting as the service would use it")
                        .arg(origin.help("And where each value came from")),
                ),
        )
}

/// What a station may order.
fn rights_arguments() -> [Arg; 5] {
    let number = |name: &'static str, what: &'static str| {
        Arg::new(name).long(name).value_name("COUNT").help(what)
    };
    let many = |name: &'static str, what: &'static str| {
        Arg::new(name)
            .long(name)
            .action(ArgAction::Append)
            .help(what)
    };
    [
        many(
            "prefix",
            "A prefix of names that the station may order; once for each; all without",
        ),
        many(
            "certifies",
            "What the station may order: card or terminal; both without",
        )
        .value_parser(["card", "terminal"]),
        number("years", "Most years of validity; 10 without")
            .value_parser(value_parser!(u8).range(1..)),
        number("daily", "Most orders on one day; no limit without")
            .value_parser(value_parser!(u32)),
        number(
            "jump",
            "How far above the highest serial number it may choose a name; 100 without",
        )
        .value_parser(value_parser!(u32)),
    ]
}

fn rights(arguments: &ArgMatches) -> Rights {
    let texts = |name| arguments.get_many::<String>(name).into_iter().flatten();
    let kind = |word: &String| match word.as_str() {
        "terminal" => HolderKind::Terminal,
        _ => HolderKind::Card,
    };
    Rights {
        prefixes: texts("prefix").cloned().collect(),
        roles: texts("certifies").map(kind).collect(),
        years: arguments.get_one("years").copied(),
        daily: arguments.get_one("daily").copied(),
        jump: arguments.get_one("jump").copied(),
    }
}

fn run(matches: &ArgMatches) -> Result<(), Failure> {
    let (verb, arguments) = matches.subcommand().ok_or("no command; see --help")?;
    // Global flags are found from the innermost command.
    let inner = arguments.subcommand().map_or(arguments, |(_, inner)| inner);
    let values = gather(inner)?;
    let config = values.config()?;
    match verb {
        "serve" => serve(&config),
        "enrol" => enrol(&config, inner),
        "move" => relocate(&config),
        "rollover" => roll_over(&config, inner),
        "backup" => back_up(&config, inner),
        "clock" => clock(
            &config,
            arguments.subcommand_name() == Some("confirm"),
            inner,
        ),
        "forget-tls-ca" => {
            open(&config)?.into_store().forget_tls_ca()?;
            result("The next instance that starts brings its TLS CA; enrol all clients again\n")?;
            Ok(())
        }
        _ => {
            result(values.show(inner.get_flag("origin")))?;
            Ok(())
        }
    }
}

fn gather(matches: &ArgMatches) -> Result<Values, Failure> {
    let variable = std::env::var_os(format!("{PREFIX}{}", FILE_KEY.to_uppercase()));
    let file = matches.get_one::<PathBuf>(FILE_KEY).cloned();
    let file = file.or(variable.map(PathBuf::from));
    let environment = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok()?;
        Some((name, value.to_string_lossy().into_owned()))
    });
    let flags = SETTINGS.iter().filter_map(|setting| {
        let value = matches.get_one::<String>(setting.key)?;
        Some((setting.key.to_owned(), value.clone()))
    });
    Ok(Values::gather(file.as_deref(), environment, flags)?)
}

fn serve(config: &Config) -> Result<(), Failure> {
    let log = Log::start(config.log);
    let authority = open(config)?.with_clock_limit(config.clock_ahead);
    let readers: Result<Vec<_>, Failure> = (0..READERS).map(|_| open(config)).collect();
    let readers = Pool::new(readers?);
    let public = authority.root().claims().key.clone();
    let custody = Custody::of_root(&config.data, authority.roots().newest())?;
    let key = Awaited::open(custody, &passphrase(config)?, &public)?;
    if let Some(reason) = key.missing() {
        tracing::error!(
            reason,
            "the key is away; nothing is signed until it is back"
        );
    }
    let clock: Clock = Arc::new(now);
    let desk = LedgerDesk::awaiting(authority, readers, key, Arc::clone(&clock))
        .with_approval(config.approval, config.approval_time);
    let mut store = open_store(config)?;
    let identity = Identity::shared(&config.data, store.as_mut(), now())?;
    let readers: Result<Vec<_>, Failure> = (0..READERS).map(|_| open_store(config)).collect();
    let register = Register::new(store).with_readers(readers?);
    let came = register.take_over(&config.data)?;
    if came > 0 {
        tracing::info!(came, "the register of clients moved into the store");
    }
    register.adopt(now())?;
    let service = Service::new(
        Arc::new(desk),
        register,
        identity,
        config.limits.clone(),
        clock,
    )?
    .with_log(log.lost())
    .with_second(config.second);
    let running = Running::start(config.listen, &names(config), Arc::new(service), true)?;
    // Whoever wanted to read it may be gone; the log says it as well.
    let _ = writeln!(io::stdout(), "listening on https://{}", running.address());
    tracing::info!(address = %running.address(), "listening");
    running.wait()?;
    Ok(())
}

/// The store that the settings name.
fn open_store(config: &Config) -> Result<Box<dyn Store>, Failure> {
    Ok(match &config.store_file {
        Some(file) => postgres::open(&address(file)?, PATIENCE)?,
        None => sqlite::open(&config.data.join(STORE_FILE), PATIENCE)?,
    })
}

/// The authority of the folder, in the store that the settings name.
fn open(config: &Config) -> Result<Authority, Failure> {
    Ok(Authority::within(&config.data, open_store(config)?)?)
}

/// Copies the folder's ledger to an empty PostgreSQL store.
fn relocate(config: &Config) -> Result<(), Failure> {
    let file = config
        .store_file
        .as_ref()
        .ok_or("name the file with the store's address: --store-file FILE")?;
    let mut home = sqlite::open(&config.data.join(STORE_FILE), PATIENCE)?;
    let mut away = postgres::open(&address(file)?, PATIENCE)?;
    let lines = copy(home.as_mut(), away.as_mut())?;
    result(format_args!(
        "{lines} lines are in the new store; serve it with the same --store-file\n"
    ))?;
    note("authority: the folder's own store stays as it is; do not issue from it any more");
    Ok(())
}

/// The next root of the authority in the store that the settings name; keys are in the folder.
fn roll_over(config: &Config, arguments: &ArgMatches) -> Result<(), Failure> {
    let name = arguments
        .get_one::<String>("name")
        .and_then(|text| Name::new(text));
    let wish = NewRoot {
        name: name.ok_or("--name is 8 to 16 capital letters and digits, two letters first")?,
        years: arguments.get_one("years").copied().unwrap_or(ROOT_YEARS),
    };
    let now = Moment::from_unix_seconds(now()).ok_or("this computer's clock is wrong")?;
    let uri = arguments.get_one::<String>("key");
    let uri = uri.map(|text| KeyUri::parse(text)).transpose()?;
    let mut authority = open(config)?;
    let secret = passphrase(config)?;
    let mut old = authority.unlock(&config.data, &secret)?;
    let next = match &uri {
        None => NewKey::File {
            passphrase: &secret,
        },
        Some(uri) => NewKey::Token {
            uri,
            pin: match &uri.pin_source {
                Some(path) => Pin::from_file(path)?,
                None => return Err("name the PIN's file: pin-source=file:/path in the URI".into()),
            },
            existing: arguments.get_flag("existing-key"),
        },
    };
    let folder = &config.data;
    let made = authority.roll_over(folder, old.as_mut(), next, &wish, &mut SysRng, now)?;
    result(format_args!(
        "{} signs from line {} on\n",
        made.name(),
        made.line
    ))?;
    note(
        "authority: back up the folder, and keep the old key; other machines' folders need the new key's file",
    );
    Ok(())
}

/// The ledger's time beside the clock's; with `confirm`, an operator's word that the clock is right.
fn clock(config: &Config, confirm: bool, arguments: &ArgMatches) -> Result<(), Failure> {
    let mut authority = open(config)?.with_clock_limit(config.clock_ahead);
    let clock = Moment::from_unix_seconds(now()).ok_or("this computer's clock is wrong")?;
    let (line, time) = authority.last_line()?;
    let day = |moment: Option<Moment>| moment.map_or("?".into(), |moment| moment.day().to_string());
    result(format_args!(
        "clock    {}  {}\nledger   {time}  {}  line {line}\n",
        clock.unix_seconds(),
        day(Some(clock)),
        day(Moment::from_unix_seconds(time)),
    ))?;
    if confirm {
        let reason = arguments.get_one::<String>("reason");
        let reason = reason.map_or("", String::as_str);
        let made = authority.confirm_clock(reason, None, clock)?;
        result(format_args!(
            "line {} says that the clock is right\n",
            made.sequence
        ))?;
        return Ok(());
    }
    let trouble = authority.clock_trouble(clock)?;
    let words = trouble.map_or("the clock is believed".into(), |trouble| {
        trouble.to_string()
    });
    result(format_args!("{words}\n"))?;
    Ok(())
}

/// A copy of the store in one file.
fn back_up(config: &Config, arguments: &ArgMatches) -> Result<(), Failure> {
    let out = arguments.get_one::<PathBuf>("out").ok_or("no --out FILE")?;
    let lines = restore::backup(open(config)?.into_store().as_mut(), out)?;
    result(format_args!(
        "{lines} lines are in {}\n",
        escaped(&out.display().to_string())
    ))?;
    note("authority: the key is not in it, nor is tls-ca.*; keep them apart from it");
    Ok(())
}

fn address(file: &Path) -> Result<Zeroizing<String>, Failure> {
    let line = first_line(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let text = std::str::from_utf8(&line).map_err(|_| "the store's address is not text")?;
    Ok(Zeroizing::new(text.to_owned()))
}

fn enrol(config: &Config, arguments: &ArgMatches) -> Result<(), Failure> {
    let text = |name| arguments.get_one::<String>(name).map_or("", String::as_str);
    let role = match text("role") {
        "operator" => ClientRole::Operator,
        "auditor" => ClientRole::Auditor,
        _ => ClientRole::Station,
    };
    if !config.data.is_dir() {
        return Err(format!(
            "there is no authority in {}; make one with `certify ca init`",
            config.data.display()
        )
        .into());
    }
    let mut store = open(config)?.into_store();
    let identity = Identity::shared(&config.data, store.as_mut(), now())?;
    let register = Register::new(store);
    register.take_over(&config.data)?;
    let code = draw(&identity)?;
    let rights = rights(arguments);
    register.invite_with(text("name"), role, rights, &code.hash(), now())?;
    if let Err(undelivered) = handed_over(format_args!("{}\n", *code.dangerous_text())) {
        register.revoke(text("name"), now())?;
        return Err(format!("{undelivered}; the invitation was taken back").into());
    }
    note(format_args!(
        "authority: the code enrols {} as {} once, within a day",
        text("name"),
        text("role")
    ));
    Ok(())
}

fn draw(identity: &Identity) -> Result<EnrolmentCode, EntropyError> {
    EnrolmentCode::draw(identity.certificate(), &mut SysRng)
}

/// Names of the server's certificate.
fn names(config: &Config) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".into()];
    let host = rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned();
    let address = config.listen.ip();
    let own = (!address.is_unspecified()).then(|| address.to_string());
    for name in [Some(host), own]
        .into_iter()
        .flatten()
        .chain(config.names.iter().cloned())
    {
        if !name.is_empty() && !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

fn passphrase(config: &Config) -> Result<Zeroizing<Vec<u8>>, Failure> {
    match &config.passphrase_file {
        Some(path) => {
            first_line(path).map_err(|error| format!("{}: {error}", path.display()).into())
        }
        None => rpassword::prompt_password("Passphrase of the authority's key: ")
            .map(|typed| Zeroizing::new(typed.into_bytes()))
            .map_err(|error| {
                format!("cannot ask for the passphrase here ({error}); set passphrase_file").into()
            }),
    }
}

/// The first line of a file, without its end.
fn first_line(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(2 * 1_024)); // never grows, so no copy stays behind
    BufReader::new(File::open(path)?.take(MAX_PASSPHRASE)).read_until(b'\n', &mut line)?;
    while line.last().is_some_and(|byte| b"\r\n".contains(byte)) {
        line.pop();
    }
    Ok(line)
}

/// Unix time; 0 from a clock before 1970, by which nothing is signed.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}
