//! `scripts/load`: what it draws is what it has measured, and it leaves others alone.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::support::host::folder::repository;
use crate::support::process::{binary, stderr, stdout};
use crate::support::routes::filled;

fn load(folder: &Path, arguments: &[&str]) -> Output {
    loading(folder, arguments).output().expect("python3 is needed")
}

fn loading(folder: &Path, arguments: &[&str]) -> Command {
    let script = repository().join("scripts/load");
    let mut command = Command::new("python3");
    command.arg(script).args(arguments).current_dir(folder).env("VITRINE_HANDLER", binary());
    command
}

/// The text of an attribute.
fn attribute<'a>(element: &'a str, name: &str) -> &'a str {
    element.split(&format!(" {name}=\"")).nth(1).unwrap().split('"').next().unwrap()
}

fn number(element: &str, name: &str) -> f64 {
    attribute(element, name).parse().unwrap()
}

/// Heights and values of a plot's ticks, which are all that somebody who looks at it has.
fn ticks(svg: &str, plot: &str) -> Vec<(f64, f64)> {
    let lines = svg.lines().filter(|line| line.contains(&format!("of-{plot}")));
    lines
        .map(|line| {
            let label = line.rsplit("\">").next().unwrap().split('<').next().unwrap();
            (number(line, "y1"), label.trim_end_matches(" %").parse().unwrap())
        })
        .collect()
}

/// Where values of the first and the last tick's scale would stand.
fn read_off(ticks: &[(f64, f64)], y: f64) -> f64 {
    let ((y0, v0), (y1, v1)) = (ticks[0], ticks[ticks.len() - 1]);
    v0 + (v1 - v0) * (y - y0) / (y1 - y0)
}

fn points(svg: &str, class: &str) -> Vec<(f64, f64)> {
    let circles = svg.lines().filter(|line| line.starts_with("<circle"));
    let own = circles.filter(|line| attribute(line, "class") == class);
    own.map(|line| (number(line, "cx"), number(line, "cy"))).collect()
}

#[test]
fn the_picture_shows_what_was_measured() {
    let folder = tempfile::tempdir().unwrap();
    let run = load(folder.path(), &["--seconds", "6", "--rate", "40", "--clients", "3"]);
    assert!(run.status.success(), "{}{}", stdout(&run), stderr(&run));
    let said = stdout(&run);
    assert!(said.contains("requests in 6 s") && said.contains(" 0 wrong"), "{said}");
    let record = std::fs::read(folder.path().join("load.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    let svg = std::fs::read_to_string(folder.path().join("load.svg")).unwrap();
    let samples: Vec<(f64, String, f64)> =
        serde_json::from_value(record["samples"].clone()).unwrap();
    assert!(samples.len() > 100 && samples.len() <= 6 * 40 + 3, "{}", samples.len());
    for kind in ["hot", "miss", "search", "write"] {
        assert!(samples.iter().any(|sample| sample.1 == kind), "{kind}");
    }
    let events: Vec<_> = record["events"].as_array().unwrap().iter().map(|e| &e["what"]).collect();
    assert_eq!(events, ["import begins", "import done"]);

    // The points, counted anew from the samples: the p99 of fewer than a hundred is the greatest.
    let told = record["points"].as_array().unwrap();
    assert_eq!(told.len(), 6);
    for point in told {
        let end = point["second"].as_f64().unwrap();
        let within = samples.iter().filter(|(at, ..)| (end - 1.0..end).contains(at));
        let mut latencies: Vec<f64> = within.map(|sample| sample.2).collect();
        latencies.sort_by(f64::total_cmp);
        assert_eq!(point["requests"], latencies.len());
        assert!(!latencies.is_empty(), "nothing in the second before {end}");
        assert_eq!(point["p99_ms"], *latencies.last().unwrap());
        assert_eq!(point["p50_ms"], latencies[latencies.len().div_ceil(2) - 1]);
    }

    // And read off the picture.
    let (latency, ratio) = (ticks(&svg, "latency"), ticks(&svg, "ratio"));
    let logarithms: Vec<_> = latency.iter().map(|(y, ms)| (*y, ms.log10())).collect();
    for (class, key) in [("p50", "p50_ms"), ("p99", "p99_ms")] {
        let shown = points(&svg, class);
        assert_eq!(shown.len(), told.len(), "{class}");
        for ((_, y), point) in shown.iter().zip(told) {
            let (seen, meant) = (read_off(&logarithms, *y), point[key].as_f64().unwrap().log10());
            assert!((seen - meant).abs() < 0.01, "{class}: {seen} {meant}");
        }
    }
    let known: Vec<_> = told.iter().filter_map(|point| point["hit_ratio"].as_f64()).collect();
    let shown = points(&svg, "ratio");
    assert!(known.len() >= 4 && shown.len() == known.len(), "{} {}", known.len(), shown.len());
    for ((_, y), meant) in shown.iter().zip(known) {
        assert!((read_off(&ratio, *y) / 100.0 - meant).abs() < 0.005, "{meant}");
    }
    let across: Vec<_> = points(&svg, "p50").iter().map(|(x, _)| *x).collect();
    let step = across[1] - across[0];
    assert!(across.windows(2).all(|pair| (pair[1] - pair[0] - step).abs() < 0.1), "{across:?}");
}

#[test]
fn others_are_left_alone_and_limits_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, reason) in [
        (vec!["http://192.0.2.1:7071"], "is not this machine"),
        (vec!["https://127.0.0.1:7071"], "must be http://127.0.0.1"),
        (vec!["--seconds", "301"], "between 1 and 300"),
        (vec!["--rate", "2001"], "between 1 and 2000"),
        (vec!["--clients", "0"], "between 1 and 64"),
    ] {
        let run = load(folder.path(), &arguments);
        assert!(!run.status.success() && stderr(&run).contains(reason), "{}", stderr(&run));
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing was measured");
}

/// A server that goes away in the middle.
#[tokio::test]
async fn wrong_answers_make_it_fail_and_are_told_of() {
    let (folder, serving) = filled().await;
    let mut command = loading(folder.dir.path(), &[&serving.url, "--seconds", "8", "--rate", "20"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // It has begun by then, and not ended.
    tokio::time::sleep(Duration::from_secs(4)).await;
    drop(serving);
    let ended = child.wait_with_output().unwrap();
    assert!(!ended.status.success());
    let said = stdout(&ended);
    assert!(said.contains("WRONG: ") && said.contains("no answer"), "{said}{}", stderr(&ended));
    assert!(folder.dir.path().join("load.svg").exists(), "what was seen is drawn all the same");
}
