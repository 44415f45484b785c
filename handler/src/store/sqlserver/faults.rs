//! What an error of the server or the driver means.
//!
//! One table of numbers. Whatever is not in it is a fault of ours: trying again would meet it
//! again.

use tiberius::error::{Error, IoErrorKind};

use crate::store::StoreError;

/// What may be done about a failed statement or login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The connection is lost, or the database is moving, waking or restarting: another
    /// connection may work.
    Away,
    /// Too much is asked of the server: waiting may help.
    Throttled,
    /// Chosen to end a deadlock: the whole transaction may be repeated at once.
    Deadlock,
    /// A row with this key is there.
    Duplicate,
    /// A row that this one needs is not there.
    Missing,
    /// There is no room.
    Full,
    /// Nothing will work until an operator has changed something.
    Refused,
    /// The server does not know what was said, or we do not know what it said.
    Broken,
}

/// Numbers of the server and what they mean. SQL Server's list of transient errors, and those
/// that its documentation of the Azure limits adds.
const NUMBERS: [(u32, Fault); 41] = [
    (615, Fault::Away),
    (926, Fault::Away),
    (4_221, Fault::Away),
    (10_053, Fault::Away),
    (10_054, Fault::Away),
    (10_060, Fault::Away),
    (40_143, Fault::Away),
    (40_197, Fault::Away),
    (40_540, Fault::Away),
    // Paused, or moving to another machine. A paused one wakes by being asked.
    (40_613, Fault::Away),
    (42_108, Fault::Away),
    (42_109, Fault::Away),
    (6_005, Fault::Away),
    (10_928, Fault::Throttled),
    (10_929, Fault::Throttled),
    (40_501, Fault::Throttled),
    (49_918, Fault::Throttled),
    (49_919, Fault::Throttled),
    (49_920, Fault::Throttled),
    (1_222, Fault::Throttled),
    (1_205, Fault::Deadlock),
    (3_960, Fault::Deadlock),
    (2_601, Fault::Duplicate),
    (2_627, Fault::Duplicate),
    (547, Fault::Missing),
    // Thrown by the triggers.
    (50_547, Fault::Missing),
    (50_548, Fault::Missing),
    (1_105, Fault::Full),
    (9_002, Fault::Full),
    (40_544, Fault::Full),
    (229, Fault::Refused),
    (230, Fault::Refused),
    (262, Fault::Refused),
    (297, Fault::Refused),
    (300, Fault::Refused),
    (911, Fault::Refused),
    (916, Fault::Refused),
    (4_060, Fault::Refused),
    (18_452, Fault::Refused),
    (18_456, Fault::Refused),
    (40_615, Fault::Refused),
];

impl Fault {
    /// What the error means.
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::Server(said) => Self::of_number(said.code()),
            Error::Io { kind: IoErrorKind::InvalidData, .. } | Error::Tls(_) => Self::Refused,
            // A connection that breaks in the middle of an answer looks like broken protocol.
            Error::Io { .. } | Error::Routing { .. } | Error::Protocol(_) => Self::Away,
            _ => Self::Broken,
        }
    }

    fn of_number(number: u32) -> Self {
        NUMBERS.iter().find(|(known, _)| *known == number).map_or(Self::Broken, |(_, fault)| *fault)
    }

    /// Whether the transaction may be tried again on another connection.
    pub(super) fn may_be_repeated(self) -> bool {
        matches!(self, Self::Away | Self::Throttled | Self::Deadlock | Self::Duplicate)
    }
}

/// An error of the driver as one of the store. Its text is for logs and operators: it has the
/// server's number and what to do about it, and no secret.
pub(super) fn store_error(error: &Error) -> StoreError {
    let cause = describe(error);
    match Fault::of(error) {
        Fault::Throttled | Fault::Deadlock => {
            tracing::warn!("the database has no time: {cause}");
            StoreError::Busy
        }
        Fault::Full => StoreError::Full(cause.into()),
        Fault::Away | Fault::Refused => StoreError::Unreachable(cause.into()),
        Fault::Duplicate | Fault::Missing | Fault::Broken => StoreError::Corrupt(cause.into()),
    }
}

/// One line: what the server said, and what to do where that is known.
fn describe(error: &Error) -> String {
    let number = error.code();
    let advice = match number {
        Some(18_456 | 18_452) => "the login is refused: check SQL_USERNAME and SQL_PASSWORD",
        Some(4_060 | 911 | 916) => {
            "the database is not there or not open to this login: check SQL_DATABASE"
        }
        Some(40_615) => "the server's firewall refuses this address",
        Some(229 | 230 | 262 | 297 | 300) => {
            "the login lacks a right: grant it SELECT, INSERT, UPDATE, DELETE and EXECUTE on the \
             schema amazon"
        }
        Some(40_613) => "the database is paused or moving, and wakes by being asked",
        _ => return error.to_string(),
    };
    match number {
        Some(number) => format!("{advice} (error {number})"),
        None => advice.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_stands_once_in_the_table() {
        for (at, (number, fault)) in NUMBERS.iter().enumerate() {
            assert!(NUMBERS[..at].iter().all(|(earlier, _)| earlier != number), "{number}");
            assert_eq!(Fault::of_number(*number), *fault);
        }
        assert_eq!(Fault::of_number(208), Fault::Broken, "no such object");
    }

    #[test]
    fn a_lost_connection_may_pass_and_nonsense_may_not() {
        let lost = Error::Io { kind: IoErrorKind::UnexpectedEof, message: "end".to_owned() };
        assert!(store_error(&lost).is_away());
        assert!(!store_error(&Error::Utf8).may_pass());
    }
}
