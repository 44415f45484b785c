//! A vault asked for every secret at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::Values;
use super::names::{NAMES, in_vault};
use super::vault::{Answer, Vault};

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Round {
    /// The secrets that are there.
    pub found: Values,
    /// Those that are known not to be.
    pub missing: Vec<&'static str>,
    /// Those that the vault has for itself, or not for us, and why.
    unfit: BTreeMap<&'static str, String>,
    /// Why the answer is not whole, if it is not.
    pub failure: Option<String>,
}

impl Round {
    /// Asks for all of them beside each other: the slowest one counts, and not their sum.
    pub(super) async fn ask(vault: &Arc<Vault>, deadline: Instant) -> Self {
        let mut asking = JoinSet::new();
        for name in NAMES {
            let vault = Arc::clone(vault);
            asking.spawn(async move {
                let late = Answer::Failed("it does not answer".to_owned());
                (name, timeout_at(deadline, vault.ask(name)).await.unwrap_or(late))
            });
        }
        let mut round = Self::default();
        let mut closed = BTreeMap::new();
        for (name, answer) in asking.join_all().await {
            match answer {
                Answer::Found(value) => drop(round.found.insert(name, value)),
                Answer::Missing => round.missing.push(name),
                Answer::Unfit(why) => drop(round.unfit.insert(name, why.to_owned())),
                Answer::Closed(why) => drop(closed.insert(name, why)),
                Answer::Failed(why) => round.failure = Some(why),
            }
        }
        // Rights may be given for single secrets. Who may see none has none.
        if closed.len() == NAMES.len() {
            round.failure = closed.into_values().next();
        } else {
            round.unfit.extend(closed);
        }
        round
    }

    /// One that has brought nothing.
    pub(super) fn failed(reason: String) -> Self {
        Self { failure: Some(reason), ..Self::default() }
    }

    /// The secrets that are there and cannot be used, and why, in a line.
    pub(super) fn withheld(&self) -> Option<String> {
        let told = self.unfit.iter().map(|(name, why)| format!("{}: {why}", in_vault(name)));
        (!self.unfit.is_empty()).then(|| told.collect::<Vec<_>>().join("; "))
    }

    /// The secrets that are not to be had, whatever the reason.
    pub(super) fn lacking(&self) -> impl Iterator<Item = &'static str> {
        self.missing.iter().chain(self.unfit.keys()).copied()
    }
}
