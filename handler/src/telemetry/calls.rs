//! Calls of the store, counted by name and by how they ended.

use std::sync::atomic::{AtomicU64, Ordering};

/// Declares the calls and their names, so that none is without.
macro_rules! calls {
    ($($call:ident = $name:literal,)*) => {
        /// What a store can be called for.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[expect(missing_docs, reason = "each is the method of the store with this name")]
        pub enum Call {
            $($call,)*
        }

        impl Call {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$call,)*];

            /// The name of the method.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$call => $name,)*
                }
            }
        }
    };
}

calls! {
    Page = "page",
    Product = "product",
    Categories = "categories",
    CategoryCounts = "category_counts",
    Id = "id",
    Versions = "versions",
    RaiseVersions = "raise_versions",
    CreateProduct = "create_product",
    EditProduct = "edit_product",
    ClaimRun = "claim_run",
    CommitBatch = "commit_batch",
    RenewLease = "renew_lease",
    FinishLoading = "finish_loading",
    EndRun = "end_run",
    CancelRun = "cancel_run",
    Run = "run",
    Runs = "runs",
    AbandonedRuns = "abandoned_runs",
    Rejects = "rejects",
    Prune = "prune",
    Repair = "repair",
    IsUnused = "is_unused",
    BeginSignUp = "begin_sign_up",
    CompleteSignUp = "complete_sign_up",
    AbandonSignUp = "abandon_sign_up",
    PendingSignUps = "pending_sign_ups",
    User = "user",
    UserByEmail = "user_by_email",
    UserByAccount = "user_by_account",
    Users = "users",
    ChangeRights = "change_rights",
    KeepSession = "keep_session",
    Session = "session",
    ExchangeSession = "exchange_session",
    EndSessions = "end_sessions",
    EndTokens = "end_tokens",
    PruneSessions = "prune_sessions",
    KeepPassword = "keep_password",
    ChangePassword = "change_password",
    Password = "password",
    HasPassword = "has_password",
    RemovePassword = "remove_password",
}

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallOutcome {
    /// With what was asked for, "there is none" included.
    Ok,
    /// With an error.
    Failed,
    /// It was given up: it took longer than its caller could wait.
    Deadline,
    /// It was not made: too much is asked already.
    Refused,
}

impl CallOutcome {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Ok, Self::Failed, Self::Deadline, Self::Refused];

    /// The word that `/stats` and the metrics use.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Failed => "failed",
            Self::Deadline => "deadline",
            Self::Refused => "refused",
        }
    }
}

/// The name of calls that were not made because the store is left alone for a while: nobody
/// has got as far as to say which.
pub const ANY: &str = "any";

/// Counters of calls.
#[derive(Debug)]
pub struct Calls(Box<[[AtomicU64; CallOutcome::ALL.len()]]>);

impl Default for Calls {
    fn default() -> Self {
        Self(Call::ALL.iter().map(|_| Default::default()).collect())
    }
}

impl Calls {
    /// A call has ended.
    pub fn count(&self, call: Call, outcome: CallOutcome) {
        self.0[call as usize][outcome as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Those that were made, by name and outcome.
    pub fn read(&self) -> Vec<(&'static str, CallOutcome, u64)> {
        let counts = Call::ALL.iter().flat_map(|call| {
            CallOutcome::ALL.map(|outcome| {
                let counter = &self.0[*call as usize][outcome as usize];
                (call.name(), outcome, counter.load(Ordering::Relaxed))
            })
        });
        counts.filter(|(_, _, count)| *count > 0).collect()
    }
}
