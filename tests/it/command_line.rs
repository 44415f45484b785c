//! The real binary at the command line.

use std::os::unix::fs::MetadataExt as _;
use std::process::Command;

use crate::support::TestFolder;
use crate::support::files::{many, products, row};
use crate::support::process::{binary, handler, run, stderr, stdout};

#[test]
fn help_and_version_work() {
    let folder = TestFolder::new();
    let help = run(handler(folder.data.path()).arg("--help"));
    assert!(help.status.success());
    for command in ["serve", "import", "generate", "migrate", "doctor"] {
        assert!(stdout(&help).contains(command), "{command}");
    }
    let version = run(handler(folder.data.path()).arg("--version"));
    assert_eq!(stdout(&version).trim(), concat!("handler ", env!("CARGO_PKG_VERSION")));
}

#[test]
fn an_import_prints_its_counts_and_where_the_refused_rows_are() {
    let folder = TestFolder::new();
    let good = folder.file("good.csv", many(10));
    let dirty = folder.file("dirty.csv", products(&["B1,x", &row("B2", "x", "1", 1)]));
    let output = run(handler(folder.data.path()).arg("import").args([&good, &dirty]));
    let text = stdout(&output);
    assert!(output.status.success(), "rejects alone do not fail: {text}");
    assert!(text.contains("good.csv: read 10, loaded 10, replaced 0, rejected 0 in "), "{text}");
    assert!(text.contains("dirty.csv: read 2, loaded 1, replaced 0, rejected 1 in "), "{text}");
    let file = text.lines().find_map(|line| line.strip_prefix("refused rows: ")).unwrap();
    let rejects = std::fs::read_to_string(file).unwrap();
    assert!(rejects.contains("\"line\":2,\"byte\":"), "{rejects}");

    let again = run(handler(folder.data.path()).arg("import").arg(&good));
    assert!(again.status.success() && stdout(&again).contains("nothing to do"));
    let again = run(handler(folder.data.path()).args(["import", "--again"]).arg(&good));
    assert!(stdout(&again).contains("read 10, loaded 10"), "{}", stdout(&again));
}

#[test]
fn one_file_that_fails_does_not_keep_the_others_from_being_imported() {
    let folder = TestFolder::new();
    let bad = folder.file("bad.csv", "colour\nred\n");
    let good = folder.file("good.csv", many(10));
    let missing = folder.dir.path().join("missing.csv");
    let output = run(handler(folder.data.path()).arg("import").args([&bad, &missing, &good]));
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("good.csv: read 10, loaded 10"));
    let errors = stderr(&output);
    assert!(errors.contains("bad.csv: unknown header"), "{errors}");
    assert!(errors.contains("missing.csv: "), "{errors}");
    assert!(errors.contains("2 of 3 files failed"), "{errors}");
}

#[test]
fn a_dry_run_lists_what_would_be_refused_and_makes_no_database() {
    let folder = TestFolder::new();
    let data = folder.dir.path().join("untouched");
    let file = folder.file("a.csv", products(&["B1,x", &row("B2", "x", "1", 1)]));
    let output = run(handler(&data).args(["import", "--dry-run"]).arg(&file));
    let text = stdout(&output);
    assert!(output.status.success(), "{text}");
    assert!(text.contains("line 2, byte "), "{text}");
    assert!(text.contains("read 2, loaded 1, replaced 0, rejected 1"), "{text}");
    assert!(!data.exists(), "it changes nothing");
    let strict = run(handler(&data).args(["import", "--dry-run", "--max-rejects", "0"]).arg(&file));
    assert_eq!(strict.status.code(), Some(1));
}

#[test]
fn the_generator_gives_the_same_bytes_for_the_same_arguments() {
    let folder = TestFolder::new();
    let make = |name: &str, seed: &str| {
        let out = folder.dir.path().join(name);
        let output = run(handler(folder.data.path())
            .args(["generate", "--rows", "2000", "--dirty", "50", "--seed", seed, "--out"])
            .arg(&out));
        assert!(output.status.success(), "{}", stderr(&output));
        std::fs::read(out.join("amazon_products.csv")).unwrap()
    };
    let first = make("a", "5");
    assert_eq!(first, make("b", "5"));
    assert_ne!(first, make("c", "6"));
}

#[test]
fn a_wrong_setting_is_one_line_that_names_it_and_exit_code_2() {
    let folder = TestFolder::new();
    for (name, value) in [
        ("VITRINE_LISTEN", "nowhere"),
        ("SQL_SERVER", "hunter2;x"),
        ("SQL_DATABASE", "hunter2"),
        ("WEBSITE_SITE_NAME", "shop"),
        ("RUST_LOG", "=x=y="),
    ] {
        for command in ["serve", "migrate"] {
            let output = run(handler(folder.data.path()).arg(command).env(name, value));
            assert_eq!(output.status.code(), Some(2), "{name}");
            let errors = stderr(&output);
            assert_eq!(errors.lines().count(), 1, "{errors}");
            assert!(
                errors.contains(name.split('_').next().unwrap()) || name == "WEBSITE_SITE_NAME",
                "{errors}"
            );
            assert!(!errors.contains("hunter2"), "{errors}");
        }
    }
}

#[test]
fn values_of_local_settings_are_defaults_that_the_environment_overrides() {
    let folder = TestFolder::new();
    folder.file(
        "local.settings.json",
        r#"{"IsEncrypted": false, "Values": {"VITRINE_LISTEN": "bad"}}"#,
    );
    let output = run(handler(folder.data.path()).arg("migrate"));
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("VITRINE_LISTEN"));
    let output =
        run(handler(folder.data.path()).arg("migrate").env("VITRINE_LISTEN", "127.0.0.1:1"));
    assert!(output.status.success(), "{}", stderr(&output));
    // Under a host its own settings count, and the file is not read.
    let output =
        run(handler(folder.data.path()).arg("migrate").env("FUNCTIONS_CUSTOMHANDLER_PORT", "5001"));
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn doctor_has_a_line_for_each_part() {
    let folder = TestFolder::new();
    let doctor = || run(handler(folder.data.path()).arg("doctor"));
    let fresh = doctor();
    assert!(fresh.status.success(), "{}", stdout(&fresh));
    run(handler(folder.data.path()).arg("migrate"));
    let text = stdout(&doctor());
    for part in ["settings ", "database ", "watched folder "] {
        assert!(text.lines().any(|line| line.starts_with(part) && line.contains("ok")), "{text}");
    }
    std::fs::write(folder.data.database(), "this is no database at all").unwrap();
    let broken = doctor();
    assert_eq!(broken.status.code(), Some(1));
    assert!(stdout(&broken).contains("FAILED"), "{}", stdout(&broken));
    let output = run(handler(folder.data.path()).arg("doctor").env("VITRINE_LISTEN", "x"));
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("VITRINE_LISTEN"));
}

#[test]
fn a_database_that_is_too_new_is_exit_code_2() {
    let folder = TestFolder::new();
    run(handler(folder.data.path()).arg("migrate"));
    rusqlite::Connection::open(folder.data.database())
        .unwrap()
        .execute_batch("UPDATE meta SET value = '999' WHERE name IN ('schema', 'oldest_handler')")
        .unwrap();
    let output = run(handler(folder.data.path()).arg("serve"));
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("needs a newer handler"), "{}", stderr(&output));
}

/// On a file system that is too small the import stops and says so; with room made, the
/// same command goes on from its checkpoint and loses nothing.
#[test]
fn a_full_disk_is_named_and_the_import_goes_on_once_there_is_room() {
    let folder = TestFolder::new();
    let file = folder.file("a.csv", many(60_000));
    let disk = folder.dir.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let script = format!(
        "mount -t tmpfs -o size=8m none {disk} || exit 77
         {handler} import {file} && exit 70
         mount -o remount,size=256m {disk} || exit 77
         {handler} import {file}",
        disk = disk.display(),
        handler = binary().display(),
        file = file.display(),
    );
    // A mount namespace of its own: the mount goes with the process.
    // Root needs no user namespace for it, and some systems forbid them to others.
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let namespaces: &[&str] =
        if is_root { &["--mount"] } else { &["--user", "--map-root-user", "--mount"] };
    let output = run(Command::new("unshare")
        .args(namespaces)
        .args(["sh", "-c", &script])
        .env("VITRINE_DATA_DIR", disk.join("data"))
        .current_dir(folder.dir.path()));
    let (text, errors) = (stdout(&output), stderr(&output));
    assert_ne!(output.status.code(), Some(77), "no small file system can be made here: {errors}");
    assert!(output.status.success(), "{text}{errors}");
    assert!(errors.contains("the disk is full"), "{errors}");
    assert!(text.contains("read 60000, loaded 60000, replaced 0, rejected 0"), "{text}");
}

/// What the embedded service cannot do over HTTP, since it sends no mail.
#[tokio::test]
async fn the_operator_changes_users_at_the_command_line() {
    use serde_json::{Value, json};
    let folder = TestFolder::new();
    let serving = crate::support::process::Serving::start(folder.data.path());
    let client = reqwest::Client::new();
    let post =
        |path: &str, body: Value| client.post(format!("{}{path}", serving.url)).json(&body).send();
    let form = json!({"email": "ann@shop.example", "password": "Secret1!", "firstName": "Ann",
        "lastName": "Lee"});
    assert_eq!(post("/signup", form).await.unwrap().status(), 201);
    let login =
        |password: &str| post("/login", json!({"email": "ann@shop.example", "password": password}));
    let user =
        |action: &str, email: &str| run(handler(folder.data.path()).args(["user", action, email]));
    let granted = user("grant", "Ann@shop.example");
    assert!(stdout(&granted).contains("active, administrator"), "{}", stderr(&granted));
    for action in ["revoke", "disable"] {
        let refused = user(action, "ann@shop.example");
        assert_eq!(refused.status.code(), Some(1));
        assert!(stderr(&refused).contains("nobody would be left"), "{}", stderr(&refused));
    }
    assert!(stderr(&user("grant", "no@shop.example")).contains("no user"));
    let old: Value = login("Secret1!").await.unwrap().json().await.unwrap();
    let reset = user("reset-password", "ann@shop.example");
    let text = stdout(&reset);
    let password = text.trim().rsplit(' ').next().unwrap();
    assert_eq!(login("Secret1!").await.unwrap().status(), 401);
    let new = login(password).await.unwrap();
    assert_eq!(new.status(), 200, "{text}");
    let new: Value = new.json().await.unwrap();
    // Whoever knew the old password has tokens of it: they end within the bound, and the new
    // ones are good at once.
    let me = async |signed_in: &Value| {
        let token = signed_in["idToken"].as_str().unwrap();
        let asked = client.get(format!("{}/me", serving.url)).bearer_auth(token).send();
        asked.await.unwrap().status().as_u16()
    };
    assert_eq!(me(&new).await, 200);
    let reset = std::time::Instant::now();
    while me(&old).await != 401 {
        assert!(reset.elapsed() < std::time::Duration::from_secs(2), "older than the bound");
    }
    let refresh = json!({"refreshToken": old["refreshToken"]});
    assert_eq!(post("/login/refresh", refresh).await.unwrap().status(), 401);
}
