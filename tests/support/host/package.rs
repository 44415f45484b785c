//! A package as the host reads it: `host.json`, and a folder a function beside it.
//!
//! What is wrong with a function takes that function away and is told; the rest load. What is
//! wrong with `host.json` keeps the host from starting.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use super::function::Function;
use super::{routes, time_span};

#[derive(Debug, Clone)]
pub struct Package {
    pub root: PathBuf,
    pub host: HostJson,
    /// By name.
    pub functions: Vec<Function>,
    /// Of functions that were left out.
    pub problems: Vec<Problem>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    pub function: String,
    pub what: String,
}

#[derive(Debug, Clone)]
pub struct HostJson {
    pub json: Value,
    pub executable: String,
    pub arguments: Vec<String>,
    pub working_directory: PathBuf,
    pub passing: Passing,
    pub initialization_timeout: Duration,
    /// `None` is without end.
    pub function_timeout: Option<Duration>,
    pub route_prefix: String,
    pub poison_blob_threshold: u32,
    pub blobs_at_once: usize,
}

/// How a plain HTTP function's requests reach the handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passing {
    /// Streamed both ways.
    Proxying,
    /// The older way: rebuilt, and the answer buffered.
    Forwarding,
    /// Not at all: they go into an envelope too.
    Envelope,
}

impl Package {
    pub fn read(root: &Path) -> Result<Self, String> {
        let host = HostJson::read(root)?;
        let mut package =
            Self { root: root.to_owned(), host, functions: Vec::new(), problems: Vec::new() };
        for (name, text) in function_files(root) {
            match Function::parse(&name, &text).and_then(|new| package.accept(new)) {
                Ok(()) => {}
                Err(what) => package.problems.push(Problem { function: name, what }),
            }
        }
        Ok(package)
    }

    pub fn function(&self, name: &str) -> Option<&Function> {
        // The host's own lookups ignore case.
        self.functions.iter().find(|function| function.name.eq_ignore_ascii_case(name))
    }

    fn accept(&mut self, new: Function) -> Result<(), String> {
        if let Some(http) = new.http() {
            routes::refuse_reserved(&http.route)?;
            routes::Template::parse(&http.route)?;
            let other = self.functions.iter().find(|function| {
                function.http().is_some_and(|theirs| http.conflicts_with(&theirs))
            });
            if let Some(other) = other {
                return Err(format!("its route conflicts with that of {}", other.name));
            }
        }
        self.functions.push(new);
        Ok(())
    }
}

/// The `function.json` of each folder exactly one level below the root, by name.
fn function_files(root: &Path) -> Vec<(String, String)> {
    let mut files: Vec<_> = std::fs::read_dir(root)
        .unwrap()
        .filter_map(|entry| {
            let folder = entry.unwrap().path();
            let text = std::fs::read_to_string(folder.join("function.json")).ok()?;
            Some((folder.file_name()?.to_str()?.to_owned(), text))
        })
        .collect();
    files.sort();
    files
}

impl HostJson {
    fn read(root: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(root.join("host.json"))
            .map_err(|e| format!("host.json: {e}"))?;
        let json: Value = serde_json::from_str(&text).map_err(|e| format!("host.json: {e}"))?;
        if json["version"] != "2.0" {
            return Err("host.json: its version must be 2.0".to_owned());
        }
        let handler = member(&json, "customHandler");
        let description = member(handler, "description");
        let flag = |name| member(handler, name).as_bool().unwrap_or(false);
        let span = |value: &Value, default: Duration| match value.as_str() {
            None => Ok(Some(default)),
            Some(text) => time_span::parse(text),
        };
        let blobs = &json["extensions"]["blobs"];
        let number = |name, default| member(blobs, name).as_u64().unwrap_or(default);
        Ok(Self {
            executable: member(description, "defaultExecutablePath")
                .as_str()
                .filter(|path| !path.is_empty())
                .ok_or("host.json: customHandler.description.defaultExecutablePath is required")?
                .to_owned(),
            arguments: [member(description, "arguments"), member(description, "workerArguments")]
                .into_iter()
                .filter_map(Value::as_array)
                .flatten()
                .filter_map(|argument| Some(argument.as_str()?.to_owned()))
                .collect(),
            working_directory: root
                .join(member(description, "workingDirectory").as_str().unwrap_or("")),
            passing: if flag("enableProxyingHttpRequest") {
                Passing::Proxying
            } else if flag("enableForwardingHttpRequest") {
                Passing::Forwarding
            } else {
                Passing::Envelope
            },
            initialization_timeout: span(
                member(handler, "initializationTimeout"),
                Duration::from_secs(30),
            )?
            .unwrap_or(Duration::MAX),
            function_timeout: span(&json["functionTimeout"], Duration::from_mins(30))?,
            route_prefix: json["extensions"]["http"]["routePrefix"]
                .as_str()
                .unwrap_or("api")
                .trim_matches('/')
                .to_owned(),
            poison_blob_threshold: u32::try_from(number("poisonBlobThreshold", 5)).unwrap(),
            blobs_at_once: usize::try_from(number("maxDegreeOfParallelism", 16)).unwrap(),
            json,
        })
    }
}

/// A member by its name in any case, as .NET binds configuration; null where there is none.
pub fn member<'a>(object: &'a Value, name: &str) -> &'a Value {
    object
        .as_object()
        .and_then(|members| members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)))
        .map_or(&Value::Null, |(_, value)| value)
}

/// Whether each of these is there once.
pub fn all_different<'a>(mut names: impl Iterator<Item = &'a str>) -> bool {
    let mut seen = HashSet::new();
    names.all(|name| seen.insert(name.to_ascii_lowercase()))
}
