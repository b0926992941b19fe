//! The house's own order: who imports whom, which outside crates live where, what the
//! repository must not contain. Needs no server and no tool to install.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Outside crates that belong to some of ours alone. In tests and build scripts too.
const PLACES: &[(&str, &[&str])] = &[
    ("rusqlite", &["store", "bench", "parlour (tests)"]),
    ("tokio-postgres", &["store"]),
    ("deadpool-postgres", &["store"]),
    ("redis", &["live"]),
    ("axum", &["web"]),
    ("askama", &["web"]),
    ("tower", &["web"]),
    ("tower-http", &["web"]),
    ("hyper", &["web", "parlour (tests)"]),
    ("hyper-util", &["web", "parlour (tests)"]),
    ("mio", &["live", "bench"]),
    ("argon2", &["chat"]),
    ("comrak", &["domain"]),
    ("clap", &["parlour", "bench"]),
    ("anyhow", &["parlour", "bench"]),
    ("utoipa", &["wire", "web"]),
    ("tokio-tungstenite", &["live (tests)", "parlour (tests)"]),
    ("reqwest", &["outside", "wire"]),
];

/// Crates that must not come in, by whatever way, and why.
const BANNED: &[(&str, &str)] = &[
    ("sqlx", "SQL is plain text beside its function"),
    ("diesel", "SQL is plain text beside its function"),
    ("sea-orm", "SQL is plain text beside its function"),
    ("openssl", "needs a library of the system; rustls does"),
    ("openssl-sys", "needs a library of the system; rustls does"),
    ("native-tls", "needs a library of the system; rustls does"),
    ("async-std", "there is one runtime"),
    ("actix-web", "there is one HTTP server"),
    (
        "ammonia",
        "the markup is compiled to an allow-list, not cleaned afterwards",
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap()
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A crate of ours and what its manifest names.
struct Manifest {
    name: String,
    normal: BTreeSet<String>,
    tests: BTreeSet<String>,
}

fn manifests() -> Vec<Manifest> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(text) = fs::read_to_string(folder.join("Cargo.toml")) else {
            continue;
        };
        let manifest: toml::Table = text.parse().unwrap();
        let names = |tables: &[&str]| -> BTreeSet<String> {
            let tables = tables
                .iter()
                .filter_map(|table| manifest.get(*table)?.as_table());
            tables.flat_map(|table| table.keys().cloned()).collect()
        };
        let name = manifest["package"]["name"].as_str().unwrap().to_owned();
        assert_eq!(
            folder.file_name().unwrap().to_str(),
            Some(name.as_str()),
            "folder name = crate name"
        );
        assert!(
            manifest["lints"]["workspace"].as_bool() == Some(true) || name == "uring",
            "{name} keeps the workspace's lints"
        );
        found.push(Manifest {
            name,
            normal: names(&["dependencies", "build-dependencies"]),
            tests: names(&["dev-dependencies"]),
        });
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(found.len() >= 9, "the crates were found");
    found
}

/// The table "Who may import whom".
fn allowed() -> BTreeMap<String, Option<BTreeSet<String>>> {
    let text = read(&root().join("ARCHITECTURE.md"));
    let section = text
        .split("### Who may import whom")
        .nth(1)
        .expect("the section is there");
    let mut table = BTreeMap::new();
    for line in section
        .lines()
        .skip_while(|line| !line.starts_with("| Crate"))
        .skip(2)
    {
        let Some(row) = line.strip_prefix('|') else {
            break;
        };
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let may: Option<BTreeSet<String>> = match cells[1] {
            text if text.starts_with("everything") => None,
            text if text.starts_with("nothing") => Some(BTreeSet::new()),
            text => Some(text.split(',').map(|name| name.trim().to_owned()).collect()),
        };
        for name in cells[0].split(',') {
            table.insert(name.trim().to_owned(), may.clone());
        }
    }
    assert!(
        table.contains_key("parlour") && table.contains_key("domain"),
        "{table:?}"
    );
    table
}

#[test]
fn crates_import_only_what_the_architecture_allows() {
    let manifests = manifests();
    let ours: BTreeSet<&str> = manifests
        .iter()
        .map(|manifest| manifest.name.as_str())
        .collect();
    let allowed = allowed();
    for manifest in &manifests {
        let Some(may) = allowed.get(&manifest.name) else {
            panic!("{} is not in the table of ARCHITECTURE.md", manifest.name);
        };
        for import in manifest.normal.union(&manifest.tests) {
            let is_allowed = match may {
                None => true,
                Some(may) => may.contains(import) || !ours.contains(import.as_str()),
            };
            assert!(
                is_allowed,
                "{} imports {import}; ARCHITECTURE.md allows {may:?}",
                manifest.name
            );
        }
    }
}

#[test]
fn outside_crates_stay_in_their_places() {
    for manifest in manifests() {
        for (outside, places) in PLACES {
            let in_tests = format!("{} (tests)", manifest.name);
            let may_import = places.contains(&manifest.name.as_str());
            assert!(
                may_import || !manifest.normal.contains(*outside),
                "{} imports {outside}, which belongs to {places:?}",
                manifest.name
            );
            assert!(
                may_import
                    || places.contains(&in_tests.as_str())
                    || !manifest.tests.contains(*outside),
                "the tests of {} import {outside}, which belongs to {places:?}",
                manifest.name
            );
        }
    }
}

#[test]
fn versions_stand_in_the_workspace_alone() {
    for manifest in manifests() {
        let text = read(
            &root()
                .join("crates")
                .join(&manifest.name)
                .join("Cargo.toml"),
        );
        let table: toml::Table = text.parse().unwrap();
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = table.get(kind).and_then(toml::Value::as_table) else {
                continue;
            };
            for (name, dependency) in dependencies {
                let is_shared =
                    dependency.get("workspace").and_then(toml::Value::as_bool) == Some(true);
                assert!(
                    is_shared,
                    "{}: {name} has a version of its own",
                    manifest.name
                );
            }
        }
    }
}

#[test]
fn banned_crates_do_not_come_in_by_any_way() {
    let lock: toml::Table = read(&root().join("Cargo.lock")).parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    let names: BTreeSet<&str> = packages
        .iter()
        .map(|package| package["name"].as_str().unwrap())
        .collect();
    assert!(names.contains("tokio"), "the lock file was read");
    for (name, why) in BANNED {
        assert!(!names.contains(name), "{name} is in Cargo.lock: {why}");
    }
    for package in packages {
        let Some(source) = package.get("source").and_then(toml::Value::as_str) else {
            continue;
        };
        let name = package["name"].as_str().unwrap();
        assert!(
            source.starts_with("registry+"),
            "{name} comes from {source}"
        );
    }
}

/// Every file that is tracked or about to be.
fn files() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .expect("git is installed");
    assert!(
        output.status.success(),
        "git ls-files works: is this a checkout?"
    );
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines()
        .map(|line| root().join(line))
        .filter(|path| path.is_file())
        .collect()
}

#[test]
fn no_file_names_a_registry_or_a_machine() {
    // Spelled in pieces, so that this file does not contain what it looks for.
    let words: Vec<String> = [
        ["registry", ".npmjs.org"],
        ["static", ".crates.io"],
        ["index", ".crates.io"],
        ["/work", "/main"],
        ["/work", "/shared"],
        ["/root", "/"],
        ["/home", "/user"],
        ["npm", ".pkg.github.com"],
    ]
    .iter()
    .map(|pieces| pieces.concat())
    .collect();
    for path in files() {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        for word in &words {
            // Cargo writes its own index into the lock file; that names no mirror.
            assert!(
                !text.contains(word.as_str()),
                "{} contains {word}",
                path.display()
            );
        }
    }
}

#[test]
fn every_module_says_what_it_is_for() {
    let is_module = |path: &PathBuf| {
        let text = path.to_string_lossy();
        text.ends_with(".rs")
            && text.contains("/crates/")
            && (text.contains("/src/") || text.contains("/tests/it/"))
    };
    let mut seen = 0;
    for path in files().into_iter().filter(is_module) {
        let text = read(&path);
        // Tests beside their module belong to its words.
        let is_test_only = path.file_stem().is_some_and(|stem| stem == "tests")
            || path
                .parent()
                .is_some_and(|folder| folder.ends_with("tests"));
        let is_short = text.lines().count() < 15;
        if is_test_only || is_short {
            continue;
        }
        seen += 1;
        assert!(
            text.starts_with("//!"),
            "{} opens without //!",
            path.display()
        );
    }
    assert!(seen > 60, "the modules were found: {seen}");
}
