//! Unix sockets, TCP ports and HTTP seen from the host.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::super::http::{HttpRequest, HttpTarget, request};
use super::super::{RunAs, SocketErrorKind, TcpError};
use super::{Bed, on_both_links};

on_both_links!(a_socket_answers, a_socket_that_does_not, a_socket_of_another_user, a_port, http);

const SOON: Duration = Duration::from_secs(5);

async fn a_socket_answers(bed: &Bed) {
    let path = bed.path("s");
    let listener = UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        for _ in 0..20 {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = [0; 10];
            stream.read_exact(&mut asked).unwrap();
            stream.write_all(&vec![b'x'; 100_000]).unwrap();
            stream.write_all(&asked).unwrap();
        }
    });
    for _ in 0..20 {
        let answer = bed.host.socket(&path, b"show stat\n", RunAs::Login, SOON).await.unwrap();
        assert_eq!((answer.len(), &answer[100_000..]), (100_010, &b"show stat\n"[..]));
    }
    server.join().unwrap();
}

async fn a_socket_that_does_not(bed: &Bed) {
    let path = bed.path("s");
    let kind = |path: String, timeout| async move { bed.host.socket(&path, b"x\n", RunAs::Login, timeout).await.unwrap_err().kind };
    assert_eq!(kind(path.clone(), SOON).await, SocketErrorKind::Absent);
    drop(UnixListener::bind(&path).unwrap());
    assert_eq!(kind(path.clone(), SOON).await, SocketErrorKind::Refused);
    std::fs::write(bed.path("f"), "").unwrap();
    assert_eq!(kind(bed.path("f"), SOON).await, SocketErrorKind::NotSocket);
    let silent = UnixListener::bind(bed.path("silent")).unwrap();
    assert_eq!(kind(bed.path("silent"), Duration::from_millis(300)).await, SocketErrorKind::Timeout);
    drop(silent);
    // A user who is not root is refused by the mode of the socket.
    if bed.host.user() != "root" {
        let _listener = UnixListener::bind(bed.path("d")).unwrap();
        std::fs::set_permissions(bed.path("d"), std::fs::Permissions::from_mode(0o000)).unwrap();
        assert!(matches!(kind(bed.path("d"), SOON).await, SocketErrorKind::Denied { mode: 0, .. }));
    }
}

async fn a_socket_of_another_user(bed: &Bed) {
    let path = bed.path("s");
    let listener = UnixListener::bind(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = [0; 5];
        // Who only looks whether somebody listens sends nothing.
        if stream.read_exact(&mut asked).is_ok() {
            stream.write_all(b"answer\n").unwrap();
        }
    });
    let asked = bed.host.socket(&path, b"show\n", RunAs::User("nobody".into()), SOON).await;
    // Whether sudo and a relay are there depends on the machine; without them the error says which is missing.
    match asked {
        Ok(answer) => assert_eq!(answer, b"answer\n"),
        Err(error) => {
            let known = matches!(error.kind, SocketErrorKind::NoProgram | SocketErrorKind::Other);
            assert!(
                known && (error.kind == SocketErrorKind::NoProgram || error.detail.contains("sudo")),
                "{error:?}"
            );
            drop(std::os::unix::net::UnixStream::connect(&path));
        }
    }
    server.join().unwrap();
}

async fn a_port(bed: &Bed) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut all = Vec::new();
        stream.read_to_end(&mut all).unwrap();
        stream.write_all(&all).unwrap();
    });
    let mut stream = bed.host.open_tcp("127.0.0.1", port, SOON).await.unwrap();
    stream.write_all(b"there").await.unwrap();
    stream.shutdown().await.unwrap();
    let mut back = Vec::new();
    stream.read_to_end(&mut back).await.unwrap();
    assert_eq!(back, b"there");
    server.join().unwrap();
    assert_eq!(bed.host.open_tcp("127.0.0.1", port, SOON).await.err(), Some(TcpError::Refused));
}

async fn http(bed: &Bed) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://127.0.0.1:{}/health", listener.local_addr().unwrap().port());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            asked.push(byte[0]);
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n").unwrap();
        let _ = stream.write_all(&vec![b'y'; 400_000]);
    });
    let target = HttpTarget::parse(&url).unwrap();
    let stream = bed.host.open_tcp(&target.host, target.port, SOON).await.unwrap();
    let get = HttpRequest {
        method: "GET".into(),
        target,
        headers: Vec::new(),
        body: Vec::new(),
        timeout: SOON,
    };
    let answer = request(stream, get).await.unwrap();
    assert_eq!(
        (answer.status, answer.body.len(), answer.truncated),
        (200, crate::base::bound::HTTP_BODY_BYTES, true)
    );
    server.join().unwrap();
}
