//! `Maintain`: what has to be looked after now and then.

use super::{Failure, Functions, Success};
use crate::import::maintain::maintain;

pub(super) async fn run(functions: &Functions) -> Result<Success, Failure> {
    maintain(&functions.store, &functions.rejects).await.map_err(Failure::may_pass)?;
    Ok(Success::saying("maintained"))
}
