//! `cargo xtask models`: the protocol's models say what they must, and the broken ones are found broken (T70 to T75).
//!
//! | part | what it is |
//! |---|---|
//! | [`quotes`] | the models speak of the messages and keys that the specification has (T72) |
//! | [`variants`] | a model with a few lines changed |
//! | here | Verifpal for `models/*.vp`, Python for the exhaustive searches, ProVerif where it is |

mod quotes;
mod variants;

use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::evidence::MARK;
use crate::{steps, tools, workspace};
use variants::{Kind, Model};

const FOLDER: &str = "models";
const BASES: [&str; 4] = ["setup", "reconnect", "messaging", "certification"];
const SEARCHES: [&str; 2] = ["ratchet.py", "lifecycle.py"];
/// So many twins must be found broken.
const TWINS: usize = 15;

/// Runs all models; the slow ones only when `full`.
///
/// # Errors
/// No Verifpal, a verdict that is not the expected one, or a specification that says something else than the models.
pub fn run(full: bool) -> Result<(), String> {
    let root = workspace::root();
    let folder = root.join(FOLDER);
    let read =
        |path: &Path| std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()));
    let mut texts = Vec::new();
    let mut models = Vec::new();
    for base in BASES {
        let text = read(&folder.join(format!("{base}.vp")))?;
        let changes = read(&folder.join(format!("{base}.variants")))?;
        models.extend(variants::models(base, &text, &changes)?);
        texts.push((base, text));
    }
    let quoted = quotes::check(&read(&root.join("docs/protocol.md"))?, &texts)?;
    println!(
        "{MARK}T72 cases={quoted} seed=0 lines of the specification's tables, each quoted by a model and named in it"
    );
    let left_out = models.iter().filter(|model| model.full && !full).count();
    models.retain(|model| full || !model.full);
    verify(&tools::VERIFPAL.ensure()?, &models)?;
    if left_out > 0 {
        println!("left to --full: {left_out} slow models");
    }
    let scale = if full { "--full" } else { "--quick" };
    for search in SEARCHES {
        steps::run(
            Command::new("python3")
                .arg(folder.join(search))
                .arg(scale)
                .current_dir(&root),
        )?;
    }
    if Command::new("proverif").arg("-help").output().is_err() {
        println!("skipped: proverif is not on this machine (T75)");
        return Ok(());
    }
    let run = folder.join("proverif/run.py");
    steps::run(
        Command::new("python3")
            .arg(run)
            .arg("proverif")
            .arg(workspace::target()?.join("proverif"))
            .current_dir(&root),
    )
}

/// Verifies all models, prints the table and the evidence.
fn verify(verifpal: &Path, models: &[Model]) -> Result<(), String> {
    let folder = workspace::target()?.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    let worker = || {
        while let Some(model) = models.get(next.fetch_add(1, Ordering::Relaxed)) {
            let start = Instant::now();
            let said = ask(verifpal, &folder, model);
            let seconds = start.elapsed().as_secs_f64();
            let kind = model.kind.word();
            println!(
                "{kind:<7} {:<44} {:>6.1} s  {}",
                model.name, seconds, model.about
            );
            if let Err(reason) = said
                && let Ok(mut wrong) = wrong.lock()
            {
                println!("        {reason}");
                wrong.push(format!("{}: {reason}", model.name));
            }
        }
    };
    // Why threads: a model is searched on one core for the most part.
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(worker);
        }
    });
    let wrong = wrong.into_inner().unwrap_or_default();
    if !wrong.is_empty() {
        return Err(wrong.join("; "));
    }
    let broken = models
        .iter()
        .filter(|model| model.kind == Kind::Broken)
        .count();
    if broken < TWINS {
        return Err(format!("{broken} broken twins, not {TWINS}"));
    }
    let queries = |kinds: &[Kind]| -> usize {
        models
            .iter()
            .filter(|model| kinds.contains(&model.kind))
            .map(|model| model.queries.len())
            .sum()
    };
    println!(
        "{MARK}T70 cases={} seed=0 Verifpal {}: queries of {} models as expected, {} stated limits among them",
        queries(&[Kind::Also, Kind::Limit]),
        tools::VERIFPAL.version(),
        models.len() - broken,
        models
            .iter()
            .filter(|model| model.kind == Kind::Limit)
            .count(),
    );
    println!(
        "{MARK}T71 cases={broken} seed=0 broken twins, each found broken by Verifpal in all of {} queries",
        queries(&[Kind::Broken])
    );
    Ok(())
}

/// Asks Verifpal about one model.
fn ask(verifpal: &Path, folder: &Path, model: &Model) -> Result<(), String> {
    let file = folder.join(format!("{}.vp", model.name.replace('/', "-")));
    std::fs::write(&file, &model.text).map_err(|error| error.to_string())?;
    let output = Command::new(verifpal)
        .arg("verify")
        .arg(&file)
        .args(["--sessions", &model.sessions.to_string(), "--result-code"])
        .output()
        .map_err(|error| error.to_string())?;
    let printed = String::from_utf8_lossy(&output.stdout);
    let said = printed.lines().last().unwrap_or_default().trim();
    let expected = model.code();
    if output.status.success() && said == expected {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "expected {expected}, got {said} {}",
        complaint.trim()
    ))
}
