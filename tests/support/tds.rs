//! A small responder that speaks TDS, and answers what it was told to.
//!
//! It breaks the driver's path on purpose: any error number, a connection that ends before, in
//! or after a result, an answer that never comes, a redirect. It imitates no database: there is
//! no T-SQL in it, no TLS and no bulk load. A statement is known by the comment that it begins
//! with, `-- store.page`, and everything else in it is ignored.

mod bytes;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use secrecy::SecretString;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use vitrine::store::sqlserver::connect::{Login, Place, Target};

use self::bytes::{Message, Tokens, message};

/// The server's number for a password that is wrong.
const LOGIN_FAILED: i32 = 18_456;

/// A cell of a canned row; every column takes NULL.
#[derive(Debug, Clone)]
pub enum Cell {
    Number(Option<i64>),
    Text(Option<&'static str>),
    /// Hundredths of a DECIMAL(10, 2).
    Decimal(Option<i64>),
}

/// A result set.
pub type Rows = Vec<Vec<Cell>>;

/// What becomes of a statement.
#[derive(Debug, Clone)]
pub enum Answer {
    /// Result sets, and how many rows were changed.
    Results(Vec<Rows>),
    /// So many rows were changed.
    Changed(u64),
    /// An error of the server with this number.
    Error(i32),
    /// The connection ends before a byte of the answer.
    Gone,
    /// It ends in the middle of the first result.
    Cut(Vec<Rows>),
    /// The answer comes whole, and then the connection ends.
    Last(Vec<Rows>),
    /// Nothing comes, and the connection stays.
    Silence,
}

/// What becomes of a login.
#[derive(Debug, Clone, Default)]
pub enum Greeting {
    /// It is welcome.
    #[default]
    Welcome,
    /// An error of the server with this number.
    Error(i32),
    /// Another server takes it.
    Elsewhere(String, u16),
}

/// What the responder was told, and what it has met.
#[derive(Debug, Default)]
struct Script {
    /// By the statement's name: answers in their order, the last for all further ones.
    answers: HashMap<String, Vec<Answer>>,
    greetings: Vec<Greeting>,
    met: Vec<String>,
    logins: usize,
    /// The only password that is taken, if it matters.
    password: Option<String>,
    /// The passwords that came.
    shown: Vec<String>,
}

/// A running responder, on a port of the system's choice.
#[derive(Debug)]
pub struct Responder {
    pub port: u16,
    script: Arc<Mutex<Script>>,
    serving: JoinHandle<()>,
}

impl Responder {
    /// One on which a store can be opened: its schema is there.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let script = Arc::<Mutex<Script>>::default();
        let shared = Arc::clone(&script);
        let serving = tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    // A client that goes away is what many a test is about.
                    let _ = serve(stream, &shared).await;
                });
            }
        });
        Self { port, script, serving }
    }

    /// Says what a statement of this name is answered with, try by try.
    pub fn answer(&self, name: &str, answers: impl Into<Vec<Answer>>) {
        self.script.lock().unwrap().answers.insert(name.to_owned(), answers.into());
    }

    /// Says what becomes of the next logins; those behind them are welcome.
    pub fn greet(&self, greetings: impl Into<Vec<Greeting>>) {
        self.script.lock().unwrap().greetings = greetings.into();
    }

    /// The names of the statements that have come since this was asked last: a name a round
    /// trip.
    pub fn met(&self) -> Vec<String> {
        std::mem::take(&mut self.script.lock().unwrap().met)
    }

    /// Takes no other password from now on.
    pub fn take_only(&self, password: &str) {
        self.script.lock().unwrap().password = Some(password.to_owned());
    }

    /// The passwords of all logins so far.
    pub fn passwords(&self) -> Vec<String> {
        self.script.lock().unwrap().shown.clone()
    }

    pub fn logins(&self) -> usize {
        self.script.lock().unwrap().logins
    }

    /// The way to it.
    pub fn target(&self) -> Target {
        Self::target_at(self.port)
    }

    /// The way to it through what listens on this port.
    pub fn target_at(port: u16) -> Target {
        let place = Place {
            host: "127.0.0.1",
            port,
            database: "shop",
            is_encrypted: false,
            trusts_any_certificate: false,
            name_in_certificate: None,
        };
        let password = SecretString::from("hunter2-hunter2");
        Target::new(&place, Login::Password { user: "ann".to_owned(), password })
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn serve(mut stream: TcpStream, script: &Mutex<Script>) -> std::io::Result<()> {
    loop {
        let (kind, body) = read(&mut stream).await?;
        match kind {
            Message::Prelogin => send(&mut stream, &bytes::prelogin()).await?,
            Message::Login => {
                let greeting = {
                    let mut script = script.lock().unwrap();
                    script.logins += 1;
                    let password = bytes::password(&body);
                    let is_wrong = script.password.as_ref().is_some_and(|only| *only != password);
                    script.shown.push(password);
                    let greetings = &mut script.greetings;
                    match greetings.is_empty() {
                        _ if is_wrong => Greeting::Error(LOGIN_FAILED),
                        true => Greeting::Welcome,
                        false => greetings.remove(0),
                    }
                };
                let tokens = match greeting {
                    Greeting::Welcome => Tokens::default().login().done(0),
                    Greeting::Error(number) => Tokens::default().error(number).failed(),
                    Greeting::Elsewhere(host, port) => {
                        Tokens::default().login().routing(&host, port).done(0)
                    }
                };
                send(&mut stream, &tokens.end()).await?;
            }
            Message::Transaction(request) => {
                send(&mut stream, &Tokens::default().transaction(request).done(0).end()).await?;
            }
            Message::Statement => {
                let name = bytes::name_of(&body);
                let answer = script.lock().unwrap().next(&name);
                if !reply(&mut stream, answer).await? {
                    return Ok(());
                }
            }
        }
    }
}

impl Script {
    fn next(&mut self, name: &str) -> Answer {
        // What every connection begins with is no request of anybody's.
        if !name.starts_with("connect.") {
            self.met.push(name.to_owned());
        }
        match self.answers.get_mut(name) {
            Some(answers) if answers.len() > 1 => answers.remove(0),
            Some(answers) => answers[0].clone(),
            None => default(name),
        }
    }
}

/// What a store meets when it is opened, and what needs no words.
fn default(name: &str) -> Answer {
    let number = |number| Answer::Results(vec![vec![vec![Cell::Number(Some(number))]]]);
    match name {
        "schema.is_made" | "locks.take" => number(1),
        "schema.get" => Answer::Results(vec![vec![vec![Cell::Text(Some("5"))]]]),
        "search.has_index" => number(0),
        _ => Answer::Changed(0),
    }
}

/// Answers a statement; tells whether the connection goes on.
async fn reply(stream: &mut TcpStream, answer: Answer) -> std::io::Result<bool> {
    let results = |sets: &[Rows]| {
        let tokens = sets.iter().fold(Tokens::default(), Tokens::rows);
        tokens.done(0).end()
    };
    match answer {
        Answer::Results(sets) => send(stream, &results(&sets)).await?,
        Answer::Changed(count) => send(stream, &Tokens::default().done(count).end()).await?,
        Answer::Error(number) => {
            send(stream, &Tokens::default().error(number).failed().end()).await?;
        }
        Answer::Gone => return Ok(false),
        Answer::Cut(sets) => {
            let whole = message(&results(&sets));
            stream.write_all(&whole[..whole.len() / 2]).await?;
            return Ok(false);
        }
        Answer::Last(sets) => {
            send(stream, &results(&sets)).await?;
            return Ok(false);
        }
        Answer::Silence => {
            // Until the client gives up.
            while stream.read(&mut [0; 64]).await? > 0 {}
            return Ok(false);
        }
    }
    Ok(true)
}

async fn send(stream: &mut TcpStream, tokens: &[u8]) -> std::io::Result<()> {
    stream.write_all(&message(tokens)).await
}

/// A whole message of the client: the packets up to the last one.
async fn read(stream: &mut TcpStream) -> std::io::Result<(Message, Vec<u8>)> {
    let mut body = Vec::new();
    loop {
        let mut header = [0; bytes::HEADER];
        stream.read_exact(&mut header).await?;
        let (kind, length, is_last) = bytes::header(header);
        let begin = body.len();
        body.resize(begin + length, 0);
        stream.read_exact(&mut body[begin..]).await?;
        if is_last {
            return Ok((Message::of(kind, &body), body));
        }
    }
}
