//! A way for a test to run in a process of its own, whose variables it needs to be different.

use std::process::Command;

/// Names the test, and what it was told.
const CHILD: &str = "VITRINE_TEST_APART";

/// What the process was told that runs this test; `None` in the one that all tests run in.
pub fn child_of(test: &str) -> Option<String> {
    let told = std::env::var(CHILD).ok()?;
    told.strip_prefix(test)?.strip_prefix(' ').map(str::to_owned)
}

/// Runs the test of this name in a process of its own; it must come to its end.
pub fn run_apart(test: &str, told: &str, variables: &[(&str, &str)]) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--include-ignored", "--nocapture"])
        .env(CHILD, format!("{test} {told}"))
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("1 passed"), "{said}{errors}");
}
