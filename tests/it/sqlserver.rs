//! The database on a server: what the process does while there is none, and what only this
//! store has.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::TestFolder;
use crate::support::process::{Serving, handler, header, run, stderr, stdout};

/// Nobody listens there.
const NOWHERE: [(&str, &str); 4] = [
    ("SQL_SERVER", "127.0.0.1,1"),
    ("SQL_DATABASE", "shop"),
    ("SQL_USERNAME", "ann"),
    ("SQL_PASSWORD", "hunter2-hunter2"),
];

fn without_a_server(folder: &TestFolder) -> Command {
    let mut command = handler(folder.data.path());
    command.envs(NOWHERE);
    command
}

#[tokio::test]
async fn a_server_that_is_away_keeps_nobody_from_listening() {
    let folder = TestFolder::new();
    let began = Instant::now();
    let serving = Serving::start_by(without_a_server(&folder).arg("serve"));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(serving.get("/health").await.status(), 200);
    assert_eq!(serving.get("/health/ready").await.status(), 503);
    let list = serving.get("/products").await;
    assert_eq!(list.status(), 503);
    assert!(list.headers().contains_key("retry-after"));
    let problem: Value = list.json().await.unwrap();
    assert_eq!(problem["type"], "/problems/unavailable");
    assert!(!problem.to_string().contains("127.0.0.1"), "{problem}");
    let lines = serving.end();
    let told: Vec<_> = lines.iter().filter(|line| line.contains("cannot be opened")).collect();
    assert!(told.len() <= 1, "once, and not every two seconds: {told:?}");
    assert!(!lines.iter().any(|line| line.contains("hunter2")));
}

#[test]
fn a_server_that_is_away_is_one_line_at_the_command_line() {
    let folder = TestFolder::new();
    let file = folder.file("a.csv", "id,category_name\n1,Lamps\n");
    for arguments in [
        &["migrate"][..],
        &["user", "grant", "ann@shop.example"],
        &["import", file.to_str().unwrap()],
    ] {
        let output = run(without_a_server(&folder).args(arguments));
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let errors = stderr(&output);
        assert!(errors.contains("the database cannot be reached"), "{errors}");
        assert!(!errors.contains("hunter2"), "{errors}");
    }
    let doctor = run(without_a_server(&folder).arg("doctor"));
    assert_eq!(doctor.status.code(), Some(1));
    let text = stdout(&doctor);
    let told: Vec<_> = text.lines().filter(|line| line.starts_with("database")).collect();
    assert!(told.len() == 1 && told[0].contains("FAILED"), "{text}");
    assert!(!text.contains("hunter2"), "{text}");
}

mod on_sqlserver {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use reqwest::StatusCode;
    use tiberius::Client;
    use tokio::net::TcpStream;
    use tokio::time::timeout;
    use tokio_util::compat::Compat;
    use vitrine::cache::versions::{Row, Versions};
    use vitrine::catalog::Asin;
    use vitrine::clock::Clock;
    use vitrine::store::sqlserver::SCHEMA;
    use vitrine::store::{Batch, Lease, Store, StoreError};

    use super::*;
    use crate::contract_store::{batch, begin, load, product};
    use crate::support::app::TestApp;
    use crate::support::files::{many, products, row};
    use crate::support::sqlserver::TestDatabase;

    fn raised(before: &Versions, after: &Versions) -> Vec<i64> {
        let mut rows: Vec<_> = after
            .iter()
            .filter(|(row, version)| before.get(row) != Some(version))
            .map(|(row, _)| row.0)
            .collect();
        rows.sort_unstable();
        rows
    }

    async fn counts(store: &Arc<dyn Store>) -> BTreeMap<u32, u64> {
        let counts = store.category_counts().await.unwrap().value;
        counts.iter().map(|count| (count.category_id, count.total_products)).collect()
    }

    /// DESIGN 5.6 and the issue: a query editor and a pipeline raise versions too.
    #[tokio::test]
    #[ignore = "needs TEST_SQL_CONNECTION_STRING"]
    async fn nobody_writes_past_the_cache() {
        let database = TestDatabase::make().await;
        let store: Arc<dyn Store> = database.store(Clock::System).await;
        let some = (0..6).map(|i| product(&format!("B{i}"), Some(100), 1 + i % 3)).collect();
        load(&store, "a", some).await;
        let mut seen = store.versions().await.unwrap();
        for (statement, rows, counted) in [
            ("UPDATE amazon.products SET price = 5 WHERE asin = 'B0'", &[0, 1][..], [2, 2, 2]),
            ("UPDATE amazon.products SET category_id = 2 WHERE asin = 'B0'", &[0, 1, 2], [1, 3, 2]),
            ("DELETE FROM amazon.products WHERE category_id = 3", &[0, 3], [1, 3, 0]),
            (
                "INSERT INTO amazon.products (asin, title, category_id) VALUES \
                 ('N1', N'one', 3), ('N2', N'two', 1)",
                &[0, 1, 3],
                [2, 3, 1],
            ),
            ("UPDATE amazon.categories SET name = N'Lamps' WHERE id = 2", &[0, 2], [2, 3, 1]),
            (
                "INSERT INTO amazon.import_stage (asin, title, category_id) VALUES \
                 ('N1', N'one again', 2), ('N3', N'three', 2); EXEC amazon.import_staged",
                &[0, 2, 3],
                [2, 5, 0],
            ),
        ] {
            // A batch each and a connection of its own, as a pipeline has it.
            let mut editor = database.connect().await;
            for batch in statement.split("; ") {
                editor.simple_query(batch).await.unwrap().into_results().await.unwrap();
            }
            let now = store.versions().await.unwrap();
            assert_eq!(raised(&seen, &now), rows, "{statement}");
            let expected = [1, 2, 3].into_iter().zip(counted).filter(|(_, n)| *n > 0);
            assert_eq!(counts(&store).await, expected.collect(), "{statement}");
            seen = now;
        }
        assert!(seen.contains_key(&Row::CATALOGUE));
    }

    /// Without a foreign key: the triggers see to it, whoever writes and however many rows.
    #[tokio::test]
    #[ignore = "needs TEST_SQL_CONNECTION_STRING"]
    async fn no_product_names_a_category_that_is_not_there() {
        let database = TestDatabase::make().await;
        let store: Arc<dyn Store> = database.store(Clock::System).await;
        load(&store, "a", vec![product("B1", Some(100), 1), product("B2", Some(100), 2)]).await;
        let before = (store.versions().await.unwrap(), counts(&store).await);
        for (statement, number) in [
            (
                "INSERT INTO amazon.products (asin, title, category_id) VALUES ('N1', N'one', 9)",
                50_547,
            ),
            (
                "INSERT INTO amazon.products (asin, title, category_id) VALUES \
                 ('N1', N'one', 1), ('N2', N'two', 9)",
                50_547,
            ),
            ("UPDATE amazon.products SET category_id = category_id + 1", 50_547),
            (
                "BEGIN TRANSACTION; DELETE FROM amazon.products WHERE asin = 'B1'; \
                 UPDATE amazon.products SET category_id = 9 WHERE asin = 'B2'; COMMIT",
                50_547,
            ),
            // Not even by a session that says of itself that it applies a stage.
            (
                "CREATE TABLE #touched (category_id INT NOT NULL, gained BIGINT NOT NULL); \
                 EXEC sp_set_session_context N'vitrine.apply', 1; \
                 INSERT INTO amazon.products (asin, title, category_id) VALUES ('N1', N'one', 9)",
                50_547,
            ),
            ("DELETE FROM amazon.categories WHERE id = 2", 50_548),
            ("UPDATE amazon.categories SET id = 9 WHERE id = 2", 50_548),
        ] {
            let mut editor = database.connect().await;
            let refused = match editor.simple_query(statement).await {
                Ok(results) => results.into_results().await.map(drop),
                Err(e) => Err(e),
            };
            assert_eq!(refused.unwrap_err().code(), Some(number), "{statement}");
            drop(editor);
            let now = (store.versions().await.unwrap(), counts(&store).await);
            assert_eq!(now, before, "{statement}");
        }
        assert_eq!(store.categories().await.unwrap().value.len(), 2);
    }

    /// A run that an older handler has left is shown with what is known of it, and goes on.
    #[tokio::test]
    #[ignore = "needs TEST_SQL_CONNECTION_STRING"]
    async fn runs_of_an_older_schema_are_brought_along() {
        let database = TestDatabase::make().await;
        let store: Arc<dyn Store> = database.store(Clock::System).await;
        let (_, lease) = begin(&store, "a", "1").await;
        store.commit_batch(&lease, batch(0, 1, vec![product("B1", None, 1)])).await.unwrap();
        drop(store);
        let mut editor = database.connect().await;
        for (column, default) in [
            ("stored_offset", "df_run_stored"),
            ("taken_at", "df_run_taken"),
            ("taken_read", "df_run_taken_read"),
            ("taken_stored", "df_run_taken_stored"),
            ("moved_at", "df_run_moved"),
        ] {
            // Not every server makes a constraint of a default.
            for drop in [format!("CONSTRAINT IF EXISTS {default}"), format!("COLUMN {column}")] {
                let change = format!("ALTER TABLE amazon.import_run DROP {drop}");
                editor.simple_query(change).await.unwrap().into_results().await.unwrap();
            }
        }
        let older = "UPDATE amazon.meta SET value = '3' WHERE name = 'schema'";
        editor.simple_query(older).await.unwrap().into_results().await.unwrap();
        let store: Arc<dyn Store> = database.store(Clock::System).await;
        let run = store.runs(None, 1).await.unwrap().remove(0);
        assert_eq!((run.id, run.checkpoint.offset, run.checkpoint.stored), (lease.run, 1, 1));
        assert_eq!((run.stretch.since, run.rate()), (run.created_at, None));
        store.commit_batch(&lease, batch(1, 2, vec![product("B2", None, 1)])).await.unwrap();
        let now = store.run(run.id).await.unwrap().unwrap();
        assert!(now.rate().unwrap() > 0.0);
    }

    /// Whether nobody has this lock.
    async fn is_free(editor: &mut Client<Compat<TcpStream>>, lock: &str) -> bool {
        let sql = format!("SELECT APPLOCK_TEST('public', '{lock}', 'Exclusive', 'Session')");
        let row = editor.simple_query(sql).await.unwrap().into_row().await.unwrap().unwrap();
        row.get::<i16, _>(0) == Some(1)
    }

    /// A run whose second batch has begun beside the first, which an editor holds up for so long.
    async fn two_beside_each_other(
        database: &TestDatabase,
        store: &Arc<dyn Store>,
    ) -> (Lease, Batch) {
        load(store, "before", vec![product("A1", Some(1), 1)]).await;
        let (_, lease) = begin(store, "a", "1").await;
        let first = batch(0, 1, vec![product("A1", Some(2), 1)]);
        let second = batch(1, 2, vec![product("B1", None, 1)]);
        let mut editor = database.connect().await;
        let hold = "BEGIN TRANSACTION; UPDATE amazon.products SET price = 9 WHERE asin = 'A1'";
        editor.simple_query(hold).await.unwrap().into_results().await.unwrap();
        store.send_ahead(&lease, &first).await;
        store.send_ahead(&lease, &second).await;
        let committing = {
            let store = Arc::clone(store);
            tokio::spawn(async move { store.commit_batch(&lease, first).await })
        };
        let lock = format!("import {} at 1", lease.run.0);
        let mut looking = database.connect().await;
        let has_begun = async { while is_free(&mut looking, &lock).await {} };
        timeout(Duration::from_secs(30), has_begun).await.expect("it begins");
        assert_eq!(store.run(lease.run).await.unwrap().unwrap().checkpoint.offset, 0);
        let let_go = editor.simple_query("ROLLBACK TRANSACTION").await.unwrap();
        let_go.into_results().await.unwrap();
        committing.await.unwrap().unwrap();
        (lease, second)
    }

    #[tokio::test]
    #[ignore = "needs TEST_SQL_CONNECTION_STRING"]
    async fn a_batch_begins_beside_the_one_before_it() {
        let database = TestDatabase::make().await;
        let store: Arc<dyn Store> = database.store(Clock::System).await;
        let (lease, second) = two_beside_each_other(&database, &store).await;
        let counted = store.commit_batch(&lease, second).await.unwrap().counts;
        assert_eq!((counted.read, counted.loaded), (2, 2));
        let found = store.product(&Asin::parse("A1").unwrap()).await.unwrap();
        assert_eq!(found, Some(product("A1", Some(2), 1)));
        assert_eq!(counts(&store).await[&1], 2);
    }

    #[tokio::test]
    #[ignore = "needs TEST_SQL_CONNECTION_STRING"]
    async fn a_batch_that_has_begun_does_not_count_when_its_run_is_lost() {
        let database = TestDatabase::make().await;
        let store: Arc<dyn Store> = database.store(Clock::System).await;
        let (lease, second) = two_beside_each_other(&database, &store).await;
        store.cancel_run(lease.run).await.unwrap().unwrap();
        let before = store.versions().await.unwrap();
        let late = store.commit_batch(&lease, second).await;
        assert!(matches!(late, Err(StoreError::RunLost)), "{late:?}");
        assert_eq!(store.product(&Asin::parse("B1").unwrap()).await.unwrap(), None);
        assert_eq!((counts(&store).await[&1], store.versions().await.unwrap()), (1, before));
    }

    #[tokio::test]
    #[ignore = "needs TEST_SQL_CONNECTION_STRING"]
    async fn ten_may_start_at_once() {
        let database = TestDatabase::make().await;
        let stores = (0..10).map(|_| database.store(Clock::System));
        let stores = futures_util::future::join_all(stores).await;
        for store in stores {
            assert!(store.is_unused().await.unwrap());
        }
    }

    #[tokio::test]
    #[ignore = "needs TEST_SQL_CONNECTION_STRING"]
    async fn it_is_served_as_the_embedded_one_is() {
        let database = TestDatabase::make().await;
        let folder = TestFolder::new();
        let store: Arc<dyn Store> = database.store(Clock::System).await;
        let lines: Vec<_> =
            (0..250).map(|i| row(&format!("B{i:03}"), "A lamp", "1.5", 1 + i % 2)).collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        folder.import(&store, &folder.file("p.csv", products(&lines))).await.unwrap();
        let sql = database.sql.clone();
        let app = TestApp::start_with(folder, |settings| {
            settings.sql = Some(sql);
            settings.people.admins = vec!["boss@shop.example".to_owned()];
        })
        .await;
        // It listens before its database is there.
        while app.get("/health/ready").await.status() != StatusCode::OK {}
        let page = app.get("/products?category_id=2&limit=10&sort=-price").await;
        assert_eq!(page.headers()["x-total-count"], "125");
        let next = page.headers()["link"].to_str().unwrap().to_owned();
        let next = next.trim_start_matches('<').split('>').next().unwrap().to_owned();
        assert_eq!(app.json(&next).await.as_array().unwrap().len(), 10);
        assert_eq!(app.json("/category/count").await[0]["total_products"], 125);
        assert_eq!(app.json("/products/B007").await["price"], 1.5);
        assert_eq!(app.get("/health/ready").await.status(), 200);
        let asked = app.get("/products?q=lamp").await;
        if std::env::var_os("TEST_SQL_IS_MICROSOFT").is_none() {
            assert_eq!(asked.status(), StatusCode::NOT_IMPLEMENTED);
            let problem: Value = asked.json().await.unwrap();
            assert_eq!(problem["type"], "/problems/search-not-available");
        }

        let post = |path: &str, body: Value| {
            app.client.post(format!("{}{path}", app.url)).json(&body).send()
        };
        let form = serde_json::json!({"email": "boss@shop.example", "password": "Secret1!",
            "firstName": "Ann", "lastName": "Lee"});
        assert_eq!(post("/signup", form.clone()).await.unwrap().status(), 201);
        let form = serde_json::json!({"email": "boss@shop.example", "password": "Secret1!"});
        let signed_in: Value = post("/login", form).await.unwrap().json().await.unwrap();
        let token = signed_in["idToken"].as_str().unwrap();
        let put = app.client.patch(format!("{}/products/B007", app.url)).bearer_auth(token);
        let put = put.header("content-type", "application/merge-patch+json").body("{\"price\":2}");
        assert_eq!(put.send().await.unwrap().status(), 200);
        assert_eq!(app.json("/products/B007").await["price"], 2.0);

        // Behind the service's back, and seen within the bound.
        let mut editor = database.connect().await;
        let change = "UPDATE amazon.products SET price = 3 WHERE asin = 'B007'";
        editor.simple_query(change).await.unwrap().into_results().await.unwrap();
        let changed = Instant::now();
        while app.json("/products/B007").await["price"] != 3.0 {
            assert!(changed.elapsed() < Duration::from_secs(5), "CONTRACT 6");
        }
    }

    #[tokio::test]
    #[ignore = "needs TEST_SQL_CONNECTION_STRING"]
    async fn every_command_works_on_it() {
        let database = TestDatabase::make().await;
        let folder = TestFolder::new();
        let command = || {
            let mut command = handler(folder.data.path());
            command.envs(database.environment());
            command
        };
        let line = |command: &mut Command| {
            let text = stdout(&run(command));
            text.lines().find(|line| line.starts_with("database")).unwrap().to_owned()
        };
        assert!(line(command().arg("doctor")).contains("no schema yet"));
        let refused = run(command()
            .arg("import")
            .arg(folder.file("a.csv", many(10)))
            .env("SQL_MIGRATE", "never"));
        assert!(stderr(&refused).contains("handler migrate"), "{}", stderr(&refused));
        for _ in 0..2 {
            let migrated = run(command().arg("migrate").env("SQL_MIGRATE", "never"));
            let said = stdout(&migrated);
            assert!(said.contains(&format!("schema {SCHEMA}")), "{said}{}", stderr(&migrated));
        }
        let imported = run(command().arg("import").arg(folder.file("a.csv", many(10))));
        assert!(stdout(&imported).contains("loaded 10"), "{}", stderr(&imported));
        assert!(line(command().arg("doctor")).contains("10 products"));
        assert!(!folder.data.database().exists(), "nothing of it is embedded");
        let user = run(command().args(["user", "grant", "ann@shop.example"]));
        assert!(stderr(&user).contains("no user"), "{}", stderr(&user));

        let mut editor = database.connect().await;
        let newer =
            "UPDATE amazon.meta SET value = '999' WHERE name IN ('schema', 'oldest_handler')";
        editor.simple_query(newer).await.unwrap().into_results().await.unwrap();
        for arguments in [["serve"], ["migrate"]] {
            let output = run(command().args(arguments));
            assert_eq!(output.status.code(), Some(2), "{}", stdout(&output));
            assert!(stderr(&output).contains("needs a newer handler"), "{}", stderr(&output));
        }
        assert!(line(command().arg("doctor")).contains("needs a newer handler"));
    }

    /// Each is one clear line that says what to do, and shows no secret.
    #[tokio::test]
    #[ignore = "needs TEST_SQL_CONNECTION_STRING"]
    async fn what_is_set_up_wrongly_is_told_clearly() {
        let database = TestDatabase::make().await;
        let folder = TestFolder::new();
        let string = database.environment()["SQL_CONNECTION_STRING"].clone();
        let mut changes = vec![
            ("password=Hunter2-hunter2", "the login is refused"),
            ("database=no_such_database", "SQL_DATABASE"),
        ];
        if string.to_lowercase().replace(' ', "").contains("trustservercertificate=true") {
            changes.push(("trustservercertificate=false", "certificate"));
        }
        for (change, told) in changes {
            let output = run(handler(folder.data.path())
                .arg("doctor")
                .envs(database.environment())
                .env("SQL_CONNECTION_STRING", format!("{string};{change}")));
            assert_eq!(output.status.code(), Some(1));
            let text = stdout(&output);
            let line = text.lines().find(|line| line.starts_with("database")).unwrap();
            assert!(line.contains("FAILED") && line.contains(told), "{line}");
            assert!(!text.contains("Hunter2"), "{text}");
            let serving = Serving::start_by(
                handler(folder.data.path())
                    .arg("serve")
                    .envs(database.environment())
                    .env("SQL_CONNECTION_STRING", format!("{string};{change}")),
            );
            assert_eq!(serving.get("/health").await.status(), 200, "the process stays up");
            assert_eq!(serving.get("/products").await.status(), 503);
            let lines = serving.end();
            assert!(lines.iter().any(|line| line.contains(told)), "{lines:?}");
            assert!(!lines.iter().any(|line| line.contains("Hunter2")));
        }
    }

    /// Logins of the database's own, made by its owner.
    async fn make_login(database: &TestDatabase, name: &str, granted: &[&str]) -> String {
        let mut owner = database.connect().await;
        let grants = granted.iter().map(|rights| format!("GRANT {rights} TO {name}"));
        let login = [
            format!("CREATE LOGIN {name} WITH PASSWORD = 'Reader-1234'"),
            format!("CREATE USER {name} FOR LOGIN {name}"),
        ];
        for statement in login.into_iter().chain(grants) {
            owner.simple_query(statement).await.unwrap().into_results().await.unwrap();
        }
        let string = &database.environment()["SQL_CONNECTION_STRING"];
        format!("{string};user id={name};password=Reader-1234")
    }

    async fn drop_login(database: &TestDatabase, name: &str, granted: &[&str]) {
        let mut owner = database.connect().await;
        let revoked = granted.iter().map(|rights| format!("REVOKE {rights} FROM {name}"));
        let drops = [format!("DROP USER {name}"), format!("DROP LOGIN {name}")];
        for statement in revoked.chain(drops) {
            owner.simple_query(statement).await.unwrap().into_results().await.unwrap();
        }
    }

    /// The deployed app reads and writes with rows' rights alone, and one without any is told
    /// what it lacks.
    #[tokio::test]
    #[ignore = "needs TEST_SQL_CONNECTION_STRING"]
    async fn a_login_that_may_only_read_and_write_rows_is_enough() {
        let database = TestDatabase::make().await;
        drop(database.store(Clock::System).await);
        let folder = TestFolder::new();
        let unique = database.name().trim_start_matches("vitrine_").to_owned();
        let (writer, nobody) = (format!("writer_{unique}"), format!("nobody_{unique}"));
        let rows = "SELECT, INSERT, UPDATE, DELETE, EXECUTE ON SCHEMA::amazon";
        let of_writer = make_login(&database, &writer, &[rows]).await;
        let of_nobody = make_login(&database, &nobody, &[]).await;
        let command = |string: &str| {
            let mut command = handler(folder.data.path());
            command.envs(database.environment());
            command.env("SQL_CONNECTION_STRING", string).env("SQL_MIGRATE", "never");
            command
        };
        let imported =
            run(command(&of_writer).arg("import").arg(folder.file("a.csv", many(2_000))));
        assert!(stdout(&imported).contains("loaded 2000"), "{}", stderr(&imported));
        let serving =
            Serving::start_by(command(&of_writer).arg("serve").env("ADMIN_EMAILS", "a@b.example"));
        let page = serving.get("/products?limit=5").await;
        assert_eq!(header(&page, "x-total-count"), "2000");
        let form = serde_json::json!({"email": "a@b.example", "password": "Secret1!",
            "firstName": "Ann", "lastName": "Lee"});
        let signed_up = serving.client.post(format!("{}/signup", serving.url)).json(&form).send();
        assert_eq!(signed_up.await.unwrap().status(), 201);
        drop(serving.end());

        let doctor = run(command(&of_nobody).arg("doctor"));
        let text = stdout(&doctor);
        let line = text.lines().find(|line| line.starts_with("database")).unwrap();
        assert!(line.contains("FAILED") && line.contains("lacks a right"), "{line}");
        assert!(!text.contains("Reader-1234"), "{text}");
        drop_login(&database, &writer, &[rows]).await;
        drop_login(&database, &nobody, &[]).await;
    }
}
