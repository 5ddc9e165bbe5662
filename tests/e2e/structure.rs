//! The dependency sentence of ARCHITECTURE.md: rooms of a crate name only rooms below them, so there is no circle; and each outside
//! library that could be anywhere is in its places alone.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of each crate, the top one first. A room is a file or a folder directly under `src`.
const TOWERS: &[(&str, &[&str])] = &[
    (
        "shared",
        &[
            "telemetry",
            "config",
            "providers",
            "inbox",
            "queue",
            "limit",
            "schema",
            "db",
            "crypto",
            "domain",
            "clock",
        ],
    ),
    (
        "worker",
        &[
            "main",
            "cli",
            "lib",
            "engine",
            "execution",
            "registry",
            "jobs",
            "effects",
            "context",
            "environment",
            "services",
            "scheduling",
            "ops",
            "watchdog",
            "storage",
            "retry",
            "fixtures",
        ],
    ),
    (
        "ingress",
        &[
            "main", "program", "lib", "api", "body", "landing", "state", "waits", "reads", "auth",
            "limits", "inboxes", "request", "server", "error",
        ],
    ),
];

/// Libraries, and the only places of the product that may name them.
const PLACES: &[(&str, &[&str])] = &[
    (
        "sqlx",
        &[
            "shared/src/db",
            "shared/src/inbox",
            "shared/src/queue",
            "shared/src/limit",
            "shared/src/schema.rs",
            // Derives its types, and carries its error.
            "shared/src/domain/ids.rs",
            "shared/src/providers/shell/error.rs",
        ],
    ),
    ("axum", &["ingress/src", "worker/src/ops.rs"]),
    ("backoff", &["worker/src/retry.rs"]),
    ("apalis", &["worker/src/engine.rs"]),
    ("apalis_core", &["worker/src/execution/backend.rs"]),
    ("redis", &["shared/src/inbox"]),
    ("object_store", &["worker/src/storage.rs"]),
];

#[test]
fn rooms_name_only_rooms_below_them() {
    let mut wrong = Vec::new();
    for (crate_name, tower) in TOWERS {
        let source = root().join(crate_name).join("src");
        for file in rust_files(&source) {
            let room = room_of(&source, &file);
            let Some(place) = tower.iter().position(|one| *one == room) else {
                // A crate's own table of contents.
                assert_eq!(room, "lib", "{} is in no tower", file.display());
                continue;
            };
            for named in named_rooms(&code(&file)) {
                let below = tower.iter().position(|one| *one == named);
                if named != room && below.is_some_and(|below| below < place) {
                    wrong.push(format!("{}: names {named}", file.display()));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn libraries_are_named_in_their_places_alone() {
    let mut wrong = Vec::new();
    for crate_name in ["shared", "worker", "ingress"] {
        for file in rust_files(&root().join(crate_name).join("src")) {
            let code = code(&file);
            let path = file.strip_prefix(root()).unwrap().to_path_buf();
            for (library, places) in PLACES {
                let names = code.contains(&format!("{library}::"));
                if names && !places.iter().any(|place| path.starts_with(place)) {
                    wrong.push(format!("{}: names {library}", path.display()));
                }
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
}

/// `tests/FINDINGS.md` names tests as `program::module::name`: each stands in its file, and is run.
#[test]
fn the_tests_of_findings_are_there() {
    let text = fs::read_to_string(root().join("tests/FINDINGS.md")).unwrap();
    let named: Vec<&str> = text
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.matches("::").count() >= 2)
        .collect();
    assert!(named.len() > 50, "{} names", named.len());
    let missing: Vec<_> = named.into_iter().filter(|name| !is_there(name)).collect();
    assert_eq!(missing, Vec::<&str>::new());
}

/// A test of that name in its module's file.
fn is_there(name: &str) -> bool {
    let (program, path) = name.split_once("::").unwrap();
    let folder = match program {
        "queue" | "e2e" => format!("tests/{program}"),
        "api" => "tests/e2e/api".to_owned(),
        "harness" => "tests/harness/tests/harness".to_owned(),
        library => format!("{library}/src"),
    };
    let folder = root().join(folder);
    let file = |module: &str| {
        let path = folder.join(module.replace("::", "/"));
        let files = [path.with_extension("rs"), path.join("mod.rs")];
        files.iter().find_map(|file| fs::read_to_string(file).ok())
    };
    let (module, test) = path.rsplit_once("::").unwrap();
    let test = format!("fn {test}(");
    file(module).is_some_and(|text| text.contains(&test) && !text.contains("#[ignore"))
}

fn root() -> PathBuf {
    harness::repository().unwrap()
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

fn room_of(source: &Path, file: &Path) -> String {
    let inside = file.strip_prefix(source).unwrap();
    let first = inside.components().next().unwrap();
    let first = first.as_os_str().to_str().unwrap();
    first.trim_end_matches(".rs").to_owned()
}

/// Without comments; what tests name is their own affair.
fn code(file: &Path) -> String {
    let text = fs::read_to_string(file).unwrap();
    let product = text.split("#[cfg(test)]").next().unwrap_or_default();
    let lines = product
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What stands behind `crate::`, alone or in braces.
fn named_rooms(code: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for rest in code.split("crate::").skip(1) {
        let names: Vec<&str> = match rest.strip_prefix('{') {
            Some(group) => group
                .split('}')
                .next()
                .unwrap_or_default()
                .split(',')
                .collect(),
            None => vec![rest],
        };
        for name in names {
            let name: String = name
                .trim()
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || *c == '_')
                .collect();
            rooms.insert(name);
        }
    }
    rooms
}
