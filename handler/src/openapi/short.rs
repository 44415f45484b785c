//! The short form of the sources, written out.
//!
//! 1. A text where OpenAPI has an object is the name of a component of that kind. What stands
//!    behind a dot in a name tells variants of one header apart.
//! 2. `{"$part": "…"}` is a copy of a part: fields and examples that several places have.
//! 3. `problems` of an operation are answers, each a problem document of one of the types of
//!    `problems.json`, those of one status together.
//!
//! Every operation takes an `X-Request-Id`, and every answer has one.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];
/// What an example says is no schema, whatever its fields are called.
const EXAMPLES: [&str; 5] = ["example", "examples", "enum", "const", "default"];
/// Problems of no operation: what there is at no path, or not by this method.
const NOWHERE: [&str; 2] = ["not-found", "method-not-allowed"];
/// The component that every operation and every answer has.
const OF_ALL: &str = "X-Request-Id";

/// What the short forms stand for.
pub(super) struct Parts {
    parts: Map<String, Value>,
    problems: Map<String, Value>,
}

impl Parts {
    pub(super) fn new(problems: Map<String, Value>) -> Self {
        Self { parts: Map::new(), problems }
    }

    pub(super) fn add(&mut self, parts: Map<String, Value>) {
        self.parts.extend(parts);
    }

    /// Writes out whatever is short in a document.
    pub(super) fn write_out(&self, document: &mut Value) {
        self.copy(document);
        let components = document["components"].clone();
        for (path, item) in entries(&mut document["paths"]) {
            for method in METHODS {
                if let Some(operation) = item.get_mut(method) {
                    self.write_operation(operation, path, &components);
                }
            }
        }
        let responses = &mut document["components"]["responses"];
        entries(responses).for_each(|(_, response)| write_response(response));
        for (status, names) in self.by_status(Some(&json!(NOWHERE))) {
            responses[names[0]] = self.problem(status, &names, "/nowhere", &components);
        }
        for (_, schema) in entries(&mut document["components"]["schemas"]) {
            write_schema(schema);
        }
        for kind in ["parameters", "headers"] {
            for (_, part) in entries(&mut document["components"][kind]) {
                write_schema(&mut part["schema"]);
            }
        }
    }

    fn copy(&self, value: &mut Value) {
        if let Some(name) = value.get("$part") {
            let name = name.as_str().expect("a part has a name");
            *value = self.parts[name].clone();
        }
        match value {
            Value::Object(fields) => fields.values_mut().for_each(|value| self.copy(value)),
            Value::Array(values) => values.iter_mut().for_each(|value| self.copy(value)),
            _ => {}
        }
    }

    fn write_operation(&self, operation: &mut Value, path: &str, components: &Value) {
        let operation = operation.as_object_mut().expect("an operation is an object");
        let parameters = operation.entry("parameters").or_insert_with(|| json!([]));
        let parameters = parameters.as_array_mut().expect("parameters are a list");
        parameters.push(OF_ALL.into());
        let instance = instance(path, parameters, &components["parameters"]);
        for parameter in parameters {
            match parameter {
                Value::String(name) => *parameter = reference("parameters", name),
                parameter => write_schema(&mut parameter["schema"]),
            }
        }
        if let Some(ways) = operation.get_mut("security") {
            for way in ways.as_array_mut().expect("ways in are a list") {
                *way = match way.as_str() {
                    Some("nobody") => json!({}),
                    name => json!({ name.expect("a way in has a name"): [] }),
                };
            }
        }
        if let Some(body) = operation.get_mut("requestBody") {
            write_content(&mut body["content"]);
        }
        let problems = operation.shift_remove("problems");
        let responses = operation["responses"].as_object_mut().expect("answers are a table");
        for (_, response) in responses.iter_mut() {
            match response {
                Value::String(name) => *response = reference("responses", name),
                response => write_response(response),
            }
        }
        for (status, names) in self.by_status(problems.as_ref()) {
            responses
                .insert(status.to_string(), self.problem(status, &names, &instance, components));
        }
    }

    fn by_status<'a>(&self, problems: Option<&'a Value>) -> BTreeMap<u64, Vec<&'a str>> {
        let mut by_status: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for name in problems.and_then(Value::as_array).into_iter().flatten() {
            let name = name.as_str().expect("a problem has a name");
            let status = self.problems[name]["status"].as_u64().expect("a problem has a status");
            by_status.entry(status).or_default().push(name);
        }
        by_status
    }

    /// The answer of a status that says one of these problems.
    fn problem(&self, status: u64, names: &[&str], instance: &str, components: &Value) -> Value {
        let (mut types, mut examples, mut titles) = (Vec::new(), Map::new(), Vec::new());
        let mut headers = json!({
            OF_ALL: reference("headers", OF_ALL),
            "Cache-Control": reference("headers", "Cache-Control"),
        });
        for name in names {
            let problem = &self.problems[*name];
            let word = problem["type"].as_str().unwrap_or(name);
            let uri = format!("/problems/{word}");
            let mut example = json!({
                "type": uri, "title": problem["title"], "status": status,
                "detail": problem["detail"], "instance": instance,
            });
            if let Some(errors) = problem.get("errors") {
                example["errors"] = errors.clone();
            }
            examples.insert(word.to_owned(), json!({ "value": example }));
            titles.push(problem["title"].as_str().expect("a problem has a title"));
            types.push(uri);
            for header in self.headers(name) {
                let has = |name: &&str| self.always(name).any(|always| always == header);
                headers[header] = if names.iter().all(has) {
                    reference("headers", header)
                } else {
                    let mut part = components["headers"][header].clone();
                    part["required"] = false.into();
                    part
                };
            }
        }
        json!({
            "description": titles.join("; ") + ".",
            "headers": headers,
            "content": { "application/problem+json": {
                "schema": {
                    "allOf": [reference("schemas", "Problem")],
                    "properties": { "type": { "enum": types }, "status": { "const": status } },
                },
                "examples": examples,
            } },
        })
    }

    /// The headers that a problem may have.
    fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let may = self.problems[name]["may_have"].as_array().into_iter().flatten();
        self.always(name).chain(may.filter_map(Value::as_str))
    }

    /// The headers that a problem has.
    fn always(&self, name: &str) -> impl Iterator<Item = &str> {
        let always = self.problems[name]["headers"].as_array().into_iter().flatten();
        always.filter_map(Value::as_str)
    }
}

/// A path as somebody asks it: by the examples of what stands in it.
fn instance(path: &str, parameters: &[Value], components: &Value) -> String {
    let mut instance = path.to_owned();
    for parameter in parameters {
        let parameter = parameter.as_str().map_or(parameter, |name| &components[name]);
        if parameter["in"] == "path" {
            let (name, example) = (&parameter["name"], &parameter["example"]);
            let name = name.as_str().expect("a parameter has a name");
            let example = example.as_str().map_or_else(|| example.to_string(), str::to_owned);
            instance = instance.replace(&format!("{{{name}}}"), &example);
        }
    }
    instance
}

fn write_response(response: &mut Value) {
    let names = response.get("headers").and_then(Value::as_array).cloned().unwrap_or_default();
    let names = std::iter::once(OF_ALL).chain(names.iter().filter_map(Value::as_str));
    let headers: Map<_, _> = names
        .map(|name| {
            let header = name.split('.').next().unwrap_or(name);
            (header.to_owned(), reference("headers", name))
        })
        .collect();
    response["headers"] = Value::Object(headers);
    if let Some(content) = response.get_mut("content") {
        write_content(content);
    }
}

fn write_content(content: &mut Value) {
    for (_, media) in entries(content) {
        write_schema(&mut media["schema"]);
    }
}

fn write_schema(schema: &mut Value) {
    match schema {
        Value::String(name) => *schema = reference("schemas", name),
        Value::Object(fields) => {
            for (keyword, value) in fields {
                match (keyword.as_str(), value) {
                    (keyword, _) if EXAMPLES.contains(&keyword) => {}
                    ("properties", properties) => {
                        entries(properties).for_each(|(_, schema)| write_schema(schema));
                    }
                    ("items", schema) => write_schema(schema),
                    ("allOf" | "anyOf", Value::Array(schemas)) => {
                        schemas.iter_mut().for_each(write_schema);
                    }
                    _ => {}
                }
            }
        }
        _ => {}
    }
}

fn reference(kind: &str, name: &str) -> Value {
    json!({ "$ref": format!("#/components/{kind}/{name}") })
}

fn entries(table: &mut Value) -> impl Iterator<Item = (&String, &mut Value)> {
    table.as_object_mut().into_iter().flatten()
}
