//! The server's settings as one commented file, every key with its default, and whether a file of them can be served with.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;

use serde::Serialize;

use crate::access;
use crate::cli::{ConfigCheckArguments, ConfigDefaultArguments};
use crate::config::{Config, SECTIONS};
use crate::verb::{Ending, Refusal, VerbResult, print_json};

/// `orderline config default`.
pub(crate) fn print(arguments: &ConfigDefaultArguments) -> VerbResult {
    let text = as_text()?;
    if arguments.json {
        #[derive(Serialize)]
        struct Report<'a> {
            file: &'a str,
        }
        print_json(&Report { file: &text })?;
    } else {
        std::io::stdout().lock().write_all(text.as_bytes())?;
    }
    Ok(Ending::Well)
}

/// `orderline config check`.
pub(crate) fn check(arguments: &ConfigCheckArguments) -> VerbResult {
    let text = Config::read(&arguments.file)?;
    let problem = can_be_served_with(&arguments.file, &text).err().map(|refusal| refusal.to_string());
    if arguments.json {
        #[derive(Serialize)]
        struct Report<'a> {
            ok: bool,
            file: &'a Path,
            problem: Option<&'a str>,
        }
        print_json(&Report { ok: problem.is_none(), file: &arguments.file, problem: problem.as_deref() })?;
    } else {
        let file = arguments.file.display();
        eprintln!("{}", problem.as_deref().unwrap_or(&format!("{file} can be served with")));
    }
    Ok(Ending::well_if(problem.is_none()))
}

/// Everything that a start would refuse for the settings' sake, the data directory aside.
fn can_be_served_with(file: &Path, text: &str) -> Result<(), Refusal> {
    let config = Config::parse(text).map_err(|error| Refusal::new(format!("{}: {error}", file.display())))?;
    access::identity(&config)?;
    let gateway = config.gateway_options();
    Ok(gateway.check(gateway.door_capacity())?)
}

/// The whole file. Its keys stand behind a `#`, so that a file that is made of it says what was decided on purpose, and nothing else.
fn as_text() -> Result<String, Refusal> {
    let defaults = toml::Table::try_from(Config::default())?;
    let mut text = format!(
        "# Settings of `orderline serve --config FILE`, with the defaults of Orderline {}. Take away the # before a key to set\n\
         # it. Keys that are not known are refused. `orderline config check FILE` says whether a file can be served with.\n",
        env!("CARGO_PKG_VERSION")
    );
    for ((section, about), keys) in SECTIONS {
        text.push('\n');
        push_comment(&mut text, about);
        writeln!(text, "[{section}]")?;
        for (key, meaning) in keys {
            text.push('\n');
            push_comment(&mut text, meaning);
            match defaults.get(section).and_then(|section| section.get(key)) {
                Some(default) => writeln!(text, "#{key} = {default}")?,
                None => writeln!(text, "# (none by default)\n#{key} = \"FILE\"")?,
            }
        }
    }
    Ok(text)
}

fn push_comment(text: &mut String, lines: &[&str]) {
    lines.iter().for_each(|line| *text += &format!("#{line}\n"));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The file with every key set.
    fn all_set() -> String {
        let is_key = |line: &str| line.starts_with('#') && !line.starts_with("# ");
        let lines = as_text().unwrap();
        lines.lines().map(|line| format!("{}\n", if is_key(line) { &line[1..] } else { line })).collect()
    }

    #[test]
    fn the_file_says_what_the_defaults_are_and_names_every_key() {
        assert_eq!(Config::parse(&as_text().unwrap()), Ok(Config::default()), "as it is, it sets nothing");
        let mut set: toml::Table = all_set().parse().unwrap();
        let named: Vec<String> = set.keys().cloned().collect();
        assert_eq!(named.len(), SECTIONS.len());
        let tls = set.get_mut("tls").and_then(toml::Value::as_table_mut).unwrap();
        assert_eq!((tls.remove("certificate").is_some(), tls.remove("key").is_some()), (true, true));
        // What the structures have and nothing was said of would be missing here, and what they have not, refused.
        assert_eq!(set, toml::Table::try_from(Config::default()).unwrap());
    }

    #[test]
    fn the_table_of_the_document_is_the_file() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/operations.md");
        let document = std::fs::read_to_string(&path).unwrap();
        let (begin, end) = ("<!-- made of src/config.rs -->\n", "<!-- end -->\n");
        let (before, rest) = document.split_once(begin).expect("the document has a place for the table");
        let (stands, behind) = rest.split_once(end).expect("the place ends");
        let defaults = toml::Table::try_from(Config::default()).unwrap();
        let mut made = "\n| key | default | meaning |\n|---|---|---|\n".to_owned();
        for ((section, _), keys) in SECTIONS {
            for (key, meaning) in keys {
                let default = match defaults[section].get(key) {
                    Some(toml::Value::String(text)) => format!("`{text:?}`"),
                    Some(value) => value.to_string(),
                    None => "none".to_owned(),
                };
                let meaning = meaning.concat();
                writeln!(made, "| `{section}.{key}` | {default} | {} |", meaning.trim()).unwrap();
            }
        }
        made.push('\n');
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, format!("{before}{begin}{made}{end}{behind}")).unwrap();
            return;
        }
        assert!(
            stands == made,
            "docs/operations.md shows other settings; UPDATE_GOLDEN=1 makes its table anew"
        );
    }
}
