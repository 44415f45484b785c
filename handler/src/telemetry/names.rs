//! The names by which operators know what is measured: one list for the metrics, the workbook,
//! the alerts and the README.

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// By what it is told apart.
    pub dimensions: &'static [&'static str],
    /// Whether each value is what was added since the one before; else it is a state.
    pub is_delta: bool,
}

const fn delta(name: &'static str, dimensions: &'static [&'static str]) -> Metric {
    Metric { name, dimensions, is_delta: true }
}

const fn state(name: &'static str, dimensions: &'static [&'static str]) -> Metric {
    Metric { name, dimensions, is_delta: false }
}

/// How long requests took, in milliseconds. A value for each bucket of [`super::latency`] that
/// was met: its sum, its count, and its bounds as the least and the most.
pub const REQUEST_DURATION: Metric =
    delta("vitrine.request.duration", &["route", "method", "status"]);
/// Questions by the layer that answered: `local` and `shared` hit, `store` miss, and `stale` ones
/// that were given for want of the store.
pub const CACHE_LOOKUPS: Metric = delta("vitrine.cache.lookups", &["layer", "outcome"]);
/// Kept answers that the audit found older than the guarantee allows.
pub const CACHE_STALE_READS: Metric = delta("vitrine.cache.stale_reads", &[]);
/// Comparisons of the versions with the published ones, and whether some were behind.
pub const CACHE_RECONCILIATIONS: Metric = delta("vitrine.cache.reconciliations", &["found"]);
/// Callers who joined what another one of their instance had begun.
pub const CACHE_JOINS: Metric = delta("vitrine.cache.joins", &[]);
/// Waits for a page that another instance was loading, by how each ended.
pub const CACHE_LEASE_WAITS: Metric = delta("vitrine.cache.lease_waits", &["end"]);
/// Calls of the store.
pub const STORE_CALLS: Metric = delta("vitrine.store.calls", &["name", "outcome"]);
/// Connections of the store.
pub const STORE_POOL: Metric = state("vitrine.store.pool", &["state"]);
/// 1 for the state that a breaker is in, 0 for the others.
pub const BREAKER: Metric = state("vitrine.breaker", &["part", "state"]);
/// Rows of imports.
pub const IMPORT_ROWS: Metric = delta("vitrine.import.rows", &["outcome"]);
/// Runs of imports.
pub const IMPORT_RUNS: Metric = delta("vitrine.import.runs", &["state"]);
/// Attempts to sign up, to sign in and to refresh.
pub const AUTH_ATTEMPTS: Metric = delta("vitrine.auth.attempts", &["outcome"]);

/// All of them: those of CONTRACT 8, and what tells how pages are shared.
pub const METRICS: [Metric; 12] = [
    REQUEST_DURATION,
    CACHE_LOOKUPS,
    CACHE_STALE_READS,
    CACHE_RECONCILIATIONS,
    CACHE_JOINS,
    CACHE_LEASE_WAITS,
    STORE_CALLS,
    STORE_POOL,
    BREAKER,
    IMPORT_ROWS,
    IMPORT_RUNS,
    AUTH_ATTEMPTS,
];

/// CONTRACT 8: the fields of spans and log lines that name a thing. Of a log line nothing else
/// but its text is exported.
pub const FIELDS: [&str; 5] =
    ["product.asin", "category.id", "import.id", "invocation.id", "request.id"];

/// The event by which `handler doctor` proves that one arrives.
pub const PROBE: &str = "vitrine.doctor";

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    use super::*;

    fn terraform() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("terraform")
    }

    fn read(path: &Path) -> String {
        std::fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    }

    /// Every metric that a text names.
    fn named(text: &str) -> BTreeSet<&str> {
        let is_part = |c: char| c.is_ascii_lowercase() || c == '.' || c == '_';
        text.match_indices("vitrine.")
            .filter(|(at, _)| !text[..*at].ends_with(is_part))
            .map(|(at, _)| text[at..].split(|c| !is_part(c)).next().unwrap_or_default())
            .map(|name| name.trim_end_matches('.'))
            .collect()
    }

    fn known() -> BTreeSet<&'static str> {
        METRICS.iter().map(|metric| metric.name).collect()
    }

    #[test]
    fn a_name_is_found_whole_and_only_where_it_begins() {
        let text =
            r#"name == \"vitrine.store.calls\" or 'vitrine.breaker', xvitrine.no vitrine.a."#;
        let expected = BTreeSet::from(["vitrine.store.calls", "vitrine.breaker", "vitrine.a"]);
        assert_eq!(named(text), expected);
    }

    #[test]
    fn the_workbook_charts_every_metric_and_no_other() {
        let workbook = read(&terraform().join("workbook.json"));
        assert_eq!(named(&workbook), known());
    }

    #[test]
    fn alerts_ask_for_metrics_that_are_sent() {
        let mut asked = 0;
        for file in std::fs::read_dir(terraform()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "tf") {
                let text = read(&path);
                let names = named(&text);
                asked += names.len();
                let unknown: Vec<_> = names.difference(&known()).copied().collect();
                assert!(unknown.is_empty(), "{}: {unknown:?}", path.display());
            }
        }
        assert!(asked > 0, "no alert asks for any metric");
    }

    /// What queries ask of metrics that have none of it: the metrics, and the dimension.
    fn asked_in_vain(text: &str) -> Vec<String> {
        let mut found = Vec::new();
        // Each query begins with the table.
        for query in text.split("customMetrics").skip(1) {
            let names = named(query);
            let sent: BTreeSet<_> = METRICS
                .iter()
                .filter(|metric| names.contains(metric.name))
                .flat_map(|metric| metric.dimensions)
                .collect();
            for rest in query.split("customDimensions.").skip(1) {
                let name = rest.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or_default();
                if !sent.contains(&name) {
                    found.push(format!("{names:?}: {name}"));
                }
            }
        }
        found
    }

    #[test]
    fn queries_ask_for_dimensions_that_their_metrics_have() {
        for file in ["workbook.json", "alerts.tf"] {
            let text = read(&terraform().join(file));
            assert!(text.contains("customDimensions."), "{file}");
            assert_eq!(asked_in_vain(&text), [""; 0], "{file}");
        }
        // Another metric's.
        let wrong = r#"customMetrics | where name == "vitrine.breaker" and customDimensions.layer"#;
        assert_eq!(asked_in_vain(wrong).len(), 1);
    }
}
