//! Keeps what a vault holds young: asks it now and then, and when a login was refused.
//!
//! What was found once is never lost: a secret that is removed or disabled stays in use until the
//! process ends, since a service that still works is worth more than a vault that is tidy. What
//! goes wrong is told when it begins, and not again until it has ended.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, sleep};

use super::round::Round;
use super::take_up::{TakenUp, take_up};
use super::{Pace, Secrets, Values, Vault};
use crate::settings::{Settings, Told};

/// The settings, and the vault that they are kept young from.
pub(super) struct Keeper {
    told: Told,
    vault: Arc<Vault>,
    pace: Pace,
    settings: watch::Sender<Arc<Settings>>,
    vault_answers: AtomicBool,
    /// Held while the vault is asked, so that one answer serves all who wait.
    known: Mutex<Known>,
}

struct Known {
    of_vault: Values,
    /// What is wrong, by what it is about.
    complaints: BTreeMap<String, String>,
    asked_at: Instant,
}

impl Keeper {
    /// Keeps settings that were made with this answer of the vault.
    pub(super) fn new(
        told: &Told,
        vault: &Arc<Vault>,
        pace: Pace,
        settings: Settings,
        round: Round,
    ) -> Arc<Self> {
        let mut known = Known {
            of_vault: Values::new(),
            complaints: BTreeMap::new(),
            asked_at: Instant::now(),
        };
        let vault_answers = AtomicBool::new(round.failure.is_none());
        let complaints = known.complaints_about(&round);
        known.complain(complaints);
        known.of_vault = round.found;
        Arc::new(Self {
            told: told.clone(),
            vault: Arc::clone(vault),
            pace,
            settings: watch::Sender::new(Arc::new(settings)),
            vault_answers,
            known: Mutex::new(known),
        })
    }

    /// Begins to ask now and then. The settings are the handle: the asking ends with them.
    pub(super) fn begin(self: Arc<Self>) -> Settings {
        let settings = (*self.settings()).clone();
        tokio::spawn(keep(Arc::downgrade(&self)));
        Settings { secrets: Secrets::kept(self), ..settings }
    }

    pub(super) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.borrow())
    }

    pub(super) fn changes(&self) -> watch::Receiver<Arc<Settings>> {
        self.settings.subscribe()
    }

    pub(super) fn vault_answers(&self) -> bool {
        self.vault_answers.load(Ordering::Relaxed)
    }

    /// Asks, unless somebody has just done so; tells which.
    pub(super) async fn ask_at_once(self: &Arc<Self>) -> bool {
        let keeper = Arc::clone(self);
        // Carried to its end: others wait for it when this caller hangs up.
        let asking = tokio::spawn(async move {
            let mut known = keeper.known.lock().await;
            let is_due = known.asked_at.elapsed() >= keeper.pace.rest;
            if is_due {
                keeper.ask(&mut known).await;
            }
            is_due
        });
        // It fails only where the process ends.
        asking.await.unwrap_or_default()
    }

    async fn ask(&self, known: &mut Known) {
        let round = Round::ask(&self.vault, Instant::now() + self.pace.answer).await;
        known.asked_at = Instant::now();
        self.vault_answers.store(round.failure.is_none(), Ordering::Relaxed);
        if round.failure.is_none() && round.missing.contains(&PREVIOUS_KEY) {
            // Whoever removes it calls it back, and must not have to wait for a restart.
            known.of_vault.remove(PREVIOUS_KEY);
        }
        let mut complaints = known.complaints_about(&round);
        // Half an answer is none: names belong to passwords, and a key to the one before it.
        if round.failure.is_none() {
            known.of_vault.extend(round.found);
        }
        let TakenUp { settings, changed, left } =
            take_up(&self.told, &self.settings(), &known.of_vault);
        complaints.extend(left);
        known.complain(complaints);
        if !changed.is_empty() {
            tracing::info!("taken up from the vault: {}", changed.join(", "));
            self.settings.send_replace(Arc::new(settings));
        }
    }

    fn pause(&self) -> Duration {
        let pause = if self.vault_answers() { self.pace.every } else { self.pace.again };
        // Instances that started together shall not ask together.
        pause.mul_f64(0.9 + 0.2 * fastrand::f64())
    }
}

async fn keep(keeper: Weak<Keeper>) {
    while let Some(pause) = keeper.upgrade().map(|keeper| keeper.pause()) {
        sleep(pause).await;
        let Some(keeper) = keeper.upgrade() else { return };
        let mut known = keeper.known.lock().await;
        keeper.ask(&mut known).await;
    }
}

/// The one secret whose absence says something.
const PREVIOUS_KEY: &str = "JWT_SECRET_KEY_PREVIOUS";

impl Known {
    fn complaints_about(&self, round: &Round) -> BTreeMap<String, String> {
        let mut complaints = BTreeMap::new();
        if let Some(reason) = &round.failure {
            let text =
                format!("the vault tells no secrets, and those that are known stay: {reason}");
            complaints.insert("vault".to_owned(), text);
        }
        if let Some(withheld) = round.withheld() {
            complaints.insert("withheld".to_owned(), format!("of the vault's secrets, {withheld}"));
        }
        let gone = round.lacking().filter(|name| self.of_vault.contains_key(name));
        complaints.extend(gone.map(|name| {
            let text = format!(
                "{name} is not to be had from the vault any more: its last value stays in use"
            );
            (name.to_owned(), text)
        }));
        complaints
    }

    /// Tells what is new.
    fn complain(&mut self, complaints: BTreeMap<String, String>) {
        for (about, text) in &complaints {
            if self.complaints.get(about) != Some(text) {
                tracing::warn!("{text}");
            }
        }
        if self.complaints.contains_key("vault") && !complaints.contains_key("vault") {
            tracing::info!("the vault is there again");
        }
        self.complaints = complaints;
    }
}
