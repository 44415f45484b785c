//! The API document as a judge of answers: of their status, headers, media type and body.

use bytes::Bytes;
use jsonschema::draft202012;
use reqwest::Response;
use reqwest::header::HeaderMap;
use serde_json::{Map, Value, json};

/// What a server says that no document tells of: the framing of a message, and what concerns
/// a browser alone.
const NOT_TOLD_OF: [&str; 8] = [
    "content-type",
    "content-length",
    "content-encoding",
    "transfer-encoding",
    "connection",
    "date",
    "x-content-type-options",
    "referrer-policy",
];

/// An answer, read.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Bytes,
}

impl Answer {
    pub async fn of(response: Response) -> Self {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        Self { status, headers, body: response.bytes().await.unwrap() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The word of a problem; empty if it is none.
    pub fn problem(&self) -> String {
        let is_problem = self.header("content-type") == Some("application/problem+json");
        let body: Option<Value> = serde_json::from_slice(&self.body).ok().filter(|_| is_problem);
        let word =
            body.and_then(|body| Some(body["type"].as_str()?.rsplit('/').next()?.to_owned()));
        word.unwrap_or_default()
    }
}

/// The document.
#[derive(Clone)]
pub struct Document(pub Value);

/// One operation of it.
pub struct Operation<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub told: &'a Value,
}

impl Operation<'_> {
    pub fn name(&self) -> &str {
        self.told["operationId"].as_str().unwrap()
    }
}

impl Document {
    pub fn of_vitrine() -> Self {
        Self(serde_json::from_str(vitrine::openapi::document()).unwrap())
    }

    pub fn operations(&self) -> Vec<Operation<'_>> {
        let paths = self.0["paths"].as_object().unwrap();
        let operations = paths.iter().flat_map(|(path, item)| {
            let methods = item.as_object().unwrap();
            methods.iter().map(|(method, told)| Operation { method, path, told })
        });
        operations.collect()
    }

    pub fn operation(&self, name: &str) -> Operation<'_> {
        let mut all = self.operations().into_iter();
        all.find(|operation| operation.name() == name).expect(name)
    }

    /// What a reference leads to.
    pub fn resolved<'a>(&'a self, value: &'a Value) -> &'a Value {
        match value["$ref"].as_str() {
            Some(name) => self.0.pointer(name.trim_start_matches('#')).expect(name),
            None => value,
        }
    }

    /// Every answer that is told of: operation, status, and the word of a problem, empty for
    /// what is none.
    pub fn answers(&self) -> Vec<(String, u16, String)> {
        let mut all = Vec::new();
        for operation in self.operations() {
            for (status, response) in operation.told["responses"].as_object().unwrap() {
                let status = status.parse().unwrap();
                let content = &self.resolved(response)["content"];
                let types = &content["application/problem+json"]["schema"]["properties"]["type"];
                let words = types["enum"].as_array().cloned().unwrap_or_else(|| vec![json!("")]);
                all.extend(words.iter().map(|word| {
                    let word = word.as_str().unwrap().trim_start_matches("/problems/");
                    (operation.name().to_owned(), status, word.to_owned())
                }));
            }
        }
        all
    }

    /// What is not as it is told of in an answer of an operation.
    pub fn faults(&self, operation: &str, answer: &Answer) -> Vec<String> {
        let operation = self.operation(operation);
        let responses = &operation.told["responses"];
        let Some(response) = responses.get(answer.status.to_string()) else {
            return vec![format!("the status {} is not told of", answer.status)];
        };
        self.faults_by(self.resolved(response), answer)
    }

    /// What is not as this response says.
    pub fn faults_by(&self, response: &Value, answer: &Answer) -> Vec<String> {
        let mut faults = self.faults_of_headers(&response["headers"], answer);
        faults.extend(self.faults_of_body(response["content"].as_object(), answer));
        faults
    }

    fn faults_of_headers(&self, told: &Value, answer: &Answer) -> Vec<String> {
        let told = told.as_object().unwrap();
        let mut faults = Vec::new();
        for (name, header) in told {
            let header = self.resolved(header);
            match answer.header(name) {
                None if header["required"] == true => faults.push(format!("{name} is missing")),
                None => {}
                Some(text) => {
                    let schema = &header["schema"];
                    let value = match schema["type"].as_str() {
                        Some("integer") => text.parse::<i64>().map_or(json!(text), Value::from),
                        _ => json!(text),
                    };
                    let wrong = self.wrong(schema, &value);
                    faults.extend(wrong.into_iter().map(|fault| format!("{name}: {fault}")));
                }
            }
        }
        for name in answer.headers.keys() {
            let is_told_of = told.keys().any(|known| known.eq_ignore_ascii_case(name.as_str()));
            if !is_told_of && !NOT_TOLD_OF.contains(&name.as_str()) {
                faults.push(format!("the header {name} is not told of"));
            }
        }
        faults
    }

    fn faults_of_body(&self, content: Option<&Map<String, Value>>, answer: &Answer) -> Vec<String> {
        let kind = answer.header("content-type").map(|kind| kind.split(';').next().unwrap());
        let Some(content) = content else {
            let is_empty = answer.body.is_empty() && kind.is_none();
            return if is_empty { vec![] } else { vec![format!("a body of {kind:?}")] };
        };
        let Some(media) = kind.and_then(|kind| content.get(kind)) else {
            return vec![format!("the type {kind:?} is not told of")];
        };
        let value = match kind {
            Some("application/json" | "application/problem+json") => {
                match serde_json::from_slice(&answer.body) {
                    Ok(value) => value,
                    Err(e) => return vec![format!("the body is no JSON: {e}")],
                }
            }
            _ => json!(String::from_utf8_lossy(&answer.body)),
        };
        self.wrong(&media["schema"], &value)
    }

    /// What a schema finds wrong with a value. Fields that it does not name are wrong, too.
    pub fn wrong(&self, schema: &Value, value: &Value) -> Vec<String> {
        let mut components = json!({ "schemas": self.0["components"]["schemas"] });
        let schemas = components["schemas"].as_object_mut().unwrap();
        for (name, schema) in schemas {
            // What a problem's own schema adds would be unknown to this one.
            if name != "Problem" {
                be_strict(schema);
            }
        }
        let mut schema = schema.clone();
        be_strict(&mut schema);
        schema["components"] = components;
        let validator =
            draft202012::options().should_validate_formats(true).build(&schema).unwrap();
        validator
            .iter_errors(value)
            .map(|error| format!("{error} in {}", error.instance_path()))
            .collect()
    }
}

/// A client ignores fields that it does not know; a test does not.
fn be_strict(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    let is_open = fields.contains_key("additionalProperties");
    if fields.contains_key("properties") && !is_open {
        fields.insert("unevaluatedProperties".to_owned(), json!(false));
    }
    for (keyword, value) in fields {
        match keyword.as_str() {
            "properties" => value.as_object_mut().unwrap().values_mut().for_each(be_strict),
            "items" => be_strict(value),
            "anyOf" | "allOf" => value.as_array_mut().unwrap().iter_mut().for_each(be_strict),
            _ => {}
        }
    }
}
