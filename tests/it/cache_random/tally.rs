//! What happened in the runs, by kind.

use std::fmt;
use std::ops::AddAssign;

/// A kind of step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    FreshRead,
    StaleRead,
    HangUp,
    Write,
    CrashOfWriter,
    Crash,
    DelayedMessage,
    LostMessage,
    Eviction,
    Flush,
    Failover,
    Restore,
    ClockJump,
    SharedAway,
    Partition,
    DatabaseAway,
    SlowLoad,
    Load,
    LeaseWait,
}

impl Kind {
    pub const ALL: [Self; 19] = [
        Self::FreshRead,
        Self::StaleRead,
        Self::HangUp,
        Self::Write,
        Self::CrashOfWriter,
        Self::Crash,
        Self::DelayedMessage,
        Self::LostMessage,
        Self::Eviction,
        Self::Flush,
        Self::Failover,
        Self::Restore,
        Self::ClockJump,
        Self::SharedAway,
        Self::Partition,
        Self::DatabaseAway,
        Self::SlowLoad,
        Self::Load,
        Self::LeaseWait,
    ];
}

#[derive(Debug, Clone, Copy, Default)]
pub struct Tally([u64; Kind::ALL.len()]);

impl Tally {
    pub fn count(&mut self, kind: Kind) {
        self.add(kind, 1);
    }

    pub fn add(&mut self, kind: Kind, times: u64) {
        self.0[kind as usize] += times;
    }

    pub fn of(&self, kind: Kind) -> u64 {
        self.0[kind as usize]
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        for (here, there) in self.0.iter_mut().zip(other.0) {
            *here += there;
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for kind in Kind::ALL {
            write!(f, "{kind:?} {}, ", self.of(kind))?;
        }
        Ok(())
    }
}
