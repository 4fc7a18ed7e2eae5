//! The workspace as data: its packages and the text of its files. Checks work on these, so tests can plant small ones.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// Files by path relative to the workspace, with `/` between folders.
pub type Tree = BTreeMap<String, String>;

/// How one package needs another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// In the product.
    Product,
    /// In tests, examples or a build script.
    Development,
}

/// One package of the workspace.
#[derive(Debug, Default)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its folder, relative to the workspace.
    pub folder: String,
    /// The first file of each library, binary, test, example.
    pub roots: Vec<String>,
    /// The packages it needs, ours and foreign ones.
    pub needs: Vec<(String, Need)>,
}

/// The workspace's folder.
pub fn root() -> PathBuf {
    // Cargo sets the variable at run time as well; a binary started by hand falls back to where it was built.
    let own = std::env::var_os("CARGO_MANIFEST_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), Into::into);
    let own = if own.ends_with("xtask") {
        own
    } else {
        PathBuf::from(env!("CARGO_MANIFEST_DIR"))
    };
    own.parent().map(Path::to_path_buf).unwrap_or(own)
}

/// The folder for what is built and logged, made when it is not there.
pub fn target() -> Result<PathBuf, String> {
    let folder = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| root().join("target"), |given| root().join(given));
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

/// What `cargo metadata` says about the workspace's own packages.
pub fn packages() -> Result<Vec<Package>, String> {
    let output = Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root())
        .output()
        .map_err(|error| format!("cargo metadata: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let metadata: Value =
        serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let base = text(&metadata, "workspace_root");
    Ok(list(&metadata, "packages")
        .iter()
        .map(|package| read_package(package, &base))
        .collect())
}

fn read_package(package: &Value, base: &str) -> Package {
    let relative = |path: &str| {
        path.strip_prefix(base)
            .unwrap_or(path)
            .trim_start_matches('/')
            .to_owned()
    };
    let manifest = relative(&text(package, "manifest_path"));
    Package {
        name: text(package, "name"),
        folder: manifest
            .trim_end_matches("Cargo.toml")
            .trim_end_matches('/')
            .to_owned(),
        roots: list(package, "targets")
            .iter()
            .map(|target| relative(&text(target, "src_path")))
            .collect(),
        needs: list(package, "dependencies")
            .iter()
            .map(|need| match need["kind"].as_str() {
                None => (text(need, "name"), Need::Product),
                Some(_) => (text(need, "name"), Need::Development),
            })
            .collect(),
    }
}

fn text(value: &Value, field: &str) -> String {
    value[field].as_str().unwrap_or_default().to_owned()
}

fn list<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().map_or(&[], Vec::as_slice)
}

/// Every file below the packages' folders that ends in one of these.
pub fn files(packages: &[Package], endings: &[&str]) -> Result<Tree, String> {
    let mut tree = Tree::new();
    for package in packages {
        gather(&root(), &package.folder, endings, &mut tree)?;
    }
    Ok(tree)
}

/// The documents: Markdown at the root and below `docs`.
pub fn documents() -> Result<Tree, String> {
    let mut tree = Tree::new();
    gather(&root(), "docs", &[".md"], &mut tree)?;
    for entry in std::fs::read_dir(root()).map_err(|error| error.to_string())? {
        let path = entry.map_err(|error| error.to_string())?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.ends_with(".md") {
            let text =
                std::fs::read_to_string(&path).map_err(|error| format!("{name}: {error}"))?;
            tree.insert(name.into_owned(), text);
        }
    }
    Ok(tree)
}

fn gather(base: &Path, folder: &str, endings: &[&str], tree: &mut Tree) -> Result<(), String> {
    let complain = |error| format!("{folder}: {error}");
    for entry in std::fs::read_dir(base.join(folder)).map_err(complain)? {
        let entry = entry.map_err(complain)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{folder}/{name}");
        if entry.file_type().map_err(complain)?.is_dir() {
            if name != "target" && !name.starts_with('.') {
                gather(base, &path, endings, tree)?;
            }
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            let text = std::fs::read_to_string(entry.path())
                .map_err(|error| format!("{path}: {error}"))?;
            tree.insert(path, text);
        }
    }
    Ok(())
}

/// The package a file belongs to: the one with the longest folder above it.
pub fn owner<'a>(packages: &'a [Package], path: &str) -> Option<&'a Package> {
    packages
        .iter()
        .filter(|package| {
            path.strip_prefix(&package.folder)
                .is_some_and(|rest| rest.starts_with('/'))
        })
        .max_by_key(|package| package.folder.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, folder: &str) -> Package {
        Package {
            name: name.into(),
            folder: folder.into(),
            ..Package::default()
        }
    }

    #[test]
    fn a_file_belongs_to_the_innermost_package() {
        let packages = [
            package("outer", "card"),
            package("inner", "card/core"),
            package("other", "car"),
        ];
        let name = |path| owner(&packages, path).map(|package| package.name.as_str());
        assert_eq!(name("card/src/lib.rs"), Some("outer"));
        assert_eq!(name("card/core/src/lib.rs"), Some("inner"));
        assert_eq!(name("elsewhere/lib.rs"), None);
    }

    #[test]
    fn this_workspace_has_this_package_with_this_file() {
        let packages = packages().unwrap();
        let own = packages
            .iter()
            .find(|package| package.name == "xtask")
            .unwrap();
        assert_eq!(own.folder, "xtask");
        assert!(own.needs.contains(&("serde_json".into(), Need::Product)));
        let files = files(&packages, &[".rs"]).unwrap();
        assert!(
            own.roots.iter().all(|root| files.contains_key(root)),
            "{:?}",
            own.roots
        );
    }
}
