//! A small Firebase project on the stand-in for Google: it keeps accounts, and does with them
//! what a test wants without Firebase's own limits and mails.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use vitrine::identity::firebase::Config;

use super::google::{Asked, Google, HANG_UP, Reply, refusal};

/// An account of the project.
#[derive(Debug, Clone, Default)]
pub struct Account {
    pub id: String,
    pub email: String,
    pub password: String,
    pub name: Option<String>,
    pub is_verified: bool,
    pub is_disabled: bool,
    /// Seconds since 1970.
    pub valid_since: u64,
    /// Milliseconds since 1970.
    pub password_updated_at: u64,
}

#[derive(Default)]
struct State {
    accounts: Vec<Account>,
    is_away: bool,
    /// The id of an account that nobody may look up.
    hidden: Option<String>,
}

pub struct Project {
    pub google: Google,
    state: Arc<Mutex<State>>,
}

impl Project {
    pub async fn start() -> Self {
        let state = Arc::new(Mutex::new(State::default()));
        let google = Google::that({
            let state = Arc::clone(&state);
            move |asked| state.lock().unwrap().answer(asked)
        })
        .await;
        Self { google, state }
    }

    /// As an emulator, which needs no service account to let us manage the accounts.
    pub fn config(&self) -> Config {
        let host = self.google.url.trim_start_matches("http://").to_owned();
        Config { emulator_host: Some(host), project_id: Some("demo".to_owned()), ..Self::by_key() }
    }

    /// As Google itself, of which only the API key is known.
    pub fn by_key() -> Config {
        Config {
            project_id: None,
            api_key: "AIza-any".into(),
            service_account: None,
            emulator_host: None,
        }
    }

    /// Whether every question gets lost behind its effect, or before it.
    pub fn is_away(&self, is_away: bool) {
        self.state.lock().unwrap().is_away = is_away;
    }

    /// Nobody may look this account up.
    pub fn hide(&self, id: &str) {
        self.state.lock().unwrap().hidden = Some(id.to_owned());
    }

    /// Somebody makes an account past us, as anybody can who has the API key.
    pub fn register(&self, email: &str, password: &str) {
        let account = Account {
            id: format!("of-firebase-{email}"),
            email: email.to_owned(),
            password: password.to_owned(),
            ..Account::default()
        };
        self.state.lock().unwrap().accounts.push(account);
    }

    /// Something happens to an account on the other side.
    pub fn change(&self, email: &str, change: impl FnOnce(&mut Account)) {
        let mut state = self.state.lock().unwrap();
        change(state.accounts.iter_mut().find(|account| account.email == email).unwrap());
    }
}

impl State {
    fn answer(&mut self, asked: &Asked) -> Reply {
        if self.is_away {
            return HANG_UP;
        }
        let path = asked.line.split(['?', ' ']).nth(1).unwrap();
        match path.rsplit_once("/accounts").map(|(_, what)| what) {
            Some("" | ":signUp") => self.create(&asked.json()),
            Some(":lookup") => self.look_up(&asked.json()),
            Some(":signInWithPassword") => self.sign_in(&asked.json()),
            _ => Reply::Json(200, json!({})),
        }
    }

    fn create(&mut self, wish: &Value) -> Reply {
        let text = |name: &str| wish[name].as_str().unwrap_or_default().to_owned();
        let email = text("email").to_lowercase();
        if self.accounts.iter().any(|account| account.email == email) {
            return refusal(400, "EMAIL_EXISTS");
        }
        let id = wish["localId"].as_str().map_or_else(|| format!("id-of-{email}"), str::to_owned);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        self.accounts.push(Account {
            id: id.clone(),
            email,
            password: text("password"),
            valid_since: since.as_secs(),
            password_updated_at: since.as_millis() as u64,
            ..Account::default()
        });
        Reply::Json(200, json!({ "localId": id }))
    }

    fn look_up(&self, who: &Value) -> Reply {
        let id = who["localId"][0].as_str();
        if id.is_some() && id == self.hidden.as_deref() {
            return refusal(403, "PERMISSION_DENIED");
        }
        let is_meant = |account: &&Account| {
            id == Some(&account.id) || who["email"][0].as_str() == Some(&account.email)
        };
        let Some(account) = self.accounts.iter().find(is_meant) else {
            return Reply::Json(200, json!({}));
        };
        let user = json!({
            "localId": account.id,
            "email": account.email,
            "disabled": account.is_disabled,
            "validSince": account.valid_since.to_string(),
            "passwordUpdatedAt": account.password_updated_at,
        });
        Reply::Json(200, json!({ "users": [user] }))
    }

    fn sign_in(&self, tried: &Value) -> Reply {
        let email = tried["email"].as_str().unwrap().to_lowercase();
        let is_right =
            |account: &&Account| account.email == email && tried["password"] == account.password;
        let Some(account) = self.accounts.iter().find(is_right) else {
            return refusal(400, "INVALID_LOGIN_CREDENTIALS");
        };
        if account.is_disabled {
            return refusal(400, "USER_DISABLED");
        }
        let claims = json!({ "email_verified": account.is_verified }).to_string();
        let token = format!("e30.{}.s", BASE64_URL_SAFE_NO_PAD.encode(claims));
        let mut told = json!({ "localId": account.id, "email": email, "idToken": token });
        if let Some(name) = &account.name {
            told["displayName"] = json!(name);
        }
        Reply::Json(200, told)
    }
}
