//! The queue trigger: a message, tried again, given up.

use serde_json::json;

use super::blobs::Account;
use super::core::Core;
use super::envelope::{self, Datum, Envelope};
use super::function::Function;
use super::invocation::Invocation;

/// `maxDequeueCount`, unless `host.json` says otherwise.
const TRIES: u32 = 5;

/// Puts a message into the queue of the account, if it has one, takes it out and hands it over
/// until the function is through with it; gives all tries.
pub async fn deliver(core: &Core, function: &Function, message: &str) -> Vec<Invocation> {
    let queue = function.trigger().text("queueName").unwrap_or_default().to_owned();
    let Account::Azurite(azurite) = &core.blobs.account else {
        return try_again(core, function, &queue, message).await;
    };
    azurite.enqueue(&queue, message);
    let taken = azurite.dequeue(&queue).expect("it was put there");
    let invocations = try_again(core, function, &queue, &taken.text).await;
    azurite.remove(&queue, &taken);
    if invocations.last().is_some_and(|last| !last.succeeded()) {
        azurite.enqueue(&format!("{queue}-poison"), &taken.text);
    }
    invocations
}

async fn try_again(
    core: &Core,
    function: &Function,
    queue: &str,
    message: &str,
) -> Vec<Invocation> {
    let mut invocations = Vec::new();
    if core.is_disabled(&function.name) {
        return invocations;
    }
    for attempt in 1..=TRIES {
        let invocation = run(core, function, message, attempt).await;
        let is_taken = invocation.succeeded();
        invocations.push(invocation);
        if is_taken {
            return invocations;
        }
    }
    core.blobs.poison.push(json!({ "Queue": format!("{queue}-poison"), "Message": message }));
    invocations
}

/// Runs a function once with a message, as the portal does too.
pub async fn run(core: &Core, function: &Function, message: &str, attempt: u32) -> Invocation {
    let envelope = Envelope::of(&function.trigger().name, Datum::Text(message.to_owned()))
        .with("DequeueCount", Datum::Plain(attempt.into()))
        .with("Id", Datum::Text(uuid::Uuid::new_v4().to_string()))
        .with("QueueTrigger", Datum::Text(message.to_owned()))
        .spill(message);
    envelope::invoke(core, &function.name, attempt, &envelope).await
}
