//! What keeps the house tidy, checked: who imports whom, where `unsafe` lives, what the state may not touch, and that
//! the documents name what there is.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand, Package};

/// Lines of a source file at which it is time to find the two nouns in it.
const SOURCE_LINES_MAX: usize = 700;

/// Whom each package may import, as the architecture says. Normal dependencies only: tests may look from anywhere.
const MAY_IMPORT: [(&str, &[&str]); 13] = [
    ("orderline-protocol", &[]),
    ("orderline-access", &["orderline-protocol"]),
    ("orderline-journal", &[]),
    ("orderline-core", &["orderline-protocol", "orderline-journal"]),
    ("orderline-gateway", &["orderline-protocol", "orderline-core", "orderline-access"]),
    ("orderline-client", &["orderline-protocol"]),
    ("orderline-json", &["orderline-protocol"]),
    ("orderline-feed", &["orderline-protocol", "orderline-journal", "orderline-json"]),
    ("orderline-readmodel", &["orderline-protocol", "orderline-journal"]),
    // The load generator writes its commands with the protocol's structures.
    ("orderline-loadgen", &["orderline-protocol", "orderline-client"]),
    // Enters the engine by a door of its own, as the gateway does.
    (
        "orderline-web",
        &[
            "orderline-protocol",
            "orderline-access",
            "orderline-core",
            "orderline-journal",
            "orderline-json",
            "orderline-feed",
            "orderline-readmodel",
        ],
    ),
    // Runs the others' tests and programs, and knows none of their types.
    ("orderline-xtask", &[]),
    // The simulator puts the line together anew, over a disk, a network and a clock of its own.
    (
        "orderline-sim",
        &[
            "orderline-protocol",
            "orderline-journal",
            "orderline-core",
            "orderline-gateway",
            "orderline-client",
        ],
    ),
];

/// The islands where `unsafe` is allowed.
const UNSAFE_ISLANDS: [&str; 3] =
    ["core/src/arena.rs", "core/src/touch.rs", "journal/src/storage/mapping.rs"];

static METADATA: LazyLock<Metadata> = LazyLock::new(|| {
    let manifest = root().join("Cargo.toml");
    let mut command = MetadataCommand::new();
    command.manifest_path(manifest).features(CargoOpt::AllFeatures).no_deps();
    command.exec().expect("cargo metadata")
});

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn members() -> Vec<&'static Package> {
    METADATA.workspace_packages()
}

/// A package's folder, relative to the root: empty for the root's own package.
fn folder(package: &Package) -> PathBuf {
    let folder = package.manifest_path.parent().unwrap().as_std_path();
    folder
        .strip_prefix(root().canonicalize().unwrap())
        .or_else(|_| folder.strip_prefix(root()))
        .unwrap()
        .to_owned()
}

/// Every file below a folder with this ending; build output and version control aside.
fn files_below(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut left = vec![folder.to_owned()];
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() && name != "target" && !name.starts_with('.') {
                left.push(path);
            } else if path.extension().is_some_and(|found| found == ending) {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn sources() -> Vec<(String, String)> {
    let relative = |path: &Path| path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
    files_below(root(), "rs").iter().map(|path| (relative(path), read_to_string(path).unwrap())).collect()
}

/// The lines of a source without their comments.
fn code(source: &str) -> impl Iterator<Item = (usize, &str)> {
    source.lines().enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or_default()))
}

/// Whether a word stands in a line on its own.
fn has_word(line: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    line.match_indices(word).any(|(at, _)| {
        let (before, behind) = (line[..at].chars().next_back(), line[at + word.len()..].chars().next());
        !before.is_some_and(is_part) && !behind.is_some_and(is_part)
    })
}

#[test]
fn packages_import_only_whom_they_may() {
    let may_import: BTreeMap<_, _> = MAY_IMPORT.into_iter().collect();
    let ours: BTreeSet<_> = members().iter().map(|package| package.name.to_string()).collect();
    for package in members() {
        let name = package.name.as_str();
        let imports = package.dependencies.iter().filter(|dependency| {
            dependency.kind == DependencyKind::Normal && ours.contains(dependency.name.as_str())
        });
        if name == "orderline" {
            continue; // The root imports everything: it alone picks concrete types.
        }
        let allowed =
            may_import.get(name).unwrap_or_else(|| panic!("{name}: say in MAY_IMPORT whom it imports"));
        for import in imports {
            assert!(allowed.contains(&import.name.as_str()), "{name} may not import {}", import.name);
        }
    }
    assert_eq!(may_import.len() + 1, ours.len(), "MAY_IMPORT names a package that is not there: {ours:?}");
}

#[test]
fn packages_are_named_by_their_folder_and_share_what_the_workspace_says() {
    for package in members() {
        let folder = folder(package);
        let expected = match folder.to_str().unwrap() {
            "" => "orderline".to_owned(),
            folder => format!("orderline-{folder}"),
        };
        assert_eq!(package.name.as_str(), expected);
        assert!(package.description.is_some(), "{expected} says what it is");
        let manifest = read_to_string(root().join(&folder).join("Cargo.toml")).unwrap();
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            let inherits = manifest.lines().any(|line| line == format!("{key}.workspace = true"));
            assert!(inherits, "{expected} does not inherit its {key}");
        }
        assert!(manifest.contains("[lints]\nworkspace = true\n"), "{expected} does not inherit the lints");
        // Versions stand in the workspace's manifest once.
        let own = manifest.split("[workspace").next().unwrap();
        let versioned = own.lines().skip_while(|line| !line.contains("dependencies]")).find(|line| {
            line.contains(" = \"")
                && !line.contains("path = ")
                && !line.starts_with("name")
                && !line.contains('#')
        });
        assert_eq!(versioned, None, "{expected} gives a dependency a version of its own");
    }
}

#[test]
fn unsafe_lives_on_its_islands() {
    for (path, source) in sources() {
        if UNSAFE_ISLANDS.contains(&path.as_str()) {
            continue;
        }
        for (at, line) in code(&source) {
            let is_use = has_word(line, "unsafe") && !line.contains('"');
            assert!(!is_use, "{path}:{at}: unsafe outside the islands: {line}");
            let is_allowed = line.contains("allow(unsafe_code)") && !line.contains('"');
            assert!(!is_allowed, "{path}:{at}: {line}");
        }
    }
    for island in UNSAFE_ISLANDS {
        let source = read_to_string(root().join(island)).unwrap();
        assert!(code(&source).any(|(_, line)| has_word(line, "unsafe")), "{island} is no island any more");
    }
}

#[test]
fn the_state_touches_nothing_outside_itself() {
    let forbidden = [
        "std::thread",
        "std::time",
        "std::fs",
        "std::net",
        "std::env",
        "std::process",
        "Instant",
        "SystemTime",
        "f32",
        "f64",
        "HashMap",
        "HashSet",
        "RandomState",
        "rand",
        "println",
        "eprintln",
    ];
    let folder = root().join("core/src/state");
    let files = files_below(&folder, "rs");
    assert!(files.len() > 10, "the state is where it was");
    for path in files {
        let source = read_to_string(&path).unwrap();
        for (at, line) in code(&source) {
            for word in forbidden {
                assert!(!has_word(line, word), "{}:{at}: {word} in the state: {line}", path.display());
            }
        }
    }
}

#[test]
fn the_journal_knows_no_orders_and_the_protocol_does_no_io() {
    for (path, source) in sources() {
        let of = |folder: &str| path.starts_with(folder);
        for (at, line) in code(&source) {
            if of("journal/src") {
                assert!(
                    !line.to_lowercase().contains("order_id") && !line.contains("Sku"),
                    "{path}:{at}: {line}"
                );
            }
            if of("protocol/src") {
                for word in ["std::fs", "std::net", "std::io", "std::thread", "std::time"] {
                    assert!(!line.contains(word), "{path}:{at}: {line}");
                }
            }
            if of("gateway/src") {
                // The ring's ends and the watermark only: a front never looks at the state.
                for part in ["orderline_core::state", "orderline_core::engine", "orderline_core::recovery"] {
                    assert!(!line.contains(part), "{path}:{at}: {line}");
                }
            }
        }
    }
}

#[test]
fn what_serves_tells_events_and_the_core_tells_nothing() {
    let serves = ["src/serve.rs", "src/application.rs", "src/access.rs"];
    let rooms = [
        "gateway/src/",
        "web/src/",
        "feed/src/",
        "readmodel/src/",
        "access/src/",
        "core/src/",
        "journal/src/",
    ];
    assert!(serves.iter().all(|path| root().join(path).exists()));
    let is_serving =
        move |path: &str| serves.contains(&path) || rooms.iter().any(|room| path.starts_with(room));
    for (path, source) in sources().into_iter().filter(|(path, _)| is_serving(path)) {
        // Tests may say what they like.
        for (at, line) in code(source.split("#[cfg(test)]").next().unwrap_or_default()) {
            let is_printed = has_word(line, "eprintln") || has_word(line, "eprint");
            assert!(!is_printed, "{path}:{at}: {line}");
        }
    }
    for package in ["orderline-core", "orderline-journal", "orderline-protocol"] {
        let package = members().into_iter().find(|member| member.name.as_str() == package).unwrap();
        let tells = package.dependencies.iter().any(|dependency| dependency.name.starts_with("tracing"));
        assert!(!tells, "{} may not see tracing: nothing is told on the way of an order", package.name);
    }
}

#[test]
fn files_stay_readable_and_say_why_they_exist() {
    for (path, source) in sources() {
        let lines = source.lines().count();
        assert!(
            lines <= SOURCE_LINES_MAX,
            "{path} has {lines} lines; {SOURCE_LINES_MAX} are enough for one noun"
        );
        let first = source.lines().next().unwrap_or_default();
        assert!(first.starts_with("//!"), "{path} does not begin by saying why it exists");
    }
}

#[test]
fn the_architecture_names_every_room() {
    let text = read_to_string(root().join("docs/architecture.md")).expect("docs/architecture.md");
    for package in members() {
        let folder = folder(package);
        let room = match folder.to_str().unwrap() {
            "" => "`src/`".to_owned(),
            folder => format!("`{folder}/`"),
        };
        assert!(text.contains(&room), "docs/architecture.md does not name {room}");
        assert!(text.contains(package.name.as_str()), "docs/architecture.md does not name {}", package.name);
    }
    for island in UNSAFE_ISLANDS {
        assert!(
            text.contains(&format!("`{island}`")),
            "docs/architecture.md does not name the island {island}"
        );
    }
}

#[test]
fn every_planted_bug_is_one_that_the_tests_are_run_against() {
    let script = read_to_string(root().join("tests/seeded_bugs.sh")).unwrap();
    let rows = script.split("bugs=(").nth(1).and_then(|rest| rest.split("\n)").next()).unwrap();
    let listed = rows.lines().filter_map(|row| row.trim().strip_prefix('"')?.split(' ').next());
    let listed: BTreeSet<String> = listed.map(str::to_owned).collect();
    let mut planted = BTreeSet::new();
    for (path, source) in sources().into_iter().filter(|(path, _)| !path.starts_with("tests/")) {
        for rest in source.split("is_planted(\"").skip(1) {
            let bug = rest.split('"').next().unwrap_or_default();
            assert!(listed.contains(bug), "{path} plants {bug}, which tests/seeded_bugs.sh does not know");
            planted.insert(bug.to_owned());
        }
    }
    assert_eq!(planted, listed);
}

#[test]
fn documents_point_at_files_that_are_there() {
    // A path in backticks that has a folder of ours in front and an ending is a promise.
    let folders = [
        "src",
        "access",
        "core",
        "journal",
        "protocol",
        "gateway",
        "client",
        "feed",
        "json",
        "loadgen",
        "readmodel",
        "sim",
        "tests",
        "docs",
        "examples",
    ];
    for path in files_below(root(), "md") {
        let text = read_to_string(&path).unwrap();
        for quoted in text.split('`').skip(1).step_by(2) {
            let is_ours = folders.iter().any(|folder| quoted.starts_with(&format!("{folder}/")));
            let is_plain =
                quoted.chars().all(|letter| letter.is_ascii_alphanumeric() || "/_-.".contains(letter));
            let has_ending = quoted.ends_with(".rs") || quoted.ends_with(".md") || quoted.ends_with(".toml");
            if is_ours && is_plain && has_ending {
                assert!(root().join(quoted).exists(), "{}: `{quoted}` is not there", path.display());
            }
        }
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") {
                assert!(
                    path.parent().unwrap().join(target).exists(),
                    "{}: {link} leads nowhere",
                    path.display()
                );
            }
        }
    }
}
