//! The console: all its files come from the server itself, with a policy that lets nothing else in, and it offers the API's own
//! names. What it looks like, and that it works, a browser is asked: `tests/console.sh`.

use std::collections::{BTreeSet, VecDeque};
use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::time::Duration;

use orderline_protocol::command::{Bucket, Role};
use serde_json::Value;

use crate::support::Server;
use crate::support::server::NO_SNAPSHOTS;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("web/console")
}

/// The server, and an agent to ask it with.
struct Console {
    agent: ureq::Agent,
    server: Server,
}

impl Console {
    fn start(directory: &Path) -> Self {
        let server = Server::with_http(directory, NO_SNAPSHOTS);
        let config = ureq::Agent::config_builder().http_status_as_error(false);
        Self { agent: config.timeout_global(Some(Duration::from_secs(60))).build().into(), server }
    }

    fn get(&self, path: &str, known: Option<&str>) -> ureq::http::Response<ureq::Body> {
        let uri = format!("http://{}{path}", self.server.http.expect("it was told to listen for HTTP"));
        let mut request = ureq::http::Request::get(uri);
        if let Some(etag) = known {
            request = request.header("if-none-match", etag);
        }
        self.agent.run(request.body(()).unwrap()).unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }
}

/// The texts in double quotes behind each of these marks.
fn quoted<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    text.split(mark).skip(1).filter_map(|rest| rest.split('"').next()).collect()
}

/// Where a file says that others are, as paths on the server.
fn references(path: &str, text: &str) -> Vec<String> {
    if path == "/" {
        return ["href=\"", "src=\""]
            .into_iter()
            .flat_map(|mark| quoted(text, mark))
            .map(str::to_owned)
            .collect();
    }
    let parent = Path::new(path).parent().unwrap();
    let resolve = |module: &str| match module.strip_prefix("../") {
        Some(rest) => parent.parent().unwrap().join(rest),
        None => parent.join(module.strip_prefix("./").expect("modules are named by relative paths")),
    };
    quoted(text, " from \"").into_iter().map(|module| resolve(module).to_str().unwrap().to_owned()).collect()
}

#[test]
fn every_file_is_served_from_here_and_refers_to_nothing_elsewhere() {
    let directory = tempfile::tempdir().unwrap();
    let console = Console::start(directory.path());
    let (mut seen, mut left) = (BTreeSet::new(), VecDeque::from(["/".to_owned()]));
    while let Some(path) = left.pop_front() {
        // Addresses of the console's own pages stand behind the #.
        if path.contains('#') || !seen.insert(path.clone()) {
            continue;
        }
        let mut answer = console.get(&path, None);
        assert_eq!(answer.status(), 200, "{path}");
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let kind = match path.rsplit('.').next().unwrap() {
            "js" => "text/javascript; charset=utf-8",
            "css" => "text/css; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => "text/html; charset=utf-8",
        };
        assert_eq!(header("content-type"), kind, "{path}");
        assert!(header("content-security-policy").starts_with("default-src 'self';"), "{path}");
        assert_eq!(header("x-content-type-options"), "nosniff", "{path}");
        let etag = header("etag");
        assert_eq!(console.get(&path, Some(&etag)).status(), 304, "{path}");
        let text = answer.body_mut().read_to_string().unwrap();
        // A namespace is a name; nobody goes there.
        let elsewhere = text.replace("http://www.w3.org/2000/svg", "");
        assert!(!elsewhere.contains("://") && !elsewhere.contains("url("), "{path} refers to another host");
        assert!(!text.contains("innerHTML") && !text.contains("eval("), "{path}");
        if path == "/" {
            // What the policy forbids would only fail silently.
            assert!(!text.contains("<style") && !text.contains("style=") && !text.contains("<script>"));
        }
        if path == "/" || path.ends_with(".js") {
            left.extend(references(&path, &text));
        }
    }
    let mut files = BTreeSet::from(["/".to_owned()]);
    let mut folders = vec![folder()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("index.html") {
                files.insert(format!("/console/{}", path.strip_prefix(folder()).unwrap().to_str().unwrap()));
            }
        }
    }
    assert_eq!(seen, files, "each file is used, and each that is used is there");

    let mut missing = console.get("/console/nothing.js", None);
    assert_eq!(missing.status(), 404);
    let problem: Value = serde_json::from_str(&missing.body_mut().read_to_string().unwrap()).unwrap();
    assert_eq!(problem["code"], "NoSuchPath");
}

#[test]
fn forms_offer_the_names_that_the_api_has() {
    let directory = tempfile::tempdir().unwrap();
    let console = Console::start(directory.path());
    let description = console.get("/v1/openapi.json", None).body_mut().read_to_string().unwrap();
    let description: Value = serde_json::from_str(&description).unwrap();
    let mut known = BTreeSet::new();
    collect_enums(&description, &mut known);
    // What only requests have is described by the protocol's own names.
    known.insert(Role::ALL.iter().map(|role| role.name().to_owned()).collect());
    known.insert(Bucket::ALL.iter().map(|bucket| bucket.name().to_owned()).collect());
    let names = read_to_string(folder().join("names.js")).unwrap();
    let lists: Vec<_> = names.lines().filter_map(|line| line.strip_prefix("export const ")).collect();
    assert!(lists.len() > 4, "{names}");
    for list in lists {
        let (name, values) = list.split_once(" = ").unwrap();
        let values: BTreeSet<String> = serde_json::from_str(values.trim_end_matches(';')).unwrap();
        assert!(known.contains(&values), "{name}: nowhere are the names these: {values:?}");
    }
}

fn collect_enums(value: &Value, into: &mut BTreeSet<BTreeSet<String>>) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Array(names)) = fields.get("enum") {
                into.insert(names.iter().filter_map(|name| Some(name.as_str()?.to_owned())).collect());
            }
            fields.values().for_each(|field| collect_enums(field, into));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_enums(item, into)),
        _ => {}
    }
}
