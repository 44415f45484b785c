//! `handler import`.

mod progress;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Failure;
use crate::app::care::{AbortOnDrop, tell};
use crate::app::database::{self, peek_categories};
use crate::app::shared;
use crate::blobs::Blobs;
use crate::cache::Cache;
use crate::import::rejects::Rejects;
use crate::import::source::{Source, file_name};
use crate::import::{Options, Outcome, Report, dry_run, import};
use crate::settings::Settings;
use crate::store::sqlite::folder::DataFolder;
use crate::store::{Counts, HowStarted, Run, RunState, Store};
use progress::Shown;

/// How long other instances are tried to be told at the end.
pub(super) const SETTLE_WITHIN: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// CSV files of products or categories, plain or gzip
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Check the files and report; change nothing
    #[arg(long)]
    dry_run: bool,
    /// Stop as failed when more rows than this are refused
    #[arg(long, value_name = "N")]
    max_rejects: Option<u64>,
    /// Import files again that were imported before
    #[arg(long)]
    again: bool,
}

/// Imports every file, one after the other; fails if one of them did not end.
pub(super) async fn run(settings: Settings, arguments: Arguments) -> Result<(), Failure> {
    let importer = if arguments.dry_run {
        Importer::Checking(Box::new(settings))
    } else {
        // Where refused rows are written, wherever the others go.
        let folder = DataFolder::make(&settings.data_dir)?;
        let store = database::open_to_import(&settings).await?;
        let (cache, _) = shared::cache_beside(&settings, &store);
        let blobs = Blobs::of(&settings).map_err(Failure::new)?;
        Importer::Loading(store, Rejects::at(folder.rejects(), blobs.as_ref()), cache)
    };
    let mut failed = 0;
    for file in &arguments.files {
        if let Err(failure) = importer.take(file, &arguments).await {
            eprintln!("handler: {}: {}", file.display(), failure.message);
            failed += 1;
        }
    }
    if let Importer::Loading(_, _, cache) = &importer {
        cache.settle(SETTLE_WITHIN).await;
    }
    match failed {
        0 => Ok(()),
        _ => Err(Failure::new(format!("{failed} of {} files failed", arguments.files.len()))),
    }
}

enum Importer {
    Loading(Arc<dyn Store>, Rejects, Arc<Cache>),
    Checking(Box<Settings>),
}

impl Importer {
    async fn take(&self, file: &Path, arguments: &Arguments) -> Result<(), Failure> {
        match self {
            Self::Loading(store, rejects, cache) => {
                // Serving instances see the rows as they come. Where nothing is shared they ask the
                // store, and there is nobody to tell.
                let is_shared = cache.shared_breaker().is_some();
                let _telling = is_shared.then(|| AbortOnDrop::of(tell(Arc::clone(cache))));
                load(file, store, rejects, cache, arguments).await
            }
            Self::Checking(settings) => check(file, settings, arguments).await,
        }
    }
}

async fn load(
    file: &Path,
    store: &Arc<dyn Store>,
    rejects: &Rejects,
    cache: &Cache,
    arguments: &Arguments,
) -> Result<(), Failure> {
    let how = if arguments.again { HowStarted::Again } else { HowStarted::ByHand };
    let options = Options { how, rejects_max: arguments.max_rejects };
    let begin = Instant::now();
    let shown = Shown::begin(file);
    let source = Source::File(file.to_owned());
    let result = import(store, rejects, source, options, &|now| {
        shown.update(now);
        cache.nudge();
    })
    .await;
    shown.end();
    match result.map_err(Failure::new)? {
        Outcome::Done(run) => {
            print_counts(file, &run.counts, begin);
            print_rejects_file(&run, rejects);
        }
        Outcome::DoneBefore(run) if run.state != RunState::Done => {
            return Err(Failure::new(format!(
                "run {} of this file is {} (--again imports it anew)",
                run.id,
                run.state.word()
            )));
        }
        Outcome::DoneBefore(run) => println!(
            "{}: run {} of this file is {}; nothing to do (--again imports it anew)",
            file.display(),
            run.id,
            run.state.word()
        ),
        Outcome::Overtaken(run) => {
            println!("{}: run {} is of a newer state; nothing to do", file.display(), run.id);
        }
        Outcome::HeldElsewhere(run) => {
            return Err(Failure::new(format!("run {} goes on in another process", run.id)));
        }
    }
    Ok(())
}

async fn check(file: &Path, settings: &Settings, arguments: &Arguments) -> Result<(), Failure> {
    let known: HashSet<_> =
        peek_categories(settings).await?.into_iter().map(|category| category.id).collect();
    let begin = Instant::now();
    let shown = Shown::begin(file);
    let source = Source::File(file.to_owned());
    let result = dry_run(&source, known, &|now| shown.update(now)).await;
    shown.end();
    let Report { counts, rejects } = result.map_err(Failure::new)?;
    for reject in &rejects {
        let column = reject.column.as_deref().unwrap_or("record");
        println!("line {}, byte {}: {column} {}", reject.line, reject.byte, reject.reason);
    }
    if counts.rejected > rejects.len() as u64 {
        println!("… and {} more", counts.rejected - rejects.len() as u64);
    }
    print_counts(file, &counts, begin);
    println!("checked only: nothing was changed");
    match arguments.max_rejects {
        Some(most) if counts.rejected > most => Err(Failure::new(format!(
            "{} rows are refused, more than the {most} allowed",
            counts.rejected
        ))),
        _ => Ok(()),
    }
}

fn print_counts(file: &Path, counts: &Counts, begin: Instant) {
    let Counts { read, loaded, replaced, rejected } = counts;
    println!(
        "{}: read {read}, loaded {loaded}, replaced {replaced}, rejected {rejected} in {:.1} s",
        file.display(),
        begin.elapsed().as_secs_f64()
    );
}

fn print_rejects_file(run: &Run, rejects: &Rejects) {
    if run.counts.rejected > 0 {
        println!("refused rows: {}", rejects.shown(run.id, file_name(&run.source)));
    }
}
