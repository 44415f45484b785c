//! What the process says of itself: log lines on stdout.
//!
//! Stdout and not stderr: the Functions host reports every line on stderr as an error.
//! Fields: `product.asin`, `category.id`, `import.id`, `request.id`, `invocation.id`.

use tracing_subscriber::EnvFilter;

/// Whether a filter can be read; if not, what is wrong with it.
pub fn check(filter: &str) -> Result<(), String> {
    EnvFilter::try_new(filter).map(drop).map_err(|e| e.to_string())
}

/// Starts logging with the filter of `RUST_LOG`, or else with `default`.
///
/// A filter that cannot be read is an error naming what is wrong with it.
pub fn start(filter: Option<&str>, default: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter.unwrap_or(default)).map_err(|e| e.to_string())?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stdout()))
        .try_init()
        .map_err(|e| e.to_string())?;
    // A panic is told of by Rust on stderr; here it is a line like any other.
    std::panic::set_hook(Box::new(|panic| tracing::error!("a bug: {panic}")));
    Ok(())
}
