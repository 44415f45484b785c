//! Somebody who asks a server and holds each answer against the document.

use std::collections::BTreeSet;

use reqwest::{Method, Response};
use serde_json::Value;

use crate::support::TestFolder;
use crate::support::office::Office;
use crate::support::openapi::{Answer, Document};

/// Who asks.
#[derive(Clone, Copy, PartialEq)]
pub enum Who {
    Boss,
    Ann,
    Nobody,
}

/// A request, and what becomes of it.
pub struct Case<'a> {
    pub operation: &'a str,
    pub who: Who,
    /// What stands for `{…}`, and the query.
    pub path: String,
    pub headers: Vec<(&'a str, &'a str)>,
    pub body: Option<String>,
}

/// Asks a server, and holds each answer against the document.
pub struct Tour {
    pub document: Document,
    pub office: Office,
    pub ann: String,
    pub seen: BTreeSet<(String, u16, String)>,
}

impl Tour {
    pub async fn begin(folder: TestFolder) -> Self {
        let office = Office::open(folder).await;
        let mut tour = Self {
            document: Document::of_vitrine(),
            office,
            ann: String::new(),
            seen: BTreeSet::new(),
        };
        let form = r#"{"email":"ann@shop.example","password":"Secret1!","firstName":"Ann","lastName":"Lee"}"#;
        tour.sent("SignUp", Who::Nobody, "", form, 201, "").await;
        let credentials = r#"{"email":"ann@shop.example","password":"Secret1!"}"#;
        let signed_in = tour.sent("Login", Who::Nobody, "", credentials, 200, "").await;
        tour.ann = format!("Bearer {}", signed_in["idToken"].as_str().unwrap());
        tour
    }

    /// Asks, and gives the answer with its body as JSON.
    pub async fn ask(&mut self, case: Case<'_>, status: u16, word: &str) -> (Answer, Value) {
        let response = self.request(&case).await;
        self.look_at(case.operation, response, status, word).await
    }

    pub async fn request(&self, case: &Case<'_>) -> Response {
        let operation = self.document.operation(case.operation);
        let base = operation.path.split('{').next().unwrap();
        let end = operation.path.split('}').nth(1).unwrap_or_default();
        let (segment, query) = case.path.split_once('?').unwrap_or((&case.path, ""));
        let query = if query.is_empty() { String::new() } else { format!("?{query}") };
        let url = format!("{}{base}{segment}{end}{query}", self.office.app.url);
        let method = Method::from_bytes(operation.method.to_uppercase().as_bytes()).unwrap();
        let mut request = self.office.app.client.request(method, url);
        match case.who {
            Who::Boss => request = request.header("authorization", &self.office.token),
            Who::Ann => request = request.header("authorization", &self.ann),
            Who::Nobody => {}
        }
        for (name, value) in &case.headers {
            request = request.header(*name, *value);
        }
        if let Some(body) = &case.body {
            if !case.headers.iter().any(|(name, _)| *name == "content-type") {
                request = request.header("content-type", "application/json");
            }
            request = request.body(body.clone());
        }
        request.send().await.unwrap()
    }

    pub async fn look_at(
        &mut self,
        operation: &str,
        response: Response,
        status: u16,
        word: &str,
    ) -> (Answer, Value) {
        let answer = Answer::of(response).await;
        self.hold(operation, &answer, status, word);
        let json = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        (answer, json)
    }

    pub fn hold(&mut self, operation: &str, answer: &Answer, status: u16, word: &str) {
        let text = String::from_utf8_lossy(&answer.body);
        let found = (answer.status, answer.problem());
        assert_eq!(found, (status, word.to_owned()), "{operation}: {text:.400}");
        let faults = self.document.faults(operation, answer);
        assert_eq!(faults, Vec::<String>::new(), "{operation} {status} {word}: {text:.400}");
        self.seen.insert((operation.to_owned(), status, word.to_owned()));
    }

    pub async fn got(&mut self, operation: &str, path: &str, status: u16, word: &str) -> Answer {
        let who = Who::Boss;
        let case = Case { operation, who, path: path.into(), headers: vec![], body: None };
        self.ask(case, status, word).await.0
    }

    pub async fn with(
        &mut self,
        operation: &str,
        path: &str,
        headers: &[(&str, &str)],
        status: u16,
        word: &str,
    ) {
        let (who, headers) = (Who::Boss, headers.to_vec());
        self.ask(Case { operation, who, path: path.into(), headers, body: None }, status, word)
            .await;
    }

    pub async fn sent(
        &mut self,
        operation: &str,
        who: Who,
        path: &str,
        body: &str,
        status: u16,
        word: &str,
    ) -> Value {
        let body = Some(body.to_owned());
        let case = Case { operation, who, path: path.into(), headers: vec![], body };
        self.ask(case, status, word).await.1
    }
}
