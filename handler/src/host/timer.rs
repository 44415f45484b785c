//! `Maintain`: what has to be looked after now and then.

use super::{Failure, Functions, Success};
use crate::maintenance::Maintained;

pub(super) async fn run(functions: &Functions) -> Result<Success, Failure> {
    Ok(Success::saying(match functions.maintenance.run().await.map_err(Failure::may_pass)? {
        Maintained::Done => "maintained",
        Maintained::NotNow => "nobody has asked for a while: the database is left to rest",
    }))
}
