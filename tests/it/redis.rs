//! The shared part in Redis beyond its contract: what lies in the server, clusters, TLS, logins.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};
use vitrine::cache::redis::{Login, Patience, Prefix, RedisShared, Target, probe};
use vitrine::cache::shared::{Shared, SharedError, Turn};
use vitrine::cache::versions::Row;
use vitrine::credentials::Credentials;
use vitrine::crypto::install_providers;
use vitrine::store::late::LateStore;
use vitrine::store::{Store, StoreError};

use crate::contract_shared::{keeps_the_contract, lease, page, place, versions};
use crate::support::TestFolder;
use crate::support::apart::{child_of, run_apart};
use crate::support::identity::{Endpoint, SECRET, Says, token_of};
use crate::support::process::{handler, run, stderr, stdout};
use crate::support::redis::{
    FORMAT, PASSWORD, RedisServer, begin, clients, free_port, log, some_prefix,
};

pub const LIFE: Duration = Duration::from_mins(10);
/// What happens happens by then, on a machine under load too.
pub const SOON: Duration = Duration::from_secs(30);
/// Deadlines as short as those of a serving process.
pub const HASTY: Patience =
    Patience { reading: Duration::from_millis(250), writing: Duration::from_millis(500) };

/// Asks until it answers.
pub async fn until_there(shared: &dyn Shared) {
    let asking = async {
        while shared.versions().await.is_err() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, asking).await.expect("it comes back by itself");
}

pub fn is_away<T>(answer: &Result<T, SharedError>) -> bool {
    matches!(answer, Err(SharedError::Away(_)))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn what_lies_in_the_server_is_named_and_ends() {
    let server = RedisServer::start();
    let shared = server.shared("shop");
    shared.raise(&versions([(0, 1), (7, 2)])).await.unwrap();
    shared.fill(&place("7", "abc"), &page(7, 2, "x"), LIFE, None).await.unwrap();
    shared.fill(&place("p:LAMP", ""), &page(7, 2, "x"), LIFE, None).await.unwrap();
    let mine = lease("2", "t");
    let turn = shared.get_or_lease(&place("8", "abc"), None, &mine).await.unwrap();
    assert_eq!(turn, Turn::Granted);
    shared.leave_word("one", "{}").await.unwrap();
    let mut keys = server.list(&["KEYS", "*"]);
    keys.sort_unstable();
    let expected = [
        "shop:7:{7}:abc",
        "shop:7:{8}:abc:lease:2",
        "shop:7:{p:LAMP}",
        "shop:{instances}",
        "shop:{instances}:seen",
        "shop:{versions}",
    ];
    assert_eq!(keys, expected);
    for key in expected {
        let left: i64 = redis::from_redis_value(server.command(&["PTTL", key])).unwrap();
        assert_eq!(left == -1, key == "shop:{versions}", "{key}: {left}");
    }
    // Another release shares the versions, and no page.
    let prefix = Prefix::given("shop".to_owned());
    let newer = RedisShared::begin(server.target(), prefix, FORMAT + 1, HASTY);
    until_there(&newer).await;
    assert_eq!(newer.versions().await.unwrap(), shared.versions().await.unwrap());
    assert_eq!(newer.get(&place("7", "abc")).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_word_ends_after_fifteen_seconds() {
    let server = RedisServer::start();
    let shared = server.shared("shop");
    for instance in ["one", "two"] {
        shared.leave_word(instance, instance).await.unwrap();
    }
    // As if it had been left 16 s ago.
    let left = server.text(&["ZSCORE", "shop:{instances}:seen", "one"]);
    let earlier = (left.parse::<f64>().unwrap() - 16_000.0).to_string();
    server.command(&["ZADD", "shop:{instances}:seen", &earlier, "one"]);
    assert_eq!(shared.words().await.unwrap(), ["two"]);
    assert_eq!(server.list(&["HKEYS", "shop:{instances}"]).len(), 2);
    shared.leave_word("two", "again").await.unwrap();
    assert_eq!(server.list(&["HKEYS", "shop:{instances}"]), ["two"], "it is forgotten");
    assert_eq!(shared.words().await.unwrap(), ["again"]);
}

/// Versions that are gone are unknown, scripts that are gone are sent again.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_server_that_has_lost_everything_is_used_on() {
    let server = RedisServer::start();
    let shared = server.shared("shop");
    shared.raise(&versions([(0, 5)])).await.unwrap();
    shared.fill(&place("7", "a"), &page(7, 5, ""), LIFE, None).await.unwrap();
    server.command(&["FLUSHALL"]);
    server.command(&["SCRIPT", "FLUSH"]);
    assert_eq!(shared.versions().await.unwrap(), versions([]));
    assert_eq!(shared.get(&place("7", "a")).await.unwrap(), None);
    shared.raise(&versions([(0, 4)])).await.unwrap();
    assert_eq!(shared.versions().await.unwrap(), versions([(0, 4)]));
}

/// Somebody else's keys, or a fault of ours: asking again will not help.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn an_answer_that_makes_no_sense_is_told_apart() {
    let server = RedisServer::start();
    let shared = server.shared("shop");
    server.command(&["SET", "shop:7:{7}:a", "x", "PX", "100000"]);
    assert!(shared.get(&place("7", "a")).await.unwrap().is_some(), "whoever reads it will see");
    // It refuses what it cannot do, and goes on being asked.
    server.command(&["SET", "shop:{versions}", "x"]);
    let refused = shared.raise(&versions([(0, 1)])).await;
    assert!(is_nonsense(&refused, "WRONGTYPE"), "{refused:?}");
    assert!(shared.ping().await.is_ok());
    server.command(&["ACL", "SETUSER", "default", "-mget"]);
    let refused = shared.get(&place("7", "a")).await;
    assert!(is_nonsense(&refused, "NOPERM"), "{refused:?}");
}

fn is_nonsense<T>(answer: &Result<T, SharedError>, word: &str) -> bool {
    let Err(SharedError::Nonsense(text)) = answer else { return false };
    text.contains(word) && text.lines().count() == 1
}

/// What lies there can be read on; what to do about it stands in the log, once.
#[tokio::test]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_server_that_is_full_is_told_of() {
    let (log, _logging) = log();
    let server = RedisServer::start();
    let shared = server.shared("shop");
    shared.raise(&versions([(0, 1)])).await.unwrap();
    server.command(&["CONFIG", "SET", "maxmemory", "1"]);
    for version in 2..5 {
        let refused = shared.raise(&versions([(0, version)])).await;
        assert!(is_nonsense(&refused, "OOM"), "{refused:?}");
    }
    assert_eq!(shared.versions().await.unwrap(), versions([(0, 1)]));
    let log = log();
    assert_eq!(log.matches("WARN").count(), 1, "{log}");
    assert!(log.contains("volatile-lru"), "{log}");
}

/// It is missing, and whoever misses a version raises it.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_version_that_is_none_hides_no_other_and_is_replaced() {
    let server = RedisServer::start();
    let shared = server.shared("shop");
    shared.raise(&versions([(0, 5), (-1, 6)])).await.unwrap();
    let none = [
        ("1", "99999999999999999999999"),
        ("2", "9223372036854775808"),
        ("3", "x"),
        ("4", "-7"),
        ("5", ""),
        ("6", "0007"),
        ("7", "7.5"),
        ("8", "+7"),
        ("seven", "7"),
        ("99999999999999999999999", "7"),
    ];
    for (row, version) in none {
        server.command(&["HSET", "shop:{versions}", row, version]);
    }
    assert_eq!(shared.versions().await.unwrap(), versions([(0, 5), (-1, 6)]));
    let mut all = versions([(0, 5), (-1, 6)]);
    all.extend((1..=8).map(|row| (Row(row), 3)));
    shared.raise(&all).await.unwrap();
    assert_eq!(shared.versions().await.unwrap(), all);
    shared.raise(&all.keys().map(|row| (*row, 2)).collect()).await.unwrap();
    assert_eq!(shared.versions().await.unwrap(), all, "none has fallen");
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn who_goes_leaves_no_connection() {
    let server = RedisServer::start();
    let connections = || {
        let of = |kind| clients(&server.url(), kind).len();
        (of("normal"), of("pubsub"))
    };
    let come = async |expected| {
        while connections() != expected {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let shared = server.shared("x");
    timeout(SOON, come((1, 1))).await.expect("one for commands, one to listen");
    drop(shared);
    timeout(SOON, come((0, 0))).await.expect("none");
}

/// Nothing waits for it, and nothing fails for good: neither at the start nor over a password
/// that is put right later.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_login_that_is_refused_is_tried_again() {
    let server = RedisServer::start_with(&["--requirepass", "another"]);
    let wrong = Login::Key { user: None, password: PASSWORD.into() };
    let shared = begin(Target { login: wrong, ..server.target() }, "x");
    let refused = shared.versions().await.unwrap_err().to_string();
    assert!(refused.lines().count() == 1 && !refused.contains(PASSWORD), "{refused}");
    assert!(!refused.is_empty() && is_away(&shared.versions().await));
    server.says("AUTH another\r\nCONFIG SET requirepass hunter2/+=\r\n");
    until_there(shared.as_ref()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn the_prefix_is_the_id_of_the_database_once_it_is_open() {
    let server = RedisServer::start();
    let (late, folder) = (Arc::new(LateStore::default()), TestFolder::new());
    late.failed(StoreError::NoSearch);
    let prefix = Prefix::id_of(Arc::clone(&late) as Arc<dyn Store>);
    let shared = RedisShared::begin(server.target(), prefix, FORMAT, HASTY);
    assert!(shared.ping().await.is_ok(), "the server is there");
    let unknown = shared.versions().await.unwrap_err();
    assert!(unknown.to_string().contains("the database's id is not known yet"), "{unknown}");
    let store = folder.store();
    late.opened(store.clone());
    until_there(&shared).await;
    shared.raise(&versions([(0, 1)])).await.unwrap();
    let key = format!("{}:{{versions}}", store.id().await.unwrap());
    assert_eq!(server.list(&["KEYS", "*"]), [key]);
}

/// A node of a cluster, with these slots and those between them.
pub fn node(first: &str, last: &str) -> RedisServer {
    let bus = free_port().to_string();
    let server =
        RedisServer::start_with(&["--cluster-enabled", "yes", "--cluster-port", bus.as_str()]);
    server.command(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
    server
}

/// Waits until every slot is somebody's.
pub async fn until_whole(server: &RedisServer) {
    let whole = async {
        while !server.text(&["CLUSTER", "INFO"]).contains("cluster_state:ok") {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, whole).await.unwrap();
}

/// One that sends its clients from node to node is named, which no answer to a ping does.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn a_cluster_without_a_proxy_is_told_of() {
    let (one, other) = (node("0", "8191"), node("8192", "16383"));
    let bus = other.list(&["CONFIG", "GET", "cluster-port"]);
    let bus = bus.last().unwrap();
    one.command(&["CLUSTER", "MEET", "127.0.0.1", &other.port.to_string(), bus]);
    until_whole(&one).await;
    let refused = probe(&one.target()).await.unwrap_err().to_string();
    assert!(
        refused.contains("must stand behind a proxy") && refused.contains("15495"),
        "{refused}"
    );
}

/// A cluster refuses a command or a script whose keys are not in one slot.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn the_contract_is_kept_in_a_cluster() {
    let server = node("0", "16383");
    until_whole(&server).await;
    keeps_the_contract(|| {
        let prefix = some_prefix();
        [server.shared(&prefix), server.shared(&prefix)]
    })
    .await;
}

/// By password and TLS, with an authority of our own that the machine is told to trust.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn the_contract_is_kept_over_tls() {
    install_providers();
    let test = "redis::the_contract_is_kept_over_tls";
    let Some(port) = child_of(test) else {
        let server = RedisServer::start_with_tls();
        let port = server.tls_port.unwrap().to_string();
        let login = Login::Key { user: None, password: PASSWORD.into() };
        let untrusted = begin(encrypted(&port, "localhost", login), "x");
        assert!(is_away(&untrusted.versions().await), "nobody vouches for it");
        run_apart(test, &port, &[("SSL_CERT_FILE", &server.ca().display().to_string())]);
        return;
    };
    for host in ["localhost", "127.0.0.1"] {
        let login = Login::Key { user: Some("default".to_owned()), password: PASSWORD.into() };
        probe(&encrypted(&port, host, login)).await.unwrap();
    }
    let login = Login::Key { user: None, password: PASSWORD.into() };
    let make = || {
        let prefix = some_prefix();
        let end = || begin(encrypted(&port, "localhost", login.clone()), &prefix);
        [end() as Arc<dyn Shared>, end()]
    };
    keeps_the_contract(make).await;
}

fn encrypted(port: &str, host: &str, login: Login) -> Target {
    let (host, port) = (host.to_owned(), port.parse().unwrap());
    Target { host, port, is_encrypted: true, database: 0, login }
}

/// As the identity of the process: its user is the token's owner, its password the token. Before
/// that ends, the connection of the commands logs in anew as it is, and the one that listens is
/// followed by another.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn an_identity_logs_in_and_does_so_anew_before_its_token_ends() {
    install_providers();
    let test = "redis::an_identity_logs_in_and_does_so_anew_before_its_token_ends";
    let Some(told) = child_of(test) else {
        let server = RedisServer::start_with_tls();
        // The second token is somebody else's, so that one can see which of them counts.
        for owner in ["first", "second"] {
            let key = format!(">{}", token_of(owner));
            server.command(&["ACL", "SETUSER", owner, "on", &key, "~*", "&*", "+@all"]);
        }
        // Exchanged when 4.5 minutes are left, and so at once, but for the pause between two.
        // Each connection comes for one.
        let first = Says::TokenOf("first", Duration::from_secs(200));
        let second = Says::TokenOf("second", Duration::from_hours(1));
        let endpoint = Endpoint::start(vec![first, first, second]);
        let told = format!("{} {}", server.tls_port.unwrap(), server.url());
        let ca = server.ca().display().to_string();
        let variables = [
            ("SSL_CERT_FILE", ca.as_str()),
            ("IDENTITY_ENDPOINT", &endpoint.url),
            ("IDENTITY_HEADER", SECRET),
        ];
        run_apart(test, &told, &variables);
        let asked = endpoint.requests();
        assert!(asked[0].contains("resource=https%3A%2F%2Fredis.azure.com"), "{asked:?}");
        return;
    };
    let (port, url) = told.split_once(' ').unwrap();
    let entra = Login::Entra(Arc::new(Credentials::managed_identity(None).unwrap()));
    let began = Instant::now();
    let one = begin(encrypted(port, "localhost", entra), "x");
    until_there(one.as_ref()).await;
    let is_heard = async {
        for version in 1.. {
            one.raise(&versions([(0, version)])).await.unwrap();
            if timeout(Duration::from_millis(50), one.told()).await.is_ok() {
                break;
            }
        }
    };
    timeout(SOON, is_heard).await.unwrap();
    let users = |kind| clients(url, kind).into_iter().map(|(_, user)| user).collect::<Vec<_>>();
    let [(number, first)] = &clients(url, "normal")[..] else { panic!("one connection") };
    assert_eq!(first, "first");
    assert_eq!(users("pubsub"), ["first"]);

    let renewed = async {
        while users("normal") != ["second"] || users("pubsub") != ["second"] {
            assert!(one.versions().await.is_ok(), "it is used meanwhile");
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON * 2, renewed).await.expect("both log in anew");
    assert!(began.elapsed() >= Duration::from_secs(20), "{:?}", began.elapsed());
    assert_eq!(clients(url, "normal")[0].0, *number, "on the connection as it was");
    one.raise(&versions([(0, 1_000_000)])).await.unwrap();
    let told = timeout(SOON, one.told()).await.unwrap();
    assert_eq!(told[&Row(0)], 1_000_000);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs TEST_REDIS_SERVER"]
async fn doctor_tells_whether_it_is_there() {
    let server = RedisServer::start_with_tls();
    let folder = TestFolder::new();
    let doctor = |string: &str| {
        let mut doctor = handler(folder.data.path());
        doctor.arg("doctor").env("REDIS_CONNECTION_STRING", string).env("RUST_LOG", "trace");
        let output = run(&mut doctor);
        let text = stdout(&output);
        let line = text.lines().find(|line| line.starts_with("shared cache ")).unwrap().to_owned();
        assert!(!format!("{text}{}", stderr(&output)).contains("hunter"), "{text}");
        (output.status.success(), line)
    };
    let without = stdout(&run(handler(folder.data.path()).arg("doctor")));
    assert!(without.contains("shared cache   ok      none"), "{without}");
    let string = format!("127.0.0.1:{},password={PASSWORD},abortConnect=False", server.port);
    let (is_well, line) = doctor(&string);
    assert!(is_well && line.contains("not encrypted, answers in"), "{line}");
    let tls = format!("rediss://:{PASSWORD}@localhost:{}", server.tls_port.unwrap());
    let (is_well, line) = doctor(&tls);
    assert!(!is_well && line.contains("FAILED") && line.contains("ertificate"), "{line}");
    let (is_well, line) = doctor(&format!("redis://:hunter3@127.0.0.1:{}", server.port));
    assert!(!is_well && line.contains("FAILED"), "{line}");
    server.kill();
    let (is_well, line) = doctor(&string);
    assert!(!is_well && line.contains("cannot be reached"), "{line}");
}
