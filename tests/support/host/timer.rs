//! The timer trigger, fired when a test says so.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use super::core::Core;
use super::envelope::{self, Datum, Envelope};
use super::function::Function;
use super::invocation::Invocation;
use super::package::member;
use super::time_span::iso;

pub async fn fire(core: &Core, function: &Function) -> Invocation {
    let trigger = function.trigger();
    let now = SystemTime::now();
    let is_watched = member(&trigger.json, "useMonitor").as_bool().unwrap_or(true);
    let status = json!({
        "Last": iso(now),
        "Next": iso(now + Duration::from_mins(5)),
        "LastUpdated": iso(now),
    });
    let timer = json!({
        "Schedule": { "AdjustForDST": true },
        "ScheduleStatus": if is_watched { status } else { Value::Null },
        "IsPastDue": false,
    });
    let timer = timer.as_object().expect("made so").clone();
    let envelope = Envelope::of(&trigger.name, Datum::Object(timer))
        .with("TimerTrigger", Datum::Text(trigger.text("schedule").unwrap_or("").to_owned()));
    envelope::invoke(core, &function.name, 1, &envelope).await
}
