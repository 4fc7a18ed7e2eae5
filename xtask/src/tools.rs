//! Programs that checks need and cargo can install: found on the path, or built once into a folder of our own.
//!
//! Nothing is installed into the user's own folders. Where there is no registry, the check that needs the program is skipped in words.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{steps, workspace};

/// A program from crates.io, at the version that is known to work here.
pub struct Tool {
    /// The crate; its program has the same name.
    name: &'static str,
    version: &'static str,
    /// More arguments of `cargo install`.
    install: &'static [&'static str],
}

/// Licences and sources of dependencies.
pub const DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    install: &[],
};
/// libFuzzer for Rust.
pub const FUZZ: Tool = Tool {
    name: "cargo-fuzz",
    version: "0.13.2",
    install: &[],
};
/// Symbolic models. Its manifest asks for a newer compiler than it needs.
pub const VERIFPAL: Tool = Tool {
    name: "verifpal",
    version: "1.6.7",
    install: &["--ignore-rust-version"],
};

impl Tool {
    /// The version that is used here.
    pub fn version(&self) -> &'static str {
        self.version
    }

    /// The program of this version: the one on the path, or the one in the folder of our own, which is built there when it is missing.
    ///
    /// # Errors
    /// It could not be built: no registry, no compiler. The sentence names the command that failed.
    pub fn ensure(&self) -> Result<PathBuf, String> {
        let folder = workspace::target()?.join("tools").join(self.name);
        let own = folder.join("bin").join(self.name);
        for program in [PathBuf::from(self.name), own.clone()] {
            if self.is_right(&program) {
                return Ok(program);
            }
        }
        let mut install = Command::new("cargo");
        install.args(["install", "--locked", "--version", self.version]);
        install.args(self.install).arg(self.name);
        install.arg("--root").arg(&folder);
        // Why elsewhere: cargo would otherwise read this workspace's own settings.
        steps::run(install.current_dir(std::env::temp_dir()))?;
        Ok(own)
    }

    /// A search path on which cargo finds the program as its subcommand.
    ///
    /// # Errors
    /// As [`Self::ensure`].
    pub fn search_path(&self) -> Result<OsString, String> {
        let program = self.ensure()?;
        let folder = program.parent().filter(|folder| folder.is_absolute());
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = folder.map(PathBuf::from).into_iter();
        std::env::join_paths(folders.chain(std::env::split_paths(&path)))
            .map_err(|error| error.to_string())
    }

    fn is_right(&self, program: &Path) -> bool {
        let output = Command::new(program).arg("--version").output();
        output.is_ok_and(|output| {
            let said = String::from_utf8_lossy(&output.stdout);
            output.status.success() && said.trim().ends_with(self.version)
        })
    }
}
