//! Being told to stop, on its own: nothing new is taken, what goes on may end, and a client
//! that never ends does not keep the process.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vitrine::store::Store;

use crate::support::TestFolder;
use crate::support::files::many;
use crate::support::process::Serving;

/// Far above what a stop takes, and far below what a forgotten deadline would.
const PATIENCE: Duration = Duration::from_secs(25);

fn tell_to_stop(serving: &Serving) -> Instant {
    let kill = Command::new("kill").args(["-TERM", &serving.child.id().to_string()]).status();
    assert!(kill.unwrap().success());
    Instant::now()
}

fn ended(serving: &mut Serving, told: Instant) -> (ExitStatus, Duration) {
    loop {
        if let Some(status) = serving.child.try_wait().unwrap() {
            return (status, told.elapsed());
        }
        assert!(told.elapsed() < PATIENCE, "it does not end");
        std::thread::yield_now();
    }
}

fn connect(serving: &Serving) -> TcpStream {
    TcpStream::connect(serving.url.strip_prefix("http://").unwrap()).unwrap()
}

#[test]
fn at_rest_it_ends_at_once_and_well() {
    let folder = TestFolder::new();
    let mut serving = Serving::start(folder.data.path());
    let mut kept = connect(&serving);
    kept.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    assert!(kept.read(&mut [0; 1_024]).unwrap() > 0);
    let told = tell_to_stop(&serving);
    let (status, took) = ended(&mut serving, told);
    assert!(status.success(), "{status}");
    assert!(took < Duration::from_secs(8), "a connection at rest is not waited for: {took:?}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_waited_for_and_then_left() {
    let folder = TestFolder::new();
    let store: Arc<dyn Store> = folder.store();
    folder.import(&store, &folder.file("x.csv", many(60_000))).await.unwrap();
    drop(store);
    let mut serving = Serving::start(folder.data.path());
    let mut stalled = connect(&serving);
    let ask = b"GET /products HTTP/1.1\r\nHost: x\r\nAccept: text/csv\r\n\r\n";
    stalled.write_all(ask).unwrap();
    assert!(stalled.read(&mut [0; 64]).unwrap() > 0, "the list has begun");
    let told = tell_to_stop(&serving);
    let (status, took) = ended(&mut serving, told);
    assert!(status.success(), "{status}");
    assert!(took >= Duration::from_secs(9), "it was given its time: {took:?}");
}
