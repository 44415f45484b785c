//! `Maintain`: what has to be looked after now and then.

use super::{Failure, Functions, Success};

pub(super) async fn run(functions: &Functions) -> Result<Success, Failure> {
    functions.maintenance.run().await.map_err(Failure::may_pass)?;
    Ok(Success::saying("maintained"))
}
