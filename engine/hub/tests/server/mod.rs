//! A small hub on loopback: the repository's address redirects to a second one that sends the bytes, as the real hub does.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

/// What the hub has and how it behaves; may be changed while it runs.
#[derive(Clone, Default)]
pub struct Site {
    /// The file, under whatever name it is asked for.
    pub body: Body,
    /// What the redirect names as the file's SHA-256.
    pub sha256: Option<String>,
    /// What the redirect names as the file's length, if not the right one.
    pub linked_size: Option<u64>,
    /// Status of the first answer in place of the redirect.
    pub status: Option<u16>,
    /// Where the redirect leads, if not to the bytes.
    pub location: Option<String>,
    /// Sends everything, whatever range is asked for.
    pub ignores_range: bool,
    /// Does not say how long the answer is.
    pub hides_length: bool,
    /// Bytes after which each of the next connections breaks off.
    pub cuts: VecDeque<usize>,
    /// Time between blocks of 64 kB.
    pub pause: Duration,
}

/// Bytes, kept or made.
#[derive(Clone)]
pub enum Body {
    Bytes(Arc<Vec<u8>>),
    Zeros(u64),
}

impl Default for Body {
    fn default() -> Self {
        Self::Bytes(Arc::default())
    }
}

impl Body {
    fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Zeros(len) => *len,
        }
    }

    fn block(&self, from: u64, to: u64) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes[from as usize..to as usize].to_vec(),
            Self::Zeros(_) => vec![0; (to - from) as usize],
        }
    }
}

/// A hub that runs until the test ends.
pub struct Server {
    /// Its address.
    pub endpoint: String,
    /// What it has.
    pub site: Arc<Mutex<Site>>,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    /// Starts on a free port.
    pub fn start(site: Site) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
        let (site, requests) = (Arc::new(Mutex::new(site)), Arc::new(Mutex::new(Vec::new())));
        let (shared, log, own) = (site.clone(), requests.clone(), endpoint.clone());
        let body = move || {
            for stream in listener.incoming().flatten() {
                let (site, log, own) = (shared.clone(), log.clone(), own.clone());
                // A client that goes away ends its connection and nothing else.
                let serve = move || drop(answer(stream, &site, &log, &own));
                std::thread::Builder::new().name("connection".into()).spawn(serve).expect("a thread");
            }
        };
        std::thread::Builder::new().name("hub".into()).spawn(body).expect("a thread");
        Self { endpoint, site, requests }
    }

    /// The heads of all requests since the last call, in lower case.
    pub fn requests(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock())
    }
}

fn answer(mut stream: TcpStream, site: &Mutex<Site>, log: &Mutex<Vec<String>>, own: &str) -> std::io::Result<()> {
    let mut head = String::new();
    let mut lines = BufReader::new(stream.try_clone()?);
    while lines.read_line(&mut head)? > 2 {}
    let head = head.to_lowercase();
    log.lock().push(head.clone());
    let cut = {
        let mut site = site.lock();
        if head.starts_with("get /bytes") { site.cuts.pop_front() } else { None }
    };
    let site = site.lock().clone();
    let total = site.body.len();
    if head.starts_with("get /luffy503/voco/resolve/main/") {
        let text = if let Some(status) = site.status {
            format!("HTTP/1.1 {status} No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno")
        } else {
            let etag = site.sha256.map(|sha256| format!("X-Linked-ETag: \"{sha256}\"\r\n")).unwrap_or_default();
            let size = site.linked_size.unwrap_or(total);
            let size = if site.hides_length { String::new() } else { format!("X-Linked-Size: {size}\r\n") };
            let location = site.location.unwrap_or_else(|| format!("{own}/bytes?signature=1"));
            format!(
                "HTTP/1.1 302 Found\r\n{etag}{size}Location: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        };
        return stream.write_all(text.as_bytes());
    }
    let asked =
        head.lines().find_map(|line| line.strip_prefix("range: bytes=")?.strip_suffix('-')?.parse::<u64>().ok());
    let asked = asked.filter(|_| !site.ignores_range);
    let mut from = asked.unwrap_or(0);
    let status = match asked {
        Some(from) if from >= total => {
            let text = format!(
                "HTTP/1.1 416 No\r\nContent-Range: bytes */{total}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            return stream.write_all(text.as_bytes());
        }
        Some(from) => format!("206 Partial Content\r\nContent-Range: bytes {from}-{}/{total}", total - 1),
        None => "200 OK".to_owned(),
    };
    let length = if site.hides_length { String::new() } else { format!("Content-Length: {}\r\n", total - from) };
    stream.write_all(
        format!("HTTP/1.1 {status}\r\n{length}ETag: \"of-the-sender\"\r\nConnection: close\r\n\r\n").as_bytes(),
    )?;
    let end = cut.map_or(total, |cut| total.min(from + cut as u64));
    while from < end {
        let next = end.min(from + 65_536);
        stream.write_all(&site.body.block(from, next))?;
        from = next;
        std::thread::sleep(site.pause);
    }
    stream.flush()
}
