//! The API document, held against the table of routes, the sources of problems, itself, and the
//! collection that is made of it.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use vitrine::http::routes::{ROUTES, Route};

use crate::support::host::folder::repository;
use crate::support::openapi::Document;
use crate::support::process::{handler, run, stdout};

/// What only one of the two has: of the routes and of the document.
fn differences(document: &Document, routes: &[Route]) -> Vec<String> {
    let served: BTreeSet<_> = routes
        .iter()
        .map(|route| {
            format!("{} {} {}", route.verb.word().to_lowercase(), route.path, route.function)
        })
        .collect();
    let told: BTreeSet<_> = document
        .operations()
        .iter()
        .map(|operation| format!("{} {} {}", operation.method, operation.path, operation.name()))
        .collect();
    served.symmetric_difference(&told).cloned().collect()
}

#[test]
fn the_document_tells_of_every_route_and_of_nothing_else() {
    assert_eq!(differences(&Document::of_vitrine(), &ROUTES), Vec::<String>::new());
}

#[test]
fn a_route_too_many_or_too_few_is_found() {
    let document = Document::of_vitrine();
    assert_eq!(differences(&document, &ROUTES[1..]).len(), 1);
    let mut fewer = document.clone();
    fewer.0["paths"]["/products"].as_object_mut().unwrap().shift_remove("post");
    assert_eq!(differences(&fewer, &ROUTES), ["post /products CreateProduct"]);
    let mut renamed = document;
    renamed.0["paths"]["/me"]["get"]["operationId"] = json!("You");
    assert_eq!(differences(&renamed, &ROUTES).len(), 2);
}

/// Every parameter of a path is told of, and no other.
#[test]
fn the_segments_of_a_path_are_its_parameters() {
    let document = Document::of_vitrine();
    for operation in document.operations() {
        let parameters = operation.told["parameters"].as_array().unwrap();
        let mut told = parameters.iter().map(|parameter| document.resolved(parameter));
        let in_path: Vec<_> = told.clone().filter(|parameter| parameter["in"] == "path").collect();
        let segments = operation.path.split('/').filter(|segment| segment.starts_with('{'));
        let names: Vec<_> = in_path
            .iter()
            .map(|parameter| format!("{{{}}}", parameter["name"].as_str().unwrap()))
            .collect();
        assert_eq!(names, segments.collect::<Vec<_>>(), "{}", operation.path);
        assert!(told.all(|parameter| !parameter["description"].as_str().unwrap().is_empty()));
    }
}

/// Each word that a problem may have stands in `problem.rs` with its status and its title; and
/// each that stands there is told of, but for what the Functions host alone is told.
#[test]
fn the_problems_are_those_of_the_source() {
    const OF_THE_HOST: [&str; 2] = ["malformed-envelope", "no-source"];
    let source = std::fs::read_to_string(repository().join("handler/src/http/problem.rs")).unwrap();
    let classes: String = source.split_whitespace().collect::<Vec<_>>().join(" ");
    let problems =
        std::fs::read_to_string(repository().join("handler/openapi/problems.json")).unwrap();
    let problems: Value = serde_json::from_str(&problems).unwrap();
    let mut told = BTreeSet::new();
    for (name, problem) in problems.as_object().unwrap() {
        let word = problem["type"].as_str().unwrap_or(name);
        let title = problem["title"].as_str().unwrap();
        assert!(classes.contains(&format!("\"{word}\", \"{title}\"")), "{word}: {title}");
        told.insert(word.to_owned());
    }
    // A word is followed by a title: two texts with a comma between them.
    let texts: Vec<_> = classes.split("\", \"").collect();
    let words = texts[..texts.len() - 1].iter().map(|before| before.rsplit('"').next().unwrap());
    for word in words.filter(|word| !OF_THE_HOST.contains(word)) {
        assert!(told.contains(word), "{word}");
    }
    let used: BTreeSet<_> =
        Document::of_vitrine().answers().into_iter().map(|(.., word)| word).collect();
    // Of no operation: what there is at no path, or not by this method.
    let nowhere = ["not-found", "method-not-allowed"];
    for word in told.iter().filter(|word| !nowhere.contains(&word.as_str())) {
        assert!(used.contains(word), "{word} is a problem of no operation");
    }
}

/// Every body has an example, and every example is what its schema says.
#[test]
fn the_examples_are_right() {
    let document = Document::of_vitrine();
    let mut bodies = Vec::new();
    for operation in document.operations() {
        if let Some(body) = operation.told.get("requestBody") {
            bodies.push((operation.name().to_owned(), &body["content"]));
        }
        for (status, response) in operation.told["responses"].as_object().unwrap() {
            let content = &document.resolved(response)["content"];
            if !content.is_null() {
                bodies.push((format!("{} {status}", operation.name()), content));
            }
        }
        for parameter in operation.told["parameters"].as_array().unwrap() {
            let parameter = document.resolved(parameter);
            if let Some(example) = parameter.get("example") {
                assert_eq!(document.wrong(&parameter["schema"], example), Vec::<String>::new());
            }
        }
    }
    let mut count = 0;
    for (name, content) in bodies {
        for (kind, media) in content.as_object().unwrap() {
            let of_problems = media["examples"].as_object().into_iter().flatten();
            let of_problems = of_problems.map(|(_, example)| &example["value"]);
            let examples: Vec<_> = media.get("example").into_iter().chain(of_problems).collect();
            assert!(!examples.is_empty(), "{name}: {kind} has no example");
            for example in examples {
                let wrong = document.wrong(&media["schema"], example);
                assert_eq!(wrong, Vec::<String>::new(), "{name}: {kind}");
                count += 1;
            }
        }
    }
    assert!(count > 200, "{count} examples");
}

#[test]
fn the_command_prints_what_is_served() {
    let folder = tempfile::tempdir().unwrap();
    // A setting that is wrong does not matter: nothing is asked of it.
    let mut command = handler(&folder.path().join("data"));
    let printed = run(command.arg("openapi").env("VITRINE_LISTEN", "nowhere"));
    assert!(printed.status.success());
    let printed: Value = serde_json::from_str(&stdout(&printed)).unwrap();
    assert_eq!(printed, Document::of_vitrine().0);
    assert_eq!(printed["info"]["version"], env!("CARGO_PKG_VERSION"));
    assert!(!folder.path().join("data").exists(), "nothing is opened for it");
}

#[test]
fn the_postman_collection_is_made_of_the_document() {
    let script = repository().join("scripts/api_check/collection.py");
    let mut making = Command::new("python3")
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("python3 is needed");
    let mut input = making.stdin.take().unwrap();
    input.write_all(vitrine::openapi::document().as_bytes()).unwrap();
    drop(input);
    let made = making.wait_with_output().unwrap();
    assert!(made.status.success());
    let kept = repository().join("tests/postman/vitrine.postman_collection.json");
    assert!(
        made.stdout == std::fs::read(kept).unwrap(),
        "the document has changed: scripts/api-check --write-collection"
    );
}
