//! `handler audit`: cached pages against the database.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Failure;
use crate::app::{database, shared};
use crate::cache::audit::{Auditor, Verdict};
use crate::cache::redis::RedisShared;
use crate::cache::shared::{Kept, Shared, SharedError};
use crate::question::FromStore;
use crate::settings::Settings;

/// How long the shared cache may take to be reached.
const REACHED_WITHIN: Duration = Duration::from_secs(10);
/// How often some pages are asked for before an audit ends because of them.
const TRIES: u32 = 3;

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Compare at most so many pages
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    pages: u64,
}

/// How many pages were found to be what.
#[derive(Debug, Default)]
struct Found {
    right: u64,
    hidden: u64,
    in_flux: u64,
    foreign: u64,
    stale: u64,
}

pub(super) async fn run(settings: Settings, arguments: Arguments) -> Result<(), Failure> {
    if settings.redis.is_none() {
        println!("no shared cache is configured: answers are kept in the serving processes alone");
        return Ok(());
    }
    let store = database::open_as_it_is(&settings).await?;
    let redis = shared::begin(&settings, &store).map_err(Failure::new)?;
    let Some(redis) = redis.map(Arc::new) else { return Ok(()) };
    reach(&redis).await.map_err(Failure::new)?;
    let origin = Arc::new(FromStore(store));
    let auditor = Auditor::new(origin, Arc::<RedisShared>::clone(&redis) as Arc<dyn Shared>);
    let found = look_through(&redis, &auditor, arguments.pages).await?;
    let Found { right, hidden, in_flux, foreign, stale } = found;
    let pages = right + hidden + in_flux + stale;
    println!(
        "pages={pages} right={right} hidden={hidden} in_flux={in_flux} foreign={foreign} \
         stale={stale}"
    );
    if pages == 0 {
        let serving = redis.words().await.map_err(Failure::new)?.len();
        println!("nothing is shared under this prefix; {serving} instances serve from it");
    }
    match stale {
        0 => Ok(()),
        stale => Err(Failure::new(format!("{stale} pages are older than the guarantee allows"))),
    }
}

/// It connects in the background.
async fn reach(redis: &RedisShared) -> Result<(), SharedError> {
    let until = Instant::now() + REACHED_WITHIN;
    loop {
        match redis.versions().await {
            Ok(_) => return Ok(()),
            Err(e) if Instant::now() >= until => return Err(e),
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    }
}

async fn look_through(
    redis: &RedisShared,
    auditor: &Auditor,
    pages_max: u64,
) -> Result<Found, Failure> {
    let (mut found, mut cursor, mut seen) = (Found::default(), 0, 0);
    loop {
        let (next, pages) = some_pages(redis, cursor).await.map_err(Failure::new)?;
        for page in pages {
            seen += 1;
            if seen > pages_max {
                return Ok(found);
            }
            let verdict = match page {
                Some(page) => auditor.check(&page).await.map_err(Failure::new)?,
                None => None,
            };
            match verdict {
                None => found.foreign += 1,
                Some(Verdict::Right) => found.right += 1,
                Some(Verdict::Hidden) => found.hidden += 1,
                Some(Verdict::InFlux) => found.in_flux += 1,
                Some(Verdict::Stale(history)) => {
                    println!("stale: {history}");
                    found.stale += 1;
                }
            }
        }
        if next == 0 {
            return Ok(found);
        }
        cursor = next;
    }
}

/// What is late once does not end an audit that has come far.
async fn some_pages(
    redis: &RedisShared,
    cursor: u64,
) -> Result<(u64, Vec<Option<Kept>>), SharedError> {
    for _ in 1..TRIES {
        match redis.some_pages(cursor).await {
            Err(SharedError::Away(_)) => reach(redis).await?,
            asked => return asked,
        }
    }
    redis.some_pages(cursor).await
}
