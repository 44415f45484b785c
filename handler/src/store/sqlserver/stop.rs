//! Why a transaction did not come to its end.

use tiberius::error::Error;

use crate::store::{BoxError, StoreError, WriteError};

/// What ends a transaction early. `E` is what its caller understands.
#[derive(Debug)]
pub(super) enum Stop<E> {
    /// The server or the connection; it may be worth another try.
    Sql(Error),
    /// The commit was sent and not answered: nobody knows whether it counts. Another try
    /// could have its effect twice.
    Unsure(Error),
    /// Nobody was asked: the server did not answer a moment ago.
    LeftAlone,
    /// Every connection was in use for as long as there was to wait.
    NoConnection,
    /// The work itself: trying again would end the same way.
    Refused(E),
}

impl<E> From<Error> for Stop<E> {
    fn from(error: Error) -> Self {
        Self::Sql(error)
    }
}

impl From<StoreError> for Stop<StoreError> {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<WriteError> for Stop<WriteError> {
    fn from(error: WriteError) -> Self {
        Self::Refused(error)
    }
}

impl From<StoreError> for Stop<WriteError> {
    fn from(error: StoreError) -> Self {
        Self::Refused(error.into())
    }
}

/// The database holds what it cannot hold.
pub(super) fn nonsense(cause: impl Into<BoxError>) -> StoreError {
    StoreError::Corrupt(cause.into())
}

/// The same of a row that was just read.
pub(super) fn read<T>(value: tiberius::Result<T>) -> Result<T, StoreError> {
    value.map_err(nonsense)
}
