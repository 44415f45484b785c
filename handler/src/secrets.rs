//! What the operator keeps secret: from a vault, or else from the environment.
//!
//! Whoever uses a secret holds a handle and not a copy, and asks it each time: what is exchanged
//! in the vault is taken up while the process runs, and after a login that was refused the vault
//! is asked at once. A vault that is away changes nothing; what was known last stays.

mod keeper;
pub mod login;
pub mod names;
mod pass;
mod round;
mod take_up;
mod vault;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::settings::{BadSetting, Settings, Told};
use keeper::Keeper;
use names::NAMES;
use round::Round;
pub use vault::Vault;

/// Between the tries of a process that starts; they become longer.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(2);

/// Secrets by their names, as the environment spells them.
pub type Values = HashMap<&'static str, SecretString>;

/// How often a vault is asked, and how long it is waited for.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// While all is well, give or take a tenth.
    pub every: Duration,
    /// While the vault is away.
    pub again: Duration,
    /// After a refused login at most so often: whoever guesses passwords must not wear out the
    /// vault.
    pub rest: Duration,
    /// For the answer to one question.
    pub answer: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        // Twelve questions in five minutes are 0.3 dollars a month. A vault takes 4,000 in ten
        // seconds, of all instances together.
        Self {
            every: Duration::from_mins(5),
            again: Duration::from_secs(15),
            rest: Duration::from_secs(5),
            answer: Duration::from_secs(5),
        }
    }
}

/// A handle to the secrets. Cheap to clone; shows none of them.
#[derive(Clone)]
pub struct Secrets(Source);

#[derive(Clone)]
enum Source {
    /// They are what they are.
    Fixed(Arc<Values>),
    /// They may be exchanged.
    Kept(Arc<Keeper>),
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secrets").finish_non_exhaustive()
    }
}

impl Secrets {
    /// Those that these variables hold, for good.
    pub fn fixed(variables: &HashMap<String, String>) -> Self {
        let given = |name: &&'static str| {
            let value = variables.get(*name).filter(|value| !value.is_empty())?;
            Some((*name, SecretString::from(value.as_str())))
        };
        Self(Source::Fixed(Arc::new(NAMES.iter().filter_map(given).collect())))
    }

    /// The secret of this name as it is now, `current("IMPORT_STORAGE_SAS")` say. To be asked for
    /// again each time that it is used.
    pub fn current(&self, name: &str) -> Option<SecretString> {
        match &self.0 {
            Source::Fixed(values) => values.get(name).cloned(),
            Source::Kept(keeper) => keeper.settings().secrets.current(name),
        }
    }

    /// A login with a secret was refused, so it may have been exchanged: asks the vault. Those
    /// who come meanwhile wait for the same answer, and soon after one nobody is asked. Tells
    /// whether it was asked because of this.
    pub async fn refused(&self) -> bool {
        match &self.0 {
            // There is nobody to ask.
            Source::Fixed(_) => true,
            Source::Kept(keeper) => keeper.ask_at_once().await,
        }
    }

    /// Tells of every change, by the settings that follow from it, and at once of those that were
    /// made so far; `None` if there will be none.
    pub fn changes(&self) -> Option<watch::Receiver<Arc<Settings>>> {
        match &self.0 {
            Source::Fixed(_) => None,
            Source::Kept(keeper) => {
                let mut changes = keeper.changes();
                changes.mark_changed();
                Some(changes)
            }
        }
    }

    /// Whether the vault has answered the last time that it was asked; `None` without a vault.
    pub fn vault_answers(&self) -> Option<bool> {
        match &self.0 {
            Source::Fixed(_) => None,
            Source::Kept(keeper) => Some(keeper.vault_answers()),
        }
    }

    fn kept(keeper: Arc<Keeper>) -> Self {
        Self(Source::Kept(keeper))
    }

    fn values(&self) -> Arc<Values> {
        match &self.0 {
            Source::Fixed(values) => Arc::clone(values),
            Source::Kept(keeper) => keeper.settings().secrets.values(),
        }
    }
}

/// Why there are no settings.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    /// One of them is wrong.
    #[error(transparent)]
    Bad(#[from] BadSetting),
    /// The vault has not told its secrets. May work later.
    #[error("the vault tells no secrets: {0}")]
    Away(String),
}

/// What a vault holds, for an operator who asks.
pub struct Look {
    /// What was found.
    pub found: Values,
    /// In a line, without any value; or why nothing is known.
    pub line: Result<String, String>,
}

/// Looks what the vault holds.
pub async fn look(vault: &Arc<Vault>, within: Duration) -> Look {
    let began = Instant::now();
    let round = Round::ask(vault, began + within).await;
    let (found, took) = (round.found.len(), began.elapsed().as_millis());
    let line = if let Some(reason) = &round.failure {
        Err(format!("{vault:?}: {reason}"))
    } else {
        let withheld = round.withheld().map_or_else(String::new, |text| format!(", but {text}"));
        Ok(format!("{vault:?}, {found} secrets found in {took} ms{withheld}"))
    };
    Look { found: round.found, line }
}

/// The settings with what the vault holds now, which are kept young from then on. The vault has
/// until `deadline` to answer. One that does not is done without only where the environment
/// names every part by itself: else nobody knows which parts are meant.
pub async fn open(
    told: &Told,
    vault: &Arc<Vault>,
    pace: Pace,
    deadline: Instant,
) -> Result<Settings, OpenError> {
    let reason = match first_round(vault, pace, deadline).await {
        Ok(round) => {
            let settings = told.with(&round.found)?;
            return Ok(Keeper::new(told, vault, pace, settings, round).begin());
        }
        Err(reason) => reason,
    };
    match told.settings() {
        Ok(settings) if settings.names_every_part() => {
            Ok(Keeper::new(told, vault, pace, settings, Round::failed(reason)).begin())
        }
        _ => Err(OpenError::Away(reason)),
    }
}

/// Asks until there is a whole answer, or no time.
async fn first_round(vault: &Arc<Vault>, pace: Pace, deadline: Instant) -> Result<Round, String> {
    let mut pause = FIRST_PAUSE;
    loop {
        let round = Round::ask(vault, deadline.min(Instant::now() + pace.answer)).await;
        let Some(reason) = round.failure else { return Ok(round) };
        if Instant::now() + pause >= deadline {
            return Err(reason);
        }
        sleep(pause).await;
        pause = (pause * 2).min(LAST_PAUSE);
    }
}
