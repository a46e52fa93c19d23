//! As much of HTTP as asking a neighbour takes.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};

/// The body that a server on this machine answers with. HTTP/1.0, so that it comes in one piece and the connection ends with it.
pub fn get(port: u16, path: &str) -> Vec<u8> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).expect("connection");
    write!(stream, "GET {path} HTTP/1.0\r\nhost: localhost\r\n\r\n").expect("request");
    let mut answer = vec![];
    stream.read_to_end(&mut answer).expect("answer");
    let head = answer.windows(4).position(|w| w == b"\r\n\r\n").expect("head") + 4;
    let status = String::from_utf8_lossy(&answer[..head]).lines().next().unwrap_or_default().to_owned();
    assert!(status.contains(" 200 "), "{path}: {status}");
    answer.split_off(head)
}
